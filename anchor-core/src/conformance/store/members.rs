//! Where users stand: in a room, in all of their rooms, and in the list of a room.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join;

use super::club::{Club, ban, invite, kick};
use super::{Author, Factory, Reopen, ack_of, append_one, by_admin, room, start, user};
use crate::conformance::yielding::yield_now;
use crate::id::{RoomId, UserId};
use crate::position::Offset;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{HistoryAccess, Member, Membership, Retention, Role, RoomKind, Standing, Title, Topic};
use crate::store::{Store, StoredRoom};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    a_room_of_messages_alone_has_no_info(factory).await;
    a_standing_is_what_the_events_say(factory).await;
    members_are_listed_in_order_and_by_pages(factory).await;
    the_rooms_of_a_user_are_those_joined_or_offered(factory).await;
    the_list_of_rooms_says_what_they_are(factory).await;
    two_users_have_one_direct_room(factory).await;
    a_standing_is_as_new_as_what_was_read_before_it(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    rows_are_kept(factory).await;
    what_follows_a_reopen_follows_from_the_rows(factory).await;
}

/// Nor has anybody a place in it.
pub async fn a_room_of_messages_alone_has_no_info(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    assert_eq!(standing(&store, &room, "ada").await, Standing::default(), "nor has one without events");
    drop(ack_of(append_one(&store, ada.message(&room, "text")).await));
    assert_eq!(standing(&store, &room, "ada").await, Standing::default());
    assert_eq!(store.members(&room, None, 10).await.expect("the members are read"), []);
    assert_eq!(rooms_of(&store, "ada", None, 10).await, []);
}

/// Joined, invited, removed, banned, unbanned, muted: with the offsets at which that was so.
pub async fn a_standing_is_what_the_events_say(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let of_eve = async || standing(&store, &room("club"), "eve").await.member.expect("eve was named");
    let joined = Member {
        membership: Membership::Joined,
        role: Role::Member,
        muted: false,
        joined_at: Offset(5),
        ended_at: Offset::ZERO,
    };
    assert_eq!(of_eve().await, joined);
    club.change(&store, &MembershipChange::Mute { user: user("eve") }).await;
    assert_eq!(of_eve().await, Member { muted: true, ..joined });
    let ack = club.change(&store, &ban("eve")).await;
    let banned = Member { membership: Membership::Banned, muted: true, ended_at: ack.mark.offset, ..joined };
    assert_eq!(of_eve().await, banned);
    let info = standing(&store, &club.room, "eve").await.info.expect("the club has one");
    assert_eq!((info.members, info.owners, info.changed), (2, 1, ack.mark.offset));
    club.change(&store, &MembershipChange::Unban { user: user("eve") }).await;
    assert_eq!(of_eve().await.membership, Membership::Left);
    club.change(&store, &invite("eve")).await;
    assert_eq!(of_eve().await.membership, Membership::Invited);
    let accept = club.eve.membership(&club.room, &MembershipChange::Accept);
    let ack = ack_of(append_one(&store, accept).await);
    assert_eq!((of_eve().await.joined_at, of_eve().await.ended_at), (ack.mark.offset, Offset::ZERO));
    assert_eq!(standing(&store, &club.room, "zoe").await.member, None, "who was never named has no place");
}

/// In rising order of the ids as bytes, after any id, and no more than asked for; also those who left.
pub async fn members_are_listed_in_order_and_by_pages(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    Club::found(&store, "clu").await;
    Club::found(&store, "club2").await;
    for name in ["a", "ad", "Ünter", "ada ", "eve2", "zoe"].map(str::trim) {
        if name != "ada" {
            club.change(&store, &invite(name)).await;
        }
    }
    club.change(&store, &kick("bob")).await;
    let sorted = ["a", "ad", "ada", "bob", "eve", "eve2", "zoe", "Ünter"].map(user);
    for limit in 1..=sorted.len() + 1 {
        let mut paged: Vec<(UserId, Member)> = Vec::new();
        loop {
            let after = paged.last().map(|(user, _)| user);
            let page = store.members(&club.room, after, limit).await.expect("the members are read");
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert!(paged.iter().map(|(user, _)| user).eq(&sorted), "pages of {limit}");
        for (user, member) in paged {
            assert_eq!(standing(&store, &club.room, user.as_str()).await.member, Some(member), "{user}");
        }
    }
    assert_eq!(store.members(&club.room, None, 0).await.expect("the members are read"), []);
    let between = store.members(&club.room, Some(&user("adb")), 1).await.expect("the members are read");
    assert_eq!(between[0].0, user("bob"), "after an id that is nobody's");
}

/// Not those left, and not those of users whose ids begin alike.
pub async fn the_rooms_of_a_user_are_those_joined_or_offered(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    for name in ["c", "a", "b.x", "b"] {
        Club::found(&store, name).await;
    }
    let mut left = Club::found(&store, "left").await;
    left.change(&store, &kick("eve")).await;
    left.change(&store, &invite("e")).await;
    left.change(&store, &invite("eve2")).await;
    let sorted = ["a", "b", "b.x", "c"].map(room);
    for limit in 1..=sorted.len() + 1 {
        let mut paged: Vec<RoomId> = Vec::new();
        loop {
            let page = rooms_of(&store, "eve", paged.last(), limit).await;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, sorted, "pages of {limit}");
    }
    assert_eq!(rooms_of(&store, "e", None, 10).await, [room("left")], "an invitation is listed, too");
    assert_eq!(rooms_of(&store, "eve", Some(&room("b0")), 1).await, [room("c")]);
    assert_eq!(rooms_of(&store, "nobody", None, 10).await, []);
    assert_eq!(rooms_of(&store, "eve", None, 0).await, []);
    left.change(&store, &invite("eve")).await;
    assert_eq!(rooms_of(&store, "eve", Some(&room("c")), 10).await, [room("left")]);
}

/// Its info beside its state, as a standing has it.
pub async fn the_list_of_rooms_says_what_they_are(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let set = RoomChange::Set(Settings {
        title: Some(Title::new("The club").ok()),
        topic: Some(Topic::new("clubs").ok()),
        history: Some(HistoryAccess::SinceJoin),
        retention: Some(Retention::Count(1_000)),
        default_role: Some(Role::ReadOnly),
    });
    club.set(&store, &set).await;
    club.set(&store, &RoomChange::Archive).await;
    drop(ack_of(append_one(&store, club.ada.message(&room("ownerless"), "text")).await));
    let rooms = store.rooms(None, 10).await.expect("the rooms are read");
    let [StoredRoom { info: Some(info), .. }, StoredRoom { info: None, .. }] = &rooms[..] else {
        panic!("a group and a room of messages alone: {rooms:?}");
    };
    assert_eq!(Some(info), standing(&store, &club.room, "ada").await.info.as_ref());
    assert_eq!((info.kind, info.archived, info.members, info.owners), (RoomKind::Group, true, 3, 1));
    assert_eq!((info.history, info.default_role), (HistoryAccess::SinceJoin, Role::ReadOnly));
    assert_eq!((info.title.as_ref().map(Title::as_str), info.changed), (Some("The club"), Offset(7)));
}

/// Whoever of the two makes it; one of them is told that it is there. Both have it in their lists.
pub async fn two_users_have_one_direct_room(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let club = Club::found(&store, "club").await;
    let Club { ada, bob, .. } = &mut { club };
    let room = RoomId::direct(ada.user(), bob.user());
    let create = |other| RoomChange::Create {
        kind: RoomKind::Direct,
        settings: Settings::default(),
        user: Some(user(other)),
    };
    let batch = vec![bob.room(&room, &create("ada")), ada.room(&room, &create("bob"))];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let [created, exists] = outcomes.try_into().expect("two outcomes");
    assert_eq!(ack_of(created).mark.offset, Offset(1));
    assert_eq!(super::refusal_of(exists).code, crate::code::Code::RoomExists);
    for name in ["ada", "bob"] {
        assert_eq!(rooms_of(&store, name, None, 10).await, [room.clone(), super::room("club")]);
    }
    let pair = standing(&store, &room, "eve").await.info.expect("it has one").pair.clone();
    assert_eq!(pair.map(|pair| *pair), Some([user("ada"), user("bob")]));
    let mut zoe = Author::open(&store, "zoe", 7).await;
    let stranger = RoomId::direct(zoe.user(), ada.user());
    let refused = append_one(&store, zoe.room(&stranger, &create("ada"))).await;
    assert_eq!(super::refusal_of(refused).code, crate::code::Code::Denied, "the two share no room");
    let open = by_admin(zoe.room(&stranger, &create("ada")));
    drop(ack_of(append_one(&store, open).await));
}

/// While others write: a standing that is read after a head says all up to that head, and nothing beyond what is readable.
pub async fn a_standing_is_as_new_as_what_was_read_before_it(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let done = AtomicBool::new(false);
    let writing = async {
        let mut ada = Author::open(&store, "ada", 1).await;
        for _ in 0..40 {
            let batch = [MembershipChange::Join, MembershipChange::Leave]
                .map(|change| store.append(vec![ada.membership(&room, &change)]));
            for append in batch {
                let outcome = append.await.expect("the append goes through").remove(0);
                let offset = ack_of(outcome).mark.offset;
                let newest = newest(&standing(&store, &room, "ada").await);
                assert!(newest >= offset, "what was acked stands in the rows");
            }
            ada.settle();
        }
        done.store(true, Ordering::Relaxed);
    };
    let reading = async {
        while !done.load(Ordering::Relaxed) {
            let head = async || {
                let state = store.room(&room).await.expect("the state is read");
                state.map_or(Offset::ZERO, |state| state.head.offset)
            };
            let before = head().await;
            let newest = newest(&standing(&store, &room, "ada").await);
            assert!(newest >= before, "the standing says {newest}, though {before} could be read before it");
            let after = head().await;
            assert!(newest <= after, "the standing says {newest} and the log ends at {after}");
            yield_now().await;
        }
    };
    join(writing, reading).await;
}

/// Infos, places and lists.
pub async fn rows_are_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    club.change(&store, &ban("eve")).await;
    club.change(&store, &invite("zoe")).await;
    let title = Some(Title::new("The club").ok());
    club.set(&store, &RoomChange::Set(Settings { title, ..Settings::default() })).await;
    drop(ack_of(append_one(&store, club.bob.message(&club.room, "text")).await));
    let pin = club.bob.about(&store, &club.room, crate::event::EventKind::PIN, 9, "").await;
    drop(ack_of(append_one(&store, pin).await));
    let before = rows(&store, &club.room).await;
    assert_eq!(before.0[0].info.as_ref().map(|info| &info.pins[..]), Some(&[Offset(9)][..]));
    for _ in 0..2 {
        store = factory.reopen(store, &env).await;
        assert_eq!(rows(&store, &club.room).await, before);
    }
}

/// Who was banned before stays out; who was invited before comes in.
pub async fn what_follows_a_reopen_follows_from_the_rows(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    club.change(&store, &ban("eve")).await;
    club.change(&store, &invite("zoe")).await;
    let store = factory.reopen(store, &env).await;
    let mut zoe = Author::open(&store, "zoe", 7).await;
    club.eve.hello(&store).await;
    let refused = append_one(&store, club.eve.message(&club.room, "text")).await;
    assert_eq!(super::refusal_of(refused).code, crate::code::Code::RoomBanned);
    let accept = zoe.membership(&club.room, &MembershipChange::Accept);
    assert_eq!(ack_of(append_one(&store, accept).await).mark.offset, Offset(8));
    let info = standing(&store, &club.room, "zoe").await.info.expect("the club has one");
    assert_eq!((info.members, info.owners), (3, 1), "counts go on where they were");
}

/// Everything that rows say.
async fn rows(
    store: &dyn Store,
    room: &RoomId,
) -> (Vec<StoredRoom>, Vec<(UserId, Member)>, Vec<Standing>, Vec<Vec<RoomId>>) {
    let names = ["ada", "bob", "eve", "zoe", "nobody"];
    let (mut standings, mut rooms) = (Vec::new(), Vec::new());
    for name in names {
        standings.push(standing(store, room, name).await);
        rooms.push(rooms_of(store, name, None, 10).await);
    }
    let members = store.members(room, None, 10).await.expect("the members are read");
    (store.rooms(None, 10).await.expect("the rooms are read"), members, standings, rooms)
}

fn newest(standing: &Standing) -> Offset {
    standing.member.map_or(Offset::ZERO, |member| member.joined_at.max(member.ended_at))
}

async fn standing(store: &dyn Store, room: &RoomId, name: &str) -> Standing {
    store.standing(room, &user(name)).await.expect("a standing is read")
}

async fn rooms_of(store: &dyn Store, name: &str, after: Option<&RoomId>, limit: usize) -> Vec<RoomId> {
    let rooms = store.rooms_of(&user(name), after, limit).await.expect("the rooms are read");
    for (room, member) in &rooms {
        assert_eq!(standing(store, room, name).await.member, Some(*member), "list and standing agree");
    }
    rooms.into_iter().map(|(room, _)| room).collect()
}
