//! What a user was told to have read is read after a crash, by an engine on a directory.

use std::path::Path;
use std::task::{Context, Poll};

use anchor::System;
use anchor_core::engine::{Anchor, Mailbox};
use anchor_core::event::Draft;
use anchor_core::id::{ClientId, ClientKey, RoomId, Seq, UserId};
use anchor_core::position::Offset;
use anchor_core::session::Identity;
use anchor_core::session::frame::{CursorFrame, ServerFrame};
use anchor_store::RedbStore;

/// Whether a session of the user was told how far the user has come.
fn is_told(mailbox: &Mailbox) -> bool {
    let mut cx = Context::from_waker(futures::task::noop_waker_ref());
    let Poll::Ready(mut post) = mailbox.poll_take(&mut cx) else { return false };
    let frames = std::iter::from_fn(|| post.passing.pop());
    frames.into_iter().any(|frame| matches!(&*frame, ServerFrame::Receipts { .. }))
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn what_was_told_to_be_read_is_read_by_the_next_process() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (room, bob) = (RoomId::lobby(), UserId::new("bob").unwrap());
    let reader = Identity { user: bob.clone(), admin: false };
    {
        let anchor = Anchor::builder(RedbStore::open(dir.path(), System).unwrap(), System).build();
        let ada = UserId::new("ada").unwrap();
        let mut ada = anchor.client(ada, ClientId::from_bytes([1; 16])).await.unwrap();
        for text in ["one", "two", "three"] {
            ada.publish(&room, Draft::message(text)).await.unwrap();
        }
        let mailbox = Mailbox::new();
        let guard = anchor.enter(mailbox.clone());
        let client = ClientKey { user: bob.clone(), id: ClientId::from_bytes([2; 16]) };
        anchor.open_client(&guard, &client, Seq::FIRST).await.unwrap();
        let epoch = anchor.store().room(&room).await.unwrap().unwrap().epoch();
        let cursor = CursorFrame { room: room.clone(), epoch, delivered: None, read: Some(Offset(2)) };
        anchor.move_cursor(&reader, cursor).await.unwrap();
        assert!(!is_told(&mailbox), "it is not durable yet");
        anchor.flush_cursors().await.unwrap();
        assert!(is_told(&mailbox));
        // What is in the files now is what a process finds that comes after one that was killed.
        copy(dir.path(), crashed.path());
    }
    let anchor = Anchor::builder(RedbStore::open(crashed.path(), System).unwrap(), System).build();
    let unread = anchor.unread(&reader, std::slice::from_ref(&room)).await.unwrap()[0];
    assert_eq!(unread.map(|unread| (unread.read, unread.messages)), Some((Offset(2), 1)));
    let ada = Identity { user: UserId::new("ada").unwrap(), admin: false };
    let unread = anchor.unread(&ada, &[room]).await.unwrap()[0];
    assert_eq!(unread.map(|unread| unread.messages), Some(0), "whoever writes has read");
}
