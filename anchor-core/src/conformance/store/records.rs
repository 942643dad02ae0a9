//! Records: small rows by a key, of which several change together, if a guard allows it.

use futures::future::join_all;

use super::{Factory, Reopen, start};
use crate::record::{RECORD_KEY_BYTES_MAX, RECORD_VALUE_BYTES_MAX, RecordKey, RecordWrite, Written};
use crate::store::Store;

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    a_record_is_what_was_put_last(factory).await;
    a_failed_guard_writes_nothing(factory).await;
    of_two_who_guard_the_same_one_writes(factory).await;
    writes_take_their_places_when_they_are_called(factory).await;
    records_are_told_by_their_prefix_in_order(factory).await;
    the_largest_record_is_kept(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    records_are_kept(factory).await;
}

/// An empty value is one; of two of one key the later holds; what was taken away is not there.
pub async fn a_record_is_what_was_put_last(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    assert_eq!(read(&store, "a").await, None);
    put(&store, &[("a", Some("1")), ("b", Some("")), ("c", Some("2")), ("c", Some("3"))]).await;
    assert_eq!(all(&store, "").await, [pair("a", "1"), pair("b", ""), pair("c", "3")]);
    put(&store, &[("a", None), ("nowhere", None), ("c", None), ("c", Some("4"))]).await;
    assert_eq!((read(&store, "a").await, read(&store, "b").await), (None, Some(Vec::new())));
    assert_eq!(all(&store, "").await, [pair("b", ""), pair("c", "4")]);
    put(&store, &[]).await;
    assert_eq!(all(&store, "").await.len(), 2);
}

/// Whether there should be none or this very value; the guard alone may be asked, too.
pub async fn a_failed_guard_writes_nothing(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let guarded = |guard: Option<&str>, value: &str| RecordWrite {
        guard: Some((key("guard"), guard.map(|value| value.as_bytes().to_vec()))),
        puts: vec![
            (key("guard"), Some(value.as_bytes().to_vec())),
            (key("other"), Some(value.as_bytes().to_vec())),
        ],
    };
    let write = async |write| store.write_records(write).await.expect("records are written");
    assert_eq!(write(guarded(Some("1"), "2")).await, Written::GuardFailed, "there is none");
    assert_eq!(write(guarded(Some(""), "2")).await, Written::GuardFailed, "none is not an empty one");
    assert_eq!(all(&store, "").await, []);
    assert_eq!(write(guarded(None, "1")).await, Written::Done);
    assert_eq!(write(guarded(None, "2")).await, Written::GuardFailed, "there is one");
    assert_eq!(write(guarded(Some("2"), "2")).await, Written::GuardFailed, "it is another");
    assert_eq!(all(&store, "").await, [pair("guard", "1"), pair("other", "1")]);
    let asked = RecordWrite { puts: Vec::new(), ..guarded(Some("1"), "") };
    assert_eq!(write(asked).await, Written::Done);
    assert_eq!(write(guarded(Some("1"), "2")).await, Written::Done);
    assert_eq!(all(&store, "").await, [pair("guard", "2"), pair("other", "2")]);
}

/// However closely they follow each other.
pub async fn of_two_who_guard_the_same_one_writes(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    for round in 0..5_u8 {
        let before = store.record(&key("owner")).await.expect("a record is read");
        let raised = |who: u8| RecordWrite {
            guard: Some((key("owner"), before.clone())),
            puts: vec![
                (key("owner"), Some(vec![round, who])),
                (key(&format!("of/{who}")), Some(vec![round])),
            ],
        };
        let writes: Vec<_> = (0..4).map(|who| store.write_records(raised(who))).collect();
        let written: Vec<_> =
            join_all(writes).await.into_iter().map(|one| one.expect("it is decided")).collect();
        let done = written.iter().filter(|one| **one == Written::Done).count();
        assert_eq!((done, written[0]), (1, Written::Done), "the first of them, and no other");
        assert_eq!(store.record(&key("owner")).await.expect("a record is read"), Some(vec![round, 0]));
    }
    assert_eq!(all(&store, "of/").await.len(), 1);
}

/// The later of two holds, whichever is waited for first.
pub async fn writes_take_their_places_when_they_are_called(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let write = |value: &str| RecordWrite { guard: None, puts: vec![(key("a"), Some(value.into()))] };
    let (first, second) = (store.write_records(write("1")), store.write_records(write("2")));
    assert_eq!(second.await.expect("a record is written"), Written::Done);
    assert_eq!(first.await.expect("a record is written"), Written::Done);
    assert_eq!(read(&store, "a").await, Some(b"2".to_vec()));
}

/// By the bytes of their keys; behind a key that need not be one of them; as many as are asked for.
pub async fn records_are_told_by_their_prefix_in_order(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let keys = ["a", "a/", "a/1", "a/10", "a/2", "a/é", "a/🙂", "a0", "b/1", "é"];
    let puts: Vec<_> = keys.iter().rev().map(|key| (*key, Some(*key))).collect();
    put(&store, &puts).await;
    for prefix in ["", "a", "a/", "a/1", "a/é", "b", "c", "zz", "🙂"] {
        let expected: Vec<_> =
            keys.iter().filter(|key| key.starts_with(prefix)).map(|key| pair(key, key)).collect();
        assert_eq!(all(&store, prefix).await, expected, "those of {prefix:?}");
        for after in ["0", "a", "a/", "a/15", "a/é", "b", "é", "🙂"] {
            for limit in [0, 1, 2, 100] {
                let behind = expected.iter().filter(|(key, _)| key.as_str() > after).take(limit);
                let told = store.records(prefix, Some(&key(after)), limit).await.expect("records are read");
                assert!(told.iter().eq(behind), "{limit} of {prefix:?} behind {after:?}: {told:?}");
            }
        }
    }
}

/// In key and value.
pub async fn the_largest_record_is_kept(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (long, value) = (key(&"k".repeat(RECORD_KEY_BYTES_MAX)), vec![7; RECORD_VALUE_BYTES_MAX]);
    let puts = vec![(long.clone(), Some(value.clone()))];
    let written = store.write_records(RecordWrite { guard: None, puts }).await.expect("a record is written");
    assert_eq!(written, Written::Done);
    assert_eq!(store.record(&long).await.expect("a record is read"), Some(value));
}

/// With what was taken away and what a guard kept from being written.
pub async fn records_are_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    put(&store, &[("a", Some("1")), ("b", Some("2"))]).await;
    for n in 0..3 {
        put(&store, &[("b", None), (&format!("n/{n}"), Some("x"))]).await;
        let guard = Some((key("a"), None));
        let refused = RecordWrite { guard, puts: vec![(key("c"), Some(Vec::new()))] };
        assert_eq!(store.write_records(refused).await.expect("it is decided"), Written::GuardFailed);
        store = factory.reopen(store, &env).await;
        assert_eq!((read(&store, "a").await, read(&store, "b").await), (Some(b"1".to_vec()), None));
        assert_eq!((all(&store, "n/").await.len(), all(&store, "").await.len()), (n + 1, n + 2));
    }
}

fn key(name: &str) -> RecordKey {
    RecordKey::new(name).expect("the test names a valid key")
}

fn pair(name: &str, value: &str) -> (RecordKey, Vec<u8>) {
    (key(name), value.as_bytes().to_vec())
}

async fn put(store: &dyn Store, puts: &[(&str, Option<&str>)]) {
    let puts = puts.iter().map(|(name, value)| (key(name), value.map(|value| value.as_bytes().to_vec())));
    let write = RecordWrite { guard: None, puts: puts.collect() };
    assert_eq!(store.write_records(write).await.expect("records are written"), Written::Done);
}

async fn read(store: &dyn Store, name: &str) -> Option<Vec<u8>> {
    store.record(&key(name)).await.expect("a record is read")
}

async fn all(store: &dyn Store, prefix: &str) -> Vec<(RecordKey, Vec<u8>)> {
    store.records(prefix, None, usize::MAX).await.expect("records are read")
}
