//! Defects that were found and mended: each test tells what went wrong.

use std::sync::{Arc, Barrier};

use anchor::System;
use anchor_core::id::Seq;
use anchor_core::position::Offset;
use anchor_core::publish::Outcome;
use anchor_core::store::{Readiness, Store, StoreError, StoreExt};
use anchor_sim::disk::{Disk, Power};
use anchor_store::{OpenError, RedbStore};
use futures::FutureExt;
use futures::executor::block_on;

use crate::support::{Notes, acked, append_stepped, client, in_session, lock, publish, room, run_steps};

/// Two trims that waited together were both measured against the state before their commit, and the later one took the
/// horizon back: what was said to be trimmed came back.
#[test]
fn of_two_trims_in_one_commit_the_higher_holds() {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let store = RedbStore::with_backends(journal.clone(), pages.clone(), System).unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    let batch = (1..=10).map(|seq| publish(&ada, seq, &lobby, "x")).collect();
    append_stepped(&store, batch).unwrap();
    let (mut higher, mut lower) =
        (store.trim_newest(&lobby, Offset(8)), store.trim_newest(&lobby, Offset(3)));
    assert!(higher.as_mut().now_or_never().is_none() && lower.as_mut().now_or_never().is_none());
    run_steps(&store).unwrap();
    block_on(higher).unwrap();
    block_on(lower).unwrap();
    let horizon = |store: &RedbStore| block_on(store.room(&lobby)).unwrap().unwrap().horizon;
    assert_eq!(horizon(&store), Offset(8), "in memory");
    let replayed = RedbStore::with_backends(journal.copy(&power), pages.copy(&power), System);
    assert_eq!(horizon(&replayed.unwrap()), Offset(8), "after a replay");
    store.step_pager().unwrap();
    assert_eq!(horizon(&store), Offset(8), "in the pages");
}

/// A read that the disk failed was answered as damage, although redb takes nothing more after any failed access: the
/// store went on as if it were sound, and nobody was told to open it anew.
#[test]
fn a_read_that_the_disk_fails_fails_the_store() {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let options = RedbStore::options().pages_cache_bytes(0);
    let store = options.clone().open_stepped(journal.clone(), pages.clone(), System).unwrap();
    let lobby = room("lobby");
    append_stepped(&store, vec![publish(&client(1), 1, &lobby, "a")]).unwrap();
    store.close();
    let store = options.open_stepped(journal, pages, System).unwrap();
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    power.turn_off();
    let error = block_on(store.read_all(&lobby)).unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
    assert_eq!(store.readiness(), Readiness::Failed);
    assert_eq!(*lock(&notes.failures), 1);
}

/// Who began to observe a store that had failed just before was never told, and waited for ever.
#[test]
fn who_observes_a_failed_store_is_told() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    power.turn_off();
    let waiting = store.append(vec![publish(&client(1), 1, &room("lobby"), "a")]);
    assert!(run_steps(&store).is_err());
    assert!(block_on(waiting).is_err());
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    assert_eq!(*lock(&notes.failures), 1);
}

/// A second close that came while the first was under way took the same steps beside the threads that were finishing:
/// what waited was answered `Closed`, or a cut was moved twice and the store failed on its last breath.
#[test]
fn two_closes_at_once_finish_what_waits() {
    for _ in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let store = RedbStore::options().page_step(10, 1 << 20).open(dir.path(), System).unwrap();
        let notes = Arc::new(Notes::default());
        store.observe(notes.clone());
        let appends: Vec<_> = (0..200_u64)
            .map(|seq| store.append(vec![publish(&client(1), seq + 1, &room(&format!("r{}", seq % 9)), "x")]))
            .collect();
        let together = Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    together.wait();
                    store.close();
                });
            }
        });
        for append in appends {
            acked(&block_on(append).unwrap()[0]);
        }
        assert_eq!(*lock(&notes.failures), 0);
        assert_eq!(anchor_store::check(dir.path(), System).unwrap().events, 200);
    }
}

/// A session that was idle while very many others opened was told that it had been replaced, which sends a client away
/// from its id for good: nobody had replaced it.
#[test]
fn a_session_that_was_forgotten_is_not_told_that_it_was_replaced() {
    let power = Power::new();
    let options = RedbStore::options().sessions_cached(4);
    let store = options.open_stepped(power.disk(), power.disk(), System).unwrap();
    let open = |number: u8| {
        let client = client(number);
        let mut opened = store.open_client(&client, Seq::FIRST);
        assert!(opened.as_mut().now_or_never().is_none());
        run_steps(&store).unwrap();
        block_on(opened).unwrap().session
    };
    let (lobby, ada) = (room("lobby"), client(0));
    let idle = open(0);
    for number in 1..40 {
        open(number);
    }
    let eve = open(40);
    let late = vec![
        in_session(eve, publish(&client(40), 1, &lobby, "eve")),
        in_session(idle, publish(&ada, 1, &lobby, "ada")),
    ];
    let error = append_stepped(&store, late).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(block_on(store.room(&lobby)).unwrap().is_none(), "nothing of the batch was written");
    // What comes behind a batch that failed does not overtake it.
    let behind = append_stepped(&store, vec![in_session(eve, publish(&client(40), 2, &lobby, "more"))]);
    assert_eq!(behind.unwrap(), [Outcome::Fenced]);
    let again = in_session(open(0), publish(&ada, 1, &lobby, "ada"));
    acked(&append_stepped(&store, vec![again]).unwrap()[0]);
    let again = in_session(open(40), publish(&client(40), 1, &lobby, "eve"));
    acked(&append_stepped(&store, vec![again]).unwrap()[0]);
}

/// `FORMAT` was written before the databases were made, so a directory from which both were taken away looked like a first
/// start that had been interrupted: the server began an empty store, in silence.
#[test]
fn databases_that_were_taken_away_are_missed() {
    for taken in [&["journal.redb", "pages.redb"][..], &["pages.redb"], &["journal.redb"]] {
        // Also where nothing was ever committed.
        for appended in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let store = RedbStore::open(dir.path(), System).unwrap();
            if appended {
                block_on(store.append(vec![publish(&client(1), 1, &room("lobby"), "a")])).unwrap();
            }
            store.close();
            taken.iter().for_each(|file| std::fs::remove_file(dir.path().join(file)).unwrap());
            let error = RedbStore::open(dir.path(), System).unwrap_err();
            assert!(matches!(error, OpenError::Missing { file } if file == taken[0]), "{error}");
            assert!(!dir.path().join(taken[0]).exists(), "nothing was made in its place");
        }
    }
}

/// A journal beside the pages of another history (both of one pair: a backup was restored, and later one file of each was
/// put together) was replayed wherever the numbers of its commits fitted: acks were given for a log that did not hold
/// together, and the store failed when they were moved into the pages.
#[test]
fn a_journal_of_another_history_is_refused_before_anything_is_served() {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let lobby = room("lobby");
    let append = |journal: &Disk, pages: &Disk, text: &str, seqs: std::ops::RangeInclusive<u64>| {
        let store = RedbStore::with_backends(journal.attach(), pages.attach(), System).unwrap();
        for seq in seqs {
            append_stepped(&store, vec![publish(&client(1), seq, &lobby, text)]).unwrap();
        }
        store
    };
    append(&journal, &pages, "both", 1..=10).close();
    let (other_journal, other_pages) = (journal.copy(&power), pages.copy(&power));
    append(&journal, &pages, "one", 11..=20).close();
    append(&other_journal, &other_pages, "other", 11..=15).close();
    let error = RedbStore::with_backends(journal, other_pages, System).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { file: "journal.redb", .. }), "{error}");
    assert!(error.to_string().contains("does not follow"), "{error}");
}

/// Where no store was, a restore and a check made one, and said that all was well with it: a wrong path went unnoticed.
#[test]
fn nothing_is_made_where_something_is_to_be_restored_or_checked() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("elsewhere")] {
        let error = anchor_store::restore(&path, System).unwrap_err();
        assert!(matches!(error, OpenError::NoStore { .. }), "{error}");
        let error = anchor_store::check(&path, System).unwrap_err();
        assert!(matches!(error, OpenError::NoStore { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
