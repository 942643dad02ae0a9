//! A store that was compacted holds what it held and takes less; loss of power on the way loses nothing.

use anchor::System;
use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::publish::Publish;
use anchor_core::store::{Store, StoreExt};
use anchor_sim::disk::{At, Disk, Fault, Power};
use anchor_store::{OpenError, RedbStore, check_backends, compact, compact_backends};
use futures::FutureExt;
use futures::executor::block_on;

use crate::crash::{fork, is_full};
use crate::support::{acked, append_stepped, client, publish, room, run_steps, waiting_from};

fn batch(lobby: &RoomId, from: u64) -> Vec<Publish> {
    let text = "x".repeat(1_000);
    (from..from + 50).map(|seq| waiting_from(seq, publish(&client(1), seq, lobby, &text))).collect()
}

#[tokio::test]
async fn what_was_trimmed_is_given_back_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::open(dir.path(), System).unwrap();
    for from in (1..=4_000).step_by(50) {
        acked(&store.append(batch(&lobby, from)).await.unwrap()[49]);
    }
    assert!(matches!(compact(dir.path(), System), Err(OpenError::Held { .. })));
    store.trim_newest(&lobby, Offset(3_900)).await.unwrap();
    let kept = store.read_all(&lobby).await.unwrap();
    store.close();
    drop(store);
    let done = compact(dir.path(), System).unwrap();
    assert!(done.before_bytes > 4_000_000 && done.after_bytes < 2_000_000, "{done:?}");
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap(), kept);
    let again = store.append(batch(&lobby, 3_951)).await.unwrap();
    assert_eq!(again.len(), 50);
    assert!(acked(&again[49]).duplicate, "windows are kept");
    acked(&store.append(batch(&lobby, 4_001)).await.unwrap()[49]);
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(compact(nothing.path(), System), Err(OpenError::NoStore { .. })));
}

#[test]
fn nothing_is_lost_where_the_power_goes_while_compacting() {
    let lobby = room("lobby");
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let store = RedbStore::with_backends(journal.attach(), pages.attach(), System).unwrap();
    for from in (1..=500).step_by(50) {
        append_stepped(&store, batch(&lobby, from)).unwrap();
        if from % 200 == 1 {
            store.step_pager().unwrap();
        }
    }
    let mut trim = store.trim_newest(&lobby, Offset(150));
    assert!(trim.as_mut().now_or_never().is_none());
    run_steps(&store).unwrap();
    block_on(trim).unwrap();
    let compacted = |journal: &Disk, pages: &Disk| {
        compact_backends(journal.attach(), pages.attach(), TestEnvironment::new(1))
    };
    for sync in (1..).step_by(if is_full() { 1 } else { 4 }) {
        let (power, journal, pages) = fork(&journal, &pages);
        power.crash(&mut SplitMix64::new(sync));
        power.arm(At::Sync(sync), Fault::PowerOff);
        let done = compacted(&journal, &pages);
        let is_over = power.is_on();
        assert!(done.is_ok() || !is_over, "{done:?}");
        power.crash(&mut SplitMix64::new(sync + 1));
        let (_power, journal, pages) = fork(&journal, &pages);
        let report = check_backends(journal.attach(), pages.attach(), TestEnvironment::new(2)).unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "sync {sync}");
        compacted(&journal, &pages).unwrap();
        let store = RedbStore::with_backends(journal.attach(), pages.attach(), System).unwrap();
        let events = block_on(store.read_all(&lobby)).unwrap();
        assert_eq!((events[0].offset, events.len()), (Offset(150), 351), "sync {sync}");
        assert!(acked(&append_stepped(&store, batch(&lobby, 451)).unwrap()[49]).duplicate);
        if is_over {
            assert!(sync > 4, "it was cut {sync} times only");
            break;
        }
    }
}
