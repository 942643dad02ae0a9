//! Who may do what: one function for each kind of request.

use crate::code::Code;
use crate::id::RoomId;
use crate::publish::Refusal;

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
