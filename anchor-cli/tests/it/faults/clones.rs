//! Copies of one client's state: two at once, and one from an earlier day.

use super::server::Server;
use super::world::{Entry, World, acks, assert_acked, assert_once, assert_once_in_order, numbered};

/// What was queued before the copy is in the log once, and equal text that each queued afterwards once for each.
#[test]
fn two_copies_at_once() {
    let mut world = World::new("two_copies_at_once");
    let mut server = world.server("data");
    let queued = prepare(&world, &mut server);
    world.copy("phone", "twin");

    let mut phones_own = numbered("phone", 150);
    let mut twins_own = numbered("twin", 150);
    phones_own.push("the same words".to_owned());
    twins_own.push("the same words".to_owned());
    let phone = world.send(&server, "ada", "phone", &phones_own);
    let twin = world.send(&server, "ada", "twin", &twins_own);
    let acks_of_phone = acks(&phone.succeed());
    let acks_of_twin = acks(&twin.succeed());

    let log = world.log(&server);
    assert_once_in_order(&log, &queued);
    // A line whose seq the other copy had used already goes out again under a new id, behind lines that were on their way:
    // the order of a sender's lines is kept only until its state is copied.
    assert_once(&log, &phones_own[..150]);
    assert_once(&log, &twins_own[..150]);
    assert_eq!(count(&log, "the same words"), 2, "equal words of two clones are two messages");
    assert_eq!(
        log.len(),
        20 + queued.len() + phones_own.len() + twins_own.len(),
        "nothing else is in the log"
    );
    assert_acked(&log, &acks_of_phone, &phones_own);
    assert_acked(&log, &acks_of_twin, &twins_own);
}

/// The phone delivered everything and went on a little: its window still knows each outcome.
#[test]
fn a_day_old_copy_that_the_window_still_knows() {
    a_day_old_copy("a_day_old_copy_that_the_window_still_knows", 30);
}

/// The phone went on for more than a window: the server has forgotten the outcomes, and the log settles them.
#[test]
fn a_day_old_copy_that_only_the_log_knows() {
    a_day_old_copy("a_day_old_copy_that_only_the_log_knows", 600);
}

/// The phone was killed while it delivered: some entries of the copy are in the log, and some are not.
#[test]
fn a_copy_of_which_some_was_delivered() {
    let mut world = World::new("a_copy_of_which_some_was_delivered");
    let mut server = world.server("data");
    let queued = prepare(&world, &mut server);
    world.copy("phone", "copy");
    let mut phone = world.send(&server, "ada", "phone", &[]);
    phone.wait_for_lines(1 + world.random.below(queued.len() / 2));
    phone.kill();

    let copys_own = numbered("copy", 20);
    let acks_of_copy = acks(&world.send(&server, "ada", "copy", &copys_own).succeed());
    // And the phone comes back, with the state in which it was killed.
    let phones_own = numbered("phone", 20);
    let acks_of_phone = acks(&world.send(&server, "ada", "phone", &phones_own).succeed());

    let log = world.log(&server);
    for lines in [&queued, &copys_own, &phones_own] {
        assert_once_in_order(&log, lines);
    }
    assert_eq!(log.len(), 20 + queued.len() + 40, "nothing else is in the log");
    assert_acked(&log, &acks_of_copy, &copys_own);
    assert_acked(&log, &acks_of_phone, &phones_own);
}

fn a_day_old_copy(test: &str, later: usize) {
    let mut world = World::new(test);
    let mut server = world.server("data");
    let queued = prepare(&world, &mut server);
    world.copy("phone", "yesterday");
    let later = numbered("later", later);
    world.send(&server, "ada", "phone", &later).succeed();

    let restored = numbered("restored", 20);
    let acks_of_copy = acks(&world.send(&server, "ada", "yesterday", &restored).succeed());

    let log = world.log(&server);
    for lines in [&queued, &later, &restored] {
        assert_once_in_order(&log, lines);
    }
    assert_eq!(log.len(), 20 + queued.len() + later.len() + restored.len(), "nothing else is in the log");
    assert_acked(&log, &acks_of_copy, &restored);
}

/// A phone that has sent 20 lines, and queued 60 more while the server was away: those are returned.
fn prepare(world: &World, server: &mut Server) -> Vec<String> {
    world.send(server, "ada", "phone", &numbered("before", 20)).succeed();
    server.kill();
    let queued = numbered("queued", 60);
    world.queue(server, "ada", "phone", &queued);
    server.restart();
    queued
}

fn count(log: &[Entry], body: &str) -> usize {
    log.iter().filter(|entry| entry.body == body).count()
}
