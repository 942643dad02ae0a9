//! The line in which the publishes of a client of this process stand: handed over in their order, prepared where they must
//! be, without a runtime.
//!
//! One future drives the whole line. Whoever waits for a publish of it polls that future, all of them the same one, so it
//! matters to nobody which of them are dropped; and whoever maintains the engine polls it, too.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, FutureExt, ready, select};

use super::Anchor;
use super::errands::Errand;
use super::joint::Joint;
use crate::limits::{IN_FLIGHT_BYTES_MAX, WINDOW};
use crate::publish::{Outcome, Publish};
use crate::store::StoreError;

/// The line of one client.
#[derive(Debug)]
pub(super) struct Line {
    anchor: Anchor,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    /// Bytes of the bodies that wait.
    bytes: usize,
    /// Drives the line as long as there is something in it.
    driver: Option<Errand>,
    /// Why nothing more is taken.
    broken: Option<Broken>,
}

/// Whether the window of its client may know a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It does not.
    First,
    /// It answers it: nothing is found out before.
    Again,
}

/// A publish in line, and who waits for its outcome.
struct Waiting {
    publish: Publish,
    sent: Sent,
    outcome: oneshot::Sender<Appending>,
}

/// What a store makes of one publish.
type Appending = BoxFuture<'static, Result<Vec<Outcome>, StoreError>>;

#[derive(Clone, Debug)]
enum Broken {
    /// More was published than may be on its way.
    Full,
    /// What a publish is about could not be read.
    Store(StoreError),
}

impl Line {
    pub(super) fn new(anchor: Anchor) -> Self {
        Self { anchor, inner: Arc::default() }
    }

    /// Puts a publish at the end of the line; that has happened when this returns.
    pub(super) fn hand_over(
        &mut self,
        publish: Publish,
        sent: Sent,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send + use<> {
        let entered = self.enter(publish, sent);
        async move {
            let outcomes = match entered {
                Entered::Handed(appending) => appending.await,
                Entered::Waiting(outcome, driver) => match outcome_of(outcome, driver).await {
                    Some(appending) => appending.await,
                    None => Err(StoreError::Closed),
                },
                Entered::Broken(broken) => broken.outcomes(),
            };
            Ok(outcomes?.pop().unwrap_or(Outcome::Fenced))
        }
    }

    fn enter(&mut self, publish: Publish, sent: Sent) -> Entered {
        let mut inner = lock(&self.inner);
        if let Some(broken) = &inner.broken {
            return Entered::Broken(broken.clone());
        }
        if inner.driver.is_none() && !must_prepare(&self.anchor, &publish, sent) {
            drop(inner);
            // Nobody else puts anything into the line meanwhile: this takes `&mut self`.
            return Entered::Handed(self.anchor.append(vec![publish]));
        }
        let bytes = publish.draft.body.bytes().len();
        if inner.waiting.len() >= WINDOW || inner.bytes + bytes > IN_FLIGHT_BYTES_MAX.max(bytes) {
            inner.broken = Some(Broken::Full);
            return Entered::Broken(Broken::Full);
        }
        inner.bytes += bytes;
        let (outcome, told) = oneshot::channel();
        inner.waiting.push_back(Waiting { publish, sent, outcome });
        if let Some(driver) = &inner.driver {
            return Entered::Waiting(told, driver.clone());
        }
        let driver = drive(self.anchor.clone(), self.inner.clone()).boxed();
        let driver = Joint::new(driver);
        inner.driver = Some(driver.clone());
        drop(inner);
        self.anchor.0.errands.add(&driver);
        Entered::Waiting(told, driver)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The driver holds the line: each would keep the other.
        let driver = lock(&self.inner).driver.take();
        drop(driver);
    }
}

enum Entered {
    /// It was handed to the store.
    Handed(Appending),
    /// It will be.
    Waiting(oneshot::Receiver<Appending>, Errand),
    /// It never will be.
    Broken(Broken),
}

/// Prepares and hands over what stands in line, one after another, until nothing does.
async fn drive(anchor: Anchor, line: Arc<Mutex<Inner>>) {
    while let Some(Waiting { publish, sent, outcome }) = next(&line) {
        let prepared = match must_prepare(&anchor, &publish, sent) {
            true => anchor.prepare(publish).await,
            false => Ok(publish),
        };
        // Who no longer waits for an outcome has published nevertheless.
        let tell = |outcome: oneshot::Sender<Appending>, appending| drop(outcome.send(appending));
        match prepared {
            Ok(publish) => tell(outcome, anchor.append(vec![publish])),
            Err(error) => {
                // Nothing is appended behind what could not be.
                let broken = Broken::Store(error);
                let behind = lock(&line).break_off(&broken).into_iter().map(|waiting| waiting.outcome);
                std::iter::once(outcome)
                    .chain(behind)
                    .for_each(|outcome| tell(outcome, ready(broken.outcomes()).boxed()));
            }
        }
    }
}

fn must_prepare(anchor: &Anchor, publish: &Publish, sent: Sent) -> bool {
    sent == Sent::First && anchor.must_prepare(publish)
}

/// Takes the first of the line; where there is none, what comes next needs another driver.
fn next(line: &Mutex<Inner>) -> Option<Waiting> {
    let mut inner = lock(line);
    let waiting = inner.waiting.pop_front();
    match &waiting {
        Some(waiting) => inner.bytes -= waiting.publish.draft.body.bytes().len(),
        None => inner.driver = None,
    }
    waiting
}

/// Waits for an outcome, and drives the line meanwhile.
async fn outcome_of(outcome: oneshot::Receiver<Appending>, driver: Errand) -> Option<Appending> {
    match select(outcome, pin!(driver)).await {
        Either::Left((appending, _)) => appending.ok(),
        Either::Right(((), outcome)) => outcome.await.ok(),
    }
}

impl Inner {
    /// Takes nothing more; what waits, of which nothing was handed over, is to be answered so.
    fn break_off(&mut self, broken: &Broken) -> VecDeque<Waiting> {
        self.broken = Some(broken.clone());
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}

impl Broken {
    fn outcomes(&self) -> Result<Vec<Outcome>, StoreError> {
        match self {
            Self::Full => Ok(vec![Outcome::WindowFull]),
            Self::Store(error) => Err(error.clone()),
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiting, bytes, driver: _, broken } = self;
        f.debug_struct("Inner")
            .field("waiting", &waiting.len())
            .field("bytes", bytes)
            .field("broken", broken)
            .finish_non_exhaustive()
    }
}

fn lock(line: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
