//! What the targets share: memory that is measured, and a place for files.

use std::path::Path;
use std::sync::LazyLock;

use peak_alloc::PeakAlloc;
use tempfile::TempDir;

/// Runs `body` over `input` and panics if it held more memory at once than [`BYTES_PER_BYTE`] for each byte of the input
/// and [`BYTES_FREE`] beside: nothing is allocated by an announced length.
pub fn measured(input: &[u8], body: impl FnOnce(&[u8])) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    body(input);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    let may = BYTES_FREE + BYTES_PER_BYTE * input.len();
    assert!(taken <= may, "{} bytes of input took {taken} bytes of memory, more than {may}", input.len());
}

/// A directory of this process, gone with it.
pub fn home() -> &'static Path {
    static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a temporary directory"));
    HOME.path()
}

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Source: chosen; the shortest entry of a list has two bytes and becomes a user id of 50, in a vector that grows by
/// doubling, in a frame that is held twice.
const BYTES_PER_BYTE: usize = 256;

/// Source: chosen; what a body needs for anything at all.
const BYTES_FREE: usize = 64 * 1024;
