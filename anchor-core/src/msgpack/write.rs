//! Appends MessagePack to a buffer: each value in its shortest form, as `rmp::encode` does, in one piece.
//!
//! Events and stored values are written with this, every message some twenty numbers and names: a call for each byte was a
//! tenth of what a publish costs (November 2026, callgrind).

/// Appends an unsigned number.
#[inline]
pub fn uint(out: &mut Vec<u8>, number: u64) {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    match number {
        0..=0x7f => out.push(h),
        0x80..=0xff => out.extend_from_slice(&[0xcc, h]),
        0x100..=0xffff => out.extend_from_slice(&[0xcd, g, h]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[0xce, e, f, g, h]),
        _ => out.extend_from_slice(&[0xcf, a, b, c, d, e, f, g, h]),
    }
}

/// Appends the beginning of an array of `length` elements, which follow.
///
/// # Panics
/// Of an array of 2^32 elements.
#[inline]
pub fn array(out: &mut Vec<u8>, length: usize) {
    let [a, b, c, d] = prefix(length);
    match length {
        0..=0xf => out.push(0x90 | d),
        0x10..=0xffff => out.extend_from_slice(&[0xdc, c, d]),
        _ => out.extend_from_slice(&[0xdd, a, b, c, d]),
    }
}

/// Appends the beginning of a binary value of `length` bytes, which follow.
///
/// # Panics
/// Of 4 GiB.
#[inline]
pub fn bin_length(out: &mut Vec<u8>, length: usize) {
    let [a, b, c, d] = prefix(length);
    match length {
        0..=0xff => out.extend_from_slice(&[0xc4, d]),
        0x100..=0xffff => out.extend_from_slice(&[0xc5, c, d]),
        _ => out.extend_from_slice(&[0xc6, a, b, c, d]),
    }
}

/// Appends a binary value.
///
/// # Panics
/// Of 4 GiB.
#[inline]
pub fn bin(out: &mut Vec<u8>, bytes: &[u8]) {
    bin_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a text.
///
/// # Panics
/// Of 4 GiB.
#[inline]
pub fn str(out: &mut Vec<u8>, text: &str) {
    let [a, b, c, d] = prefix(text.len());
    match text.len() {
        0..=0x1f => out.push(0xa0 | d),
        0x20..=0xff => out.extend_from_slice(&[0xd9, d]),
        0x100..=0xffff => out.extend_from_slice(&[0xda, c, d]),
        _ => out.extend_from_slice(&[0xdb, a, b, c, d]),
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends nothing's value.
#[inline]
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends true or false.
pub fn bool(out: &mut Vec<u8>, flag: bool) {
    out.push(if flag { 0xc3 } else { 0xc2 });
}

fn prefix(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("no value has 2^32 bytes or elements").to_be_bytes()
}

#[cfg(test)]
mod tests;
