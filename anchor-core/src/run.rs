//! A run: consecutive events of one room and one epoch, encoded once and shared by everybody who reads them.
//!
//! What a commit adds to a room, what a tail holds, what a page is and what an `events` frame carries are all runs.
//! Invariant: the events are contiguous, the first follows `before`, the last is `tip`.

mod turns;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

pub(crate) use self::turns::Turn;
use crate::chain::{self, Digest, Link};
use crate::event::{Body, Event, EventKind, Mentions, encoding};
use crate::id::RoomId;
use crate::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use crate::msgpack::{Malformed, Reader};
use crate::position::{Epoch, Mark, Offset, Position};
use crate::sabotage::{self, Sabotage};

/// Consecutive events of one room, in one epoch. Clones share.
#[derive(Clone, Debug)]
pub struct Run(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: RunParts,
    frames: [OnceLock<Bytes>; ENCODINGS],
    turns: OnceLock<Box<[Turn]>>,
    newest_ts: OnceLock<u64>,
}

/// What a run consists of, for stores that keep one and bring it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunParts {
    /// Whose log.
    pub room: RoomId,
    /// In which history the events were written.
    pub epoch: Epoch,
    /// The point of the log before the first event.
    pub before: Mark,
    /// The point of the log after the last event.
    pub tip: Mark,
    /// The events, one MessagePack array after another (see [`crate::event::encoding`]).
    pub events: Bytes,
    /// What is among the events that somebody must look at.
    pub contents: Contents,
}

/// What a run holds beside messages that are about nothing else, so that nobody looks for it in vain: bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents(u8);

impl Contents {
    /// Messages alone, none of them a reply.
    pub const PLAIN: Self = Self(0);
    /// Membership or room events.
    pub const OF_ROOM: Self = Self(1);
    /// Events about other events: replies, edits, reactions, …
    pub const TARGETED: Self = Self(2);
    /// Redactions.
    pub const REDACTIONS: Self = Self(4);
    /// Events that mention somebody.
    pub const MENTIONS: Self = Self(8);

    /// What is kept beside them where mentions were looked for. Versions that did not look left it out, and what they kept may
    /// have mentions.
    const MENTIONS_KNOWN: u8 = 16;

    /// The contents as they are kept, in one byte; bits that are not known say nothing.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & Self::MENTIONS_KNOWN {
            0 => Self(bits & 7 | Self::MENTIONS.0),
            _ => Self(bits & 15),
        }
    }

    /// To be kept.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0 | Self::MENTIONS_KNOWN
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if all of `other` may be among the events.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if some of `other` may be among the events.
    #[must_use]
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those of one event.
    #[must_use]
    pub fn of_event(event: &Event) -> Self {
        Self::of(event.kind, event.target, event.body.as_ref().and_then(Body::mentions))
    }

    const fn of(kind: EventKind, target: Option<Offset>, mentions: Option<&Mentions>) -> Self {
        let of_room = if kind.is_of_room() { Self::OF_ROOM } else { Self::PLAIN };
        let targeted = if target.is_some() { Self::TARGETED } else { Self::PLAIN };
        let redactions = if kind.0 == EventKind::REDACTION.0 { Self::REDACTIONS } else { Self::PLAIN };
        let mentioning = if mentions.is_some() { Self::MENTIONS } else { Self::PLAIN };
        of_room.and(targeted).and(redactions).and(mentioning)
    }
}

impl Run {
    /// A run whose parts were built or checked before; the caller vouches for the invariant.
    #[must_use]
    pub fn from_parts(parts: RunParts) -> Self {
        debug_assert!(parts.tip.offset > parts.before.offset, "a run has at least one event");
        let frames = [const { OnceLock::new() }; ENCODINGS];
        Self(Arc::new(Shared { parts, frames, turns: OnceLock::new(), newest_ts: OnceLock::new() }))
    }

    /// What it consists of.
    #[must_use]
    pub fn parts(&self) -> &RunParts {
        &self.0.parts
    }

    /// Whose log.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        &self.0.parts.room
    }

    /// In which history the events were written.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.parts.epoch
    }

    /// The offset of the first event.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.0.parts.before.offset.next()
    }

    /// The offset of the last event.
    #[must_use]
    pub fn last(&self) -> Offset {
        self.0.parts.tip.offset
    }

    /// The point of the log before the first event.
    #[must_use]
    pub fn before(&self) -> Mark {
        self.0.parts.before
    }

    /// The point of the log after the last event.
    #[must_use]
    pub fn tip(&self) -> Mark {
        self.0.parts.tip
    }

    /// What may be among the events beside plain messages.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.0.parts.contents
    }

    /// The events that change what somebody may read, in rising order: looked for once, then shared.
    pub(crate) fn turns(&self) -> &[Turn] {
        match self.contents().has(Contents::OF_ROOM) {
            true => self.0.turns.get_or_init(|| turns::among(self)),
            false => &[],
        }
    }

    /// The `ts` of the last event: looked for once, then shared.
    ///
    /// # Errors
    /// [`Malformed`] if what was stored is no event.
    pub(crate) fn newest_ts(&self) -> Result<u64, Malformed> {
        if let Some(ts) = self.0.newest_ts.get() {
            return Ok(*ts);
        }
        let mut reader = Reader::new(self.encoded());
        (1..self.len()).try_for_each(|_| encoding::skip(&mut reader).map(drop))?;
        let ts = encoding::read(&mut reader)?.ts;
        Ok(*self.0.newest_ts.get_or_init(|| ts))
    }

    /// Where a reader stands who has taken this run.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::at(self.epoch(), self.tip())
    }

    /// Number of events; at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a run is never empty")]
    #[expect(clippy::cast_possible_truncation, reason = "a run has at most RUN_EVENTS_MAX events")]
    pub fn len(&self) -> usize {
        (self.last().0 - self.before().offset.0) as usize
    }

    /// The encoded events.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.0.parts.events
    }

    /// The events, decoded one by one.
    ///
    /// # Errors
    /// Each item is [`Malformed`] if what was stored is no event; then nothing follows.
    pub fn events(&self) -> impl Iterator<Item = Result<Event, Malformed>> + '_ {
        let mut reader = Reader::new(&self.0.parts.events);
        let mut broken = false;
        std::iter::from_fn(move || {
            if broken || reader.is_empty() {
                return None;
            }
            let event = encoding::read(&mut reader);
            broken = event.is_err();
            Some(event)
        })
    }

    /// The point of the log after the event at `offset`, if that lies in `before ..= tip`.
    ///
    /// # Errors
    /// [`Malformed`] if what was stored is no event, or out of its place.
    pub fn mark_at(&self, offset: Offset) -> Result<Option<Mark>, Malformed> {
        if offset == self.before().offset {
            return Ok(Some(self.before()));
        }
        if offset == self.last() {
            return Ok(Some(self.tip()));
        }
        if offset < self.first() || offset > self.last() {
            return Ok(None);
        }
        let mut reader = Reader::new(self.encoded());
        while !reader.is_empty() {
            let mark = encoding::skip(&mut reader)?;
            if mark.offset >= offset {
                return if mark.offset == offset { Ok(Some(mark)) } else { Err(OUT_OF_PLACE) };
            }
        }
        Err(OUT_OF_PLACE)
    }

    /// This run and `next` as one; `None` unless `next` follows it in the same history and one run may hold both.
    #[must_use]
    pub fn joined(&self, next: &Self) -> Option<Self> {
        let joined = self.joined_all(std::iter::once(next));
        (joined.last() > self.last()).then_some(joined)
    }

    /// This run and the first of `next` as one: those that follow it in the same history, up to what one run may hold.
    #[must_use]
    pub fn joined_all<'a>(&self, next: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let (mut last, mut events, mut bytes, mut taken) = (self, self.len(), self.encoded().len(), 0);
        let mut contents = self.contents();
        for run in next.clone() {
            let (more_events, more_bytes) = (events + run.len(), bytes + run.encoded().len());
            if !last.is_followed_by(run) || more_events > RUN_EVENTS_MAX || more_bytes > RUN_BYTES_MAX {
                break;
            }
            (last, events, bytes, taken) = (run, more_events, more_bytes, taken + 1);
            contents = contents.and(run.contents());
        }
        if taken == 0 {
            return self.clone();
        }
        let mut joined = Vec::with_capacity(bytes);
        joined.extend_from_slice(self.encoded());
        next.take(taken).for_each(|run| joined.extend_from_slice(run.encoded()));
        Self::from_parts(RunParts {
            tip: last.tip(),
            events: joined.into(),
            contents,
            ..self.parts().clone()
        })
    }

    fn is_followed_by(&self, next: &Self) -> bool {
        let (own, other) = (self.parts(), next.parts());
        own.room == other.room && own.epoch == other.epoch && own.tip == other.before
    }

    /// What is left of this run from the event at `first` on: all of it if `first` lies before it, `None` if behind.
    ///
    /// # Errors
    /// [`Malformed`] if what was stored is no event, or out of its place.
    pub fn from_offset(&self, first: Offset) -> Result<Option<Self>, Malformed> {
        if first <= self.first() {
            return Ok(Some(self.clone()));
        }
        if first > self.last() {
            return Ok(None);
        }
        let (before, at) = self.pass(Offset(first.0 - 1))?;
        let events = self.encoded().slice(at..);
        Ok(Some(Self::from_parts(RunParts { before, events, ..self.parts().clone() })))
    }

    /// What this run holds up to the event at `last`: all of it if `last` lies behind it, `None` if before.
    ///
    /// # Errors
    /// [`Malformed`] if what was stored is no event, or out of its place.
    pub fn up_to(&self, last: Offset) -> Result<Option<Self>, Malformed> {
        if last >= self.last() {
            return Ok(Some(self.clone()));
        }
        if last < self.first() {
            return Ok(None);
        }
        let (tip, at) = self.pass(last)?;
        let events = self.encoded().slice(..at);
        Ok(Some(Self::from_parts(RunParts { tip, events, ..self.parts().clone() })))
    }

    /// This run without the bodies of the events at `offsets`, which are in rising order; those elsewhere are passed over.
    /// The same run if it holds none of them.
    ///
    /// # Errors
    /// [`Malformed`] if what was stored is no event, or out of its place.
    pub fn redacted(&self, offsets: &[Offset]) -> Result<Self, Malformed> {
        let inside = offsets.iter().filter(|offset| (self.first()..=self.last()).contains(offset));
        let mut wanted = inside.copied().peekable();
        if wanted.peek().is_none() || sabotage::is(Sabotage::RedactedBodyKept) {
            return Ok(self.clone());
        }
        let mut events = Vec::with_capacity(self.encoded().len());
        let mut reader = Reader::new(self.encoded());
        while !reader.is_empty() {
            let rest = reader.rest();
            let mark = encoding::skip(&mut reader)?;
            let encoded = &rest[..rest.len() - reader.rest().len()];
            match wanted.next_if_eq(&mark.offset) {
                None => events.extend_from_slice(encoded),
                Some(_) => {
                    let event = encoding::read(&mut Reader::from_slice(encoded))?;
                    encoding::write(&mut events, mark, &event.link(), None);
                }
            }
        }
        match wanted.next() {
            None => Ok(Self::from_parts(RunParts { events: events.into(), ..self.parts().clone() })),
            Some(_) => Err(OUT_OF_PLACE),
        }
    }

    /// The point of the log after the event at `last`, which this run holds, and where its encoding ends.
    fn pass(&self, last: Offset) -> Result<(Mark, usize), Malformed> {
        let mut mark = self.before();
        let mut reader = Reader::new(self.encoded());
        while mark.offset < last {
            let expected = mark.offset.next();
            mark = encoding::skip(&mut reader)?;
            if mark.offset != expected {
                return Err(OUT_OF_PLACE);
            }
        }
        Ok((mark, self.encoded().len() - reader.rest().len()))
    }

    /// The frame that carries this run in the encoding numbered `slot`: made by `encode` once, then shared.
    ///
    /// Slots are handed out by the transport; see `anchor_transport`.
    pub fn frame(&self, slot: usize, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.0.frames[slot].get_or_init(|| encode(self)).clone()
    }

    /// Bytes that this run keeps in memory, frames included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let frames: usize = self.0.frames.iter().filter_map(OnceLock::get).map(Bytes::len).sum();
        self.encoded().len() + frames + size_of::<Shared>()
    }
}

/// Builds a run event by event, computing digest, chain and encoding on the way. The only place that does.
#[derive(Debug)]
pub struct RunBuilder {
    room: RoomId,
    epoch: Epoch,
    before: Mark,
    tip: Mark,
    events: Vec<u8>,
    contents: Contents,
}

impl RunBuilder {
    /// A run that will follow `before`.
    #[must_use]
    pub const fn new(room: RoomId, epoch: Epoch, before: Mark) -> Self {
        Self { room, epoch, before, tip: before, events: Vec::new(), contents: Contents::PLAIN }
    }

    /// Appends an event; returns the point of the log after it.
    pub fn push(&mut self, link: &Link<'_>, body: &Body, salt: &chain::Salt) -> Mark {
        self.push_digested(link, Some(body), &chain::digest(salt, body))
    }

    /// Appends an event whose body may have been redacted and of which the digest is known.
    pub fn push_digested(&mut self, link: &Link<'_>, body: Option<&Body>, digest: &Digest) -> Mark {
        self.tip = chain::extend(self.tip, link, digest);
        self.contents =
            self.contents.and(Contents::of(link.kind, link.target, body.and_then(Body::mentions)));
        // Most runs get few events: make room at once instead of growing by doubling within each.
        let body_bytes = body.map_or(0, |body| body.bytes().len());
        self.events.reserve(EVENT_BYTES + link.user.as_str().len() + body_bytes);
        encoding::write(&mut self.events, self.tip, link, body);
        self.tip
    }

    /// The point of the log after what was pushed so far.
    #[must_use]
    pub const fn tip(&self) -> Mark {
        self.tip
    }

    /// True if one more event of about `bytes` belongs into another run: 64 events or 64 KiB, or one larger event.
    #[must_use]
    pub const fn is_full_for(&self, bytes: usize) -> bool {
        let events = self.tip.offset.0 - self.before.offset.0;
        events >= RUN_EVENTS_MAX as u64 || (events > 0 && self.events.len() + bytes > RUN_BYTES_MAX)
    }

    /// The run, unless nothing was pushed.
    #[must_use]
    pub fn finish(self) -> Option<Run> {
        if self.tip.offset == self.before.offset {
            return None;
        }
        let Self { room, epoch, before, tip, events, contents } = self;
        Some(Run::from_parts(RunParts { room, epoch, before, tip, events: events.into(), contents }))
    }
}

/// What a run whose events do not stand where its marks say comes to.
const OUT_OF_PLACE: Malformed = Malformed("an event out of its place in a run");

/// First guess of the encoding of an event without its user and body, in bytes. Source: twelve MessagePack fields, about.
const EVENT_BYTES: usize = 72;

/// Encodings that a run keeps a frame for. Source: MessagePack and JSON; see `docs/protocol.md`.
pub const ENCODINGS: usize = 2;

#[cfg(test)]
mod tests;
