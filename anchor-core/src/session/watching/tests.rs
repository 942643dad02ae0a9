//! What is answered late, when the watch that it was asked for is over.

use std::collections::VecDeque;

use futures::executor::block_on;

use super::Attention;
use crate::conformance::environment::TestEnvironment;
use crate::engine::{Anchor, Mailbox, News, Slot};
use crate::id::{RoomId, UserId};
use crate::memory::MemoryStore;
use crate::session::Identity;
use crate::session::action::{Action, Ask};
use crate::session::frame::{RequestId, ServerFrame};
use crate::session::rooms::Rooms;

fn watched(attention: &mut Attention, anchor: &Anchor, room: &str) -> Slot {
    let room = RoomId::new(room).unwrap();
    let reader = Identity { user: UserId::new("ada").unwrap(), admin: false };
    let slot = attention.watch(&room).unwrap();
    let opened = block_on(anchor.watch(RequestId(1), &room, &reader, Mailbox::new(), slot));
    let frames = attention.opened(slot, RequestId(1), opened.map(Box::new));
    assert!(matches!(frames[..], [ServerFrame::Watching(_)]));
    slot
}

#[test]
fn a_late_answer_is_not_taken_for_that_of_another_watch() {
    let env = TestEnvironment::new(3);
    let anchor = Anchor::builder(MemoryStore::new(env.clone()), env).build();
    let (mut attention, mut out) = (Attention::default(), VecDeque::new());
    let first = watched(&mut attention, &anchor, "a");
    let asked = attention.next(&Rooms::default());
    assert!(matches!(asked, Some(Action::Ask(Ask::Look(slot, _))) if slot == first));
    attention.unwatch(RequestId(2), &RoomId::new("a").unwrap(), &mut out);
    let second = watched(&mut attention, &anchor, "b");
    assert_ne!(first, second, "an answer under the first is under way");
    out.clear();
    attention.looked(first, Ok(News::Over), &mut out);
    assert!(out.is_empty(), "{out:?}");
    attention.unwatch(RequestId(3), &RoomId::new("b").unwrap(), &mut out);
    assert!(matches!(out.pop_front(), Some(Action::Send(ServerFrame::Unwatched { id: Some(_), .. }))));
    assert!(attention.0.is_none(), "nothing is kept of it");
}
