//! One to one, one to all, and what users say of themselves.

use serde_json::{Value, json};

use crate::cli_world::World;

#[test]
fn two_talk_in_a_room_of_their_own() {
    let world = World::new();
    world.refuses("ada", "dm bob hello", "denied");
    world.does("bob", "direct everyone");
    let first = &world.does_json("ada", "dm bob are you there?")[0];
    let room = first["room"].as_str().unwrap();
    assert_eq!((room.len(), &first["offset"]), (33, &json!(2)));
    // Both come to the same room.
    assert_eq!(world.does("bob", "dm ada yes"), format!("{room} 3"));
    assert_eq!(
        world.does_json("bob", "dm ada")[0],
        json!({
            "room": room, "unchanged": true, "message": "the two of you have a room already",
        })
    );
    assert_eq!(world.bodies_for("bob", room), ["are you there?", "yes"]);
    world.refuses("eve", &format!("tail {room}"), "not_a_member");
    world.refuses("eve", &format!("send {room} hi"), "not_a_member");
    let shown = world.does("ada", &format!("room show {room}"));
    assert!(shown.contains("with: bob"), "{shown}");

    assert_eq!(world.does_json("bob", "block ada")[0], json!({ "blocked": "ada" }));
    assert_eq!(world.does_json("bob", "block ada")[0]["unchanged"], true);
    world.refuses("ada", "dm bob still there?", "denied");
    assert_eq!(world.does_json("bob", "direct")[0], json!({ "direct": "everyone", "blocked": ["ada"] }));
    world.does("bob", "unblock ada");
    assert_eq!(world.does("ada", "dm bob again"), format!("{room} 4"));
}

#[test]
fn those_who_share_a_room_may_talk_unless_they_are_not_wanted() {
    let world = World::new();
    world.does("ada", "room create plans");
    world.does("bob", "room join plans");
    world.does("ada", "dm bob hello");
    world.does("bob", "direct nobody");
    world.does("cid", "room join plans");
    world.refuses("cid", "dm bob hello", "denied");
}

#[test]
fn profiles_are_seen_by_others() {
    let world = World::new();
    let set = &world.does_json("ada", "profile set --name Ada_Lovelace --status counting")[0];
    assert_eq!(set, &json!({ "user": "ada", "name": "Ada Lovelace", "avatar": null, "status": "counting" }));
    let again = &world.does_json("ada", "profile set --status counting")[0];
    assert_eq!((&again["name"], &again["unchanged"]), (&json!("Ada Lovelace"), &json!(true)));
    world.does("ada", "profile set --status=");
    let shown = world.does_json("bob", "profile show ada bob");
    assert_eq!((&shown[0]["name"], &shown[0]["status"]), (&json!("Ada Lovelace"), &Value::Null));
    assert_eq!((&shown[1]["user"], &shown[1]["name"]), (&json!("bob"), &Value::Null));
    assert_eq!(world.does("ada", "profile show"), "ada [Ada Lovelace]");
}

#[test]
fn an_announcement_reaches_everybody_who_listens() {
    let world = World::with_admin();
    world.send("ada", "lobby", &["earlier"]);
    let mut chat = world.cli("ada", "chat lobby").start();
    assert!(chat.line().unwrap().ends_with("ada: earlier"));
    world.refuses("bob", "announce nonsense", "denied");
    assert_eq!(world.does("root", "announce back_at_noon"), "@announcements 1");
    let line = chat.line().unwrap();
    assert!(line.ends_with("root [announcement]: back at noon"), "{line}");
    assert_eq!(world.bodies_for("bob", "@announcements"), ["back at noon"]);
}

#[test]
fn a_signal_is_heard_by_those_who_are_there() {
    let world = World::new();
    world.send("ada", "lobby", &["earlier"]);
    let mut there = world.cli("bob", "tail lobby --follow --signals --json").start();
    assert!(there.line().unwrap().contains("earlier"));
    assert_eq!(world.does("ada", "signal lobby typing"), "");
    let heard: Value = serde_json::from_str(&there.line().unwrap()).unwrap();
    assert_eq!((&heard["signal"]["user"], &heard["signal"]["body"]), (&json!("ada"), &json!("typing")));
    // Nothing of it is kept, and who is not meant does not hear it.
    world.does("ada", "signal lobby psst --to cid");
    world.does("ada", "signal lobby hey --to bob");
    assert!(there.line().unwrap().contains("\"hey\""));
    assert_eq!(world.bodies("lobby"), ["earlier"]);
    assert_eq!(world.does_json("ada", "signal lobby call"), [json!({ "room": "lobby", "signalled": true })]);
    let heard: Value = serde_json::from_str(&there.line().unwrap()).unwrap();
    assert_eq!(heard["signal"]["body"], json!("call"));
    // No session is that of the client which wrote once.
    let client = world.does_json("bob", "send lobby mine");
    assert_eq!(client[0]["offset"], 2);
    let client = world.does_json("ada", "tail lobby --last 1")[0]["client"].as_str().unwrap().to_owned();
    world.does("ada", &format!("signal lobby lost --to-client {client}"));
    world.does("ada", "signal lobby found");
    assert!(there.line().unwrap().contains("mine"));
    assert!(there.line().unwrap().contains("\"found\""));
}

#[test]
fn a_signal_that_may_not_be_said_is_refused_by_name() {
    let world = World::new();
    world.does("ada", "room create plaza");
    world.refuses("bob", "signal plaza hello", "refused (not_a_member)");
    world.does("bob", "room join plaza");
    assert_eq!(world.does("bob", "signal plaza hello"), "");
    world.does("ada", "room mute plaza bob");
    world.refuses("bob", "signal plaza hello --json", "refused (muted)");
    world.does("ada", "room create plans --kind group");
    world.refuses("bob", "signal plans hello", "refused (not_a_member)");
}

#[test]
fn a_thread_is_followed() {
    let world = World::new();
    world.send("ada", "lobby", &["question", "else"]);
    world.does("bob", "reply lobby 1 answer");
    let mut following = world.cli("cid", "thread lobby 1 --follow").start();
    assert!(following.line().unwrap().ends_with("#1 ada [replies: 1]: question"));
    assert!(following.line().unwrap().ends_with("#3 bob [reply to #1]: answer"));
    world.send("ada", "lobby", &["beside it"]);
    world.does("ada", "reply lobby 1 thanks");
    assert!(following.line().unwrap().ends_with("#5 ada [reply to #1]: thanks"));
    let lines = world.does_json("cid", "thread lobby 1");
    assert_eq!(
        (lines.len(), &lines[0]["changes"]["replies"], &lines[2]["offset"]),
        (3, &json!(2), &json!(5))
    );
}

#[test]
fn what_becomes_of_a_thread_is_followed() {
    let world = World::new();
    world.send("ada", "lobby", &["question", "else"]);
    world.does("bob", "reply lobby 1 answer");
    let mut following = world.cli("cid", "thread lobby 1 --follow").start();
    assert!(following.line().unwrap().ends_with("#1 ada [replies: 1]: question"));
    assert!(following.line().unwrap().ends_with("#3 bob [reply to #1]: answer"));
    world.does("ada", "edit lobby 2 elsewhere");
    world.does("ada", "edit lobby 1 questions");
    world.does("cid", "react lobby 3 👍");
    world.does("bob", "redact lobby 3");
    world.does("bob", "reply lobby 1 late");
    world.does("ada", "react lobby 8 👍");
    for line in [
        "#5 ada [edited #1]: questions",
        "#6 cid [👍 on #3]",
        "#7 bob [redacted #3]",
        "#8 bob [reply to #1]: late",
        "#9 ada [👍 on #8]",
    ] {
        let printed = following.line().unwrap();
        assert!(printed.ends_with(line), "{printed}");
    }
}

#[test]
fn a_thread_that_is_not_there_is_refused_followed_or_not() {
    let world = World::new();
    world.send("ada", "lobby", &["question"]);
    world.refuses("bob", "thread lobby 99", "target_unknown");
    world.refuses("bob", "thread lobby 99 --follow", "target_unknown");
    world.refuses("bob", "thread lobby 99 --follow --json", "target_unknown");
}

#[test]
fn a_thread_ends_with_its_room() {
    let world = World::new();
    world.does("ada", "room create brief");
    world.does("ada", "send brief question");
    let mut following = world.cli("bob", "thread brief 2 --follow --json").start();
    assert!(following.line().unwrap().contains("question"));
    world.does("ada", "room delete brief");
    let (code, rest) = following.end();
    let gap: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!((code, &gap["gap"]["reason"]), (Some(0), &json!("deleted")));
}

#[test]
fn a_thread_goes_on_where_a_restored_log_does() {
    let mut world = World::new();
    world.send("ada", "lobby", &["question"]);
    world.stop_server();
    let copy = world.state("copy");
    std::fs::create_dir_all(&copy).unwrap();
    world.copy_data_to(&copy);
    world.start_server();
    world.does("bob", "reply lobby 1 lost");
    let mut following = world.cli("cid", "thread lobby 1 --follow --json").start();
    assert!(following.line().unwrap().contains("question"));
    assert!(following.line().unwrap().contains("lost"));
    world.stop_server();
    world.restore_data_from(&copy);
    world.start_server();
    assert!(following.line().unwrap().contains("\"restored\""));
    // It stands where the lost one stood.
    assert_eq!(world.does("cid", "reply lobby 1 again"), "lobby 2");
    assert!(following.line().unwrap().contains("again"));
}
