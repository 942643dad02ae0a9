//! Threads of an index's own, so that no thread of a runtime waits for a disk or counts through postings.
//!
//! What panics there ends no thread: whoever waits for it is told, and the next is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anchor_core::limits::{SEARCH_THREADS, SEARCHES_WAITING_MAX};
use futures::channel::oneshot;

use crate::error::IndexError;
use crate::index::SearchIndex;
use crate::indexer::Indexer;

/// The thread that writes. Ends once it is dropped, after what it does then.
#[derive(Debug)]
pub(crate) struct Writer(SyncSender<Writing>);

type Writing = Box<dyn FnOnce(&mut Slot) + Send>;

/// An indexer that may have to be opened again.
struct Slot {
    dir: PathBuf,
    indexer: Option<Indexer>,
    is_used: bool,
}

impl Writer {
    /// The thread for the index in `dir`, which is opened when it is needed if it is not.
    pub(crate) fn start(
        dir: PathBuf,
        indexer: Option<Indexer>,
    ) -> Result<(Self, JoinHandle<()>), IndexError> {
        let (sender, jobs) = sync_channel::<Writing>(1);
        let mut slot = Slot { dir: dir.clone(), indexer, is_used: false };
        let write = move || jobs.into_iter().for_each(|job| job(&mut slot));
        let thread = thread::Builder::new().name("search-writer".to_owned()).spawn(write);
        let thread = thread.map_err(|source| IndexError::Disk { path: dir, source })?;
        Ok((Self(sender), thread))
    }

    /// Has the indexer as it was opened: anew, if it was used before. Says whether it is new, and what searches in it.
    pub(crate) async fn open(&self) -> Result<(bool, SearchIndex), IndexError> {
        self.send(|slot| {
            if slot.is_used {
                slot.indexer = None;
            }
            let indexer = match slot.indexer.take() {
                Some(indexer) => indexer,
                None => Indexer::open(&slot.dir)?,
            };
            slot.is_used = true;
            let opened = (indexer.is_new(), indexer.index());
            slot.indexer = Some(indexer);
            Ok(opened)
        })
        .await
    }

    /// Does something with the indexer. One at a time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Indexer) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.send(|slot| slot.indexer.as_mut().ok_or(IndexError::Stopped).and_then(job)).await
    }

    async fn send<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Slot) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        let (answer, answered) = oneshot::channel();
        let job: Writing = Box::new(|slot| {
            let done = catch_unwind(AssertUnwindSafe(|| job(slot))).unwrap_or_else(|_| {
                // Nobody knows in which state: what was committed is in its files.
                drop(catch_unwind(AssertUnwindSafe(|| slot.indexer = None)));
                tracing::error!("writing the search index ended in a panic");
                Err(IndexError::Panicked)
            });
            drop(answer.send(done));
        });
        // There is room: who asks waits for the answer before it asks again.
        self.0.try_send(job).map_err(|_| IndexError::Stopped)?;
        answered.await.unwrap_or(Err(IndexError::Stopped))
    }
}

/// The threads that search: few, so that searching leaves the processors to the rest.
#[derive(Debug)]
pub(crate) struct Searchers(SyncSender<Searching>);

type Searching = Box<dyn FnOnce() + Send>;

/// Why nothing was looked for.
pub(crate) enum Unsearched {
    /// More searches wait than may.
    Busy,
    /// It panicked.
    Panicked,
}

impl Searchers {
    pub(crate) fn start() -> Self {
        let (sender, jobs) = sync_channel::<Searching>(SEARCHES_WAITING_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..SEARCH_THREADS {
            let jobs = jobs.clone();
            let search = move || while next(&jobs).map(|job| job()).is_some() {};
            let started = thread::Builder::new().name(format!("search-{number}")).spawn(search);
            if let Err(error) = started {
                tracing::warn!(%error, "a thread for searches could not be started");
            }
        }
        Self(sender)
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unsearched> {
        let (answer, answered) = oneshot::channel();
        let job: Searching = Box::new(|| {
            // Who went away needs no answer.
            if !answer.is_canceled() {
                match catch_unwind(AssertUnwindSafe(job)) {
                    Ok(done) => drop(answer.send(done)),
                    Err(_) => tracing::error!("a search ended in a panic"),
                }
            }
        });
        match self.0.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Unsearched::Panicked),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Unsearched::Busy),
        }
    }
}

fn next(jobs: &Mutex<Receiver<Searching>>) -> Option<Searching> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("dir", &self.dir).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
