//! What any frame is made of: ids, positions, events, bodies.

use anchor_core::code::Code;
use anchor_core::event::{Body, Draft, Event, EventKind, Mentions};
use anchor_core::id::{ClientId, ClientTag, NUMBER_MAX, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::session::frame::{From, HistoryRange, ResumeRoom, RoomEntry, Signal, Unread};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Contiguous events and the offset of the first.
pub(super) fn events() -> impl Strategy<Value = (Offset, Vec<Event>)> {
    (1..1_u64 << 50, vec(event(), 0..5)).prop_map(|(first, mut events)| {
        events.iter_mut().zip(first..).for_each(|(event, offset)| event.offset = Offset(offset));
        (Offset(first), events)
    })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let place = (number(), any::<[u8; 8]>(), number());
    let from = (user(), client_tag(), seq(0), any::<u32>());
    (place, from, any::<u16>(), option::of(offset()), option::of(body())).prop_map(
        |((ordinal, chain, ts), (user, client, seq, nonce), kind, target, body)| Event {
            offset: Offset(0),
            ordinal: Ordinal(ordinal),
            chain: Chain::from_bytes(chain),
            ts,
            user,
            client,
            seq,
            nonce: Nonce(nonce),
            kind: EventKind(kind),
            target,
            body,
        },
    )
}

pub(super) fn draft() -> impl Strategy<Value = Draft> {
    (any::<u16>(), option::of((1..=NUMBER_MAX).prop_map(Offset)), body())
        .prop_map(|(kind, target, body)| Draft { kind: EventKind(kind), target, body })
}

/// A body, with mentions in some.
pub(super) fn body() -> impl Strategy<Value = Body> {
    let mentions = (any::<bool>(), vec(user(), 0..4));
    (plain_body(), option::of(mentions)).prop_map(|(body, mentions)| {
        let (room, users) = mentions.unwrap_or_default();
        body.mentioning(Mentions::new(room, users).expect("few enough"))
    })
}

fn plain_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        any::<String>().prop_map(Body::text),
        ("text/[ -~]{0,20}", any::<String>())
            .prop_map(|(name, text)| Body::new(Some(&name), text.into()).expect("a text")),
        ("[a-s][ -~]{0,20}", vec(any::<u8>(), 0..100)).prop_map(|(name, bytes)| Body::new(
            Some(&name),
            bytes.into()
        )
        .expect("an opaque body")),
    ]
}

pub(super) fn gap() -> impl Strategy<Value = Gap> {
    let reason = prop_oneof![
        Just(GapReason::Trimmed),
        Just(GapReason::Restored),
        Just(GapReason::History),
        Just(GapReason::Deleted),
        Just(GapReason::Hidden),
        Just(GapReason::Skipped)
    ];
    (offset(), offset(), reason, option::of(position()), number()).prop_map(
        |(from, to, reason, position, ordinal)| Gap { from, to, reason, position, ordinal: Ordinal(ordinal) },
    )
}

/// A signal; mentions say nothing in it.
pub(super) fn signal() -> impl Strategy<Value = Signal> {
    (room(), option::of(user()), option::of(client_tag()), plain_body())
        .prop_map(|(room, user, client, body)| Signal { room, user, client, body })
}

pub(super) fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        Just(From::Start),
        position().prop_map(From::After),
        offset().prop_map(From::Offset),
        number().prop_map(From::Last),
        Just(From::Now),
        (position(), number()).prop_map(|(after, last)| From::Recent { after, last }),
    ]
}

pub(super) fn range() -> impl Strategy<Value = HistoryRange> {
    prop_oneof![
        Just(HistoryRange::Newest),
        position().prop_map(HistoryRange::Before),
        offset().prop_map(HistoryRange::BeforeOffset),
        position().prop_map(HistoryRange::After),
    ]
}

pub(super) fn resumes() -> impl Strategy<Value = Vec<ResumeRoom>> {
    let resume = (room(), position(), option::of(number()));
    vec(resume.prop_map(|(room, position, last)| ResumeRoom { room, position, last }), 0..4)
}

pub(super) fn entry() -> impl Strategy<Value = RoomEntry> {
    let unread = (offset(), number()).prop_map(|(read, messages)| Unread { read, messages });
    (room(), option::of(epoch()), offset(), offset(), option::of(unread))
        .prop_map(|(room, epoch, head, horizon, unread)| RoomEntry { room, epoch, head, horizon, unread })
}

pub(super) fn position() -> impl Strategy<Value = Position> {
    (epoch(), mark()).prop_map(|(epoch, mark)| Position::at(epoch, mark))
}

pub(super) fn mark() -> impl Strategy<Value = Mark> {
    (number(), number(), any::<[u8; 8]>()).prop_map(|(offset, ordinal, chain)| Mark {
        offset: Offset(offset),
        ordinal: Ordinal(ordinal),
        chain: Chain::from_bytes(chain),
    })
}

pub(super) fn epoch() -> impl Strategy<Value = Epoch> {
    any::<[u8; 8]>().prop_map(Epoch::from_bytes)
}

pub(super) fn offset() -> impl Strategy<Value = Offset> {
    number().prop_map(Offset)
}

pub(super) fn seq(least: u64) -> impl Strategy<Value = Seq> {
    number().prop_map(move |number| Seq::new(number.max(least)).expect("at most 2^53 - 1"))
}

/// Numbers of every width.
pub(super) fn number() -> impl Strategy<Value = u64> + Clone {
    (0..=53_u32, any::<u64>()).prop_map(|(bits, number)| number & ((1 << bits) - 1))
}

pub(super) fn client_id() -> impl Strategy<Value = ClientId> {
    any::<[u8; 16]>().prop_map(ClientId::from_bytes)
}

pub(super) fn client_tag() -> impl Strategy<Value = ClientTag> {
    any::<[u8; 8]>().prop_map(ClientTag::from_bytes)
}

pub(super) fn code() -> impl Strategy<Value = Code> {
    proptest::sample::select(Code::ALL)
}

pub(super) fn room() -> impl Strategy<Value = RoomId> {
    "@?[a-z0-9._-]{1,63}".prop_map(|id| RoomId::new(id).expect("a room id"))
}

pub(super) fn user() -> impl Strategy<Value = UserId> {
    "[!-~é李🎈]([ -~é李🎈]{0,10}[!-~é李🎈])?".prop_map(|id| UserId::new(id).expect("a user id"))
}
