//! The durable half: what a backend must do, with the contract of each operation.
//!
//! [`crate::conformance::store`] is the executable meaning of this page. Conveniences live in [`StoreExt`].

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use thiserror::Error;

use crate::cursor::{CursorMove, Cursors, Readers};
use crate::error::{BoxError, ErrorKind};
use crate::id::{ClientKey, RoomId, Seq, SessionNumber, UserId};
use crate::msgpack::Malformed;
use crate::position::{Epoch, Mark, Offset, Ordinal, Position};
use crate::publish::{Durability, Outcome, Publish};
use crate::record::{RecordKey, RecordWrite, Written};
use crate::room::{Amendment, Member, RoomInfo, Standing, Thread};
use crate::run::Run;
use crate::user::{TooManyBlocked, UserChange, UserRow};

/// Holds the logs, the clients' windows, and everything else that must outlive the process.
///
/// # Ordering
/// Appends to a room are totally ordered, offsets dense from 1. A reader never sees an offset whose predecessor it cannot
/// see, nor anything of a batch before its commit has returned.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// What an event survives once its append has returned.
    fn durability(&self) -> Durability;

    /// Tells `observer` of every commit of this instance, in the order of commits, after it is durable and readable, and
    /// before any append of it returns. One observer for an instance; a later one replaces it.
    fn observe(&self, observer: Arc<dyn CommitObserver>);

    /// Opens a session of `client`: raises its session number and its floor (to `waits`), and says where it stands.
    ///
    /// Everything of older sessions that is not yet handed over is fenced from here on; what was handed over before is
    /// decided before this returns, so that `highest` covers it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was raised that matters.
    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError>;

    /// Decides each publish of `batch` in its order, once for each `(user, client_id, seq)`: an outcome for each.
    ///
    /// **Takes its place in line when it is called, not when the future is first polled.** Durable: once it returns
    /// `Ok`, acks and refusals survive as [`Store::durability`] says. A batch commits whole or not at all; many batches
    /// share one commit. A repeat of what is still being committed is answered after that commit.
    ///
    /// For each publish, in this order: a session number below the client's newest → [`Outcome::Fenced`], as is what was
    /// derived from a room whose newest epoch is not [`crate::publish::Source::epoch`]; an earlier
    /// publish of the same session met `WindowFull` → [`Outcome::WindowFull`] for this one too, until a higher session
    /// number comes; raise the floor to `waits`; look the seq up in the window ([`crate::window::Window`]); where that
    /// says fresh: a `Verdict::Refuse` is recorded; of a `Verdict::Append` [`crate::room::rules::decide`] says, at the offset
    /// that the event will have, whether it is appended, and which rows change with it; the outcome is recorded. Rows change
    /// in the same commit; which body is appended, [`crate::room::rules::appended`] says.
    ///
    /// **Redaction.** The bodies that an effect redacts are gone from every read before the append returns, and from disk
    /// after the next compaction; chains stay.
    ///
    /// **Deletion.** A publish that deletes its room is acked with the mark that its event would have had. The room then has
    /// no events, no members and no state; an append behind it makes a new room, with a new epoch.
    ///
    /// `ts` is the Unix time of the decision, or the room's newest `ts` where the clock lies behind that.
    ///
    /// # Errors
    /// - [`StoreError::Unavailable`]: nothing of the batch was written.
    /// - [`StoreError::Unknown`]: outcome unknown, the store goes on; end the sessions of the batch. Also for each session
    ///   that was opened before the store went back to an older state (a fail-over that lost commits): what it handed over
    ///   before may be gone, and what follows must not stand without it.
    /// - [`StoreError::Failed`]: outcome unknown, final for this process.
    ///
    /// What was handed over behind a batch that failed must not overtake it: publishes of its sessions are answered
    /// [`Outcome::Fenced`] from then on, until a higher session number comes.
    ///
    /// # Cancellation
    /// Dropping the future does not undo the append.
    #[must_use]
    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>>;

    /// The state of a room; `None` if it has no events and never had any.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError>;

    /// The point of the log after an offset, or at an ordinal; `None` if it lies above the head or below `horizon − 1`,
    /// or the room has no events.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError>;

    /// Events of a room, in rising order, bounded.
    ///
    /// Pages are given whole: [`Direction::After`] returns runs of which the first *holds* the event after the offset,
    /// [`Direction::Before`] runs of which the last *holds* the event before it; the runs are contiguous. Whole runs are
    /// given until a limit is reached, at least one.
    ///
    /// No gap is silent: after an offset whose following event is not there (at or above the head, or trimmed) comes
    /// nothing, never a later event. Below the horizon is nothing, not even the rest of a page that it cuts. Before an
    /// offset beyond head + 1 is the same as before head + 1.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError>;

    /// The heads of `rooms`, in their order, as of some moment after the call began, each with the newest epoch of the
    /// room (be it without an event of its own yet, as after a restore); `None` for rooms without events.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError>;

    /// Rooms with events in rising order of their ids, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError>;

    /// Where a user stands in a room, as of some moment after the call began: what the room is and the user's place in it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError>;

    /// The places of users in a room, in rising order of user ids, those after `after`, at most `limit`. All that it ever
    /// named: those who left or were banned, too.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError>;

    /// The rooms that a user has joined or is invited to, in rising order of room ids, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError>;

    /// The events that are about the events `targets` (first and last) and are no replies, in the order of targets and then
    /// of their own offsets, at most `limit`. Those trimmed away are not among them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError>;

    /// Those of [`Store::amendments`] that change what an event says, its edits and its redaction: all of them. There are few
    /// ([`crate::limits::EDITS_MAX`] and one for each event), whatever else is said about it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError>;

    /// The threads that the events `roots` (first and last) began, in the order of roots.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError>;

    /// Where the replies of a thread stand, in rising order: the oldest after an offset or the newest before one, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError>;

    /// What is kept of a user; the default of one who never changed anything.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError>;

    /// Changes what is kept of a user; says what it is then. Durable on return. Takes its place in line with appends.
    ///
    /// # Errors
    /// [`StoreError`]; as for [`Store::append`]. [`TooManyBlocked`]: nothing has changed.
    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError>;

    /// True if the window of `client` knows an answer to `seq`, whatever it is: such a publish is answered without being
    /// decided. In line behind what was handed over before.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError>;

    /// Raises the horizon of the room whose newest epoch is `epoch` to `horizon`, at most to head + 1; events below it can no
    /// longer be read, ordinal and chain of `horizon − 1` are kept. A lower one changes nothing, nor does one of another epoch:
    /// what was found out about a log says nothing of the one that has its id since. Durable on return.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError>;

    /// How far `user` has come in each of `rooms`, in their order: nowhere in rooms without events. Cursors go with a deleted
    /// room.
    ///
    /// An append moves its author's cursors ([`Cursors::written`]) with its commit, in every room but those of the system
    /// that are not direct; what [`Store::move_cursors`] moved is told once that has returned.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError>;

    /// How far users have come in a room, those that have come anywhere, in rising order of user ids, those after `after`, at
    /// most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError>;

    /// How many users have come to each of `offsets`, in their order: those who have joined the room, where it has a
    /// [`RoomInfo`]; in a room of messages alone, all. Costs a look at every user's cursors in the room.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError>;

    /// Moves cursors of users, each to the furthest of where it is and where it is to be ([`Cursors::max`]). Durable on
    /// return. A move in another log than the room's newest, or beyond its head, is passed over. In no order with appends.
    ///
    /// # Errors
    /// [`StoreError`]; any of the moves may have been made. [`StoreError::Unavailable`] also where too much waits to be written.
    #[must_use]
    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// The value of a record, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// The records whose keys begin with `prefix`, in rising order of keys, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError>;

    /// Writes records, all or none of them, if the guard allows it. Durable on return. Takes its place among the writes of
    /// records when it is called; in no order with appends.
    ///
    /// # Errors
    /// [`StoreError`]; as for [`Store::append`]. [`StoreError::Unavailable`] also where too much waits to be written.
    #[must_use]
    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>>;

    /// Whether appends go through now.
    fn readiness(&self) -> Readiness;
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "a method left to its default would be lost behind an Arc")]
impl<S: Store + ?Sized> Store for Arc<S> {
    fn durability(&self) -> Durability {
        (**self).durability()
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        (**self).observe(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        (**self).open_client(client, waits).await
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        (**self).append(batch)
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        (**self).room(room).await
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        (**self).locate(room, place).await
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        (**self).read(read).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        (**self).heads(rooms).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        (**self).rooms(after, limit).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        (**self).standing(room, user).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        (**self).members(room, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        (**self).rooms_of(user, after, limit).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        (**self).amendments(room, targets, limit).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        (**self).edits(room, targets).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        (**self).threads(room, roots).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        (**self).replies(room, root, from, limit).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        (**self).user(user).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        (**self).change_user(user, change).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        (**self).is_decided(client, seq).await
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        (**self).trim(room, epoch, horizon).await
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        (**self).cursors(user, rooms).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        (**self).room_cursors(room, after, limit).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        (**self).count_readers(room, offsets).await
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        (**self).move_cursors(moves)
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).record(key).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        (**self).records(prefix, after, limit).await
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        (**self).write_records(write)
    }

    fn readiness(&self) -> Readiness {
        (**self).readiness()
    }
}

/// Gets the commits of a store.
pub trait CommitObserver: Debug + Send + Sync {
    /// Runs that one commit added: contiguous with what was committed to their rooms before. Must not block.
    fn committed(&self, runs: &[Run]);

    /// A room was deleted: told before the runs of the same commit, which may begin it anew. Must not block.
    fn deleted(&self, room: &RoomId);

    /// The store has failed for good.
    fn failed(&self);
}

/// Conveniences over any [`Store`].
#[async_trait]
pub trait StoreExt: Store {
    /// [`Store::trim`] of whatever log the room has now, if it has one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn trim_newest(&self, room: &RoomId, horizon: Offset) -> Result<(), StoreError> {
        match self.room(room).await? {
            Some(state) => self.trim(room, state.epoch(), horizon).await,
            None => Ok(()),
        }
    }

    /// Every event of a room that can still be read, in order; for tests and small tools.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn read_all(&self, room: &RoomId) -> Result<Vec<crate::event::Event>, StoreError> {
        let mut events = Vec::new();
        let mut after = self.room(room).await?.map_or(Offset::ZERO, |state| state.horizon.previous());
        loop {
            let read = Read {
                room: room.clone(),
                from: Direction::After(after),
                events_max: 1000,
                bytes_max: 1 << 20,
            };
            let runs = self.read(read).await?;
            let Some(last) = runs.last() else { return Ok(events) };
            for run in &runs {
                for event in run.events() {
                    let event = event?;
                    if event.offset > after {
                        events.push(event);
                    }
                }
            }
            after = last.last();
        }
    }
}

impl<S: Store + ?Sized> StoreExt for S {}

/// Where a client stands when a session of it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientState {
    /// The number of the new session.
    pub session: SessionNumber,
    /// The highest seq decided so far; zero if none.
    pub highest: Seq,
}

/// What a room's log looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// The histories of the log, oldest first; never empty.
    pub epochs: Vec<EpochStart>,
    /// The newest event.
    pub head: Mark,
    /// The oldest event that can still be read; head + 1 if none can.
    pub horizon: Offset,
    /// The point of the log before the horizon.
    pub before_horizon: Mark,
}

/// A room in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    /// Which room.
    pub room: RoomId,
    /// Its log.
    pub state: RoomState,
    /// What it is; see [`Standing::info`].
    pub info: Option<Arc<RoomInfo>>,
}

impl RoomState {
    /// The newest epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::from_bytes([0; 8]), |start| start.epoch)
    }

    /// The epoch that the event at `offset` was written in.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> Epoch {
        let start = self.epochs.iter().rev().find(|start| start.before.offset < offset);
        start.or(self.epochs.first()).map_or(Epoch::from_bytes([0; 8]), |start| start.epoch)
    }

    /// The position of the newest event.
    #[must_use]
    pub fn head_position(&self) -> Position {
        Position::at(self.epoch_at(self.head.offset), self.head)
    }
}

/// An epoch of a room's log and the point of the log it began at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The history.
    pub epoch: Epoch,
    /// The newest event of the histories before; its first own event follows.
    pub before: Mark,
}

/// A place in a log, for [`Store::locate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After the event at this offset.
    Offset(Offset),
    /// The newest point whose ordinal is at most this one: the head for an ordinal above the head's.
    Ordinal(Ordinal),
}

/// What to read, for [`Store::read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Of which room.
    pub room: RoomId,
    /// From where, in which direction.
    pub from: Direction,
    /// Runs are added until they hold at least so many events.
    pub events_max: usize,
    /// Runs are added until they hold at least so many bytes.
    pub bytes_max: usize,
}

/// In which direction to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The oldest events after this offset.
    After(Offset),
    /// The newest events before this offset.
    Before(Offset),
}

/// Whether appends go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They do.
    Ready,
    /// They wait until there is room on the disk; reading goes on.
    DiskFull,
    /// They wait; the backend is away.
    Unavailable,
    /// They fail until the process is restarted.
    Failed,
}

/// What went wrong in a store.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing was written or read; the same call may go through later.
    #[error("the store is not available now")]
    Unavailable {
        /// Which backend.
        backend: &'static str,
        /// Its own error.
        #[source]
        source: Arc<BoxError>,
    },
    /// A write of unknown outcome; the store goes on.
    #[error("the outcome of a write to the store is unknown")]
    Unknown {
        /// Which backend.
        backend: &'static str,
        /// Its own error.
        #[source]
        source: Arc<BoxError>,
    },
    /// A write or sync failed; the store takes nothing more in this process.
    #[error("the store has failed and must be opened anew")]
    Failed {
        /// Which backend.
        backend: &'static str,
        /// Its own error.
        #[source]
        source: Arc<BoxError>,
    },
    /// What was stored is not what it should be.
    #[error("the stored data is damaged: {0}")]
    Corrupt(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<Malformed> for StoreError {
    /// What was stored is no event, or no row.
    fn from(error: Malformed) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Unknown { .. } => ErrorKind::Retry,
            Self::Failed { .. } | Self::Closed => ErrorKind::Closed,
            Self::Corrupt(_) => ErrorKind::Corrupt,
        }
    }
}
