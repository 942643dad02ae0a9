//! What is found by what is asked.

use anchor_core::event::{Body, EventKind};
use anchor_search::{Audience, Indexer, Query, Scope};

use crate::room::{EPOCH, edited, event, places, room, said, take};

#[test]
fn messages_are_found_by_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let texts = [
        "To the SEA, by train",
        "the train to Córdoba",
        "東京タワーへ行きました",
        "see https://example.com/train?x=1",
    ];
    take(&mut indexer, "plans", (1..).zip(texts).map(|(offset, text)| said(offset, text)));
    for (query, expected) in [
        ("train", vec!["plans/4", "plans/2", "plans/1"]),
        ("sea TRAIN", vec!["plans/1"]),
        ("\"the train\"", vec!["plans/2"]),
        ("\"train the\"", vec![]),
        ("cordoba", vec!["plans/2"]),
        ("Cordobá", vec!["plans/2"]),
        ("東京", vec!["plans/3"]),
        ("タワー", vec!["plans/3"]),
        ("京東", vec![]),
        ("example.com", vec!["plans/4"]),
        ("boat", vec![]),
    ] {
        assert_eq!(places(&indexer, query), expected, "{query}");
    }
}

#[test]
fn messages_are_found_by_who_said_them_where_and_when() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let direct = format!("@{}", "0".repeat(32));
    let at = |user: &str, offset, days: u64| {
        let mut event = event(user, offset, EventKind::MESSAGE, None, "hello");
        event.ts = days * 86_400_000;
        event
    };
    take(&mut indexer, "plans", [at("ada", 1, 0), at("Ada Lovelace", 2, 1), at("bob", 3, 2)]);
    take(&mut indexer, &direct, [at("bob", 1, 3)]);
    for (query, expected) in [
        ("from:ada", vec!["plans/1".to_owned()]),
        ("from:Ada", vec![]),
        ("hello from:\"Ada Lovelace\"", vec!["plans/2".to_owned()]),
        ("from:ada from:bob in:plans", vec!["plans/3".to_owned(), "plans/1".to_owned()]),
        (&format!("in:{direct}"), vec![format!("{direct}/1")]),
        ("before:1970-01-02", vec!["plans/1".to_owned()]),
        ("after:1970-01-02 before:1970-01-03", vec!["plans/2".to_owned()]),
        ("after:1970-01-03 in:plans hello", vec!["plans/3".to_owned()]),
    ] {
        assert_eq!(places(&indexer, query), expected, "{query}");
    }
}

#[test]
fn what_is_no_text_is_found_by_the_rest_and_by_its_text_once_it_has_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let mut picture = said(1, "");
    picture.body = Some(Body::new(Some("image/png"), "pixels".into()).unwrap());
    take(&mut indexer, "plans", [picture]);
    assert_eq!(places(&indexer, "pixels"), [""; 0]);
    assert_eq!(places(&indexer, "from:ada"), ["plans/1"]);
    take(&mut indexer, "plans", [edited(2, 1, "a lighthouse")]);
    assert_eq!(places(&indexer, "lighthouse"), ["plans/1"]);
}

#[test]
fn what_is_no_message_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let kinds =
        [EventKind::REACTION, EventKind::ROOM, EventKind::MEMBERSHIP, EventKind::REPORT, EventKind(999)];
    let events = (1..).zip(kinds).map(|(offset, kind)| event("ada", offset, kind, None, "hello"));
    take(&mut indexer, "plans", events.chain([edited(9, 1, "hello")]));
    assert_eq!(places(&indexer, "hello"), [""; 0]);
}

#[test]
fn a_search_is_about_open_rooms_and_those_in_its_scope_or_in_its_query() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    for (id, audience) in
        [("open", Audience::Everybody), ("mine", Audience::Members), ("another", Audience::Members)]
    {
        let _ = indexer.take(&room(id), audience, EPOCH, [said(1, "hello")]).unwrap();
    }
    indexer.commit().unwrap();
    let look = |text: &str, scope: &Scope| {
        let found = indexer.index().look(&Query::parse(text).unwrap(), scope, None, 10).unwrap();
        let mut rooms: Vec<_> = found.into_iter().map(|found| found.room.to_string()).collect();
        rooms.sort_unstable();
        rooms
    };
    assert_eq!(look("hello", &Scope::Everywhere), ["another", "mine", "open"]);
    assert_eq!(look("hello", &Scope::OpenAnd(vec![room("mine")])), ["mine", "open"]);
    assert_eq!(look("hello", &Scope::OpenAnd(vec![])), ["open"]);
    assert_eq!(look("hello in:another", &Scope::OpenAnd(vec![])), ["another"]);
}
