//! The part of an application that has to do with other users beside the rooms: who may talk to this one, what others see of
//! it, what admins say to everybody, what is put before moderators, and what is said in passing.

use std::time::Duration;

use anchor_core::event::EventKind;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::{HistoryRange, Signal};
use anchor_core::user::{Direct, Profile, ProfileText, UserChange};
use anchor_transport::client::{PublishError, Publishing};
use futures::StreamExt;

use super::Application;
use crate::kernel::{index, lock};
use crate::scenario::ADMIN;
use crate::society::{Hearer, may_announce};

/// Begins to listen, and to have to do with others until it is time to end.
pub(super) fn start(application: &Application) {
    let Application { world, habits, process, .. } = application;
    if !habits.is_neighbour() {
        return;
    }
    world.spawn(*process, hear_announcements(application.clone()));
    world.spawn(*process, hear_profiles(application.clone()));
    world.spawn(*process, hear_signals(application.clone()));
    world.spawn(*process, live(application.clone()));
}

async fn live(application: Application) {
    let Application { clock, .. } = &application;
    // Most let others talk to them from the beginning on.
    match clock.below(6) {
        0 => change(&application, UserChange::Direct(Direct::Nobody)).await,
        1 => {}
        _ => change(&application, UserChange::Direct(Direct::Everyone)).await,
    }
    while application.goes_on(PAUSE).await {
        match clock.below(20) {
            0..=2 => change(&application, contact(&application)).await,
            3 | 4 => change(&application, UserChange::Profile(profile(&application))).await,
            5 | 6 => look_at_profiles(&application).await,
            7 | 8 => announce(&application).await,
            9 | 10 => report(&application).await,
            11 | 12 => look_at_reports(&application).await,
            _ => signal(&application).await,
        }
    }
}

/// Who may talk to this user, now and then somebody else.
fn contact(application: &Application) -> UserChange {
    let Application { clock, habits, .. } = application;
    let others: Vec<&UserId> = habits.pairs.iter().filter_map(|pair| pair.other_than(&habits.user)).collect();
    let direct = [Direct::Everyone, Direct::Everyone, Direct::Shared, Direct::Nobody];
    match clock.below(3) {
        _ if others.is_empty() => UserChange::Direct(direct[index(clock.below(4))]),
        0 => UserChange::Direct(direct[index(clock.below(4))]),
        1 => UserChange::Block(others[index(clock.below(others.len() as u64))].clone()),
        _ => UserChange::Unblock(others[index(clock.below(others.len() as u64))].clone()),
    }
}

fn profile(application: &Application) -> Profile {
    let name = format!("name {}", application.clock.below(1_000_000_000));
    Profile { name: ProfileText::new(&name).ok(), ..Profile::default() }
}

async fn change(application: &Application, change: UserChange) {
    let Application { world, habits, client, process, .. } = application;
    let call = world.recorder.call(format_args!("{change:?} of {process}"));
    let number = world.society.asks_to_change(&habits.user, &change);
    let made = client.change_user(change.clone()).await;
    drop(call);
    world.trace.note(process, format_args!("{change:?} of {}: {made:?}", habits.user));
    if made.is_ok() {
        world.society.changed(&habits.user, number);
    }
}

async fn look_at_profiles(application: &Application) {
    let Application { world, habits, client, process, .. } = application;
    let call = world.recorder.call(format_args!("{process}, who looks at profiles"));
    let asked_at = world.kernel.now();
    let mut users = habits.users.clone();
    users.extend(UserId::new(ADMIN).ok());
    if let Ok(told) = client.profiles(&users).await {
        world.society.reads_profiles(asked_at, &told);
    }
    drop(call);
}

/// Tells everybody something, if that is allowed; others try it now and then.
async fn announce(application: &Application) {
    let Application { world, clock, habits, client, .. } = application;
    let text = format!("hear, hear {}", clock.below(1_000_000_000));
    if may_announce(&habits.user) {
        world.society.announces(&text);
    }
    let published = client.announce(text).await;
    settle(application, published, EventKind::MESSAGE, &RoomId::announcements());
}

/// Puts some event of a room before its moderators; of rooms that are not this user's to read, too, which must be refused.
async fn report(application: &Application) {
    let Application { world, clock, client, .. } = application;
    let Some(room) = some_room(application) else { return };
    let head = world.society.newest(&room).map_or(1, |life| life.head().0);
    let (offset, reason) =
        (Offset(1 + clock.below(head + 1)), format!("reason {}", clock.below(1_000_000_000)));
    world.society.reports(&room, &reason);
    let published = client.report(&room, offset, Some(reason)).await;
    settle(application, published, EventKind::REPORT, &RoomId::reports_of(&room));
}

async fn look_at_reports(application: &Application) {
    let Application { world, habits, client, process, .. } = application;
    let Some(room) = some_room(application) else { return };
    let call = world.recorder.call(format_args!("{process}, who looks at what was reported of {room}"));
    let asked_at = world.kernel.now();
    let range = HistoryRange::After(Position::START);
    if let Ok(page) = client.history(&RoomId::reports_of(&room), range, 20).await {
        world.society.reads_reports(&habits.user, &room, asked_at, &page);
    }
    drop(call);
}

/// Says something in passing in some room, to all or to one.
async fn signal(application: &Application) {
    let Application { world, clock, habits, client, process, .. } = application;
    let plain = habits.rooms.first().filter(|_| clock.below(4) == 0).cloned();
    let Some(room) = plain.or_else(|| some_room(application)) else { return };
    let to = habits.users.get(index(clock.below(2 * habits.users.len() as u64 + 1))).cloned();
    let body = format!("psst {}", clock.below(1_000_000_000_000)).into();
    let signal = Signal { room, user: to, client: None, body };
    world.society.says(&habits.user, *process, &signal);
    // Whether it is allowed, or heard, nobody tells.
    let _ = client.signal(signal).await;
}

fn some_room(application: &Application) -> Option<RoomId> {
    let Application { clock, habits, .. } = application;
    let rooms: Vec<&RoomId> = habits.societies().collect();
    let at = index(clock.below(rooms.len().max(1) as u64));
    rooms.get(at).map(|room| (*room).clone())
}

fn settle(
    application: &Application,
    published: Result<Publishing, PublishError>,
    kind: EventKind,
    room: &RoomId,
) {
    let Application { world, habits, process, .. } = application;
    let (process, room) = (*process, room.clone());
    let publishing = match published {
        Ok(publishing) => publishing,
        Err(error) => return world.trace.note(process, format_args!("nothing in {room}: {error}")),
    };
    let call = world.recorder.call(format_args!("{kind:?} of {process} in {room}"));
    let (world, user) = (world.clone(), habits.user.clone());
    world.clone().spawn(process, async move {
        let settled = publishing.await;
        drop(call);
        match settled {
            Ok(ack) => {
                world.trace.note(
                    process,
                    format_args!("{kind:?} of {user} is acked at {} of {room}", ack.mark.offset),
                );
                world.society.acked(&ack, kind);
            }
            Err(error) => {
                world.trace.note(process, format_args!("{kind:?} in {room} came to nothing: {error}"))
            }
        }
    });
}

async fn hear_announcements(application: Application) {
    let Application { world, lineage, client, process, .. } = &application;
    let mut announcements = client.announcements();
    while let Some(announcement) = announcements.next().await {
        let offset = announcement.event.offset;
        world.trace.note(process, format_args!("hears announcement {offset}"));
        let after = lock(lineage).hear(offset);
        world.society.hears_announcement(*process, after, offset);
    }
}

async fn hear_profiles(application: Application) {
    let Application { world, habits, client, process, .. } = &application;
    let mut changes = client.profile_changes();
    while let Some((user, profile)) = changes.next().await {
        world.trace.note(process, format_args!("hears that {user} is {profile:?}"));
        world.society.hears_profile(&habits.user, &user, &profile);
    }
}

async fn hear_signals(application: Application) {
    let Application { world, habits, client, process, is_alone, .. } = &application;
    let mut signals = client.signals();
    while let Some(signal) = signals.next().await {
        world.trace.note(process, format_args!("hears {:?} in {}", signal.body.as_text(), signal.room));
        let reads = habits.rooms.iter().chain(habits.societies()).any(|room| *room == signal.room);
        let hearer = Hearer { user: &habits.user, process: *process, reads, is_alone: *is_alone };
        world.society.hears(hearer, &signal);
    }
}

/// Time between two things that somebody does. Source: chosen; some dozens in each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(10));
