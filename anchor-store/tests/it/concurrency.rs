//! Many at once: offsets stay dense, bounds hold, and everything is there afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use anchor::System;
use anchor_core::cursor::{CursorMove, Cursors};
use anchor_core::id::{ClientId, ClientKey, UserId};
use anchor_core::position::Offset;
use anchor_core::record::{RecordKey, RecordWrite, Written};
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

/// A cursor that leaves memory is in the pages, whoever looks meanwhile; of those who guard the same record one writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_rise_while_everything_moves() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::options().page_step(7, 1 << 20).cached(2, 2).open(dir.path(), System).unwrap();
    let writers = (0..4_u8).map(|who| {
        let store = store.clone();
        tokio::spawn(async move {
            let (key, bob) = (client(who), client(100 + who).user);
            let (shared, mut own, mut new) = (room("a"), 0, Cursors::default());
            for seq in 1..=60 {
                let rooms = [shared.clone(), room(&format!("of-{who}-{}", seq / 10))];
                let text = |seq, room| waiting_from(seq, publish(&key, seq, room, "text"));
                let batch = vec![text(2 * seq - 1, &rooms[0]), text(2 * seq, &rooms[1])];
                let acks = store.append(batch).await.unwrap();
                let (first, second) = (acked(&acks[0]), acked(&acks[1]));
                let told = store.cursors(&key.user, &rooms).await.unwrap();
                let expected = [Cursors::written(first.mark), Cursors::written(second.mark)];
                assert_eq!(told, expected, "who writes has read at once");
                if seq % 10 == 0 {
                    new = Cursors::default();
                }
                if seq % 3 == u64::from(who) % 3 {
                    let to = Cursors { delivered: second.mark.offset, ..Cursors::default() };
                    let (room, epoch, user) = (rooms[1].clone(), second.epoch, bob.clone());
                    store.move_cursors(vec![CursorMove { room, epoch, user, to }]).await.unwrap();
                    new = to;
                }
                assert_eq!(store.cursors(&bob, &rooms[1..]).await.unwrap(), [new]);
                own += u64::from(raise(&store, "of all").await);
            }
            own
        })
    });
    let reader = {
        let store = store.clone();
        tokio::spawn(async move {
            let (a, mut seen) = (room("a"), BTreeMap::new());
            while seen.values().map(|cursors: &Cursors| cursors.read.ordinal.0).max() < Some(240) {
                for (user, cursors) in store.room_cursors(&a, None, 9).await.unwrap() {
                    let before = seen.insert(user.clone(), cursors).unwrap_or_default();
                    assert_eq!(before.max(cursors), cursors, "{user} went back");
                }
                let all = store.count_readers(&a, &[Offset(1)]).await.unwrap()[0].read;
                assert!(all >= seen.len() as u64, "{all} of {}", seen.len());
                tokio::task::yield_now().await;
            }
        })
    };
    let raised: u64 = join_all(writers).await.into_iter().map(|ended| ended.unwrap()).sum();
    reader.await.unwrap();
    assert_eq!(number(&store, "of all").await, raised, "each that was told to be done, and no other");
    store.close();
    assert_eq!(anchor_store::check(dir.path(), System).unwrap().problems, Vec::<String>::new());
}

/// Adds one to a number in a record; false if somebody else did meanwhile.
async fn raise(store: &RedbStore, name: &str) -> bool {
    let key = RecordKey::new(name).unwrap();
    let before = store.record(&key).await.unwrap();
    let next = before.as_ref().map_or(0, |value| u64::from_be_bytes(value[..].try_into().unwrap())) + 1;
    let puts = vec![(key.clone(), Some(next.to_be_bytes().to_vec()))];
    store.write_records(RecordWrite { guard: Some((key, before)), puts }).await.unwrap() == Written::Done
}

async fn number(store: &RedbStore, name: &str) -> u64 {
    let value = store.record(&RecordKey::new(name).unwrap()).await.unwrap().unwrap();
    u64::from_be_bytes(value[..].try_into().unwrap())
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
