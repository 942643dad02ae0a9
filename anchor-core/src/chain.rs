//! The digest of a body and the chain of a log: one function each, which every store calls.
//!
//! Fixed-width fields are big-endian, variable ones stand behind a u32 length, an absent one is zero or empty. The exact
//! order is in `docs/protocol.md` with vectors. A chain finds accidents, not forgers.

use crate::event::{Body, EventKind};
use crate::id::{ClientTag, Nonce, Seq, UserId, length_prefix};
use crate::position::{Chain, Mark, Offset, Ordinal};
use crate::sabotage::{self, Sabotage};

/// Sixteen random bytes that go into a body's digest, so that nothing can be guessed from it once the body is redacted.
pub type Salt = [u8; 16];

/// `BLAKE3-128(salt ‖ content type ‖ body)`: what stays of a body that was redacted.
pub type Digest = [u8; 16];

/// The fields of an event that its chain covers, but its place and its body.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// What it means.
    pub kind: EventKind,
    /// Who.
    pub user: &'a UserId,
    /// With which client.
    pub client: ClientTag,
    /// The client's number for it.
    pub seq: Seq,
    /// The client's random bits for it.
    pub nonce: Nonce,
    /// When, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// The event it is about.
    pub target: Option<Offset>,
}

/// The digest of a body.
#[must_use]
pub fn digest(salt: &Salt, body: &Body) -> Digest {
    let content_type = body.content_type().unwrap_or("");
    let mut hasher = blake3::Hasher::new();
    hasher.update(salt);
    hasher.update(&length_prefix(content_type.len()));
    hasher.update(content_type.as_bytes());
    hasher.update(&length_prefix(body.bytes().len()));
    hasher.update(body.bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}

/// The point of the log after an event that follows `before`: its offset, ordinal and chain.
#[must_use]
pub fn extend(before: Mark, link: &Link<'_>, digest: &Digest) -> Mark {
    let mut offset = before.offset.next();
    if sabotage::is(Sabotage::OffsetSkipped) && link.seq.get().is_multiple_of(8) {
        offset = offset.next();
    }
    let ordinal = match link.kind {
        EventKind::MESSAGE => Ordinal(before.ordinal.0 + 1),
        _ => before.ordinal,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.chain.as_bytes());
    hasher.update(&offset.0.to_be_bytes());
    hasher.update(&ordinal.0.to_be_bytes());
    hasher.update(&link.kind.0.to_be_bytes());
    hasher.update(&length_prefix(link.user.as_str().len()));
    hasher.update(link.user.as_str().as_bytes());
    hasher.update(link.client.as_bytes());
    hasher.update(&link.seq.get().to_be_bytes());
    hasher.update(&link.nonce.0.to_be_bytes());
    hasher.update(&link.ts.to_be_bytes());
    hasher.update(&link.target.unwrap_or_default().0.to_be_bytes());
    hasher.update(digest);
    let mut chain = [0; 8];
    chain.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Mark { offset, ordinal, chain: Chain::from_bytes(chain) }
}
