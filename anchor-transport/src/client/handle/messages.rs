//! What is said, and what is done to it: replies, edits, redactions, reactions, pins, reports, announcements.
//!
//! Each is a publish, so durable in the outbox and made once. What is about a message names it by its offset in the room.

use anchor_core::code::Code;
use anchor_core::event::{Body, Draft, Event, EventKind};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::room::Sign;
use anchor_core::room::change::Report;
use anchor_core::session::frame::HistoryRange;

use super::{Changing, Client, Publishing};
use crate::client::error::{PublishError, RequestError};

/// The message that begins a thread: what a reply names. Made from an event, be it that message or one of the replies, or
/// from the offset of the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Root(Offset);

impl Root {
    /// Where it stands.
    #[must_use]
    pub const fn offset(self) -> Offset {
        self.0
    }
}

impl From<Offset> for Root {
    fn from(offset: Offset) -> Self {
        Self(offset)
    }
}

impl From<&Event> for Root {
    fn from(event: &Event) -> Self {
        let of_reply = event.target.filter(|_| event.kind == EventKind::MESSAGE);
        Self(of_reply.unwrap_or(event.offset))
    }
}

impl Client {
    /// Says something in a thread. Durable and appended once, as [`Client::publish`].
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: as a message, and `target_unknown` where there is no such message or it cannot be
    /// read by the user, `invalid` where the root is a reply itself: [`Client::root_of`] finds what that one names.
    pub async fn reply(
        &self,
        room: &RoomId,
        root: impl Into<Root>,
        body: impl Into<Body>,
    ) -> Result<Publishing, PublishError> {
        self.publish(room, about(EventKind::MESSAGE, root.into().offset(), body.into())).await
    }

    /// The message that begins the thread of the one at `offset`: for people, who answer whatever they see.
    ///
    /// # Errors
    /// As [`Client::history`]; `target_unknown` where no event stands there that the user may read.
    pub async fn root_of(&self, room: &RoomId, offset: Offset) -> Result<Root, RequestError> {
        let page = self.history(room, HistoryRange::BeforeOffset(offset.next()), 1).await?;
        match page.events.iter().find(|event| event.offset == offset) {
            Some(event) => Ok(event.into()),
            None => {
                let message = format!("there is no event {offset} in {room} that can be read");
                Err(RequestError::Refused { code: Code::TargetUnknown, message })
            }
        }
    }

    /// Gives a message of one's own another body. Durable and appended once, as [`Client::publish`]; what it said before
    /// stays in the log, unless it is redacted.
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` for a message of somebody else, `target_unknown`, `muted`,
    /// `room_archived`, `not_a_member`.
    pub async fn edit(
        &self,
        room: &RoomId,
        message: Offset,
        body: impl Into<Body>,
    ) -> Result<Publishing, PublishError> {
        self.publish(room, about(EventKind::EDIT, message, body.into())).await
    }

    /// Takes a message's body and its edits away, for good. Durable and appended once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): that was done before (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` for a message of somebody else, but by moderators, `target_unknown`,
    /// `not_a_member`.
    pub async fn redact(&self, room: &RoomId, message: Offset) -> Result<Changing, PublishError> {
        self.change(room, about(EventKind::REDACTION, message, Body::text(""))).await
    }

    /// Sets a sign on a message. Durable and appended once, as [`Client::publish`]. Who has set it already may be told so
    /// ([`Changed::Already`](super::Changed::Already)) or set it again, which counts once.
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `target_unknown`, `muted`, `room_archived`, `not_a_member`.
    pub async fn react(&self, room: &RoomId, message: Offset, sign: &Sign) -> Result<Changing, PublishError> {
        self.change(room, about(EventKind::REACTION, message, Body::text(sign.as_str()))).await
    }

    /// Takes a sign back from a message. Durable and appended once, as [`Client::publish`]; as with [`Client::react`], one that
    /// the user has not set is no error.
    ///
    /// # Errors
    /// As [`Client::react`].
    pub async fn unreact(
        &self,
        room: &RoomId,
        message: Offset,
        sign: &Sign,
    ) -> Result<Changing, PublishError> {
        self.change(room, about(EventKind::REACTION_REMOVED, message, Body::text(sign.as_str()))).await
    }

    /// Puts a message up for all to see. Durable and appended once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): it is pinned (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` for all but moderators where the room has any, `full`,
    /// `target_unknown`, `muted`, `room_archived`, `not_a_member`.
    pub async fn pin(&self, room: &RoomId, message: Offset) -> Result<Changing, PublishError> {
        self.change(room, about(EventKind::PIN, message, Body::text(""))).await
    }

    /// Takes a message down again. Durable and appended once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): it is not pinned (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::pin`].
    pub async fn unpin(&self, room: &RoomId, message: Offset) -> Result<Changing, PublishError> {
        self.change(room, about(EventKind::UNPIN, message, Body::text(""))).await
    }

    /// Puts an event before the moderators of its room, who find it in [`RoomId::reports_of`] the room. Durable and appended
    /// once, as [`Client::publish`].
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `target_unknown`, `not_a_member`.
    pub async fn report(
        &self,
        room: &RoomId,
        event: Offset,
        reason: Option<String>,
    ) -> Result<Publishing, PublishError> {
        let body = Report { room: room.clone(), offset: event, reason }.to_body();
        let draft = Draft { kind: EventKind::REPORT, target: None, body };
        self.publish(&RoomId::reports_of(room), draft).await
    }

    /// Says something to everybody on the server. Durable and appended once, as [`Client::publish`].
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` or `room_unknown` for all but admins of the server.
    pub async fn announce(&self, body: impl Into<Body>) -> Result<Publishing, PublishError> {
        self.publish(&RoomId::announcements(), body.into()).await
    }
}

fn about(kind: EventKind, target: Offset, body: Body) -> Draft {
    Draft { kind, target: Some(target), body }
}
