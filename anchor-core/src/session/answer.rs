//! The answers to what a client wants to know: looked up in the engine, and put into frames.

use super::action::Request;
use super::frame::{RequestId, ServerFrame};
use super::identify::Identity;
use crate::code::Code;
use crate::engine::{Anchor, ReadError};
use crate::limits::WHO_USERS_MAX;
use crate::publish::Refusal;
use crate::user::UserRow;

/// Looks up what `reader` wants to know, as far as that is the reader's to know.
///
/// # Errors
/// [`ReadError`].
pub(super) async fn answer(
    anchor: &Anchor,
    id: RequestId,
    request: Request,
    reader: Option<Identity>,
) -> Result<ServerFrame, ReadError> {
    let reader = reader.as_ref();
    Ok(match request {
        Request::Rooms { which, after, limit } => {
            let (rooms, next) = anchor.list_rooms(&which, after.as_ref(), limit, reader).await?;
            ServerFrame::RoomList { id, rooms, next }
        }
        Request::Room(room) => {
            ServerFrame::RoomInfo { id, room: Box::new(anchor.room(&room, reader).await?) }
        }
        Request::Members { room, after, limit } => {
            let (members, next) = anchor.members(&room, after.as_ref(), limit, reader).await?;
            ServerFrame::MemberList { id, room, members, next }
        }
        Request::Thread { room, root, from, limit } => {
            let page = anchor.thread(id, &room, root, from, limit, reader).await?;
            ServerFrame::ThreadPage(Box::new(page))
        }
        Request::Profiles(users) => {
            let mut profiles = Vec::with_capacity(users.len());
            for user in users {
                let row = anchor.store().user(&user).await?;
                profiles.push((user, row.profile));
            }
            ServerFrame::ProfileList { id, profiles }
        }
        Request::Contact => {
            let Some(reader) = reader else {
                return Err(ReadError::Refused(Refusal::new(Code::Denied, "nobody has asked")));
            };
            let UserRow { contact, receipts, .. } = anchor.store().user(&reader.user).await?;
            let blocked = contact.blocked.into_iter().collect();
            ServerFrame::Contacts { id, direct: contact.direct, blocked, receipts }
        }
        Request::Who(room) => {
            let mut users = anchor.who(&room, reader).await?;
            let total = users.len() as u64;
            users.truncate(WHO_USERS_MAX);
            ServerFrame::Present { id, room, users, total }
        }
        // Nobody takes these yet.
        Request::Search { .. }
        | Request::Readers { .. }
        | Request::Consumers { .. }
        | Request::ChangeConsumer { .. }
        | Request::Webhooks { .. }
        | Request::ChangeWebhook(_)
        | Request::DeadLetters { .. } => return Err(ReadError::Refused(unsupported())),
    })
}

/// What this server has no part for.
pub(super) fn unsupported() -> Refusal {
    Refusal::new(Code::Unsupported, "this server does not do that")
}
