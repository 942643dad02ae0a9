//! The newest session of each client: in memory only, for sessions end with the process.
//!
//! Numbers are given out by one counter for all clients, so that of a client whose entry was forgotten it is known that it
//! was: a number at or below the highest that was forgotten may be an older session's or an idle newest one's. It is
//! not taken for either: that client opens again, as after any lost connection.

use anchor_core::id::{ClientKey, SessionNumber};

use crate::cache::Cache;
use crate::hash::Seed;

/// Which session of each client may append.
#[derive(Debug)]
pub(crate) struct Sessions {
    newest: Cache<ClientKey, Session>,
    given_out: u64,
    forgotten: u64,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    newest: SessionNumber,
    /// The session that met a full window, and from which nothing more is taken.
    full: Option<SessionNumber>,
}

/// Whether a session's publishes are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Open,
    Fenced,
    Full,
    /// Nobody can tell.
    Forgotten,
}

impl Sessions {
    pub(crate) fn new(capacity: usize, seed: Seed) -> Self {
        Self { newest: Cache::new(capacity, seed), given_out: 0, forgotten: 0 }
    }

    /// Begins a session of `client`: everything older is fenced.
    pub(crate) fn open(&mut self, client: &ClientKey) -> SessionNumber {
        self.given_out += 1;
        let newest = SessionNumber(self.given_out);
        self.newest.insert(client.clone(), Session { newest, full: None });
        let forgotten = &mut self.forgotten;
        self.newest.sweep(|session| {
            if session.newest != newest {
                *forgotten = (*forgotten).max(session.newest.0);
            }
            session.newest != newest
        });
        newest
    }

    /// Where session `number` of `client` stands.
    pub(crate) fn standing(&mut self, client: &ClientKey, number: SessionNumber) -> Standing {
        match self.newest.get_mut(client) {
            Some(session) if number < session.newest => Standing::Fenced,
            Some(session) if session.full == Some(number) => Standing::Full,
            Some(_) => Standing::Open,
            None if number.0 <= self.forgotten => Standing::Forgotten,
            None => Standing::Open,
        }
    }

    /// Takes nothing more of session `number`: everything up to it is fenced.
    pub(crate) fn fence(&mut self, client: &ClientKey, number: SessionNumber) {
        let next = SessionNumber(number.0 + 1);
        match self.newest.get_mut(client) {
            Some(session) => session.newest = session.newest.max(next),
            None => drop(self.newest.insert(client.clone(), Session { newest: next, full: None })),
        }
    }

    /// Takes nothing more of session `number`, which met a full window.
    pub(crate) fn fill(&mut self, client: &ClientKey, number: SessionNumber) {
        match self.newest.get_mut(client) {
            Some(session) => session.full = Some(number),
            None => {
                self.newest.insert(client.clone(), Session { newest: number, full: Some(number) });
            }
        }
    }
}

#[cfg(test)]
mod tests;
