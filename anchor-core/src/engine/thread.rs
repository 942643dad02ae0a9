//! The replies to a message, read by themselves.

use super::changes::{self, EVENT_BYTES, body_bytes};
use super::open::is_same_log;
use super::permit::Grant;
use super::redacted::hide;
use super::{Anchor, ReadError};
use crate::code::Code;
use crate::event::{Event, EventKind};
use crate::id::RoomId;
use crate::limits::{AMENDMENTS_MAX, HISTORY_EVENTS_MAX, PAGE_BYTES_MAX};
use crate::position::{Epoch, Offset};
use crate::publish::Refusal;
use crate::room::Changes;
use crate::session::Identity;
use crate::session::frame::{RequestId, ThreadPage};
use crate::store::Direction;

impl Anchor {
    /// Replies to the message at `root` that `reader` may read, none being the host itself: the newest before an offset or
    /// the oldest after one, at most `limit`, in rising order; and what later events made of them.
    ///
    /// # Errors
    /// [`ReadError`]; refused `target_unknown` where there is no event at `root`.
    pub async fn thread(
        &self,
        id: RequestId,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
        reader: Option<&Identity>,
    ) -> Result<ThreadPage, ReadError> {
        let limit = limit.clamp(1, HISTORY_EVENTS_MAX);
        loop {
            let state = self.store().room(room).await?;
            let grant = self.grant(room, reader).await?;
            let head = state.as_ref().map_or(Offset::ZERO, |state| state.head.offset);
            let head = head.min(grant.permit.until.unwrap_or(head));
            let Some(log) = state.as_ref().filter(|_| root != Offset::ZERO && root <= head) else {
                let refusal = Refusal::new(Code::TargetUnknown, "there is no such message in this room");
                return Err(ReadError::Refused(refusal));
            };
            let as_of = (log.epoch_at(head), head);
            let mut page = self.thread_page(id, room, root, from, limit, as_of, &grant, reader).await?;
            // What was read of a log that was set back meanwhile is nothing to the permit.
            let now = self.store().room(room).await?;
            if is_same_log(now.as_ref(), state.as_ref()) {
                let redacted = self.redacted_since(room, state.as_ref(), now.as_ref()).await?;
                let events = page.root.iter_mut().chain(&mut page.replies);
                let edited = |event: &Event| event.target.filter(|_| event.kind == EventKind::EDIT);
                let is_gone = |event: &Event| {
                    [Some(event.offset), edited(event)].into_iter().flatten().any(|at| redacted.contains(&at))
                };
                events.filter(|event| is_gone(event)).for_each(|event| event.body = None);
                hide(&mut page.changes, &redacted);
                return Ok(page);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what was asked, and what it was found to mean")]
    async fn thread_page(
        &self,
        id: RequestId,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
        (epoch, head): (Epoch, Offset),
        grant: &Grant,
        reader: Option<&Identity>,
    ) -> Result<ThreadPage, ReadError> {
        let hidden = grant.permit.after;
        let (from, is_forward) = match from {
            Direction::After(offset) => (Direction::After(offset.max(hidden)), true),
            Direction::Before(offset) => (Direction::Before(offset.min(head.next())), false),
        };
        // One more than asked for tells whether more follow.
        let mut offsets = self.store().replies(room, root, from, limit + 1).await?;
        offsets.retain(|offset| *offset > hidden && *offset <= head);
        let mut more = offsets.len() > limit;
        if more && is_forward {
            offsets.pop();
        } else if more {
            offsets.remove(0);
        }
        let is_root_shown = root > hidden;
        let mut read = if is_root_shown { vec![root] } else { Vec::new() };
        read.extend(&offsets);
        let mut events = self.events_at(room, &read).await?.into_iter();
        let root_event = if is_root_shown { events.next().flatten() } else { None };
        let mut left = AMENDMENTS_MAX;
        let mut replies: Vec<(Event, Vec<Changes>)> = Vec::new();
        for event in events.flatten() {
            let changes =
                self.changes_of(room, (event.offset, event.offset), head, grant, reader, &mut left).await?;
            replies.push((event, changes));
        }
        let mut changes = match &root_event {
            Some(_) => self.changes_of(room, (root, root), head, grant, reader, &mut left).await?,
            None => Vec::new(),
        };
        let mut bytes = root_event.as_ref().map_or(0, |event| size(event, &changes));
        if !is_forward {
            replies.reverse();
        }
        let mut kept: Vec<(Event, Vec<Changes>)> = Vec::new();
        for (event, changes) in replies {
            bytes += size(&event, &changes);
            if !kept.is_empty() && bytes > PAGE_BYTES_MAX {
                more = true;
                break;
            }
            kept.push((event, changes));
        }
        let next = kept.last().map(|(event, _)| event.offset).filter(|_| more);
        if !is_forward {
            kept.reverse();
        }
        let mut replies = Vec::with_capacity(kept.len());
        for (event, of_event) in kept {
            changes.extend(of_event);
            replies.push(event);
        }
        let total = self.replies_up_to(room, root, hidden, head).await?;
        Ok(ThreadPage {
            id,
            room: room.clone(),
            root: root_event,
            replies,
            changes,
            total,
            next,
            epoch,
            head,
        })
    }

    /// How many replies stand between two offsets, the first excluded.
    async fn replies_up_to(
        &self,
        room: &RoomId,
        root: Offset,
        after: Offset,
        head: Offset,
    ) -> Result<u64, ReadError> {
        let Some(thread) = self.store().threads(room, (root, root)).await?.into_iter().next() else {
            return Ok(0);
        };
        let all = self.thread_up_to(room, thread, head).await?.map_or(0, |thread| thread.replies);
        if after <= root {
            return Ok(all);
        }
        let before = Direction::Before(after.next());
        let hidden = self.store().replies(room, root, before, AMENDMENTS_MAX).await?;
        Ok(all.saturating_sub(hidden.len() as u64))
    }
}

/// What an event and its changes take in a frame, about.
fn size(event: &Event, of_event: &[Changes]) -> usize {
    let body = event.body.as_ref().map_or(0, body_bytes);
    EVENT_BYTES + body + of_event.iter().map(changes::bytes).sum::<usize>()
}
