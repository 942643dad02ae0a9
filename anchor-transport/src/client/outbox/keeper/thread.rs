//! Commits on a thread of its own, for disks that block: those of directories.

use std::thread;

use tokio::sync::mpsc;

use crate::client::outbox::Change;
use crate::client::outbox::directory::Directory;

/// A thread that commits one batch at a time to a directory, which it holds.
#[derive(Debug)]
pub(super) struct Thread {
    batches: mpsc::Sender<Vec<Change>>,
    results: mpsc::Receiver<Result<(), redb::Error>>,
    handle: thread::JoinHandle<()>,
}

impl Thread {
    /// Starts it.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(super) fn start(mut directory: Directory) -> std::io::Result<Self> {
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
        Ok(Self { batches, results, handle })
    }

    /// Begins to commit `changes`, while nothing else is being committed.
    pub(super) fn begin(&self, changes: Vec<Change>) {
        // The channel has room: nothing is on its way. A thread that has ended shows itself in `committed`.
        let _ = self.batches.try_send(changes);
    }

    /// Waits for what was begun. Cancel-safe.
    pub(super) async fn committed(&mut self) -> Result<(), String> {
        match self.results.recv().await {
            Some(result) => result.map_err(|error| error.to_string()),
            None => Err("the thread that writes it has ended".to_owned()),
        }
    }

    /// Ends it and waits until the directory is free.
    pub(super) async fn close(self) {
        let Self { batches, results, handle } = self;
        drop((batches, results));
        if tokio::task::spawn_blocking(move || handle.join()).await.is_err() {
            tracing::error!("the thread of a client's outbox did not end");
        }
    }
}
