//! Reads of what stands beside the logs: which rooms there are, who stands where in them.
//!
//! Memory is looked at first, the pages afterwards, as in [`crate::reader`]: what left memory in between is in the pages.
//! Lists are put together of what both name, each name then looked up by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};

use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::Reader;
use anchor_core::position::Epoch;
use anchor_core::room::{Member, Standing};
use anchor_core::store::StoredRoom;

use crate::reader::{Elsewhere, Look, Reach};
use crate::rows::read_member;
use crate::shared::Shared;
use crate::visible::{Found, Visible};

impl Look<'_> {
    /// See [`anchor_core::store::Store::rooms`].
    pub(crate) fn room_list(
        &self,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<StoredRoom>, BoxError> {
        let names = |after: Option<&RoomId>, wanted: usize| {
            let mut names: Vec<RoomId> =
                self.shared.visible().unknown_to_pages(after).take(wanted).cloned().collect();
            let snapshot = self.snapshot()?;
            let from = after.map_or(Unbounded, |room| Excluded(room.as_str()));
            for entry in snapshot.rooms.range::<&str>((from, Unbounded))?.take(wanted) {
                let (name, _) = entry?;
                names.push(RoomId::new(name.value())?);
            }
            Ok(names)
        };
        listed(after, limit, names, |room| self.stored_room(room))
    }

    fn stored_room(&self, room: &RoomId) -> Result<Option<StoredRoom>, BoxError> {
        match self.shared.visible().find(room) {
            Found::Live(live) => {
                let (room, state, info) = (room.clone(), live.state.clone(), live.info.clone());
                return Ok(Some(StoredRoom { room, state, info }));
            }
            Found::Gone(_) => return Ok(None),
            Found::Paged => {}
        }
        let row = self.shared.row(room, self.reach)?;
        Ok(row.map(|row| StoredRoom { room: room.clone(), state: row.state.clone(), info: row.info.clone() }))
    }

    /// True if there was such a room, which was deleted and did not begin anew.
    pub(crate) fn was_deleted(&self, room: &RoomId) -> Result<bool, BoxError> {
        match self.shared.visible().find(room) {
            Found::Live(_) => return Ok(false),
            Found::Gone(_) => return Ok(true),
            Found::Paged => {}
        }
        Ok(self.shared.deleted(room)?.is_some())
    }

    /// See [`anchor_core::store::Store::standing`]: of one moment.
    pub(crate) fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, BoxError> {
        for _ in 0..STANDING_ATTEMPTS {
            let at_once = self.shared.standing(&self.shared.visible(), room, user, Reach::Memory);
            match at_once {
                Err(error) if error.is::<Elsewhere>() && self.reach != Reach::Memory => {}
                known => return known,
            }
            // Brings what is missing into memory, to be looked at there with the rest.
            let live = match self.shared.visible().find(room) {
                Found::Live(live) if live.number.is_some() => live.number,
                Found::Live(_) | Found::Gone(_) => continue,
                Found::Paged => None,
            };
            let number = match live {
                Some(number) => number,
                None => match self.shared.row(room, Reach::Disk)? {
                    Some(row) => row.number,
                    // It is not there, and was not when memory was looked at.
                    None => {
                        let deleted = self.shared.deleted(room)?;
                        return Ok(Standing { deleted, ..Standing::default() });
                    }
                },
            };
            self.shared.paged_member(number, user, Reach::Disk)?;
        }
        // Commits wait for this one read.
        self.shared.standing(&self.shared.visible(), room, user, Reach::Disk)
    }

    /// See [`anchor_core::store::Store::members`].
    pub(crate) fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, BoxError> {
        let range = || (after.map_or(Unbounded, Excluded), Unbounded);
        let mut members = BTreeMap::new();
        let number = match self.shared.visible().find(room) {
            Found::Live(live) => {
                let changed = live.members.range::<UserId, _>(range()).take(limit);
                members.extend(changed.map(|(user, (_, member))| (user.clone(), *member)));
                live.number.filter(|_| live.info.is_some())
            }
            Found::Gone(_) => None,
            Found::Paged => {
                self.shared.row(room, self.reach)?.filter(|row| row.info.is_some()).map(|row| row.number)
            }
        };
        if let Some(number) = number {
            let snapshot = self.snapshot()?;
            let from = after.map_or_else(|| Included((number, "")), |user| Excluded((number, user.as_str())));
            let until = Excluded((number + 1, ""));
            for entry in snapshot.members.range::<(u64, &str)>((from, until))?.take(limit) {
                let (key, value) = entry?;
                let user = UserId::new(key.value().1)?;
                let member = read_member(&mut Reader::from_slice(value.value()))?;
                // What memory has is as new or newer.
                members.entry(user).or_insert(member);
            }
        }
        Ok(members.into_iter().take(limit).collect())
    }

    /// See [`anchor_core::store::Store::rooms_of`].
    pub(crate) fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, BoxError> {
        let names = |after: Option<&RoomId>, wanted: usize| {
            let mut names: Vec<RoomId> =
                self.shared.visible().rooms_of(user, after).take(wanted).cloned().collect();
            let snapshot = self.snapshot()?;
            let from = (user.as_str(), after.map_or("", RoomId::as_str));
            // Behind every room id there can be.
            let until = (user.as_str(), "\u{7f}");
            for entry in
                snapshot.rooms_of.range::<(&str, &str)>((Excluded(from), Excluded(until)))?.take(wanted)
            {
                let (key, _) = entry?;
                names.push(RoomId::new(key.value().1)?);
            }
            Ok(names)
        };
        let own = |room: &RoomId| {
            let member = self.standing(room, user)?.member;
            Ok(member.filter(|member| member.membership.is_listed()).map(|member| (room.clone(), member)))
        };
        listed(after, limit, names, own)
    }
}

impl Shared {
    /// A user's place in a room.
    pub(crate) fn member(
        &self,
        room: &RoomId,
        user: &UserId,
        reach: Reach,
    ) -> Result<Option<Member>, BoxError> {
        let number = match self.visible().find(room) {
            Found::Gone(_) => return Ok(None),
            Found::Live(live) => match live.members.get(user) {
                Some((_, member)) => return Ok(Some(*member)),
                None => live.number,
            },
            Found::Paged => self.row(room, reach)?.map(|row| row.number),
        };
        number.map_or(Ok(None), |number| self.paged_member(number, user, reach))
    }

    /// Where a user stands, while nothing becomes visible or leaves memory.
    fn standing(
        &self,
        visible: &Visible,
        room: &RoomId,
        user: &UserId,
        reach: Reach,
    ) -> Result<Standing, BoxError> {
        let (info, number) = match visible.find(room) {
            Found::Gone(epoch) => return Ok(Standing { deleted: Some(epoch), ..Standing::default() }),
            Found::Live(live) => match live.members.get(user) {
                Some((_, member)) => {
                    let info = live.info.clone();
                    return Ok(Standing { info, member: Some(*member), deleted: None });
                }
                None => (live.info.clone(), live.number),
            },
            Found::Paged => match self.row(room, reach)? {
                Some(row) => (row.info.clone(), Some(row.number)),
                None => return Ok(Standing { deleted: self.deleted(room)?, ..Standing::default() }),
            },
        };
        // Nobody has a place in a room of which nothing was ever decided.
        let member = match number.filter(|_| info.is_some()) {
            Some(number) => self.paged_member(number, user, reach)?,
            None => None,
        };
        Ok(Standing { info, member, deleted: None })
    }

    /// The newest epoch of a room that was deleted, as the pages have it.
    fn deleted(&self, room: &RoomId) -> Result<Option<Epoch>, BoxError> {
        let snapshot = self.snapshot()?;
        let epoch = snapshot.deleted.get(room.as_str())?;
        Ok(epoch.map(|epoch| Epoch::from_bytes(*epoch.value())))
    }
}

/// What `look` makes of the names behind `after` that memory and the pages know, in rising order, at most `limit`. `names`
/// gives at least so many of each as are wanted, or all; of some there is nothing any more.
fn listed<T>(
    after: Option<&RoomId>,
    limit: usize,
    names: impl Fn(Option<&RoomId>, usize) -> Result<Vec<RoomId>, BoxError>,
    look: impl Fn(&RoomId) -> Result<Option<T>, BoxError>,
) -> Result<Vec<T>, BoxError> {
    let mut found = Vec::new();
    let mut after = after.cloned();
    while found.len() < limit {
        let wanted = limit - found.len();
        let names: BTreeSet<RoomId> = names(after.as_ref(), wanted)?.into_iter().collect();
        // Beyond as many as were asked for, one of both may have more in between.
        for name in names.iter().take(wanted) {
            found.extend(look(name)?);
            after = Some(name.clone());
        }
        if names.len() < wanted {
            break;
        }
    }
    Ok(found)
}

/// How often a standing is looked at without keeping commits waiting. Source: chosen; a second time is rare already.
const STANDING_ATTEMPTS: usize = 3;
