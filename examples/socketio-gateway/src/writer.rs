//! Appends what one connection says, each message once.

use std::time::Duration;

use anchor::core::error::ErrorKind;
use anchor::core::id::ClientKey;
use anchor::publish::{Ack, Refusal};
use anchor::store::StoreError;
use anchor::{Anchor, PublishError, Publisher, RoomId, UserId};

use crate::offset::Key;

/// Appends one after another: what waits for the store has everything behind it wait.
#[derive(Debug)]
pub(crate) struct Writer {
    anchor: Anchor,
    /// The newest client: a connection has one, beside the older ones whose messages it sends again.
    open: Option<(ClientKey, Publisher)>,
}

/// Why a message was not appended.
#[derive(Debug)]
pub(crate) enum NotAppended {
    /// It never will be.
    Refused(Refusal),
    /// The store has failed, and the process ends. Nothing is known of the message.
    Failed,
}

impl Writer {
    pub(crate) fn new(anchor: &Anchor) -> Self {
        Self { anchor: anchor.clone(), open: None }
    }

    /// Appends a message, or finds it appended. While the store takes nothing (a full disk, say), this waits.
    pub(crate) async fn append(
        &mut self,
        user: &UserId,
        key: Key,
        room: &RoomId,
        text: &str,
    ) -> Result<Ack, NotAppended> {
        loop {
            match self.try_append(user, &key, room, text).await {
                Ok(ack) => return Ok(ack),
                Err(PublishError::Refused(refusal)) => return Err(NotAppended::Refused(refusal)),
                Err(PublishError::Store(error)) if error.kind() != ErrorKind::Retry => {
                    return Err(NotAppended::Failed);
                }
                // The store is away; or the client's next connection sends the same messages, and has opened its client. The
                // same key once more finds out what became of the message.
                Err(_) => self.open = None,
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn try_append(
        &mut self,
        user: &UserId,
        key: &Key,
        room: &RoomId,
        text: &str,
    ) -> Result<Ack, PublishError> {
        self.client(user, key).await?.publish_numbered(key.seq, room, text).await
    }

    async fn client(&mut self, user: &UserId, key: &Key) -> Result<&mut Publisher, StoreError> {
        let client = ClientKey { user: user.clone(), id: key.client };
        let publisher = match self.open.take() {
            Some((open, publisher)) if open == client => publisher,
            _ => self.anchor.client(user.clone(), key.client).await?,
        };
        Ok(&mut self.open.insert((client, publisher)).1)
    }
}

/// How long a writer leaves alone what did not take its message. Source: chosen; a blink.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
