//! The part of an application that talks to one other user: both sides open their room at the same moment, talk in it, and look
//! into the rooms of others, who must not let them.

use std::time::Duration;

use anchor_core::event::{Draft, Event, EventKind};
use anchor_core::id::UserId;
use anchor_core::position::{Offset, Position};
use anchor_core::room::RoomKind;
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::session::frame::HistoryRange;
use anchor_transport::client::PublishError;

use super::{Application, member};
use crate::kernel::index;
use crate::society::Pair;

/// Begins to talk, until it is time to end.
pub(super) fn start(application: &Application) {
    let Application { world, habits, process, .. } = application;
    for pair in habits.pairs.iter().filter(|pair| pair.other_than(&habits.user).is_some()) {
        world.spawn(*process, meet(application.clone(), pair.clone()));
    }
    if !habits.pairs.is_empty() {
        world.spawn(*process, talk(application.clone()));
    }
}

/// Opens the room when the other side does. Who comes too late, after a restart, opens it at once.
async fn meet(application: Application, pair: Pair) {
    application.world.kernel.sleep_until(pair.opens_at).await;
    let Some(other) = pair.other_than(&application.habits.user) else { return };
    open(&application, &pair, other).await;
}

async fn talk(application: Application) {
    let Application { clock, habits, .. } = &application;
    while application.goes_on(PAUSE).await {
        let pair = &habits.pairs[index(clock.below(habits.pairs.len() as u64))];
        match pair.other_than(&habits.user) {
            Some(other) => act(&application, pair, other).await,
            None => intrude(&application, pair).await,
        }
    }
}

/// Opens the room, which may be there: as a program does that only wants to talk, or as one that sends the event itself.
async fn open(application: &Application, pair: &Pair, other: &UserId) {
    let Application { world, clock, client, process, habits, .. } = application;
    if clock.below(3) != 0 {
        return member::publish(application, &pair.room, create(other)).await;
    }
    let call = world.recorder.call(format_args!("{process}, who opens {}", pair.room));
    world.society.begins(&habits.user, &pair.room, &create(other));
    let (client, world, user, other) = (client.clone(), world.clone(), habits.user.clone(), other.clone());
    let (pair, process) = (pair.clone(), *process);
    world.clone().spawn(process, async move {
        let opened = client.direct(&other).await;
        drop(call);
        match opened {
            Ok(room) if room == pair.room && world.society.newest(&room).is_some() => {}
            // An admin may have deleted it since.
            Ok(room) if room == pair.room && world.society.was_deleted(&room) => {}
            Ok(room) => {
                world.recorder.defect(format!("{user} opened {room} with {other}, and nobody has seen it"));
            }
            Err(error) => note(&world, process, &pair, &error),
        }
    });
}

fn note(world: &crate::world::World, process: crate::kernel::ProcessId, pair: &Pair, error: &PublishError) {
    world.trace.note(process, format_args!("{} was not opened: {error}", pair.room));
}

async fn act(application: &Application, pair: &Pair, other: &UserId) {
    let Application { world, clock, habits, .. } = application;
    let below = |end| clock.below(end);
    let text = format!("word {}", below(1_000_000_000));
    let Some(life) = world.society.newest(&pair.room) else {
        return match below(4) {
            // A direct room does not come into being by being spoken in.
            0 => member::publish(application, &pair.room, Draft::message(text)).await,
            _ => open(application, pair, other).await,
        };
    };
    let messages: Vec<&Event> =
        life.events().rev().filter(|event| event.kind == EventKind::MESSAGE).take(RECENT).collect();
    let some = messages.get(index(below(RECENT as u64))).map(|event| event.offset);
    let about = |kind, target: Option<Offset>, body: &str| Draft { kind, target, body: body.into() };
    let draft = match (below(100), some) {
        (0..=9, Some(_)) => about(EventKind::MESSAGE, some, &text),
        (10..=16, Some(_)) => about(EventKind::EDIT, some, &text),
        (17..=21, Some(_)) => about(EventKind::REDACTION, some, ""),
        (22..=27, Some(_)) => about(EventKind::REACTION, some, "👍"),
        (28..=29, Some(_)) => about(EventKind::REACTION_REMOVED, some, "👍"),
        (30..=31, Some(_)) => about(EventKind::PIN, some, ""),
        (32..=33, Some(_)) => about(EventKind::UNPIN, some, ""),
        (34..=38, _) => create(other),
        // Nobody joins or leaves it, and nobody but an admin ends it.
        (39, _) => membership(&MembershipChange::Leave),
        (40, _) => membership(&MembershipChange::Kick { user: other.clone() }),
        (41, _) if habits.users.len() > 1 => {
            membership(&MembershipChange::Invite { user: habits.users[0].clone(), role: None })
        }
        (42, _) => of_room(&RoomChange::Delete),
        _ => Draft::message(text),
    };
    member::publish(application, &pair.room, draft).await;
}

/// Tries to have a part in what others say to each other.
async fn intrude(application: &Application, pair: &Pair) {
    let Application { world, clock, habits, client, process, .. } = application;
    let is_admin = habits.user.as_str() == crate::scenario::ADMIN;
    let draft = match clock.below(8) {
        0 => Draft::message("and me"),
        1 => create(&pair.users[0]),
        2 => Draft { kind: EventKind::REACTION, target: Some(Offset(2)), body: "👍".into() },
        3 => Draft { kind: EventKind::REDACTION, target: Some(Offset(2)), body: "".into() },
        // What an admin may do to it.
        4 if is_admin => of_room(&[RoomChange::Delete, RoomChange::Archive][index(clock.below(2))]),
        5 if is_admin => of_room(&RoomChange::Unarchive),
        _ => {
            let asked_at = world.kernel.now();
            let call = world.recorder.call(format_args!("{process}, who looks into {}", pair.room));
            let range = HistoryRange::After(Position::START);
            let page = client.history(&pair.room, range, 20).await;
            drop(call);
            return page.map_or((), |page| world.society.paged(&habits.user, asked_at, &page));
        }
    };
    member::publish(application, &pair.room, draft).await;
}

fn create(other: &UserId) -> Draft {
    let (kind, settings, user) = (RoomKind::Direct, Settings::default(), Some(other.clone()));
    of_room(&RoomChange::Create { kind, settings, user })
}

fn of_room(change: &RoomChange) -> Draft {
    Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
}

fn membership(change: &MembershipChange) -> Draft {
    Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
}

/// Time between two things that somebody does. Source: chosen; some dozens in each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(12));

/// Messages back from the newest that are talked about. Source: chosen.
const RECENT: usize = 8;
