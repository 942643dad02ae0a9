//! What stands in a message of a run: who sent it, which of theirs it is, when it was due; then letters up to the length.
//!
//! The time is the one at which the message was *to be* sent: what waits for its turn has been waiting (no coordinated
//! omission). All of it is read where the message is received, in the same process, by the same clock.

use super::net::Nanos;

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The number of who sent it.
    pub(super) author: u32,
    /// Which of theirs it is, from 1: also its seq.
    pub(super) number: u64,
    /// When it was to be sent.
    pub(super) due: Nanos,
}

/// Writes bodies of one length.
#[derive(Debug)]
pub(super) struct Bodies {
    bytes: usize,
    letters: Vec<u8>,
}

impl Bodies {
    /// Bodies of `bytes`, which are at least 36: as long as a mark.
    pub(super) fn new(bytes: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let letter = |_| {
            // Xorshift; that nothing on the way can be spared by leaving repetitions out.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            LETTERS[usize::from(state.to_be_bytes()[0] & 63)]
        };
        Self { bytes, letters: (0..bytes + 255 * SHIFT_BY).map(letter).collect() }
    }

    /// Bytes of each.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the body of a message to `out`.
    pub(super) fn write(&self, mark: Mark, out: &mut Vec<u8>) {
        let end = out.len() + self.bytes;
        push_hex::<8>(out, mark.author.into());
        push_hex::<12>(out, mark.number);
        push_hex::<16>(out, mark.due.0);
        let shift = usize::from(mark.number.to_le_bytes()[0]) * SHIFT_BY;
        let missing = end - out.len();
        out.extend_from_slice(&self.letters[shift..shift + missing]);
    }
}

impl Mark {
    /// The mark of a body; `None` if [`Bodies`] did not write it.
    pub(super) fn read(body: &str) -> Option<Self> {
        let body = body.as_bytes();
        let author = u32::try_from(hex(body.get(..8)?)?).ok()?;
        Some(Self { author, number: hex(body.get(8..20)?)?, due: Nanos(hex(body.get(20..36)?)?) })
    }
}

fn push_hex<const DIGITS: usize>(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; DIGITS];
    for (at, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * at) & 15) as usize];
    }
    out.extend_from_slice(&digits);
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(number << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })
}

/// Of these letters a body is filled.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";

/// Bytes from the letters of one message to those of the next, which come again after 256. Source: chosen; a compressor that
/// looks back over 32 KiB finds none of them.
const SHIFT_BY: usize = 128;

#[cfg(test)]
mod tests;
