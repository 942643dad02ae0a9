//! Compares what a store says with what the model says, by every question that a store answers.

use super::expected::Expected;
use super::log::Log;
use crate::conformance::store::check::{check_event_of_body, check_log};
use crate::cursor::{Cursors, Readers};
use crate::id::{RoomId, UserId};
use crate::position::Offset;
use crate::room::{Membership, Standing};
use crate::store::{Direction, Store, StoredRoom};

/// Every log, every row.
pub(super) async fn everything(store: &impl Store, expected: &Expected, users: &[UserId], rooms: &[RoomId]) {
    let stored = store.rooms(None, usize::MAX).await.expect("the rooms are read");
    let listed = stored.iter().map(|stored| &stored.room);
    assert!(listed.eq(expected.logs().map(|(room, _)| room)), "the rooms that have events");
    for (stored, (_, log)) in stored.iter().zip(expected.logs()) {
        events(store, stored, log).await;
        amendments(store, &stored.room, log).await;
        members(store, &stored.room, log).await;
        cursors(store, &stored.room, log).await;
    }
    for room in rooms {
        for user in users {
            let log = expected.log(room);
            let standing = Standing {
                info: log.and_then(|log| log.info.clone()).map(Into::into),
                member: log.and_then(|log| log.members.get(user).copied()),
                deleted: expected.deleted(room),
            };
            let actual = store.standing(room, user).await.expect("a standing is read");
            assert_eq!(actual, standing, "where {user} stands in {room}");
        }
    }
    for user in users {
        of_user(store, user, expected).await;
        let come =
            |room| expected.log(room).and_then(|log| log.cursors.get(user)).copied().unwrap_or_default();
        let cursors = store.cursors(user, rooms).await.expect("cursors are read");
        assert!(cursors.into_iter().eq(rooms.iter().map(come)), "how far {user} has come");
    }
    let records = store.records("", None, usize::MAX).await.expect("records are read");
    assert!(
        records.iter().map(|(key, value)| (key, value)).eq(expected.records()),
        "all records: {records:?}"
    );
}

async fn events(store: &impl Store, stored: &StoredRoom, log: &Log) {
    let StoredRoom { room, state, info } = stored;
    assert_eq!(state.horizon, log.horizon, "the horizon of {room}");
    assert_eq!(state.head.offset, log.head(), "the head of {room}");
    assert_eq!(info.as_deref(), log.info.as_ref(), "what {room} is");
    let events = check_log(store, room).await;
    assert_eq!(events.len(), log.readable().count(), "all of {room} from the horizon on");
    for (event, expected) in events.iter().zip(log.readable()) {
        let event = std::slice::from_ref(event);
        check_event_of_body(event, &expected.publish, &expected.ack, expected.body.as_ref());
    }
}

/// The index by target: for each event alone, and for all of them at once.
async fn amendments(store: &impl Store, room: &RoomId, log: &Log) {
    let targets = || (log.horizon.0..=log.head().0).map(Offset);
    let (mut amended, mut threads) = (Vec::new(), Vec::new());
    for target in targets() {
        let expected = log.amendments(target);
        let actual = store.amendments(room, (target, target), usize::MAX).await;
        assert_eq!(actual.expect("the index is read"), expected, "what is about {target} in {room}");
        amended.extend(expected);
        threads.extend(log.thread(target));
        replies(store, room, target, &log.replies(target)).await;
    }
    let all = (log.horizon, log.head());
    let actual = store.amendments(room, all, usize::MAX).await.expect("the index is read");
    assert_eq!(actual, amended, "what is about events of {room}");
    let limited = store.amendments(room, all, amended.len() / 2).await.expect("the index is read");
    assert_eq!(limited, amended[..amended.len() / 2], "no more than asked for");
    assert_eq!(store.threads(room, all).await.expect("the index is read"), threads, "the threads of {room}");
}

async fn replies(store: &impl Store, room: &RoomId, root: Offset, expected: &[Offset]) {
    let forward = store.replies(room, root, Direction::After(Offset::ZERO), usize::MAX).await;
    assert_eq!(forward.expect("the index is read"), expected, "the replies to {root} in {room}");
    if let Some(middle) = expected.get(expected.len() / 2) {
        let later = store.replies(room, root, Direction::After(*middle), 2).await.expect("the index is read");
        assert!(later.iter().eq(expected.iter().filter(|reply| *reply > middle).take(2)), "the next two");
        let earlier = store.replies(room, root, Direction::Before(*middle), 2).await;
        let mut before: Vec<_> = expected.iter().rev().filter(|reply| *reply < middle).take(2).collect();
        before.reverse();
        assert!(earlier.expect("the index is read").iter().eq(before), "the two before");
    }
}

async fn members(store: &impl Store, room: &RoomId, log: &Log) {
    let mut members = Vec::new();
    loop {
        let after = members.last().map(|(user, _)| user);
        let page = store.members(room, after, 2).await.expect("the members are read");
        assert!(page.len() <= 2, "no more than asked for");
        if page.is_empty() {
            break;
        }
        members.extend(page);
    }
    assert!(members.into_iter().eq(log.members.clone()), "the members of {room}");
}

async fn cursors(store: &impl Store, room: &RoomId, log: &Log) {
    let mut cursors = Vec::new();
    loop {
        let after = cursors.last().map(|(user, _)| user);
        let page = store.room_cursors(room, after, 2).await.expect("cursors are read");
        assert!(page.len() <= 2, "no more than asked for");
        if page.is_empty() {
            break;
        }
        cursors.extend(page);
    }
    assert!(cursors.into_iter().eq(log.cursors.clone()), "how far users have come in {room}");
    let offsets: Vec<_> = (1..=log.head().0 + 1).map(Offset).collect();
    let counted = store.count_readers(room, &offsets).await.expect("readers are counted");
    let has_joined = |user| log.members.get(user).is_some_and(|member| member.joined().is_some());
    let counts: Vec<_> =
        log.cursors.iter().filter(|(user, _)| log.info.is_none() || has_joined(*user)).collect();
    let come = |to: &dyn Fn(&Cursors) -> bool| counts.iter().filter(|(_, of)| to(of)).count() as u64;
    let readers = |offset: &Offset| Readers {
        delivered: come(&|of| of.delivered >= *offset),
        read: come(&|of| of.shown >= *offset),
    };
    assert!(counted.into_iter().eq(offsets.iter().map(readers)), "the readers of {room}");
}

async fn of_user(store: &impl Store, user: &UserId, expected: &Expected) {
    let own = expected.logs().filter_map(|(room, log)| Some((room.clone(), *log.members.get(user)?)));
    let own: Vec<_> = own
        .filter(|(_, member)| matches!(member.membership, Membership::Joined | Membership::Invited))
        .collect();
    let mut rooms = Vec::new();
    loop {
        let after = rooms.last().map(|(room, _)| room);
        let page = store.rooms_of(user, after, 2).await.expect("the rooms are read");
        assert!(page.len() <= 2, "no more than asked for");
        if page.is_empty() {
            break;
        }
        rooms.extend(page);
    }
    assert_eq!(rooms, own, "the rooms of {user}");
    assert_eq!(
        store.user(user).await.expect("the user is read"),
        expected.user(user),
        "what is kept of {user}"
    );
}
