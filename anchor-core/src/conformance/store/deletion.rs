//! A deleted room is gone with all that belongs to it; what comes after it under its id is another room.

use std::sync::{Arc, Mutex, PoisonError};

use super::check::check_log;
use super::club::Club;
use super::{Author, Factory, Reopen, ack_of, append_one, by_admin, refusal_of, room, start, user, write};
use crate::code::Code;
use crate::event::EventKind;
use crate::id::RoomId;
use crate::position::{Epoch, Mark, Offset};
use crate::publish::{Ack, Publish};
use crate::room::Standing;
use crate::room::change::{MembershipChange, RoomChange};
use crate::run::Run;
use crate::store::{CommitObserver, Direction, Place, Read, Store};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    nothing_of_a_deleted_room_can_be_read(factory).await;
    what_comes_after_it_is_another_room(factory).await;
    nothing_but_its_creation_begins_it_anew(factory).await;
    deletion_and_a_new_beginning_in_one_batch(factory).await;
    a_room_may_come_and_go_in_one_batch(factory).await;
    what_was_acked_in_it_is_acked_again(factory).await;
    an_observer_is_told_before_what_follows(factory).await;
    other_rooms_stay(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    a_deletion_is_kept(factory).await;
}

/// No event, no state, no mark, no row, no thread; the ack is that of an event, and a tombstone names the epoch.
pub async fn nothing_of_a_deleted_room_can_be_read(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (room, epoch) = deleted_club(&store).await;
    check_gone(&store, &room, Some(epoch)).await;
}

/// Offsets from 1, an epoch of its own, nobody's rights of before.
pub async fn what_comes_after_it_is_another_room(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (room, epoch) = deleted_club(&store).await;
    let mut zoe = Author::open(&store, "zoe", 1).await;
    let ack = ack_of(append_one(&store, zoe.begins(&room)).await);
    assert_eq!(ack.mark.offset, Offset(1), "a log begins at 1");
    assert_ne!(ack.epoch, epoch, "in a history of its own");
    assert_eq!(check_log(&store, &room).await.len(), 1);
    let standing = store.standing(&room, &user("ada")).await.expect("a standing is read");
    assert_eq!(
        (standing.member, standing.deleted),
        (None, None),
        "no tombstone, and nobody's place of before"
    );
    let all = (Offset(1), Offset(u64::from(u32::MAX)));
    assert_eq!(store.amendments(&room, all, 10).await.expect("the index is read"), []);
    assert_eq!(store.threads(&room, all).await.expect("the index is read"), []);
    let members = store.members(&room, None, 10).await.expect("the members are read");
    assert!(members.iter().map(|(user, _)| user).eq([&user("zoe")]));
}

/// What somebody meant for those who were in it is said to nobody else; who creates the room knows that it is another.
pub async fn nothing_but_its_creation_begins_it_anew(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (room, epoch) = deleted_club(&store).await;
    let mut zoe = Author::open(&store, "zoe", 1).await;
    for publish in [zoe.message(&room, "between us"), zoe.membership(&room, &MembershipChange::Join)] {
        assert_eq!(refusal_of(append_one(&store, publish).await).code, Code::RoomUnknown);
    }
    let plain = super::room("plain");
    let batch = vec![
        zoe.message(&plain, "text"),
        by_admin(zoe.room(&plain, &RoomChange::Delete)),
        zoe.message(&plain, "too late"),
    ];
    let outcome = store.append(batch).await.expect("the append goes through").pop().expect("three outcomes");
    assert_eq!(refusal_of(outcome).code, Code::RoomUnknown, "in the same commit, too");
    check_gone(&store, &room, Some(epoch)).await;
    drop(ack_of(append_one(&store, zoe.begins(&room)).await));
    drop(ack_of(append_one(&store, zoe.message(&room, "hello")).await));
}

/// Both are acked, each in its own history; the batch is told as a deletion and then the new beginning.
pub async fn deletion_and_a_new_beginning_in_one_batch(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let before = write(&store, &mut ada, &room, (0..70).map(|n| n.to_string())).await;
    let batch = vec![
        ada.message(&room, "the last"),
        by_admin(ada.room(&room, &RoomChange::Delete)),
        ada.begins(&room),
        ada.message(&room, "the second"),
    ];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let acks: Vec<Ack> = outcomes.into_iter().map(ack_of).collect();
    assert_eq!(acks.iter().map(|ack| ack.mark.offset.0).collect::<Vec<_>>(), [71, 72, 1, 2]);
    assert_eq!((acks[0].epoch, acks[1].epoch), (before[0].epoch, before[0].epoch));
    assert_eq!(acks[2].epoch, acks[3].epoch);
    assert_ne!(acks[2].epoch, acks[1].epoch);
    assert_eq!((acks[1].mark.ordinal.0, acks[3].mark.ordinal.0), (71, 1), "a deletion is no message");
    let events = check_log(&store, &room).await;
    assert_eq!(
        events.iter().map(crate::event::Event::mark).collect::<Vec<_>>(),
        [acks[2].mark, acks[3].mark]
    );
    let state = store.room(&room).await.expect("the state is read").expect("the room is there");
    assert_eq!((state.epochs.len(), state.epochs[0].before), (1, Mark::START));
}

/// Nothing is left of it but the tombstone.
pub async fn a_room_may_come_and_go_in_one_batch(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut batch = Vec::new();
    for _ in 0..3 {
        batch.push(ada.begins(&room));
        batch.push(ada.message(&room, "text"));
        batch.push(by_admin(ada.room(&room, &RoomChange::Delete)));
    }
    let outcomes = store.append(batch).await.expect("the append goes through");
    let acks: Vec<Ack> = outcomes.into_iter().map(ack_of).collect();
    let mut epochs: Vec<Epoch> = acks.iter().map(|ack| ack.epoch).collect();
    epochs.dedup();
    assert_eq!(epochs.len(), 3, "three rooms, one after another");
    check_gone(&store, &room, Some(epochs[2])).await;
}

/// Windows are of clients, not of rooms: a repeat is a repeat, a conflict a conflict, and neither begins the room anew.
pub async fn what_was_acked_in_it_is_acked_again(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let said = ada.message(&room, "said");
    let ack = ack_of(append_one(&store, said.clone()).await);
    let delete = by_admin(ada.room(&room, &RoomChange::Delete));
    let deleted = ack_of(append_one(&store, delete.clone()).await);
    for (publish, ack) in [(&said, &ack), (&delete, &deleted)] {
        let again = ack_of(append_one(&store, publish.clone()).await);
        assert_eq!(again, Ack { duplicate: true, ..ack.clone() });
    }
    let other = Publish { draft: ada.publish(1, &room, "other".into()).draft, ..said };
    assert_eq!(refusal_of(append_one(&store, other).await).code, Code::SeqConflict);
    let missing = by_admin(ada.room(&room, &RoomChange::Delete));
    assert_eq!(refusal_of(append_one(&store, missing).await).code, Code::RoomUnknown);
    check_gone(&store, &room, Some(ack.epoch)).await;
}

/// Told once for each deletion, before the runs that begin the room anew.
pub async fn an_observer_is_told_before_what_follows(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let listener = Arc::new(Listener::default());
    store.observe(listener.clone());
    let first = vec![ada.message(&room, "1"), ada.message(&room, "2")];
    drop(store.append(first).await.expect("the append goes through"));
    let second =
        vec![ada.message(&room, "3"), by_admin(ada.room(&room, &RoomChange::Delete)), ada.begins(&room)];
    drop(store.append(second).await.expect("the append goes through"));
    let delete = by_admin(ada.room(&room, &RoomChange::Delete));
    drop(ack_of(append_one(&store, delete).await));
    let told = listener.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(told, ["a from 1 to 2", "a is deleted", "a from 1 to 1", "a is deleted"]);
}

/// Not even those whose ids begin alike lose anything.
pub async fn other_rooms_stay(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut clubs = Vec::new();
    for name in ["b", "ba", "b.", "a", "c"] {
        let mut club = Club::found(&store, name).await;
        drop(ack_of(append_one(&store, club.eve.message(&club.room, "text")).await));
        let reply = club.bob.about(&store, &club.room, EventKind::MESSAGE, 6, "reply").await;
        drop(ack_of(append_one(&store, reply).await));
        clubs.push(club);
    }
    let mut deleted = clubs.remove(0);
    deleted.set(&store, &RoomChange::Delete).await;
    for club in clubs {
        assert_eq!(check_log(&store, &club.room).await.len(), 7);
        assert_eq!(store.members(&club.room, None, 10).await.expect("the members are read").len(), 3);
        let replies = store.replies(&club.room, Offset(6), Direction::After(Offset::ZERO), 10).await;
        assert_eq!(replies.expect("the index is read"), [Offset(7)]);
    }
    let rooms = store.rooms_of(&user("eve"), None, 10).await.expect("the rooms are read");
    assert!(rooms.iter().map(|(room, _)| room.as_str()).eq(["a", "b.", "ba", "c"]));
}

/// The room stays gone, its id free, its acks known.
pub async fn a_deletion_is_kept(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let (room, epoch) = deleted_club(&store).await;
    let mut zoe = Author::open(&store, "zoe", 1).await;
    let (long, new) = (super::room("long"), super::room("new"));
    write(&store, &mut zoe, &long, (0..300).map(|n| n.to_string())).await;
    let delete = by_admin(zoe.room(&long, &RoomChange::Delete));
    let ack = ack_of(append_one(&store, delete.clone()).await);
    drop(ack_of(append_one(&store, zoe.message(&new, "text")).await));
    let again = vec![by_admin(zoe.room(&new, &RoomChange::Delete)), zoe.begins(&new)];
    let anew = store.append(again).await.expect("the append goes through").pop().expect("two outcomes");
    let anew = ack_of(anew);
    let mut store = store;
    for _ in 0..2 {
        store = factory.reopen(store, &env).await;
        check_gone(&store, &room, Some(epoch)).await;
        check_gone(&store, &long, Some(ack.epoch)).await;
        let events = check_log(&store, &new).await;
        assert_eq!(events.iter().map(crate::event::Event::mark).collect::<Vec<_>>(), [anew.mark]);
        let repeat = append_one(&store, Publish { session: None, ..delete.clone() }).await;
        assert_eq!(ack_of(repeat), Ack { duplicate: true, ..ack.clone() });
    }
    zoe.hello(&store).await;
    let late = append_one(&store, zoe.message(&room, "mine now")).await;
    assert_eq!(refusal_of(late).code, Code::RoomUnknown);
    let next = ack_of(append_one(&store, zoe.begins(&room)).await);
    assert_eq!(next.mark.offset, Offset(1));
    assert_ne!(next.epoch, epoch);
}

/// A group with messages, reactions and a thread that its owner deleted; its id and the epoch it had.
async fn deleted_club(store: &dyn Store) -> (RoomId, Epoch) {
    let mut club = Club::found(store, "club").await;
    write(store, &mut club.eve, &club.room, (0..100).map(|n| n.to_string())).await;
    for (kind, body) in [(EventKind::MESSAGE, "reply"), (EventKind::REACTION, "👍"), (EventKind::PIN, "")] {
        let about = club.ada.about(store, &club.room, kind, 6, body).await;
        drop(ack_of(append_one(store, about).await));
    }
    let head = store.room(&club.room).await.expect("the state is read").expect("the room is there").head;
    let ack = club.set(store, &RoomChange::Delete).await;
    assert_eq!(
        ack.mark.offset,
        head.offset.next(),
        "the deletion has the mark that its event would have had"
    );
    assert_eq!(ack.mark.ordinal, head.ordinal);
    (club.room, ack.epoch)
}

/// Asserts that no question is answered with anything of `room`.
async fn check_gone(store: &dyn Store, room: &RoomId, epoch: Option<Epoch>) {
    assert_eq!(check_log(store, room).await, []);
    for from in [Direction::After(Offset::ZERO), Direction::After(Offset(5)), Direction::Before(Offset(50))] {
        let read = Read { room: room.clone(), from, events_max: 10, bytes_max: 10_000 };
        assert_eq!(store.read(read).await.expect("the log is read").len(), 0, "{from:?}");
    }
    for offset in [Offset(0), Offset(1), Offset(64)] {
        let mark = store.locate(room, Place::Offset(offset)).await.expect("a place is looked up");
        assert_eq!(mark, None);
    }
    let rooms = store.rooms(None, 100).await.expect("the rooms are read");
    assert!(rooms.iter().all(|stored| stored.room != *room), "it is in no list");
    for name in ["ada", "bob", "eve"] {
        let standing = store.standing(room, &user(name)).await.expect("a standing is read");
        assert_eq!(standing, Standing { deleted: epoch, ..Standing::default() });
        let rooms = store.rooms_of(&user(name), None, 100).await.expect("the rooms are read");
        assert!(rooms.iter().all(|(of_user, _)| of_user != room), "nor in anybody's");
    }
    assert_eq!(store.members(room, None, 10).await.expect("the members are read"), []);
    let all = (Offset(1), Offset(u64::from(u32::MAX)));
    assert_eq!(store.amendments(room, all, 10).await.expect("the index is read"), []);
    assert_eq!(store.threads(room, all).await.expect("the index is read"), []);
    let replies = store.replies(room, Offset(6), Direction::After(Offset::ZERO), 10).await;
    assert_eq!(replies.expect("the index is read"), []);
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Listener(Mutex<Vec<String>>);

impl Listener {
    fn note(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl CommitObserver for Listener {
    fn committed(&self, runs: &[Run]) {
        runs.iter()
            .for_each(|run| self.note(format!("{} from {} to {}", run.room(), run.first(), run.last())));
    }

    fn deleted(&self, room: &RoomId) {
        self.note(format!("{room} is deleted"));
    }

    fn failed(&self) {
        panic!("the store has not failed");
    }
}
