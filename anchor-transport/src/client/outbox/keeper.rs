//! Makes changes durable in their order, many at a time: whatever is waiting when a commit starts goes into it.
//!
//! A thread of its own commits to the directory, because a commit blocks on the disk; changes of a client whose state
//! is in memory are "durable" at once. The driver hands over one batch at a time and collects the next meanwhile, so the
//! size of a commit follows the speed of the disk and nothing here queues without bound.

use std::thread;

use tokio::sync::mpsc;

use super::Change;
use super::directory::Directory;

/// Where the changes of a client go.
#[derive(Debug)]
pub(in crate::client) struct Keeper {
    thread: Option<Thread>,
    waiting: Vec<Change>,
    /// The write that `waiting` ends with.
    collected: u64,
    /// The write that the batch on its way ends with.
    committing: Option<u64>,
    /// The newest write that is durable.
    durable: u64,
    /// Nothing becomes durable any more.
    has_failed: bool,
}

#[derive(Debug)]
struct Thread {
    batches: mpsc::Sender<Vec<Change>>,
    results: mpsc::Receiver<Result<(), redb::Error>>,
    handle: thread::JoinHandle<()>,
}

impl Keeper {
    /// Keeps nothing beyond the process.
    pub(in crate::client) const fn memory() -> Self {
        Self {
            thread: None,
            waiting: Vec::new(),
            collected: 0,
            committing: None,
            durable: 0,
            has_failed: false,
        }
    }

    /// Commits to `directory`, which is held until [`Keeper::close`] or the drop of the keeper.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(in crate::client) fn directory(mut directory: Directory) -> std::io::Result<Self> {
        let (batches, mut received) = mpsc::channel::<Vec<Change>>(1);
        let (finished, results) = mpsc::channel(1);
        let handle = thread::Builder::new().name("anchor-outbox".to_owned()).spawn(move || {
            while let Some(changes) = received.blocking_recv() {
                let result = directory.commit(&changes);
                let has_failed = result.is_err();
                if finished.blocking_send(result).is_err() || has_failed {
                    return;
                }
            }
        })?;
        let thread = Some(Thread { batches, results, handle });
        Ok(Self { thread, ..Self::memory() })
    }

    /// Takes the changes of write number `write`, which is one higher than the write before.
    pub(in crate::client) fn save(&mut self, write: u64, changes: Vec<Change>) {
        self.collected = write;
        match self.thread {
            Some(_) => self.waiting.extend(changes),
            None => self.durable = write,
        }
        self.start();
    }

    /// The newest write that is durable.
    pub(in crate::client) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Waits for the commit that is under way, if one is (for ever otherwise), and begins the next.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// A sentence on why nothing can be made durable any more. Told once; then this waits for ever.
    pub(in crate::client) async fn committed(&mut self) -> Result<u64, String> {
        let (Some(thread), Some(write)) = (&mut self.thread, self.committing) else {
            return std::future::pending().await;
        };
        match thread.results.recv().await {
            Some(Ok(())) => {
                self.durable = write;
                self.committing = None;
                self.start();
                Ok(write)
            }
            failed => {
                self.has_failed = true;
                self.committing = None;
                Err(match failed {
                    Some(Err(error)) => error.to_string(),
                    _ => "the thread that writes it has ended".to_owned(),
                })
            }
        }
    }

    /// Makes durable what is waiting and lets the directory go.
    pub(in crate::client) async fn close(mut self) {
        while self.committing.is_some() && self.committed().await.is_ok() {}
        let Some(Thread { batches, results, handle }) = self.thread else { return };
        drop((batches, results));
        if tokio::task::spawn_blocking(move || handle.join()).await.is_err() {
            tracing::error!("the thread of a client's outbox did not end");
        }
    }

    fn start(&mut self) {
        let Some(thread) = &self.thread else { return };
        if self.has_failed || self.committing.is_some() || self.durable == self.collected {
            return;
        }
        // The channel has room: nothing is on its way. A thread that has ended shows itself in `committed`.
        let _ = thread.batches.try_send(std::mem::take(&mut self.waiting));
        self.committing = Some(self.collected);
    }
}
