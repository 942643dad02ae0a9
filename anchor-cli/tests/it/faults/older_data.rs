//! An older copy of the server's data directory in the place of the newer one: told by name, with its range, never "up to
//! date"; after a proper restore only what was lost is dropped.

use std::fs;

use serde_json::Value;

use super::program::Program;
use super::server::{Server, maintain};
use super::world::{Entry, ROOM, World, assert_log, assert_once_in_order, entries, numbered};

/// The copy was put in place and has grown beyond the reader's position: the reader's log is not this one.
#[test]
fn an_older_copy_is_another_history() {
    let (world, mut server, kept) = with_an_older_copy("an_older_copy_is_another_history");
    server.restart();
    let shrunk = resume(&world, &server, "reader-of-100-too");
    assert_eq!(shrunk.gap.as_deref(), Some("history 1 100"), "the head lies below the reader's position");
    assert_log(&shrunk.entries, &kept);

    let other = numbered("other", 70);
    world.send(&server, "bob", "bob", &other).succeed();
    let grown = resume(&world, &server, "reader-of-100");
    assert_eq!(grown.gap.as_deref(), Some("history 1 100"), "the head lies above it, with another chain");
    assert_log(&grown.entries, &[kept, other].concat());
    assert_eq!(resume(&world, &server, "reader-of-100"), Resumed::default(), "nothing is told twice");
}

/// After `anchor-server restore` the log has forked at a known place: what lies before it stays valid.
#[test]
fn after_a_restore_only_what_was_lost_is_dropped() {
    let (world, mut server, kept) = with_an_older_copy("after_a_restore_only_what_was_lost_is_dropped");
    maintain(&world.path("data"), "restore");
    server.restart();
    let other = numbered("other", 70);
    world.send(&server, "bob", "bob", &other).succeed();

    let reader = resume(&world, &server, "reader-of-100");
    assert_eq!(reader.gap.as_deref(), Some("restored 61 100"));
    assert_eq!(reader.entries, world.log(&server)[60..], "the reader goes on at the fork");
    assert_once_in_order(&reader.entries, &other);
    let earlier = resume(&world, &server, "reader-of-60");
    assert_eq!(earlier.gap, None, "a position before the fork is as good as ever");
    assert_eq!(earlier.entries, reader.entries);
    assert_log(&world.log(&server), &[kept.clone(), other.clone()].concat());

    // Whoever had acks for what was lost is told, at the next message, and may send it anew.
    let (status, errors) = send(&world, &server, &["one more"]);
    assert_eq!(status, Some(UNDECIDED), "{errors}");
    assert!(errors.contains("acknowledged and lost: 40"), "{errors}");
    let (status, errors) = send(&world, &server, &["--undecided", "resend", "and another"]);
    assert_eq!(status, Some(0), "{errors}");
    let sent_anew: Vec<String> =
        ["one more".to_owned(), "and another".to_owned()].into_iter().chain(numbered("lost", 40)).collect();
    assert_log(&world.log(&server), &[kept, other, sent_anew].concat());
}

/// The exit code of `send` while messages wait for a person to decide.
const UNDECIDED: i32 = 8;

/// What a reader gets that goes on where it was.
#[derive(Debug, Default, PartialEq, Eq)]
struct Resumed {
    /// Reason, first and last offset.
    gap: Option<String>,
    entries: Vec<Entry>,
}

fn resume(world: &World, server: &Server, state: &str) -> Resumed {
    let mut command = world.cli(server, "reader", state);
    command.args(["tail", ROOM, "--resume", "--json"]);
    let lines = Program::start(command, Vec::new()).succeed();
    let mut resumed = Resumed { gap: None, entries: entries(&lines) };
    for (index, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_str(line).expect("a JSON line");
        if let Some(gap) = value.get("gap") {
            assert_eq!(index, 0, "a gap comes before the events that follow it");
            let reason = gap["reason"].as_str().expect("a reason");
            resumed.gap = Some(format!("{reason} {} {}", gap["from"], gap["to"]));
        }
    }
    resumed
}

/// Runs `send` as the sender of the lost lines; gives its exit code and standard error.
fn send(world: &World, server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = world.cli(server, "ada", "ada");
    command.args(["send", ROOM]).args(arguments);
    let mut sender = Program::start(command, Vec::new());
    (sender.wait().code(), sender.errors().join("\n"))
}

/// 60 lines, a copy of the data, 40 more; readers that took all and one that took 60; then the copy put in place, with
/// the server down. Gives the 60 lines.
fn with_an_older_copy(test: &str) -> (World, Server, Vec<String>) {
    let mut world = World::new(test);
    let mut server = world.server("data");
    let kept = numbered("kept", 60);
    world.send(&server, "ada", "ada", &kept).succeed();
    assert_log(&resume(&world, &server, "reader-of-60").entries, &kept);
    server.stop();
    world.copy("data", "backup");
    server.restart();
    let lost = numbered("lost", 40);
    world.send(&server, "ada", "ada", &lost).succeed();
    for reader in ["reader-of-100", "reader-of-100-too"] {
        assert_log(&resume(&world, &server, reader).entries, &[kept.clone(), lost.clone()].concat());
    }
    server.stop();
    fs::remove_dir_all(world.path("data")).expect("the data can be removed");
    world.copy("backup", "data");
    (world, server, kept)
}
