//! The threads that read from the disk, so that no thread of a runtime waits for one.
//!
//! Few of them, so that reading leaves the processors to the writer; reads are taken in the order in which they were handed
//! over, and each is bounded, so that readers get their turns. The line is as long as there are callers who wait.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::shared::Shared;

/// A read that waits for a thread.
pub(crate) type Job = Box<dyn FnOnce(&Shared) + Send>;

/// The line of reads.
#[derive(Default)]
pub(crate) struct Readers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    is_closed: bool,
}

impl Readers {
    /// Puts a read at the end of the line. Once the line is closed the read is dropped, which its caller learns.
    pub(crate) fn push(&self, job: Job) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.waiting.push_back(job);
        let is_awaited = state.idle > 0;
        drop(state);
        if is_awaited {
            self.changed.notify_one();
        }
    }

    /// Does reads until the line is closed.
    pub(crate) fn run(&self, shared: &Shared) {
        while let Some(job) = self.next() {
            job(shared);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Ends the threads; what waits is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("waiting", &self.lock().waiting.len()).finish_non_exhaustive()
    }
}
