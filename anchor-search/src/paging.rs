//! A page of hits: how much is looked at for it, and where the next one begins. Without I/O.

use anchor_core::limits::SEARCH_LOOKED_AT_MAX;

use crate::place::{Match, Place};

/// Hits that somebody may see, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Those.
    pub matches: Vec<Match>,
    /// Behind which place there may be more; none at the end.
    pub next: Option<Place>,
}

/// A page that is being filled.
#[derive(Debug)]
pub(crate) struct Paging {
    page: Page,
    limit: usize,
    after: Option<Place>,
    asked: usize,
    looked_at: usize,
    is_done: bool,
}

impl Paging {
    pub(crate) fn new(after: Option<Place>, limit: usize) -> Self {
        Self { page: Page::default(), limit, after, asked: 0, looked_at: 0, is_done: limit == 0 }
    }

    /// How many matches to look at next, and behind which place; none once the page is done.
    pub(crate) fn wanted(&mut self) -> Option<(Option<Place>, usize)> {
        if self.is_done {
            return None;
        }
        // One more than asked for tells whether more follow. Where few are let through, more are looked at each time.
        let least = (self.limit - self.page.matches.len() + 1).max(2 * self.asked);
        self.asked = least.min(SEARCH_LOOKED_AT_MAX - self.looked_at);
        Some((self.after, self.asked))
    }

    /// Takes the matches that were wanted; fewer than that are all there are.
    pub(crate) fn take(&mut self, matches: Vec<Match>, mut allowed: impl FnMut(&Match) -> bool) {
        let is_last = matches.len() < self.asked;
        self.looked_at += matches.len();
        for found in matches {
            if self.page.matches.len() == self.limit {
                (self.page.next, self.is_done) = (self.after, true);
                return;
            }
            self.after = Some(found.place());
            if allowed(&found) {
                self.page.matches.push(found);
            }
        }
        if is_last {
            self.is_done = true;
        } else if self.looked_at >= SEARCH_LOOKED_AT_MAX {
            (self.page.next, self.is_done) = (self.after, true);
        }
    }

    pub(crate) fn finish(self) -> Page {
        self.page
    }
}
