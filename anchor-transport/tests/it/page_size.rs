//! The largest pages that can be asked for stay within the frames that a client takes.

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::engine::{Anchor, Publisher};
use anchor_core::event::{Body, Draft, EventKind, MENTIONS_MAX, Mentions};
use anchor_core::id::{ClientId, RoomId, UserId};
use anchor_core::limits::{FRAME_OUT_BYTES_MAX, HISTORY_EVENTS_MAX};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::session::frame::{HistoryRange, RequestId, ServerFrame};
use anchor_core::store::Direction;
use anchor_transport::codec::Encoding;
use futures::FutureExt as _;

#[test]
fn a_page_of_edits_that_mention_as_many_as_they_can() {
    let (anchor, mut ada) = ada();
    let room = RoomId::lobby();
    let plain = || Draft::message("said");
    let messages: Vec<_> = (0..MANY).map(|_| publish(&mut ada, plain())).collect();
    for message in &messages {
        publish(&mut ada, calling(EventKind::EDIT, Some(*message)));
    }
    let range = HistoryRange::BeforeOffset(messages[messages.len() - 1].next());
    let page = at_once(anchor.history(RequestId(1), &room, range, HISTORY_EVENTS_MAX, None)).expect("a page");
    assert!(!page.changes.is_empty());
    check(&ServerFrame::Page(Box::new(page)));
}

#[test]
fn a_thread_of_replies_that_mention_as_many_as_they_can() {
    let (anchor, mut ada) = ada();
    let room = RoomId::lobby();
    let root = publish(&mut ada, Draft::message("said"));
    for _ in 0..MANY {
        publish(&mut ada, calling(EventKind::MESSAGE, Some(root)));
    }
    let from = Direction::After(Offset::ZERO);
    let thread = anchor.thread(RequestId(1), &room, root, from, HISTORY_EVENTS_MAX, None);
    let page = at_once(thread).expect("a page");
    assert!(!page.replies.is_empty());
    check(&ServerFrame::ThreadPage(Box::new(page)));
}

fn check(frame: &ServerFrame) {
    for encoding in Encoding::ALL {
        let bytes = encoding.encode_server(frame).len();
        assert!(bytes <= FRAME_OUT_BYTES_MAX, "{encoding:?}: {bytes} bytes");
    }
}

fn ada() -> (Anchor, Publisher) {
    let env = TestEnvironment::new(7);
    let anchor = Anchor::builder(MemoryStore::new(env.clone()), env).build();
    let user = UserId::new("ada").expect("a user id");
    let ada = at_once(anchor.client(user, ClientId::from_bytes([1; 16]))).expect("a client");
    (anchor, ada)
}

fn publish(ada: &mut Publisher, draft: Draft) -> Offset {
    at_once(ada.publish(&RoomId::lobby(), draft)).expect("an ack").mark.offset
}

/// What mentions as many as it can, by ids that take as much as they can in either encoding.
fn calling(kind: EventKind, target: Option<Offset>) -> Draft {
    let long = |number: usize| UserId::new(format!("{number:02}{}", "\"".repeat(62))).expect("a user id");
    let mentions = Mentions::new(false, (0..MENTIONS_MAX).map(long)).expect("as many as there can be");
    Draft { kind, target, body: Body::text("\u{1}".repeat(2_000)).mentioning(mentions) }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a store in memory answers at once")
}

/// More than go into one page.
const MANY: usize = 80;
