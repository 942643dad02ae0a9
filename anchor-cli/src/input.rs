//! Standard input, line by line, read by a thread of its own into a bounded channel.

use std::io::{self, BufRead};
use std::thread;

use anchor_core::code::Code;
use anchor_core::limits::{BODY_BYTES_MAX, WINDOW};
use anchor_core::publish::Refusal;
use tokio::sync::mpsc;

/// A line of standard input.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// Its text without its end (`\n` or `\r\n`), or why it cannot be a message.
    pub(crate) text: Result<String, Refusal>,
}

/// Starts to read standard input. The channel ends with the input, or behind an error of it.
pub(crate) fn lines() -> mpsc::Receiver<io::Result<Line>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    // Not joined: it may wait for a terminal for ever, and ends with the process.
    thread::spawn(move || read(&mut io::stdin().lock(), |line| sender.blocking_send(line).is_ok()));
    receiver
}

/// Hands each line to `take` until that says no.
fn read(input: &mut impl BufRead, mut take: impl FnMut(io::Result<Line>) -> bool) {
    for number in 1.. {
        let wanted = match read_line(input) {
            Ok(None) => return,
            Ok(Some(text)) => take(Ok(Line { number, text })),
            Err(error) => {
                take(Err(error));
                false
            }
        };
        if !wanted {
            return;
        }
    }
}

/// The next line, `None` at the end. Of a line that is too long no more than the limit is held.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Result<String, Refusal>>> {
    let mut line = Vec::new();
    let mut bytes = 0;
    loop {
        let piece = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            piece => piece?,
        };
        if piece.is_empty() {
            break;
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(piece.len(), |end| end + 1);
        let room = LINE_BYTES_MAX.saturating_sub(line.len());
        line.extend_from_slice(&piece[..taken.min(room)]);
        bytes += taken;
        input.consume(taken);
        if end.is_some() {
            break;
        }
    }
    if bytes == 0 {
        return Ok(None);
    }
    if bytes > line.len() {
        let message = format!("the line has {bytes} bytes, and a message at most {BODY_BYTES_MAX}");
        return Ok(Some(Err(Refusal::new(Code::BodyTooLarge, message))));
    }
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    Ok(Some(String::from_utf8(line).map_err(|_| Refusal::new(Code::Invalid, "the line is not valid UTF-8"))))
}

/// Lines read before they are wanted. Source: chosen; one window of publishes, 16 MiB of the longest lines.
const LINES_AHEAD: usize = WINDOW;

/// Longest line that is handed on, in bytes with its end (`\r\n`). Source: the longest body.
const LINE_BYTES_MAX: usize = BODY_BYTES_MAX + 2;

#[cfg(test)]
mod tests;
