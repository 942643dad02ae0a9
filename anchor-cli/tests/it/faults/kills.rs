//! `kill -9` of the server, of the sender, and of both, while lines are piped into `send`.

use super::program::Program;
use super::server::Server;
use super::world::{
    Acked, Entry, ROOM, World, acks, assert_acked, assert_log, assert_once_in_order, entries, numbered, size,
};

/// How often each party is killed. Source: the promise that is tested, in the words of its issue.
const KILLS: usize = 5;

#[test]
fn lines_survive_a_server_that_is_killed() {
    lines_survive("lines_survive_a_server_that_is_killed", Server::kill);
}

/// SIGTERM: goodbye with a slot for the return, commits finished, exit 0.
#[test]
fn lines_survive_a_server_that_is_stopped() {
    lines_survive("lines_survive_a_server_that_is_stopped", Server::stop);
}

fn lines_survive(test: &str, end: fn(&mut Server)) {
    let mut world = World::new(test);
    let lines = numbered("line", size(20_000, 5_000));
    let moments = world.random.moments(KILLS, lines.len());
    let mut server = world.server("data");
    let mut command = world.cli(&server, "ada", "ada");
    command.args(["send", ROOM]);
    let sender = Program::start(command, lines.clone());
    for moment in moments {
        sender.wait_for_lines(moment);
        end(&mut server);
        server.restart();
    }
    let printed = sender.succeed();
    let log = world.log(&server);
    assert_log(&log, &lines);
    let expected: Vec<String> = (1..=lines.len()).map(|offset| format!("{ROOM} {offset}")).collect();
    assert_eq!(printed, expected, "each line's ack, in the order of the lines");
}

/// Several senders at once, two who read along, one who comes afterwards: the lines of each sender once and in order, and
/// all of them in one order for everybody.
#[test]
fn everybody_reads_one_order() {
    let mut world = World::new("everybody_reads_one_order");
    let users = ["ada", "bob", "cy"];
    let lines = users.map(|user| numbered(user, size(20_000, 4_500) / users.len()));
    let all = lines.iter().map(Vec::len).sum::<usize>();
    let moments = world.random.moments(KILLS, all);
    let mut server = world.server("data");
    let readers = ["dee", "eve"].map(|user| {
        let mut command = world.cli(&server, user, user);
        command.args(["tail", ROOM, "--from-start", "--follow", "--json", "--count", &all.to_string()]);
        Program::start(command, Vec::new())
    });
    let senders: Vec<_> =
        users.iter().zip(&lines).map(|(user, lines)| world.send(&server, user, user, lines)).collect();
    // A reader that finds no server at its start says so and ends; once it was connected it comes back.
    for reader in &readers {
        reader.wait_for_lines(1);
    }
    for moment in moments {
        readers[0].wait_for_lines(moment);
        server.kill();
        server.restart();
    }
    let acks: Vec<_> = senders.into_iter().map(|sender| acks(&sender.succeed())).collect();
    let log = world.log(&server);
    assert_eq!(log.len(), all);
    for (lines, acks) in lines.iter().zip(&acks) {
        assert_once_in_order(&log, lines);
        assert_acked(&log, acks, lines);
    }
    for reader in readers {
        assert_eq!(entries(&reader.succeed()), log, "a reader saw another order");
    }
}

/// After each kill `send` with an empty input delivers what was left, as its help says; the log then tells where to go on.
#[test]
fn lines_survive_a_sender_that_is_killed() {
    let mut world = World::new("lines_survive_a_sender_that_is_killed");
    let lines = numbered("line", size(20_000, 5_000));
    let server = world.server("data");
    let mut taken = 0;
    let mut printed = Vec::new();
    for moment in world.random.moments(KILLS, lines.len()) {
        let run = &lines[taken..];
        let mut sender = world.send(&server, "ada", "ada", run);
        sender.wait_for_lines(moment.saturating_sub(taken));
        sender.kill();
        printed.push((run, acks(&sender.lines())));

        printed.push((&[], acks(&world.send(&server, "ada", "ada", &[]).succeed())));
        let log = world.log(&server);
        assert_log(&log, &lines[..log.len()]);
        taken = log.len();
    }
    let run = &lines[taken..];
    printed.push((run, acks(&world.send(&server, "ada", "ada", run).succeed())));
    let log = world.log(&server);
    assert_log(&log, &lines);
    check_acks(&log, &printed);
}

/// Each run pipes lines of its own, and first delivers what the run before it left. What a killed run had taken is a
/// beginning of its lines: what it took no longer was never promised.
#[test]
fn lines_survive_when_both_are_killed() {
    let mut world = World::new("lines_survive_when_both_are_killed");
    let runs: Vec<Vec<String>> = (0..=KILLS)
        .map(|run| numbered(&format!("run {run} line"), size(20_000, 5_000) / (KILLS + 1)))
        .collect();
    let mut server = world.server("data");
    let mut printed = Vec::new();
    for run in &runs[..KILLS] {
        let moment = world.random.below(run.len());
        let mut sender = world.send(&server, "ada", "ada", run);
        sender.wait_for_lines(moment);
        if world.random.below(2) == 0 {
            sender.kill();
            server.kill();
        } else {
            server.kill();
            sender.kill();
        }
        server.restart();
        printed.push((run.as_slice(), acks(&sender.lines())));
    }
    let last = &runs[KILLS];
    printed.push((last.as_slice(), acks(&world.send(&server, "ada", "ada", last).succeed())));

    let log = world.log(&server);
    let mut expected = Vec::new();
    for (run, (_, acks)) in runs.iter().zip(&printed) {
        let taken = log.iter().filter(|entry| run.contains(&entry.body)).count();
        let acked = acks.iter().filter(|ack| ack.line.is_some()).count();
        assert!(taken >= acked, "{acked} lines of a run were acknowledged, {taken} are in the log");
        expected.extend_from_slice(&run[..taken]);
    }
    assert_log(&log, &expected);
    assert_once_in_order(&log, last);
    check_acks(&log, &printed);
    server.stop();
}

/// What a killed reader had printed and not yet saved is printed again; nothing is left out.
#[test]
fn a_reader_that_is_killed_goes_on() {
    let mut world = World::new("a_reader_that_is_killed_goes_on");
    let lines = numbered("line", size(20_000, 5_000));
    let moments = world.random.moments(KILLS, lines.len() / KILLS);
    let server = world.server("data");
    let sender = world.send(&server, "ada", "ada", &lines);
    let read = |follow: &[&str]| {
        let mut command = world.cli(&server, "bob", "bob");
        command.args(["tail", ROOM, "--resume", "--json"]).args(follow);
        Program::start(command, Vec::new())
    };
    let mut runs = Vec::new();
    for moment in moments {
        let mut reader = read(&["--follow"]);
        reader.wait_for_lines(moment);
        reader.kill();
        runs.push(entries(&reader.lines()));
    }
    sender.succeed();
    runs.push(entries(&read(&[]).succeed()));

    let mut taken = 0;
    for run in runs {
        let first = run.first().map_or(taken + 1, |entry| entry.offset);
        assert!(first <= taken + 1, "offset {first} follows {taken}");
        for (offset, entry) in (first..).zip(run) {
            assert_eq!(entry.offset, offset, "offsets are not dense");
            assert_eq!(Some(&entry.body), lines.get(usize::try_from(offset).expect("an index") - 1));
            taken = taken.max(offset);
        }
    }
    assert_eq!(taken, lines.len() as u64);
}

/// A sender that finds no server waits for it, and says so.
#[test]
fn a_sender_waits_for_its_server() {
    let mut world = World::new("a_sender_waits_for_its_server");
    let mut server: Server = world.server("data");
    server.kill();
    let lines = numbered("line", 10);
    let sender = world.send(&server, "ada", "ada", &lines);
    sender.wait_for_errors(1);
    server.restart();
    let printed = acks(&sender.succeed());
    assert_eq!(printed.len(), lines.len());
    assert_log(&world.log(&server), &lines);
}

fn check_acks(log: &[Entry], printed: &[(&[String], Vec<Acked>)]) {
    for (lines, acks) in printed {
        assert_acked(log, acks, lines);
    }
}
