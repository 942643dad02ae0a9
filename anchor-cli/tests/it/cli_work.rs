//! What is made of the log: consumers, webhooks, and what is found in it.

use serde_json::{Value, json};

use crate::cli_world::World;

/// Runs `consumer run` of `name` in the lobby until it has printed `count` events, and returns their bodies.
fn taken(world: &World, name: &str, count: usize, more: &str) -> Vec<String> {
    let run = world.cli("ada", &format!("consumer run {name} --room lobby --count {count} {more}")).run();
    run.succeed().json().iter().map(|event| event["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_consumer_goes_on_where_it_ended() {
    let mut world = World::new();
    world.send("bob", "lobby", &["one", "two", "three"]);
    assert_eq!(taken(&world, "work", 2, "--from-start"), ["one", "two"]);
    world.stop_server();
    world.start_server();
    assert_eq!(taken(&world, "work", 1, "--from-start"), ["three"]);
    // A new one begins with what comes.
    let mut late = world.cli("ada", "consumer run late --room lobby").start();
    until(|| world.does_json("ada", "consumer list").len() == 2);
    world.send("bob", "lobby", &["four"]);
    let event: Value = serde_json::from_str(&late.line().unwrap()).unwrap();
    assert_eq!((&event["room"], &event["body"]), (&json!("lobby"), &json!("four")));
    // Nobody else sees or has them.
    assert_eq!(world.does_json("bob", "consumer list"), [Value::Null; 0]);
    world.refuses("bob", "consumer pause work", "name_unknown");
}

#[test]
fn a_consumer_is_paused_replayed_and_removed() {
    let world = World::new();
    world.send("bob", "lobby", &["one", "two", "three"]);
    assert_eq!(taken(&world, "work", 3, "--from-start"), ["one", "two", "three"]);
    let changed = world.does_json("ada", "consumer replay work --after 1");
    assert_eq!(changed, [json!({ "name": "work", "replayed": true })]);
    assert_eq!(taken(&world, "work", 2, ""), ["two", "three"]);

    assert_eq!(world.does("ada", "consumer pause work"), "work paused");
    assert_eq!(world.does_json("ada", "consumer list")[0]["paused"], true);
    world.does("ada", "consumer replay work --from-start");
    assert_eq!(world.does("ada", "consumer resume work"), "work resumed");
    assert_eq!(taken(&world, "work", 1, ""), ["one"]);
    assert_eq!(world.does("ada", "consumer list"), "work lobby 2");
    assert_eq!(world.does_json("ada", "consumer list")[0]["lag"], 2);

    world.does("ada", "consumer remove work");
    assert_eq!(world.does("ada", "consumer list"), "");
    world.refuses("ada", "consumer remove work", "name_unknown");
}

#[test]
fn who_takes_last_has_the_consumer() {
    let world = World::new();
    world.send("bob", "lobby", &["one", "two"]);
    let mut former = world.cli("ada", "consumer run work --room lobby --from-start").start();
    assert!(former.line().unwrap().contains("\"one\""));
    assert!(former.line().unwrap().contains("\"two\""));
    until(|| world.does("ada", "consumer list") == "work lobby 0");
    let mut latter = world.cli("ada", "consumer run work --room lobby").start();
    assert_eq!(former.end(), (Some(4), String::new()));
    world.send("bob", "lobby", &["three"]);
    // What was done in the second before may come again.
    while !latter.line().unwrap().contains("\"three\"") {}
    let mut last = world.cli("ada", "consumer run work --room lobby --json").start_for_notes();
    assert_eq!(latter.end().0, Some(4));
    let mut again = world.cli("ada", "consumer run work --room lobby").start();
    let told = last.wait_for("another takes from work now; run this again to take it over");
    assert!(told.contains("refused (replaced)"), "{told}");
    assert_eq!(last.end(), Some(4));
    world.send("bob", "lobby", &["four"]);
    while !again.line().unwrap().contains("\"four\"") {}
}

#[test]
fn all_rooms_and_the_servers_own_consumers_are_for_admins() {
    let world = World::with_admin();
    world.send("bob", "lobby", &["here"]);
    world.send("bob", "plaza", &["there"]);
    world.refuses("ada", "consumer run audit --from-start", "denied");
    let run = world.cli("root", "consumer run audit --from-start --count 2").run().succeed();
    let mut rooms: Vec<_> =
        run.json().iter().map(|event| event["room"].as_str().unwrap().to_owned()).collect();
    rooms.sort();
    assert_eq!(rooms, ["lobby", "plaza"]);
    assert_eq!(world.does_json("root", "consumer list")[0]["room"], Value::Null);
    world.refuses("ada", "consumer list --server-own", "denied");
    world.cli("ada", "consumer replay audit --from-start --from-now").run().fail(2, "cannot be used with");
}

#[test]
fn what_was_said_is_found() {
    let world = World::new();
    world.send("ada", "lobby", &["to the sea", "by train", "the sea was cold"]);
    world.does("ada", "room create plans --kind group");
    world.send("ada", "plans", &["a sea of plans"]);
    // The index follows the logs; until it has come up with them, that is told on standard error.
    until(|| {
        let ran = world.cli("ada", "search sea --json").run();
        ran.err.is_empty() && ran.json().len() == 3
    });
    let found = world.does_json("bob", "search sea");
    let places: Vec<_> =
        found.iter().map(|event| (&event["room"], &event["offset"], &event["body"])).collect();
    let (lobby, one, three) = (json!("lobby"), json!(1), json!(3));
    assert_eq!(
        places,
        [(&lobby, &three, &json!("the sea was cold")), (&lobby, &one, &json!("to the sea"))],
        "the newest first, and nothing of a room that bob may not read"
    );
    let lines = world.cli("bob", "search sea from:ada in:lobby --limit 1").run().succeed().lines();
    assert_eq!((lines.len(), lines[0].as_str()), (2, "-- lobby"));
    assert!(lines[1].ends_with(" #3 ada: the sea was cold"), "{lines:?}");
    assert_eq!(world.does("bob", "search sea in:plans"), "");
    world.refuses("bob", "search before:noon", "invalid");
}

#[test]
fn webhooks_are_for_admins() {
    let world = World::with_admin();
    world.refuses("ada", "webhook list", "denied");
    let printed = world.cli("ada", "webhook add tickets nonsense --kind nothing").run();
    printed.fail(2, "a kind is a name");
}

#[test]
fn webhooks_are_set_up_and_looked_after() {
    let world = World::with_admin();
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let add = "webhook add tickets https://example.org/hook --room lobby --kind message";
    let adding = |user: &str, secret: &str| world.cli(user, add).env("ANCHOR_WEBHOOK_SECRET", secret).run();
    adding("ada", secret).fail(4, "denied");
    adding("root", "short").fail(4, "invalid");
    assert_eq!(adding("root", secret).succeed().out, "tickets added\n");
    assert_eq!(
        world.does_json("root", "webhook list"),
        [json!({
            "name": "tickets", "url": "https://example.org/hook", "room": "lobby", "kinds": ["message"],
            "paused": false, "lag": 0, "dead": 0, "failures": 0, "error": null, "dropped": 0,
        })]
    );
    assert_eq!(
        world.does_json("root", "webhook pause tickets"),
        [json!({ "name": "tickets", "paused": true })]
    );
    let listed = world.does("root", "webhook list");
    assert_eq!(listed, "tickets https://example.org/hook lobby 0 (paused)");
    assert_eq!(world.does("root", "webhook dead tickets"), "");
    world.refuses("root", "webhook retry tickets", "paused");
    world.refuses("root", "webhook dead other", "name_unknown");
    assert_eq!(world.does("root", "webhook replay tickets --from-now"), "tickets replayed");
    assert_eq!(world.does("root", "webhook resume tickets"), "tickets resumed");
    assert_eq!(world.does("root", "webhook retry tickets"), "tickets retried");
    assert_eq!(world.does("root", "webhook remove tickets"), "tickets removed");
    assert_eq!(world.does("root", "webhook list"), "");
}

/// Waits for what comes by itself, and soon.
fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it does not come");
}
