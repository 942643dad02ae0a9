//! What people do in rooms beside talking: they make them, come and go, and change what was said.

use anchor_core::engine::{ConsumerName, Series};
use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::room::change::{MembershipChange, Report, RoomChange, Settings};
use anchor_core::room::{HistoryAccess, Retention, Role, RoomKind, Title};
use anchor_core::session::frame::{
    ClientFrame, Consume, ConsumerChange, From, RequestId, Signal, Which, Whose,
};
use anchor_core::store::Direction;
use anchor_core::user::{Direct, Profile, ProfileText, ReadReceipts, UserChange};

/// The deed of that number by one of two users; `at` is an event that it may be about.
pub(super) fn deed(number: u8, other: &UserId, at: u8) -> Draft {
    let user = other.clone();
    let settings = Settings { history: Some(HistoryAccess::SinceJoin), ..Settings::default() };
    match number % 24 {
        0 => {
            of_room(&RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None })
        }
        1 => of_room(&RoomChange::Create { kind: RoomKind::Group, settings, user: None }),
        2 => {
            of_room(&RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None })
        }
        3 => of_room(&RoomChange::Create {
            kind: RoomKind::Direct,
            settings: Settings::default(),
            user: Some(user),
        }),
        4 => of_room(&RoomChange::Set(settings)),
        5 => of_room(&RoomChange::Set(Settings {
            title: Some(Title::new(&format!("room {at}")).ok()),
            retention: Some(Retention::Count(5)),
            ..Settings::default()
        })),
        6 => of_room(&RoomChange::Archive),
        7 => of_room(&RoomChange::Unarchive),
        8 => of_room(&RoomChange::Delete),
        9 => of_member(&MembershipChange::Join),
        10 => of_member(&MembershipChange::Leave),
        11 => of_member(&MembershipChange::Accept),
        12 => of_member(&MembershipChange::Invite { user, role: None }),
        13 => of_member(&MembershipChange::Kick { user }),
        14 => of_member(&MembershipChange::Ban { user }),
        15 => of_member(&MembershipChange::Unban { user }),
        16 => of_member(&MembershipChange::Mute { user }),
        17 => of_member(&MembershipChange::Role { user, role: Role::ALL[usize::from(at) % 4] }),
        18 => about(EventKind::EDIT, at, "said otherwise"),
        19 => about(EventKind::REDACTION, at, ""),
        20 => about(EventKind::REACTION, at, "🎈"),
        21 => about(EventKind::PIN, at, ""),
        22 => about(EventKind::MESSAGE, at, "I see"),
        _ => {
            let mentions = Mentions::new(at.is_multiple_of(2), [user]).expect("one user is few");
            Draft::message(Body::text("look here").mentioning(mentions))
        }
    }
}

/// A report of an event, and the room that it goes to.
pub(super) fn report(room: &RoomId, at: u8) -> (RoomId, Draft) {
    let report = Report { room: room.clone(), offset: Offset(u64::from(at).max(1)), reason: None };
    (RoomId::reports_of(room), Draft { kind: EventKind::REPORT, target: None, body: report.to_body() })
}

/// Asks for something about a room or a user, or changes what is kept of the own one.
pub(super) fn question(number: u8, id: RequestId, room: RoomId, other: UserId, at: u8) -> ClientFrame {
    let (offset, limit) = (Offset(at.into()), at.into());
    let change = |change| ClientFrame::ChangeUser { id, change };
    match number % 20 {
        0 => ClientFrame::Room { id, room },
        1 => ClientFrame::Members { id, room, after: Some(other).filter(|_| at.is_multiple_of(2)), limit },
        2 => ClientFrame::Thread { id, room, root: Offset(1), from: Direction::After(offset), limit },
        3 => ClientFrame::Thread {
            id,
            room,
            root: offset.max(Offset(1)),
            from: Direction::Before(Offset(99)),
            limit,
        },
        4 => ClientFrame::Profiles { id, users: vec![other] },
        5 => ClientFrame::Contact { id },
        6 => ClientFrame::Rooms { id, after: None, limit, which: Which::Mine },
        7 => ClientFrame::Rooms { id, after: None, limit, which: Which::Public("ROOM".to_owned()) },
        8 => change(UserChange::Profile(Profile {
            name: ProfileText::new(&format!("Ada {at}")).ok(),
            ..Profile::default()
        })),
        9 => change(UserChange::Direct(Direct::Everyone)),
        10 => change(UserChange::Block(other)),
        11 => change(UserChange::Unblock(other)),
        12 => change(UserChange::Receipts(ReadReceipts::shown(at.is_multiple_of(2)))),
        13 => ClientFrame::Readers { id, room, offsets: vec![offset, Offset(1)] },
        14 => ClientFrame::Watch { id, room },
        15 => ClientFrame::Unwatch { id, room },
        16 => ClientFrame::Search { id, text: format!("said in:{room}"), limit, after: None },
        17 => ClientFrame::Consumers { id, after: None, limit, whose: Whose::Mine },
        18 => ClientFrame::Consume(Box::new(Consume {
            id,
            name: consumer(),
            room: Some(room),
            from: From::Start,
            done: Vec::new(),
            limit,
            wait_ms: 0,
            series: (!at.is_multiple_of(3)).then(|| Series::from_bytes([0; 8])),
        })),
        _ => ClientFrame::ChangeConsumer {
            id,
            name: consumer(),
            change: if at.is_multiple_of(2) {
                ConsumerChange::Replay(From::Start)
            } else {
                ConsumerChange::Remove
            },
            whose: Whose::Mine,
        },
    }
}

fn consumer() -> ConsumerName {
    ConsumerName::new("bot").expect("a name")
}

/// Something said in passing, to all or to one.
pub(super) fn signal(room: RoomId, other: UserId, at: u8) -> ClientFrame {
    let body = Body::text("x".repeat(usize::from(at) * 20));
    ClientFrame::Signal(Signal {
        room,
        user: Some(other).filter(|_| at.is_multiple_of(2)),
        client: None,
        body,
    })
}

fn of_room(change: &RoomChange) -> Draft {
    Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
}

fn of_member(change: &MembershipChange) -> Draft {
    Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
}

fn about(kind: EventKind, at: u8, text: &str) -> Draft {
    Draft { kind, target: Some(Offset(u64::from(at).max(1))), body: Body::text(text) }
}
