//! Rooms for tests: events as logs have them, made by hand.

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Offset, Ordinal};
use anchor_core::resume::{Gap, GapReason};
use anchor_search::{Audience, Indexer, Match, Query, Scope, Taken};

pub(crate) const EPOCH: Epoch = Epoch::from_bytes([1; 8]);

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

/// An event at an offset, a second for each.
pub(crate) fn event(user: &str, offset: u64, kind: EventKind, target: Option<u64>, text: &str) -> Event {
    Event {
        offset: Offset(offset),
        ordinal: Ordinal(offset),
        chain: Chain::ZERO,
        ts: offset * 1_000,
        user: UserId::new(user).unwrap(),
        client: ClientTag::from_bytes([0; 8]),
        seq: Seq::new(offset).unwrap(),
        nonce: Nonce(0),
        kind,
        target: target.map(Offset),
        body: Some(Body::text(text)),
    }
}

pub(crate) fn said(offset: u64, text: &str) -> Event {
    event("ada", offset, EventKind::MESSAGE, None, text)
}

pub(crate) fn edited(offset: u64, target: u64, text: &str) -> Event {
    event("ada", offset, EventKind::EDIT, Some(target), text)
}

pub(crate) fn redacted(offset: u64, target: u64) -> Event {
    event("ada", offset, EventKind::REDACTION, Some(target), "")
}

pub(crate) fn gap(reason: GapReason, from: u64, to: u64) -> Gap {
    Gap { from: Offset(from), to: Offset(to), reason, position: None, ordinal: Ordinal(0) }
}

/// Takes events of a public room and commits.
pub(crate) fn take(indexer: &mut Indexer, id: &str, events: impl IntoIterator<Item = Event>) {
    let taken = indexer.take(&room(id), Audience::Everybody, EPOCH, events).unwrap();
    assert_eq!(taken, Taken::Whole);
    indexer.commit().unwrap();
}

pub(crate) fn find(indexer: &Indexer, text: &str) -> Vec<Match> {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    indexer.index().look(&query, &Scope::Everywhere, None, 1_000).unwrap()
}

/// What is found, as `room/offset`.
pub(crate) fn places(indexer: &Indexer, text: &str) -> Vec<String> {
    find(indexer, text).iter().map(|found| format!("{}/{}", found.room, found.offset)).collect()
}
