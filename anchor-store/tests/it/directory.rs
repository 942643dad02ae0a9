//! The directory: who may open it, what is in it, and what a process that was killed leaves.

use std::fs;

use anchor::System;
use anchor_core::error::ErrorKind;
use anchor_core::store::{Store, StoreExt};
use anchor_store::{OpenError, RedbStore};

use crate::support::{acked, client, publish, room, texts};

#[test]
fn a_directory_is_held_by_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let store = RedbStore::open(&data, System).unwrap();
    let second = RedbStore::open(&data, System).unwrap_err();
    assert!(matches!(second, OpenError::Held { .. }), "{second}");
    assert_eq!(second.kind(), ErrorKind::Retry);
    assert!(matches!(anchor_store::restore(&data, System), Err(OpenError::Held { .. })));
    store.close();
    drop(RedbStore::open(&data, System).unwrap());
    // Dropping lets go too.
    RedbStore::open(&data, System).unwrap();
}

#[test]
fn what_is_no_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(RedbStore::open(&file, System), Err(OpenError::NotADirectory { .. })));
    let below = RedbStore::open(file.join("data"), System).unwrap_err();
    assert!(matches!(below, OpenError::NotADirectory { .. }), "{below}");
}

#[tokio::test]
async fn what_was_acked_is_in_the_files_of_a_process_that_was_killed() {
    let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lobby = room("lobby");
    let store = RedbStore::options().page_step(100, 1 << 20).open(dir.path(), System).unwrap();
    for seq in 1..=250 {
        acked(&store.append(vec![publish(&client(1), seq, &lobby, &seq.to_string())]).await.unwrap()[0]);
    }
    // The journal first and the pages second, as a backup does: trimming never overtakes what the pages hold.
    for file in ["FORMAT", "journal.redb", "pages.redb"] {
        fs::copy(dir.path().join(file), killed.path().join(file)).unwrap();
    }
    let copy = RedbStore::open(killed.path(), System).unwrap();
    assert_eq!(texts(&copy, &lobby).await, (1..=250).map(|seq| seq.to_string()).collect::<Vec<_>>());
    let again = copy.append(vec![publish(&client(1), 250, &lobby, "250")]).await.unwrap();
    assert!(acked(&again[0]).duplicate);
    copy.close();
    assert_eq!(anchor_store::check(killed.path(), System).unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_first_start_that_was_interrupted_is_taken_up() {
    for kept in [&[][..], &["FORMAT"], &["FORMAT", "journal.redb"], &["FORMAT", "journal.redb", "pages.redb"]]
    {
        let (dir, partial) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        drop(RedbStore::open(dir.path(), System).unwrap());
        for file in kept {
            // It gets its name last.
            let name = if *file == "FORMAT" { "FORMAT.new" } else { file };
            fs::copy(dir.path().join(file), partial.path().join(name)).unwrap();
        }
        // What the interrupted start had not renamed yet.
        fs::write(partial.path().join("pages.redb.new"), [0; 5000]).unwrap();
        let store = RedbStore::open(partial.path(), System).unwrap();
        acked(&store.append(vec![publish(&client(1), 1, &room("lobby"), "x")]).await.unwrap()[0]);
    }
}

#[test]
fn a_first_start_that_was_interrupted_in_the_middle_of_a_line_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("FORMAT.new"), "anchor-store fo").unwrap();
    RedbStore::open(dir.path(), System).unwrap().close();
    // Nothing was made after a line that is not whole: what stands beside it is of somebody else.
    fs::remove_file(dir.path().join("FORMAT")).unwrap();
    fs::write(dir.path().join("FORMAT.new"), "anchor-store fo").unwrap();
    let error = RedbStore::open(dir.path(), System).unwrap_err();
    assert!(matches!(error, OpenError::Missing { file: "FORMAT" }), "{error}");
}

#[tokio::test]
async fn a_restore_keeps_the_log_and_begins_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::open(dir.path(), System).unwrap();
    for seq in 1..=3 {
        store.append(vec![publish(&client(1), seq, &lobby, "x")]).await.unwrap();
    }
    let before = store.room(&lobby).await.unwrap().unwrap();
    drop(store);
    assert_eq!(anchor_store::restore(dir.path(), System).unwrap().rooms, 1);
    let store = RedbStore::open(dir.path(), System).unwrap();
    let after = store.room(&lobby).await.unwrap().unwrap();
    assert_eq!(after.epochs.len(), 2);
    assert_eq!(
        (after.epochs[0], after.epochs[1].before, after.head),
        (before.epochs[0], before.head, before.head)
    );
    assert_ne!(after.epoch(), before.epoch());
    assert_eq!(after.head_position(), before.head_position(), "the newest event is of the epoch before");
    let outcomes = store.append(vec![publish(&client(1), 4, &lobby, "x")]).await.unwrap();
    assert_eq!(acked(&outcomes[0]).epoch, after.epoch());
    drop(store);
    assert_eq!(anchor_store::check(dir.path(), System).unwrap().problems, Vec::<String>::new());
    let store = RedbStore::open(dir.path(), System).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 4);
    assert_eq!(store.room(&lobby).await.unwrap().unwrap().epochs, after.epochs);
}
