//! How one reader is woken: the rooms that have news for it, and what the whole node has to tell it.
//!
//! A mailbox holds which rooms are ready, never what is in them, so its size is bounded by the reader's rooms; and a few
//! frames that are said in passing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smallvec::SmallVec;

use super::passing::Passing;
use super::profiles::Introduction;
use crate::id::{ClientTag, RoomId, UserId};
use crate::session::Identity;
use crate::session::frame::{Receipt, ServerFrame};

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
pub struct Mailbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    post: Post,
    /// Set while the reader waits. Who puts something in takes it, so that a reader is woken once for all that arrives
    /// until it looks.
    waker: Option<Waker>,
}

/// What has arrived.
#[derive(Debug, Default)]
pub struct Post {
    /// Subscriptions whose room has news. Most readers have one or two rooms, which need no memory of their own.
    pub ready: SmallVec<[Slot; 2]>,
    /// The gravest of the node's own news.
    pub notice: Option<Notice>,
    /// What was said in passing.
    pub passing: Passing,
}

impl Post {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.notice.is_none() && self.passing.is_empty()
    }
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes what has arrived, or waits for something.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Post> {
        let mut inner = self.lock();
        if inner.post.is_empty() {
            match &mut inner.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                waker => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut inner.post))
    }

    /// Tells the session something about the node.
    pub(crate) fn tell(&self, notice: Notice) {
        self.put(|post| post.notice = post.notice.max(Some(notice)));
    }

    /// Says something to the session in passing.
    pub(crate) fn say(&self, frame: Arc<ServerFrame>) {
        self.put(|post| post.passing.push(frame));
    }

    /// Tells the session how far its user has come in a room.
    pub(crate) fn receipt(&self, room: RoomId, receipt: Receipt) {
        self.put(|post| post.passing.receipt(room, receipt));
    }

    /// Has the session look at a room that it watches.
    pub(crate) fn look(&self, slot: Slot) {
        self.put(|post| post.passing.look(slot));
    }

    /// Has the session introduce its user in its rooms.
    pub(crate) fn introduce(&self, introduction: Arc<Introduction>) {
        self.put(|post| post.passing.introduce(introduction));
    }

    fn put(&self, change: impl FnOnce(&mut Post)) {
        let waker = {
            let mut inner = self.lock();
            change(&mut inner.post);
            inner.waker.take()
        };
        // Outside of the lock: a waker may do anything.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription of a reader, as the tail knows it.
#[derive(Debug)]
pub struct Watcher {
    mailbox: Arc<Mailbox>,
    slot: Slot,
    reader: Option<Identity>,
    client: Option<ClientTag>,
    told: AtomicBool,
    /// It is read on, as far as is known: its reader is there.
    stays: AtomicBool,
}

impl Watcher {
    /// A subscription of `reader`, whose wake-ups go to `mailbox` under `slot`; none for the host itself, who reads
    /// everything and is shown to nobody.
    #[must_use]
    pub fn new(mailbox: Arc<Mailbox>, slot: Slot, reader: Option<Identity>) -> Arc<Self> {
        Self::arc(mailbox, slot, reader, None)
    }

    /// As [`Watcher::new`], of a client, which hears what is said to the room in passing.
    #[must_use]
    pub fn of_client(
        mailbox: Arc<Mailbox>,
        slot: Slot,
        reader: Option<Identity>,
        client: ClientTag,
    ) -> Arc<Self> {
        Self::arc(mailbox, slot, reader, Some(client))
    }

    fn arc(
        mailbox: Arc<Mailbox>,
        slot: Slot,
        reader: Option<Identity>,
        client: Option<ClientTag>,
    ) -> Arc<Self> {
        let (told, stays) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { mailbox, slot, reader, client, told, stays })
    }

    /// Learns whether its reader may read on. Who may not is not there, and hears nothing in passing.
    pub(crate) fn stay(&self, stays: bool) {
        self.stays.store(stays, Ordering::Release);
    }

    /// True if its reader is there. False as long as nobody has said so.
    pub(crate) fn stays(&self) -> bool {
        self.stays.load(Ordering::Acquire)
    }

    /// The client whose subscription it is.
    pub(crate) fn client(&self) -> Option<ClientTag> {
        self.client
    }

    /// Who reads; none for the host itself.
    #[must_use]
    pub fn reader(&self) -> Option<&Identity> {
        self.reader.as_ref()
    }

    /// Whose subscription it is, if a user's.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.reader.as_ref().map(|reader| &reader.user)
    }

    /// Where the wake-ups of the session of a client arrive that is there.
    pub(crate) fn client_mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.client.filter(|_| self.stays()).map(|_| &self.mailbox)
    }

    /// Says something to the session in passing, if it is that of a client that `is_meant`.
    pub(crate) fn say(&self, frame: &Arc<ServerFrame>, is_meant: impl Fn(&UserId, ClientTag) -> bool) {
        if let (Some(user), Some(client)) = (self.user(), self.client)
            && self.stays()
            && is_meant(user, client)
        {
            self.mailbox.say(frame.clone());
        }
    }

    /// Puts the subscription into its mailbox, unless it is there already.
    pub(crate) fn wake(&self) {
        // A look is cheaper than a swap, and most readers of a busy room are told already.
        if !self.is_told() && !self.told.swap(true, Ordering::AcqRel) {
            self.mailbox.put(|post| post.ready.push(self.slot));
        }
    }

    /// True if something has come since [`Watcher::rearm`].
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// To be called before the tail is read: what comes afterwards wakes again.
    pub(crate) fn rearm(&self) {
        self.told.store(false, Ordering::Release);
    }
}
