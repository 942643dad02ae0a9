//! Makes changes durable in their order, many at a time: whatever is waiting when a commit starts goes into it.
//!
//! A [`thread`] of its own commits to a directory, because a commit blocks on the disk; storage of the caller is
//! committed to in its [`turns`]; changes of a client whose state is in memory are "durable" at once. One batch is on its
//! way at a time and the next is collected meanwhile, so the size of a commit follows the speed of the disk and nothing
//! here queues without bound.

mod thread;
mod turns;

use super::Change;
use super::directory::Directory;
use super::storage::Stored;
use thread::Thread;
use turns::Turns;

/// Where the changes of a client go.
#[derive(Debug)]
pub(in crate::client) struct Keeper {
    committer: Committer,
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
enum Committer {
    Memory,
    Thread(Thread),
    Turns(Turns),
}

impl Keeper {
    /// Keeps nothing beyond the process.
    pub(in crate::client) const fn memory() -> Self {
        Self::new(Committer::Memory)
    }

    /// Commits to `directory`, which is held until [`Keeper::close`] or the drop of the keeper.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(in crate::client) fn directory(directory: Directory) -> std::io::Result<Self> {
        Ok(Self::new(Committer::Thread(Thread::start(directory)?)))
    }

    /// Commits to storage of the caller.
    pub(in crate::client) const fn storage(stored: Stored) -> Self {
        Self::new(Committer::Turns(Turns::new(stored)))
    }

    const fn new(committer: Committer) -> Self {
        Self { committer, waiting: Vec::new(), collected: 0, committing: None, durable: 0, has_failed: false }
    }

    /// Takes the changes of write number `write`, which is one higher than the write before.
    pub(in crate::client) fn save(&mut self, write: u64, changes: Vec<Change>) {
        self.collected = write;
        match self.committer {
            Committer::Memory => self.durable = write,
            Committer::Thread(_) | Committer::Turns(_) => self.waiting.extend(changes),
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
        let Some(write) = self.committing else { return std::future::pending().await };
        let result = match &mut self.committer {
            Committer::Memory => std::future::pending().await,
            Committer::Thread(thread) => thread.committed().await,
            Committer::Turns(turns) => turns.committed().await,
        };
        self.committing = None;
        match result {
            Ok(()) => {
                self.durable = write;
                self.start();
                Ok(write)
            }
            Err(message) => {
                self.has_failed = true;
                Err(message)
            }
        }
    }

    /// Makes durable what is waiting and lets directory or storage go.
    pub(in crate::client) async fn close(mut self) {
        while self.committing.is_some() && self.committed().await.is_ok() {}
        if let Committer::Thread(thread) = self.committer {
            thread.close().await;
        }
    }

    fn start(&mut self) {
        if self.has_failed || self.committing.is_some() || self.durable == self.collected {
            return;
        }
        let batch = std::mem::take(&mut self.waiting);
        match &mut self.committer {
            Committer::Memory => return,
            Committer::Thread(thread) => thread.begin(batch),
            Committer::Turns(turns) => turns.begin(batch),
        }
        self.committing = Some(self.collected);
    }
}
