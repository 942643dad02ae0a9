//! Drives many connections with few tasks: one for each core.
//!
//! What a commit wakes, it wakes by the thousand. A task of its own for each connection costs two to three microseconds a
//! wake-up; here it is an entry in the list of those that are due, and one task writes to one socket after the other. A
//! connection that is due twice before its turn is written to once, with all there is: the busier the server, the larger
//! its writes.
//!
//! Who was heard from is listened to before those that are due are written to: a publish does not wait until everybody
//! has been sent the one before. What comes of it is written when its turn comes, with what others have said meanwhile.
//! Who catches up comes last, and with a part of the time ([`pace`]): a thousand who read old logs keep nobody waiting who
//! is current.

mod pace;

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;
use slab::Slab;

use self::pace::{Heard, Pace};
use crate::admission::{Admission, Phase};

/// What a shard drives.
pub(crate) trait Driven: Send + 'static {
    /// Does what there is to do; ready once it has ended. What its peer sends wakes `reading`, everything else `cx`.
    fn poll(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<()>;

    /// Takes what its peer sent, and leaves to `poll` what comes of it.
    fn listen(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<()>;

    /// True while it catches up with what was there before.
    fn is_behind(&self) -> bool;

    /// True while something that its peer asked for is worked on.
    fn is_working(&self) -> bool;
}

/// Connections, spread over shards. The shards end once this is dropped and the last of their connections has ended, or
/// when the server aborts.
pub(crate) struct Shards<T> {
    /// Begun by the first connection, which comes on a runtime.
    shards: OnceLock<Vec<Arc<Shard<T>>>>,
    next: AtomicUsize,
}

/// What a shard shares with those that have something for it.
struct Shard<T> {
    inbox: Mutex<Inbox<T>>,
    rung: AtomicWaker,
}

/// What has come for a shard since it last looked. Bounded by its connections, which [`Admission`] bounds.
struct Inbox<T> {
    arriving: Vec<T>,
    heard: Vec<usize>,
    due: Vec<usize>,
    is_closed: bool,
}

/// Wakes one connection, for one of the first two reasons.
struct Bell<T> {
    shard: Arc<Shard<T>>,
    index: usize,
    reason: Reason,
    is_rung: AtomicBool,
}

/// Why a connection has its turn.
#[derive(Clone, Copy)]
enum Reason {
    /// Its peer has sent something.
    Heard,
    /// It has something to do or to write.
    Due,
    /// The same, and it catches up.
    Behind,
}

impl<T: Driven> Shards<T> {
    /// Drives `connection` to its end, or until the server aborts.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn drive(&self, admission: &Admission, connection: T) {
        let shards = self.shards.get_or_init(|| {
            let count = std::thread::available_parallelism().map_or(1, NonZero::get);
            let heard = Heard::new();
            (0..count).map(|_| Shard::start(admission.clone(), heard.clone())).collect()
        });
        let shard = &shards[self.next.fetch_add(1, Ordering::Relaxed) % shards.len()];
        if let Err(connection) = shard.take_in(connection) {
            // Its task has ended: with the server, or with the runtime on which it was begun.
            tokio::spawn(alone(connection, admission.clone()));
        }
    }
}

/// Drives a connection without a shard.
async fn alone<T: Driven>(mut connection: T, admission: Admission) {
    let driven = std::future::poll_fn(|cx| {
        let mut reading = Context::from_waker(cx.waker());
        connection.poll(cx, &mut reading)
    });
    tokio::select! {
        biased;
        () = admission.reached(Phase::Aborting) => {}
        () = driven => {}
    }
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        Self { shards: OnceLock::new(), next: AtomicUsize::new(0) }
    }
}

impl<T> Drop for Shards<T> {
    fn drop(&mut self) {
        for shard in self.shards.get().into_iter().flatten() {
            shard.inbox().is_closed = true;
            shard.rung.wake();
        }
    }
}

impl<T> std::fmt::Debug for Shards<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shards").field("shards", &self.shards.get().map(Vec::len)).finish_non_exhaustive()
    }
}

impl<T> Shard<T> {
    fn inbox(&self) -> MutexGuard<'_, Inbox<T>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the connection back where nobody would take it.
    fn take_in(&self, connection: T) -> Result<(), T> {
        let mut inbox = self.inbox();
        if inbox.is_closed {
            return Err(connection);
        }
        inbox.arriving.push(connection);
        drop(inbox);
        self.rung.wake();
        Ok(())
    }
}

impl<T: Driven> Shard<T> {
    fn start(admission: Admission, heard: Arc<Heard>) -> Arc<Self> {
        let inbox = Inbox { arriving: Vec::new(), heard: Vec::new(), due: Vec::new(), is_closed: false };
        let shard = Arc::new(Self { inbox: Mutex::new(inbox), rung: AtomicWaker::new() });
        let driver = Driver::new(shard.clone(), heard);
        // The budget that tokio gives a task is meant for one connection; here each has bounds of its own.
        let driver = tokio::task::coop::unconstrained(driver);
        tokio::spawn(async move {
            tokio::select! {
                () = driver => {}
                () = admission.reached(Phase::Aborting) => {}
            }
        });
        shard
    }
}

impl<T: Driven> Wake for Bell<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut inbox = self.shard.inbox();
        match self.reason {
            Reason::Heard => inbox.heard.push(self.index),
            Reason::Due | Reason::Behind => inbox.due.push(self.index),
        }
        drop(inbox);
        self.shard.rung.wake();
    }
}

/// A shard's task. Ends once it is closed and has no connection left.
struct Driver<T> {
    shard: Arc<Shard<T>>,
    connections: Slab<Box<Entry<T>>>,
    heard: VecDeque<usize>,
    due: VecDeque<usize>,
    /// Those that were due and catch up.
    behind: VecDeque<usize>,
    /// Turns of listening until somebody who is due has his.
    until_due: usize,
    /// Polls of others until one who catches up has his turn.
    until_behind: usize,
    pace: Pace,
}

/// A connection and what wakes it.
struct Entry<T> {
    connection: T,
    heard: (Arc<Bell<T>>, Waker),
    due: (Arc<Bell<T>>, Waker),
}

impl<T: Driven> Driver<T> {
    fn new(shard: Arc<Shard<T>>, heard: Arc<Heard>) -> Self {
        Self {
            shard,
            connections: Slab::new(),
            heard: VecDeque::new(),
            due: VecDeque::new(),
            behind: VecDeque::new(),
            until_due: 0,
            until_behind: 0,
            pace: Pace::new(heard),
        }
    }

    /// Takes what has come; false once nothing will come any more and nobody is left.
    fn take_inbox(&mut self) -> bool {
        let mut inbox = self.shard.inbox();
        self.heard.extend(inbox.heard.drain(..));
        self.due.extend(inbox.due.drain(..));
        let arriving = std::mem::take(&mut inbox.arriving);
        let goes_on = !inbox.is_closed || !arriving.is_empty();
        drop(inbox);
        for connection in arriving {
            self.enter(connection);
        }
        goes_on || !self.connections.is_empty()
    }

    fn enter(&mut self, connection: T) {
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let bell = |reason| {
            // Rung: it is due to begin with.
            let bell = Bell { shard: self.shard.clone(), index, reason, is_rung: AtomicBool::new(true) };
            let bell = Arc::new(bell);
            (bell.clone(), Waker::from(bell))
        };
        let (heard, due) = (bell(Reason::Heard), bell(Reason::Due));
        entry.insert(Box::new(Entry { connection, heard, due }));
        self.due.push_back(index);
    }

    /// Whose turn it is, and why; `None` if nobody's, and `cx` is woken when that changes.
    fn next(&mut self, cx: &mut Context<'_>) -> Option<(usize, Reason)> {
        if self.until_due > 0
            && let Some(index) = self.heard.pop_front()
        {
            self.until_due -= 1;
            return Some((index, Reason::Heard));
        }
        self.until_due = HEARD_BEFORE_DUE;
        while self.until_behind > 0
            && let Some(index) = self.due.pop_front()
        {
            if !self.connections.get(index).is_some_and(|entry| entry.connection.is_behind()) {
                self.until_behind -= 1;
                return Some((index, Reason::Due));
            }
            self.behind.push_back(index);
        }
        self.until_behind = DUE_BEFORE_BEHIND;
        if !self.behind.is_empty() && self.pace.allows(cx) {
            return self.behind.pop_front().map(|index| (index, Reason::Behind));
        }
        if let Some(index) = self.due.pop_front() {
            return Some((index, Reason::Due));
        }
        self.heard.pop_front().map(|index| (index, Reason::Heard))
    }

    /// Polls a connection for `reason`, unless that was seen to since it was listed. A bell of one that has ended may call
    /// another one in its place, for nothing.
    fn poll_one(&mut self, index: usize, reason: Reason) {
        let Some(entry) = self.connections.get_mut(index) else { return };
        let Entry { connection, heard, due } = &mut **entry;
        let (mut cx, mut reading) = (Context::from_waker(&due.1), Context::from_waker(&heard.1));
        // Silenced before it looks: what comes afterwards rings again.
        let silence = |bell: &Bell<T>| bell.is_rung.swap(false, Ordering::AcqRel);
        let polled = match reason {
            Reason::Heard if silence(&heard.0) => catch_unwind(AssertUnwindSafe(|| {
                let listened = connection.listen(&mut cx, &mut reading);
                if connection.is_working() && !connection.is_behind() {
                    self.pace.heard();
                }
                listened
            })),
            Reason::Due if silence(&due.0) => {
                silence(&heard.0);
                catch_unwind(AssertUnwindSafe(|| connection.poll(&mut cx, &mut reading)))
            }
            Reason::Behind if silence(&due.0) => {
                silence(&heard.0);
                let turn = || catch_unwind(AssertUnwindSafe(|| connection.poll(&mut cx, &mut reading)));
                self.pace.spend(turn)
            }
            Reason::Heard | Reason::Due | Reason::Behind => return,
        };
        if polled.is_err() {
            tracing::error!("a connection ended in a panic; the others go on");
        }
        if !matches!(polled, Ok(Poll::Pending)) {
            let ended = self.connections.remove(index);
            // Whatever it does at its very end, the others go on.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
        }
    }
}

impl<T: Driven> Future for Driver<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = &mut *self;
        driver.shard.rung.register(cx.waker());
        for _ in 0..POLLS_PER_TURN {
            if !driver.take_inbox() {
                return Poll::Ready(());
            }
            match driver.next(cx) {
                Some((index, reason)) => driver.poll_one(index, reason),
                None => return Poll::Pending,
            }
        }
        // There may be more; the runtime looks at its sockets first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T> Unpin for Driver<T> {}

impl<T> Drop for Driver<T> {
    /// Whoever comes now is not taken in, and who has come goes: each holds a place that somebody waits for.
    fn drop(&mut self) {
        let mut inbox = self.shard.inbox();
        inbox.is_closed = true;
        let arriving = std::mem::take(&mut inbox.arriving);
        drop(inbox);
        drop(arriving);
    }
}

/// Connections that are polled before the runtime looks who else was heard from. Source: chosen; each is written to in
/// some five microseconds.
const POLLS_PER_TURN: usize = 32;

/// Connections that are listened to before one that is due is polled, while there are both. Source: chosen; whoever sends
/// without end takes a part of the time, not all of it.
const HEARD_BEFORE_DUE: usize = 64;

/// Connections with what is new that are polled before one that catches up, while there are both. Source: chosen; one of
/// those is written up to 128 KiB, in the time of ten of the others.
const DUE_BEFORE_BEHIND: usize = 32;

#[cfg(test)]
mod tests;
