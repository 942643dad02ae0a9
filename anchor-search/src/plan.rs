//! A query as the index takes it.

use std::ops::Bound;

use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use tantivy::Term;
use tantivy::query::{BooleanQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};

use crate::place::Place;
use crate::query;
use crate::schema::Fields;

/// The rooms that somebody's search is about who names none: what the asker cannot read anyway need not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Everywhere,
    /// These, and all that anybody might read.
    OpenAnd(Vec<RoomId>),
}

/// What matches `query` in `scope` and stands behind `after`.
pub(crate) fn of(
    query: &query::Query,
    scope: &Scope,
    after: Option<&Place>,
    fields: &Fields,
) -> Box<dyn Query> {
    let mut all: Vec<Box<dyn Query>> = query.texts.iter().map(|words| text(words, fields)).collect();
    if !query.from.is_empty() {
        all.push(Box::new(TermSetQuery::new(query.from.iter().map(|user| fields.by(user)))));
    }
    match (query.rooms.is_empty(), scope) {
        (false, _) => all.push(in_rooms(&query.rooms, fields)),
        (true, Scope::Everywhere) => {}
        (true, Scope::OpenAnd(rooms)) => {
            all.push(any(vec![exactly(fields.is_open()), in_rooms(rooms, fields)]));
        }
    }
    if query.not_before.is_some() || query.before.is_some() {
        let (from, to) = (query.not_before.map_or(Bound::Unbounded, Bound::Included), query.before);
        all.push(range(fields.ts, from, to.map_or(Bound::Unbounded, Bound::Excluded)));
    }
    all.extend(after.map(|after| behind(after, fields)));
    every(all)
}

/// The messages of a room from one offset to another, both included.
pub(crate) fn between(room: &RoomId, first: Offset, last: Offset, fields: &Fields) -> Box<dyn Query> {
    let offsets = range(fields.offset, Bound::Included(first.0), Bound::Included(last.0));
    every(vec![exactly(fields.of_room(room)), offsets])
}

fn text(words: &[String], fields: &Fields) -> Box<dyn Query> {
    match words {
        [word] => exactly(fields.word(word)),
        words => Box::new(PhraseQuery::new(words.iter().map(|word| fields.word(word)).collect())),
    }
}

fn in_rooms(rooms: &[RoomId], fields: &Fields) -> Box<dyn Query> {
    Box::new(TermSetQuery::new(rooms.iter().map(|room| fields.of_room(room))))
}

/// Older than the time of `after`; or of that time with a lower offset; or of both, and later by the tie.
fn behind(after: &Place, fields: &Fields) -> Box<dyn Query> {
    let below = |field, number| range(field, Bound::Unbounded, Bound::Excluded(number));
    let at = |field, number| range(field, Bound::Included(number), Bound::Included(number));
    let Place { ts, offset, tie } = *after;
    any(vec![
        below(fields.ts, ts),
        every(vec![at(fields.ts, ts), below(fields.offset, offset)]),
        every(vec![at(fields.ts, ts), at(fields.offset, offset), below(fields.tie, tie)]),
    ])
}

fn range(field: Field, from: Bound<u64>, to: Bound<u64>) -> Box<dyn Query> {
    let term = |number| Term::from_field_u64(field, number);
    Box::new(RangeQuery::new(from.map(term), to.map(term)))
}

fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn every(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Must, query)).collect()))
}

fn any(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Should, query)).collect()))
}
