//! The promises of the trait, one by one, on a directory.

use std::sync::Arc;

use anchor::System;
use anchor_core::code::Code;
use anchor_core::id::{Seq, SessionNumber};
use anchor_core::limits::WINDOW;
use anchor_core::position::{Offset, Ordinal};
use anchor_core::publish::{MissingRoom, Outcome, Refusal, Verdict};
use anchor_core::store::{Direction, Place, Read, Store, StoreError, StoreExt};
use anchor_store::RedbStore;

use crate::support::{Notes, acked, client, in_session, lock, publish, room, texts, waiting_from};

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_outcome_also_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    let first = {
        let store = RedbStore::open(dir.path(), System).unwrap();
        let outcomes = store.append(vec![publish(&ada, 1, &lobby, "one")]).await.unwrap();
        let first = acked(&outcomes[0]).clone();
        assert_eq!((first.mark.offset, first.mark.ordinal, first.duplicate), (Offset(1), Ordinal(1), false));
        let again = store.append(vec![publish(&ada, 1, &lobby, "one")]).await.unwrap();
        assert!(acked(&again[0]).duplicate);
        store.close();
        assert!(matches!(store.room(&lobby).await, Err(StoreError::Closed)));
        assert!(matches!(store.append(vec![publish(&ada, 2, &lobby, "two")]).await, Err(StoreError::Closed)));
        first
    };
    let store = RedbStore::open(dir.path(), System).unwrap();
    let again = store.append(vec![publish(&ada, 1, &lobby, "one")]).await.unwrap();
    let again = acked(&again[0]);
    assert!(again.duplicate);
    assert_eq!((again.mark, again.epoch, again.ts), (first.mark, first.epoch, first.ts));
    let other = store.append(vec![publish(&ada, 1, &lobby, "another")]).await.unwrap();
    assert!(matches!(&other[0], Outcome::Refused(refusal) if refusal.code == Code::SeqConflict));
    assert_eq!(texts(&store, &lobby).await, ["one"]);
}

#[tokio::test]
async fn refusals_are_decided_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    let mut refused = publish(&ada, 1, &lobby, "x");
    refused.verdict = Verdict::Refuse(Refusal::new(Code::Denied, "not you"));
    let mut missing = publish(&ada, 2, &room("nowhere"), "x");
    missing.verdict = Verdict::Append { room: MissingRoom::Refuse };
    let batch = vec![refused.clone(), missing.clone()];
    let store = RedbStore::open(dir.path(), System).unwrap();
    let first = store.append(batch).await.unwrap();
    assert!(matches!(&first[0], Outcome::Refused(refusal) if refusal.code == Code::Denied));
    assert!(matches!(&first[1], Outcome::Refused(refusal) if refusal.code == Code::RoomUnknown));
    store.close();
    let store = RedbStore::open(dir.path(), System).unwrap();
    // The same publishes, allowed by now: decided is decided.
    refused.verdict = Verdict::Append { room: MissingRoom::Create };
    missing.verdict = Verdict::Append { room: MissingRoom::Create };
    assert_eq!(store.append(vec![refused, missing]).await.unwrap(), first);
    assert_eq!(store.room(&lobby).await.unwrap(), None);
}

#[tokio::test]
async fn a_newer_session_fences_the_older_and_a_full_window_ends_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    let old = store.open_client(&ada, Seq::FIRST).await.unwrap();
    assert_eq!(old.highest, Seq::ZERO);
    let handed_over = store.append(vec![in_session(old.session, publish(&ada, 1, &lobby, "1"))]);
    let new = store.open_client(&ada, Seq::FIRST).await.unwrap();
    assert!(new.session > old.session);
    assert_eq!(new.highest, Seq::FIRST, "what was handed over before is decided before");
    acked(&handed_over.await.unwrap()[0]);
    let late = store.append(vec![in_session(old.session, publish(&ada, 2, &lobby, "2"))]).await.unwrap();
    assert_eq!(late[0], Outcome::Fenced);

    let session = |seq| in_session(new.session, publish(&ada, seq, &lobby, "x"));
    let full: Vec<_> = (2..=WINDOW as u64 + 2).map(session).collect();
    let outcomes = store.append(full).await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Acked(_))).count(), WINDOW - 1);
    assert_eq!(outcomes.last(), Some(&Outcome::WindowFull));
    let raised = waiting_from(200, session(WINDOW as u64 + 3));
    assert_eq!(store.append(vec![raised.clone()]).await.unwrap()[0], Outcome::WindowFull, "nor what follows");
    let newest = store.open_client(&ada, Seq::new(200).unwrap()).await.unwrap();
    let outcomes = store.append(vec![in_session(newest.session, raised)]).await.unwrap();
    acked(&outcomes[0]);
    let forgotten =
        store.append(vec![in_session(newest.session, publish(&ada, 1, &lobby, "1"))]).await.unwrap();
    assert!(matches!(&forgotten[0], Outcome::Refused(refusal) if refusal.code == Code::SeqForgotten));
    assert_ne!(newest.session, SessionNumber(0));
}

#[tokio::test]
async fn commits_are_told_before_they_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    let lobby = room("lobby");
    for seq in 1..=100 {
        store.append(vec![publish(&client(1), seq, &lobby, "x")]).await.unwrap();
        let told = lock(&notes.rooms)[&lobby].last().unwrap().last();
        assert_eq!(told, Offset(seq));
        assert_eq!(store.room(&lobby).await.unwrap().unwrap().head.offset, Offset(seq));
    }
}

#[tokio::test]
async fn reads_locates_and_lists_give_the_same_from_memory_and_from_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), System).unwrap();
    let rooms = [room("a"), room("b"), room("c")];
    let ada = client(1);
    let mut seq = 0;
    for round in 0..100 {
        for room in &rooms {
            seq += 1;
            let publish = waiting_from(seq, publish(&ada, seq, room, &format!("{round}")));
            store.append(vec![publish]).await.unwrap();
        }
    }
    let check = async |store: &RedbStore| {
        let mut found = Vec::new();
        for room in &rooms {
            assert_eq!(texts(store, room).await, (0..100).map(|round| round.to_string()).collect::<Vec<_>>());
            for offset in 0..=101 {
                let mark = store.locate(room, Place::Offset(Offset(offset))).await.unwrap();
                assert_eq!(mark.map(|mark| mark.offset), (offset <= 100).then_some(Offset(offset)));
                let by_ordinal = store.locate(room, Place::Ordinal(Ordinal(offset))).await.unwrap().unwrap();
                assert_eq!(by_ordinal.offset, Offset(offset.min(100)));
                let read = |from| Read { room: room.clone(), from, events_max: 10, bytes_max: 1 << 20 };
                let after = store.read(read(Direction::After(Offset(offset)))).await.unwrap();
                assert_eq!(after.is_empty(), offset >= 100);
                if let Some(first) = after.first() {
                    assert!(first.before().offset <= Offset(offset) && first.last() > Offset(offset));
                }
                let before = store.read(read(Direction::Before(Offset(offset)))).await.unwrap();
                assert_eq!(before.is_empty(), offset <= 1);
                if let Some(last) = before.last() {
                    assert!(last.last().next() >= Offset(offset.min(101)) && last.first() < Offset(offset));
                }
                found.push(mark);
            }
        }
        assert_eq!(store.rooms(None, 2).await.unwrap().len(), 2);
        let rest = store.rooms(Some(&rooms[0]), 10).await.unwrap();
        assert_eq!(rest.iter().map(|stored| stored.room.clone()).collect::<Vec<_>>(), rooms[1..]);
        let heads = store.heads(&[rooms[2].clone(), room("none")]).await.unwrap();
        assert_eq!(heads[0].unwrap().1.offset, Offset(100));
        assert_eq!(heads[1], None);
        found
    };
    let from_memory = check(&store).await;
    store.close();
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(check(&store).await, from_memory);
    let report = {
        store.close();
        anchor_store::check(dir.path(), System).unwrap()
    };
    assert_eq!((report.rooms, report.events, report.problems), (3, 300, vec![]));
}

#[tokio::test]
async fn a_trim_is_durable_and_keeps_the_point_before_the_horizon() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let batch = |from: u64| -> Vec<_> {
        (from..from + 100)
            .map(|seq| waiting_from(seq, publish(&client(1), seq, &lobby, &seq.to_string())))
            .collect()
    };
    let store = RedbStore::open(dir.path(), System).unwrap();
    store.append(batch(1)).await.unwrap();
    store.append(batch(101)).await.unwrap();
    let before = store.locate(&lobby, Place::Offset(Offset(149))).await.unwrap().unwrap();
    store.close();

    let mut store = RedbStore::open(dir.path(), System).unwrap();
    store.trim_newest(&lobby, Offset(150)).await.unwrap();
    store.trim_newest(&lobby, Offset(10)).await.unwrap();
    for _ in 0..2 {
        let state = store.room(&lobby).await.unwrap().unwrap();
        assert_eq!((state.horizon, state.before_horizon), (Offset(150), before));
        assert_eq!(store.locate(&lobby, Place::Offset(Offset(149))).await.unwrap(), Some(before));
        assert_eq!(store.locate(&lobby, Place::Offset(Offset(148))).await.unwrap(), None);
        let events = store.read_all(&lobby).await.unwrap();
        assert_eq!(events.first().unwrap().offset, Offset(150));
        assert_eq!(events.len(), 51);
        store.close();
        assert_eq!(anchor_store::check(dir.path(), System).unwrap().problems, Vec::<String>::new());
        store = RedbStore::open(dir.path(), System).unwrap();
        assert_eq!(store.read_all(&lobby).await.unwrap(), events);
    }
    // All of it, and the log goes on.
    store.trim_newest(&lobby, Offset(1_000)).await.unwrap();
    assert_eq!(store.room(&lobby).await.unwrap().unwrap().horizon, Offset(201));
    assert!(store.read_all(&lobby).await.unwrap().is_empty());
    store.append(batch(201)).await.unwrap();
    store.close();
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 100);
}

#[tokio::test]
async fn time_never_goes_back_within_a_room() {
    use anchor_core::conformance::environment::TestEnvironment;
    let dir = tempfile::tempdir().unwrap();
    let env = TestEnvironment::new(1);
    let store = RedbStore::open(dir.path(), env.clone()).unwrap();
    let lobby = room("lobby");
    env.set_unix_ms(5_000);
    store.append(vec![publish(&client(1), 1, &lobby, "a")]).await.unwrap();
    env.set_unix_ms(4_000);
    store.append(vec![publish(&client(1), 2, &lobby, "b")]).await.unwrap();
    store.close();
    let store = RedbStore::open(dir.path(), env.clone()).unwrap();
    let outcomes = store.append(vec![publish(&client(1), 3, &lobby, "c")]).await.unwrap();
    assert_eq!(acked(&outcomes[0]).ts, 5_000);
    env.set_unix_ms(6_000);
    let outcomes = store.append(vec![publish(&client(1), 4, &lobby, "d")]).await.unwrap();
    assert_eq!(acked(&outcomes[0]).ts, 6_000);
}
