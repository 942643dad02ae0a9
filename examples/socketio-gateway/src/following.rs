//! A client's cursor into a room's log: what it lacks, and what comes, are one stream.
//!
//! Nothing is broadcast. Each client reads the log at a place of its own, so that who comes back and who never left get
//! the same, once and in order; and who reads slowly has others wait for nothing.

use std::collections::HashMap;

use anchor::engine::ReadError;
use anchor::position::Offset;
use anchor::session::Identity;
use anchor::{Anchor, Delivery, EventKind, Events, From, RoomId, StreamExt, Subscription, UserId};
use serde_json::json;
use socketioxide::SendError;
use socketioxide::extract::SocketRef;
use tokio::task::AbortHandle;

use crate::answer::patiently;
use crate::pace::Pace;
use crate::words::Words;

/// What a connection hears; no longer than this lives.
#[derive(Debug, Default)]
pub(crate) struct Following(HashMap<(Words, RoomId), Cursor>);

#[derive(Debug)]
struct Cursor {
    /// Where it began.
    after: Offset,
    task: AbortHandle,
}

impl Following {
    /// Hears a room in these words, from behind an offset or from now on; where it does already, it goes on as it did.
    /// Gives the offset behind which it begins.
    pub(crate) async fn begin(
        &mut self,
        anchor: &Anchor,
        socket: &SocketRef,
        user: &UserId,
        (words, room): (Words, RoomId),
        after: Option<u64>,
    ) -> Result<Offset, ReadError> {
        if let Some(cursor) = self.0.get(&(words, room.clone())).filter(|cursor| !cursor.task.is_finished()) {
            return Ok(cursor.after);
        }
        let reader = Identity { user: user.clone(), admin: false };
        let from = after.map_or(From::Now, |after| From::Offset(Offset(after)));
        let log = anchor.subscribe_as(reader, &room, from).await?;
        let after = log.position().offset;
        socket.join(room.as_str().to_owned());
        let task = tokio::spawn(follow(socket.clone(), words, room.clone(), log)).abort_handle();
        self.0.insert((words, room), Cursor { after, task });
        Ok(after)
    }

    /// Hears a room no longer in these words.
    pub(crate) fn end(&mut self, socket: &SocketRef, words: Words, room: &RoomId) {
        if let Some(cursor) = self.0.remove(&(words, room.clone())) {
            cursor.task.abort();
        }
        if !self.hears(room) {
            socket.leave(room.as_str().to_owned());
        }
    }

    /// True if it hears a room, in whatever words.
    pub(crate) fn hears(&self, room: &RoomId) -> bool {
        self.0.keys().any(|(_, heard)| heard == room)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.values().for_each(|cursor| cursor.task.abort());
    }
}

/// Tells a client of everything that its cursor passes, until the client or the room is gone.
async fn follow(socket: SocketRef, words: Words, room: RoomId, mut log: Subscription) {
    let pace = Pace::of(&socket);
    while let Some(delivery) = log.next().await {
        let told = match delivery {
            Ok(Delivery::Events(events)) => tell(&socket, words, &room, &events, &pace).await,
            // A client that knows nothing of these two has no listener, and goes on behind them.
            Ok(Delivery::Gap(gap)) => {
                let (from, to, reason) = (gap.from.0, gap.to.0, gap.reason.name());
                let gap = json!({ "room": room.as_str(), "from": from, "to": to, "reason": reason });
                patiently(&socket, &pace, || socket.emit("gap", &gap)).await
            }
            Err(error) => tell_refused(&socket, &room, &error).await,
        };
        if told.is_err() {
            return;
        }
    }
}

/// Tells a client that it does not hear a room, or no longer.
pub(crate) async fn tell_refused(
    socket: &SocketRef,
    room: &RoomId,
    error: &ReadError,
) -> Result<(), SendError> {
    let refused = json!({ "room": room.as_str(), "message": error.to_string() });
    patiently(socket, &Pace::of(socket), || socket.emit("refused", &refused)).await
}

async fn tell(
    socket: &SocketRef,
    words: Words,
    room: &RoomId,
    events: &Events,
    pace: &Pace,
) -> Result<(), SendError> {
    // What is stored is what an Anchor encoded; what it is not, ends the subscription.
    for event in events.iter().flatten().filter(|event| event.kind == EventKind::MESSAGE) {
        // Redacted, or no text: the vocabularies have no word for it.
        let Some(text) = event.body.as_ref().and_then(|body| body.as_text()) else { continue };
        patiently(socket, pace, || words.tell(socket, room, &event, text)).await?;
    }
    Ok(())
}
