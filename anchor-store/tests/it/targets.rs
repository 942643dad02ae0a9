//! The index by target: what is in memory and what is in the pages is answered as one, and leaves with what is trimmed.

use std::path::Path;

use anchor::System;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::store::informed;
use anchor_core::event::{Body, Draft, Event, EventKind};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::publish::Publish;
use anchor_core::room::{Amendment, Thread};
use anchor_core::store::{Direction, Store, StoreExt};
use anchor_sim::disk::Power;
use anchor_store::{RedbStore, check_backends};
use futures::FutureExt;
use futures::executor::block_on;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use crate::support::{append_stepped, client, publish, room, run_steps, waiting_from};

/// One publish of client 1, outside of any session, about `target`.
pub(crate) fn about(
    store: &RedbStore,
    seq: u64,
    room: &RoomId,
    kind: EventKind,
    target: u64,
    body: &str,
) -> Publish {
    let draft = Draft { kind, target: Some(Offset(target)), body: Body::text(body) };
    let publish = Publish { draft, ..publish(&client(1), seq, room, "") };
    block_on(informed(store, waiting_from(seq, publish)))
}

/// What the log says, read from end to end.
fn expected(events: &[Event]) -> (Vec<Amendment>, Vec<Thread>, Vec<(Offset, Offset)>) {
    let mut amendments: Vec<Amendment> = events.iter().filter_map(Amendment::of).collect();
    amendments.sort_by_key(|amendment| (amendment.target, amendment.offset));
    let is_reply = |event: &&Event| event.kind == EventKind::MESSAGE;
    let replies = events.iter().filter(is_reply).filter_map(|event| Some((event.target?, event.offset)));
    let mut replies: Vec<_> = replies.collect();
    replies.sort();
    let threads = replies.chunk_by(|a, b| a.0 == b.0).map(|thread| Thread {
        root: thread[0].0,
        replies: thread.len() as u64,
        last: thread[thread.len() - 1].1,
    });
    (amendments, threads.collect(), replies)
}

/// Compares the index of a room with its log.
pub(crate) fn check_index(store: &RedbStore, room: &RoomId, log: &[Event]) {
    let (amendments, threads, replies) = expected(log);
    let all = (Offset(1), Offset(u64::MAX));
    assert_eq!(block_on(store.amendments(room, all, usize::MAX)).unwrap(), amendments);
    assert_eq!(block_on(store.threads(room, all)).unwrap(), threads);
    for of_root in replies.chunk_by(|a, b| a.0 == b.0) {
        let found = block_on(store.replies(room, of_root[0].0, Direction::After(Offset::ZERO), usize::MAX));
        assert_eq!(found.unwrap(), of_root.iter().map(|reply| reply.1).collect::<Vec<_>>());
    }
}

/// Compares what the index of a room says of parts of its log, within limits.
pub(crate) fn check(store: &RedbStore, room: &RoomId) {
    let events = block_on(store.read_all(room)).unwrap();
    check_index(store, room, &events);
    let (amendments, threads, replies) = expected(&events);
    let head = events.last().map_or(0, |event| event.offset.0);
    for first in (0..head).step_by(7) {
        let range = (Offset(first), Offset(first + 5));
        let is_within = |target: Offset| (range.0..=range.1).contains(&target);
        let within: Vec<_> =
            amendments.iter().filter(|amendment| is_within(amendment.target)).cloned().collect();
        for limit in [0, 1, 3, 1_000] {
            let found = block_on(store.amendments(room, range, limit)).unwrap();
            assert_eq!(found, within[..limit.min(within.len())], "{range:?}, at most {limit}");
        }
        let within: Vec<_> = threads.iter().filter(|thread| is_within(thread.root)).copied().collect();
        assert_eq!(block_on(store.threads(room, range)).unwrap(), within, "{range:?}");
    }
    for Thread { root, .. } in threads {
        let of_root: Vec<_> = replies.iter().filter(|reply| reply.0 == root).map(|reply| reply.1).collect();
        for from in (0..=head + 2).step_by(5).map(Offset) {
            for limit in [0, 1, 4, 1_000] {
                let found = |from| block_on(store.replies(room, root, from, limit)).unwrap();
                let after: Vec<_> =
                    of_root.iter().filter(|offset| **offset > from).take(limit).copied().collect();
                assert_eq!(found(Direction::After(from)), after, "{root}, after {from}, at most {limit}");
                let mut before: Vec<_> =
                    of_root.iter().rev().filter(|offset| **offset < from).take(limit).copied().collect();
                before.reverse();
                assert_eq!(found(Direction::Before(from)), before, "{root}, before {from}, at most {limit}");
            }
        }
    }
}

/// How many rows the index has: amendments, replies, threads, edits, signs.
pub(crate) fn rows(dir: &Path) -> [u64; 5] {
    type Key = (u64, u64, u64);
    let database = Database::open(dir.join("pages.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let changes =
        |name| transaction.open_table(TableDefinition::<Key, &[u8]>::new(name)).unwrap().len().unwrap();
    let replies = transaction.open_table(TableDefinition::<Key, ()>::new("replies")).unwrap();
    let threads = transaction.open_table(TableDefinition::<(u64, u64), (u64, u64)>::new("threads")).unwrap();
    let signs = transaction.open_table(TableDefinition::<(u64, u64, &str), &[u8]>::new("signs")).unwrap();
    let [replies, threads, signs] = [replies.len(), threads.len(), signs.len()].map(Result::unwrap);
    [changes("amendments"), replies, threads, changes("edits"), signs]
}

/// A room's log as it grows, and how it is told what it is about.
struct Talk {
    random: SplitMix64,
    messages: Vec<u64>,
    seq: u64,
}

impl Talk {
    fn says(&mut self, store: &RedbStore, room: &RoomId) {
        let mut publishes = Vec::new();
        for _ in 0..self.random.below(9) + 1 {
            self.seq += 1;
            let target = self
                .messages
                .get(usize::try_from(self.random.below(self.messages.len() as u64 + 1)).unwrap());
            let kinds =
                [EventKind::MESSAGE, EventKind::EDIT, EventKind::REACTION, EventKind::REACTION_REMOVED];
            let kind = kinds[usize::try_from(self.random.below(4)).unwrap()];
            publishes.push(match target {
                Some(target) => about(store, self.seq, room, kind, *target, "👍"),
                None => waiting_from(self.seq, publish(&client(1), self.seq, room, "a message")),
            });
        }
        append_stepped(store, publishes).unwrap();
        let events = block_on(store.read_all(room)).unwrap();
        let is_root = |event: &&Event| event.kind == EventKind::MESSAGE && event.target.is_none();
        self.messages = events.iter().filter(is_root).map(|event| event.offset.0).collect();
    }
}

#[test]
fn the_index_says_what_the_log_says() {
    let lobby = room("lobby");
    for seed in 0..6 {
        let mut random = SplitMix64::new(seed);
        let power = Power::new();
        let (journal, pages) = (power.disk(), power.disk());
        let open = || {
            let options = RedbStore::options().page_step(20, 1 << 20);
            options.open_stepped(journal.attach(), pages.attach(), System).unwrap()
        };
        let mut store = open();
        let mut talk = Talk { random: SplitMix64::new(seed + 100), messages: Vec::new(), seq: 0 };
        for _ in 0..40 {
            talk.says(&store, &lobby);
            match random.below(8) {
                0..3 => drop(store.step_pager().unwrap()),
                3 => {
                    let head = block_on(store.room(&lobby)).unwrap().unwrap().head.offset.0;
                    let mut trim = store.trim_newest(&lobby, Offset(random.below(head) / 2 + 1));
                    assert!(trim.as_mut().now_or_never().is_none());
                    run_steps(&store).unwrap();
                    block_on(trim).unwrap();
                }
                4 => {
                    store.close();
                    store = open();
                }
                5 => {
                    power.kill();
                    store = open();
                }
                _ => {}
            }
            check(&store, &lobby);
        }
        store.close();
        drop(store);
        let report = check_backends(journal.attach(), pages.attach(), System).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
}

#[test]
fn rows_go_from_the_disk_with_what_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::options().page_step(64, 1 << 20).open(dir.path(), System).unwrap();
    for round in 0..10_u64 {
        let first = round * 64 + 1;
        let message = waiting_from(first, publish(&client(1), first, &lobby, "a message"));
        block_on(store.append(vec![message])).unwrap();
        let kind = |seq: u64| match seq % 4 {
            2 => EventKind::REACTION,
            0 => EventKind::REACTION_REMOVED,
            _ => EventKind::MESSAGE,
        };
        let rest = (first + 1..first + 64).map(|seq| about(&store, seq, &lobby, kind(seq), first, "x"));
        block_on(store.append(rest.collect())).unwrap();
    }
    block_on(store.trim_newest(&lobby, Offset(64 * 9 + 1))).unwrap();
    store.close();
    let left = rows(dir.path());
    assert!(left[0] <= 2 * 32 && left[1] <= 2 * 32 && left[2] <= 2, "{left:?} rows are left");
    assert!(left[..3].iter().all(|rows| *rows > 0), "{left:?}");
    assert_eq!(left[4], 1, "of the signs on nine messages one row is left");
}

#[test]
fn nothing_is_missing_or_twice_while_it_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::options().page_step(10, 1 << 20).open(dir.path(), System).unwrap();
    block_on(store.append(vec![publish(&client(1), 1, &lobby, "a message")])).unwrap();
    let counted = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut newest = 0;
            while newest < 600 {
                let thread = block_on(store.threads(&lobby, (Offset(1), Offset(1)))).unwrap();
                let replies =
                    block_on(store.replies(&lobby, Offset(1), Direction::After(Offset(0)), 1_000)).unwrap();
                assert!(replies.windows(2).all(|pair| pair[0].next() == pair[1]), "{replies:?}");
                let count = thread.first().map_or(0, |thread| thread.replies);
                assert!(thread.iter().all(|thread| thread.last.0 == thread.replies + 1), "{thread:?}");
                assert!(count >= newest && replies.len() as u64 >= count, "{count} of {}", replies.len());
                newest = count;
            }
            newest
        });
        for seq in 2..=601 {
            let reply = about(&store, seq, &lobby, EventKind::MESSAGE, 1, "a reply");
            block_on(store.append(vec![reply])).unwrap();
        }
        reader.join().unwrap()
    });
    assert_eq!(counted, 600);
}
