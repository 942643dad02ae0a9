//! Any frame survives both encodings, and the two agree; a run's frame is that of its events.

use anchor_core::chain::Link;
use anchor_core::code::Code;
use anchor_core::event::{Body, Draft, Event, EventKind};
use anchor_core::id::{ClientId, ClientTag, NUMBER_MAX, Nonce, RoomId, Seq, SessionId, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal, Position};
use anchor_core::publish::{Ack, Durability};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::run::{Run, RunBuilder, RunParts};
use anchor_core::session::frame::{
    ClientFrame, Events, From, Hello, HistoryRange, Page, PublishFrame, RequestId, RoomEntry, ServerFrame,
    SessionLimits, Welcome,
};
use anchor_transport::codec::Encoding;
use anchor_transport::websocket::payload;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

proptest! {
    #[test]
    fn frames_of_a_client_survive(frame in client_frame()) {
        for encoding in Encoding::ALL {
            let bytes = encoding.encode_client(&frame);
            prop_assert_eq!(&encoding.decode_client(&bytes), &Ok(frame.clone()), "{:?}", bytes);
        }
    }

    #[test]
    fn frames_of_a_server_survive(frame in server_frame()) {
        for encoding in Encoding::ALL {
            let bytes = encoding.encode_server(&frame);
            prop_assert_eq!(&encoding.decode_server(&bytes), &Ok(frame.clone()), "{:?}", bytes);
        }
    }

    #[test]
    fn json_is_what_a_strict_parser_takes(frame in server_frame()) {
        let bytes = Encoding::Json.encode_server(&frame);
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let bytes = Bytes::from(value.to_string());
        prop_assert_eq!(Encoding::Json.decode_server(&bytes), Ok(frame));
    }

    #[test]
    fn a_run_is_framed_as_its_events_are(drafts in vec((draft(), user(), number()), 1..70)) {
        let run = run(&drafts);
        let events = run.events().collect::<Result<Vec<_>, _>>().expect("events");
        let frame = ServerFrame::Events(Events { room: run.room().clone(), epoch: run.epoch(), first: run.first(), events });
        for encoding in Encoding::ALL {
            let bytes = encoding.encode_run(&run);
            prop_assert_eq!(&bytes, &encoding.encode_server(&frame));
            prop_assert_eq!(encoding.decode_server(&bytes), Ok(frame.clone()));
            prop_assert_eq!(bytes.as_ptr(), encoding.encode_run(&run).as_ptr(), "made once, then shared");
        }
    }

    #[test]
    fn a_page_is_framed_as_its_events_are(
        drafts in vec((draft(), user(), number()), 1..70), first in 42..112_u64, last in 42..112_u64
    ) {
        let run = run(&drafts);
        let before = run.up_to(Offset(last)).expect("events").into_iter();
        let after = run.from_offset(Offset(last + 1)).expect("events");
        let events: Vec<_> = before.chain(after).filter_map(|run| run.from_offset(Offset(first)).expect("events")).collect();
        let page = Page {
            id: RequestId(7), room: run.room().clone(), epoch: Some(run.epoch()),
            first: events.first().map_or(Offset::ZERO, Run::first), events,
            head: run.last(), horizon: Offset(1), gap: None, next: None,
        };
        for encoding in Encoding::ALL {
            let mut message = vec![1, 2, 3];
            encoding.write_page_message(&page, &mut message).expect("events");
            let bytes = payload(&Bytes::from(message).slice(3..));
            prop_assert_eq!(bytes, encoding.encode_server(&ServerFrame::Page(page.clone().decode().expect("events"))));
        }
        let kept = drafts.len().saturating_sub(usize::try_from(first - 42).expect("small"));
        prop_assert_eq!(page.count(), kept);
    }
}

#[test]
fn a_damaged_run_is_cut_before_the_damage() {
    let whole = run(&[
        (Draft::message("one"), UserId::new("ada").unwrap(), 1),
        (Draft::message("two"), UserId::new("ada").unwrap(), 2),
    ]);
    let parts = whole.parts().clone();
    let damaged = Run::from_parts(RunParts { events: parts.events.slice(..parts.events.len() - 1), ..parts });
    let bytes = Encoding::Json.encode_run(&damaged);
    let Ok(ServerFrame::Events(Events { events, .. })) = Encoding::Json.decode_server(&bytes) else {
        panic!("{bytes:?}")
    };
    assert_eq!(events.len(), 1);
    // A page that leaves something out would have its reader go on behind it.
    let page = Page {
        id: RequestId(7),
        room: damaged.room().clone(),
        epoch: Some(damaged.epoch()),
        first: damaged.first(),
        head: damaged.last(),
        horizon: Offset(1),
        gap: None,
        next: None,
        events: vec![damaged],
    };
    let mut message = vec![1, 2, 3];
    assert!(Encoding::Json.write_page_message(&page, &mut message).is_err());
    assert_eq!(message, [1, 2, 3]);
}

#[test]
fn codes_that_are_not_known_count_as_internal() {
    let frame = Encoding::Json.decode_server(&Bytes::from_static(br#"["refused",3,"brand_new","because"]"#));
    let (seq, code, message) = (Seq::new(3).unwrap(), Code::Internal, "brand_new: because".to_owned());
    assert_eq!(frame, Ok(ServerFrame::Refused { seq, code, message }));
}

#[test]
fn bodies_share_the_bytes_of_their_frame() {
    for encoding in Encoding::ALL {
        let publish = PublishFrame {
            seq: Seq::FIRST,
            nonce: Nonce(7),
            waits: Seq::FIRST,
            room: RoomId::lobby(),
            draft: Draft::message("hello"),
            client_id: None,
        };
        let bytes = encoding.encode_client(&ClientFrame::Publish(publish));
        let Ok(ClientFrame::Publish(publish)) = encoding.decode_client(&bytes) else { panic!("{bytes:?}") };
        assert!(bytes.as_ptr_range().contains(&publish.draft.body.bytes().as_ptr()), "{encoding:?} copies");
    }
}

fn run(drafts: &[(Draft, UserId, u64)]) -> Run {
    let before = Mark { offset: Offset(41), ordinal: Ordinal(7), chain: Chain::from_bytes([7; 8]) };
    let mut builder = RunBuilder::new(RoomId::lobby(), Epoch::from_bytes([9; 8]), before);
    for (Draft { kind, target, body }, user, number) in drafts {
        let link = Link {
            kind: *kind,
            user,
            client: ClientTag::from_bytes([3; 8]),
            seq: Seq::new(*number).expect("a seq"),
            nonce: Nonce(5),
            ts: *number,
            target: *target,
        };
        builder.push(&link, body, &[1; 16]);
    }
    builder.finish().expect("a run has events")
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        (
            option::of(any::<String>()),
            option::of(user()),
            client_id(),
            seq(0),
            vec(any::<String>(), 0..4),
            resumes()
        )
            .prop_map(|(token, user, client_id, waits, features, resume)| {
                ClientFrame::Hello(Hello { token, user, client_id, waits, features, resume })
            }),
        (id.clone(), resumes()).prop_map(|(id, rooms)| ClientFrame::Resume { id, rooms }),
        (id.clone(), room(), from()).prop_map(|(id, room, from)| ClientFrame::Subscribe { id, room, from }),
        (id.clone(), room()).prop_map(|(id, room)| ClientFrame::Unsubscribe { id, room }),
        (seq(1), any::<u32>(), seq(0), room(), draft(), option::of(client_id())).prop_map(
            |(seq, nonce, waits, room, draft, client_id)| {
                ClientFrame::Publish(PublishFrame { seq, nonce: Nonce(nonce), waits, room, draft, client_id })
            }
        ),
        (id.clone(), room(), range(), number()).prop_map(|(id, room, range, limit)| ClientFrame::History {
            id,
            room,
            range,
            limit
        }),
        (id.clone(), option::of(room()), number()).prop_map(|(id, after, limit)| ClientFrame::Rooms {
            id,
            after,
            limit
        }),
        (id, room()).prop_map(|(id, room)| ClientFrame::Who { id, room }),
        Just(ClientFrame::Beat),
    ]
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        welcome().prop_map(ServerFrame::Welcome),
        (id.clone(), vec(entry(), 0..4)).prop_map(|(id, rooms)| ServerFrame::Resumed { id, rooms }),
        (id.clone(), room(), position(), offset(), offset()).prop_map(
            |(id, room, position, head, horizon)| {
                ServerFrame::Subscribed { id, room, position, head, horizon }
            }
        ),
        (id.clone(), room()).prop_map(|(id, room)| ServerFrame::Unsubscribed { id, room }),
        ack().prop_map(ServerFrame::Ack),
        (seq(0), code(), any::<String>()).prop_map(|(seq, code, message)| ServerFrame::Refused {
            seq,
            code,
            message
        }),
        (room(), epoch(), events()).prop_map(|(room, epoch, (first, events))| {
            ServerFrame::Events(Events { room, epoch, first, events })
        }),
        (room(), gap()).prop_map(|(room, gap)| ServerFrame::Gap { room, gap }),
        page().prop_map(ServerFrame::Page),
        (id.clone(), vec(entry(), 0..4), option::of(room()))
            .prop_map(|(id, rooms, next)| ServerFrame::RoomList { id, rooms, next }),
        (id.clone(), room(), vec(user(), 0..4), number())
            .prop_map(|(id, room, users, total)| ServerFrame::Present { id, room, users, total }),
        (option::of(id), code(), any::<String>(), option::of(number())).prop_map(
            |(id, code, message, retry_after_ms)| ServerFrame::Error { id, code, message, retry_after_ms }
        ),
        (number(), vec((room(), offset()), 0..4)).prop_map(|(at, lag)| ServerFrame::Beat { at, lag }),
        (code(), any::<String>(), option::of(number())).prop_map(|(code, message, reconnect_after_ms)| {
            ServerFrame::Goodbye { code, message, reconnect_after_ms }
        }),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let limits = [(); 7].map(|()| number());
    (
        any::<[u8; 16]>(),
        user(),
        client_tag(),
        seq(0),
        number(),
        limits,
        vec(any::<String>(), 0..4),
        vec(entry(), 0..4),
    )
        .prop_map(|(session, user, client, seq, heartbeat_ms, limits, features, rooms)| {
            let [
                body_bytes,
                frame_in_bytes,
                frame_out_bytes,
                rooms_max,
                window,
                in_flight_bytes,
                history_events,
            ] = limits;
            let limits = SessionLimits {
                body_bytes,
                frame_in_bytes,
                frame_out_bytes,
                rooms: rooms_max,
                window,
                in_flight_bytes,
                history_events,
            };
            let session = SessionId::from_bytes(session);
            Welcome { session, user, client, seq, heartbeat_ms, limits, features, rooms }
        })
}

fn ack() -> impl Strategy<Value = Ack> {
    let durability =
        prop_oneof![Just(Durability::Memory), Just(Durability::Disk), Just(Durability::Replicated)];
    (seq(1), room(), epoch(), mark(), number(), any::<bool>(), durability).prop_map(
        |(seq, room, epoch, mark, ts, duplicate, durability)| Ack {
            seq,
            room,
            epoch,
            mark,
            ts,
            duplicate,
            durability,
        },
    )
}

fn page() -> impl Strategy<Value = Page> {
    let rest = (offset(), offset(), option::of(gap()), option::of(position()));
    (number(), room(), option::of(epoch()), events(), rest).prop_map(
        |(id, room, epoch, (first, events), (head, horizon, gap, next))| Page {
            id: RequestId(id),
            room,
            epoch,
            first,
            events,
            head,
            horizon,
            gap,
            next,
        },
    )
}

/// Contiguous events and the offset of the first.
fn events() -> impl Strategy<Value = (Offset, Vec<Event>)> {
    (1..1_u64 << 50, vec(event(), 0..5)).prop_map(|(first, mut events)| {
        events.iter_mut().zip(first..).for_each(|(event, offset)| event.offset = Offset(offset));
        (Offset(first), events)
    })
}

fn event() -> impl Strategy<Value = Event> {
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

fn draft() -> impl Strategy<Value = Draft> {
    (any::<u16>(), option::of((1..=NUMBER_MAX).prop_map(Offset)), body())
        .prop_map(|(kind, target, body)| Draft { kind: EventKind(kind), target, body })
}

fn body() -> impl Strategy<Value = Body> {
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

fn gap() -> impl Strategy<Value = Gap> {
    let reason = prop_oneof![
        Just(GapReason::Trimmed),
        Just(GapReason::Restored),
        Just(GapReason::History),
        Just(GapReason::Deleted)
    ];
    (offset(), offset(), reason, option::of(position()), number()).prop_map(
        |(from, to, reason, position, ordinal)| Gap { from, to, reason, position, ordinal: Ordinal(ordinal) },
    )
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        Just(From::Start),
        position().prop_map(From::After),
        offset().prop_map(From::Offset),
        number().prop_map(From::Last),
        Just(From::Now),
    ]
}

fn range() -> impl Strategy<Value = HistoryRange> {
    prop_oneof![
        Just(HistoryRange::Newest),
        position().prop_map(HistoryRange::Before),
        offset().prop_map(HistoryRange::BeforeOffset),
        position().prop_map(HistoryRange::After),
    ]
}

fn resumes() -> impl Strategy<Value = Vec<(RoomId, Position)>> {
    vec((room(), position()), 0..4)
}

fn entry() -> impl Strategy<Value = RoomEntry> {
    (room(), option::of(epoch()), offset(), offset()).prop_map(|(room, epoch, head, horizon)| RoomEntry {
        room,
        epoch,
        head,
        horizon,
    })
}

fn position() -> impl Strategy<Value = Position> {
    (epoch(), mark()).prop_map(|(epoch, mark)| Position::at(epoch, mark))
}

fn mark() -> impl Strategy<Value = Mark> {
    (number(), number(), any::<[u8; 8]>()).prop_map(|(offset, ordinal, chain)| Mark {
        offset: Offset(offset),
        ordinal: Ordinal(ordinal),
        chain: Chain::from_bytes(chain),
    })
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<[u8; 8]>().prop_map(Epoch::from_bytes)
}

fn offset() -> impl Strategy<Value = Offset> {
    number().prop_map(Offset)
}

fn seq(least: u64) -> impl Strategy<Value = Seq> {
    number().prop_map(move |number| Seq::new(number.max(least)).expect("at most 2^53 - 1"))
}

/// Numbers of every width.
fn number() -> impl Strategy<Value = u64> + Clone {
    (0..=53_u32, any::<u64>()).prop_map(|(bits, number)| number & ((1 << bits) - 1))
}

fn client_id() -> impl Strategy<Value = ClientId> {
    any::<[u8; 16]>().prop_map(ClientId::from_bytes)
}

fn client_tag() -> impl Strategy<Value = ClientTag> {
    any::<[u8; 8]>().prop_map(ClientTag::from_bytes)
}

fn code() -> impl Strategy<Value = Code> {
    proptest::sample::select(Code::ALL)
}

fn room() -> impl Strategy<Value = RoomId> {
    "@?[a-z0-9._-]{1,63}".prop_map(|id| RoomId::new(id).expect("a room id"))
}

fn user() -> impl Strategy<Value = UserId> {
    "[!-~é李🎈]([ -~é李🎈]{0,10}[!-~é李🎈])?".prop_map(|id| UserId::new(id).expect("a user id"))
}
