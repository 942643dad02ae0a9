//! Answers, and everything else that is sent to a client that may read slowly.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anchor::RoomId;
use anchor::code::Code;
use anchor::position::Offset;
use anchor::publish::{Ack, Refusal};
use serde_json::{Value, json};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::AckSender;
use socketioxide::handler::{FromMessageParts, Value as Packet};
use socketioxide::socket::Socket;
use socketioxide::{SendError, SocketError};

use crate::pace::Pace;

/// What is answered to an event.
#[derive(Debug)]
pub(crate) struct Answer(Value);

impl Answer {
    pub(crate) fn done() -> Self {
        Self(json!({ "ok": true }))
    }

    pub(crate) fn acked(ack: &Ack) -> Self {
        let offset = ack.mark.offset.0;
        Self(
            json!({ "ok": true, "room": ack.room.as_str(), "serverOffset": offset, "duplicate": ack.duplicate }),
        )
    }

    /// The client hears the room from behind `after`.
    pub(crate) fn joined(room: &RoomId, after: Offset) -> Self {
        Self(json!({ "ok": true, "room": room.as_str(), "serverOffset": after.0 }))
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self(json!({ "ok": false, "error": refusal.code.name(), "message": refusal.message }))
    }

    pub(crate) fn invalid(why: &str) -> Self {
        Self::refused(&Refusal::new(Code::Invalid, why))
    }
}

/// Whoever waits for the answer to an event, if anybody does.
#[derive(Debug)]
pub(crate) struct Asker {
    socket: Arc<Socket>,
    pace: Pace,
    ack_id: Option<i64>,
}

impl Asker {
    pub(crate) async fn answer(self, answer: Answer) {
        if self.ack_id.is_none() {
            return;
        }
        // A sender of acks is gone with a send that fails: it takes a new one to try again.
        let send = || {
            let Ok(sender) = AckSender::from_message_parts(
                &self.socket,
                &mut Packet::Bytes(Default::default()),
                &self.ack_id,
            );
            sender.send(&answer.0)
        };
        // Who is gone sends again, and is answered then.
        drop(patiently(&self.socket, &self.pace, send).await);
    }
}

impl FromMessageParts<LocalAdapter> for Asker {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket>,
        _: &mut Packet,
        ack_id: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self { socket: socket.clone(), pace: Pace::of(socket), ack_id: *ack_id })
    }
}

/// Sends when it is time, and tries until there is room in the client's buffer.
///
/// # Errors
/// [`SendError`] once the client is gone.
pub(crate) async fn patiently(
    socket: &Socket,
    pace: &Pace,
    mut send: impl FnMut() -> Result<(), SendError>,
) -> Result<(), SendError> {
    pace.turn(socket).await;
    loop {
        match send() {
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {
                tokio::time::sleep(FULL_FOR).await;
            }
            sent => return sent,
        }
    }
}

/// How long a client whose buffer is full is left alone; socketioxide does not say when there is room. Source: chosen; 128
/// packets in that time are more than a client takes.
const FULL_FOR: Duration = Duration::from_millis(5);
