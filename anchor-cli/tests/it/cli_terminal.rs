//! What a terminal gets to see: prompts, long lines broken in time, and no escape sequence but our own.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::cli_world::{Cli, World};

/// A terminal of 40 columns, and what it was sent.
struct Terminal {
    ours: File,
    theirs: File,
    seen: String,
}

impl Terminal {
    fn new() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&theirs, Winsize { ws_row: 24, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        Self { ours: ours.into(), theirs, seen: String::new() }
    }

    /// Starts a command whose input and output this terminal is.
    fn start(&self, command: Cli) -> Child {
        let end = || Stdio::from(self.theirs.try_clone().unwrap());
        let mut command = command.env("TERM", "xterm").into_command();
        command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.ours, "{line}").unwrap();
    }

    /// Waits until `part` was sent to the terminal; returns everything up to there, and forgets it.
    fn wait_for(&mut self, part: &str) -> String {
        while !self.seen.contains(part) {
            let mut bytes = [0; 1024];
            let read = self.ours.read(&mut bytes).unwrap();
            self.seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        let end = self.seen.find(part).unwrap() + part.len();
        self.seen.drain(..end).collect()
    }
}

#[test]
fn a_chat_has_a_prompt_and_says_what_it_does() {
    let world = World::new();
    let mut terminal = Terminal::new();
    let mut chat = terminal.start(world.cli("ada", "chat"));
    let begun = terminal.wait_for("> ");
    assert!(begun.starts_with("-- lobby as ada;"), "{begun:?}");
    terminal.type_line("hello");
    terminal.wait_for("ada: hello\r\n> ");
    terminal.type_line("/quit");
    assert_eq!(chat.wait().unwrap().code(), Some(0));
}

/// Long work: `send` of a line every so often until `enough`, with standard error as given; how many lines it took.
fn send_until(world: &World, stderr: Stdio, mut enough: impl FnMut(usize) -> bool) -> (Child, usize) {
    let mut command = world.cli("ada", "send lobby").env("TERM", "xterm").into_command();
    let mut send = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let mut input = send.stdin.take().unwrap();
    let mut lines = 0;
    while !enough(lines) {
        writeln!(input, "line").unwrap();
        lines += 1;
        // The work has to take long, or there is no progress to show.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    (send, lines)
}

#[test]
fn progress_is_shown_to_a_terminal_and_to_nothing_else() {
    let world = World::new();
    let mut terminal = Terminal::new();
    let stderr = Stdio::from(terminal.theirs.try_clone().unwrap());
    let (shown, seen) = std::sync::mpsc::channel();
    let watching = std::thread::spawn(move || {
        let begun = terminal.wait_for(" acknowledged");
        shown.send(()).unwrap();
        begun
    });
    let (mut send, lines) = send_until(&world, stderr, |_| seen.try_recv().is_ok());
    assert_eq!(send.wait().unwrap().code(), Some(0));
    let begun = watching.join().unwrap();
    assert!(begun.starts_with("\r\x1b[K"), "{begun:?}");
    let (send, _) = send_until(&world, Stdio::piped(), |sent| sent == lines);
    let piped = send.wait_with_output().unwrap();
    assert_eq!((piped.status.code(), String::from_utf8(piped.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn nothing_foreign_starts_a_row_of_the_terminal() {
    let world = World::new();
    let padded = format!("hi{}2026-11-22 14:03:05 #7 bob: I quit \x1b[2J\x07", " ".repeat(70));
    world.cli("eve", "send lobby").arg(&padded).run().succeed();
    world.send("eve", "lobby", &["the end"]);
    for command in ["tail lobby", "history lobby", "chat"] {
        let mut terminal = Terminal::new();
        let mut child = terminal.start(world.cli("ada", command));
        let shown = terminal.wait_for("the end\r\n").replace("> \r\x1b[K", "");
        assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown:?}");
        let message = shown.split_inclusive("\r\n").skip_while(|row| !row.contains("eve: hi"));
        let rows: Vec<&str> = message.take_while(|row| !row.contains("the end")).collect();
        assert!(rows.len() > 2, "{shown:?}");
        for (at, row) in rows.iter().enumerate() {
            assert!(row.trim_end_matches("\r\n").chars().count() <= 40, "{row:?}");
            assert!(at == 0 || row.starts_with("    "), "{row:?}");
        }
        if command == "chat" {
            terminal.type_line("/quit");
        }
        assert_eq!(child.wait().unwrap().code(), Some(0), "{command}");
    }
}
