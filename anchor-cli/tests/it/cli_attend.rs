//! Being there: who has read, and who is there.

use crate::cli_world::World;

#[test]
fn what_is_read_is_noted_and_others_see_it() {
    let world = World::new();
    world.send("ada", "lobby", &["one", "two", "three"]);
    assert_eq!(world.does("bob", "read lobby --to 2"), "lobby 2");
    assert_eq!(world.does_json("bob", "read lobby")[0]["read"], 3);
    // What was read does not become unread.
    assert_eq!(world.does("bob", "read lobby --to 1"), "lobby 3");
    assert_eq!(world.does("bob", "read empty"), "empty 0");
    world.does("ada", "room create club --kind group");
    world.refuses("bob", "read club", "not_a_member");
    world.refuses("bob", "who club --watch", "not_a_member");
    let mut watching = world.cli("ada", "who lobby --watch --json --count 50").start();
    let mut lines: Vec<serde_json::Value> = Vec::new();
    while !lines.iter().any(|line| line["user"] == "bob" && line["read"] == 3) {
        lines.push(serde_json::from_str(&watching.line().unwrap()).unwrap());
    }
    world.send("ada", "lobby", &["four"]);
    world.does("bob", "read lobby");
    while !lines.iter().any(|line| line["user"] == "bob" && line["read"] == 4) {
        lines.push(serde_json::from_str(&watching.line().unwrap()).unwrap());
    }
    watching.kill();
}

#[test]
fn who_is_there_and_who_has_gone_is_told() {
    let world = World::new();
    world.does("ada", "room join lobby");
    world.does("bob", "room join lobby");
    let mut tail = world.cli("bob", "tail lobby --follow").start();
    tail.line().unwrap();
    let presence = |user: &str| {
        let lines = world.does_json("ada", "who lobby --presence");
        let line = lines.into_iter().find(|line| line["user"] == user)?;
        Some(line["presence"].as_str()?.to_owned())
    };
    let comes_to = |user: &str, expected: &str| {
        for _ in 0..100 {
            if presence(user).as_deref() == Some(expected) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{user} is {:?}, not {expected}", presence(user));
    };
    comes_to("bob", "online");
    tail.kill();
    comes_to("bob", "offline");
}

#[test]
fn webhooks_are_for_admins() {
    let world = World::with_admin();
    world.refuses("ada", "webhook list", "denied");
    world.refuses("ada", "consumer list --server-own", "denied");
    let printed = world.cli("ada", "webhook add tickets nonsense --kind nothing").run();
    printed.fail(2, "a kind is a name");
}

#[test]
fn a_consumer_goes_on_where_it_ended() {
    let world = World::new();
    world.send("ada", "lobby", &["one", "two", "three"]);
    let taken = |arguments: &str| -> Vec<u64> {
        let run = world.cli("bot", "consumer run tickets --room lobby").arguments(arguments).run().succeed();
        run.json().iter().map(|line| line["offset"].as_u64().unwrap()).collect()
    };
    assert_eq!(taken("--from-start --count 2"), [1, 2]);
    assert_eq!(taken("--count 1"), [3]);
    let listed = world.does_json("bot", "consumer list");
    assert_eq!((listed.len(), &listed[0]["name"], &listed[0]["lag"]), (1, &"tickets".into(), &0.into()));
    assert_eq!(world.does("bot", "consumer replay tickets --after 1"), "tickets replayed");
    assert_eq!(taken("--count 2"), [2, 3]);
    assert_eq!(world.does("bot", "consumer remove tickets"), "tickets removed");
    world.refuses("bot", "consumer pause tickets", "name_unknown");
}
