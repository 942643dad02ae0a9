//! What a person in a chat sees: lines of the room, notes of ours, and, on a terminal only, a prompt.

use std::io::{self, IsTerminal, Write};

use crate::exit::Failure;
use crate::output::Output;
use crate::say;

/// Standard output, with a prompt if somebody sits there. In a pipe, notes go to standard error.
#[derive(Debug)]
pub(super) struct Screen {
    output: Output,
    is_terminal: bool,
    has_prompt: bool,
    is_prompted: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let can_erase = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        Self {
            output: Output::default(),
            is_terminal,
            has_prompt: is_terminal && can_erase,
            is_prompted: false,
        }
    }

    /// True if a person sits there.
    pub(super) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows a line of the room. Foreign text in it must have been escaped.
    ///
    /// # Errors
    /// As [`Output::flush`].
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.clear();
        self.output.line(text)
    }

    /// Shows a note of ours. Foreign text in it must have been escaped.
    ///
    /// # Errors
    /// As [`Output::flush`].
    pub(super) fn note(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_terminal {
            return self.line(text);
        }
        self.output.flush()?;
        say::note(text);
        Ok(())
    }

    /// Somebody ended the line of the prompt.
    pub(super) const fn typed(&mut self) {
        self.is_prompted = false;
    }

    /// Nothing more will be typed.
    pub(super) fn end_prompt(&mut self) {
        self.clear();
        self.has_prompt = false;
    }

    /// Writes everything out, and the prompt behind it.
    ///
    /// # Errors
    /// As [`Output::flush`].
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.output.flush()?;
        if self.has_prompt && !self.is_prompted {
            self.is_prompted = true;
            write("> ");
        }
        Ok(())
    }

    /// Takes the prompt away, so that a line can stand in its place. What is half typed stays in the terminal's hands.
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_prompted) {
            write("\r\x1b[K");
        }
    }
}

/// The prompt may fail to appear; lines that follow tell if the terminal has gone.
fn write(text: &str) {
    let mut to = io::stdout().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
