//! Randomness for salts and epochs.

use crate::shared::Shared;

/// Random bytes, drawn many at once.
#[derive(Debug, Default)]
pub(super) struct Random {
    drawn: Vec<u8>,
}

impl Random {
    /// The next `N` random bytes.
    pub(super) fn draw<const N: usize>(&mut self, shared: &Shared) -> [u8; N] {
        if self.drawn.len() < N {
            self.drawn.resize(RANDOM_BYTES, 0);
            shared.env.fill_random(&mut self.drawn);
        }
        let left = self.drawn.len() - N;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.drawn[left..]);
        self.drawn.truncate(left);
        bytes
    }
}

/// Random bytes that are drawn at once. Source: chosen; the salts of a commit of 256.
const RANDOM_BYTES: usize = 4096;
