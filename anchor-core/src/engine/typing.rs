//! Typing: said to those who watch the room, kept for a few seconds, never told to who types.

use super::Anchor;
use crate::event::Body;
use crate::id::RoomId;
use crate::publish::Refusal;
use crate::session::Identity;
use crate::session::frame::Signal;
use crate::store::StoreError;

impl Anchor {
    /// Says that a user types in a room, or has stopped. Who may send a message there may type. It is over when it is not said
    /// anew within [`crate::limits::TYPING_EXPIRES`], and nothing where nobody watches the room.
    ///
    /// # Errors
    /// [`StoreError`] if the room could not be looked up: nobody was told. Inside, the refusal.
    pub async fn typing(
        &self,
        user: &Identity,
        room: &RoomId,
        typing: bool,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let Some(watched) = self.0.watched.get(room) else { return Ok(Ok(())) };
        if typing {
            let Identity { user, admin } = user;
            let (room, body) = (room.clone(), Body::text("…"));
            let said = Signal { room, user: None, client: None, body };
            if let Err(refusal) = self.may_signal(user, *admin, &said, None).await? {
                return Ok(Err(refusal));
            }
        }
        if let Some(until) = watched.typing(&user.user, typing, self.now()) {
            self.0.due.by(until);
        }
        Ok(Ok(()))
    }
}
