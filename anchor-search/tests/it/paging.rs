//! Pages of hits: each once, the newest first, and an end that is told.

use anchor_core::event::Event;
use anchor_core::limits::SEARCH_LOOKED_AT_MAX;
use anchor_search::{Indexer, Match, NoPlace, Place, Query, Scope};
use proptest::prelude::*;

use crate::room::{find, said, take};

/// All pages of a search, and how many there were.
fn pages(indexer: &Indexer, limit: usize, allowed: impl Fn(&Match) -> bool) -> (Vec<Match>, usize) {
    let (query, mut all, mut after, mut pages) = (Query::parse("hello").unwrap(), Vec::new(), None, 0);
    loop {
        let page = indexer.index().search(&query, &Scope::Everywhere, after, limit, &allowed).unwrap();
        assert!(page.matches.len() <= limit);
        pages += 1;
        all.extend(page.matches);
        let Some(next) = page.next else { return (all, pages) };
        after = Some(next.to_string().parse::<Place>().unwrap());
    }
}

#[test]
fn pages_have_every_hit_once_the_newest_first_though_times_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    for id in ["a", "b", "c", "d"] {
        take(&mut indexer, id, (1..=25).map(|offset| Event { ts: offset / 5, ..said(offset, "hello") }));
    }
    let all = find(&indexer, "hello");
    assert_eq!(all.len(), 100);
    assert!(all.is_sorted_by_key(Match::place));
    assert!(all.is_sorted_by(|one, other| (one.ts, one.offset) >= (other.ts, other.offset)));
    for limit in [1, 2, 3, 7, 99, 100, 101] {
        assert_eq!(pages(&indexer, limit, |_| true), (all.clone(), 100_usize.div_ceil(limit)), "{limit}");
    }
}

#[test]
fn what_is_not_allowed_is_passed_over_and_no_answer_looks_at_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let count = 3 * SEARCH_LOOKED_AT_MAX as u64;
    take(&mut indexer, "a", (1..=count).map(|offset| said(offset, "hello")));
    let (none, answers) = pages(&indexer, 10, |_| false);
    assert_eq!((none.len(), answers), (0, 4));
    let (oldest, _) = pages(&indexer, 10, |found| found.offset.0 == 1);
    assert_eq!(oldest.len(), 1);
    let (some, _) = pages(&indexer, 50, |found| found.offset.0 % 3 == 0);
    assert_eq!(some.len(), SEARCH_LOOKED_AT_MAX);
}

proptest! {
    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one(text in "[0-9a-f.]{0,40}") {
        let read: Result<Place, NoPlace> = text.parse();
        if let Ok(place) = read {
            prop_assert_eq!(place.to_string(), text);
        }
    }
}
