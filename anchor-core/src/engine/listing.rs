//! Rooms in lists and by themselves. Everybody sees what is theirs to see, and to a stranger a group or a direct room is no
//! room at all.

use super::permit::anybody;
use super::{Anchor, ReadError, open};
use crate::code::Code;
use crate::id::RoomId;
use crate::limits::{ROOM_LIST_BYTES_MAX, ROOMS_LOOKED_AT_MAX};
use crate::publish::Refusal;
use crate::room::{Membership, RoomInfo, RoomKind, Standing};
use crate::session::Identity;
use crate::session::frame::{RoomEntry, RoomListing, Which};
use crate::store::StoredRoom;
use crate::text::line;

/// A part of a list, and after which of them more follow.
pub type Part<T, K> = (Vec<T>, Option<K>);

impl Anchor {
    /// Rooms of which `reader` may know, in the order of their ids, those after `after`, at most `limit`; none is the host
    /// itself, who knows all of them and has none of its own.
    ///
    /// Bounded by [`ROOMS_LOOKED_AT_MAX`]: where it looks at more, there are fewer, and more follow.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list_rooms(
        &self,
        which: &Which,
        after: Option<&RoomId>,
        limit: usize,
        reader: Option<&Identity>,
    ) -> Result<Part<RoomListing, RoomId>, ReadError> {
        let mut list = List { listings: Vec::new(), limit, bytes: 0 };
        if *which == Which::Mine {
            let Some(Identity { user, .. }) = reader else { return Ok((Vec::new(), None)) };
            let own = self.store().rooms_of(user, after, limit).await?;
            let is_all = own.len() < limit;
            let mut last = None;
            for (room, _) in own {
                if let Some(state) = self.store().room(&room).await? {
                    let stored = StoredRoom { room: room.clone(), state, info: None };
                    list.extend(self.listed(stored, reader).await?);
                }
                last = Some(room);
                if list.is_full() {
                    return Ok((list.listings, last));
                }
            }
            return Ok((list.listings, last.filter(|_| !is_all)));
        }
        let sought = Sought::new(which);
        let (mut after, mut left) = (after.cloned(), ROOMS_LOOKED_AT_MAX);
        while left > 0 {
            let asked = left.min(ROOMS_AT_A_TIME);
            let rooms = self.store().rooms(after.as_ref(), asked).await?;
            left -= asked;
            let is_last = rooms.len() < asked;
            for stored in rooms {
                let room = stored.room.clone();
                if sought.has(&stored) {
                    let listing = match &stored.info {
                        None if !room.is_system() => Some(RoomListing {
                            entry: open::entry(room.clone(), Some(&stored.state)),
                            info: None,
                            member: None,
                        }),
                        _ => self.listed(stored, reader).await?.filter(|listing| sought.takes(listing)),
                    };
                    list.extend(listing);
                }
                if list.is_full() {
                    return Ok((list.listings, Some(room)));
                }
                after = Some(room);
            }
            if is_last {
                return Ok((list.listings, None));
            }
        }
        Ok((list.listings, after))
    }

    /// What `reader` may know of a room.
    ///
    /// # Errors
    /// [`ReadError`]; refused `room_unknown` as well where there is such a room, of which the reader may not know.
    pub async fn room(&self, room: &RoomId, reader: Option<&Identity>) -> Result<RoomListing, ReadError> {
        let Some(state) = self.store().room(room).await? else { return Err(unknown()) };
        let stored = StoredRoom { room: room.clone(), state, info: None };
        self.listed(stored, reader).await?.ok_or_else(unknown)
    }

    /// A room as `reader` may know it; none if not at all.
    async fn listed(
        &self,
        stored: StoredRoom,
        reader: Option<&Identity>,
    ) -> Result<Option<RoomListing>, ReadError> {
        let StoredRoom { room, state, .. } = stored;
        let entry = open::entry(room.clone(), Some(&state));
        let standing = match reader {
            Some(reader) => self.store().standing(&room, &reader.user).await?,
            None => Standing { member: None, ..self.store().standing(&room, &anybody()).await? },
        };
        let Standing { info, member, .. } = standing.clone();
        let is_open = info.as_ref().is_some_and(|info| info.kind == RoomKind::Public);
        let is_invited = member.is_some_and(|member| member.membership == Membership::Invited);
        Ok(match self.grant_by(&room, standing, reader).await {
            // Who is no member any more knows what it was told as one, and not what the room has become.
            Ok(grant) if grant.permit.until.is_some() && !is_open => {
                Some(RoomListing { entry: grant.seen(entry), info: None, member })
            }
            Ok(grant) => Some(RoomListing { entry: grant.seen(entry), info, member }),
            Err(ReadError::Refused(_)) if is_open || is_invited => {
                Some(RoomListing { entry: RoomEntry::without_log(room), info, member })
            }
            Err(ReadError::Refused(_)) => None,
            Err(error) => return Err(error),
        })
    }
}

/// A list that is being made.
struct List {
    listings: Vec<RoomListing>,
    limit: usize,
    bytes: usize,
}

impl List {
    fn extend(&mut self, listing: Option<RoomListing>) {
        if let Some(listing) = listing {
            self.bytes += bytes(&listing);
            self.listings.push(listing);
        }
    }

    fn is_full(&self) -> bool {
        self.listings.len() >= self.limit || self.bytes >= ROOM_LIST_BYTES_MAX
    }
}

/// What a list of rooms is to have: all that are the reader's to see, or public ones with a text in id or title.
enum Sought {
    Readable,
    Public(String),
}

impl Sought {
    fn new(which: &Which) -> Self {
        match which {
            Which::Public(text) => Self::Public(line(text).to_lowercase()),
            Which::Readable | Which::Mine => Self::Readable,
        }
    }

    /// Whether a room may belong into the list, as far as it can be said without asking who the reader is.
    fn has(&self, stored: &StoredRoom) -> bool {
        let Self::Public(text) = self else { return true };
        let is_public = match &stored.info {
            Some(info) => info.kind == RoomKind::Public && !info.archived,
            None => true,
        };
        let is_in = |name: &str| name.to_lowercase().contains(text.as_str());
        let title = stored.info.as_ref().and_then(|info| info.title.as_ref());
        let is_found = is_in(stored.room.as_str()) || title.is_some_and(|title| is_in(title.as_str()));
        is_public && !stored.room.is_system() && is_found
    }

    /// Whether a room that the reader may know of belongs into the list.
    fn takes(&self, listing: &RoomListing) -> bool {
        let is_own = listing.member.is_some_and(|member| member.membership.is_listed());
        // Without its settings goes what the reader is no member of any more.
        let is_readable = listing.entry.epoch.is_some() && listing.info.is_some();
        matches!(self, Self::Public(_)) || is_own || is_readable
    }
}

fn unknown() -> ReadError {
    refused(Code::RoomUnknown, "there is no such room")
}

pub(super) fn refused(code: Code, message: &str) -> ReadError {
    ReadError::Refused(Refusal::new(code, message))
}

/// What a room takes in a list, about, in bytes.
fn bytes(listing: &RoomListing) -> usize {
    let of_info = |info: &RoomInfo| {
        let title = info.title.as_ref().map_or(0, |title| title.as_str().len());
        let topic = info.topic.as_ref().map_or(0, |topic| topic.as_str().len());
        title + topic + info.pins.len() * PIN_BYTES
    };
    LISTING_BYTES + listing.info.as_deref().map_or(0, of_info)
}

/// What a room takes in a list without its texts, in bytes. Source: two ids of 64 bytes and a dozen fields, about.
const LISTING_BYTES: usize = 320;

/// What a pin takes, in bytes. Source: the digits of the largest offset.
const PIN_BYTES: usize = 17;

/// Rooms that are read at a time. Source: chosen; a page of a list.
const ROOMS_AT_A_TIME: usize = 500;
