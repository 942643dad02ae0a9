//! A disk that runs low: appends wait, reading and opening go on, and so do appends once there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anchor::System;
use anchor_core::event::EventKind;
use anchor_core::id::Seq;
use anchor_core::publish::{Outcome, Publish};
use anchor_core::store::{Readiness, Store, StoreError, StoreExt};
use anchor_sim::disk::Power;
use anchor_store::{RedbStore, Step};
use futures::FutureExt;

use crate::support::{acked, append_stepped, client, in_session, publish, room, run_steps, waiting_from};
use crate::targets::about;

#[tokio::test]
async fn appends_wait_for_room_on_the_disk() {
    let free = Arc::new(AtomicU64::new(1 << 40));
    let told = free.clone();
    let power = Power::new();
    let options = RedbStore::options().free_bytes(move || Ok(told.load(Ordering::Relaxed)));
    let store = options.open_stepped(power.disk(), power.disk(), System).unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    append_stepped(&store, vec![publish(&ada, 1, &lobby, "one")]).unwrap();
    assert_eq!(store.readiness(), Readiness::Ready);

    free.store((256 << 20) - 1, Ordering::Relaxed);
    assert_eq!(store.readiness(), Readiness::DiskFull);
    let syncs = power.counts().syncs;
    let opened = store.open_client(&ada, Seq::FIRST);
    assert_eq!(store.step_writer().unwrap(), Step::Idle, "an async fn begins when it is polled");
    let mut opened = Box::pin(opened);
    assert!(opened.as_mut().now_or_never().is_none());
    let mut waiting = store.append(vec![publish(&ada, 2, &lobby, "two")]);
    assert_eq!(store.step_writer().unwrap(), Step::Waiting);
    let session = opened.await.unwrap();
    assert_eq!(session.highest, Seq::FIRST, "who connects is let in");
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 1);
    assert_eq!(power.counts().syncs, syncs, "nothing was written");

    // A client that reconnects meanwhile: what its older session has in the line is fenced by that.
    let eve = client(2);
    let mut opened = Box::pin(store.open_client(&eve, Seq::FIRST));
    assert!(opened.as_mut().now_or_never().is_none());
    assert_eq!(store.step_writer().unwrap(), Step::Waiting);
    let older = opened.await.unwrap().session;
    let fenced = store.append(vec![in_session(older, publish(&eve, 1, &lobby, "three"))]);
    let mut opened = Box::pin(store.open_client(&eve, Seq::FIRST));
    assert!(opened.as_mut().now_or_never().is_none());
    assert_eq!(store.step_writer().unwrap(), Step::Waiting);
    assert_eq!(opened.await.unwrap().highest, Seq::ZERO);
    // At once, so that the line does not grow with every reconnect of a long night.
    assert_eq!(fenced.now_or_never().expect("answered").unwrap()[0], Outcome::Fenced);

    free.store(256 << 20, Ordering::Relaxed);
    run_steps(&store).unwrap();
    assert_eq!(acked(&waiting.await.unwrap()[0]).mark.offset.0, 2);
    assert_eq!(store.readiness(), Readiness::Ready);
}

#[tokio::test]
async fn threads_go_on_by_themselves_and_a_close_does_not_wait_for_room() {
    let free = Arc::new(AtomicU64::new(0));
    let told = free.clone();
    let dir = tempfile::tempdir().unwrap();
    let options = RedbStore::options().free_bytes(move || Ok(told.load(Ordering::Relaxed)));
    let store = options.open(dir.path(), System).unwrap();
    let lobby = room("lobby");
    let mut waiting = store.append(vec![publish(&client(1), 1, &lobby, "one")]);
    assert!((&mut waiting).now_or_never().is_none());
    free.store(u64::MAX, Ordering::Relaxed);
    acked(&waiting.await.unwrap()[0]);
    free.store(0, Ordering::Relaxed);
    let never = store.append(vec![publish(&client(1), 2, &lobby, "two")]);
    store.close();
    assert!(matches!(never.await, Err(StoreError::Closed)));
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 1);
}

/// The pager writes more than it moves, for open pages are written again: on a full disk it waits like everybody, and
/// what it has not moved is in the journal.
#[tokio::test]
async fn nothing_is_paged_while_the_disk_is_full() {
    let free = Arc::new(AtomicU64::new(1 << 40));
    let told = free.clone();
    let power = Power::new();
    let free_bytes = move || Ok(told.load(Ordering::Relaxed));
    let options = RedbStore::options().free_bytes(free_bytes).unpaged_max(1, 1 << 20);
    let store = options.open_stepped(power.disk(), power.disk(), System).unwrap();
    let lobby = room("lobby");
    append_stepped(&store, vec![publish(&client(1), 1, &lobby, "one")]).unwrap();
    free.store((256 << 20) - 1, Ordering::Relaxed);
    let syncs = power.counts().syncs;
    assert_eq!(store.step_pager().unwrap(), Step::Waiting);
    assert_eq!(power.counts().syncs, syncs, "nothing was written");
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 1);
    // Who connects is let in, although no more may be unpaged.
    let ada = client(1);
    let mut opened = Box::pin(store.open_client(&ada, Seq::FIRST));
    assert!(opened.as_mut().now_or_never().is_none());
    assert_eq!(store.step_writer().unwrap(), Step::Waiting);
    assert_eq!(opened.await.unwrap().highest, Seq::FIRST);
    free.store(256 << 20, Ordering::Relaxed);
    assert_eq!(store.step_pager().unwrap(), Step::Worked);
    assert!(power.counts().syncs > syncs);
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 1);
}

/// The pages that a step writes again were not counted: one that touched very many rooms could need more than the reserve,
/// ran into the end of the disk, and the store failed.
#[tokio::test]
async fn a_page_step_takes_no_more_rooms_than_it_finds_room_for() {
    let free = Arc::new(AtomicU64::new(300 << 20));
    let told = free.clone();
    let power = Power::new();
    let options = RedbStore::options().free_bytes(move || Ok(told.load(Ordering::Relaxed)));
    let store = options.open_stepped(power.disk(), power.disk(), System).unwrap();
    let append_to_many_rooms = |from: u64| {
        let append = |seq: u64| {
            let publish = publish(&client(1), seq, &room(&format!("r{}", seq % 3_000)), "x");
            store.append(vec![waiting_from(seq, publish)])
        };
        let appends: Vec<_> = (from..from + 3_000).map(append).collect();
        run_steps(&store).unwrap();
        appends.into_iter().for_each(|append| drop(append.now_or_never().expect("answered").unwrap()));
    };
    let page_steps = || {
        let steps = std::iter::repeat_with(|| store.step_pager().unwrap());
        steps.take_while(|step| *step == Step::Worked).count()
    };

    append_to_many_rooms(1);
    assert_eq!(page_steps(), 3, "a thousand rooms in each, of 128 KiB at the most");
    // With much room in one step; if most of that is gone until then, the step waits.
    free.store(1 << 40, Ordering::Relaxed);
    append_to_many_rooms(3_001);
    assert!(store.pager_has_work());
    free.store(300 << 20, Ordering::Relaxed);
    assert_eq!(store.step_pager().unwrap(), Step::Waiting);
    assert_eq!(store.readiness(), Readiness::DiskFull);
    free.store(400 << 20, Ordering::Relaxed);
    assert_eq!((page_steps(), store.readiness()), (1, Readiness::Ready));
}

/// Each body that is taken away is a page that is written again, be they all of one room.
#[test]
fn a_page_step_takes_no_more_redactions_than_it_finds_room_for() {
    let power = Power::new();
    let options = RedbStore::options().free_bytes(|| Ok(300 << 20));
    let store = options.open_stepped(power.disk(), power.disk(), System).unwrap();
    let lobby = room("lobby");
    let says = |seq| waiting_from(seq, publish(&client(1), seq, &lobby, "x"));
    let append_each = |publishes: Vec<Publish>| {
        let appends: Vec<_> = publishes.into_iter().map(|publish| store.append(vec![publish])).collect();
        run_steps(&store).unwrap();
        for append in appends {
            acked(&append.now_or_never().expect("answered").unwrap()[0]);
        }
    };
    let page_steps = || {
        let steps = std::iter::repeat_with(|| store.step_pager().unwrap());
        steps.take_while(|step| *step == Step::Worked).count()
    };
    append_each((1..=3_000).map(says).collect());
    assert_eq!(page_steps(), 1);
    let redact = |seq| about(&store, seq, &lobby, EventKind::REDACTION, seq - 3_000, "");
    append_each((3_001..=6_000).map(redact).collect());
    assert_eq!(page_steps(), 3, "a thousand pages in each, of 128 KiB at the most");
}
