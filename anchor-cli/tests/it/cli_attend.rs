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
fn what_is_unread_stands_with_each_room() {
    let world = World::new();
    world.does("ada", "room create plans --kind group");
    world.does("ada", "room invite plans bob");
    world.does("bob", "room accept plans");
    world.send("ada", "plans", &["one", "two"]);
    let listed = &world.does_json("bob", "rooms")[0];
    assert_eq!((&listed["unread"], &listed["read"]), (&2.into(), &3.into()));
    assert_eq!(world.does("bob", "rooms"), "plans 5 (2 unread)");
    assert_eq!(world.does("bob", "room list"), "plans #5 group, members: 2, 2 unread, you: member");
    assert!(world.does("bob", "room show plans").contains("unread: 2"));
    assert_eq!(world.does("ada", "rooms"), "plans 5", "nobody has to read what they wrote");
    world.does("bob", "read plans");
    assert_eq!(
        (world.does("bob", "rooms").as_str(), &world.does_json("bob", "rooms")[0]["unread"]),
        ("plans 5", &0.into())
    );
}

#[test]
fn who_does_not_show_what_was_read_is_not_told_of() {
    let world = World::new();
    world.send("ada", "lobby", &["one"]);
    assert_eq!(world.does("bob", "receipts"), "receipts: shown");
    assert_eq!(world.does_json("bob", "receipts hidden"), [serde_json::json!({ "receipts": "hidden" })]);
    assert_eq!(world.does("bob", "receipts hidden"), "receipts: hidden (unchanged)");
    world.does("bob", "read lobby");
    world.does("cid", "read lobby");
    let mut watching = world.cli("ada", "who lobby --watch --json --count 50").start();
    let mut told = std::iter::from_fn(|| serde_json::from_str::<serde_json::Value>(&watching.line()?).ok());
    let cid = told.by_ref().take_while(|line| line["user"] != "cid" || line["read"] != 1);
    assert!(cid.into_iter().all(|line| line["user"] != "bob" || line["read"].as_u64().unwrap_or(0) == 0));
    assert_eq!(world.does("bob", "receipts shown"), "receipts: shown");
    assert_eq!(world.does_json("bob", "receipts")[0]["receipts"], "shown");
}

#[test]
fn nothing_is_printed_of_no_changes() {
    let world = World::new();
    world.does("ada", "room join lobby");
    assert_eq!(world.does("ada", "who lobby --watch --count 0"), "");
    assert_eq!(world.does("ada", "who lobby --presence").lines().count(), 1);
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
