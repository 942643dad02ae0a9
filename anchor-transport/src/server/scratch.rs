//! Buffers that the connections of a thread share, one after the other.

use std::cell::Cell;

/// A thread's buffers.
#[derive(Debug)]
pub(super) struct Scratch {
    /// To read into.
    pub(super) input: Box<[u8]>,
    /// To write from. Empty between two connections.
    pub(super) output: Vec<u8>,
}

impl Scratch {
    fn new() -> Self {
        Self { input: vec![0; READ_BYTES].into(), output: Vec::new() }
    }
}

/// Runs `drive` with this thread's buffers.
pub(super) fn with<T>(drive: impl FnOnce(&mut Scratch) -> T) -> T {
    // Taken, not borrowed: a connection that drives another one, or panics, costs new buffers and nothing else.
    let mut scratch = SCRATCH.take().unwrap_or_else(|| Box::new(Scratch::new()));
    let result = drive(&mut scratch);
    scratch.output.clear();
    scratch.output.shrink_to(OUTPUT_BYTES_KEPT);
    SCRATCH.set(Some(scratch));
    result
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Bytes that are read at once from one connection. Source: chosen; 64 publishes of 128 bytes, and what a peer may make
/// us answer before its answers count.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of the buffer to write from that a thread keeps. Source: chosen; one turn's deliveries and a run behind them.
const OUTPUT_BYTES_KEPT: usize = 256 * 1024;
