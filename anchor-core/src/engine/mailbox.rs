//! How one reader is woken: the rooms that have news for it, and what the whole node has to tell it.
//!
//! A mailbox holds which rooms are ready, never what is in them, so its size is bounded by the reader's rooms.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;

use crate::id::UserId;

/// Which of a reader's subscriptions; never used twice by the same reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

/// What a node tells a session, beside news of rooms: the graver the later in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// The node stops; the client is expected back after this time.
    Drain(Duration),
    /// A newer session of the same client exists.
    Replaced,
    /// The store has failed for good.
    StoreFailed,
}

/// Where the wake-ups of one reader arrive.
#[derive(Debug, Default)]
pub struct Mailbox {
    post: Mutex<Post>,
    waker: AtomicWaker,
}

/// What has arrived.
#[derive(Debug, Default)]
pub struct Post {
    /// Subscriptions whose room has news.
    pub ready: Vec<Slot>,
    /// The gravest of the node's own news.
    pub notice: Option<Notice>,
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes what has arrived, or waits for something.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Post> {
        let mut post = self.lock();
        if post.ready.is_empty() && post.notice.is_none() {
            self.waker.register(cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut post))
    }

    /// Tells the session something about the node.
    pub(crate) fn tell(&self, notice: Notice) {
        let mut post = self.lock();
        post.notice = post.notice.max(Some(notice));
        drop(post);
        self.waker.wake();
    }

    fn ready(&self, slot: Slot) {
        self.lock().ready.push(slot);
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription of a reader, as the tail knows it.
#[derive(Debug)]
pub struct Watcher {
    mailbox: Arc<Mailbox>,
    slot: Slot,
    user: Option<UserId>,
    told: AtomicBool,
}

impl Watcher {
    /// A subscription whose wake-ups go to `mailbox` under `slot`; `user` is shown to those who ask who is there.
    #[must_use]
    pub fn new(mailbox: Arc<Mailbox>, slot: Slot, user: Option<UserId>) -> Arc<Self> {
        Arc::new(Self { mailbox, slot, user, told: AtomicBool::new(false) })
    }

    /// Whose subscription it is, if a user's.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Puts the subscription into its mailbox, unless it is there already.
    pub(crate) fn wake(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.mailbox.ready(self.slot);
        }
    }

    /// To be called before the tail is read: what comes afterwards wakes again.
    pub(crate) fn rearm(&self) {
        self.told.store(false, Ordering::Release);
    }
}
