//! Randomness from a seed: the same seed, the same throws; without it, nobody can guess one from the others.

use anchor_core::id::{ClientId, Nonce};

/// BLAKE3 in its extending mode over a secret seed.
pub(super) struct Dice {
    stream: blake3::OutputReader,
}

impl Dice {
    /// Dice of `seed`, which must come from the system where ids must stay secret.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { stream: blake3::Hasher::new_keyed(&seed).finalize_xof() }
    }

    /// A new secret id.
    pub(super) fn client_id(&mut self) -> ClientId {
        ClientId::from_bytes(self.bytes())
    }

    /// The random bits of a publish.
    pub(super) fn nonce(&mut self) -> Nonce {
        Nonce(u32::from_be_bytes(self.bytes()))
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.fill(&mut bytes);
        bytes
    }
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dice(secret)")
    }
}
