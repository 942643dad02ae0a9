//! How far users have come in rooms: the rows of that, and what memory and the pages say of it together.
//!
//! A row is what was moved, and what its user wrote up to the cut that the pages hold. What was written since is in memory:
//! who asks is told the further of both. Rows go by the number of their room. A room that the pages do not know yet is given
//! its number by the first move in it, which waits in `reserved` for the room's row.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use anchor_core::cursor::{Cursors, ReadMark, Readers};
use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Epoch, Offset, Ordinal};

use crate::codec::{Encoder, fields, read_number, read_offset};
use crate::pages::Row;
use crate::reader::Look;
use crate::rows::read_member;
use crate::visible::{Found, LiveRoom};

/// What memory knows of a room.
struct Seen<T> {
    /// Of what is not in the pages.
    unpaged: T,
    place: Place,
}

/// Who is counted in a room, as far as memory knows.
#[derive(Default)]
struct Unpaged {
    /// Of those who wrote what is not in the pages.
    cursors: BTreeMap<UserId, Cursors>,
    /// The room says who belongs to it.
    has_members: bool,
    /// Of those whose places changed, whether they have joined.
    joined: BTreeMap<UserId, bool>,
}

/// Where the rows of a room are to be found.
enum Place {
    /// There are none.
    Nowhere,
    /// Under this number.
    Number(u64),
    /// The pages did not know the room, which began with this epoch.
    Begun(Epoch),
    /// What there is of the room is in the pages.
    Paged,
}

impl Look<'_> {
    /// See [`anchor_core::store::Store::cursors`].
    pub(crate) fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, BoxError> {
        rooms.iter().map(|room| self.cursors_in(room, user)).collect()
    }

    fn cursors_in(&self, room: &RoomId, user: &UserId) -> Result<Cursors, BoxError> {
        let Seen { unpaged: authors, place } = self.found(room, |live| live.authors.cursors(user));
        let Some(number) = self.number_of(room, &place)? else { return Ok(authors) };
        let snapshot = self.snapshot()?;
        let row = snapshot.cursors.get((number, user.as_str()))?;
        let known = row.map(|row| read(&mut Reader::from_slice(row.value()))).transpose()?;
        Ok(known.map_or(authors, |known| known.max(authors)))
    }

    /// See [`anchor_core::store::Store::room_cursors`].
    pub(crate) fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, BoxError> {
        let Seen { unpaged: mut cursors, place } = self.found(room, |live| live.authors.behind(after));
        if let Some(number) = self.number_of(room, &place)? {
            let snapshot = self.snapshot()?;
            let from = after.map_or_else(|| Included((number, "")), |user| Excluded((number, user.as_str())));
            let until = Excluded((number + 1, ""));
            for entry in snapshot.cursors.range::<(u64, &str)>((from, until))?.take(limit) {
                let (key, row) = entry?;
                let known = read(&mut Reader::from_slice(row.value()))?;
                let of_user = cursors.entry(UserId::new(key.value().1)?).or_default();
                *of_user = known.max(*of_user);
            }
        }
        Ok(cursors.into_iter().take(limit).collect())
    }

    /// See [`anchor_core::store::Store::count_readers`].
    pub(crate) fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, BoxError> {
        let Seen { unpaged, place } = self.found(room, |live| Unpaged {
            cursors: live.authors.behind(None),
            has_members: live.info.is_some(),
            joined: live
                .members
                .iter()
                .map(|(user, (_, it))| (user.clone(), it.joined().is_some()))
                .collect(),
        });
        let Unpaged { cursors, mut has_members, joined } = unpaged;
        if let Place::Paged = place {
            has_members = self.shared.row(room, self.reach)?.is_some_and(|row| row.info.is_some());
        }
        let mut counting = Counting::new(offsets);
        let Some(number) = self.number_of(room, &place)? else {
            let is_counted = |user: &UserId| joined.get(user).copied().unwrap_or(!has_members);
            cursors.into_iter().filter(|(user, _)| is_counted(user)).for_each(|(_, it)| counting.count(it));
            return Ok(counting.readers(offsets));
        };
        let joined: BTreeMap<&str, bool> = joined.iter().map(|(user, has)| (user.as_str(), *has)).collect();
        let mut cursors: BTreeMap<&str, Cursors> =
            cursors.iter().map(|(user, cursors)| (user.as_str(), *cursors)).collect();
        let snapshot = self.snapshot()?;
        let is_counted = |user: &str| -> Result<bool, BoxError> {
            if !has_members {
                return Ok(true);
            }
            // What memory has is as new or newer.
            if let Some(has_joined) = joined.get(user) {
                return Ok(*has_joined);
            }
            let row = snapshot.members.get((number, user))?;
            let member = row.map(|row| read_member(&mut Reader::from_slice(row.value()))).transpose()?;
            Ok(member.is_some_and(|member| member.joined().is_some()))
        };
        for entry in snapshot.cursors.range::<(u64, &str)>((number, "")..(number + 1, ""))? {
            let (key, row) = entry?;
            let user = key.value().1;
            let written = cursors.remove(user).unwrap_or_default();
            if is_counted(user)? {
                counting.count(read(&mut Reader::from_slice(row.value()))?.max(written));
            }
        }
        for (user, written) in cursors {
            if is_counted(user)? {
                counting.count(written);
            }
        }
        Ok(counting.readers(offsets))
    }

    fn found<T: Default>(&self, room: &RoomId, look: impl FnOnce(&LiveRoom) -> T) -> Seen<T> {
        match self.shared.visible().find(room) {
            Found::Live(live) => {
                let place = live.number.map_or_else(|| Place::Begun(live.begun_with()), Place::Number);
                Seen { unpaged: look(live), place }
            }
            Found::Gone(_) => Seen { unpaged: T::default(), place: Place::Nowhere },
            Found::Paged => Seen { unpaged: T::default(), place: Place::Paged },
        }
    }

    /// The number of a room that was seen in `place`, if it has one by now.
    fn number_of(&self, room: &RoomId, place: &Place) -> Result<Option<u64>, BoxError> {
        match place {
            Place::Nowhere => Ok(None),
            Place::Number(number) => Ok(Some(*number)),
            Place::Paged => Ok(self.shared.row(room, self.reach)?.map(|row| row.number)),
            Place::Begun(epoch) => {
                let snapshot = self.snapshot()?;
                if let Some(value) = snapshot.reserved.get(room.as_str())?
                    && let (number, begun) = value.value()
                    && begun == epoch.as_bytes()
                {
                    return Ok(Some(number));
                }
                // It may have come into the pages since.
                let row =
                    snapshot.rooms.get(room.as_str())?.map(|row| Row::decode(row.value())).transpose()?;
                Ok(row.filter(|row| row.begun() == *epoch).map(|row| row.number))
            }
        }
    }
}

/// Users counted by how far they have come.
struct Counting {
    /// In rising order.
    offsets: Vec<Offset>,
    /// How many have come to that many of the offsets and not to the next.
    delivered: Vec<u64>,
    read: Vec<u64>,
}

impl Counting {
    fn new(offsets: &[Offset]) -> Self {
        let mut sorted = offsets.to_vec();
        sorted.sort_unstable();
        let none = vec![0; offsets.len() + 1];
        Self { offsets: sorted, delivered: none.clone(), read: none }
    }

    fn count(&mut self, cursors: Cursors) {
        let come_to = |place: Offset| self.offsets.partition_point(|offset| *offset <= place);
        let (delivered, read) = (come_to(cursors.delivered), come_to(cursors.shown));
        self.delivered[delivered] += 1;
        self.read[read] += 1;
    }

    /// How many have come to each of `offsets`.
    fn readers(&self, offsets: &[Offset]) -> Vec<Readers> {
        let readers = |offset: &Offset| {
            // Whoever has come to one of two that are the same has come to the other.
            let first = self.offsets.partition_point(|known| known < offset) + 1;
            let sum = |counted: &[u64]| counted[first..].iter().sum();
            Readers { delivered: sum(&self.delivered), read: sum(&self.read) }
        };
        offsets.iter().map(readers).collect()
    }
}

/// `[delivered, read, ordinal of read, shown]`
pub(crate) fn write(out: &mut Encoder, cursors: &Cursors) {
    let Cursors { delivered, read, shown } = cursors;
    out.array(4).uint(delivered.0).uint(read.offset.0).uint(read.ordinal.0).uint(shown.0);
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Cursors, Malformed> {
    fields(reader, 4, |reader| {
        let delivered = read_offset(reader)?;
        let read = ReadMark { offset: read_offset(reader)?, ordinal: Ordinal(read_number(reader)?) };
        Ok(Cursors { delivered, read, shown: read_offset(reader)? })
    })
}
