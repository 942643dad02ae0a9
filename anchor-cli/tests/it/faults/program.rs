//! A program that a test started: its output as it comes, under deadlines, and its end.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails. Source: chosen; twenty times what the slowest step takes on two
/// busy cores.
pub(crate) const DEADLINE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 180 } else { 300 });

/// A child process; killed and waited for when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    out: Arc<Output>,
    err: Arc<Output>,
}

impl Program {
    /// Starts `command` and feeds it `input`, line by line, from a thread of its own; then its standard input ends.
    pub(crate) fn start(mut command: Command, input: Vec<String>) -> Self {
        let name = format!("{command:?}");
        // What a program says before it fails is worth more here than where in it.
        command.env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let mut stdin = child.stdin.take().expect("standard input is piped");
        thread::spawn(move || {
            for line in input {
                // A program that was killed takes no more.
                if writeln!(stdin, "{line}").is_err() {
                    return;
                }
            }
        });
        let out = Output::of(child.stdout.take().expect("standard output is piped"));
        let err = Output::of(child.stderr.take().expect("standard error is piped"));
        Self { name, child, out, err }
    }

    /// The lines that it has printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.out.lock().lines.clone()
    }

    /// The lines that it has printed to standard error so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.err.lock().lines.clone()
    }

    /// How many lines it has printed so far.
    pub(crate) fn printed(&self) -> usize {
        self.out.lock().lines.len()
    }

    /// Waits until it has printed `count` lines.
    ///
    /// # Panics
    /// If its output ends before, or the deadline passes.
    pub(crate) fn wait_for_lines(&self, count: usize) {
        let enough = self.out.wait_until(|out| out.lines.len() >= count || out.ended);
        assert!(enough && self.printed() >= count, "fewer than {count} lines from {}", self.report());
    }

    /// Waits until it has printed `count` lines to standard error.
    ///
    /// # Panics
    /// If that ends before, or the deadline passes.
    pub(crate) fn wait_for_errors(&self, count: usize) {
        let enough = self.err.wait_until(|err| err.lines.len() >= count || err.ended);
        assert!(enough && self.errors().len() >= count, "fewer than {count} errors from {}", self.report());
    }

    /// Waits for its first line; `None` if it ends without one.
    pub(crate) fn first_line(&self) -> Option<String> {
        assert!(
            self.out.wait_until(|out| !out.lines.is_empty() || out.ended),
            "no first line from {}",
            self.report()
        );
        self.out.lock().lines.first().cloned()
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(self.out.wait_until(|out| out.ended), "did not end: {}", self.report());
        let status =
            self.child.wait().unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name));
        assert!(self.err.wait_until(|err| err.ended), "standard error stays open: {}", self.report());
        status
    }

    /// Waits until it ends, and checks that it says it went well.
    pub(crate) fn succeed(mut self) -> Vec<String> {
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.report());
        self.lines()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap_or_else(|error| panic!("cannot kill {}: {error}", self.name));
        self.wait();
    }

    /// Sends a signal by its name, for those that the standard library does not know.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send {name} to {}", self.name);
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What went on in it, for the message of a failed test.
    pub(crate) fn report(&self) -> String {
        let mut report = format!("{}\nafter {} lines of output", self.name, self.printed());
        for (stream, output) in [("out", &self.out), ("err", &self.err)] {
            let output = output.lock();
            for line in &output.lines[output.lines.len().saturating_sub(SHOWN)..] {
                let _ = write!(report, "\n{stream}: {line}");
            }
        }
        report
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One output of a program, read by a thread.
#[derive(Debug, Default)]
struct Output {
    state: Mutex<OutputState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct OutputState {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    fn of(stream: impl Read + Send + 'static) -> Arc<Self> {
        let output = Arc::new(Self::default());
        let kept = Arc::clone(&output);
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                // What a killed program leaves without its newline is half a line, and says nothing.
                if line.pop() == Some(b'\n') {
                    kept.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                    kept.changed.notify_all();
                }
                line.clear();
            }
            kept.lock().ended = true;
            kept.changed.notify_all();
        });
        output
    }

    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().expect("no reader of an output panics")
    }

    /// Waits until `reached` holds; `false` if the deadline passes first.
    fn wait_until(&self, reached: impl Fn(&OutputState) -> bool) -> bool {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.lock();
        while !reached(&state) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = self.changed.wait_timeout(state, left).expect("no reader of an output panics").0;
        }
        true
    }
}

/// Lines of each output that the message of a failed test shows. Source: chosen; one screen.
const SHOWN: usize = 15;
