//! What the pager leaves: full pages, a short journal, and memory within its bounds.

use anchor::System;
use anchor_core::position::Offset;
use anchor_core::store::{Store, StoreExt};
use anchor_sim::disk::Power;
use anchor_store::{RedbStore, Step};
use redb::{Database, Key, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use crate::support::{acked, append_stepped, client, publish, room, run_steps, waiting_from};

#[tokio::test]
async fn events_that_come_one_by_one_end_in_full_pages_and_leave_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::options().page_step(50, 1 << 20).open(dir.path(), System).unwrap();
    let lobby = room("lobby");
    for seq in 1..=640 {
        let publish = waiting_from(seq, publish(&client(1), seq, &lobby, "x"));
        acked(&store.append(vec![publish]).await.unwrap()[0]);
    }
    store.close();
    assert_eq!(count::<(u64, u64)>(&dir.path().join("pages.redb"), "pages"), 10);
    let journalled = count::<u64>(&dir.path().join("journal.redb"), "commits");
    assert!(journalled < 300, "{journalled} commits are left in the journal");
}

#[tokio::test]
async fn pages_below_the_horizon_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::options().page_step(64, 1 << 20).open(dir.path(), System).unwrap();
    let (lobby, other) = (room("lobby"), room("other"));
    for batch in 0..10_u64 {
        let publish = |at: u64| {
            let seq = batch * 64 + at;
            waiting_from(seq, publish(&client(1), seq, if at == 1 { &other } else { &lobby }, "x"))
        };
        store.append((1..=64).map(publish).collect()).await.unwrap();
    }
    store.trim_newest(&lobby, Offset(400)).await.unwrap();
    store.trim_newest(&other, Offset(99)).await.unwrap();
    store.close();
    let left = count::<(u64, u64)>(&dir.path().join("pages.redb"), "pages");
    assert!(left <= 5, "{left} pages are left");
    assert_eq!(count::<u64>(&dir.path().join("pages.redb"), "trimming"), 0);
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 630 - 399);
    assert_eq!(store.room(&other).await.unwrap().unwrap().horizon, Offset(11));
}

#[test]
fn appends_wait_while_too_much_is_unpaged() {
    let power = Power::new();
    let options = RedbStore::options().unpaged_max(10, 1 << 20);
    let store = options.open_stepped(power.disk(), power.disk(), System).unwrap();
    let batch = |from: u64| (from..from + 10).map(|seq| publish(&client(1), seq, &room("a"), "x")).collect();
    append_stepped(&store, batch(1)).unwrap();
    let waiting = store.append(batch(11));
    assert_eq!(store.step_writer().unwrap(), Step::Waiting);
    assert_eq!(store.step_writer().unwrap(), Step::Waiting);
    assert_eq!(store.step_pager().unwrap(), Step::Worked);
    run_steps(&store).unwrap();
    assert_eq!(acked(&futures::executor::block_on(waiting).unwrap()[9]).mark.offset, Offset(20));
    // A close does not need the caller's steps.
    store.close();
}

#[test]
fn one_step_makes_one_commit_of_everything_that_waits() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    let appends: Vec<_> = (0..20_u8)
        .map(|who| store.append(vec![publish(&client(who), 1, &room(&format!("r{}", who % 3)), "x")]))
        .collect();
    let syncs = power.counts().syncs;
    assert_eq!(store.step_writer().unwrap(), Step::Worked);
    assert_eq!(power.counts().syncs, syncs + 1);
    for append in appends {
        acked(&futures::executor::block_on(append).unwrap()[0]);
    }
    assert_eq!(store.step_writer().unwrap(), Step::Idle);
}

#[test]
fn it_is_known_without_a_step_whether_a_step_has_work() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    let work = || (store.writer_has_work(), store.pager_has_work());
    let reads = power.counts().reads;
    assert_eq!((work(), store.step_pager().unwrap()), ((false, false), Step::Idle));
    let appended = store.append((1..=99).map(|seq| publish(&client(1), seq, &room("a"), "x")).collect());
    assert_eq!(work(), (true, false));
    run_steps(&store).unwrap();
    assert_eq!(work(), (false, true));
    acked(&futures::executor::block_on(appended).unwrap()[0]);
    assert_eq!(store.step_pager().unwrap(), Step::Worked);
    assert_eq!((work(), store.step_pager().unwrap()), ((false, false), Step::Idle));
    let lobby = room("a");
    let mut trimmed = store.trim_newest(&lobby, Offset(90));
    assert!(futures::FutureExt::now_or_never(trimmed.as_mut()).is_none());
    assert_eq!(work(), (true, false));
    run_steps(&store).unwrap();
    while work().1 {
        assert_eq!(store.step_pager().unwrap(), Step::Worked);
    }
    assert_eq!(store.step_pager().unwrap(), Step::Idle);
    assert_eq!(power.counts().reads, reads, "an idle step is cheap");
}

fn count<K: Key + 'static>(file: &std::path::Path, table: &str) -> u64 {
    // The values of `trimming` are numbers; only their count is asked for.
    let database = Database::open(file).unwrap();
    let transaction = database.begin_read().unwrap();
    match table {
        "trimming" => transaction.open_table(TableDefinition::<K, u64>::new(table)).unwrap().len().unwrap(),
        _ => transaction.open_table(TableDefinition::<K, &[u8]>::new(table)).unwrap().len().unwrap(),
    }
}
