//! A body that was redacted is read no more once that is acknowledged, wherever it was; compacted away, it is in no file.

use std::fs;
use std::path::Path;

use anchor::System;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::store::by_admin;
use anchor_core::event::{Draft, Event, EventKind};
use anchor_core::id::RoomId;
use anchor_core::msgpack::Reader;
use anchor_core::position::{Mark, Offset};
use anchor_core::publish::Publish;
use anchor_core::room::change::RoomChange;
use anchor_core::store::{Direction, Read, Store, StoreExt};
use anchor_sim::disk::{At, Disk, Fault, Power};
use anchor_store::{RedbStore, check, check_backends, compact};
use futures::executor::block_on;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::support::{Notes, acked, append_stepped, client, lock, publish, room, waiting_from};
use crate::targets::{about, check as check_index, rows};

/// What nobody may read any more.
const SECRET: &str = "the treasure lies under the third palm tree";

fn says(seq: u64, room: &RoomId, text: &str) -> Publish {
    waiting_from(seq, publish(&client(1), seq, room, text))
}

fn redacts(store: &RedbStore, seq: u64, room: &RoomId, target: u64) -> Publish {
    about(store, seq, room, EventKind::REDACTION, target, "")
}

/// True if somebody who reads a room, from wherever, is given the secret.
fn is_read(store: &RedbStore, room: &RoomId) -> bool {
    let head = block_on(store.room(room)).unwrap().unwrap().head.offset.0;
    let mut is_read = false;
    for offset in (0..=head + 1).map(Offset) {
        for from in [Direction::After(offset), Direction::Before(offset)] {
            for events_max in [1, 20, 1_000] {
                let read = Read { room: room.clone(), from, events_max, bytes_max: 1 << 20 };
                let runs = block_on(store.read(read)).unwrap();
                is_read |= runs.iter().any(|run| contains(run.encoded(), SECRET.as_bytes()));
            }
        }
    }
    is_read
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Says `before` things, then the secret and an edit of it with `between` things between, then `behind` more.
fn tell(
    store: &RedbStore,
    room: &RoomId,
    before: u64,
    between: u64,
    behind: u64,
    page: impl Fn(u64),
) -> Told {
    let mut seq = 0;
    let mut append = |publish: &dyn Fn(u64) -> Publish| {
        seq += 1;
        let publish = publish(seq);
        acked(&append_stepped(store, vec![publish]).unwrap()[0]);
        page(seq);
        seq
    };
    let other = |seq| says(seq, room, "nothing of interest");
    for _ in 0..before {
        append(&other);
    }
    let target = append(&|seq| says(seq, room, SECRET));
    for _ in 0..between {
        append(&other);
    }
    let edit = append(&|seq| about(store, seq, room, EventKind::EDIT, target, &format!("{SECRET}!")));
    for _ in 0..behind {
        append(&other);
    }
    Told { target, edit, seq }
}

struct Told {
    target: u64,
    edit: u64,
    seq: u64,
}

fn marks(store: &RedbStore, room: &RoomId) -> Vec<Mark> {
    block_on(store.read_all(room)).unwrap().iter().map(Event::mark).collect()
}

fn open(journal: &Disk, pages: &Disk) -> RedbStore {
    RedbStore::options()
        .page_step(1_000, 1 << 20)
        .open_stepped(journal.attach(), pages.attach(), System)
        .unwrap()
}

/// Everything that may happen to a store between a redaction and its end.
fn check_gone(
    power: &Power,
    journal: &Disk,
    pages: &Disk,
    store: RedbStore,
    marks_before: &[Mark],
    told: &Told,
) {
    let lobby = room("lobby");
    let look = |store: &RedbStore, when: &str| {
        assert!(!is_read(store, &lobby), "it is read {when}");
        assert!(marks(store, &lobby).starts_with(marks_before), "the chain is another {when}");
        let events = block_on(store.read_all(&lobby)).unwrap();
        let without: Vec<u64> =
            events.iter().filter(|event| event.body.is_none()).map(|event| event.offset.0).collect();
        assert_eq!(without, [told.target, told.edit], "bodies that are gone {when}");
        check_index(store, &lobby);
    };
    look(&store, "at once");
    drop(store);
    power.kill();
    let store = open(journal, pages);
    look(&store, "after a kill");
    store.step_pager().unwrap();
    look(&store, "from the pages");
    drop(store);
    power.kill();
    let store = open(journal, pages);
    look(&store, "from the pages after a kill");
    append_stepped(&store, vec![says(told.seq + 2, &lobby, "later")]).unwrap();
    store.step_pager().unwrap();
    look(&store, "when the page has grown");
    store.close();
    let report = check_backends(journal.attach(), pages.attach(), System).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[test]
fn a_redacted_body_is_read_no_more_wherever_it_was() {
    let lobby = room("lobby");
    // Nothing is paged; the message alone; the message and its edit; all in one page that is full, or in two.
    for (before, between, behind) in [(0, 0, 0), (3, 2, 4), (70, 1, 3), (60, 10, 80)] {
        let target = before + 1;
        let edit = target + between + 1;
        for paged_at in [0, target, edit, edit + behind] {
            let power = Power::new();
            let (journal, pages) = (power.disk(), power.disk());
            let store = open(&journal, &pages);
            let notes = std::sync::Arc::new(Notes::default());
            store.observe(std::sync::Arc::clone(&notes) as _);
            let page = |seq| {
                if seq == paged_at {
                    store.step_pager().unwrap();
                }
            };
            let told = tell(&store, &lobby, before, between, behind, page);
            assert!(is_read(&store, &lobby), "it is there");
            let marks = marks(&store, &lobby);
            let redaction = redacts(&store, told.seq + 1, &lobby, told.target);
            acked(&append_stepped(&store, vec![redaction]).unwrap()[0]);
            check_gone(&power, &journal, &pages, store, &marks, &told);
        }
    }
}

#[test]
fn a_body_that_is_redacted_with_the_commit_that_brings_it_is_never_seen() {
    let lobby = room("lobby");
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let store = open(&journal, &pages);
    let notes = std::sync::Arc::new(Notes::default());
    store.observe(std::sync::Arc::clone(&notes) as _);
    append_stepped(&store, vec![says(1, &lobby, "the room is there")]).unwrap();
    let epoch = block_on(store.room(&lobby)).unwrap().unwrap().epoch();
    let informed = |publish: Publish| {
        let user = publish.client.user.clone();
        let target = anchor_core::publish::Target { epoch, kind: EventKind::MESSAGE, user, root: None };
        let grounds = anchor_core::publish::Grounds { target: Some(target), ..Default::default() };
        Publish { grounds: Some(Box::new(grounds)), ..publish }
    };
    let of_two = |seq, kind, body: &str| {
        let draft = Draft { kind, target: Some(Offset(2)), body: body.into() };
        informed(Publish { draft, ..says(seq, &lobby, "") })
    };
    let batch = vec![
        says(2, &lobby, SECRET),
        of_two(3, EventKind::EDIT, SECRET),
        of_two(4, EventKind::REDACTION, ""),
        of_two(5, EventKind::EDIT, SECRET),
    ];
    let outcomes = append_stepped(&store, batch).unwrap();
    for outcome in &outcomes[..3] {
        acked(outcome);
    }
    assert!(matches!(outcomes[3], anchor_core::publish::Outcome::Refused(_)), "it is redacted already");
    let shown = lock(&notes.rooms);
    assert!(!shown[&lobby].iter().any(|run| contains(run.encoded(), SECRET.as_bytes())), "observers see it");
    drop(shown);
    assert!(!contains(&journal.bytes(), SECRET.as_bytes()), "it is in the journal");
    let marks = marks(&store, &lobby);
    check_gone(&power, &journal, &pages, store, &marks, &Told { target: 2, edit: 3, seq: 4 });
}

#[test]
fn who_reads_while_it_is_redacted_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::options().page_step(40, 1 << 20).open(dir.path(), System).unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(block_on(store.read_all(&lobby)).unwrap());
                }
            });
        }
        let mut seq = 0;
        for _ in 0..60 {
            seq += 1;
            let ack = block_on(store.append(vec![says(seq, &lobby, SECRET)])).unwrap();
            let target = acked(&ack[0]).mark.offset;
            for _ in 0..seq % 9 {
                seq += 1;
                block_on(store.append(vec![says(seq, &lobby, "nothing of interest")])).unwrap();
            }
            seq += 1;
            let redaction = redacts(&store, seq, &lobby, target.0);
            acked(&block_on(store.append(vec![redaction])).unwrap()[0]);
            let events = block_on(store.read_all(&lobby)).unwrap();
            assert!(events.iter().all(|event| event.body.is_some() || event.offset <= target), "{target}");
            let from = Direction::Before(target.next());
            for events_max in [1, 30] {
                let read = Read { room: lobby.clone(), from, events_max, bytes_max: 1 << 20 };
                let runs = block_on(store.read(read)).unwrap();
                assert!(!runs.iter().any(|run| contains(run.encoded(), SECRET.as_bytes())), "{target}");
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(!is_read(&store, &lobby));
}

/// What the power may interrupt: a secret is said, edited, redacted, with page steps between, and again.
fn run(store: &RedbStore, done: &mut Done) -> Result<(), anchor_core::store::StoreError> {
    let lobby = room("lobby");
    for round in 0..ROUNDS {
        let first = round * 6 + 1;
        if first + 5 <= done.acked {
            continue;
        }
        let mut append = |seq: u64, publish: Publish| -> Result<(), anchor_core::store::StoreError> {
            // What was answered is not sent again.
            if seq <= done.acked {
                return Ok(());
            }
            let ack = acked(&append_stepped(store, vec![publish])?[0]).clone();
            assert_eq!(ack.mark.offset.0, seq, "every seq has its own event");
            done.acked = done.acked.max(seq);
            Ok(())
        };
        append(first, says(first, &lobby, &format!("{SECRET} {round}")))?;
        if round % 3 == 0 {
            store.step_pager()?;
        }
        append(first + 1, about(store, first + 1, &lobby, EventKind::REACTION, first, "👍"))?;
        append(first + 2, about(store, first + 2, &lobby, EventKind::MESSAGE, first, "a reply"))?;
        append(
            first + 3,
            about(store, first + 3, &lobby, EventKind::EDIT, first, &format!("{SECRET} {round}!")),
        )?;
        if round % 3 == 1 {
            store.step_pager()?;
        }
        append(first + 4, redacts(store, first + 4, &lobby, first))?;
        done.redacted = done.redacted.max(first);
        if round % 2 == 1 {
            store.step_pager()?;
        }
        append(first + 5, says(first + 5, &lobby, "nothing of interest"))?;
    }
    Ok(())
}

/// What was told to somebody.
#[derive(Default)]
struct Done {
    /// The newest event.
    acked: u64,
    /// The newest message whose redaction was acknowledged.
    redacted: u64,
}

impl Done {
    fn check(&self, store: &RedbStore) {
        let lobby = room("lobby");
        let events = block_on(store.read_all(&lobby)).unwrap();
        assert!(events.len() as u64 >= self.acked, "an acknowledged event is lost");
        let is_of_secret = |event: &&Event| matches!((event.offset.0 - 1) % 6, 0 | 3);
        for event in events.iter().filter(is_of_secret) {
            let is_redacted = (event.offset.0 - 1) / 6 * 6 < self.redacted;
            assert!(event.body.is_none() || !is_redacted, "the body of event {} is back", event.offset);
        }
        let is_other = |event: &&Event| !is_of_secret(event);
        assert!(events.iter().filter(is_other).all(|event| event.body.is_some()), "too much was taken away");
        check_index(store, &lobby);
    }
}

#[test]
fn a_redaction_holds_at_any_sync() {
    let mut sync = 1;
    loop {
        let mut done = Done::default();
        let mut random = SplitMix64::new(sync);
        let power = Power::new();
        let (mut journal, mut pages) = (power.disk(), power.disk());
        let mut went_off = false;
        for fails_at in [Some(sync), Some(1 + sync % 9), None] {
            power.disarm();
            if let Some(sync) = fails_at {
                power.arm(At::Sync(sync), Fault::PowerOff);
            }
            if let Ok(store) = RedbStore::with_backends(journal.attach(), pages.attach(), System) {
                if block_on(store.room(&room("lobby"))).unwrap().is_some() {
                    done.check(&store);
                }
                went_off |= run(&store, &mut done).is_err();
                if fails_at.is_none() {
                    done.check(&store);
                    store.close();
                    drop(store);
                    let report = check_backends(journal.attach(), pages.attach(), System).unwrap();
                    assert_eq!(report.problems, Vec::<String>::new());
                }
                power.turn_off();
            } else {
                assert!(fails_at.is_some(), "a sound disk does not open");
                went_off = true;
            }
            power.crash(&mut random);
            if done.acked == 0 {
                // Making the files is done by renaming, see `directory.rs`.
                (journal, pages) = (power.disk(), power.disk());
            }
        }
        if !went_off {
            break;
        }
        sync += 1;
    }
    assert!(sync > 20, "the script has more syncs than {sync}");
}

/// The salts, or digests, of some events.
fn sides(dir: &Path, offsets: &[u64]) -> Vec<Vec<u8>> {
    let database = Database::open(dir.join("pages.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let pages = transaction.open_table(TableDefinition::<(u64, u64), &[u8]>::new("pages")).unwrap();
    let side = |offset: &u64| {
        let (key, page) = pages.range((1, 0)..=(1, *offset)).unwrap().next_back().unwrap().unwrap();
        let mut reader = Reader::from_slice(page.value());
        reader.array().unwrap();
        (0..4).for_each(|_| reader.skip().unwrap());
        let at = usize::try_from(offset - key.value().1).unwrap() * 16;
        reader.bin().unwrap()[at..at + 16].to_vec()
    };
    offsets.iter().map(side).collect()
}

/// Which of `wanted` are in some file of a directory, byte for byte.
fn in_files(dir: &Path, wanted: &[&[u8]]) -> Vec<bool> {
    let mut found = vec![false; wanted.len()];
    let mut begins = vec![false; 1 << 16];
    let two = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    wanted.iter().for_each(|wanted| begins[two(wanted)] = true);
    for file in fs::read_dir(dir).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for at in 0..bytes.len().saturating_sub(1) {
            if begins[two(&bytes[at..])] {
                let is_here = |wanted: &&[u8]| bytes[at..].starts_with(wanted);
                found.iter_mut().zip(wanted).for_each(|(found, wanted)| *found |= is_here(wanted));
            }
        }
    }
    found
}

fn is_in_a_file(dir: &Path, wanted: &[u8]) -> bool {
    in_files(dir, &[wanted])[0]
}

#[test]
fn compacted_away_it_is_in_no_file() {
    let lobby = room("lobby");
    for step_events in [1, 50, 100_000] {
        let dir = tempfile::tempdir().unwrap();
        let store = RedbStore::options().page_step(step_events, 1 << 20).open(dir.path(), System).unwrap();
        let mut seq = 0;
        let mut append = |store: &RedbStore, publish: &dyn Fn(&RedbStore, u64) -> Publish| {
            seq += 1;
            acked(&block_on(store.append(vec![publish(store, seq)])).unwrap()[0]);
            seq
        };
        let mut secrets = Vec::new();
        for round in 0..40 {
            for _ in 0..round % 7 {
                append(&store, &|_, seq| says(seq, &lobby, "nothing of interest"));
            }
            let target = append(&store, &|_, seq| says(seq, &lobby, &format!("{SECRET}, {round}")));
            let text = format!("{SECRET}, {round}!");
            let edit =
                append(&store, &|store, seq| about(store, seq, &lobby, EventKind::EDIT, target, &text));
            secrets.extend([target, edit]);
        }
        store.close();
        drop(store);
        let salts = sides(dir.path(), &secrets);
        let store = RedbStore::options().page_step(step_events, 1 << 20).open(dir.path(), System).unwrap();
        for target in secrets.iter().step_by(2) {
            append(&store, &|store, seq| redacts(store, seq, &lobby, *target));
        }
        assert!(!is_read(&store, &lobby));
        let marks = marks(&store, &lobby);
        store.close();
        drop(store);
        assert!(is_in_a_file(dir.path(), SECRET.as_bytes()), "whoever looks for it would find it");
        let digests = sides(dir.path(), &secrets);
        compact(dir.path(), System).unwrap();
        assert!(!is_in_a_file(dir.path(), SECRET.as_bytes()), "the body is in a file");
        let all =
            |sides: &[Vec<u8>]| in_files(dir.path(), &sides.iter().map(|side| &side[..]).collect::<Vec<_>>());
        assert!(!all(&salts).contains(&true), "a salt is in a file");
        assert!(!all(&digests).contains(&false), "a digest is not there");
        let store = RedbStore::open(dir.path(), System).unwrap();
        assert!(!is_read(&store, &lobby));
        assert_eq!(self::marks(&store, &lobby), marks);
        check_index(&store, &lobby);
        store.close();
        drop(store);
        let report = check(dir.path(), System).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        // The next time there is nothing to be done.
        compact(dir.path(), System).unwrap();
        assert_eq!(check(dir.path(), System).unwrap(), report);
    }
}

#[test]
fn a_room_that_was_deleted_is_in_no_file() {
    let (lobby, other) = (room("lobby"), room("other"));
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::options().page_step(50, 1 << 20).open(dir.path(), System).unwrap();
    let append = |publish: Publish| drop(acked(&block_on(store.append(vec![publish])).unwrap()[0]).clone());
    append(says(1, &lobby, SECRET));
    for seq in 2..=110 {
        let kinds = [EventKind::REACTION_REMOVED, EventKind::MESSAGE, EventKind::REACTION, EventKind::EDIT];
        let kind = kinds[usize::try_from(seq % 4).unwrap()];
        append(about(&store, seq, &lobby, kind, 1, "👍"));
    }
    append(says(111, &other, "it stays"));
    append(about(&store, 112, &other, EventKind::MESSAGE, 1, "a reply"));
    let draft = Draft { kind: EventKind::ROOM, target: None, body: RoomChange::Delete.to_body() };
    append(by_admin(Publish { draft, ..says(113, &lobby, "") }));
    store.close();
    drop(store);
    assert_eq!(rows(dir.path()), [0, 1, 1, 0, 0], "what is left of the index");
    assert!(is_in_a_file(dir.path(), SECRET.as_bytes()), "whoever looks for it would find it");
    compact(dir.path(), System).unwrap();
    assert!(!is_in_a_file(dir.path(), SECRET.as_bytes()));
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(block_on(store.room(&lobby)).unwrap(), None);
    assert_eq!(marks(&store, &other).len(), 2);
    check_index(&store, &other);
}

#[test]
fn a_copy_that_was_interrupted_is_made_again() {
    let lobby = room("lobby");
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    block_on(store.append(vec![says(1, &lobby, SECRET)])).unwrap();
    store.close();
    drop(store);
    let store = RedbStore::open(dir.path(), System).unwrap();
    let redaction = redacts(&store, 2, &lobby, 1);
    block_on(store.append(vec![redaction])).unwrap();
    store.close();
    drop(store);
    let old = fs::read(dir.path().join("pages.redb")).unwrap();
    compact(dir.path(), System).unwrap();
    // Both new files are there, and only one of them has its name.
    fs::rename(dir.path().join("pages.redb"), dir.path().join("pages.redb.new")).unwrap();
    fs::write(dir.path().join("pages.redb"), old).unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert!(!is_read(&store, &lobby));
    assert_eq!(marks(&store, &lobby).len(), 2);
    store.close();
    drop(store);
    assert!(is_in_a_file(dir.path(), SECRET.as_bytes()), "whoever looks for it would find it");
    compact(dir.path(), System).unwrap();
    assert!(!is_in_a_file(dir.path(), SECRET.as_bytes()));
    assert!(!dir.path().join("pages.redb.new").exists());
}

const ROUNDS: u64 = 8;
