//! Introductions, room by room.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::engine::mailbox::{Mailbox, Slot, Watcher};
use crate::engine::profiles::Introduction;
use crate::engine::tail::Tail;
use crate::id::{ClientTag, RoomId, UserId};
use crate::session::Identity;
use crate::user::Profile;

#[test]
fn an_introduction_is_made_once_and_keeps_no_session_that_never_makes_it() {
    let user = UserId::new("ada").unwrap();
    let identity = Identity { user: user.clone(), admin: false };
    let mailbox = Mailbox::new();
    let tails = ["one", "two"].map(|room| {
        let tail = Tail::new(RoomId::new(room).unwrap(), Arc::new(AtomicUsize::new(0)));
        let client = ClientTag::from_bytes([7; 8]);
        let watcher = Watcher::of_client(mailbox.clone(), Slot(0), Some(identity.clone()), client);
        watcher.stay(true);
        tail.watch(watcher);
        tail
    });
    let introduction = Arc::new(Introduction::of(&user, &Profile::default()));
    tails.iter().for_each(|tail| introduction.make_in(tail));
    let mut cx = std::task::Context::from_waker(futures::task::noop_waker_ref());
    let std::task::Poll::Ready(mut post) = mailbox.poll_take(&mut cx) else { panic!("nothing was told") };
    assert!(post.passing.pop().is_some() && post.passing.pop().is_none(), "told once");
    mailbox.introduce(introduction);
    let kept = Arc::downgrade(&mailbox);
    drop((mailbox, tails));
    assert!(kept.upgrade().is_none());
}
