//! When what an engine keeps for a while is to be looked at: told by whoever keeps something, heard by whoever maintains.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::FutureExt;
use futures::future::poll_fn;
use futures::task::AtomicWaker;

use crate::environment::{Environment, Monotonic};

/// The earliest time at which something is due; none while nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Due {
    at: Mutex<Option<Monotonic>>,
    waker: AtomicWaker,
}

impl Due {
    /// Something is due at that time.
    pub(super) fn by(&self, at: Monotonic) {
        let mut earliest = self.lock();
        if earliest.is_none_or(|earliest| at < earliest) {
            *earliest = Some(at);
            drop(earliest);
            self.waker.wake();
        }
    }

    /// Waits until something is due, and forgets when: whoever keeps something that is due later says so anew.
    pub(super) async fn reached(&self, env: &dyn Environment) {
        let mut alarm = None;
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            let at = *self.lock();
            match at {
                None => return Poll::Pending,
                Some(at) if env.now() >= at => return Poll::Ready(()),
                Some(at) if alarm.as_ref().is_none_or(|(set, _)| *set != at) => {
                    alarm = Some((at, env.sleep_until(at)));
                }
                Some(_) => {}
            }
            alarm.as_mut().map_or(Poll::Pending, |(_, alarm)| alarm.poll_unpin(cx))
        })
        .await;
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Monotonic>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
