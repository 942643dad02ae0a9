//! What was committed is there after every kind of end, in its order; what cannot be read says so.

use std::collections::VecDeque;
use std::path::Path;

use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Offset, Position};
use bytes::Bytes;
use proptest::prelude::*;
use redb::TableDefinition;

use super::directory::Directory;
use super::keeper::Keeper;
use super::{Change, Entry, EntryKey, Generation, Identity, Kept, Saved};
use crate::client::error::OpenError;
use crate::client::notice::{Undecided, UndecidedId, UndecidedReason};

const SERVER: &str = "ws://server:80/v1/ws";

fn open(path: &Path) -> (Directory, Saved) {
    Directory::open(path, SERVER, None).unwrap()
}

fn key(generation: u32, seq: u64) -> EntryKey {
    EntryKey { generation: Generation { taken: generation, derived: 0 }, seq: Seq::new(seq).unwrap() }
}

fn identity(number: u8) -> Identity {
    Identity::new(ClientId::from_bytes([number; 16]))
}

fn position(offset: u64) -> Position {
    Position {
        epoch: Some(Epoch::from_bytes([4; 8])),
        offset: Offset(offset),
        chain: Chain::from_bytes([5; 8]),
    }
}

fn entry(number: u64) -> Entry {
    let body = match number % 3 {
        0 => Body::text(format!("text {number}")),
        1 => Body::new(Some("image/png"), Bytes::from_static(&[0, 255, 7])).unwrap(),
        _ if number.is_multiple_of(4) => {
            let users = [UserId::new("bob").unwrap()];
            Body::text("look here").mentioning(Mentions::new(number.is_multiple_of(8), users).unwrap())
        }
        _ => Body::new(Some("text/markdown"), Bytes::from_static(b"*x*")).unwrap(),
    };
    Entry {
        nonce: Nonce(u32::MAX - 7),
        room: RoomId::new("a.room").unwrap(),
        draft: Draft {
            kind: EventKind::EDIT,
            target: (number.is_multiple_of(2)).then_some(Offset(number)),
            body,
        },
        known: if number.is_multiple_of(5) { Position::START } else { position(number) },
    }
}

fn kept(number: u64) -> Kept {
    let Entry { room, draft, .. } = entry(number);
    Kept { room, draft, position: position(number) }
}

/// What a directory should hold after `change`: the model.
pub(in crate::client) fn apply(saved: &mut Saved, change: &Change) {
    match change.clone() {
        Change::User(user) => saved.user = Some(user),
        Change::Identity(generation, identity) => drop(saved.identities.insert(generation, identity)),
        Change::ForgetIdentity(generation) => drop(saved.identities.remove(&generation)),
        Change::Put(key, entry) => {
            if let Some(identity) = saved.identities.get_mut(&key.generation) {
                identity.highest = identity.highest.max(key.seq);
            }
            saved.entries.insert(key, entry);
        }
        Change::Remove(key) => drop(saved.entries.remove(&key)),
        Change::Acked(key, kept) => {
            if let Some(identity) = saved.identities.get_mut(&key.generation) {
                identity.highest_acked = identity.highest_acked.max(key.seq);
            }
            saved.entries.remove(&key);
            saved.kept.retain(|(known, _)| *known != key);
            saved.kept.push_back((key, kept));
            saved.kept.make_contiguous().sort_by_key(|(key, _)| *key);
        }
        Change::Unkeep(key) => saved.kept.retain(|(known, _)| *known != key),
        Change::Undecided(undecided) => drop(saved.undecided.insert(undecided.id, undecided)),
        Change::Decided(id) => drop(saved.undecided.remove(&id)),
        Change::Cursor(name, room, position) => drop(saved.cursors.insert((name, room), position)),
        Change::ForgetCursor(name, room) => drop(saved.cursors.remove(&(name, room))),
    }
}

fn undecided(id: u64, reason: UndecidedReason) -> Undecided {
    let Entry { room, draft, .. } = entry(id);
    Undecided { id: UndecidedId(id), room, draft, seq: Seq::FIRST, reason }
}

fn any_change() -> impl Strategy<Value = Change> {
    let number = 1..20_u64;
    prop_oneof![
        4 => number.clone().prop_map(|n| Change::Put(key(0, n), entry(n))),
        2 => number.clone().prop_map(|n| Change::Remove(key(0, n))),
        3 => number.clone().prop_map(|n| Change::Acked(key(0, n), kept(n))),
        2 => number.clone().prop_map(|n| Change::Unkeep(key(0, n))),
        1 => number.clone().prop_map(|n| Change::Undecided(undecided(n, UndecidedReason::Unconfirmed))),
        1 => number.clone().prop_map(|n| {
            Change::Undecided(undecided(n, UndecidedReason::Lost { position: position(n) }))
        }),
        1 => number.clone().prop_map(|n| Change::Decided(UndecidedId(n))),
        2 => number.clone().prop_map(|n| Change::Cursor(format!("name {}", n % 3), RoomId::lobby(), position(n))),
        1 => number.prop_map(|n| Change::ForgetCursor(format!("name {}", n % 3), RoomId::lobby())),
        1 => Just(Change::User(UserId::new("ada").unwrap())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Batches of changes with a new opening after each leave what the model says.
    #[test]
    fn a_directory_holds_what_was_committed(batches in prop::collection::vec(prop::collection::vec(any_change(), 1..12), 1..6)) {
        let home = tempfile::tempdir().unwrap();
        let mut expected = Saved::default();
        let first = Change::Identity(Generation::FIRST, identity(1));
        apply(&mut expected, &first);
        open(home.path()).0.commit(&[first]).unwrap();
        for batch in &batches {
            let (mut directory, saved) = open(home.path());
            prop_assert_eq!(&saved, &expected);
            directory.commit(batch).unwrap();
            batch.iter().for_each(|change| apply(&mut expected, change));
        }
        prop_assert_eq!(open(home.path()).1, expected);
    }
}

#[test]
fn what_was_committed_survives_a_process_that_never_closes() {
    let home = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let (mut directory, saved) = open(home.path());
    assert_eq!(saved, Saved::default());
    directory.commit(&[Change::Identity(Generation::FIRST, identity(1))]).unwrap();
    for number in 1..=50 {
        directory.commit(&[Change::Put(key(0, number), entry(number))]).unwrap();
    }
    // The files as a `kill -9` would leave them at this moment: nothing was closed.
    std::fs::copy(home.path().join("client.redb"), copy.path().join("client.redb")).unwrap();
    let (_, saved) = open(copy.path());
    let keys: Vec<_> = saved.entries.keys().copied().collect();
    assert_eq!(keys, (1..=50).map(|number| key(0, number)).collect::<Vec<_>>());
    assert_eq!(saved.identities[&Generation::FIRST].highest, Seq::new(50).unwrap());
    assert!(saved.entries.iter().all(|(key, found)| *found == entry(key.seq.get())));
    drop(directory);
}

#[test]
fn seqs_go_on_above_what_was_ever_stored_even_if_nothing_is_left() {
    let home = tempfile::tempdir().unwrap();
    let (mut directory, _) = open(home.path());
    let changes = [
        Change::Identity(Generation::FIRST, identity(1)),
        Change::Put(key(0, 9), entry(9)),
        Change::Acked(key(0, 9), kept(9)),
        Change::Unkeep(key(0, 9)),
    ];
    directory.commit(&changes).unwrap();
    drop(directory);
    let (_, saved) = open(home.path());
    let expected =
        Identity { highest: Seq::new(9).unwrap(), highest_acked: Seq::new(9).unwrap(), ..identity(1) };
    assert_eq!(saved.identities[&Generation::FIRST], expected);
    assert!(saved.entries.is_empty() && saved.kept.is_empty());
}

#[test]
fn a_directory_is_held_by_one() {
    let home = tempfile::tempdir().unwrap();
    let (first, _) = open(home.path());
    assert!(matches!(Directory::open(home.path(), SERVER, None), Err(OpenError::Held { .. })));
    drop(first);
    drop(open(home.path()));
}

#[test]
fn what_is_no_state_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let not_a_directory = home.path().join("file");
    std::fs::write(&not_a_directory, "x").unwrap();
    assert!(matches!(Directory::open(&not_a_directory, SERVER, None), Err(OpenError::Directory { .. })));

    let garbage = home.path().join("garbage");
    std::fs::create_dir(&garbage).unwrap();
    std::fs::write(garbage.join("client.redb"), vec![7; 100_000]).unwrap();
    assert!(matches!(Directory::open(&garbage, SERVER, None), Err(OpenError::Damaged { .. })));

    let newer = home.path().join("newer");
    drop(open(&newer));
    write_meta(&newer, "format", &7_u64.to_be_bytes());
    let error = Directory::open(&newer, SERVER, None).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 7, supported: 1, .. }), "{error}");

    let odd = home.path().join("odd");
    drop(open(&odd));
    write_meta(&odd, "user", &[0xff]);
    let error = Directory::open(&odd, SERVER, None).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { what, .. } if what.contains("UTF-8")), "{error}");
}

#[test]
fn a_truncated_file_is_an_error_and_no_panic() {
    let home = tempfile::tempdir().unwrap();
    let (mut directory, _) = open(home.path());
    directory.commit(&[Change::Identity(Generation::FIRST, identity(1))]).unwrap();
    for number in 1..200 {
        directory.commit(&[Change::Put(key(0, number), entry(number))]).unwrap();
    }
    drop(directory);
    let whole = std::fs::read(home.path().join("client.redb")).unwrap();
    for part in [1, 100, whole.len() / 3, whole.len() / 2, whole.len() - 5_000] {
        let cut = tempfile::tempdir().unwrap();
        std::fs::write(cut.path().join("client.redb"), &whole[..part]).unwrap();
        match Directory::open(cut.path(), SERVER, None) {
            Err(OpenError::Damaged { .. } | OpenError::Directory { .. }) => {}
            other => panic!("{part} of {} bytes: {other:?}", whole.len()),
        }
    }
}

#[test]
fn a_process_that_dies_while_it_makes_the_file_leaves_nothing_behind_that_hinders_the_next() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("client.redb.new"), vec![0; 100_000]).unwrap();
    let (mut directory, _) = open(home.path());
    directory.commit(&[Change::Identity(Generation::FIRST, identity(1))]).unwrap();
    drop(directory);
    let (_directory, saved) = open(home.path());
    assert_eq!(saved.identities.len(), 1);
    assert!(!home.path().join("client.redb.new").exists());
}

#[test]
fn an_empty_file_is_damage_and_no_new_client() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("client.redb"), "").unwrap();
    assert!(matches!(Directory::open(home.path(), SERVER, None), Err(OpenError::Damaged { .. })));
}

/// Found by fuzzing the file: after damage to a page of the newest commit and to the header of the one before, redb gives a
/// database without a table. That was taken for a new state, and whatever had been in it was gone without a word.
#[test]
fn a_database_without_tables_is_damage_and_no_new_client() {
    let home = tempfile::tempdir().unwrap();
    drop(redb::Database::create(home.path().join("client.redb")).unwrap());
    match Directory::open(home.path(), SERVER, None) {
        Err(OpenError::Damaged { what, .. }) => assert!(what.contains("meta"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_without_its_identity_is_damage() {
    let home = tempfile::tempdir().unwrap();
    let (mut directory, _) = open(home.path());
    directory.commit(&[Change::Put(key(0, 1), entry(1))]).unwrap();
    drop(directory);
    assert!(matches!(Directory::open(home.path(), SERVER, None), Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn what_waits_while_a_commit_runs_goes_into_the_next_together() {
    let home = tempfile::tempdir().unwrap();
    let (directory, _) = open(home.path());
    let mut keeper = Keeper::directory(directory).unwrap();
    keeper.save(1, vec![Change::Identity(Generation::FIRST, identity(1))]);
    for write in 2..=500 {
        keeper.save(write, vec![Change::Put(key(0, write), entry(write))]);
    }
    assert_eq!(keeper.durable(), 0);
    assert_eq!(keeper.committed().await, Ok(1));
    assert_eq!(keeper.committed().await, Ok(500), "one commit for all that waited");
    keeper.save(501, vec![Change::Remove(key(0, 2))]);
    keeper.save(502, vec![Change::Remove(key(0, 3))]);
    keeper.close().await;
    let (_, saved) = open(home.path());
    assert_eq!(saved.entries.len(), 497, "closing commits what was waiting");
}

#[tokio::test]
async fn memory_is_durable_at_once() {
    let mut keeper = Keeper::memory();
    keeper.save(1, vec![Change::Put(key(0, 1), entry(1))]);
    assert_eq!(keeper.durable(), 1);
    keeper.close().await;
}

fn write_meta(path: &Path, name: &str, value: &[u8]) {
    let database = redb::Database::open(path.join("client.redb")).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, &[u8]>::new("meta")).unwrap().insert(name, value).unwrap();
    write.commit().unwrap();
}

#[test]
fn kept_publishes_come_back_oldest_first() {
    let home = tempfile::tempdir().unwrap();
    let (mut directory, _) = open(home.path());
    let mut changes = vec![Change::Identity(Generation::FIRST, identity(1))];
    changes.extend([3, 1, 2].map(|number| Change::Acked(key(0, number), kept(number))));
    directory.commit(&changes).unwrap();
    drop(directory);
    let expected: VecDeque<_> = (1..=3).map(|number| (key(0, number), kept(number))).collect();
    assert_eq!(open(home.path()).1.kept, expected);
}
