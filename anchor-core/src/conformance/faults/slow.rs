//! A store whose appends are held until the test lets them go.
//!
//! What is held stands in one line, in the order of the calls; a session that opens, a user who changes and a question
//! after what is decided stand in it, too, behind what was handed over before. Nothing of a held append has reached the
//! store inside, so nothing of it can be seen.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::channel::oneshot;
use futures::future::BoxFuture;

use crate::cursor::{CursorMove, Cursors, Readers};
use crate::id::{ClientKey, RoomId, Seq, UserId};
use crate::position::{Epoch, Mark, Offset};
use crate::publish::{Durability, Outcome, Publish};
use crate::record::{RecordKey, RecordWrite, Written};
use crate::room::{Amendment, Member, Standing, Thread};
use crate::run::Run;
use crate::store::{
    ClientState, CommitObserver, Direction, Place, Read, Readiness, RoomState, Store, StoreError, StoredRoom,
};
use crate::user::{TooManyBlocked, UserChange, UserRow};

/// A store with slow commits. Clones are the same instance; it lets everything pass until [`SlowStore::hold`].
#[derive(Clone)]
pub struct SlowStore<S: Store>(Arc<Shared<S>>);

struct Shared<S: Store> {
    inner: S,
    line: Mutex<Line<S>>,
}

struct Line<S: Store> {
    holding: bool,
    /// Held appends that may pass although the line is held.
    released: usize,
    /// Something else than an append has its turn inside; nothing passes it.
    busy: bool,
    waiting: VecDeque<Step<S>>,
}

enum Step<S: Store> {
    Append(Vec<Publish>, oneshot::Sender<Appending>),
    Other(oneshot::Sender<Turn<S>>),
}

type Appending = BoxFuture<'static, Result<Vec<Outcome>, StoreError>>;

impl<S: Store> SlowStore<S> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self(Arc::new(Shared { inner, line: Mutex::new(Line::new()) }))
    }

    /// Holds every append from now on.
    pub fn hold(&self) {
        self.0.line().holding = true;
    }

    /// Lets the oldest held append go to the store inside; `false` if none is held.
    pub fn release_one(&self) -> bool {
        let mut line = self.0.line();
        if line.held() <= line.released {
            return false;
        }
        line.released += 1;
        self.0.advance(&mut line);
        true
    }

    /// Lets everything go that is held, and holds nothing more.
    pub fn release_all(&self) {
        let mut line = self.0.line();
        line.holding = false;
        self.0.advance(&mut line);
    }

    /// Appends that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.line().held()
    }

    /// The store inside.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.0.inner
    }

    /// Waits behind everything that stands in the line now.
    async fn turn(&self) -> Result<Turn<S>, StoreError> {
        let turn = {
            let mut line = self.0.line();
            let (reply, turn) = oneshot::channel();
            line.waiting.push_back(Step::Other(reply));
            self.0.advance(&mut line);
            turn
        };
        turn.await.map_err(|_| StoreError::Closed)
    }
}

impl<S: Store> Shared<S> {
    fn line(&self) -> MutexGuard<'_, Line<S>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what stands at the front of the line, as far as it may go.
    fn advance(self: &Arc<Self>, line: &mut Line<S>) {
        while !line.busy {
            let passes = match line.waiting.front() {
                Some(Step::Append(..)) => !line.holding || line.released > 0,
                Some(Step::Other(_)) => true,
                None => false,
            };
            if !passes {
                break;
            }
            match line.waiting.pop_front() {
                // Who no longer waits for the outcome has appended nevertheless.
                Some(Step::Append(batch, reply)) => {
                    line.released = line.released.saturating_sub(1);
                    drop(reply.send(self.inner.append(batch)));
                }
                Some(Step::Other(reply)) => {
                    line.busy = true;
                    if let Err(mut unwanted) = reply.send(Turn(Some(Arc::clone(self)))) {
                        unwanted.0 = None;
                        line.busy = false;
                    }
                }
                None => {}
            }
        }
        if line.waiting.is_empty() {
            line.released = 0;
        }
    }
}

impl<S: Store> Line<S> {
    const fn new() -> Self {
        Self { holding: false, released: 0, busy: false, waiting: VecDeque::new() }
    }

    fn held(&self) -> usize {
        self.waiting.iter().filter(|step| matches!(step, Step::Append(..))).count()
    }
}

/// The turn of something else than an append; lets the line go on when it is dropped, be it done or given up.
struct Turn<S: Store>(Option<Arc<Shared<S>>>);

impl<S: Store> Drop for Turn<S> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let mut line = shared.line();
            line.busy = false;
            shared.advance(&mut line);
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "a wrapper passes everything on")]
impl<S: Store> Store for SlowStore<S> {
    fn durability(&self) -> Durability {
        self.0.inner.durability()
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.0.inner.observe(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        let _turn = self.turn().await?;
        self.0.inner.open_client(client, waits).await
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let mut line = self.0.line();
        let (reply, turn) = oneshot::channel();
        line.waiting.push_back(Step::Append(batch, reply));
        self.0.advance(&mut line);
        Box::pin(async move {
            match turn.await {
                Ok(appending) => appending.await,
                Err(oneshot::Canceled) => Err(StoreError::Closed),
            }
        })
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        self.0.inner.room(room).await
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        self.0.inner.locate(room, place).await
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        self.0.inner.read(read).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        self.0.inner.heads(rooms).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        self.0.inner.rooms(after, limit).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        self.0.inner.standing(room, user).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        self.0.inner.members(room, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        self.0.inner.rooms_of(user, after, limit).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        self.0.inner.amendments(room, targets, limit).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        self.0.inner.edits(room, targets).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        self.0.inner.threads(room, roots).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        self.0.inner.replies(room, root, from, limit).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        self.0.inner.user(user).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        let _turn = self.turn().await?;
        self.0.inner.change_user(user, change).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        let _turn = self.turn().await?;
        self.0.inner.is_decided(client, seq).await
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        self.0.inner.trim(room, epoch, horizon).await
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        self.0.inner.cursors(user, rooms).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        self.0.inner.room_cursors(room, after, limit).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        self.0.inner.count_readers(room, offsets).await
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.inner.move_cursors(moves)
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.inner.record(key).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        self.0.inner.records(prefix, after, limit).await
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        self.0.inner.write_records(write)
    }

    fn readiness(&self) -> Readiness {
        self.0.inner.readiness()
    }
}

impl<S: Store> fmt::Debug for SlowStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowStore").field("inner", &self.0.inner).field("held", &self.held()).finish()
    }
}
