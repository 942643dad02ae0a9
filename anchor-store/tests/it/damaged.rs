//! Files that are cut, overwritten, swapped or newer: an error with a name, never a panic, and nothing made worse.

use std::fs;
use std::path::Path;

use anchor::System;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::Seq;
use anchor_core::publish::{Outcome, Publish};
use anchor_core::room::RoomKind;
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::store::{Direction, Read, Store, StoreError};
use anchor_core::user::UserChange;
use anchor_store::{OpenError, RedbStore};
use futures::executor::block_on;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::support::{client, publish, room};

/// A directory with some rooms, closed.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    dir
}

fn write(dir: &Path, from: u64) {
    let store = RedbStore::open(dir, System).unwrap();
    for seq in from..from + 20 {
        let batch = vec![publish(&client(1), seq, &room(&format!("r{}", seq % 4)), "text")];
        block_on(store.append(batch)).unwrap();
    }
    store.close();
}

/// A directory with rooms that have members, and users; closed, with all of it in the pages.
fn with_members() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    let create = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    let join = MembershipChange::Join.to_body();
    for number in 0..4 {
        let room = room(&format!("r{number}"));
        let of_room = |who, kind, body| Publish {
            draft: Draft { kind, target: None, body },
            ..publish(&client(who), 1 + u64::from(number), &room, "")
        };
        let mut batch = vec![of_room(9, EventKind::ROOM, create.to_body())];
        batch.extend((1..6).map(|who| of_room(who, EventKind::MEMBERSHIP, join.clone())));
        for outcome in block_on(store.append(batch)).unwrap() {
            assert!(matches!(outcome, Outcome::Acked(_)), "{outcome:?}");
        }
        let blocked = UserChange::Block(client(number).user);
        block_on(store.change_user(&client(number + 1).user, blocked)).unwrap().unwrap();
    }
    store.close();
    dir
}

fn copy(from: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in FILES {
        fs::copy(from.join(file), dir.path().join(file)).unwrap();
    }
    dir
}

/// Opens and reads all that there is; everything may fail and nothing may panic.
fn use_it(dir: &Path) -> Result<(), OpenError> {
    let store = RedbStore::open(dir, System)?;
    for number in 0..4 {
        let room = room(&format!("r{number}"));
        let _ = block_on(store.room(&room));
        let read = Read {
            room: room.clone(),
            from: Direction::Before(anchor_core::position::Offset(9)),
            events_max: 99,
            bytes_max: 9999,
        };
        let _ = block_on(store.read(read));
        let user = client(number).user;
        let _ = block_on(store.standing(&room, &user));
        let _ = block_on(store.members(&room, None, 99));
        let _ = block_on(store.rooms_of(&user, None, 99));
        let _ = block_on(store.user(&user));
    }
    let _ = block_on(store.open_client(&client(1), Seq::FIRST));
    let _ = block_on(store.append(vec![publish(&client(1), 21, &room("r1"), "more")]));
    store.close();
    Ok(())
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let dir = written();
    let format = fs::read_to_string(dir.path().join("FORMAT")).unwrap();
    assert!(format.starts_with("anchor-store format 4\npair "), "{format}");
    fs::write(dir.path().join("FORMAT"), format.replace("format 4", "format 7")).unwrap();
    let error = RedbStore::open(dir.path(), System).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 7, supported: 4 }));
    assert!(error.to_string().contains('7') && error.to_string().contains('4'));
    for broken in [
        "",
        "anchor-store format x\n",
        "anchor-store format 2\npair 12\n",
        "anchor-store format 0\n",
        "\u{ff}",
    ] {
        fs::write(dir.path().join("FORMAT"), broken).unwrap();
        assert!(
            matches!(RedbStore::open(dir.path(), System), Err(OpenError::Damaged { file: "FORMAT", .. })),
            "{broken}"
        );
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (one, other) = (written(), written());
    for file in FILES {
        let mixed = copy(one.path());
        fs::copy(other.path().join(file), mixed.path().join(file)).unwrap();
        assert!(
            matches!(RedbStore::open(mixed.path(), System), Err(OpenError::PairMismatch { .. })),
            "{file}"
        );
        fs::remove_file(mixed.path().join(file)).unwrap();
        let error = RedbStore::open(mixed.path(), System).unwrap_err();
        assert!(matches!(error, OpenError::Missing { file: missing } if missing == file), "{error}");
    }
}

#[test]
fn a_journal_that_begins_beyond_the_pages_is_refused() {
    let dir = written();
    let old = copy(dir.path());
    // The journal goes on and is trimmed; the pages stay what they were.
    for round in 0..4 {
        write(dir.path(), 21 + 20 * round);
    }
    fs::copy(old.path().join("pages.redb"), dir.path().join("pages.redb")).unwrap();
    let error = RedbStore::open(dir.path(), System).unwrap_err();
    assert!(matches!(error, OpenError::JournalAhead { applied: 20, .. }), "{error}");
}

#[test]
fn an_older_journal_beside_newer_pages_goes_on_behind_them() {
    let dir = written();
    let old = copy(dir.path());
    write(dir.path(), 21);
    fs::copy(old.path().join("journal.redb"), dir.path().join("journal.redb")).unwrap();
    write(dir.path(), 41);
    let report = anchor_store::check(dir.path(), System).unwrap();
    assert_eq!((report.events, report.problems), (60, vec![]));
}

#[test]
fn a_file_that_was_cut_is_an_error_and_no_panic() {
    let dir = written();
    for file in ["journal.redb", "pages.redb"] {
        let length = fs::metadata(dir.path().join(file)).unwrap().len();
        for cut in [0, 1, 100, 512, 4096, 5000, length / 2, length - 4096, length - 1] {
            let cut_dir = copy(dir.path());
            fs::File::options().write(true).open(cut_dir.path().join(file)).unwrap().set_len(cut).unwrap();
            let result = use_it(cut_dir.path());
            let named = matches!(&result, Err(OpenError::Damaged { file: named, .. }) if *named == file);
            assert!(named, "{file} cut at {cut} of {length}: {result:?}");
        }
    }
}

#[test]
fn a_file_that_was_overwritten_never_makes_a_panic() {
    let mut random = SplitMix64::new(7);
    for dir in [written(), with_members()] {
        for file in ["journal.redb", "pages.redb"] {
            for _ in 0..15 {
                let broken = copy(dir.path());
                let path = broken.path().join(file);
                let mut bytes = fs::read(&path).unwrap();
                for _ in 0..1 + random.below(20) {
                    let at = usize::try_from(random.below(bytes.len().min(60_000) as u64)).unwrap();
                    bytes[at] = u8::try_from(random.below(256)).unwrap();
                }
                fs::write(&path, bytes).unwrap();
                let _ = use_it(broken.path());
                let _ = anchor_store::check(broken.path(), System);
            }
        }
    }
}

#[test]
fn a_check_finds_what_was_changed() {
    let dir = written();
    assert_eq!(anchor_store::check(dir.path(), System).unwrap().problems, Vec::<String>::new());
    {
        let pages = Database::open(dir.path().join("pages.redb")).unwrap();
        let table = TableDefinition::<(u64, u64), &[u8]>::new("pages");
        let (key, mut value) = {
            let table = pages.begin_read().unwrap().open_table(table).unwrap();
            let (key, value) = table.first().unwrap().unwrap();
            (key.value(), value.value().to_vec())
        };
        let at = value.windows(4).position(|bytes| bytes == b"text").unwrap();
        value[at] = b'T';
        let transaction = pages.begin_write().unwrap();
        transaction.open_table(table).unwrap().insert(key, value.as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    let report = anchor_store::check(dir.path(), System).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}

#[test]
fn a_damaged_row_is_an_error_with_a_name_and_a_check_tells_it() {
    let dir = with_members();
    assert_eq!(anchor_store::check(dir.path(), System).unwrap().problems, Vec::<String>::new());
    for (table, replacement) in [("members", &b"\x95\xa6nobody"[..]), ("users", &b"\x91\xc0"[..])] {
        let broken = copy(dir.path());
        {
            let pages = Database::open(broken.path().join("pages.redb")).unwrap();
            let transaction = pages.begin_write().unwrap();
            if table == "members" {
                let members = TableDefinition::<(u64, &str), &[u8]>::new("members");
                let mut members = transaction.open_table(members).unwrap();
                members.insert((1, "user-1"), replacement).unwrap();
            } else {
                let users = TableDefinition::<&str, &[u8]>::new("users");
                transaction.open_table(users).unwrap().insert("user-1", replacement).unwrap();
            }
            transaction.commit().unwrap();
        }
        let problems = anchor_store::check(broken.path(), System).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains("user-1")), "{table}: {problems:?}");
        let store = RedbStore::open(broken.path(), System).unwrap();
        let user = client(1).user;
        let read = match table {
            "members" => block_on(store.standing(&room("r0"), &user)).map(drop),
            _ => block_on(store.user(&user)).map(drop),
        };
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{table}: {read:?}");
        // Nobody else is concerned.
        assert!(block_on(store.standing(&room("r0"), &client(2).user)).unwrap().member.is_some());
        store.close();
    }
}

const FILES: [&str; 3] = ["FORMAT", "journal.redb", "pages.redb"];
