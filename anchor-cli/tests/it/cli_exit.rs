//! Exit codes, and the sentences that go with them.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli_world::{Ran, World, cli};

/// Runs `anchor-cli` against a server of this address.
fn against(server: &str, arguments: &str) -> Ran {
    let mut command = cli();
    let output = command
        .args(["--server", server])
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const READ_ONLY: [&str; 5] =
    ["tail lobby --follow", "history lobby", "rooms", "who lobby", "tail lobby --json --from-start"];

#[test]
fn help_lists_the_exit_codes() {
    let help = against("ws://127.0.0.1:1", "--help");
    assert_eq!(help.code, Some(0));
    for code in ["0  done", "2  the command line", "4  refused by the server", "130  stopped"] {
        assert!(help.out.contains(code), "{}", help.out);
    }
}

#[test]
fn a_wrong_command_line_is_told() {
    for arguments in ["", "shout", "send", "send Lobby hi", "tail lobby --last x", "rooms --timeout 1y"] {
        assert_eq!(against("ws://127.0.0.1:1", arguments).code, Some(2), "{arguments}");
    }
    assert_eq!(against("ftp://127.0.0.1:1", "rooms").code, Some(2));
    assert_eq!(against("ws://127.0.0.1:port", "rooms").code, Some(2));
    let tls = against("wss://127.0.0.1:1", "rooms");
    assert!(tls.code == Some(2) && tls.err.contains("TLS"), "{tls:?}");
}

#[test]
fn reading_stops_at_once_where_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for command in READ_ONLY {
        let began = Instant::now();
        let ran = against(&format!("ws://{free}"), command).fail(3, "cannot reach ws://127.0.0.1:");
        assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 1), "{ran:?}");
        assert!(ran.err.contains("anchor-server"), "{ran:?}");
        assert_eq!(ran.err.matches("cannot reach").count(), 1, "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{command}");
    }
}

#[test]
fn reading_stops_within_five_seconds_where_nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let ran = against(&format!("ws://{}", silent.local_addr().unwrap()), "rooms").fail(3, "cannot reach");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn time_is_bounded() {
    let world = World::new();
    let began = Instant::now();
    let ran = world.cli("ada", "tail lobby --follow --timeout 300ms").run().fail(5, "--timeout");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_goes_through_the_outbox_keeps_trying_and_says_so() {
    let mut world = World::new();
    world.stop_server();
    for command in ["send lobby hello", "chat", "room join lobby"] {
        let ran = world.cli("ada", command).arguments("--timeout 3").input("typed\n");
        ran.fail(5, "cannot reach ws://")
            .fail(5, "unacknowledged messages")
            .fail(5, "sends or changes something");
    }
}

#[test]
fn a_state_that_cannot_be_used_is_told() {
    let world = World::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let ran = world.cli("ada", "send lobby hi --state").arg(path).run().fail(1, "state directory");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    world.cli("ada", "tail lobby --resume --state").arg(path).run().fail(1, "state directory");
}

#[test]
fn ctrl_c_ends_without_a_word_unless_messages_wait() {
    let mut world = World::new();
    world.send("ada", "lobby", &["hello"]);
    let mut following = world.cli("ada", "tail lobby --follow").start();
    following.line().unwrap();
    following.interrupt();
    assert_eq!(following.end(), (Some(130), String::new()));

    world.stop_server();
    let mut chat = world.cli("ada", "chat").start_for_notes();
    chat.type_line("typed");
    chat.wait_for("waiting for the server: 1, kept in");
    chat.interrupt();
    chat.wait_for("unacknowledged messages: 1; they are kept in");
    assert_eq!(chat.end(), Some(130));
}
