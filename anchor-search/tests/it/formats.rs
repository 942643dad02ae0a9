//! Which indexes are gone on with, and which are made anew.

use std::fs;
use std::path::{Path, PathBuf};

use anchor_search::{IndexError, Indexer, renew};

use crate::room::{places, said, take};

/// Spoils an index.
type Spoiler = fn(&Path);

#[test]
fn an_index_is_new_until_it_has_begun_to_follow() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    assert!(indexer.is_new());
    take(&mut indexer, "plans", [said(1, "hello")]);
    drop(indexer);
    let mut indexer = Indexer::open(dir.path()).unwrap();
    assert!(indexer.is_new());
    assert_eq!(places(&indexer, "hello"), [""; 0], "what it had may not be all");
    indexer.begun().unwrap();
    take(&mut indexer, "plans", [said(1, "hello")]);
    drop(indexer);
    let indexer = Indexer::open(dir.path()).unwrap();
    assert!(!indexer.is_new());
    assert_eq!(places(&indexer, "hello"), ["plans/1"]);
}

#[test]
fn an_index_of_another_version_or_a_damaged_one_is_made_anew() {
    let spoilers: [(&str, Spoiler); 4] = [
        ("another version", |dir| fs::write(dir.join("anchor-search"), "anchor-search 2\n").unwrap()),
        ("no meta", |dir| fs::remove_file(dir.join("meta.json")).unwrap()),
        ("another meta", |dir| fs::write(dir.join("meta.json"), "{}").unwrap()),
        ("no segments", |dir| {
            let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            let of_segment = |path: &PathBuf| path.file_stem().is_some_and(|name| name.len() == 32);
            files.filter(of_segment).for_each(|path| fs::remove_file(path).unwrap());
        }),
    ];
    for (what, spoil) in spoilers {
        let dir = tempfile::tempdir().unwrap();
        let mut indexer = Indexer::open(dir.path()).unwrap();
        indexer.begun().unwrap();
        take(&mut indexer, "plans", [said(1, "hello")]);
        drop(indexer);
        spoil(dir.path());
        let indexer = Indexer::open(dir.path()).unwrap();
        assert!(indexer.is_new(), "{what}");
        assert_eq!(places(&indexer, "hello"), [""; 0], "{what}");
    }
}

#[test]
fn an_index_is_made_anew_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    renew(dir.path().join("none")).unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    indexer.begun().unwrap();
    drop(indexer);
    renew(dir.path()).unwrap();
    assert!(Indexer::open(dir.path()).unwrap().is_new());
}

#[test]
fn a_directory_with_anything_else_in_it_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let letter = dir.path().join("letter.txt");
    fs::write(&letter, "dear").unwrap();
    assert!(matches!(Indexer::open(dir.path()), Err(IndexError::NotAnIndex { path }) if path == letter));
    assert_eq!(fs::read_to_string(letter).unwrap(), "dear");
}

#[test]
fn one_directory_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Indexer::open(dir.path()).unwrap();
    assert!(matches!(Indexer::open(dir.path()), Err(IndexError::Held { .. })));
    first.begun().unwrap();
    assert!(matches!(Indexer::open(dir.path()), Err(IndexError::Held { .. })));
}
