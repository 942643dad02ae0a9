//! The bytes of a disk, in blocks that copies share until one of them writes.
//!
//! Invariant: what stands in a block behind the length of the image is zero.

use std::ops::Range;
use std::sync::Arc;

/// The bytes of a disk. A clone costs a pointer for each block; a block that was never written costs nothing.
#[derive(Clone, Default)]
pub(super) struct Image {
    length: usize,
    blocks: Vec<Option<Arc<Block>>>,
}

type Block = [u8; BLOCK];

impl Image {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Self::default();
        image.write(0, bytes);
        image
    }

    /// Makes the image so long: what is cut off is gone, what is added is zero.
    pub(super) fn resize(&mut self, length: usize) {
        self.blocks.resize(length.div_ceil(BLOCK), None);
        let end = length % BLOCK;
        if length < self.length
            && end > 0
            && let Some(Some(last)) = self.blocks.last_mut()
        {
            Arc::make_mut(last)[end..].fill(0);
        }
        self.length = length;
    }

    /// Writes, making the image longer if it ends before.
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.length < offset + data.len() {
            self.resize(offset + data.len());
        }
        for (block, within, part) in parts(offset, data.len()) {
            let data = &data[part];
            match (&mut self.blocks[block], <&Block>::try_from(data)) {
                (block, Ok(whole)) => *block = Some(Arc::new(*whole)),
                (Some(block), _) => Arc::make_mut(block)[within].copy_from_slice(data),
                (hole, _) => {
                    let mut block = [0; BLOCK];
                    block[within].copy_from_slice(data);
                    *hole = Some(Arc::new(block));
                }
            }
        }
    }

    /// Takes over the blocks of `other` that `bytes` touch. Both must be the same behind and before them.
    pub(super) fn adopt(&mut self, other: &Self, bytes: Range<usize>) {
        if self.length < other.length {
            self.resize(other.length);
        }
        for (block, ..) in parts(bytes.start, bytes.len()) {
            self.blocks[block].clone_from(&other.blocks[block]);
        }
    }

    /// Fills `out` from `offset` on; false if the image ends before.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        if offset.checked_add(out.len()).is_none_or(|end| end > self.length) {
            return false;
        }
        for (block, within, part) in parts(offset, out.len()) {
            match &self.blocks[block] {
                Some(block) => out[part].copy_from_slice(&block[within]),
                None => out[part].fill(0),
            }
        }
        true
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// True if `bytes` touch a block that was never written: the file system has no room for it yet.
    pub(super) fn has_hole(&self, bytes: Range<usize>) -> bool {
        parts(bytes.start, bytes.len()).any(|(block, ..)| self.blocks.get(block).is_none_or(Option::is_none))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(0, &mut bytes);
        bytes
    }
}

/// The blocks that `length` bytes at `offset` touch: the number of each, the bytes within it, and which of the `length`
/// bytes they are.
fn parts(offset: usize, length: usize) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = (offset + at) % BLOCK;
        let taken = (BLOCK - start).min(length - at);
        let part = ((offset + at) / BLOCK, start..start + taken, at..at + taken);
        at += taken;
        (taken > 0).then_some(part)
    })
}

/// Bytes of a block. Source: the page size of redb and of common file systems, so that most writes replace whole ones.
const BLOCK: usize = 4096;
