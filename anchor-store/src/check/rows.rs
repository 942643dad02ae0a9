//! Whether the rows beside the logs fit each other and the logs.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::Reader;
use anchor_core::position::Offset;
use anchor_core::record::RecordKey;
use anchor_core::room::{Member, Role};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::Report;
use super::fold::Fold;
use crate::pages::Row;
use crate::rows::{read_member, read_user_row};
use crate::tables::{CURSORS, DELETED, DELETING, MEMBERS, PAGES, RECORDS, RESERVED, ROOMS, ROOMS_OF, USERS};

/// The tables of members, read along with the rooms.
pub(super) struct MemberTables {
    members: ReadOnlyTable<(u64, &'static str), &'static [u8]>,
    rooms_of: ReadOnlyTable<(&'static str, &'static str), u64>,
}

impl MemberTables {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, BoxError> {
        let (members, rooms_of) = (transaction.open_table(MEMBERS)?, transaction.open_table(ROOMS_OF)?);
        Ok(Self { members, rooms_of })
    }

    /// The members of a room fit what the room is, and what its whole log makes of it, if all of that is there.
    pub(super) fn look_at(&self, room: &RoomId, row: &Row, fold: Option<&Fold>) -> Result<(), BoxError> {
        let mut members = BTreeMap::new();
        for entry in self.members.range((row.number, "")..(row.number + 1, ""))? {
            let (key, value) = entry?;
            let user = UserId::new(key.value().1)?;
            let member = read_member(&mut Reader::from_slice(value.value()))
                .map_err(|error| format!("the place of {user}: {error}"))?;
            self.look_at_member(room, row, &user, &member)?;
            members.insert(user, member);
        }
        let joined = members.values().filter_map(Member::joined);
        let counts =
            (joined.clone().count() as u64, joined.filter(|role| *role == Role::Owner).count() as u64);
        let told = row.info.as_ref().map_or((0, 0), |info| (info.members, info.owners));
        if counts != told {
            return Err(format!("it has {counts:?} members and owners, and says {told:?}").into());
        }
        let is_behind = |offset: &Offset| *offset > row.state.head.offset;
        if row.info.as_ref().is_some_and(|info| is_behind(&info.changed) || info.pins.iter().any(is_behind)) {
            return Err("what it is follows from an event that is not there".into());
        }
        match fold {
            Some(fold) if fold.info != row.info => Err("it is not what its events have made it".into()),
            Some(fold) if fold.members != members => {
                Err("its members are not those whom its events have made members".into())
            }
            _ => Ok(()),
        }
    }

    fn look_at_member(
        &self,
        room: &RoomId,
        row: &Row,
        user: &UserId,
        member: &Member,
    ) -> Result<(), BoxError> {
        if member.joined_at.max(member.ended_at) > row.state.head.offset {
            return Err(format!("the place of {user} follows from an event that is not there").into());
        }
        let number = self.rooms_of.get((user.as_str(), room.as_str()))?.map(|number| number.value());
        match number == member.membership.is_listed().then_some(row.number) {
            true => Ok(()),
            false => Err(format!("the list of the rooms of {user} does not fit").into()),
        }
    }
}

/// What is of no room that there is, or is no row.
pub(super) fn look(transaction: &ReadTransaction, report: &mut Report) -> Result<(), BoxError> {
    let mut numbers = BTreeSet::new();
    let rooms = transaction.open_table(ROOMS)?;
    for entry in rooms.iter()? {
        // What is no row was told before.
        numbers.extend(Row::decode(entry?.1.value()).map(|row| row.number));
    }
    for entry in transaction.open_table(DELETING)?.iter()? {
        numbers.insert(entry?.0.value());
    }
    for entry in transaction.open_table(RESERVED)?.iter()? {
        numbers.insert(entry?.1.value().0);
    }
    let mut problem = |what: String| report.problems.push(what);
    let pages = transaction.open_table(PAGES)?;
    let mut next = 0;
    while let Some(entry) = pages.range((next, 0)..)?.next() {
        let (number, _) = entry?.0.value();
        if !numbers.contains(&number) {
            problem(format!("there are pages of number {number}, which no room has"));
        }
        next = number + 1;
    }
    let members = transaction.open_table(MEMBERS)?;
    for entry in members.iter()? {
        let (key, _) = entry?;
        let (number, user) = key.value();
        if !numbers.contains(&number) {
            problem(format!("{} has a place in number {number}, which no room has", user.escape_debug()));
        }
    }
    for entry in transaction.open_table(CURSORS)?.iter()? {
        let (key, _) = entry?;
        let (number, user) = key.value();
        if !numbers.contains(&number) {
            problem(format!("{} has cursors in number {number}, which no room has", user.escape_debug()));
        }
    }
    for entry in transaction.open_table(RECORDS)?.iter()? {
        let (key, _) = entry?;
        if let Err(error) = RecordKey::new(key.value()) {
            problem(format!("a record: {error}"));
        }
    }
    for entry in transaction.open_table(ROOMS_OF)?.iter()? {
        let (key, number) = entry?;
        let (user, room) = key.value();
        if members.get((number.value(), user))?.is_none() {
            problem(format!(
                "{} is listed in {} and has no place in it",
                user.escape_debug(),
                room.escape_debug()
            ));
        }
    }
    for entry in transaction.open_table(USERS)?.iter()? {
        let (user, value) = entry?;
        if let Err(error) = read_user_row(&mut Reader::from_slice(value.value())) {
            problem(format!("what is kept of {}: {error}", user.value().escape_debug()));
        }
    }
    for entry in transaction.open_table(DELETED)?.iter()? {
        let (room, _) = entry?;
        if rooms.get(room.value())?.is_some() {
            problem(format!("room {} is told to be deleted, and is there", room.value().escape_debug()));
        }
    }
    Ok(())
}
