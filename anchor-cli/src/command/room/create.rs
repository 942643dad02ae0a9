//! `room create`: a room that is there already is right if it is of that kind, and the user's own.

use anchor_core::code::Code;
use anchor_core::event::{Draft, EventKind};
use anchor_core::room::{Member, Role};
use anchor_transport::client::RequestError;

use crate::args::InRoom;
use crate::args::room::Create;
use crate::command::change::{Answer, Change, Writer};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Makes the room.
///
/// # Errors
/// As [`Writer::change`], and where the answer cannot be printed.
pub(super) async fn run(context: &Context, arguments: Create) -> Result<Exit, Failure> {
    let body = arguments.change().to_body();
    let Create { room, kind, json, .. } = arguments;
    let mut writer = Writer::open(context)?;
    let draft = Draft { kind: EventKind::ROOM, target: None, body };
    let mut answer = writer.change(Change { room: room.clone(), draft }).await?;
    if let Answer::Refused(refusal) = &answer
        && refusal.code == Code::RoomExists
    {
        let is_own = match writer.client().room(&room).await {
            Ok(listing) => {
                let is_owner = listing.member.as_ref().and_then(Member::joined) == Some(Role::Owner);
                is_owner && listing.info.is_some_and(|info| info.kind == kind.into())
            }
            // Somebody else's, who does not show it.
            Err(RequestError::Refused { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if is_own {
            answer = Answer::Unchanged("the room is there already, and yours".to_owned());
        }
    }
    answer.print(&InRoom { room, json })
}
