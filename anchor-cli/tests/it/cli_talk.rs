//! The main job: some send, everybody reads the same.

use crate::cli_world::World;

#[test]
fn two_clients_talk_and_a_third_reads_the_same_later() {
    let world = World::new();
    let mut ada = world.cli("ada", "tail lobby --follow --from-start").start();
    let mut bob = world.cli("bob", "tail lobby --follow --from-start").start();
    let mut ada_says = world.cli("ada", "send lobby").start();
    let mut bob_says = world.cli("bob", "send lobby").start();
    let mut seen = Vec::new();
    for round in 0..10 {
        ada_says.type_line(&format!("question {round}"));
        seen.push(ada.line().unwrap());
        assert_eq!(bob.line().as_ref(), seen.last());
        bob_says.type_line(&format!("answer {round}"));
        seen.push(bob.line().unwrap());
        assert_eq!(ada.line().as_ref(), seen.last());
    }
    for (at, line) in seen.iter().enumerate() {
        let (user, text) = if at % 2 == 0 { ("ada", "question") } else { ("bob", "answer") };
        assert!(line.ends_with(&format!(" #{} {user}: {text} {}", at + 1, at / 2)), "{line}");
    }
    assert_eq!(world.cli("cid", "tail lobby --from-start").run().succeed().lines(), seen);
    let (code, acks) = ada_says.end();
    assert_eq!(code, Some(0));
    let expected: String = (0..10).map(|round| format!("lobby {}\n", 2 * round + 1)).collect();
    assert_eq!(acks, expected);
}

#[test]
fn history_goes_back_page_by_page() {
    let world = World::new();
    let texts: Vec<String> = (1..=450).map(|n| format!("m{n}")).collect();
    world.send("ada", "lobby", &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let bodies = |arguments: &str| -> Vec<String> {
        let printed = world.cli("bob", "history lobby --json").arguments(arguments).run().succeed();
        printed.json().iter().map(|line| line["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies(""), texts[400..]);
    assert_eq!(bodies("--limit 3"), texts[447..]);
    assert_eq!(bodies("--limit 430"), texts[20..]);
    assert_eq!(bodies("--before 11 --limit 4"), texts[6..10]);
    assert_eq!(bodies("--before 3"), texts[..2]);
    assert_eq!(bodies("--before 1"), [""; 0]);
    let shown = world.cli("bob", "history lobby --limit 1").run().succeed();
    assert!(shown.out.ends_with(" #450 ada: m450\n"), "{shown:?}");
    assert_eq!(world.cli("bob", "history empty").run().succeed().out, "");
}

#[test]
fn rooms_and_who_list_what_there_is() {
    let world = World::new();
    assert_eq!(world.cli("ada", "rooms").run().succeed().out, "");
    world.send("ada", "zoo", &["a"]);
    world.send("ada", "alps", &["a", "b"]);
    assert_eq!(world.cli("ada", "rooms").run().succeed().out, "alps 2\nzoo 1\n");
    let listed = world.cli("ada", "rooms --json").run().succeed().json();
    assert_eq!((listed.len(), &listed[0]["room"], &listed[0]["head"]), (2, &"alps".into(), &2.into()));

    assert_eq!(world.cli("ada", "who alps").run().succeed().out, "");
    let mut there = ["cid", "bob"].map(|user| world.cli(user, "tail alps --follow").start());
    for reader in &mut there {
        // It has printed, so it is subscribed.
        assert!(reader.line().unwrap().ends_with("ada: a"));
    }
    assert_eq!(world.cli("ada", "who alps").run().succeed().out, "bob\ncid\n");
    let listed = world.cli("ada", "who alps --json").run().succeed().json();
    assert_eq!(listed[1]["user"], "cid");
}

#[test]
fn times_are_local_or_utc() {
    let world = World::new();
    world.send("ada", "lobby", &["hello"]);
    let line = |arguments: &str| {
        let printed = world.cli("bob", "tail lobby").arguments(arguments).env("TZ", "XYZ-5:30").run();
        printed.succeed().out
    };
    let (local, utc) = (line(""), line("--utc"));
    let minutes = |line: &str| -> i64 {
        let clock = line.split(' ').nth(1).unwrap();
        clock[..2].parse::<i64>().unwrap() * 60 + clock[3..5].parse::<i64>().unwrap()
    };
    assert_eq!((minutes(&local) - minutes(&utc)).rem_euclid(24 * 60), 5 * 60 + 30, "{local}{utc}");
    assert!(utc.contains("Z #1 ada: hello") && !local.contains("Z #1"), "{local}{utc}");
}

#[test]
fn the_environment_says_where_and_who() {
    let world = World::new();
    let printed = world.cli_from_environment("ada", "send lobby hello").run().succeed();
    assert_eq!(printed.out, "lobby 1\n");
    let line = &world.cli("bob", "tail lobby --json").run().succeed().json()[0];
    assert_eq!((&line["user"], &line["body"]), (&"ada".into(), &"hello".into()));
    assert!(world.state("ada").exists());
}
