//! `bench`: every scenario once, as small as it can be; nothing here looks at how fast anything is.

use std::fs;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli_world::{Ran, World, cli};
use crate::faults::server::binary;

/// Runs a scenario against a server of its own, for a moment.
fn bench(arguments: &str) -> Ran {
    let mut command = cli();
    command
        .args(["bench", "--json", "--seconds", "200ms", "--warm-up", "50ms", "--server-bin"])
        .arg(binary());
    Ran::of(command.args(arguments.split_whitespace()))
}

/// The report of a scenario that found nothing wrong.
fn report(arguments: &str) -> Value {
    let ran = bench(arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut lines = ran.json();
    assert_eq!(lines.len(), 1, "{ran:?}");
    let report = lines.remove(0);
    for kind in ["lost", "repeated", "reordered", "strange"] {
        assert_eq!(report["checks"][kind], 0, "{report}");
    }
    report
}

/// A figure, which is above zero.
fn figure(report: &Value, name: &str) -> f64 {
    let figure = report["figures"][name].as_f64().unwrap_or_default();
    assert!(figure > 0.0, "{name}: {report}");
    figure
}

#[test]
fn a_fan_out_delivers_to_everyone() {
    let report = report("fanout --subscribers 20");
    let [deliveries, acks] = ["deliveries_per_second", "acks_per_second"].map(|name| figure(&report, name));
    assert!(deliveries > 5.0 * acks, "{report}");
    let [p50, p99, max] =
        ["delivery_p50_ms", "delivery_p99_ms", "delivery_max_ms"].map(|name| figure(&report, name));
    assert!(p50 <= p99 && p99 <= max, "{report}");
    assert_eq!(report["settings"]["durability"], "disk");
    assert_eq!(report["settings"]["in_flight"], 8);
}

#[test]
fn a_fan_out_at_half_of_the_maximum_measures_the_maximum_first() {
    let report = report("fanout --subscribers 5 --rate half");
    let half = report["settings"]["messages_per_second"].as_f64().unwrap();
    assert!((figure(&report, "most_messages_per_second") / half - 2.0).abs() < 0.01, "{report}");
}

#[test]
fn stalled_subscribers_hold_nobody_up() {
    let report = report("fanout --subscribers 10 --stalled 20 --rate 200");
    assert_eq!(report["settings"]["stalled"], 2);
    figure(&report, "deliveries_per_second");
}

#[test]
fn everyone_talks_in_rooms() {
    let report = report("rooms --connections 12 --rooms 4");
    let per_publish = figure(&report, "deliveries_per_second") / figure(&report, "acks_per_second");
    assert!((1.0..9.0).contains(&per_publish), "about 3: {report}");
}

#[test]
fn publishes_are_acknowledged() {
    let report = report("publish --connections 4 --in-flight 2");
    figure(&report, "acks_per_second");
    figure(&report, "ack_p50_ms");
}

#[test]
fn a_storm_ends_with_everybody_current() {
    let report = report("storm --clients 20 --missed 100 --rooms 4 --away 10ms");
    assert_eq!(report["settings"]["missed"], 100, "{report}");
    assert!(
        figure(&report, "client_max_ms") <= 1e3 * figure(&report, "all_current_seconds") + 1.0,
        "{report}"
    );
}

#[test]
fn idle_connections_are_counted_in_memory() {
    let report = report("idle --connections 50 --room-size 10 --settle 50ms");
    assert_eq!(report["settings"]["connections"], 50);
    figure(&report, "open_seconds");
}

#[test]
fn clients_arrive_at_their_rate() {
    let report = report("connect --rate 100 --rooms 3 --keep 5");
    figure(&report, "hello_to_welcome_p50_ms");
    figure(&report, "arrival_to_welcome_p99_ms");
}

#[test]
fn pages_are_what_was_asked_for() {
    let report = report("history --events 300 --connections 2 --publishes-per-s 200");
    assert!(figure(&report, "events_per_page") <= 50.0, "{report}");
    figure(&report, "pages_per_second");
    figure(&report, "ack_p50_ms");
}

#[test]
fn readers_catch_up_beside_one_who_publishes() {
    let quiet = report("catchup --events 500 --readers 3");
    assert_eq!((&quiet["settings"]["events"], &quiet["settings"]["readers"]), (&500.into(), &3.into()));
    figure(&quiet, "events_per_second");
    let probed = report("catchup --events 500 --readers 2 --probe 100");
    figure(&probed, "ack_quiet_p99_ms");
    figure(&probed, "ack_beside_p99_ms");
}

/// A server that runs is measured as it is, and people read a table.
#[test]
fn a_server_that_runs_is_measured() {
    let world = World::new();
    let ran = world.cli("ada", "bench publish --connections 2 --seconds 100ms --warm-up 10ms").run();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for expected in ["acks per second", "not told", "every delivery checked"] {
        assert!(ran.out.contains(expected), "{expected}: {ran:?}");
    }
}

/// Ctrl-C ends the server too, and takes its data away; so does whoever ends a program that takes too long.
#[test]
fn an_interrupt_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM] {
        leaves_nothing_behind(signal);
    }
}

fn leaves_nothing_behind(signal: Signal) {
    let folder = TempDir::new().unwrap();
    let is_empty = || fs::read_dir(folder.path()).unwrap().next().is_none();
    let mut command = cli();
    command.args(["bench", "idle", "--settle", "1h", "--data-under"]).arg(folder.path());
    let mut bench = command.arg("--server-bin").arg(binary()).stdout(Stdio::null()).spawn().unwrap();
    while is_empty() {
        assert!(bench.try_wait().unwrap().is_none(), "it ended by itself");
        thread::yield_now();
    }
    kill_process(Pid::from_child(&bench), signal).unwrap();
    assert_eq!((bench.wait().unwrap().code(), is_empty()), (Some(130), true));
}

/// A server that ends in the middle is told with its last words.
#[cfg(unix)]
#[test]
fn a_server_that_ends_by_itself_is_told() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let frail = folder.path().join("frail");
    let script = format!(
        "#!/bin/sh\n(sleep 0.7; echo 'my last words' >&2; kill -9 $$) &\nexec {} \"$@\"\n",
        binary().display()
    );
    fs::write(&frail, script).unwrap();
    fs::set_permissions(&frail, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = cli();
    let ran = Ran::of(
        command.args(["bench", "idle", "--connections", "5", "--settle", "1m", "--server-bin"]).arg(frail),
    );
    ran.fail(1, "my last words");
}

#[test]
fn nobody_there_is_said() {
    let mut command = cli();
    let ran = Ran::of(command.args(["--server", "ws://127.0.0.1:1", "bench", "publish"]));
    ran.fail(3, "cannot connect");
}
