//! A future that several wait for, and that all of them drive.
//!
//! Unlike `futures::future::Shared` it does not depend on any one of them: a wake-up that comes while one of them polls is
//! passed on to all when that poll is over. Whoever polled may have what it wanted by then and never poll again, and who
//! came meanwhile was sent to sleep.
//!
//! Invariant: while the future is not done and wants to be polled, one of those who wait for it has been woken and has not
//! polled since, or somebody is polling.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;

/// One of those who wait for a future. Clones wait, too.
pub(super) struct Joint<T> {
    work: Arc<Work<T>>,
    /// Its place at the bell, once it has polled.
    place: Option<u64>,
}

struct Work<T> {
    stage: Mutex<Stage<T>>,
    bell: Arc<Bell>,
}

enum Stage<T> {
    /// Nobody polls it.
    Resting(BoxFuture<'static, T>),
    /// Somebody does.
    Polled,
    Done(T),
    /// It panicked.
    Broken,
}

/// Wakes everybody. Apart from the future, which may hold it.
#[derive(Default)]
struct Bell(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
    /// Somebody polls: it rings when that is over.
    is_polled: bool,
    has_rung: bool,
}

impl<T> Joint<T> {
    pub(super) fn new(future: BoxFuture<'static, T>) -> Self {
        let work = Work { stage: Mutex::new(Stage::Resting(future)), bell: Arc::default() };
        Self { work: Arc::new(work), place: None }
    }

    /// True if it has ended.
    pub(super) fn is_done(&self) -> bool {
        matches!(*lock(&self.work.stage), Stage::Done(_))
    }
}

impl<T: Clone> Future for Joint<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let bell = &this.work.bell;
        bell.wait(&mut this.place, cx.waker());
        let mut stage = lock(&this.work.stage);
        let mut future = match &mut *stage {
            Stage::Done(output) => return Poll::Ready(output.clone()),
            Stage::Polled => return Poll::Pending,
            Stage::Broken => panic!("the future has panicked before"),
            Stage::Resting(_) => match std::mem::replace(&mut *stage, Stage::Polled) {
                Stage::Resting(future) => future,
                _ => unreachable!("it was resting, under the lock"),
            },
        };
        bell.begin();
        drop(stage);
        let mut turn = Turn { work: &this.work, next: Stage::Broken };
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(bell.clone())));
        turn.next = match &polled {
            Poll::Ready(output) => Stage::Done(output.clone()),
            Poll::Pending => Stage::Resting(future),
        };
        polled
    }
}

/// Somebody's turn to poll.
struct Turn<'a, T> {
    work: &'a Work<T>,
    /// What comes behind it.
    next: Stage<T>,
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let next = std::mem::replace(&mut self.next, Stage::Polled);
        let is_over = !matches!(next, Stage::Resting(_));
        let mut stage = lock(&self.work.stage);
        *stage = next;
        let wakers = self.work.bell.end(is_over);
        drop(stage);
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Bell {
    /// Wakes `waker` from now on, in its place.
    fn wait(&self, place: &mut Option<u64>, waker: &Waker) {
        let mut waiting = lock(&self.0);
        let place = *place.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        if waiting.wakers.get(&place).is_none_or(|before| !before.will_wake(waker)) {
            let before = waiting.wakers.insert(place, waker.clone());
            drop(waiting);
            // Outside of the lock, here and below: with a waker anything may go.
            drop(before);
        }
    }

    fn begin(&self) {
        let mut waiting = lock(&self.0);
        (waiting.is_polled, waiting.has_rung) = (true, false);
    }

    /// Whom to wake, if it has rung meanwhile or is over for all.
    #[must_use]
    fn end(&self, is_over: bool) -> BTreeMap<u64, Waker> {
        let mut waiting = lock(&self.0);
        waiting.is_polled = false;
        match waiting.has_rung || is_over {
            true => std::mem::take(&mut waiting.wakers),
            false => BTreeMap::new(),
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut waiting = lock(&self.0);
        waiting.has_rung = true;
        if !waiting.is_polled {
            let wakers = std::mem::take(&mut waiting.wakers);
            drop(waiting);
            wakers.into_values().for_each(Waker::wake);
        }
    }
}

impl<T> Clone for Joint<T> {
    fn clone(&self) -> Self {
        Self { work: self.work.clone(), place: None }
    }
}

impl<T> Drop for Joint<T> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = lock(&self.work.bell.0).wakers.remove(&place);
            drop(waker);
        }
    }
}

impl<T> fmt::Debug for Joint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joint").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
