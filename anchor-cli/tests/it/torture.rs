//! `torture`, and `torture check` on what it saved: as it was, and as it would be if a promise were broken.

mod ends;
mod verdicts;

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli_world::{Ran, World, cli};
use crate::faults::server::binary;

/// Runs `torture` against a server of its own.
fn torture(arguments: &str) -> Ran {
    let mut command = cli();
    command.args(["torture", "--server-bin"]).arg(binary());
    Ran::of(command.args(arguments.split_whitespace()))
}

/// The rows of a verdict, and what its last line says.
fn verdict(ran: &Ran) -> (Vec<Value>, Value) {
    let mut lines = ran.json();
    let summary = lines.pop().unwrap();
    (lines.into_iter().filter(|line| line["promise"].is_string()).collect(), summary)
}

/// Server and clients are killed, connections are cut, and every promise holds.
#[test]
fn a_short_run_holds() {
    let folder = TempDir::new().unwrap();
    let saved = folder.path().join("history.jsonl");
    let ran =
        torture(&format!("--duration 5 --kills 6 --clients 3 --seed 7 --json --save {}", saved.display()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (rows, summary) = verdict(&ran);
    assert_eq!(rows.len(), 9, "{ran:?}");
    for row in &rows {
        assert_eq!((&row["violations"], row["verdict"] == "BROKEN"), (&Value::from(0), false), "{row}");
    }
    let held = |promise: &str| rows.iter().any(|row| row["promise"] == promise && row["verdict"] == "held");
    for promise in
        ["acked is durable", "exactly once", "one order for all readers", "the outbox keeps what it took"]
    {
        assert!(held(promise), "{promise}: {ran:?}");
    }
    assert_eq!(summary["verdict"], "held");
    assert_eq!((&summary["server_kills"], &summary["client_kills"]), (&3.into(), &3.into()), "{summary}");
    assert!(summary["events"].as_u64() > Some(50), "{summary}");
    assert_eq!(summary["seed"], 7);

    let checked = check(&saved);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let (again, _) = verdict(&checked);
    assert_eq!(again, rows, "the saved history says the same");
    verdicts::corruptions_are_named(&saved);
}

/// A server whose data vanish whenever it starts: it answers well all the time, and is found out. What the run leaves is
/// enough to look into it.
#[cfg(unix)]
#[test]
fn a_server_that_forgets_is_found_out() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let forgetful = folder.path().join("forgetful");
    let script = format!(
        "#!/bin/sh\nfor word in \"$@\"; do [ \"$last\" = --data ] && rm -rf \"$word\"; last=$word; done\nexec {} \"$@\"\n",
        binary().display()
    );
    fs::write(&forgetful, script).unwrap();
    fs::set_permissions(&forgetful, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = cli();
    command.args([
        "torture",
        "--duration",
        "4",
        "--kills",
        "4",
        "--clients",
        "2",
        "--seed",
        "4",
        "--rate",
        "30",
    ]);
    let ran = Ran::of(command.arg("--server-bin").arg(&forgetful));
    assert_eq!(ran.code, Some(9), "{ran:?}");
    let broken = |line: &str| line.starts_with("acked is durable") && line.ends_with("BROKEN");
    assert!(ran.lines().iter().any(|line| broken(line)), "{ran:?}");
    assert!(ran.err.contains("torture --seed 4 --duration 4 --kills 4 --clients 2"), "{ran:?}");
    let kept = Path::new(ran.err.split_once("kept in ").unwrap().1.split_once(": ").unwrap().0);
    assert!(kept.join("data").is_dir() && kept.join("server.log").is_file(), "{ran:?}");
    let history = kept.join("history.jsonl");
    assert!(ran.err.contains(&format!("torture check {}", history.display())), "{ran:?}");
    assert_eq!(check(&history).code, Some(9));
    fs::remove_dir_all(kept).unwrap();
}

/// A server that somebody else runs is not killed, and the run says so.
#[test]
fn a_server_that_runs_is_left_alone() {
    let world = World::new();
    let ran = world.cli("anybody", "torture --duration 2 --kills 2 --clients 2 --rate 20 --seed 3").run();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("the server is not ours"), "{ran:?}");
    assert!(ran.out.contains("kill -9: 0 of the server, 2 of clients"), "{ran:?}");
    let rooms = world.cli("anybody", "rooms").run().succeed().lines();
    assert!(!rooms.is_empty() && rooms.iter().all(|room| room.starts_with("torture-")), "{rooms:?}");
}

#[test]
fn what_cannot_be_tortured_is_told() {
    let run = |arguments: &str| Ran::of(cli().args(arguments.split_whitespace()));
    let missing = run("torture --server-bin /nowhere/anchor-server");
    missing.fail(1, "there is no program /nowhere/anchor-server");
    run("--server ws://127.0.0.1:1 torture --duration 1").fail(3, "cannot reach ws://127.0.0.1:1");
    run("torture --clients 0").fail(2, "--clients");
    run("torture --duration never").fail(2, "--duration");
    run("torture check /nowhere/history").fail(2, "/nowhere/history: cannot read the history");
}

#[test]
fn help_tells_the_options_and_the_codes() {
    let help = torture("--help");
    for part in ["--duration", "--seed", "--kills", "--clients", "--save", "--json", "check", "ends with 9"] {
        assert!(help.out.contains(part), "{part}: {}", help.out);
    }
    assert!(!help.out.contains("keep "), "what only the run itself starts is not shown: {}", help.out);
    let check = Ran::of(cli().args(["torture", "check", "--help"]));
    assert!(check.out.contains("docs/history.md"), "{check:?}");
}

/// Checks a history with `--json`.
fn check(file: &Path) -> Ran {
    Ran::of(cli().args(["torture", "check", "--json"]).arg(file))
}
