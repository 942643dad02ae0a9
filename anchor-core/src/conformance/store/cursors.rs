//! How far users have come: cursors rise, end with their log, and follow whoever writes.

use super::club::{Club, invite, kick};
use super::{
    Author, Factory, Reopen, Restore, WRITE_BATCH, ack_of, append_one, by_admin, room, start, user, write,
};
use crate::cursor::{CursorMove, Cursors, ReadMark, Readers};
use crate::event::{Draft, EventKind};
use crate::id::{RoomId, UserId};
use crate::position::{Epoch, Mark, Offset, Ordinal};
use crate::publish::{Ack, MissingRoom, Verdict};
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::store::{Place, Store, StoreExt};
use crate::user::{Direct, UserChange};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    whoever_writes_has_read(factory).await;
    what_is_not_appended_moves_nobody(factory).await;
    cursors_follow_authors_in_direct_rooms_and_in_none_of_the_server(factory).await;
    a_cursor_goes_to_the_furthest(factory).await;
    a_move_that_is_not_of_the_log_is_passed_over(factory).await;
    a_room_has_cursors_from_its_first_event_on(factory).await;
    cursors_of_a_room_are_told_in_the_order_of_users(factory).await;
    readers_are_counted_at_each_event(factory).await;
    who_has_left_is_not_counted(factory).await;
    cursors_go_with_a_deleted_room(factory).await;
    a_room_that_comes_and_goes_with_moves_in_between_leaves_none(factory).await;
    trimming_moves_no_cursor(factory).await;
    what_is_unread_is_a_subtraction(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    cursors_are_kept(factory).await;
    whoever_has_written_has_read_after_a_reopen(factory).await;
}

/// What is there of it after a backup was restored.
pub async fn test_restore(factory: &impl Restore) {
    cursors_go_on_in_the_history_after_a_restore(factory).await;
}

/// An event of any kind; nobody else is moved by it.
pub async fn whoever_writes_has_read(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (a, b) = (room("a"), room("b"));
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut bob = Author::open(&store, "bob", 1).await;
    assert_eq!(cursors(&store, "ada", &a).await, Cursors::default(), "nowhere before the first event");
    let own = write(&store, &mut ada, &a, (0..70).map(|n| n.to_string())).await;
    assert_eq!(cursors(&store, "ada", &a).await, written(&own[69]));
    let own_of_bob = write(&store, &mut bob, &a, (0..3).map(|n| n.to_string())).await;
    assert_eq!(cursors(&store, "ada", &a).await, written(&own[69]), "others do not move her");
    let reaction = ada.about(&store, &a, EventKind::REACTION, 71, "👍").await;
    let reaction = ack_of(append_one(&store, reaction).await);
    assert_eq!(reaction.mark.ordinal, own_of_bob[2].mark.ordinal, "a reaction is no message");
    assert_eq!(cursors(&store, "ada", &a).await, written(&reaction));
    // Two of them in one batch, one in two rooms, with several clients.
    let mut other = Author::open(&store, "ada", 2).await;
    let batch =
        vec![ada.message(&b, "1"), bob.message(&b, "2"), other.message(&a, "3"), ada.message(&b, "4")];
    let acks: Vec<_> = store.append(batch).await.expect("the append goes through");
    let acks: Vec<_> = acks.into_iter().map(ack_of).collect();
    let both = store.cursors(&user("ada"), &[b.clone(), room("nowhere"), a.clone()]).await;
    let both = both.expect("cursors are read");
    assert_eq!(both, [written(&acks[3]), Cursors::default(), written(&acks[2])], "in the order of the rooms");
    assert_eq!(cursors(&store, "bob", &b).await, written(&acks[1]));
    assert_eq!(cursors(&store, "bob", &a).await, written(&own_of_bob[2]));
}

/// A refusal and a repeat are no events.
pub async fn what_is_not_appended_moves_nobody(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut bob = Author::open(&store, "bob", 1).await;
    let first = ada.message(&a, "first");
    let ack = ack_of(append_one(&store, first.clone()).await);
    write(&store, &mut bob, &a, ["second".to_owned()]).await;
    assert!(ack_of(append_one(&store, first).await).duplicate);
    let mut refused = ada.next(&room("nowhere"), Draft::message("text"));
    refused.verdict = Verdict::Append { room: MissingRoom::Refuse };
    drop(super::refusal_of(append_one(&store, refused).await));
    assert_eq!(cursors(&store, "ada", &a).await, written(&ack));
    assert_eq!(cursors(&store, "ada", &room("nowhere")).await, Cursors::default());
}

/// Who speaks to everybody need not read it; who talks to one other does.
pub async fn cursors_follow_authors_in_direct_rooms_and_in_none_of_the_server(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    let announcements = RoomId::announcements();
    let ack = ack_of(append_one(&store, by_admin(ada.message(&announcements, "to all"))).await);
    assert_eq!(cursors(&store, "ada", &announcements).await, Cursors::default());
    assert_eq!(room_cursors(&store, &announcements).await, []);
    let read = Cursors { read: ack.mark.into(), ..Cursors::default() };
    make(&store, &[(&announcements, "bob", read)]).await;
    let of_bob = Cursors { delivered: ack.mark.offset, ..read };
    assert_eq!(
        room_cursors(&store, &announcements).await,
        [(user("bob"), of_bob)],
        "whoever has read it has"
    );
    let open = UserChange::Direct(Direct::Everyone);
    assert!(store.change_user(&user("bob"), open).await.expect("the user is changed").is_ok());
    let direct = RoomId::direct(ada.user(), &user("bob"));
    let (kind, settings) = (RoomKind::Direct, Settings::default());
    let create = RoomChange::Create { kind, settings, user: Some(user("bob")) };
    drop(ack_of(append_one(&store, ada.room(&direct, &create)).await));
    let ack = ack_of(append_one(&store, ada.message(&direct, "hello")).await);
    assert_eq!(room_cursors(&store, &direct).await, [(user("ada"), written(&ack))]);
}

/// Each of the three by itself; what is read has been delivered; nothing goes back, by whatever way.
pub async fn a_cursor_goes_to_the_furthest(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &a, (0..20).map(|n| n.to_string())).await;
    let at = |offset: usize| ReadMark::from(acks[offset - 1].mark);
    let (none, zero) = (Cursors::default(), ReadMark::default());
    let of = |delivered: u64, read: usize, shown: u64| Cursors {
        delivered: Offset(delivered),
        read: if read == 0 { zero } else { at(read) },
        shown: Offset(shown),
    };
    for (moved, expected) in [
        (of(5, 0, 0), of(5, 0, 0)),
        (of(3, 0, 0), of(5, 0, 0)),
        (of(0, 3, 3), of(5, 3, 3)),
        (of(0, 7, 0), of(7, 7, 3)),
        (of(6, 2, 2), of(7, 7, 3)),
        (of(0, 0, 6), of(7, 7, 6)),
        (none, of(7, 7, 6)),
        (of(20, 20, 20), of(20, 20, 20)),
        (of(1, 1, 1), of(20, 20, 20)),
    ] {
        make(&store, &[(&a, "bob", moved)]).await;
        assert_eq!(cursors(&store, "bob", &a).await, expected, "{moved:?}");
    }
    make(&store, &[(&a, "eve", of(4, 4, 4)), (&a, "eve", of(2, 2, 2)), (&a, "zoe", of(1, 0, 0))]).await;
    assert_eq!(cursors(&store, "eve", &a).await, of(4, 4, 4), "several moves of one call");
    assert_eq!(cursors(&store, "zoe", &a).await, of(1, 0, 0));
    make(&store, &[(&a, "ada", of(2, 2, 2))]).await;
    assert_eq!(cursors(&store, "ada", &a).await, of(20, 20, 20), "who wrote it has read it");
    make(&store, &[]).await;
    // What somebody writes behind what was read and kept from others shows it.
    let mut zoe = Author::open(&store, "zoe", 1).await;
    make(&store, &[(&a, "zoe", of(9, 9, 0))]).await;
    let next = ack_of(append_one(&store, zoe.message(&a, "next")).await);
    assert_eq!(cursors(&store, "zoe", &a).await, written(&next));
}

/// Of another epoch, beyond the head, in no room: nobody is moved, and nobody else is kept from moving.
pub async fn a_move_that_is_not_of_the_log_is_passed_over(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &a, (0..9).map(|n| n.to_string())).await;
    let (epoch, head) = (acks[8].epoch, ReadMark::from(acks[8].mark));
    let beyond = ReadMark { offset: head.offset.next(), ordinal: Ordinal(head.ordinal.0 + 1) };
    let more = ReadMark { ordinal: beyond.ordinal, ..head };
    let sound = Cursors { delivered: Offset(4), ..Cursors::default() };
    let other = Epoch::from_bytes([0xee; 8]);
    let of =
        |room: &RoomId, epoch, name: &str, to| CursorMove { room: room.clone(), epoch, user: user(name), to };
    let moves = vec![
        of(&a, other, "bob", sound),
        of(&room("nowhere"), epoch, "bob", sound),
        of(&a, epoch, "bob", Cursors { delivered: beyond.offset, ..sound }),
        of(&a, epoch, "bob", Cursors { read: beyond, ..sound }),
        of(&a, epoch, "bob", Cursors { read: more, ..sound }),
        of(&a, epoch, "bob", Cursors { shown: beyond.offset, ..sound }),
        of(&a, epoch, "bob", Cursors::default()),
        of(&a, epoch, "eve", sound),
    ];
    store.move_cursors(moves).await.expect("cursors are moved");
    assert_eq!(cursors(&store, "bob", &a).await, Cursors::default());
    assert_eq!(cursors(&store, "bob", &room("nowhere")).await, Cursors::default());
    assert_eq!(room_cursors(&store, &room("nowhere")).await, []);
    let expected = [(user("ada"), written(&acks[8])), (user("eve"), sound)];
    assert_eq!(room_cursors(&store, &a).await, expected, "who has come nowhere is not among them");
}

/// Who has just been told of it may say so.
pub async fn a_room_has_cursors_from_its_first_event_on(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    for name in ["a", "b", "c"] {
        let room = room(name);
        let first = ack_of(append_one(&store, ada.message(&room, "first")).await);
        let read = Cursors { delivered: first.mark.offset, read: first.mark.into(), shown: Offset::ZERO };
        make(&store, &[(&room, "bob", read)]).await;
        assert_eq!(cursors(&store, "bob", &room).await, read);
        let second = ack_of(append_one(&store, ada.message(&room, "second")).await);
        let both = [(user("ada"), written(&second)), (user("bob"), read)];
        assert_eq!(room_cursors(&store, &room).await, both);
    }
}

/// As many as are asked for, behind the user that is named; each with what was moved and written together.
pub async fn cursors_of_a_room_are_told_in_the_order_of_users(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (a, b) = (room("a"), room("b"));
    let mut expected = Vec::new();
    for n in 0..9 {
        let name = format!("user {n}");
        let mut author = Author::open(&store, &name, 1).await;
        let mut ack = ack_of(append_one(&store, author.message(&a, "text")).await);
        drop(ack_of(append_one(&store, author.message(&b, "text")).await));
        if n % 3 == 0 {
            ack = ack_of(append_one(&store, author.message(&a, "more")).await);
        }
        expected.push((user(&name), written(&ack)));
    }
    let head = store.room(&a).await.expect("the state is read").expect("the room is there").head;
    for n in [1, 2, 6] {
        let moved = Cursors { delivered: head.offset, ..Cursors::default() };
        make(&store, &[(&a, &format!("user {n}"), moved)]).await;
        expected[n].1 = expected[n].1.max(moved);
    }
    let aside = Cursors { delivered: Offset(1), ..Cursors::default() };
    make(&store, &[(&a, "between", aside), (&a, "zoe", aside)]).await;
    expected.insert(0, (user("between"), aside));
    expected.push((user("zoe"), aside));
    for limit in [1, 2, 4, 11, 100] {
        let mut told: Vec<(UserId, Cursors)> = Vec::new();
        loop {
            let after = told.last().map(|(user, _)| user.clone());
            let page = store.room_cursors(&a, after.as_ref(), limit).await.expect("cursors are read");
            assert!(page.len() <= limit, "no more than asked for");
            if page.is_empty() {
                break;
            }
            told.extend(page);
        }
        assert_eq!(told, expected, "{limit} at a time");
    }
    let behind = store.room_cursors(&a, Some(&user("user 44")), 2).await.expect("cursors are read");
    assert_eq!(behind, expected[6..8], "the user that is named need not be among them");
    assert_eq!(store.room_cursors(&a, None, 0).await.expect("cursors are read"), []);
}

/// In whatever order the offsets are asked for; one who reads and does not say so has it delivered.
pub async fn readers_are_counted_at_each_event(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &a, (0..30).map(|n| n.to_string())).await;
    let mut moves = Vec::new();
    for n in 1..=20_usize {
        let read = acks[n - 1].mark;
        let shown = if n % 4 == 0 { Offset::ZERO } else { read.offset };
        let delivered = Offset(read.offset.0 + 5);
        moves.push((format!("user {n:02}"), Cursors { delivered, read: read.into(), shown }));
    }
    let named: Vec<_> = moves.iter().map(|(name, to)| (&a, name.as_str(), *to)).collect();
    make(&store, &named).await;
    let mut bob = Author::open(&store, "user 03", 1).await;
    drop(ack_of(append_one(&store, bob.message(&a, "31")).await));
    let all = room_cursors(&store, &a).await;
    assert_eq!(all.len(), 21);
    let offsets = [31, 1, 5, 5, 6, 30, 0, 25, 26, 99].map(Offset);
    let expected: Vec<_> = offsets
        .iter()
        .map(|offset| Readers {
            delivered: all.iter().filter(|(_, cursors)| cursors.delivered >= *offset).count() as u64,
            read: all.iter().filter(|(_, cursors)| cursors.shown >= *offset).count() as u64,
        })
        .collect();
    assert_eq!(expected[0], Readers { delivered: 1, read: 1 }, "who wrote it");
    assert_eq!(store.count_readers(&a, &offsets).await.expect("readers are counted"), expected);
    assert_eq!(store.count_readers(&a, &[]).await.expect("readers are counted"), []);
    let nobody = store.count_readers(&room("nowhere"), &offsets[..2]).await.expect("readers are counted");
    assert_eq!(nobody, [Readers::default(); 2]);
}

/// Nor who was asked in, or was never named; who comes again is, as far as before.
pub async fn who_has_left_is_not_counted(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let a = club.room.clone();
    let here = ack_of(append_one(&store, club.ada.message(&a, "text")).await).mark;
    let all = ["bob", "eve", "guest", "zoe"].map(|name| (&a, name, Cursors::written(here)));
    make(&store, &all).await;
    let count = async || store.count_readers(&a, &[here.offset]).await.expect("readers are counted")[0];
    let readers = |count| Readers { delivered: count, read: count };
    assert_eq!(count().await, readers(3), "the members");
    club.change(&store, &kick("bob")).await;
    club.change(&store, &invite("zoe")).await;
    assert_eq!(count().await, readers(2), "he is none any more, and she is not yet");
    // What is said meanwhile goes to the pages.
    write(&store, &mut club.ada, &a, (0..40).map(|n| n.to_string())).await;
    assert_eq!(count().await, readers(2));
    drop(ack_of(append_one(&store, club.eve.membership(&a, &MembershipChange::Leave)).await));
    assert_eq!(count().await, readers(1), "though the newest event is her own");
    club.change(&store, &invite("bob")).await;
    drop(ack_of(append_one(&store, club.bob.membership(&a, &MembershipChange::Accept)).await));
    assert_eq!(count().await, readers(2));
}

/// Whoever comes into the room after it has read nothing of that.
pub async fn cursors_go_with_a_deleted_room(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    for is_at_once in [false, true] {
        drop(ack_of(append_one(&store, ada.begins(&a)).await));
        let acks = write(&store, &mut ada, &a, (0..40).map(|n| n.to_string())).await;
        let before = acks.last().expect("forty were written").clone();
        make(&store, &[(&a, "bob", Cursors::written(before.mark))]).await;
        let delete = by_admin(ada.room(&a, &RoomChange::Delete));
        if is_at_once {
            let anew = vec![delete, ada.begins(&a)];
            drop(store.append(anew).await.expect("the append goes through"));
        } else {
            drop(ack_of(append_one(&store, delete).await));
            assert_eq!(room_cursors(&store, &a).await, []);
            assert_eq!(cursors(&store, "ada", &a).await, Cursors::default());
            let counted = store.count_readers(&a, &[Offset(1)]).await.expect("readers are counted");
            assert_eq!(counted, [Readers::default()]);
            drop(ack_of(append_one(&store, ada.begins(&a)).await));
        }
        let first = store.room(&a).await.expect("the state is read").expect("the room is there").head;
        assert_eq!(room_cursors(&store, &a).await, [(user("ada"), Cursors::written(first))]);
        // What was read of the one that is gone says nothing about this one.
        let to = Cursors { delivered: Offset(1), ..Cursors::default() };
        let late = CursorMove { room: a.clone(), epoch: before.epoch, user: user("bob"), to };
        store.move_cursors(vec![late]).await.expect("cursors are moved");
        assert_eq!(cursors(&store, "bob", &a).await, Cursors::default());
        make(&store, &[(&a, "eve", to)]).await;
        assert_eq!(cursors(&store, "eve", &a).await, to);
        drop(ack_of(append_one(&store, by_admin(ada.room(&a, &RoomChange::Delete))).await));
    }
}

/// However soon it comes and goes.
pub async fn a_room_that_comes_and_goes_with_moves_in_between_leaves_none(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let to = Cursors { delivered: Offset(1), ..Cursors::default() };
    for life in 0..5 {
        let ack = ack_of(append_one(&store, ada.begins(&a)).await);
        assert_eq!(room_cursors(&store, &a).await, [(user("ada"), written(&ack))], "life {life}");
        if life % 2 == 0 {
            make(&store, &[(&a, "bob", to)]).await;
            let both = [(user("ada"), written(&ack)), (user("bob"), to)];
            assert_eq!(room_cursors(&store, &a).await, both, "life {life}");
        }
        drop(ack_of(append_one(&store, by_admin(ada.room(&a, &RoomChange::Delete))).await));
        assert_eq!(room_cursors(&store, &a).await, []);
    }
}

/// What was read was read.
pub async fn trimming_moves_no_cursor(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &a, (0..100).map(|n| n.to_string())).await;
    let read = Cursors { read: acks[9].mark.into(), delivered: Offset(80), shown: Offset(10) };
    make(&store, &[(&a, "bob", read)]).await;
    for horizon in [50, 101] {
        store.trim_newest(&a, Offset(horizon)).await.expect("the room is trimmed");
        let all = [(user("ada"), written(&acks[99])), (user("bob"), read)];
        assert_eq!(room_cursors(&store, &a).await, all);
    }
}

/// Head less cursor, whatever lies between is no message.
pub async fn what_is_unread_is_a_subtraction(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    write(&store, &mut ada, &a, (0..WRITE_BATCH).map(|n| n.to_string())).await;
    for target in 1..=9 {
        let publish = match target % 3 {
            0 => ada.message(&a, "a message"),
            _ => ada.about(&store, &a, EventKind::REACTION, target, "👍").await,
        };
        drop(ack_of(append_one(&store, publish).await));
    }
    let events = store.read_all(&a).await.expect("the log is read");
    let head = store.room(&a).await.expect("the state is read").expect("the room is there").head;
    for offset in (1..=head.offset.0).step_by(3) {
        let place = store.locate(&a, Place::Offset(Offset(offset))).await.expect("a place is looked up");
        let mark = place.expect("it is within the log");
        make(&store, &[(&a, "bob", Cursors { read: mark.into(), ..Cursors::default() })]).await;
        let behind = events.iter().filter(|event| event.offset.0 > offset);
        let unread = behind.filter(|event| event.kind == EventKind::MESSAGE).count() as u64;
        assert_eq!(cursors(&store, "bob", &a).await.read.unread(head.ordinal), unread, "behind {offset}");
    }
    assert_eq!(cursors(&store, "ada", &a).await.read.unread(head.ordinal), 0, "one's own is never unread");
}

/// Those that were moved and those that were written, in a room that had just begun, too.
pub async fn cursors_are_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let (a, b) = (room("a"), room("b"));
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &a, (0..100).map(|n| n.to_string())).await;
    let mut to = Cursors { read: acks[20].mark.into(), delivered: Offset(70), shown: Offset(3) };
    make(&store, &[(&a, "bob", to)]).await;
    let first = ack_of(append_one(&store, ada.message(&b, "first")).await);
    make(&store, &[(&b, "bob", written(&first))]).await;
    for n in 0..3_u64 {
        store = factory.reopen(store, &env).await;
        assert_eq!(room_cursors(&store, &a).await, [(user("ada"), written(&acks[99])), (user("bob"), to)]);
        let both = [(user("ada"), written(&first)), (user("bob"), written(&first))];
        assert_eq!(room_cursors(&store, &b).await, both);
        assert_eq!(cursors(&store, "bob", &a).await, to);
        let counted = store.count_readers(&a, &[Offset(70)]).await.expect("readers are counted");
        assert_eq!(counted[0].delivered, 2);
        to = to.max(Cursors { delivered: Offset(71 + n), ..Cursors::default() });
        make(&store, &[(&a, "bob", to)]).await;
        make(&store, &[(&a, "bob", Cursors { delivered: Offset(1), ..Cursors::default() })]).await;
    }
}

/// Also where nothing but the log could tell.
pub async fn whoever_has_written_has_read_after_a_reopen(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let a = room("a");
    for n in 0..4 {
        let mut authors = [Author::open(&store, "ada", 1).await, Author::open(&store, "bob", 1).await];
        authors[0].hello(&store).await;
        let mut expected = Vec::new();
        for author in &mut authors {
            let text = Draft::message(format!("in process {n}"));
            let ack = ack_of(append_one(&store, author.publish(n + 1, &a, text)).await);
            expected.push((author.user().clone(), written(&ack)));
        }
        assert_eq!(room_cursors(&store, &a).await, expected);
        store = factory.reopen(store, &env).await;
        assert_eq!(room_cursors(&store, &a).await, expected);
    }
}

/// They stay where they are; from then on those of the new history count.
pub async fn cursors_go_on_in_the_history_after_a_restore(factory: &impl Restore) {
    let (store, env) = start(factory).await;
    let a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &a, (0..10).map(|n| n.to_string())).await;
    let read = Cursors { read: acks[4].mark.into(), delivered: Offset(7), shown: Offset(5) };
    make(&store, &[(&a, "bob", read)]).await;
    let store = factory.restore(store, &env).await;
    let both = [(user("ada"), written(&acks[9])), (user("bob"), read)];
    assert_eq!(room_cursors(&store, &a).await, both);
    let to = Cursors::written(acks[7].mark);
    let old = CursorMove { room: a.clone(), epoch: acks[7].epoch, user: user("bob"), to };
    store.move_cursors(vec![old]).await.expect("cursors are moved");
    assert_eq!(cursors(&store, "bob", &a).await, read, "a move in the history of before is passed over");
    make(&store, &[(&a, "bob", to)]).await;
    assert_eq!(cursors(&store, "bob", &a).await, to);
    ada.hello(&store).await;
    let next = ack_of(append_one(&store, ada.message(&a, "next")).await);
    assert_eq!(cursors(&store, "ada", &a).await, written(&next));
}

fn written(ack: &Ack) -> Cursors {
    let Mark { offset, ordinal, .. } = ack.mark;
    Cursors { delivered: offset, read: ReadMark { offset, ordinal }, shown: offset }
}

async fn cursors(store: &dyn Store, name: &str, room: &RoomId) -> Cursors {
    let cursors = store.cursors(&user(name), std::slice::from_ref(room)).await.expect("cursors are read");
    assert_eq!(cursors.len(), 1, "as many as rooms");
    cursors[0]
}

async fn room_cursors(store: &dyn Store, room: &RoomId) -> Vec<(UserId, Cursors)> {
    let told = store.room_cursors(room, None, usize::MAX).await.expect("cursors are read");
    for (user, of_user) in &told {
        let alone = store.cursors(user, std::slice::from_ref(room)).await.expect("cursors are read");
        assert_eq!(alone, [*of_user], "the same, whoever is asked about");
    }
    told
}

/// Makes moves in the newest epochs of their rooms.
async fn make(store: &dyn Store, moves: &[(&RoomId, &str, Cursors)]) {
    let mut named = Vec::new();
    for (room, name, to) in moves {
        let state = store.room(room).await.expect("the state is read").expect("the room is there");
        named.push(CursorMove { room: (*room).clone(), epoch: state.epoch(), user: user(name), to: *to });
    }
    store.move_cursors(named).await.expect("cursors are moved");
}
