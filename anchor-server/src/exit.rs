//! The exit codes, which supervisors and scripts may rely on.

use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// As asked.
    Done = 0,
    /// Something that has no code of its own.
    Error = 1,
    /// A flag, a variable or the file is wrong, or what they say together may not be.
    Usage = 2,
    /// It cannot listen on the address.
    Address = 3,
    /// It cannot use the data directory.
    Data = 4,
    /// The data are damaged, or of a newer version.
    Damaged = 5,
    /// The store failed while it served: start again.
    StoreFailed = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The end of `--help`.
pub(crate) const EXIT_CODES_HELP: &str = "\
Every option can also be set by its variable (an empty one counts as not set), and under its
name without dashes in the TOML file: flags beat the environment, which beats the file. A key
that does not exist is an error.

Exit codes:
  0    stopped as asked, by SIGTERM or Ctrl-C
  1    another error
  2    a flag, a variable or the configuration file is wrong
  3    cannot listen on the address
  4    cannot use the data directory
  5    the data are damaged or of a newer version: a person must look
  70   the store failed while it served: start the server again
  130  ended at once by a second Ctrl-C; 143: by a second SIGTERM";
