//! Bytes that are nearly right: samples with something changed, for tests of whatever reads bytes from outside.
//!
//! Random bytes fail at the first check and never come to the second; these come further.

use super::environment::SplitMix64;

/// One of `samples` with up to five edits: bits turned, bytes replaced by telling ones, parts cut out, doubled,
/// moved, or taken from another sample. Empty where there are no samples. The same dice give the same bytes.
#[must_use]
pub fn nearly(samples: &[Vec<u8>], dice: &mut SplitMix64) -> Vec<u8> {
    let mut bytes = pick(samples, dice).cloned().unwrap_or_default();
    for _ in 0..=dice.below(EDITS_MAX) {
        edit(&mut bytes, samples, dice);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, samples: &[Vec<u8>], dice: &mut SplitMix64) {
    let start = place(bytes.len(), dice);
    let end = (start + 1 + place(LENGTH_MAX, dice)).min(bytes.len());
    match dice.below(8) {
        0 => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => {
            if let (Some(byte), Some(telling)) = (bytes.get_mut(start), pick(TELLING, dice)) {
                *byte = *telling;
            }
        }
        2 => drop(bytes.drain(start.min(end)..end)),
        3 => bytes.truncate(start),
        4 => {
            let part = bytes[start.min(end)..end].to_vec();
            let at = place(bytes.len(), dice);
            bytes.splice(at..at, part);
        }
        5 => {
            let random = dice.draw().to_le_bytes();
            let length = 1 + place(random.len(), dice);
            bytes.splice(start..start, random[..length].iter().copied());
        }
        6 => {
            let number = pick(NUMBERS, dice).copied().unwrap_or_default().to_be_bytes();
            let width = [1, 2, 4, 8][place(4, dice)];
            let end = (start + width).min(bytes.len());
            bytes.splice(start.min(end)..end, number[8 - width..].iter().copied());
        }
        _ => {
            let other = pick(samples, dice).map_or(&[][..], Vec::as_slice);
            bytes.truncate(start);
            bytes.extend_from_slice(&other[place(other.len(), dice)..]);
        }
    }
}

fn pick<'a, T>(items: &'a [T], dice: &mut SplitMix64) -> Option<&'a T> {
    items.get(place(items.len(), dice))
}

/// An index below `length`; zero where there is none.
fn place(length: usize, dice: &mut SplitMix64) -> usize {
    usize::try_from(dice.below(length as u64)).unwrap_or(0)
}

/// Most edits of one sample. Source: chosen; more leave little of it.
const EDITS_MAX: u64 = 5;

/// Longest part that one edit takes, in bytes. Source: chosen; a field or two.
const LENGTH_MAX: usize = 24;

/// Bytes that begin something: markers of MessagePack, punctuation of JSON and TOML, ends of ranges.
const TELLING: &[u8] =
    b"\0\x01\x7f\x80\x90\x9c\xa0\xc0\xc1\xc2\xc4\xc6\xc9\xcf\xd3\xd9\xdb\xdd\xdf\xff[]{},:=\"\\\n -.0@";

/// Numbers at which something ends.
const NUMBERS: &[u64] = &[
    0,
    1,
    255,
    256,
    65_535,
    65_536,
    u32::MAX as u64,
    1 << 32,
    crate::id::NUMBER_MAX,
    crate::id::NUMBER_MAX + 1,
    1 << 60,
    u64::MAX - 1,
    u64::MAX,
];

#[cfg(test)]
mod tests;
