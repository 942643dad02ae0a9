//! However a run ends, nothing that it started outlives it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::faults::program::DEADLINE;
use crate::faults::server::binary;

/// A run that would go on for a minute, and the directory that it works in.
fn begun(arguments: &str) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anchor-cli"));
    command.env_clear().stdout(Stdio::piped());
    command.args([
        "torture",
        "--duration",
        "60",
        "--clients",
        "2",
        "--rate",
        "50",
        "--seed",
        "5",
        "--server-bin",
    ]);
    command.arg(binary()).args(arguments.split_whitespace()).stdin(Stdio::null());
    // A file and not a pipe: what outlives the run would keep a pipe open.
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    command.stderr(fs::File::create(&notes).unwrap());
    let child = command.spawn().unwrap();
    let directory = wait_until("the run says where it works", || {
        let notes = fs::read_to_string(&notes).unwrap();
        Some(notes.split_once("working in ")?.1.split_once('\n')?.0.to_owned())
    });
    (child, directory)
}

/// As [`begun`], once all of it has started.
fn started(arguments: &str) -> (Child, String) {
    let (child, directory) = begun(arguments);
    wait_until("both clients have an ack", || {
        let has_ack = |client: &str| {
            let journal = fs::read_to_string(format!("{directory}/{client}.1.journal")).ok()?;
            journal.contains("{\"acked\"").then_some(())
        };
        has_ack("client-0").and(has_ack("client-1"))
    });
    (child, directory)
}

fn wait_until<T>(what: &str, mut reached: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(reached) = reached() {
            return reached;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The command lines of all processes that name `directory`.
fn processes(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(directory) {
            found.push(line);
        }
    }
    found
}

/// Ctrl-C: it stops early, lets everybody catch up, and judges.
#[test]
fn ctrl_c_judges_what_there_is() {
    let (child, directory) = started("--kills 0 --json");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let summary: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["is_stopped_early"], &summary["verdict"]), (&true.into(), &"held".into()));
    assert!(fs::metadata(&directory).is_err(), "a run that held leaves nothing behind");
}

/// `kill -9` of the run itself: the server and the clients see that nobody is there any more, and end.
#[test]
fn what_it_started_dies_with_it() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: only Linux tells the processes under /proc");
        return;
    }
    let (mut child, directory) = started("--kills 4");
    let running = processes(&directory);
    assert!(running.len() >= 3, "a server, its keeper and clients: {running:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("all processes have ended", || processes(&directory).is_empty().then_some(()));
    fs::remove_dir_all(directory).unwrap();
}

/// A run that is stopped in the middle takes everything with it.
#[test]
fn what_it_started_ends_in_time() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: only Linux tells the processes under /proc");
        return;
    }
    let (child, directory) = begun("--kills 4 --timeout 5");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    wait_until("all processes have ended", || processes(&directory).is_empty().then_some(()));
}
