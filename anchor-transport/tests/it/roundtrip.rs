//! Any frame survives both encodings, and the two agree; a run's frame is that of its events.

mod consuming;
mod frames;
mod parts;
mod rooms;
mod watching;

use anchor_core::chain::Link;
use anchor_core::code::Code;
use anchor_core::event::{Body, Draft, Mentions};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal};
use anchor_core::run::{Run, RunBuilder, RunParts};
use anchor_core::session::frame::{ClientFrame, Events, Page, PublishFrame, RequestId, ServerFrame};
use anchor_transport::codec::Encoding;
use anchor_transport::websocket::payload;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use self::frames::{client_frame, server_frame};
use self::parts::{draft, number, user};
use self::rooms::changes;

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
        drafts in vec((draft(), user(), number()), 1..70), first in 42..112_u64, last in 42..112_u64,
        changes in vec(changes(), 0..3),
    ) {
        let run = run(&drafts);
        let before = run.up_to(Offset(last)).expect("events").into_iter();
        let after = run.from_offset(Offset(last + 1)).expect("events");
        let events: Vec<_> = before.chain(after).filter_map(|run| run.from_offset(Offset(first)).expect("events")).collect();
        let page = Page {
            id: RequestId(7), room: run.room().clone(), epoch: Some(run.epoch()),
            first: events.first().map_or(Offset::ZERO, Run::first), events,
            head: run.last(), horizon: Offset(1), gap: None, next: None, changes,
        };
        for encoding in Encoding::ALL {
            let mut message = vec![1, 2, 3];
            encoding.write_page_message(&page, &mut message).expect("events");
            let bytes = payload(&Bytes::from(message).slice(3..));
            prop_assert_eq!(bytes, encoding.encode_server(&ServerFrame::Page(Box::new(page.clone().decode().expect("events")))));
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
        changes: Vec::new(),
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

#[test]
fn events_without_mentions_are_as_they_were() {
    let plain = run(&[(Draft::message("hello"), UserId::new("ada").unwrap(), 1)]);
    let nobody = Body::text("hello").mentioning(Mentions::default());
    let again = run(&[(Draft::message(nobody), UserId::new("ada").unwrap(), 1)]);
    assert_eq!(plain.encoded(), again.encoded());
    assert_eq!(plain.encoded()[0], 0x9c, "twelve elements");
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
