//! Receipts: how far users have come, merged in memory, made durable at most once a second for each user and room, and told
//! only then.
//!
//! ```text
//! move_cursor ──▶ verified ──▶ merged ──▶ Store::move_cursors ──▶ the user's own sessions, those who watch the room
//! ```
//!
//! Nobody waits for it: a client says the same again until it is told, so what was merged and is lost with the process was
//! never told to anybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Anchor;
use super::permit::{Grant, ReadError};
use super::tail::Tail;
use crate::cursor::{CursorMove, Cursors, ReadMark, Readers};
use crate::environment::Monotonic;
use crate::error::ErrorKind;
use crate::id::{RoomId, UserId};
use crate::limits::{CURSORS_EVERY, CURSORS_WAITING_MAX};
use crate::position::{Epoch, Mark, Offset};
use crate::room::RoomInfo;
use crate::sabotage::{self, Sabotage};
use crate::session::Identity;
use crate::session::frame::{CursorFrame, Receipt};
use crate::store::{Place, RoomState, StoreError};

/// Moves that are not durable yet, merged for each user and room.
#[derive(Debug, Default)]
pub(super) struct Moves(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    moves: BTreeMap<(UserId, RoomId), Move>,
    /// When they are to be written: a while after the first of them came.
    due: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug)]
struct Move {
    epoch: Epoch,
    to: Cursors,
    /// In a room with so many members nobody keeps what was delivered to whom.
    is_large: bool,
}

impl Moves {
    /// Merges a move, dropped where too many wait; says when it is to be written.
    fn put(&self, user: UserId, room: RoomId, moved: Move, now: Monotonic) -> Monotonic {
        let Waiting { moves, due } = &mut *self.lock();
        let is_full = moves.len() >= CURSORS_WAITING_MAX;
        match moves.get_mut(&(user.clone(), room.clone())) {
            Some(waiting) if waiting.epoch == moved.epoch => {
                *waiting = Move { to: waiting.to.max(moved.to), ..moved };
            }
            // Of another log, which is there no more.
            Some(waiting) => *waiting = moved,
            None if is_full => {}
            None => drop(moves.insert((user, room), moved)),
        }
        *due.get_or_insert(now + CURSORS_EVERY)
    }

    /// Takes moves that wait, those of a user together; none if none do. Should these not be written, what is left is due a
    /// while later.
    fn take(&self, now: Monotonic) -> BTreeMap<(UserId, RoomId), Move> {
        let Waiting { moves, due } = &mut *self.lock();
        match moves.keys().nth(MOVES_AT_A_TIME).cloned() {
            None => {
                *due = None;
                std::mem::take(moves)
            }
            Some(next) => {
                *due = Some(now + CURSORS_EVERY);
                let later = moves.split_off(&next);
                std::mem::replace(moves, later)
            }
        }
    }

    fn due(&self) -> Option<Monotonic> {
        self.lock().due
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Anchor {
    /// Moves how far a user has come in a room, by what a client of the user, or the host for it, says. Cursors only rise.
    ///
    /// It is durable, and told to the user's sessions and to those who watch the room, within [`CURSORS_EVERY`] where somebody
    /// drives [`Anchor::maintain`], or with [`Anchor::flush_cursors`]. What lies beyond the head, or in a log that is none of the
    /// room's, is passed over in silence; so is what is too much: more than [`CURSORS_WAITING_MAX`] users and rooms at once. Say it
    /// again as long as it is not told.
    ///
    /// # Errors
    /// [`ReadError`]: the user may not read the room, or it could not be looked up; nothing moves.
    pub async fn move_cursor(&self, reader: &Identity, cursor: CursorFrame) -> Result<(), ReadError> {
        let room = cursor.room.clone();
        if let Some(moved) = self.verified_move(reader, cursor).await? {
            self.0.due.by(self.0.moves.put(reader.user.clone(), room, moved, self.now()));
        }
        Ok(())
    }

    /// Makes all moves durable that wait, and tells of them; else [`Anchor::maintain`] does so every now and then. A host
    /// that stops calls [`Anchor::flush`].
    ///
    /// # Errors
    /// [`StoreError`]: what was not written waits on, if the store may take it later.
    ///
    /// # Cancellation
    /// What was being written is told to nobody, and clients say it again.
    pub async fn flush_cursors(&self) -> Result<(), StoreError> {
        loop {
            let moves = self.0.moves.take(self.now());
            if moves.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.write_moves(&moves).await {
                if error.kind() == ErrorKind::Retry {
                    for ((user, room), moved) in moves {
                        self.0.moves.put(user, room, moved, self.now());
                    }
                }
                self.0.moves.due().into_iter().for_each(|due| self.0.due.by(due));
                return Err(error);
            }
        }
    }

    /// As [`Anchor::flush_cursors`], if it is time.
    pub(super) async fn flush_due_cursors(&self) -> Result<(), StoreError> {
        match self.0.moves.due() {
            Some(due) if due <= self.now() => self.flush_cursors().await,
            Some(due) => {
                self.0.due.by(due);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How many users have come to each of `offsets` of a room that `reader` may read now: derived from cursors, whatever the
    /// size of the room. Nobody has come to what `reader` may not read.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn readers(
        &self,
        room: &RoomId,
        offsets: &[Offset],
        reader: Option<&Identity>,
    ) -> Result<Vec<(Offset, Readers)>, ReadError> {
        let counts = self.store().count_readers(room, offsets).await?;
        // Behind the counts, so that it is never the older of the two.
        let grant = self.grant(room, reader).await?;
        grant.check_goes_on()?;
        let counted = offsets.iter().zip(counts);
        let seen = |offset, readers| if grant.permit.allows(offset) { readers } else { Readers::default() };
        Ok(counted.map(|(offset, readers)| (*offset, seen(*offset, readers))).collect())
    }

    /// What a cursor comes to in the room's newest log; none if nothing.
    async fn verified_move(&self, reader: &Identity, cursor: CursorFrame) -> Result<Option<Move>, ReadError> {
        let CursorFrame { room, epoch, delivered, read } = cursor;
        let furthest = delivered.max(read).unwrap_or_default();
        let tail = self.0.tails.get(&room);
        let (known, grant) = match &tail {
            Some(tail) => {
                let (state, _, grant) = self.known(tail, Some(reader)).await?;
                (state, grant)
            }
            None => (None, self.grant(&room, Some(reader)).await?),
        };
        // The client may have it from another node, which was told earlier.
        let state = match known {
            Some(state) if furthest <= state.head.offset => Some(state),
            _ => self.store().room(&room).await?,
        };
        let Some(state) = state else { return Ok(None) };
        let Some(reach) = reach(&state, epoch) else { return Ok(None) };
        if furthest.min(reach) > state.head.offset {
            return Ok(None);
        }
        let until = grant.permit.until.unwrap_or(reach).min(reach);
        let delivered = delivered.unwrap_or_default().min(until);
        let read = match read.unwrap_or_default().min(until) {
            Offset::ZERO => ReadMark::default(),
            offset => match self.mark_at(&room, &state, offset).await? {
                Some(mark) => mark.into(),
                None => return Ok(None),
            },
        };
        let is_shown =
            read.offset > Offset::ZERO && self.store().user(&reader.user).await?.receipts.are_shown();
        let shown = if is_shown { read.offset } else { Offset::ZERO };
        let is_large = self.is_large(info(&grant), tail.as_ref());
        let delivered = if is_large { Offset::ZERO } else { delivered }.max(read.offset);
        Ok(Some(Move { epoch: state.epoch(), to: Cursors { delivered, read, shown }, is_large }))
    }

    /// The point of a room's log after the event at `offset`; that before the horizon for one that was trimmed away.
    pub(super) async fn mark_at(
        &self,
        room: &RoomId,
        state: &RoomState,
        offset: Offset,
    ) -> Result<Option<Mark>, StoreError> {
        if offset == state.head.offset {
            return Ok(Some(state.head));
        }
        if offset <= state.before_horizon.offset {
            return Ok(Some(state.before_horizon));
        }
        self.store().locate(room, Place::Offset(offset)).await
    }

    /// True for a room of which nobody is told who has read and who is there: they are counted.
    pub(super) fn is_large(&self, info: Option<&RoomInfo>, tail: Option<&Arc<Tail>>) -> bool {
        let listed_max = self.0.watched.listed_max();
        info.is_some_and(|info| info.members > listed_max as u64)
            || tail.is_some_and(|tail| tail.has_more_users_than(listed_max))
    }

    async fn write_moves(&self, moves: &BTreeMap<(UserId, RoomId), Move>) -> Result<(), StoreError> {
        if sabotage::is(Sabotage::ReceiptBeforeDurable) {
            self.tell_moved(moves.iter().map(|(key, moved)| (key, moved.to, moved.is_large)));
        }
        // Who wrote has read, and another device may have said the same: what moves nothing is not written.
        let before = self.cursors_of(moves).await?;
        let rising =
            moves.iter().zip(&before).filter(|((_, moved), before)| before.max(moved.to) != **before);
        let rising: Vec<_> = rising
            .map(|(((user, room), moved), _)| CursorMove {
                room: room.clone(),
                epoch: moved.epoch,
                user: user.clone(),
                to: moved.to,
            })
            .collect();
        let now = match rising.is_empty() {
            true => before,
            false => {
                self.store().move_cursors(rising).await?;
                // As they are, not as they were to be: a room may have begun anew.
                self.cursors_of(moves).await?
            }
        };
        self.tell_moved(moves.iter().zip(now).map(|((key, moved), now)| (key, now, moved.is_large)));
        Ok(())
    }

    /// How far those have come whose moves these are, in their order.
    async fn cursors_of(&self, moves: &BTreeMap<(UserId, RoomId), Move>) -> Result<Vec<Cursors>, StoreError> {
        let keys: Vec<_> = moves.keys().collect();
        let mut cursors = Vec::with_capacity(keys.len());
        for of_user in keys.chunk_by(|(one, _), (other, _)| one == other) {
            let rooms: Vec<_> = of_user.iter().map(|(_, room)| room.clone()).collect();
            let (user, _) = of_user[0];
            cursors.extend(self.store().cursors(user, &rooms).await?);
        }
        Ok(cursors)
    }

    /// Tells users how far they have come, in all of their sessions on this node, and others who watch the rooms.
    fn tell_moved<'a>(&self, moved: impl Iterator<Item = (&'a (UserId, RoomId), Cursors, bool)>) {
        for ((user, room), cursors, is_large) in moved {
            let receipt = Receipt {
                user: user.clone(),
                delivered: (!is_large).then_some(cursors.delivered),
                read: cursors.read.offset,
                ordinal: Some(cursors.read.ordinal),
            };
            for mailbox in self.0.sessions.of(user) {
                mailbox.receipt(room.clone(), receipt.clone());
            }
            if let Some(watched) = self.0.watched.get(room) {
                watched.moved(user, &cursors);
            }
        }
    }
}

/// The newest offset that a cursor of `epoch` can mean in a log: a later epoch may have forked off. None if it has no such epoch.
fn reach(state: &RoomState, epoch: Epoch) -> Option<Offset> {
    let own = state.epochs.iter().position(|start| start.epoch == epoch)?;
    Some(state.epochs.get(own + 1).map_or(Offset(u64::MAX), |next| next.before.offset))
}

fn info(grant: &Grant) -> Option<&RoomInfo> {
    grant.standing.as_ref()?.info.as_deref()
}

/// Moves that are written at once. Source: chosen; one transaction of a few milliseconds.
const MOVES_AT_A_TIME: usize = 4_096;

#[cfg(test)]
mod tests;
