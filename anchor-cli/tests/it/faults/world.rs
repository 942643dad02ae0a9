//! What a fault test has around it: a temporary directory, a seed, commands of the client, and the log as a reader sees it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anchor::System;
use anchor_core::id::{RoomId, UserId};
use anchor_transport::client::{Client, ClientConfig};
use serde_json::Value;
use tempfile::TempDir;

use super::program::Program;
use super::server::Server;

/// The room of every test.
pub(crate) const ROOM: &str = "lobby";

/// `full` where the sizes of the promise are asked for, else `small`.
pub(crate) fn size(full: usize, small: usize) -> usize {
    if std::env::var_os("ANCHOR_TEST_FULL").is_some_and(|value| value == "1") { full } else { small }
}

/// One test's directory and dice.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
    pub(crate) random: Random,
}

impl World {
    /// An empty world; prints its seed.
    pub(crate) fn new(test: &str) -> Self {
        let seed = match std::env::var("ANCHOR_TEST_SEED") {
            Ok(seed) => seed.parse().expect("ANCHOR_TEST_SEED is a number"),
            Err(_) => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()))
            }
        };
        eprintln!("{test}: ANCHOR_TEST_SEED={seed}");
        Self { folder: tempfile::tempdir().expect("a temporary directory"), random: Random(seed) }
    }

    /// A path in the test's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server over the directory `name`.
    pub(crate) fn server(&mut self, name: &str) -> Server {
        Server::start(&self.path(name), &mut self.random)
    }

    /// The client's command for `user`, whose state lies in the directory `state`.
    pub(crate) fn cli(&self, server: &Server, user: &str, state: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anchor-cli"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANCHOR_"))
        {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path()).env("XDG_STATE_HOME", self.path("xdg")).env("TZ", "UTC");
        command.args(["--server", &server.url(), "--user", user, "--state"]).arg(self.path(state));
        command
    }

    /// Pipes `lines` into `send --json`.
    pub(crate) fn send(&self, server: &Server, user: &str, state: &str, lines: &[String]) -> Program {
        let mut command = self.cli(server, user, state);
        command.args(["send", ROOM, "--json"]);
        Program::start(command, lines.to_vec())
    }

    /// Puts `lines` into the outbox in the directory `state`, and sends nothing: the server must be away.
    pub(crate) fn queue(&self, server: &Server, user: &str, state: &str, lines: &[String]) {
        let user = UserId::new(user).expect("a user id");
        let config = ClientConfig::new(server.url()).user(user).directory(self.path(state));
        let room = RoomId::new(ROOM).expect("a room id");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let client = Client::open(config, System).expect("an outbox");
            for line in lines {
                // Returns once it is in the outbox; what becomes of it is for the next process to see.
                drop(client.publish(&room, line.as_str()).await.expect("a queued line"));
            }
            client.close().await;
        });
    }

    /// The room's messages from the start, as `tail --json` prints them.
    pub(crate) fn log(&self, server: &Server) -> Vec<Entry> {
        let mut command = self.cli(server, "reader", "reader");
        command.args(["tail", ROOM, "--from-start", "--json"]);
        entries(&Program::start(command, Vec::new()).succeed())
    }

    /// Copies the directory `from` to the directory `to`, which is replaced.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        let _ = fs::remove_dir_all(self.path(to));
        copy(&self.path(from), &self.path(to));
    }
}

/// One line of `tail --json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) body: String,
}

/// The messages among lines of `tail --json`.
pub(crate) fn entries(lines: &[String]) -> Vec<Entry> {
    let parsed = lines.iter().map(|line| match serde_json::from_str::<Value>(line) {
        Ok(value) => value,
        Err(error) => panic!("not a JSON line: {error}: {line}"),
    });
    parsed
        .filter(|value| value["kind"] == "message")
        .map(|value| Entry {
            offset: value["offset"].as_u64().unwrap_or_else(|| panic!("no offset: {value}")),
            body: value["body"].as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned(),
        })
        .collect()
}

/// An ack as `send` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acked {
    /// The line of this run's input, from 1; `None` for what an earlier run left.
    pub(crate) line: Option<usize>,
    pub(crate) offset: u64,
}

/// The acks in lines of `send --json`; nothing may have been refused.
pub(crate) fn acks(lines: &[String]) -> Vec<Acked> {
    let ack = |line: &String| {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}: {line}"));
        let number = value["line"].as_u64().map(|line| usize::try_from(line).expect("a line number"));
        Acked {
            line: number,
            offset: value["offset"].as_u64().unwrap_or_else(|| panic!("not an ack: {line}")),
        }
    };
    lines.iter().map(ack).collect()
}

/// Checks that the log is exactly `lines`, in order, at dense offsets.
pub(crate) fn assert_log(log: &[Entry], lines: &[String]) {
    for (index, (entry, line)) in log.iter().zip(lines).enumerate() {
        assert_eq!(&entry.body, line, "line {} of the log is another one", index + 1);
        assert_eq!(entry.offset, index as u64 + 1, "offsets are not dense");
    }
    assert_eq!(log.len(), lines.len(), "the log has another number of lines");
}

/// Checks that each acknowledged offset holds the line it was printed for; `lines` were the input of that run.
pub(crate) fn assert_acked(log: &[Entry], acks: &[Acked], lines: &[String]) {
    let log: HashMap<u64, &str> = log.iter().map(|entry| (entry.offset, entry.body.as_str())).collect();
    for Acked { line, offset } in acks {
        let entry = log
            .get(offset)
            .unwrap_or_else(|| panic!("offset {offset} was acknowledged and is not in the log"));
        if let Some(line) = line {
            assert_eq!(*entry, lines[line - 1], "offset {offset} was acknowledged for another line");
        }
    }
}

/// Checks that each of `lines` stands in the log exactly once, in whatever order.
pub(crate) fn assert_once(log: &[Entry], lines: &[String]) {
    let mut times: HashMap<&str, usize> = lines.iter().map(|line| (line.as_str(), 0)).collect();
    for entry in log {
        if let Some(times) = times.get_mut(entry.body.as_str()) {
            *times += 1;
        }
    }
    let wrong: BTreeSet<_> = times.into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(wrong.is_empty(), "not in the log exactly once: {wrong:?}");
}

/// Checks that each of `lines` stands in the log exactly once, and in this order.
pub(crate) fn assert_once_in_order(log: &[Entry], lines: &[String]) {
    let wanted: HashSet<&str> = lines.iter().map(String::as_str).collect();
    let found: Vec<&str> =
        log.iter().map(|entry| entry.body.as_str()).filter(|body| wanted.contains(body)).collect();
    let first = found
        .iter()
        .zip(lines)
        .position(|(found, line)| found != line)
        .unwrap_or(found.len().min(lines.len()));
    assert!(
        found.len() == lines.len() && first == lines.len(),
        "{} of {} lines are in the log; the first difference is at line {}: {:?} instead of {:?}",
        found.len(),
        lines.len(),
        first + 1,
        found.get(first),
        lines.get(first),
    );
}

/// `count` lines that all differ.
pub(crate) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{prefix} {number}")).collect()
}

/// Reproducible dice: splitmix64.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// So many different numbers below `below`, in rising order.
    pub(crate) fn moments(&mut self, count: usize, below: usize) -> Vec<usize> {
        let mut moments = BTreeSet::new();
        while moments.len() < count {
            moments.insert(self.below(below));
        }
        moments.into_iter().collect()
    }

    /// A number below `below`, which is not zero.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).expect("below a usize")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a known file type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}
