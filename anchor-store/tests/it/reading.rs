//! What is read is what is there, whoever read before: pages that grew, runs that were joined, reads that end with the store.

use anchor::System;
use anchor_core::position::Offset;
use anchor_core::run::Run;
use anchor_core::store::{Direction, Read, Store, StoreError};
use anchor_sim::disk::Power;
use anchor_store::{RedbStore, Step};
use futures::executor::block_on;

use crate::support::{acked, append_stepped, client, publish, room, waiting_from};

fn append(store: &RedbStore, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        let publish = waiting_from(seq, publish(&client(1), seq, &room("lobby"), &format!("text {seq}")));
        acked(&append_stepped(store, vec![publish]).unwrap()[0]);
    }
}

fn read(store: &RedbStore, from: Direction, events_max: usize) -> Vec<Run> {
    let read = Read { room: room("lobby"), from, events_max, bytes_max: 1 << 20 };
    block_on(store.read(read)).unwrap()
}

fn ends(runs: &[Run]) -> Vec<(u64, u64)> {
    runs.iter().map(|run| (run.first().0, run.last().0)).collect()
}

fn page_everything(store: &RedbStore) {
    while store.step_pager().unwrap() == Step::Worked {}
}

#[test]
fn a_page_that_was_read_and_grew_is_read_anew() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    for step in 0..20 {
        append(&store, step * 5 + 1..=step * 5 + 5);
        let head = step * 5 + 5;
        for paged in [false, true] {
            if paged {
                page_everything(&store);
            }
            for after in [0, head / 2, head - 1] {
                let runs = read(&store, Direction::After(Offset(after)), 1_000);
                assert!(runs[0].before().offset.0 <= after && runs[runs.len() - 1].last().0 == head);
                let found = runs.iter().flat_map(Run::events).map(|event| event.unwrap().offset.0);
                assert!(found.eq(runs[0].first().0..=head));
            }
            let newest = read(&store, Direction::Before(Offset(head + 1)), 1);
            assert_eq!(newest[newest.len() - 1].last().0, head);
        }
    }
    let one = read(&store, Direction::After(Offset(70)), 1);
    let other = read(&store, Direction::After(Offset(80)), 1);
    assert_eq!((ends(&one), ends(&other)), (vec![(65, 100)], vec![(65, 100)]));
    assert_eq!(one[0].encoded().as_ptr(), other[0].encoded().as_ptr(), "it is read once for both");
}

#[test]
fn whoever_comes_back_shares_what_was_joined_for_others() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    append(&store, 1..=150);
    let first = read(&store, Direction::After(Offset(100)), 1_000);
    assert_eq!(ends(&first), [(65, 128), (129, 150)], "runs begin at the same places for everybody");
    for after in [64, 90, 127] {
        let again = read(&store, Direction::After(Offset(after)), 1_000);
        assert_eq!(ends(&again), ends(&first));
        for (one, other) in first.iter().zip(&again) {
            assert_eq!(one.encoded().as_ptr(), other.encoded().as_ptr(), "it is joined once for all");
        }
    }
    // What precedes does not count against a limit.
    assert_eq!(ends(&read(&store, Direction::After(Offset(100)), 1)), [(65, 101)]);
    assert_eq!(ends(&read(&store, Direction::After(Offset(128)), 1)), [(129, 129)]);
    append(&store, 151..=151);
    assert_eq!(ends(&read(&store, Direction::After(Offset(140)), 1_000)), [(129, 151)]);
    assert!(read(&store, Direction::After(Offset(151)), 1_000).is_empty());
}

#[tokio::test]
async fn reads_of_the_disk_are_answered_also_by_a_store_that_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::open(dir.path(), System).unwrap();
    for seq in 1..=100 {
        let publish = waiting_from(seq, publish(&client(1), seq, &lobby, "x"));
        acked(&store.append(vec![publish]).await.unwrap()[0]);
    }
    store.close();
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(store.room(&lobby).await.unwrap().unwrap().head.offset, Offset(100));
    let read = || Read {
        room: room("lobby"),
        from: Direction::After(Offset(0)),
        events_max: 200,
        bytes_max: 1 << 20,
    };
    let reads = (0..50).map(|_| store.read(read()));
    for runs in futures::future::join_all(reads).await {
        assert_eq!(runs.unwrap().iter().map(Run::len).sum::<usize>(), 100);
    }
    store.close();
    assert!(matches!(store.read(read()).await, Err(StoreError::Closed)));
    assert!(matches!(store.room(&room("unknown")).await, Err(StoreError::Closed)));
}
