//! How the process ends: one table of exit codes, and the failures that lead to them, each one sentence.

use std::process::ExitCode;
use std::time::Duration;

use crate::{escape, say};

/// The exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked is done.
    Done = 0,
    /// Anything that has no code of its own.
    Failure = 1,
    /// The command line, or a file that it names as input, is wrong. Clap uses this number too.
    Usage = 2,
    /// The first connection failed.
    Unreachable = 3,
    /// The server refused something, by name: a message (the others were delivered), a change, the reading of a room.
    Refused = 4,
    /// `--timeout` ran out, or a question was not answered.
    TimedOut = 5,
    /// Another process holds the state directory.
    StateHeld = 6,
    /// The server takes this client no more, and trying again does not help.
    TurnedAway = 7,
    /// It cannot be told whether a message stands in the log, or the server lost it after its ack.
    Unconfirmed = 8,
    /// `torture` or `bench` found a promise broken.
    Broken = 9,
    /// Ctrl-C. Source: 128 + SIGINT, as shells count.
    Interrupted = 130,
}

/// The table for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done, or so already; for `send`: every message is acknowledged; for `torture`: every promise held
    1  failed for a reason that stderr tells
    2  the command line is wrong; for `torture check`: the history cannot be read
    3  the first connection failed (`chat`, and what sends or changes something in a room, keep trying instead)
    4  refused by the server, by name: at least one message (all others are acknowledged), a change, a question,
     or the reading of a room or for a consumer
    5  timed out: the time given by --timeout is over, or the server did not answer
    6  another process holds the state directory
    7  the server takes this client no more, and trying again does not help
    8  at least one message may or may not stand in the log, or the server lost it: see `send --undecided`
    9  `torture` or `bench` found a promise broken
  130  stopped by Ctrl-C";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Who read our output has gone, as in `tail … | head -1`. Nothing to say, and no failure.
    OutputClosed,
    /// Ctrl-C. Who pressed it knows why.
    Interrupted,
    /// Something to say.
    Said {
        /// The code.
        exit: Exit,
        /// One sentence that says what to do. May hold foreign text; it is escaped where it is printed.
        sentence: String,
    },
}

impl Failure {
    /// A failure with its sentence.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self::Said { exit, sentence: sentence.into() }
    }

    /// `--timeout` ran out.
    pub(crate) fn timed_out(after: Duration) -> Self {
        Self::new(
            Exit::TimedOut,
            format!("not done after {} s; give more with --timeout", after.as_secs_f64()),
        )
    }

    /// Prints the sentence to stderr, if there is one, and gives the code.
    pub(crate) fn report(&self) -> Exit {
        match self {
            Self::OutputClosed => Exit::Done,
            Self::Interrupted => Exit::Interrupted,
            Self::Said { exit, sentence } => {
                say::note(&format!("anchor-cli: {}", escape::line(sentence)));
                *exit
            }
        }
    }
}
