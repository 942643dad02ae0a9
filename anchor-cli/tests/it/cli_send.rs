//! `send`: every line once, in order, whatever happens to the server and to `send` itself.

use serde_json::json;

use crate::cli_world::World;

#[test]
fn one_message_is_sent_from_the_command_line() {
    let world = World::new();
    assert_eq!(world.cli("ada", "send lobby").arg("hello, world").run().succeed().out, "lobby 1\n");
    assert_eq!(world.cli("ada", "send lobby").arg("").run().succeed().out, "lobby 2\n");
    assert_eq!(world.bodies("lobby"), ["hello, world", ""]);
}

#[test]
fn each_line_is_a_message_and_acks_keep_their_order() {
    let world = World::new();
    let texts: Vec<String> = (1..=2_000).map(|n| format!("line {n}")).collect();
    let acks = world.send("ada", "lobby", &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let expected: Vec<String> = (1..=2_000).map(|n| format!("lobby {n}")).collect();
    assert_eq!(acks, expected);
    assert_eq!(world.bodies("lobby"), texts);
}

#[test]
fn refused_lines_are_told_and_the_rest_goes_on() {
    let world = World::new();
    let mut input = b"one\n\xff\xfe\nthree\n".to_vec();
    input.extend([b'x'; 70_000]);
    input.extend(b"\nfive");
    let ran = world.cli("ada", "send lobby").input_bytes(input.clone());
    let ran = ran.fail(4, "line 2 was refused (invalid)").fail(4, "line 4 was refused (body_too_large)");
    assert_eq!(ran.out, "lobby 1\nlobby 2\nlobby 3\n");
    assert_eq!(world.bodies("lobby"), ["one", "three", "five"]);

    let printed = world.cli("ada", "send lobby --json").input_bytes(input).json();
    assert_eq!(printed.len(), 5);
    assert_eq!((&printed[0]["line"], &printed[0]["offset"]), (&json!(1), &json!(4)));
    assert_eq!((&printed[1]["line"], &printed[1]["refused"]), (&json!(2), &json!("invalid")));
    assert_eq!((&printed[4]["line"], &printed[4]["offset"]), (&json!(5), &json!(6)));
}

#[test]
fn a_room_that_nobody_may_make_is_a_refusal() {
    let world = World::new();
    let ran = world.cli("ada", "send @system hello").run();
    assert_eq!(ran.fail(4, "the message was refused (").out, "");
    let world = World::with(|config| anchor_server::Config { create_rooms: false, ..config });
    world.cli("ada", "send lobby hello").run().fail(4, "the message was refused (room_unknown)");
}

#[test]
fn send_waits_for_a_server_that_comes_later() {
    let mut world = World::new();
    world.stop_server();
    let mut sending = world.cli("ada", "send lobby hello").start_for_notes();
    sending.wait_for("trying again");
    world.start_server();
    assert_eq!(sending.end(), Some(0));
    assert_eq!(world.bodies("lobby"), ["hello"]);
}

#[test]
fn send_goes_on_when_the_server_comes_back() {
    let mut world = World::new();
    let mut sending = world.cli("ada", "send lobby").start();
    sending.type_line("before");
    assert_eq!(sending.line().unwrap(), "lobby 1");
    world.stop_server();
    sending.type_line("during");
    world.start_server();
    assert_eq!(sending.line().unwrap(), "lobby 2");
    sending.type_line("after");
    assert_eq!(sending.end(), (Some(0), "lobby 3\n".to_owned()));
    assert_eq!(world.bodies("lobby"), ["before", "during", "after"]);
}

#[test]
fn what_was_left_is_delivered_first_and_once() {
    let mut world = World::new();
    world.stop_server();
    let ran = world.cli("ada", "send lobby --timeout 3").input("one\ntwo\n");
    let ran = ran.fail(5, "--timeout").fail(5, "unacknowledged messages: 2");
    assert_eq!(ran.out, "");

    let mut killed = world.cli("ada", "send lobby").start_for_notes();
    killed.wait_for("left by an earlier run and delivered first: 2");
    killed.wait_for("trying again");
    drop(killed);

    world.start_server();
    let ran = world.cli("ada", "send lobby three").run();
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "lobby 1\nlobby 2\nlobby 3\n"), "{ran:?}");
    assert_eq!(world.send("ada", "lobby", &["four"]), ["lobby 4"]);
    assert_eq!(world.bodies("lobby"), ["one", "two", "three", "four"]);
}

#[test]
fn a_killed_sender_leaves_a_true_beginning() {
    let world = World::new();
    let mut sending = world.cli("ada", "send lobby").start();
    for n in 1..=500 {
        sending.type_line(&format!("line {n}"));
    }
    assert_eq!(sending.line().unwrap(), "lobby 1");
    sending.kill();
    world.cli("ada", "send lobby").run();
    let bodies = world.bodies("lobby");
    let expected: Vec<String> = (1..=bodies.len()).map(|n| format!("line {n}")).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn a_state_has_one_holder() {
    let world = World::new();
    let mut holder = world.cli("ada", "send lobby").start();
    holder.type_line("mine");
    assert_eq!(holder.line().unwrap(), "lobby 1");
    let ran = world.cli("ada", "send lobby no").run().fail(6, "in use by another");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    world.cli("ada", "chat").run().fail(6, "in use by another");
    // Who only reads needs no state.
    assert_eq!(world.bodies("lobby"), ["mine"]);
    assert_eq!(holder.end().0, Some(0));
    assert_eq!(world.send("ada", "lobby", &["now"]), ["lobby 2"]);
}

#[test]
fn messages_that_the_server_lost_are_offered_again() {
    let mut world = World::new();
    world.send("ada", "lobby", &["kept"]);
    world.stop_server();
    let copy = tempfile::tempdir().unwrap();
    world.copy_data_to(copy.path());
    world.start_server();
    world.send("ada", "lobby", &["lost 1", "lost 2"]);
    world.stop_server();
    world.restore_data_from(copy.path());
    world.start_server();

    world.cli("ada", "send lobby").run().fail(8, "messages that the server acknowledged and lost: 2;");
    world.cli("ada", "send lobby new").run().fail(8, "acknowledged and lost: 2;");
    let ran = world.cli("ada", "send lobby --undecided resend").run();
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "lobby 3\nlobby 4\n"), "{ran:?}");
    world.cli("ada", "send lobby").run().succeed();
    assert_eq!(world.bodies("lobby"), ["kept", "new", "lost 1", "lost 2"]);
}

#[test]
fn without_a_state_each_server_and_user_have_a_slot() {
    let world = World::new();
    let home = tempfile::tempdir().unwrap();
    let states = home.path().join("states");
    let send = |user: &str| {
        let command = world.cli_without_state("send lobby hello").env("ANCHOR_USER", user);
        command.env("HOME", home.path().to_str().unwrap()).env("XDG_STATE_HOME", states.to_str().unwrap())
    };
    send("ada").run().succeed();
    send("Ada").run().succeed();
    let server = std::fs::read_dir(states.join("anchor")).unwrap().next().unwrap().unwrap();
    assert!(server.file_name().to_str().unwrap().starts_with("ws%3a%2f%2f127.0.0.1%3a"), "{server:?}");
    for slot in ["ada", "%41da"] {
        assert!(server.path().join(slot).is_dir(), "{slot}");
    }
    assert_eq!(world.bodies("lobby"), ["hello", "hello"]);
}

#[test]
fn messages_are_delivered_even_if_nobody_reads_the_acks() {
    let world = World::new();
    let texts: Vec<String> = (1..=2_000).map(|n| format!("line {n}")).collect();
    let mut sending = world.cli("ada", "send lobby").start();
    sending.close_output();
    texts.iter().for_each(|text| sending.type_line(text));
    assert_eq!(sending.end(), (Some(0), String::new()));
    assert_eq!(world.bodies("lobby"), texts);
}
