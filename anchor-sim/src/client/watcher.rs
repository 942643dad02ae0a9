//! The part of an application that does what people do who look at a room: it watches who has read, is there and types, says
//! that its user types, and how its user keeps what was read from others.

use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::id::RoomId;
use anchor_core::session::frame::Presence;
use anchor_core::user::ReadReceipts;
use anchor_transport::client::RequestError;
use futures::StreamExt;
use futures::future::{Either, select};

use super::Application;
use crate::kernel::index;

/// Begins to look at one of the rooms that everybody reads.
pub(super) fn start(application: &Application) {
    let Application { world, habits, process, .. } = application;
    if let Some(room) = habits.rooms.first() {
        world.spawn(*process, watch(application.clone(), room.clone()));
        world.spawn(*process, be_there(application.clone()));
        world.spawn(*process, hear_of_own(application.clone()));
    }
}

/// Keeps receipts back if the user does so: nothing may be read before that is certain.
pub(super) async fn choose_receipts(application: &Application) {
    let Application { world, clock, habits, client, .. } = application;
    while habits.hides_receipts && client.show_read_receipts(ReadReceipts::Hidden).await.is_err() {
        world.kernel.sleep(clock.between(PAUSE.0, PAUSE.1)).await;
    }
}

/// Watches a room for ever, with breaks.
async fn watch(application: Application, room: RoomId) {
    let Application { world, clock, habits, client, process, .. } = &application;
    loop {
        let mut watch = client.watch(&room).await;
        let mut leaves = Box::pin(world.kernel.sleep(clock.between(BREAK.0, BREAK.1)));
        loop {
            match select(watch.next(), &mut leaves).await {
                Either::Left((Some(Ok(state)), _)) => {
                    let broken = world.attended.shows(*process, &habits.user, &room, state);
                    broken.into_iter().for_each(|broken| world.recorder.defect(broken));
                }
                Either::Left((None | Some(Err(RequestError::Closed | RequestError::Stopped { .. })), _)) => {
                    return std::future::pending().await;
                }
                // It began anew after a restore: what was told of it is of another log.
                Either::Left((Some(Err(RequestError::Refused { code: Code::NotAMember, .. })), _)) => break,
                Either::Left((Some(Err(error)), _)) => {
                    world.recorder.defect(format!("{process} may not watch {room}: {error}"));
                    break;
                }
                // Whoever still watches in the end sees how things are then.
                Either::Right(_) if !world.society.is_over() => break,
                Either::Right(_) => leaves = Box::pin(world.kernel.sleep(BREAK.1)),
            }
        }
        drop(watch);
        world.attended.looks_away(*process, &room);
        world.kernel.sleep(clock.between(PAUSE.0, PAUSE.1)).await;
    }
}

/// Types, stops typing, goes away from the keyboard and comes back, until it is time to end.
async fn be_there(application: Application) {
    let Application { clock, habits, client, .. } = &application;
    while application.goes_on(PAUSE).await {
        let room = &habits.rooms[index(clock.below(habits.rooms.len() as u64))];
        let done = match clock.below(8) {
            0 => client.set_presence(Presence::Away).await,
            1 | 2 => client.set_presence(Presence::Online).await,
            3 => client.stopped_typing(room).await,
            _ => client.typing(room).await,
        };
        if done.is_err() {
            return;
        }
    }
    // All are there in the end. An error is the end of the process.
    let _ = client.set_presence(Presence::Online).await;
}

/// Hears how far the user has read, on whichever device: that is durable.
async fn hear_of_own(application: Application) {
    let Application { world, habits, client, .. } = &application;
    let mut reading = client.reading();
    while let Some(own) = reading.next().await {
        world.marked.answered(&habits.user, &own.room, own.read, NO_RESTORES);
    }
}

/// What is on its way when a log goes back cannot be told from what is said after that: it is judged where none does.
pub(super) const NO_RESTORES: u64 = 0;

/// Time between two things that somebody does. Source: chosen; some dozens in each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(12));

/// How long somebody looks at a room before a break. Source: chosen; a few in each run.
const BREAK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
