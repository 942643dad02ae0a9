//! `chat`, in a pipe.

use crate::cli_world::World;

#[test]
fn people_see_each_other() {
    let world = World::new();
    world.send("cid", "lobby", &["earlier"]);
    let mut ada = world.cli("ada", "chat").start();
    let mut bob = world.cli("bob", "chat lobby").start();
    for chat in [&mut ada, &mut bob] {
        assert!(chat.line().unwrap().ends_with(" cid: earlier"));
    }
    ada.type_line("hello");
    for chat in [&mut ada, &mut bob] {
        assert!(chat.line().unwrap().ends_with(" ada: hello"));
    }
    bob.type_line("//slash");
    for chat in [&mut ada, &mut bob] {
        assert!(chat.line().unwrap().ends_with(" bob: /slash"));
    }
    ada.type_line("/quit");
    assert_eq!(ada.end(), (Some(0), String::new()));
    bob.end_input();
    assert_eq!(bob.end(), (Some(0), String::new()));
}

#[test]
fn a_pipe_is_said_to_its_end() {
    let world = World::new();
    let texts: Vec<String> = (1..=300).map(|n| format!("m{n}")).collect();
    let ran = world.cli("ada", "chat").input(&texts.join("\n"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let said: Vec<String> =
        ran.lines().iter().map(|line| line.split_once("ada: ").unwrap().1.to_owned()).collect();
    assert_eq!(said, texts);
    assert_eq!(world.bodies("lobby"), texts);
}

#[test]
fn commands_are_explained_and_wrong_ones_are_not_said() {
    let world = World::new();
    let ran = world.cli("ada", "chat").input("/help\n/halp\n\n/undecided\n/resend\n/discard\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
    for part in ["/quit", "there is no such command", "sent again: 0", "given up: 0"] {
        assert!(ran.err.contains(part), "{ran:?}");
    }
}

#[test]
fn what_is_said_without_a_server_is_kept_and_said_later() {
    let mut world = World::new();
    world.stop_server();
    let mut chat = world.cli("ada", "chat").start_for_notes();
    chat.wait_for("cannot reach");
    chat.type_line("first");
    chat.wait_for("waiting for the server: 1, kept in ");
    drop(chat);
    world.start_server();
    let ran = world.cli("ada", "chat").input("second\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(world.bodies("lobby"), ["first", "second"]);
}
