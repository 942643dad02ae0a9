//! Searching: an index says where messages stand, the log says what they are.

use super::changes::{EVENT_BYTES, body_bytes};
use super::listing::refused;
use super::{Anchor, ReadError};
use crate::code::Code;
use crate::id::RoomId;
use crate::limits::{PAGE_BYTES_MAX, SEARCH_HITS_MAX, SEARCH_TEXT_BYTES_MAX};
use crate::room::Permit;
use crate::search::{Asked, Found, FoundMessage, Hit, SearchError};
use crate::session::Identity;
use crate::session::frame::{HistoryRange, RequestId};

impl Anchor {
    /// Messages that match a query, the newest first, as they are now and as far as `reader` may read them; at most
    /// `asked.limit` and [`SEARCH_HITS_MAX`].
    ///
    /// Fewer than asked for say nothing of the end: that is where there is no [`Found::next`].
    ///
    /// # Errors
    /// [`ReadError`]; refused `unsupported` where the host has no index, `invalid` for what is no query.
    pub async fn search(&self, reader: &Identity, asked: &Asked) -> Result<Found, ReadError> {
        let Some(index) = &self.0.search else {
            return Err(refused(Code::Unsupported, "this server has no index to search in"));
        };
        if asked.text.len() > SEARCH_TEXT_BYTES_MAX {
            return Err(SearchError::Invalid(format!(
                "a query has at most {SEARCH_TEXT_BYTES_MAX} bytes, this one has {}",
                asked.text.len()
            ))
            .into());
        }
        let asked = Asked { limit: asked.limit.clamp(1, SEARCH_HITS_MAX), ..asked.clone() };
        let hits = index.search(self, reader, &asked).await?;
        let mut found = Found { messages: Vec::new(), next: hits.next, lag: hits.lag };
        let (mut bytes, mut last) = (0, None);
        for hit in hits.hits {
            let message = self.found(&hit, reader).await?;
            bytes += message.as_ref().map_or(0, size);
            if bytes > PAGE_BYTES_MAX && !found.messages.is_empty() {
                found.next = last;
                break;
            }
            found.messages.extend(message);
            last = Some(hit.place);
        }
        Ok(found)
    }

    /// Which events of a room `reader` may read, as of some moment after the call began; none of them: no permit.
    ///
    /// For those who keep something derived from logs, and show it to readers. It holds for what was read before the call.
    ///
    /// # Errors
    /// [`ReadError`], but for refusals.
    pub async fn permit(&self, room: &RoomId, reader: &Identity) -> Result<Option<Permit>, ReadError> {
        match self.grant(room, Some(reader)).await {
            Ok(grant) => Ok(Some(grant.permit)),
            Err(ReadError::Refused(_) | ReadError::Deleted(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The message of a hit as it is now; none if it is no more, or is not the reader's to read.
    async fn found(&self, hit: &Hit, reader: &Identity) -> Result<Option<FoundMessage>, ReadError> {
        let range = HistoryRange::BeforeOffset(hit.offset.next());
        let page = match self.history(RequestId(0), &hit.room, range, 1, Some(reader)).await {
            Ok(page) => page,
            Err(ReadError::Refused(_) | ReadError::Deleted(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let event = page.events.into_iter().next().filter(|event| event.offset == hit.offset);
        let Some(mut event) = event.filter(|_| page.epoch == Some(hit.epoch)) else { return Ok(None) };
        let changes = page.changes.into_iter().find(|changes| changes.target == event.offset);
        if let Some(edit) = changes.and_then(|changes| changes.edit) {
            event.body = edit.body;
        }
        // Without a body it was redacted since it was indexed.
        Ok(event.body.is_some().then(|| FoundMessage { room: hit.room.clone(), epoch: hit.epoch, event }))
    }
}

/// What a message takes in an answer, about, in bytes.
fn size(message: &FoundMessage) -> usize {
    EVENT_BYTES + message.event.body.as_ref().map_or(0, body_bytes)
}
