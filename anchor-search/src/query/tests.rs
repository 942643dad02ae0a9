//! Queries as people write them, and as nobody should.

use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{SEARCH_TERMS_MAX, SEARCH_TEXT_BYTES_MAX};
use proptest::prelude::*;

use super::{Query, QueryError};

fn texts(text: &str) -> Vec<String> {
    Query::parse(text).unwrap().texts.iter().map(|words| words.join(" ")).collect()
}

#[test]
fn words_and_phrases() {
    assert_eq!(texts("Hello  world"), ["hello", "world"]);
    assert_eq!(texts("\"hello world\" again"), ["hello world", "again"]);
    assert_eq!(texts("“typed on a telephone”"), ["typed on a telephone"]);
    assert_eq!(texts("東京 tower"), ["東 京", "tower"], "characters of a word follow each other");
    assert_eq!(texts("example.com"), ["example com"]);
    assert_eq!(texts("re:invent http://x.y"), ["re invent", "http x y"], "no fields");
    assert_eq!(texts("twice Twice — !"), ["twice"]);
    assert_eq!(texts(r#"5"x7" tall"#), ["5 x7", "tall"], "a quote within a word is none");
}

#[test]
fn fields() {
    let query = Query::parse(r#"from:"Ada \"L\" Lovelace" FROM:bob in:plans in:@announcements x"#).unwrap();
    assert_eq!(query.from, [UserId::new(r#"Ada "L" Lovelace"#).unwrap(), UserId::new("bob").unwrap()]);
    assert_eq!(query.rooms(), [RoomId::new("plans").unwrap(), RoomId::announcements()]);
    let query = Query::parse("after:1970-01-02 before:2026-05-01").unwrap();
    assert_eq!((query.not_before, query.before), (Some(86_400_000), Some(1_777_593_600_000)));
    assert_eq!(Query::parse("after:1900-01-01").unwrap().not_before, Some(0));
}

#[test]
fn what_is_no_query_is_told_by_name() {
    for (text, error) in [
        ("", QueryError::Empty),
        (" … !! ", QueryError::Empty),
        ("\"\"", QueryError::Empty),
        ("\"open", QueryError::OpenQuote),
        ("from:\"open", QueryError::OpenQuote),
        ("\"open\\\"", QueryError::OpenQuote),
        ("from:", QueryError::NoValue("from")),
        ("in: room", QueryError::NoValue("in")),
        ("in:\"\"", QueryError::NoValue("in")),
        ("before:yesterday", QueryError::Day("before")),
        ("before:2026-02-30", QueryError::Day("before")),
        ("after:2026-2-3", QueryError::Day("after")),
        ("after:20260203", QueryError::Day("after")),
        ("after:2026-05-01T10", QueryError::Day("after")),
        ("after:2026-05-01 after:2026-05-02", QueryError::Twice("after")),
    ] {
        assert_eq!(Query::parse(text), Err(error), "{text}");
    }
    assert!(matches!(Query::parse("in:Room"), Err(QueryError::Room(_))));
    assert!(matches!(Query::parse("from:\" ada\""), Err(QueryError::User(_))));
}

#[test]
fn queries_are_bounded() {
    assert_eq!(Query::parse(&"x".repeat(SEARCH_TEXT_BYTES_MAX + 1)), Err(QueryError::TooLong));
    let words = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert!(Query::parse(&words(SEARCH_TERMS_MAX)).is_ok());
    assert_eq!(Query::parse(&words(SEARCH_TERMS_MAX + 1)), Err(QueryError::TooManyTerms));
    assert_eq!(Query::parse(&"東".repeat(SEARCH_TERMS_MAX + 1)), Err(QueryError::TooManyTerms));
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_is_told_why_not(text in "\\PC{0,60}", field in "(from:|in:|before:|after:|\"|)") {
        if let Err(error) = Query::parse(&format!("{field}{text}")) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
