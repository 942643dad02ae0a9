//! The three vocabularies, and how each of them tells of a message.

use anchor::{Event, RoomId};
use serde_json::json;
use socketioxide::SendError;
use socketioxide::extract::SocketRef;

/// In which words a client hears a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Words {
    /// `chat message (text, serverOffset)`, as the tutorial has it.
    ChatMessage,
    /// `message:new {…}`.
    MessageNew,
    /// `message {…}`, for those who `join`.
    Message,
}

impl Words {
    /// Tells of a message, once.
    ///
    /// # Errors
    /// [`SendError`] if the client's buffer has no room, or the client is gone: it was not told.
    pub(crate) fn tell(
        self,
        socket: &SocketRef,
        room: &RoomId,
        event: &Event,
        text: &str,
    ) -> Result<(), SendError> {
        let (offset, user) = (event.offset.0, event.user.as_str());
        match self {
            Self::ChatMessage => socket.emit("chat message", &(text, offset)),
            Self::MessageNew => socket.emit(
                "message:new",
                &json!({
                    "id": format!("{room}:{offset}"),
                    "roomId": room.as_str(),
                    "serverOffset": offset,
                    "senderId": user,
                    "content": text,
                    "createdAt": event.ts,
                }),
            ),
            Self::Message => socket.emit(
                "message",
                &json!({
                    "room": room.as_str(),
                    "serverOffset": offset,
                    "username": user,
                    "text": text,
                    "time": event.ts,
                }),
            ),
        }
    }
}
