//! A server in this process, and `anchor-cli` in others.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use anchor::System;
use anchor_core::engine::Anchor;
use anchor_core::id::{RoomId, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::session::{Credentials, Denied, Identify, Identity};
use anchor_server::{Config, Server};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A server with its data, and a place for the state of clients.
pub(crate) struct World {
    directory: TempDir,
    runtime: Runtime,
    address: SocketAddr,
    server: Option<Server>,
}

impl World {
    /// A server without any room.
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    /// A server of which `change` sets the options.
    pub(crate) fn with(change: impl FnOnce(Config) -> Config) -> Self {
        let mut world = Self::nowhere();
        world.start(change);
        world
    }

    /// A server of which `root` is an admin.
    pub(crate) fn with_admin() -> Self {
        Self::with(|config| Config { admins: vec![UserId::new("root").unwrap()], ..config })
    }

    /// A server that lets nobody in.
    pub(crate) fn closed_to_all(denied: Denied) -> Self {
        let mut world = Self::nowhere();
        let config = Config { listen: world.address, ..Config::default() };
        let anchor = Anchor::builder(MemoryStore::new(System), System).build();
        let started = async { Server::start_with(config, anchor, Arc::new(Closed(denied))).unwrap() };
        let server = world.runtime.block_on(started);
        world.address = server.local_addr();
        world.server = Some(server);
        world
    }

    fn nowhere() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            runtime: Runtime::new().unwrap(),
            address: ([127, 0, 0, 1], 0).into(),
            server: None,
        }
    }

    fn start(&mut self, change: impl FnOnce(Config) -> Config) {
        let config =
            Config { listen: self.address, data: self.directory.path().join("data"), ..Config::default() };
        let server = self.runtime.block_on(Server::start(change(config))).unwrap();
        self.address = server.local_addr();
        self.server = Some(server);
    }

    /// Ends the server; its address stays its own.
    pub(crate) fn stop_server(&mut self) {
        let server = self.server.take().unwrap();
        server.stop();
        self.runtime.block_on(server.wait());
    }

    /// Starts the server again where it was.
    pub(crate) fn start_server(&mut self) {
        self.start(|config| config);
    }

    /// Takes the events before `horizon` away.
    pub(crate) fn trim(&self, room: &str, horizon: u64) {
        let anchor = self.server.as_ref().unwrap().anchor();
        self.runtime.block_on(anchor.trim(&RoomId::new(room).unwrap(), Offset(horizon))).unwrap();
    }

    /// Copies the data of a server that has ended.
    pub(crate) fn copy_data_to(&self, copy: &Path) {
        copy_files(&self.directory.path().join("data"), copy);
    }

    /// Puts a copy in the place of the data, as a proper restore.
    pub(crate) fn restore_data_from(&self, copy: &Path) {
        let data = self.directory.path().join("data");
        copy_files(copy, &data);
        anchor_store::restore(&data, System).unwrap();
    }

    /// Where the state of `user` lies.
    pub(crate) fn state(&self, user: &str) -> PathBuf {
        self.directory.path().join("state").join(user)
    }

    /// `anchor-cli` for `user`, with arguments separated by spaces.
    pub(crate) fn cli(&self, user: &str, arguments: &str) -> Cli {
        let mut command = cli();
        command.arg("--server").arg(format!("ws://{}", self.address));
        command.arg("--user").arg(user).arg("--state").arg(self.state(user));
        Cli(command).arguments(arguments)
    }

    /// As [`World::cli`], told by environment variables.
    pub(crate) fn cli_from_environment(&self, user: &str, arguments: &str) -> Cli {
        let state = self.state(user);
        self.cli_without_state(arguments)
            .env("ANCHOR_USER", user)
            .env("ANCHOR_STATE", state.to_str().unwrap())
    }

    /// `anchor-cli` with the server as an environment variable, and nothing else.
    pub(crate) fn cli_without_state(&self, arguments: &str) -> Cli {
        let mut command = cli();
        command.env("ANCHOR_SERVER", format!("http://{}", self.address));
        Cli(command).arguments(arguments)
    }

    /// Sends each of `texts` to `room` as `user`, and returns what `send` printed.
    pub(crate) fn send(&self, user: &str, room: &str, texts: &[&str]) -> Vec<String> {
        let input: String = texts.iter().flat_map(|text| [text, "\n"]).collect();
        self.cli(user, "send").arg(room).input(&input).succeed().lines()
    }

    /// Runs a command that must succeed, and returns what it printed without its end. A `_` stands for a space within an
    /// argument.
    pub(crate) fn does(&self, user: &str, arguments: &str) -> String {
        self.words(user, arguments).run().succeed().out.trim_end().to_owned()
    }

    /// As [`World::does`], with `--json`.
    pub(crate) fn does_json(&self, user: &str, arguments: &str) -> Vec<Value> {
        self.words(user, arguments).arg("--json").run().succeed().json()
    }

    /// Checks that a command is refused under that name.
    pub(crate) fn refuses(&self, user: &str, arguments: &str, code: &str) {
        let ran = self.words(user, arguments).run();
        assert_eq!(ran.out, "", "{ran:?}");
        ran.fail(4, code);
    }

    fn words(&self, user: &str, arguments: &str) -> Cli {
        arguments.split(' ').fold(self.cli(user, ""), |cli, word| cli.arg(&word.replace('_', " ")))
    }

    /// The bodies of all messages of `room`, as `tail --json` prints them.
    pub(crate) fn bodies(&self, room: &str) -> Vec<String> {
        self.bodies_for("reader", room)
    }

    /// As [`World::bodies`], as `user` reads them.
    pub(crate) fn bodies_for(&self, user: &str, room: &str) -> Vec<String> {
        let printed = self.cli(user, "tail --from-start --messages --json").arg(room).run().succeed();
        printed.json().iter().map(|line| line["body"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Debug)]
struct Closed(Denied);

#[async_trait]
impl Identify for Closed {
    async fn identify(&self, _: Credentials) -> Result<Identity, Denied> {
        Err(self.0.clone())
    }
}

/// A command line about to run.
pub(crate) struct Cli(Command);

impl Cli {
    /// Adds arguments separated by spaces.
    pub(crate) fn arguments(mut self, arguments: &str) -> Self {
        self.0.args(arguments.split_whitespace());
        self
    }

    /// Adds one argument as it is.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end, with nothing to read.
    pub(crate) fn run(self) -> Ran {
        self.input("")
    }

    /// Runs it to its end, with `input` to read.
    pub(crate) fn input(self, input: &str) -> Ran {
        self.input_bytes(input.as_bytes().to_vec())
    }

    /// Runs it to its end, with `input` to read.
    pub(crate) fn input_bytes(mut self, input: Vec<u8>) -> Ran {
        let mut child = self.0.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end without reading everything.
        let feeding = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        Ran::from_output(output)
    }

    /// The command itself.
    pub(crate) fn into_command(self) -> Command {
        self.0
    }

    /// Starts it; what it writes to standard error is thrown away.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.0.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Running { input: child.stdin.take(), output: Some(output), child }
    }

    /// Starts it; what it writes to standard output is thrown away, and standard error is read instead.
    pub(crate) fn start_for_notes(mut self) -> Notes {
        let mut child = self.0.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let notes = BufReader::new(child.stderr.take().unwrap());
        Notes { input: child.stdin.take(), notes: Box::new(notes), child }
    }
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs `command` to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from_output(command.output().unwrap())
    }

    fn from_output(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks that it ended well and said nothing to standard error.
    pub(crate) fn succeed(self) -> Self {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// Checks how it ended, and that standard error holds one line with `part`.
    pub(crate) fn fail(self, code: i32, part: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.lines().any(|line| line.contains(part)), "{self:?}");
        self
    }

    /// The lines of standard output.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.out.lines().map(str::to_owned).collect()
    }

    /// The lines of standard output, each a JSON object.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A process that runs; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    /// `None` once nobody reads it.
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Writes a line to its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Waits for the next line of its standard output; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        line.pop().map(|_| line)
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.input = None;
        let mut rest = String::new();
        if let Some(output) = &mut self.output {
            output.read_to_string(&mut rest).unwrap();
        }
        (self.child.wait().unwrap().code(), rest)
    }

    /// Reads its standard output no more, as a reader that has gone.
    pub(crate) fn close_output(&mut self) {
        self.output = None;
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process of which standard error is read; killed when it is dropped.
pub(crate) struct Notes {
    child: Child,
    input: Option<ChildStdin>,
    notes: Box<dyn BufRead>,
}

impl Notes {
    /// Writes a line to its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Waits for a line of standard error that contains `part`.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let mut seen = Vec::new();
        for line in self.notes.by_ref().lines() {
            let line = line.unwrap();
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
        panic!("standard error ended without {part:?}: {seen:?}");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.input = None;
        let mut rest = String::new();
        self.notes.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The files of the store; not the directory of the search index, which is made of them.
fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The binary with an environment of its own, and a bound on its life.
pub(crate) fn cli() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anchor-cli"));
    command.env_clear().env("TZ", "UTC").env("USER", "login").arg("--timeout").arg("60");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
