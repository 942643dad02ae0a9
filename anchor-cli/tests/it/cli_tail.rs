//! `tail`: ranges, counts, following and resuming.

use std::io::Read;

use serde_json::json;

use crate::cli_world::World;

/// A world whose lobby holds `m1` to `m{count}`.
fn lobby(count: u64) -> World {
    let world = World::new();
    let texts: Vec<String> = (1..=count).map(|n| format!("m{n}")).collect();
    world.send("ada", "lobby", &texts.iter().map(String::as_str).collect::<Vec<_>>());
    world
}

/// The bodies that `tail lobby` prints for `user`.
fn tail(world: &World, user: &str, arguments: &str) -> String {
    let printed = world.cli(user, "tail lobby --json").arguments(arguments).run().succeed();
    let bodies: Vec<_> =
        printed.json().iter().map(|line| line["body"].as_str().unwrap().to_owned()).collect();
    bodies.join(" ")
}

#[test]
fn a_range_says_what_is_printed() {
    let world = lobby(25);
    assert_eq!(tail(&world, "bob", ""), "m16 m17 m18 m19 m20 m21 m22 m23 m24 m25");
    assert_eq!(tail(&world, "bob", "--last 2"), "m24 m25");
    assert_eq!(tail(&world, "bob", "--last 2 --messages"), "m24 m25");
    assert_eq!(tail(&world, "bob", "--last 0"), "");
    assert_eq!(tail(&world, "bob", "--last 100").split(' ').count(), 25);
    assert_eq!(tail(&world, "bob", "--after 22"), "m23 m24 m25");
    assert_eq!(tail(&world, "bob", "--after 25"), "");
    assert_eq!(tail(&world, "bob", "--from-start --count 3"), "m1 m2 m3");
    assert_eq!(tail(&world, "bob", "--after 20 --count 2 --follow"), "m21 m22");
    assert_eq!(tail(&world, "bob", "--from-start --count 0"), "");
    assert_eq!(world.cli("bob", "tail empty --from-start").run().succeed().out, "");
}

#[test]
fn counts_are_of_what_is_printed() {
    let world = lobby(3);
    for n in 1..=3 {
        world.does("ada", &format!("edit lobby {n} better_m{n}"));
    }
    let edits = "better m1 better m2 better m3";
    assert_eq!(tail(&world, "bob", "--messages --last 2"), "m2 m3");
    assert_eq!(tail(&world, "bob", "--messages --from-start --count 5"), "m1 m2 m3");
    // The last two messages, and whatever else happened since.
    assert_eq!(tail(&world, "bob", "--last 2"), format!("m2 m3 {edits}"));
    assert_eq!(tail(&world, "bob", "--after 2 --count 2"), "m3 better m1");
    assert_eq!(tail(&world, "bob", "--messages --after 3"), "");
    assert_eq!(tail(&world, "bob", "--messages --resume --last 2"), "m2 m3");
    assert_eq!(tail(&world, "bob", "--resume"), "");
    let shown = world.cli("bob", "tail lobby --after 4").run().succeed().lines();
    assert!(shown[0].ends_with("#5 ada [edited #2]: better m2"), "{shown:?}");
    let line = &world.cli("bob", "tail lobby --count 1 --after 4 --json").run().succeed().json()[0];
    assert_eq!((&line["kind"], &line["target"], &line["ordinal"]), (&json!("edit"), &json!(2), &json!(3)));

    let past = world.cli("bob", "history lobby --limit 2 --json --messages").run().succeed().json();
    assert_eq!((past.len(), &past[1]["body"]), (2, &json!("m3")));
    let past = world.cli("bob", "history lobby --limit 2 --json").run().succeed().json();
    assert_eq!((past.len(), &past[1]["kind"]), (2, &json!("edit")));
}

#[test]
fn own_events_are_left_out_on_request() {
    let world = lobby(2);
    world.send("bob", "lobby", &["mine"]);
    world.send("ada", "lobby", &["m4"]);
    assert_eq!(tail(&world, "bob", "--from-start --hide-own"), "m1 m2 m4");
    assert_eq!(tail(&world, "bob", "--from-start --hide-own --resume --count 2"), "m1 m2");
    // Its own stands behind the position, and is not counted.
    assert_eq!(tail(&world, "bob", "--hide-own --resume --count 1"), "m4");
    assert_eq!(tail(&world, "ada", "--from-start --hide-own"), "mine");
}

#[test]
fn what_retention_took_away_is_told() {
    let world = lobby(9);
    assert_eq!(tail(&world, "bob", "--resume --count 2"), "m1 m2");
    world.trim("lobby", 6);
    let shown = world.cli("cid", "tail lobby --from-start").run();
    assert_eq!((shown.code, shown.lines().len()), (Some(0), 4), "{shown:?}");
    assert!(shown.err.contains("-- lobby: events 1 to 5 can no longer be had"), "{shown:?}");

    for (user, arguments, from) in
        [("cid", "--from-start", 1), ("cid", "--after 1", 2), ("bob", "--resume", 3)]
    {
        let printed = world.cli(user, "tail lobby --json").arguments(arguments).run().succeed().json();
        let gap = &printed[0]["gap"];
        assert_eq!((&gap["from"], &gap["to"], &gap["reason"]), (&json!(from), &json!(5), &json!("trimmed")));
        assert_eq!((printed.len(), &printed[1]["body"]), (5, &json!("m6")), "{arguments}");
    }
    let past = world.cli("cid", "history lobby --limit 4 --json").run().succeed().json();
    assert_eq!((past.len(), &past[0]["body"]), (4, &json!("m6")));
    let past = world.cli("cid", "history lobby --json").run().succeed().json();
    assert_eq!((past.len(), &past[0]["gap"]["to"]), (5, &json!(5)));
}

#[test]
fn following_goes_on_with_what_comes() {
    let world = lobby(2);
    let mut following = world.cli("bob", "tail lobby --last 1 --follow --count 4").start();
    assert!(following.line().unwrap().ends_with("m2"));
    world.send("ada", "lobby", &["m3", "m4"]);
    assert!(following.line().unwrap().ends_with("m3"));
    assert!(following.line().unwrap().ends_with("m4"));
    world.send("ada", "lobby", &["m5", "m6"]);
    let (code, rest) = following.end();
    assert!(code == Some(0) && rest.ends_with("m5\n") && rest.lines().count() == 1, "{code:?} {rest}");
}

#[test]
fn following_survives_a_restart_of_the_server() {
    let mut world = lobby(1);
    let mut following = world.cli("bob", "tail lobby --from-start --follow").start();
    assert!(following.line().unwrap().ends_with("m1"));
    world.stop_server();
    world.start_server();
    world.send("ada", "lobby", &["m2"]);
    assert!(following.line().unwrap().ends_with("#2 ada: m2"));
}

#[test]
fn a_json_line_has_the_documented_fields() {
    let world = lobby(1);
    let line = &world.cli("bob", "tail lobby --json").run().succeed().json()[0];
    assert_eq!(
        (&line["room"], &line["offset"], &line["ordinal"], &line["user"], &line["kind"], &line["body"]),
        (&json!("lobby"), &json!(1), &json!(1), &json!("ada"), &json!("message"), &json!("m1"))
    );
    assert_eq!(line["epoch"].as_str().unwrap().len(), 16);
    assert!(line["ts"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn resuming_prints_each_message_once() {
    let world = lobby(3);
    assert_eq!(tail(&world, "bob", "--resume"), "m1 m2 m3");
    assert_eq!(tail(&world, "bob", "--resume"), "");
    world.send("ada", "lobby", &["m4", "m5", "m6"]);
    assert_eq!(tail(&world, "bob", "--resume --count 1"), "m4");
    assert_eq!(tail(&world, "bob", "--resume --count 1"), "m5");
    assert_eq!(tail(&world, "bob", "--resume --from-start"), "m6");
    // Another state has a position of its own, which begins at the range.
    assert_eq!(tail(&world, "cid", "--resume --last 2"), "m5 m6");
    assert_eq!(tail(&world, "cid", "--resume --last 2"), "");
}

#[test]
fn a_position_and_an_outbox_do_not_hinder_each_other() {
    let world = lobby(1);
    let mut following = world.cli("ada", "tail lobby --resume --follow").start();
    assert!(following.line().unwrap().ends_with("m1"));
    world.send("ada", "lobby", &["m2"]);
    assert!(following.line().unwrap().ends_with("m2"));
    world.cli("ada", "tail lobby --resume").run().fail(6, "another `tail lobby --resume`");
}

#[test]
fn a_position_of_another_log_is_answered_by_a_gap() {
    let here = lobby(3);
    let there = lobby(2);
    assert_eq!(tail(&here, "bob", "--resume"), "m1 m2 m3");
    std::fs::create_dir_all(there.state("bob")).unwrap();
    std::fs::rename(here.state("bob").join("cursors"), there.state("bob").join("cursors")).unwrap();
    let printed = there.cli("bob", "tail lobby --resume --json").run().succeed().json();
    assert_eq!(printed[0]["gap"]["reason"], "history");
    assert_eq!(printed[0]["gap"]["to"], 3);
    assert_eq!((printed.len(), &printed[2]["body"]), (3, &json!("m2")));
    assert_eq!(tail(&there, "bob", "--resume"), "");
}

#[test]
fn a_gap_with_nothing_behind_it_is_told() {
    let here = lobby(3);
    let there = lobby(0);
    assert_eq!(tail(&here, "bob", "--resume"), "m1 m2 m3");
    std::fs::create_dir_all(there.state("bob")).unwrap();
    std::fs::rename(here.state("bob").join("cursors"), there.state("bob").join("cursors")).unwrap();
    let printed = there.cli("bob", "tail lobby --resume --json").run().succeed().json();
    assert_eq!((printed.len(), &printed[0]["gap"]["reason"]), (1, &json!("history")));
    let beyond = there.cli("cid", "tail lobby --after 9 --json").run().succeed().json();
    assert_eq!((beyond.len(), &beyond[0]["gap"]["to"]), (1, &json!(9)));
}

#[test]
fn a_position_is_kept_from_the_beginning_on() {
    let world = lobby(2);
    assert_eq!(tail(&world, "bob", "--resume --last 0"), "");
    world.send("ada", "lobby", &["m3", "m4"]);
    assert_eq!(tail(&world, "bob", "--resume --last 0"), "m3 m4");
}

#[test]
fn head_ends_tail_quietly() {
    let world = lobby(2_000);
    for arguments in
        ["tail lobby --from-start", "tail lobby --from-start --json", "tail lobby --last 1 --follow"]
    {
        let mut child = world.cli("bob", arguments).into_command().spawn().unwrap();
        // Reads a little and goes away, as `head -1` does.
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments}");
    }
}
