//! The moments of a room for one of its readers: after each event it was as that event left it, until the next.

use std::time::Duration;

use anchor_core::id::UserId;
use anchor_core::position::Offset;

use super::ledger::Life;
use super::permits::{Club, Range};

/// A room between two of its events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The newest event.
    pub(super) head: Offset,
    /// What the reader may read.
    pub(super) range: Option<Range>,
    /// When it began, at the earliest.
    begins: Duration,
    /// When it was over, at the latest; none if it may last.
    ends: Option<Duration>,
}

/// All moments of a room for one reader, in order. What was committed unseen may have been so at any time between its
/// neighbours.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    all: Vec<Moment>,
    /// When the first commit was told: at the latest then the room was there.
    there_at: Option<Duration>,
}

impl Moments {
    /// The moments of `life` for `user`, as far as its events are known without a hole.
    pub(super) fn of(life: &Life, user: &UserId) -> Self {
        let mut club = Club::new();
        let (mut begins, mut moments, mut told_at) = (Duration::ZERO, Vec::new(), Vec::new());
        for known in life.prefix() {
            club.take(&known.event);
            begins = known.committed_at.unwrap_or(begins);
            told_at.push(known.committed_at);
            moments.push(Moment { head: known.event.offset, range: club.range(user), begins, ends: None });
        }
        let there_at = told_at.iter().flatten().next().copied();
        let mut ends = life.deleted_at;
        for (moment, told_at) in moments.iter_mut().zip(told_at).rev() {
            moment.ends = ends;
            ends = told_at.or(ends);
        }
        Self { all: moments, there_at }
    }

    /// Those of which a part may lie between two times.
    pub(super) fn between(&self, from: Duration, to: Duration) -> &[Moment] {
        let first = self.all.partition_point(|moment| moment.ends.is_some_and(|ends| ends < from));
        let last = self.all.partition_point(|moment| moment.begins <= to);
        self.all.get(first..last).unwrap_or_default()
    }

    /// True if the room was there all the time between two moments.
    pub(super) fn last(&self, from: Duration, to: Duration) -> bool {
        let begins_in_time = self.there_at.is_some_and(|at| at <= from);
        begins_in_time && self.all.last().is_some_and(|last| last.ends.is_none_or(|ends| ends > to))
    }

    /// When the room began, at the earliest.
    pub(super) fn begins(&self) -> Duration {
        self.all.first().map_or(Duration::ZERO, |first| first.begins)
    }

    /// The newest event that was told by then.
    pub(super) fn told(&self, at: Duration) -> Offset {
        let over = self.all.partition_point(|moment| moment.ends.is_some_and(|ends| ends < at));
        // The first is over only once another was told.
        self.all.get(over).filter(|_| over > 0).map_or(Offset::ZERO, |moment| moment.head)
    }
}
