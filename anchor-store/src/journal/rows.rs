//! What a commit says beside its events: rooms that ended, what rooms are, their members, users.

use std::collections::BTreeMap;
use std::sync::Arc;

use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Epoch, Offset};
use anchor_core::room::{Member, RoomInfo};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::user::UserRow;

use super::read_room;
use crate::codec::{Encoder, fields, list, read_epoch, read_index, read_offset};
use crate::rows::{
    ROW_BYTES, info_bytes, read_info, read_member, read_user, read_user_row, user_bytes, write_info,
    write_member, write_user,
};

/// A room that was deleted: one of its lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) room: RoomId,
    /// The newest epoch that it had.
    pub(crate) epoch: Epoch,
}

/// What events of a commit change of their room beside its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Index into [`super::Commit::runs`] of any run of the room.
    pub(crate) run: usize,
    pub(crate) changes: Changes,
}

/// Rows of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// What the room is from then on, if that changed.
    pub(crate) info: Option<Arc<RoomInfo>>,
    /// The places of users that changed.
    pub(crate) members: BTreeMap<UserId, Member>,
    /// Events that lose their bodies, in rising order.
    pub(crate) redacts: Vec<Offset>,
}

/// A user's row.
pub(crate) type ChangedUser = (UserId, Arc<UserRow>);

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.info.is_none() && self.members.is_empty() && self.redacts.is_empty()
    }

    /// Takes over what came later.
    pub(crate) fn merge(&mut self, later: Self) {
        self.info = later.info.or(self.info.take());
        self.members.extend(later.members);
        self.redacts.extend(later.redacts);
        self.redacts.sort_unstable();
        self.redacts.dedup();
    }

    /// Bytes that count against the bounds of a page step and of memory.
    pub(super) fn bytes(&self) -> usize {
        let info = self.info.as_ref().map_or(0, |info| info_bytes(info));
        info + self.members.len() * ROW_BYTES + self.redacts.len() * size_of::<Offset>()
    }
}

/// Bytes that count against the bounds of a page step and of memory.
pub(super) fn bytes((_, row): &ChangedUser) -> usize {
    user_bytes(row)
}

pub(super) fn write_ended(out: &mut Encoder, Ended { room, epoch }: &Ended) {
    out.array(2).str(room.as_str()).bin(epoch.as_bytes());
}

pub(super) fn read_ended(reader: &mut Reader<'_>) -> Result<Ended, Malformed> {
    fields(reader, 2, |reader| Ok(Ended { room: read_room(reader)?, epoch: read_epoch(reader)? }))
}

pub(super) fn write_changed(out: &mut Encoder, Changed { run, changes }: &Changed) {
    let Changes { info, members, redacts } = changes;
    out.array(4).uint(*run as u64);
    match info {
        Some(info) => write_info(out, info),
        None => {
            out.nil();
        }
    }
    out.array(members.len());
    for (user, member) in members {
        out.array(2).str(user.as_str());
        write_member(out, member);
    }
    out.array(redacts.len());
    for offset in redacts {
        out.uint(offset.0);
    }
}

pub(super) fn read_changed(reader: &mut Reader<'_>) -> Result<Changed, Malformed> {
    fields(reader, 4, |reader| {
        let run = read_index(reader)?;
        let info = if reader.nil()? { None } else { Some(Arc::new(read_info(reader)?)) };
        let members = list(reader, |reader| {
            fields(reader, 2, |reader| Ok((read_user(reader)?, read_member(reader)?)))
        })?;
        let members = if sabotage::is(Sabotage::MembersLostOnReopen) { Vec::new() } else { members };
        let redacts = list(reader, read_offset)?;
        match redacts.is_sorted() {
            true => Ok(Changed {
                run,
                changes: Changes { info, members: members.into_iter().collect(), redacts },
            }),
            false => Err(Malformed("redacted events out of their order")),
        }
    })
}

pub(super) fn write_changed_user(out: &mut Encoder, (user, row): &ChangedUser) {
    out.array(2).str(user.as_str());
    write_user(out, row);
}

pub(super) fn read_changed_user(reader: &mut Reader<'_>) -> Result<ChangedUser, Malformed> {
    fields(reader, 2, |reader| {
        let (user, row) = (read_user(reader)?, read_user_row(reader)?);
        let row = if sabotage::is(Sabotage::UsersLostOnReopen) { Default::default() } else { row };
        Ok((user, Arc::new(row)))
    })
}
