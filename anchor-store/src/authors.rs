//! Who wrote what of a room is not in the pages: whoever writes has read, so that an append moves its author's cursors.
//!
//! Nothing is written for it on the way of an append. Who wrote what stands in the outcomes of its commit; the page step
//! that moves somebody's newest event writes that user's row, and replaying the journal finds the rest once more.

use std::collections::BTreeMap;

use anchor_core::cursor::Cursors;
use anchor_core::id::UserId;
use anchor_core::position::Mark;

use crate::hash::{Map, Seed};
use crate::journal::{Commit, Recorded, RecordedOutcome};

/// The users of a room of whom an event is not in the pages.
#[derive(Debug)]
pub(crate) struct Authors(Map<UserId, Written>);

/// Somebody's newest event.
#[derive(Clone, Copy, Debug)]
struct Written {
    commit: u64,
    mark: Mark,
}

/// What the outcomes of a commit say of authors, in the order of its runs.
pub(crate) struct OfCommit<'c> {
    commit: &'c Commit,
    /// Runs, and the outcomes of what is in them or in others of the same room; the next one last.
    outcomes: Vec<(usize, usize)>,
}

impl Authors {
    pub(crate) fn new(seed: Seed) -> Self {
        Self(Map::with_hasher(seed))
    }

    /// Somebody wrote the event at `mark`, which is the newest, with a commit.
    fn wrote(&mut self, user: &UserId, written: Written) {
        match self.0.get_mut(user) {
            Some(known) => *known = written,
            None => drop(self.0.insert(user.clone(), written)),
        }
    }

    /// How far a user has come by writing.
    pub(crate) fn cursors(&self, user: &UserId) -> Cursors {
        self.0.get(user).map_or_else(Cursors::default, |written| Cursors::written(written.mark))
    }

    /// How far all of them behind `after` have come by writing.
    pub(crate) fn behind(&self, after: Option<&UserId>) -> BTreeMap<UserId, Cursors> {
        let behind = self.0.iter().filter(|(user, _)| after.is_none_or(|after| *user > after));
        behind.map(|(user, written)| (user.clone(), Cursors::written(written.mark))).collect()
    }

    /// Those whose newest event came with commit `upto` or before, in rising order: once that is in the pages, so is how
    /// far they have come. Of the others the journal tells.
    pub(crate) fn up_to(&self, upto: u64) -> Vec<(UserId, Cursors)> {
        let settled = self.0.iter().filter(|(_, written)| written.commit <= upto);
        let mut settled: Vec<_> =
            settled.map(|(user, written)| (user.clone(), Cursors::written(written.mark))).collect();
        settled.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        settled
    }

    /// Lets go of those whom the pages have, up to commit `applied`.
    pub(crate) fn forget(&mut self, applied: u64) {
        self.0.retain(|_, written| written.commit > applied);
    }
}

impl<'c> OfCommit<'c> {
    pub(crate) fn new(commit: &'c Commit) -> Self {
        let in_run = |(at, recorded): (usize, &Recorded)| match recorded.outcome {
            // Behind the runs stand rooms that the same commit has deleted.
            RecordedOutcome::Appended { run, .. } => {
                let room = commit.runs.get(run)?.run.room();
                Cursors::follow_authors_in(room).then_some((run, at))
            }
            RecordedOutcome::Refused(_) => None,
        };
        let mut outcomes: Vec<_> = commit.outcomes.iter().enumerate().rev().filter_map(in_run).collect();
        // One look where all are of one room.
        outcomes.sort_unstable_by(|one, other| other.cmp(one));
        Self { commit, outcomes }
    }

    /// Notes who wrote what the outcomes say to be in run `run`. To be asked for each run in turn.
    pub(crate) fn note(&mut self, run: usize, number: u64, authors: &mut Authors) {
        while let Some((_, at)) = self.outcomes.pop_if(|(of, _)| *of == run) {
            let Recorded { client, outcome, .. } = &self.commit.outcomes[at];
            if let RecordedOutcome::Appended { mark, .. } = outcome {
                let (client, _) = &self.commit.clients[*client];
                authors.wrote(&client.user, Written { commit: number, mark: *mark });
            }
        }
    }
}
