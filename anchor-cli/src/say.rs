//! Standard error: notes for people, and progress, which only a terminal gets to see.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Prints a note on a line of its own. Foreign text in it must have been escaped.
pub(crate) fn note(text: &str) {
    clear();
    write(&format!("{text}\n"));
}

/// Takes the progress away, if some is shown.
pub(crate) fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        write("\r\x1b[K");
    }
}

/// How far long work has come. Silent unless standard error is a terminal and standard output is not, where the work
/// itself would be seen.
#[derive(Debug)]
pub(crate) struct Progress {
    next: Option<Instant>,
}

impl Progress {
    /// Says nothing before [`QUIET`] is over.
    pub(crate) fn new() -> Self {
        let seen = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Self { next: seen.then(|| Instant::now() + QUIET) }
    }

    /// As [`Progress::new`], for work whose output comes at its end: also where standard output is a terminal, and at
    /// once.
    pub(crate) fn always() -> Self {
        Self { next: io::stderr().is_terminal().then(Instant::now) }
    }

    /// Shows `text`, at most every [`EVERY`].
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now >= next {
            self.next = Some(now + EVERY);
            SHOWN.store(true, Ordering::Relaxed);
            write(&format!("\r\x1b[K{}", text()));
        }
    }
}

/// A bar of [`BAR_COLUMNS`] columns, so much of it full: `[####------]`.
pub(crate) fn bar(part: f64) -> String {
    let full = (1..=BAR_COLUMNS).filter(|column| f64::from(*column) <= part * f64::from(BAR_COLUMNS)).count();
    (0..BAR_COLUMNS as usize).fold("[".to_owned(), |bar, at| bar + if at < full { "#" } else { "-" }) + "]"
}

/// Columns of a bar. Source: chosen; of 80, the rest is left for words.
const BAR_COLUMNS: u32 = 20;

/// Work that takes less needs no progress. Source: chosen.
const QUIET: Duration = Duration::from_secs(1);

/// Between two changes of the progress. Source: chosen; as fast as one reads.
const EVERY: Duration = Duration::from_millis(200);

/// True while the last line of the terminal is progress.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Unlike `eprint!` it does not panic where nobody listens any more.
fn write(text: &str) {
    let mut to = io::stderr().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
