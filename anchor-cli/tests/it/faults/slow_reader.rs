//! A reader that stops reading while many messages pass: it costs the server no memory, slows nobody, and gets them all.

use std::time::{Duration, Instant};

use super::program::Program;
use super::world::{Entry, ROOM, World, assert_log, entries, numbered, size};

/// Memory of the server that the stopped reader may seem to cost, in KiB: the noise between two runs. What passes is
/// several times as much. Source: measured, see below.
const NOISE_KIB: u64 = 8 * 1024;

#[test]
fn a_stopped_reader_costs_nothing_and_loses_nothing() {
    let lines = padded(size(100_000, 4_000));
    let both_read = pass(&lines, Reader::Reads);
    let one_stopped = pass(&lines, Reader::Stops);
    eprintln!("both read: {both_read:?}; one stopped: {one_stopped:?}");

    let limit = both_read.took * 3 + Duration::from_secs(10);
    assert!(
        one_stopped.took < limit,
        "others were slowed: {:?} instead of {:?}",
        one_stopped.took,
        both_read.took
    );
    match (both_read.resident_kib, one_stopped.resident_kib) {
        (Some(without), Some(with)) => {
            assert!(
                with < without + NOISE_KIB,
                "the server grew to {with} KiB; without a stopped reader {without} KiB"
            );
        }
        _ => eprintln!("skipped: the memory of the server, because this system has no /proc/PID/status"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Reads,
    Stops,
}

#[derive(Debug)]
struct Passed {
    /// Until the other reader had everything.
    took: Duration,
    /// Memory of the server then.
    resident_kib: Option<u64>,
}

/// Sends `lines` past two readers, of which one may stop in between and go on in the end.
fn pass(lines: &[String], reader: Reader) -> Passed {
    let mut world = World::new(&format!("a_stopped_reader ({reader:?})"));
    let server = world.server("data");
    let tail = |user: &str, count: usize| {
        let mut command = world.cli(&server, user, user);
        command.args(["tail", ROOM, "--from-start", "--follow", "--json", "--count", &count.to_string()]);
        Program::start(command, Vec::new())
    };
    let (first, rest) = lines.split_first().expect("lines");
    let after = if reader == Reader::Stops { away() } else { 0 };
    let slow = tail("slow", lines.len() + after);
    let live = tail("live", lines.len() + after);
    world.send(&server, "ada", "ada", std::slice::from_ref(first)).succeed();
    slow.wait_for_lines(1);
    live.wait_for_lines(1);
    if reader == Reader::Stops {
        slow.signal("STOP");
    }
    let stopped = Instant::now();
    world.send(&server, "ada", "ada", rest).succeed();
    live.wait_for_lines(lines.len());
    let passed = Passed { took: stopped.elapsed(), resident_kib: server.resident_kib() };

    // Away for a minute, in full size: one line goes past in each second of it. Here time itself is the subject.
    let chatter = numbered("chatter", after);
    for (second, line) in chatter.iter().enumerate() {
        world.send(&server, "ada", "ada", std::slice::from_ref(line)).succeed();
        let until = stopped + Duration::from_secs(second as u64 + 1);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
    let expected = [lines, &chatter].concat();
    assert_log(&taken(live), &expected);
    if reader == Reader::Stops {
        assert!(slow.printed() < lines.len(), "the stopped reader read on");
        slow.signal("CONT");
    }
    assert_log(&taken(slow), &expected);
    passed
}

/// Seconds that the reader stays away beyond the passing of the lines.
fn away() -> usize {
    size(70, 0)
}

fn taken(reader: Program) -> Vec<Entry> {
    entries(&reader.succeed())
}

/// Lines so long that a queue of them would show: 50 MB in full size, 16 MB in the small one.
fn padded(count: usize) -> Vec<String> {
    let padding = "x".repeat(size(500, 4_000));
    numbered("line", count).into_iter().map(|line| format!("{line} {padding}")).collect()
}
