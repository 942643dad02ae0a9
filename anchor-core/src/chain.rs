//! The digest of a body and the chain of a log: one function each, which every store calls.
//!
//! Fixed-width fields are big-endian, variable ones stand behind a u32 length, an absent one is zero or empty. The exact
//! order is in `docs/protocol.md` with vectors. A chain finds accidents, not forgers.

use crate::event::{Body, EventKind, Mentions};
use crate::id::{ClientTag, Nonce, Seq, UserId, length_prefix};
use crate::position::{Chain, Mark, Offset, Ordinal};
use crate::sabotage::{self, Sabotage};

/// Sixteen random bytes that go into a body's digest, so that nothing can be guessed from it once the body is redacted.
pub type Salt = [u8; 16];

/// `BLAKE3-128(salt ‖ content type ‖ body ‖ mentions)`: what stays of a body that was redacted.
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
    let mentions = body.mentions().map(Mentions::hashed).unwrap_or_default();
    let hash = hash_of(&[
        salt,
        &length_prefix(content_type.len()),
        content_type.as_bytes(),
        &length_prefix(body.bytes().len()),
        body.bytes(),
        &mentions,
    ]);
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.as_bytes()[..16]);
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
    let hash = hash_of(&[
        before.chain.as_bytes(),
        &offset.0.to_be_bytes(),
        &ordinal.0.to_be_bytes(),
        &link.kind.0.to_be_bytes(),
        &length_prefix(link.user.as_str().len()),
        link.user.as_str().as_bytes(),
        link.client.as_bytes(),
        &link.seq.get().to_be_bytes(),
        &link.nonce.0.to_be_bytes(),
        &link.ts.to_be_bytes(),
        &link.target.unwrap_or_default().0.to_be_bytes(),
        digest,
    ]);
    let mut chain = [0; 8];
    chain.copy_from_slice(&hash.as_bytes()[..8]);
    Mark { offset, ordinal, chain: Chain::from_bytes(chain) }
}

/// The hash of `pieces`, one after another.
#[inline(always)]
fn hash_of(pieces: &[&[u8]]) -> blake3::Hash {
    whole(pieces, blake3::hash, blake3::Hasher::new)
}

/// The hash of `pieces`, one after another, keyed.
pub(crate) fn keyed_hash_of(key: &[u8; 32], pieces: &[&[u8]]) -> blake3::Hash {
    whole(pieces, |bytes| blake3::keyed_hash(key, bytes), || blake3::Hasher::new_keyed(key))
}

/// Short pieces are put together and hashed at once: feeding a hasher one by one costs as much again as the hash.
///
/// Inlined, so that the number of pieces is known: the loops over them cost a tenth of the hash.
#[inline(always)]
fn whole(
    pieces: &[&[u8]],
    at_once: impl FnOnce(&[u8]) -> blake3::Hash,
    hasher: impl FnOnce() -> blake3::Hasher,
) -> blake3::Hash {
    let mut buffer = [0; AT_ONCE_BYTES];
    let mut length = 0;
    for piece in pieces {
        match buffer.get_mut(length..length + piece.len()) {
            Some(free) => free.copy_from_slice(piece),
            None => {
                let mut hasher = hasher();
                for piece in pieces {
                    hasher.update(piece);
                }
                return hasher.finalize();
            }
        }
        length += piece.len();
    }
    at_once(&buffer[..length])
}

/// What is hashed at once at most, in bytes. Source: chosen; a chat message with its names.
const AT_ONCE_BYTES: usize = 512;
