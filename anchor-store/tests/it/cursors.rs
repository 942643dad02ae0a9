//! Cursors and records beside the journal: when they are written, and what a full disk, a copy and the end make of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anchor::System;
use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_core::conformance::store::by_admin;
use anchor_core::cursor::{CursorMove, Cursors, ReadMark};
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Offset, Ordinal};
use anchor_core::publish::Publish;
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::room::RoomKind;
use anchor_core::room::change::{RoomChange, Settings};
use anchor_core::store::{Store, StoreError};
use anchor_sim::disk::{Disk, Power};
use anchor_store::{Options, RedbStore, Step, check, check_backends, compact, restore_backends};
use futures::FutureExt;
use futures::executor::block_on;
use redb::{Database, TableDefinition};

use crate::crash::fork;
use crate::support::{acked, append_stepped, client, publish, room};

const CURSORS: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("cursors");

/// Every commit is a cut of its own.
fn hurried() -> Options {
    RedbStore::options().page_step(1, 1)
}

fn bob() -> UserId {
    client(200).user
}

/// Cursors of somebody who has read so many messages of a room, which has nothing else.
fn read(messages: u64) -> Cursors {
    let read = ReadMark { offset: Offset(messages), ordinal: Ordinal(messages) };
    Cursors { delivered: read.offset, read, shown: Offset::ZERO }
}

fn to(store: &RedbStore, room: &RoomId, to: Cursors) -> CursorMove {
    let epoch = block_on(store.room(room)).unwrap().unwrap().epoch();
    CursorMove { room: room.clone(), epoch, user: bob(), to }
}

fn cursors(store: &RedbStore, room: &RoomId, user: &UserId) -> Cursors {
    block_on(store.cursors(user, std::slice::from_ref(room))).unwrap()[0]
}

fn put(name: &str, value: &[u8]) -> RecordWrite {
    RecordWrite { guard: None, puts: vec![(RecordKey::new(name).unwrap(), Some(value.to_vec()))] }
}

fn deletion(number: u64, room: &RoomId) -> Publish {
    let draft = Draft { kind: EventKind::ROOM, target: None, body: RoomChange::Delete.to_body() };
    by_admin(Publish { draft, ..publish(&client(1), number, room, "") })
}

fn creation(number: u64, room: &RoomId) -> Publish {
    let change = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    let draft = Draft { kind: EventKind::ROOM, target: None, body: change.to_body() };
    Publish { draft, ..publish(&client(1), number, room, "") }
}

fn fresh() -> (Power, Disk, Disk) {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    (power, journal, pages)
}

fn open(options: Options, journal: &Disk, pages: &Disk) -> RedbStore {
    options.open_stepped(journal.attach(), pages.attach(), TestEnvironment::new(1)).unwrap()
}

#[test]
fn they_go_with_the_next_page_step_and_are_answered_after_it() {
    let (power, journal, pages) = fresh();
    let store = open(hurried(), &journal, &pages);
    let (a, b) = (room("a"), room("b"));
    for (number, room) in [(1, &a), (2, &a), (3, &b)] {
        append_stepped(&store, vec![publish(&client(1), number, room, "text")]).unwrap();
    }
    let mut moved = store.move_cursors(vec![to(&store, &a, read(2)), to(&store, &b, read(1))]);
    let mut written = store.write_records(put("record", b"1"));
    assert_eq!(store.step_writer().unwrap(), Step::Idle, "no append waits for it");
    assert!((&mut moved).now_or_never().is_none() && (&mut written).now_or_never().is_none());
    assert_eq!(cursors(&store, &a, &bob()), Cursors::default(), "what is told is durable");
    assert!(store.pager_has_work());
    assert_eq!(store.step_pager().unwrap(), Step::Worked);
    assert_eq!(moved.now_or_never().unwrap().unwrap(), ());
    assert_eq!(written.now_or_never().unwrap().unwrap(), Written::Done);
    assert_eq!(cursors(&store, &a, &bob()), read(2), "though no page has the second event");
    assert_eq!(cursors(&store, &b, &bob()), read(1), "nor any of this room");
    power.crash(&mut SplitMix64::new(1));
    drop(store);
    let store = open(hurried(), &journal, &pages);
    assert_eq!((cursors(&store, &a, &bob()), cursors(&store, &b, &bob())), (read(2), read(1)));
    for room in [&a, &b] {
        let head = block_on(store.room(room)).unwrap().unwrap().head;
        assert_eq!(cursors(&store, room, &client(1).user), Cursors::written(head));
    }
    assert_eq!(block_on(store.record(&RecordKey::new("record").unwrap())).unwrap(), Some(b"1".to_vec()));
    while store.step_pager().unwrap() == Step::Worked {}
    assert_eq!((cursors(&store, &a, &bob()), cursors(&store, &b, &bob())), (read(2), read(1)));
    store.close();
    check_sound(&journal, &pages);
}

/// A number that waits for a room is given up with the room: nothing of it comes back under the next one.
#[test]
fn rooms_that_go_before_the_pages_know_them_leave_no_cursors() {
    for anew in [0, 1, 2] {
        let (_power, journal, pages) = fresh();
        let store = open(hurried(), &journal, &pages);
        let (aside, a) = (room("aside"), room("a"));
        append_stepped(&store, vec![publish(&client(2), 1, &aside, "text")]).unwrap();
        append_stepped(&store, vec![publish(&client(1), 1, &a, "first")]).unwrap();
        let moved = store.move_cursors(vec![to(&store, &a, read(1))]);
        assert_eq!(store.step_pager().unwrap(), Step::Worked);
        moved.now_or_never().unwrap().unwrap();
        assert_eq!(cursors(&store, &a, &bob()), read(1));
        append_stepped(&store, vec![deletion(2, &a)]).unwrap();
        assert_eq!(cursors(&store, &a, &bob()), Cursors::default());
        if anew > 0 {
            append_stepped(&store, vec![creation(3, &a)]).unwrap();
            assert_eq!(cursors(&store, &a, &bob()), Cursors::default());
        }
        if anew > 1 {
            let delivered = Cursors { delivered: Offset(1), ..Cursors::default() };
            let moved = store.move_cursors(vec![to(&store, &a, delivered)]);
            assert_eq!(store.step_pager().unwrap(), Step::Worked);
            moved.now_or_never().unwrap().unwrap();
            assert_eq!(cursors(&store, &a, &bob()), delivered);
        }
        let (_, journal_then, pages_then) = fork(&journal, &pages);
        store.close();
        for (journal, pages) in [(journal_then, pages_then), (journal, pages)] {
            let store = open(hurried(), &journal, &pages);
            while store.step_pager().unwrap() == Step::Worked {}
            let expected = Cursors { delivered: Offset(u64::from(anew > 1)), ..Cursors::default() };
            assert_eq!(cursors(&store, &a, &bob()), expected);
            let in_a = block_on(store.room_cursors(&a, None, 9)).unwrap();
            assert_eq!(in_a.len(), anew.min(2), "{in_a:?}");
            store.close();
            check_sound(&journal, &pages);
        }
    }
}

/// In a copy the pages are newer than the journal: whoever had come further than what was saved has read up to that.
#[test]
pub(crate) fn in_a_restored_copy_nobody_has_come_further_than_the_log() {
    let (_power, journal, pages) = fresh();
    let store = open(hurried(), &journal, &pages);
    let (a, late) = (room("a"), room("late"));
    append_stepped(&store, vec![publish(&client(1), 1, &a, "first")]).unwrap();
    let (_, journal_copy, _) = fork(&journal, &pages);
    for (number, room) in [(2, &a), (3, &late)] {
        append_stepped(&store, vec![publish(&client(1), number, room, "more")]).unwrap();
    }
    let moved = store.move_cursors(vec![to(&store, &a, read(2)), to(&store, &late, read(1))]);
    assert_eq!(store.step_pager().unwrap(), Step::Worked);
    moved.now_or_never().unwrap().unwrap();
    let (_, _, pages_copy) = fork(&journal, &pages);
    drop(store);
    restore_backends(journal_copy.attach(), pages_copy.attach(), TestEnvironment::new(3)).unwrap();
    let store = open(hurried(), &journal_copy, &pages_copy);
    assert_eq!(block_on(store.room(&a)).unwrap().unwrap().head.offset, Offset(1));
    assert_eq!(cursors(&store, &a, &bob()), read(1));
    assert_eq!(cursors(&store, &late, &bob()), Cursors::default());
    // Somebody writes what was lost in other words: it is unread.
    append_stepped(&store, vec![publish(&client(1), 2, &a, "other"), publish(&client(1), 3, &late, "other")])
        .unwrap();
    let head = block_on(store.room(&a)).unwrap().unwrap().head;
    assert_eq!(cursors(&store, &a, &bob()).read.unread(head.ordinal), 1);
    assert_eq!(cursors(&store, &late, &bob()), Cursors::default());
    store.close();
    check_sound(&journal_copy, &pages_copy);
}

/// They wait for room, and no more of them than there may be: then callers are told at once.
#[test]
fn on_a_full_disk_they_wait_in_a_bounded_line() {
    let free = Arc::new(AtomicU64::new(1 << 40));
    let told = Arc::clone(&free);
    let (power, journal, pages) = fresh();
    let options = RedbStore::options().free_bytes(move || Ok(told.load(Ordering::Relaxed)));
    let store = open(options, &journal, &pages);
    let a = room("a");
    append_stepped(&store, vec![publish(&client(1), 1, &a, "text")]).unwrap();
    free.store((256 << 20) - 1, Ordering::Relaxed);
    let syncs = power.counts().syncs;
    let moved = store.move_cursors(vec![to(&store, &a, read(1)); 65_535]);
    let written = store.write_records(put("record", b"1"));
    assert!(store.pager_has_work());
    assert_eq!(store.step_pager().unwrap(), Step::Waiting);
    let refused = store.move_cursors(vec![to(&store, &a, read(1))]).now_or_never();
    assert!(matches!(refused, Some(Err(StoreError::Unavailable { .. }))), "{refused:?}");
    let refused = store.write_records(put("other", b"1")).now_or_never();
    assert!(matches!(refused, Some(Err(StoreError::Unavailable { .. }))), "{refused:?}");
    assert_eq!(power.counts().syncs, syncs, "nothing was written");
    assert_eq!(cursors(&store, &a, &bob()), Cursors::default());
    free.store(256 << 20, Ordering::Relaxed);
    while store.step_pager().unwrap() == Step::Worked {}
    moved.now_or_never().unwrap().unwrap();
    assert_eq!(written.now_or_never().unwrap().unwrap(), Written::Done);
    assert_eq!(cursors(&store, &a, &bob()), read(1));
    assert_eq!(block_on(store.records("", None, 9)).unwrap().len(), 1, "what was refused was not written");
}

/// What was handed over by then is there; what comes later is answered.
#[test]
fn a_close_writes_what_was_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    let a = room("a");
    for round in 1..=3 {
        let store = RedbStore::open(dir.path(), System).unwrap();
        acked(&block_on(store.append(vec![publish(&client(1), round, &a, "text")])).unwrap()[0]);
        let handed: Vec<_> = (0..200)
            .map(|n| {
                let moved = store.move_cursors(vec![to(&store, &a, read(round))]);
                (moved, store.write_records(put(&format!("{round}/{n}"), b"x")))
            })
            .collect();
        store.close();
        let late = store.write_records(put("late", b"x"));
        assert!(matches!(block_on(late), Err(StoreError::Closed)));
        for (moved, written) in handed {
            block_on(moved).unwrap();
            assert_eq!(block_on(written).unwrap(), Written::Done);
        }
        let store = RedbStore::open(dir.path(), System).unwrap();
        assert_eq!(cursors(&store, &a, &bob()), read(round));
        let records = block_on(store.records("", None, usize::MAX)).unwrap();
        assert_eq!(records.len() as u64, 200 * round);
        store.close();
    }
    assert_eq!(check(dir.path(), System).unwrap().problems, Vec::<String>::new());
}

/// An idle store writes at once, and goes on paging behind it.
#[tokio::test]
async fn threads_write_them_without_being_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    let a = room("a");
    for round in 1..=50 {
        acked(&store.append(vec![publish(&client(1), round, &a, "text")]).await.unwrap()[0]);
        store.move_cursors(vec![to(&store, &a, read(round))]).await.unwrap();
        assert_eq!(cursors(&store, &a, &bob()), read(round));
        let guard =
            Some((RecordKey::new("n").unwrap(), (round > 1).then(|| (round - 1).to_be_bytes().to_vec())));
        let write = RecordWrite { guard, ..put("n", &round.to_be_bytes()) };
        assert_eq!(store.write_records(write.clone()).await.unwrap(), Written::Done);
        assert_eq!(store.write_records(write).await.unwrap(), Written::GuardFailed);
    }
    store.close();
    assert!(matches!(store.cursors(&bob(), &[a]).await, Err(StoreError::Closed)));
}

#[test]
fn a_store_that_fails_answers_what_waits() {
    let (power, journal, pages) = fresh();
    let store = open(hurried(), &journal, &pages);
    let a = room("a");
    append_stepped(&store, vec![publish(&client(1), 1, &a, "text")]).unwrap();
    let (moved, written) =
        (store.move_cursors(vec![to(&store, &a, read(1))]), store.write_records(put("a", b"")));
    power.turn_off();
    assert!(store.step_pager().is_err());
    assert!(matches!(block_on(moved), Err(StoreError::Failed { .. })));
    assert!(matches!(block_on(written), Err(StoreError::Failed { .. })));
    assert!(matches!(block_on(store.write_records(put("a", b""))), Err(StoreError::Failed { .. })));
}

/// Also where everything is copied, because something was deleted.
#[test]
fn they_outlive_a_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let (a, gone) = (room("a"), room("gone"));
    let store = RedbStore::open(dir.path(), System).unwrap();
    block_on(store.append(vec![publish(&client(1), 1, &a, "text"), publish(&client(1), 2, &gone, "text")]))
        .unwrap();
    block_on(store.move_cursors(vec![to(&store, &a, read(1)), to(&store, &gone, read(1))])).unwrap();
    assert_eq!(block_on(store.write_records(put("record", b"1"))).unwrap(), Written::Done);
    block_on(store.append(vec![deletion(3, &gone)])).unwrap();
    store.close();
    for _ in 0..2 {
        compact(dir.path(), System).unwrap();
        let store = RedbStore::open(dir.path(), System).unwrap();
        assert_eq!(
            (cursors(&store, &a, &bob()), cursors(&store, &gone, &bob())),
            (read(1), Cursors::default())
        );
        assert_eq!(block_on(store.records("", None, 9)).unwrap().len(), 1);
        store.close();
        assert_eq!(check(dir.path(), System).unwrap().problems, Vec::<String>::new());
    }
}

/// A check names each of the ways in which a row can be wrong.
#[test]
fn a_check_finds_cursors_that_do_not_fit_their_log() {
    let row = |numbers: [u8; 4]| [&[0x94][..], &numbers].concat();
    for (number, user, row, problem) in [
        (1, "user-200", Some(row([9, 9, 9, 0])), "has come further than the log goes"),
        (1, "user-200", Some(row([2, 2, 1, 2])), "has read Ordinal(1) messages"),
        (1, "user-1", Some(row([2, 1, 1, 1])), "has not read what user-1 wrote"),
        (1, "user-1", None, "has not read what user-1 wrote"),
        (7, "user-1", Some(row([1, 1, 1, 1])), "has cursors in number 7"),
        (1, "user-1", Some(vec![0xc0]), "the cursors of user-1"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = RedbStore::open(dir.path(), System).unwrap();
        for number in 1..=3 {
            block_on(store.append(vec![publish(&client(1), number, &room("a"), "text")])).unwrap();
        }
        store.close();
        drop(store);
        let pages = Database::create(dir.path().join("pages.redb")).unwrap();
        let transaction = pages.begin_write().unwrap();
        {
            let mut cursors = transaction.open_table(CURSORS).unwrap();
            match row {
                Some(row) => drop(cursors.insert((number, user), row.as_slice()).unwrap()),
                None => drop(cursors.remove((number, user)).unwrap()),
            }
        }
        transaction.commit().unwrap();
        drop(pages);
        let problems = check(dir.path(), System).unwrap().problems;
        assert!(problems.len() == 1 && problems[0].contains(problem), "{problems:?}, not {problem}");
    }
}

fn check_sound(journal: &Disk, pages: &Disk) {
    let report = check_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}
