//! Who may do what: one function for each kind of request.

use crate::code::Code;
use crate::event::{Draft, EventKind};
use crate::id::RoomId;
use crate::limits::BODY_BYTES_MAX;
use crate::position::Offset;
use crate::publish::{MissingRoom, Refusal, Verdict};

/// Whether a publish is appended, where the window does not know its seq. Pure: a repeat never gets here.
#[must_use]
pub fn publish(room: &RoomId, draft: &Draft, missing_room: MissingRoom) -> Verdict {
    let refuse = |code, message: &str| Verdict::Refuse(Refusal::new(code, message));
    if room.is_system() {
        return refuse(Code::Denied, "rooms whose id begins with @ are made by the server alone");
    }
    if draft.kind != EventKind::MESSAGE {
        return refuse(Code::KindUnsupported, "only messages can be published");
    }
    if draft.target == Some(Offset::ZERO) {
        return refuse(Code::Invalid, "offset 0 is no event that another could be about");
    }
    if draft.body.bytes().len() > BODY_BYTES_MAX {
        return refuse(Code::BodyTooLarge, "a body has at most 65,536 bytes");
    }
    Verdict::Append { room: missing_room }
}

/// Whether a room may be read.
///
/// # Errors
/// The code and the sentence of the refusal.
pub fn read(room: &RoomId) -> Result<(), Refusal> {
    match room.is_system() {
        true => Err(Refusal::new(Code::Denied, "this room is not yours to read")),
        false => Ok(()),
    }
}
