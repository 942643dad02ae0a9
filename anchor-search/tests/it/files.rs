//! What was taken away is in no file.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anchor_core::position::Offset;
use anchor_core::resume::GapReason;
use anchor_search::{Indexer, Query, Scope, Taken};

use crate::room::{edited, gap, places, redacted, room, said, take};

/// An unusual word. Its bytes are not ASCII: the dictionary of words packs those, and keeps others as they are.
pub(crate) const SECRET: &str = "ჭრიჭინობელა";

/// True if a file of the index has the word: as it is written, or as a dictionary of words has it, which is from its end to where
/// it parts from other words, with a byte about each byte.
pub(crate) fn is_in_a_file(dir: &Path) -> bool {
    let end: Vec<u8> = SECRET.bytes().skip(SECRET.len() / 2).collect();
    let is_end = |bytes: &[u8]| bytes.iter().step_by(2).eq(end.iter().rev());
    let has = |path: &Path| {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            // An index that is open takes its files away by itself.
            Err(error) if error.kind() == ErrorKind::NotFound => return false,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        bytes.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes())
            || bytes.windows(2 * end.len() - 1).any(is_end)
    };
    fs::read_dir(dir).unwrap().any(|entry| has(&entry.unwrap().path()))
}

/// An index with the word among many others, in several segments, and what then takes the word away.
fn check(take_away: impl FnOnce(&mut Indexer)) {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let other = |offset: u64| said(offset, &format!("one of many words w{offset}"));
    take(&mut indexer, "plans", (1..50).map(other));
    take(&mut indexer, "plans", (50..60).map(other).chain([said(60, &format!("my {SECRET}, for you"))]));
    take(&mut indexer, "plans", (61..70).map(other));
    assert_eq!(places(&indexer, SECRET), ["plans/60"]);
    assert!(is_in_a_file(dir.path()), "this test sees it where it is");
    take_away(&mut indexer);
    assert_eq!(places(&indexer, SECRET), [""; 0]);
    indexer.settle().unwrap();
    assert!(!is_in_a_file(dir.path()));
    assert!(!indexer.has_leftovers().unwrap());
}

#[test]
fn redacted_words_are_in_no_file() {
    check(|indexer| {
        take(indexer, "plans", [redacted(70, 60)]);
        assert!(indexer.has_leftovers().unwrap());
    });
}

#[test]
fn words_that_were_edited_away_are_in_no_file() {
    check(|indexer| {
        take(indexer, "plans", [edited(70, 60, "nothing of that")]);
        assert!(indexer.has_leftovers().unwrap());
    });
}

#[test]
fn words_of_a_deleted_room_are_in_no_file() {
    check(|indexer| {
        assert_eq!(indexer.gap(&room("plans"), &gap(GapReason::Deleted, 1, 70)).unwrap(), Taken::Whole);
    });
}

#[test]
fn words_of_a_log_that_was_set_back_are_in_no_file() {
    check(|indexer| {
        assert_eq!(indexer.gap(&room("plans"), &gap(GapReason::Restored, 59, 70)).unwrap(), Taken::Anew);
    });
}

#[test]
fn words_that_retention_took_are_in_no_file() {
    check(|indexer| indexer.trim(&room("plans"), Offset(61)).unwrap());
    check(|indexer| {
        assert_eq!(indexer.gap(&room("plans"), &gap(GapReason::Trimmed, 40, 60)).unwrap(), Taken::Whole);
    });
}

#[test]
fn words_that_are_taken_away_before_a_commit_are_never_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    take(&mut indexer, "plans", [said(1, SECRET), edited(2, 1, "else"), said(3, SECRET), redacted(4, 3)]);
    assert!(!is_in_a_file(dir.path()));
    assert_eq!(places(&indexer, "else"), ["plans/1"]);
}

#[test]
fn words_are_in_no_file_though_the_process_ended_before_it_settled() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    indexer.begun().unwrap();
    take(&mut indexer, "plans", [said(1, SECRET), said(2, "else")]);
    take(&mut indexer, "plans", [redacted(3, 1)]);
    drop(indexer);
    assert!(is_in_a_file(dir.path()));
    let mut indexer = Indexer::open(dir.path()).unwrap();
    assert!(!indexer.is_new() && indexer.has_leftovers().unwrap());
    indexer.settle().unwrap();
    assert!(!is_in_a_file(dir.path()));
    assert_eq!(places(&indexer, "else"), ["plans/2"]);
}

#[test]
fn many_small_commits_make_few_files_and_searches_go_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let index = indexer.index();
    let searching = std::thread::spawn(move || {
        let (query, mut most) = (Query::parse("hello").unwrap(), 0);
        while most < 60 {
            let found = index.look(&query, &Scope::Everywhere, None, 100).unwrap().len();
            assert!(found >= most, "{found} after {most}");
            most = found;
        }
    });
    for offset in 1..=60 {
        take(&mut indexer, "plans", [said(2 * offset, "hello"), said(2 * offset + 1, "something else")]);
        indexer.settle().unwrap();
    }
    searching.join().unwrap();
    indexer.settle().unwrap();
    assert!(!indexer.has_leftovers().unwrap());
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert!(files < 100, "{files}: segments are joined");
}
