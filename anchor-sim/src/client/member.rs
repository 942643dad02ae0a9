//! The part of an application that lives in rooms with members: creates them, comes and goes, talks, and takes back.

use std::time::Duration;

use anchor_core::event::{Draft, Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::room::{HistoryAccess, Membership, Retention, Role, RoomKind, Title};
use anchor_transport::client::{PublishError, Publishing};

use super::Application;
use crate::kernel::index;
use crate::recorder::Call;

/// Does one thing after another until it is time to end.
pub(super) async fn mingle(application: Application) {
    let Application { clock, habits, .. } = &application;
    if habits.clubs.is_empty() {
        return;
    }
    while application.goes_on(PAUSE).await {
        // Now and then several at once, which may share a commit.
        let batch = if clock.below(6) == 0 { 1 + clock.below(6) } else { 1 };
        for _ in 0..batch {
            act(&application).await;
        }
    }
}

async fn act(application: &Application) {
    let Application { clock, habits, .. } = application;
    let room = &habits.clubs[index(clock.below(habits.clubs.len() as u64))];
    let draft = Acts { application, room }.draw();
    publish(application, room, draft).await;
}

/// Publishes something to a room with members, and hears later what becomes of it.
pub(super) async fn publish(application: &Application, room: &RoomId, draft: Draft) {
    let Application { world, habits, client, process, .. } = application;
    let kind = draft.kind;
    let what = match kind.is_of_room() {
        true => draft.body.as_text().unwrap_or_default().to_owned(),
        false => format!("{kind:?} about {:?}", draft.target.map(|target| target.0)),
    };
    world.trace.note(process, format_args!("{} in {room}: {what}", habits.user));
    if kind == EventKind::ROOM && RoomChange::from_body(&draft.body) == Ok(RoomChange::Delete) {
        world.society.asks_to_delete(room);
    }
    let call = world.recorder.call(format_args!("{kind:?} of {process} in {room}"));
    let begun_at = world.society.begins(&habits.user, room, &draft);
    match client.publish(room, draft).await {
        Ok(publishing) => {
            let what = (room.clone(), kind, begun_at);
            world.spawn(*process, settle(application.clone(), what, publishing, call));
        }
        Err(error) => failed(application, room, kind, &error),
    }
}

/// `_call` ends with it.
async fn settle(
    application: Application,
    (room, kind, begun_at): (RoomId, EventKind, Duration),
    publishing: Publishing,
    _call: Call,
) {
    match publishing.await {
        Ok(ack) => {
            let world = &application.world;
            world.trace.note(
                application.process,
                format_args!("{kind:?} is acked at {} of {room}, epoch {}", ack.mark.offset, ack.epoch),
            );
            world.society.acked(&ack, kind);
            world.society.stands(&ack, begun_at);
        }
        Err(error) => failed(&application, &room, kind, &error),
    }
}

fn failed(application: &Application, room: &RoomId, kind: EventKind, error: &PublishError) {
    let what = format_args!("{kind:?} in {room} came to nothing: {error}");
    application.world.trace.note(application.process, what);
}

/// Draws what to do in a room.
struct Acts<'a> {
    application: &'a Application,
    room: &'a RoomId,
}

impl Acts<'_> {
    fn draw(&self) -> Draft {
        let below = |end| self.application.clock.below(end);
        let Some(life) = self.application.world.society.newest(self.room) else {
            return self.create();
        };
        let messages: Vec<&Event> =
            life.events().rev().filter(|event| event.kind == EventKind::MESSAGE).take(RECENT).collect();
        let some = |messages: &[&Event]| Some(messages[index(below(messages.len() as u64))].offset);
        let own: Vec<&Event> =
            messages.iter().copied().filter(|event| event.user == self.application.habits.user).collect();
        let about = |kind, target: Option<Offset>, body: &str| Draft { kind, target, body: body.into() };
        let text = format!("text {}", below(1_000_000));
        match below(100) {
            0..=27 => Draft::message(text),
            28..=35 if !messages.is_empty() => about(EventKind::MESSAGE, some(&messages), &text),
            36..=43 if !own.is_empty() => about(EventKind::EDIT, some(&own), &text),
            44..=49 if !own.is_empty() => about(EventKind::REDACTION, some(&own), ""),
            50..=52 if !messages.is_empty() => about(EventKind::REDACTION, some(&messages), ""),
            53..=58 if !messages.is_empty() => about(EventKind::REACTION, some(&messages), sign(below(2))),
            59..=61 if !messages.is_empty() => {
                about(EventKind::REACTION_REMOVED, some(&messages), sign(below(2)))
            }
            62 if !messages.is_empty() => about(EventKind::PIN, some(&messages), ""),
            63 if !messages.is_empty() => about(EventKind::UNPIN, some(&messages), ""),
            64..=66 => self.change(),
            _ => self.membership(),
        }
    }

    fn create(&self) -> Draft {
        let below = |end| self.application.clock.below(end);
        let kind = if below(4) == 0 { RoomKind::Public } else { RoomKind::Group };
        let history = (below(2) == 0).then_some(HistoryAccess::SinceJoin);
        let change =
            RoomChange::Create { kind, settings: Settings { history, ..Settings::default() }, user: None };
        Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
    }

    fn change(&self) -> Draft {
        let below = |end| self.application.clock.below(end);
        let title = Title::new(&format!("title {}", below(3))).ok();
        let set = |settings| RoomChange::Set(settings);
        let change = match below(20) {
            0..=4 => RoomChange::Delete,
            5 => RoomChange::Archive,
            6..=9 => RoomChange::Unarchive,
            10..=12 => set(Settings { title: Some(title), ..Settings::default() }),
            13..=15 => {
                let history = if below(2) == 0 { HistoryAccess::All } else { HistoryAccess::SinceJoin };
                set(Settings { history: Some(history), ..Settings::default() })
            }
            _ => {
                let retention = match below(3) {
                    0 => Retention::Forever,
                    1 => Retention::Age(1_000 * (1 + below(60))),
                    _ => Retention::Count(1 + below(40)),
                };
                set(Settings { retention: Some(retention), ..Settings::default() })
            }
        };
        Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
    }

    /// What somebody would do who knows the room, now and then what nobody may.
    fn membership(&self) -> Draft {
        let below = |end| self.application.clock.below(end);
        let habits = &self.application.habits;
        let memberships = self.application.world.society.memberships(self.room);
        let user: UserId = habits.users[index(below(habits.users.len() as u64))].clone();
        let joined = memberships.values().filter(|membership| **membership == Membership::Joined).count();
        let is_alone = joined == 1;
        let change = match memberships.get(&habits.user) {
            _ if below(6) == 0 => anything(user, below(10)),
            Some(Membership::Joined) => match memberships.get(&user) {
                // A group that the last one has left stays as it is for ever.
                Some(Membership::Joined) if user == habits.user => match (is_alone, below(3)) {
                    (false, 0) => MembershipChange::Leave,
                    _ => anything(user, 6),
                },
                Some(Membership::Joined) => match below(8) {
                    0..=2 => MembershipChange::Kick { user },
                    3 => MembershipChange::Ban { user },
                    4 => MembershipChange::Mute { user },
                    5 => MembershipChange::Unmute { user },
                    _ => MembershipChange::Role { user, role: Role::Moderator },
                },
                Some(Membership::Banned) => MembershipChange::Unban { user },
                _ => MembershipChange::Invite { user, role: None },
            },
            Some(Membership::Invited) if below(6) == 0 => MembershipChange::Decline,
            Some(Membership::Invited) => MembershipChange::Accept,
            _ => MembershipChange::Join,
        };
        Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
    }
}

fn anything(user: UserId, which: u64) -> MembershipChange {
    match which {
        0 => MembershipChange::Invite { user, role: Some(Role::Moderator) },
        1 => MembershipChange::Accept,
        2 => MembershipChange::Join,
        3 => MembershipChange::Leave,
        4 => MembershipChange::Decline,
        5 => MembershipChange::Kick { user },
        6 => MembershipChange::Unmute { user },
        7 => MembershipChange::Ban { user },
        8 => MembershipChange::Unban { user },
        _ => MembershipChange::Role { user, role: Role::Member },
    }
}

const fn sign(number: u64) -> &'static str {
    if number == 0 { "👍" } else { "👎" }
}

/// Time between two things that somebody does. Source: chosen; some dozens in each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(6));

/// Messages back from the newest that are talked about. Source: chosen.
const RECENT: usize = 12;
