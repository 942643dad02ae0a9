//! The answers to what a client wants to know: looked up in the engine, and put into frames.

use super::action::Request;
use super::consuming;
use super::frame::{RequestId, RoomListing, ServerFrame};
use super::identify::Identity;
use crate::code::Code;
use crate::engine::{Anchor, ReadError};
use crate::limits::WHO_USERS_MAX;
use crate::publish::Refusal;
use crate::search::Asked;
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
    wants_unread: bool,
) -> Result<ServerFrame, ReadError> {
    let reader = reader.as_ref();
    Ok(match request {
        Request::Rooms { which, after, limit } => {
            let (mut rooms, next) = anchor.list_rooms(&which, after.as_ref(), limit, reader).await?;
            if wants_unread {
                tell_unread(anchor, reader, &mut rooms).await?;
            }
            ServerFrame::RoomList { id, rooms, next }
        }
        Request::Room(room) => {
            let mut listing = anchor.room(&room, reader).await?;
            if wants_unread {
                tell_unread(anchor, reader, std::slice::from_mut(&mut listing)).await?;
            }
            ServerFrame::RoomInfo { id, room: Box::new(listing) }
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
            let UserRow { contact, receipts, .. } = anchor.store().user(&asker(reader)?.user).await?;
            let blocked = contact.blocked.into_iter().collect();
            ServerFrame::Contacts { id, direct: contact.direct, blocked, receipts }
        }
        Request::Who(room) => {
            let mut users = anchor.who(&room, reader).await?;
            let total = users.len() as u64;
            users.truncate(WHO_USERS_MAX);
            ServerFrame::Present { id, room, users, total }
        }
        Request::Readers { room, offsets } => {
            let readers = anchor.readers(&room, &offsets, reader).await?;
            ServerFrame::ReadBy { id, room, readers }
        }
        Request::Webhooks { after, limit } => {
            let (webhooks, next) = anchor.webhooks(asker(reader)?, after.as_ref(), limit).await?;
            ServerFrame::WebhookList { id, webhooks, next }
        }
        Request::ChangeWebhook(change) => {
            anchor.change_webhook(asker(reader)?, *change).await?;
            ServerFrame::Done { id }
        }
        Request::DeadLetters { name, after, limit } => {
            let (letters, next) = anchor.dead_letters(asker(reader)?, &name, after.as_ref(), limit).await?;
            ServerFrame::DeadLetterList { id, name, letters, next }
        }
        Request::Consumers { after, limit, whose } => {
            let (consumers, next) = consuming::list(anchor, reader, (whose, after, limit)).await?;
            ServerFrame::ConsumerList { id, consumers, next }
        }
        Request::ChangeConsumer { name, change, whose } => {
            consuming::change(anchor, reader, (whose, name), change).await?;
            ServerFrame::Done { id }
        }
        Request::Search { text, limit, after } => {
            let asked = Asked { text, limit, after };
            let found = Box::new(anchor.search(asker(reader)?, &asked).await?);
            ServerFrame::Found { id, found }
        }
    })
}

/// Who asks; there is nobody before the session has begun.
pub(super) fn asker(reader: Option<&Identity>) -> Result<&Identity, ReadError> {
    reader.ok_or_else(|| ReadError::Refused(Refusal::new(Code::Denied, "nobody has asked")))
}

/// Says of rooms in a list what is unread in them.
async fn tell_unread(
    anchor: &Anchor,
    reader: Option<&Identity>,
    listings: &mut [RoomListing],
) -> Result<(), ReadError> {
    let Some(reader) = reader else { return Ok(()) };
    let rooms: Vec<_> = listings.iter().map(|listing| listing.entry.room.clone()).collect();
    for (listing, unread) in listings.iter_mut().zip(anchor.unread(reader, &rooms).await?) {
        listing.entry.unread = unread;
    }
    Ok(())
}
