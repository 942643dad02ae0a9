//! Many at once: offsets stay dense, bounds hold, and everything is there afterwards.

use std::sync::Arc;

use anchor::System;
use anchor_core::id::{ClientId, ClientKey, UserId};
use anchor_core::store::{Store, StoreExt};
use anchor_store::RedbStore;
use futures::future::join_all;

use crate::support::{Notes, acked, client, lock, publish, room, texts, waiting_from};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_dense_while_everything_moves() {
    let dir = tempfile::tempdir().unwrap();
    // Small steps and a small bound: the pager works all the time, and appends wait for it now and then.
    let store = RedbStore::options()
        .page_step(50, 1 << 20)
        .unpaged_max(120, 1 << 20)
        .open(dir.path(), System)
        .unwrap();
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    let rooms = [room("a"), room("b")];
    let writers = (0..8_u8).map(|who| {
        let (store, rooms) = (store.clone(), rooms.clone());
        tokio::spawn(async move {
            for seq in 1..=100 {
                let publish =
                    publish(&client(who), seq, &rooms[usize::from(who) % 2], &format!("{who}/{seq}"));
                acked(&store.append(vec![waiting_from(seq, publish)]).await.unwrap()[0]);
            }
        })
    });
    let reader = {
        let (store, room) = (store.clone(), rooms[0].clone());
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < 400 {
                let events = store.read_all(&room).await.unwrap();
                assert!(events.len() >= seen, "what was seen stays");
                assert!(events.iter().enumerate().all(|(at, event)| event.offset.0 == at as u64 + 1));
                seen = events.len();
                tokio::task::yield_now().await;
            }
        })
    };
    join_all(writers).await.into_iter().for_each(|ended| ended.unwrap());
    reader.await.unwrap();
    for (number, room) in rooms.iter().enumerate() {
        let texts = texts(&store, room).await;
        assert_eq!(texts.len(), 400);
        for who in (number..8).step_by(2) {
            let own: Vec<_> =
                texts.iter().filter(|text| text.starts_with(&format!("{who}/"))).cloned().collect();
            assert_eq!(
                own,
                (1..=100).map(|seq| format!("{who}/{seq}")).collect::<Vec<_>>(),
                "one client, one line"
            );
        }
        assert_eq!(lock(&notes.rooms)[room].last().unwrap().last().0, 400);
    }
    store.close();
    let report = anchor_store::check(dir.path(), System).unwrap();
    assert_eq!((report.rooms, report.events, report.clients, report.problems), (2, 800, 8, vec![]));
}

#[tokio::test]
async fn ten_thousand_clients_are_remembered_although_few_are_cached() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        RedbStore::options().cached(100, 100).page_step(500, 1 << 20).open(dir.path(), System).unwrap();
    let client = |number: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ClientKey { user: UserId::new(format!("user-{number}")).unwrap(), id: ClientId::from_bytes(id) }
    };
    let room_of = |number: u32| room(&format!("room-{}", number % 1_000));
    let batch = |from: u32| {
        (from..from + 500).map(|number| publish(&client(number), 1, &room_of(number), "x")).collect()
    };
    let mut first = Vec::new();
    for from in (0..10_000).step_by(500) {
        first.extend(store.append(batch(from)).await.unwrap());
    }
    for from in (0..10_000).step_by(500) {
        for (outcome, first) in store.append(batch(from)).await.unwrap().iter().zip(&first[from as usize..]) {
            let (again, first) = (acked(outcome), acked(first));
            assert!(again.duplicate && !first.duplicate);
            assert_eq!((again.mark, again.epoch), (first.mark, first.epoch));
        }
    }
    let rooms = store.rooms(None, usize::MAX).await.unwrap();
    assert_eq!(rooms.len(), 1_000);
    assert!(rooms.iter().all(|stored| stored.state.head.offset.0 == 10));
    assert_eq!(store.read_all(&room_of(0)).await.unwrap().len(), 10);
}
