//! A command that was killed and is run again does not do it twice.

use std::time::Duration;

use serde_json::json;

use crate::cli_world::World;

/// A world with a message in its lobby.
fn lobby() -> World {
    let world = World::new();
    world.send("ada", "lobby", &["question"]);
    world
}

#[test]
fn what_waited_in_the_outbox_is_not_said_again() {
    let mut world = lobby();
    world.stop_server();
    let mut killed = world.cli("bob", "reply lobby 1 answer").start_for_notes();
    killed.wait_for("trying again");
    drop(killed);
    world.start_server();
    let ran = world.cli("bob", "reply lobby 1 answer").run();
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "lobby 2\n"), "{ran:?}");
    assert!(ran.err.contains("left by an earlier run, now in lobby: #2"), "{ran:?}");
    // Another time it is another reply.
    assert_eq!(world.does("bob", "reply lobby 1 answer"), "lobby 3");
}

#[test]
fn what_somebody_else_left_is_delivered_first() {
    let mut world = lobby();
    world.stop_server();
    world.cli("bob", "reply lobby 1 answer --timeout 1").run().fail(5, "unacknowledged messages: 1");
    world.start_server();
    let ran = world.cli("bob", "react lobby 1 x --json").run();
    assert_eq!((ran.code, &ran.json()[0]["offset"]), (Some(0), &json!(3)), "{ran:?}");
    // It was told then: now it is another reply.
    assert_eq!(world.does("bob", "reply lobby 1 answer"), "lobby 4");
}

#[test]
fn a_refusal_that_was_missed_is_told_again() {
    let mut world = lobby();
    world.stop_server();
    world.cli("bob", "edit lobby 1 mine --timeout 1").run().fail(5, "unacknowledged");
    world.start_server();
    world.cli("bob", "edit lobby 1 mine").run().fail(4, "refused (denied)");
}

#[test]
fn what_is_so_already_is_no_refusal() {
    let mut world = lobby();
    world.does("bob", "room join lobby");
    for command in ["send lobby hello", "chat lobby", "room join lobby"] {
        world.stop_server();
        world.cli("bob", "room join lobby --timeout 1").run().fail(5, "unacknowledged");
        world.start_server();
        let ran = world.cli("bob", command).run();
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
        assert!(ran.err.contains("left by an earlier run"), "{command}: {ran:?}");
    }
}

/// Kills replies at every time of their lives; those that had printed nothing are run again.
#[test]
fn killed_at_any_time_each_is_said_once() {
    let world = lobby();
    for n in 0..KILLS {
        let reply = || world.cli("bob", "reply lobby 1").arg(&format!("answer {n}"));
        let mut killed = reply().start();
        std::thread::sleep(STEP * n);
        killed.kill();
        let (_, printed) = killed.end();
        if printed.is_empty() {
            let ran = reply().run();
            // Killed in the moment of its answer: it is for a person to look.
            let is_for_a_person = ran.code == Some(8) && ran.err.contains("killed in the moment");
            assert!(ran.code == Some(0) || is_for_a_person, "{ran:?}");
        }
    }
    let expected: Vec<_> = (0..KILLS).map(|n| format!("answer {n}")).collect();
    assert_eq!(world.bodies("lobby")[1..], expected);
}

/// So many, each so much later in its life than the one before: from the start of the process to beyond its end.
const KILLS: u32 = 40;
const STEP: Duration = Duration::from_millis(1);
