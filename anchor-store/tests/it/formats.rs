//! Stores that earlier formats wrote: each opens, has what it had, and goes on.

use std::fs;
use std::path::{Path, PathBuf};

use anchor_core::code::Code;
use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_core::conformance::store::target_of;
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::position::Offset;
use anchor_core::publish::{Grounds, Outcome, Publish, Refusal};
use anchor_core::store::{Direction, Place, Store, StoreExt};
use anchor_sim::disk::{At, Fault, Power};
use anchor_store::{RedbStore, check, check_backends};
use futures::executor::block_on;
use tempfile::TempDir;

use crate::support::{acked, append_stepped, client, publish, room, text, waiting_from};

#[test]
fn a_store_of_format_1_has_what_it_had_and_goes_on() {
    let dir = unpacked("format-1");
    let store = RedbStore::open(dir.path(), TestEnvironment::new(0)).unwrap();
    assert!(
        fs::read_to_string(dir.path().join("FORMAT")).unwrap().starts_with("anchor-store format 4\npair ")
    );
    holds(&store);
    let more = Draft { target: Some(Offset(2)), ..Draft::message("a reply of now") };
    let more = Publish {
        grounds: Some(Box::new(Grounds {
            target: block_on(target_of(&store, &room("b"), Offset(2))),
            ..Default::default()
        })),
        draft: more,
        ..publish(&client(3), 1, &room("b"), "")
    };
    let outcomes = block_on(store.append(vec![more])).unwrap();
    assert_eq!(acked(&outcomes[0]).mark.offset, Offset(14));
    let again =
        [publish(&client(1), 75, &room("lobby"), "lobby 75"), publish(&client(2), 10, &room("b"), "x")];
    let again = again.map(|publish| match publish.seq.get() {
        75 => Publish { draft: Draft { target: Some(Offset(70)), ..publish.draft }, ..publish },
        _ => publish,
    });
    let outcomes = block_on(store.append(again.into())).unwrap();
    assert!(acked(&outcomes[0]).duplicate && acked(&outcomes[0]).mark.offset == Offset(75));
    assert_eq!(outcomes[1], Outcome::Refused(Refusal::new(Code::Denied, "no")));
    assert!(block_on(store.is_decided(&client(2), Seq::new(11).unwrap())).unwrap());
    // What was said about others before is found where it was not paged; format 1 kept no index.
    let replies =
        || block_on(store.replies(&room("b"), Offset(2), Direction::After(Offset::ZERO), 9)).unwrap();
    assert_eq!(replies(), [12, 13, 14].map(Offset));
    store.close();
    for _ in 0..2 {
        let report = check(dir.path(), TestEnvironment::new(0)).unwrap();
        assert_eq!((report.problems, report.rooms, report.events), (vec![], 3, 75 + 14 + 3));
    }
    let store = RedbStore::open(dir.path(), TestEnvironment::new(0)).unwrap();
    holds(&store);
    store.close();
}

#[test]
fn it_opens_whenever_the_power_goes_while_it_is_brought_to_this_format() {
    for (name, holds) in
        [("format-1", holds as fn(&RedbStore)), ("format-2", |_| {}), ("format-3", authors_have_read)]
    {
        opens_whatever_is_cut(name, holds);
    }
}

/// After a loss of power at each sync the store that is told by `name` holds what it held, and its rows fit its events.
fn opens_whatever_is_cut(name: &str, holds: fn(&RedbStore)) {
    let dir = unpacked(name);
    let [journal, pages] =
        ["journal.redb", "pages.redb"].map(|file| fs::read(dir.path().join(file)).unwrap());
    for sync in 1.. {
        let power = Power::new();
        let (journal, pages) = (power.disk_with(&journal), power.disk_with(&pages));
        power.arm(At::Sync(sync), Fault::PowerOff);
        let opened = RedbStore::with_backends(journal.attach(), pages.attach(), TestEnvironment::new(0));
        let is_over = opened.is_ok() && power.is_on();
        drop(opened);
        power.disarm();
        power.crash(&mut SplitMix64::new(sync));
        let store =
            RedbStore::with_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
        holds(&store);
        append_stepped(&store, vec![publish(&client(3), 1, &room("c"), "more")]).unwrap();
        store.close();
        let report = check_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "at sync {sync}");
        if is_over {
            assert!(sync > 2, "a database is migrated without a sync");
            break;
        }
    }
}

#[test]
fn a_directory_of_which_only_a_part_was_brought_to_this_format_opens() {
    let dir = unpacked("format-1");
    let files = ["journal.redb", "pages.redb"];
    let old = files.map(|file| fs::read(dir.path().join(file)).unwrap());
    let power = Power::new();
    let [journal, pages] = [0, 1].map(|at| power.disk_with(&old[at]));
    let store = RedbStore::with_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
    let new = [journal.bytes(), pages.bytes()];
    drop(store);
    for which in 0..2 {
        let dir = unpacked("format-1");
        fs::write(dir.path().join(files[which]), &new[which]).unwrap();
        let store = RedbStore::open(dir.path(), TestEnvironment::new(0)).unwrap();
        holds(&store);
        store.close();
    }
}

/// Format 2 did not say who had set which sign, and let everybody set it again.
#[test]
fn a_store_of_format_2_knows_the_signs_that_are_set() {
    let dir = unpacked("format-2");
    let (lobby, one, two) = (room("lobby"), client(1), client(2));
    let (set, take_back) = (EventKind::REACTION, EventKind::REACTION_REMOVED);
    let store = RedbStore::open(dir.path(), TestEnvironment::new(0)).unwrap();
    let mut seq = 100;
    let mut act = |client, kind, target, sign: &str| {
        seq += 1;
        let target = Offset(target);
        let grounds = Grounds { target: block_on(target_of(&store, &lobby, target)), ..Default::default() };
        let draft = Draft { kind, target: Some(target), body: sign.into() };
        let publish = Publish { draft, grounds: Some(Box::new(grounds)), ..publish(client, seq, &lobby, "") };
        let publish = waiting_from(seq, publish);
        match block_on(store.append(vec![publish])).unwrap().remove(0) {
            Outcome::Acked(_) => None,
            Outcome::Refused(refusal) => Some(refusal.code),
            other => panic!("{other:?}"),
        }
    };
    // Paged and only journalled, of the first message and of the second.
    let is_there = Some(Code::Unchanged);
    for (client, kind, target, sign, expected) in [
        (&two, set, 1, "👍", None),
        (&two, set, 1, "👎", None),
        (&one, set, 1, "👍", is_there),
        (&one, set, 2, "👍", None),
        (&one, set, 2, "👎", is_there),
        (&two, set, 2, "👍", is_there),
        (&two, take_back, 2, "x", is_there),
        (&one, take_back, 2, "👎", None),
    ] {
        assert_eq!(act(client, kind, target, sign), expected, "{kind:?} {sign} on {target}");
    }
    store.close();
    let report = check(dir.path(), TestEnvironment::new(0)).unwrap();
    assert_eq!((report.problems, report.rooms, report.events), (vec![], 1, 16 + 4));
}

/// Format 3 did not keep how far users have come; who has written had read that.
#[test]
fn a_store_of_format_3_knows_that_authors_have_read() {
    let dir = unpacked("format-3");
    for _ in 0..2 {
        let store = RedbStore::open(dir.path(), TestEnvironment::new(0)).unwrap();
        authors_have_read(&store);
        store.close();
        let report = check(dir.path(), TestEnvironment::new(0)).unwrap();
        assert_eq!((report.problems, report.rooms), (vec![], 4));
    }
}

/// Paged and only journalled, in the rooms of the third fixture.
fn authors_have_read(store: &RedbStore) {
    let [ada, bob, cy, root] = ["ada", "bob", "cy", "root"].map(|name| UserId::new(name).unwrap());
    let (lobby, late, direct) = (room("lobby"), room("late"), RoomId::direct(&ada, &bob));
    let come = |user: &UserId, room: &RoomId| {
        let cursors = block_on(store.cursors(user, std::slice::from_ref(room))).unwrap().remove(0);
        assert!(cursors.delivered == cursors.read.offset && cursors.shown == cursors.read.offset);
        (cursors.read.offset.0, cursors.read.ordinal.0)
    };
    assert_eq!((come(&ada, &lobby), come(&bob, &lobby)), ((4, 3), (6, 5)));
    assert_eq!((come(&cy, &late), come(&cy, &lobby), come(&cy, &room("gone"))), ((1, 1), (0, 0), (0, 0)));
    assert_eq!(
        (come(&ada, &direct), come(&bob, &direct)),
        ((2, 1), (0, 0)),
        "the room was made by its first"
    );
    assert_eq!(come(&root, &RoomId::announcements()), (0, 0), "nobody need read what the server says");
}

/// What the script had written whose store the fixture is, and what its clients were answered.
fn holds(store: &RedbStore) {
    let texts = |name: &str| -> Vec<_> {
        let events = block_on(store.read_all(&room(name))).unwrap();
        events.iter().map(|event| (event.offset.0, text(event).to_owned())).collect()
    };
    assert_eq!(texts("lobby"), (5..=75).map(|n| (n, format!("lobby {n}"))).collect::<Vec<_>>());
    // Seqs 10 and 11 were refused.
    let of_b = (2..=9).map(|n| (n, n)).chain((12..=15).map(|n| (n - 2, n)));
    let of_b: Vec<_> = of_b.map(|(offset, n)| (offset, format!("b {n}"))).collect();
    assert_eq!(texts("b")[..of_b.len()], of_b);
    assert_eq!(texts("c")[..3], (1..=3).map(|n| (n, format!("c {}", n + 15))).collect::<Vec<_>>());
    for name in ["lobby", "b"] {
        let state = block_on(store.room(&room(name))).unwrap().unwrap();
        assert_eq!(state.epochs.len(), 2, "{name}: it was restored once");
        let before = block_on(store.locate(&room(name), Place::Offset(state.horizon.previous()))).unwrap();
        assert_eq!(before, Some(state.before_horizon));
        let standing = block_on(store.standing(&room(name), &client(1).user)).unwrap();
        assert_eq!((standing.info, standing.member, standing.deleted), (None, None, None));
    }
}

/// The fixture as the directory that it was.
fn unpacked(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::copy(fixture.join("FORMAT"), dir.path().join("FORMAT")).unwrap();
    for file in ["journal.redb", "pages.redb"] {
        let packed = fs::read(fixture.join(format!("{file}.pieces"))).unwrap();
        fs::write(dir.path().join(file), unpack(&packed)).unwrap();
    }
    dir
}

/// A database from its pieces.
fn unpack(packed: &[u8]) -> Vec<u8> {
    let (length, mut rest) = number(packed);
    let mut bytes = vec![0; length];
    while !rest.is_empty() {
        let (offset, behind) = number(rest);
        let (length, behind) = number(behind);
        bytes[offset..offset + length].copy_from_slice(&behind[..length]);
        rest = &behind[length..];
    }
    bytes
}

fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let (number, rest) = bytes.split_first_chunk().unwrap();
    (usize::try_from(u64::from_be_bytes(*number)).unwrap(), rest)
}
