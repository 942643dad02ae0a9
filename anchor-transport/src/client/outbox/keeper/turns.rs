//! Commits on the task of the client itself, each when the disk has a turn for it: for storage that the caller brings.

use futures::future::BoxFuture;

use crate::client::outbox::Change;
use crate::client::outbox::storage::Stored;

/// Commits one batch at a time.
pub(super) struct Turns {
    stored: Stored,
    /// What is to be committed, and when. Kept while it is waited for, so that a wait that is given up loses no time.
    begun: Option<(Vec<Change>, BoxFuture<'static, ()>)>,
}

impl Turns {
    pub(super) const fn new(stored: Stored) -> Self {
        Self { stored, begun: None }
    }

    /// Begins to commit `changes`, while nothing else is being committed.
    pub(super) fn begin(&mut self, changes: Vec<Change>) {
        self.begun = Some((changes, self.stored.turn()));
    }

    /// Waits for what was begun, for ever if that is nothing. Cancel-safe: nothing is written before the wait is over, and
    /// everything is once it is.
    pub(super) async fn committed(&mut self) -> Result<(), String> {
        match &mut self.begun {
            Some((_, turn)) => turn.await,
            None => std::future::pending().await,
        }
        let changes = self.begun.take().map(|(changes, _)| changes).unwrap_or_default();
        self.stored.commit(&changes).map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns")
            .field("stored", &self.stored)
            .field("changes", &self.begun.as_ref().map(|(changes, _)| changes.len()))
            .finish_non_exhaustive()
    }
}
