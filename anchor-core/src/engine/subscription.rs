//! A room's log as a stream, for programs that embed the library.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::Stream;

use super::mailbox::{Mailbox, Slot, Watcher};
use super::{Anchor, Feed, ReadError, Step, Verified};
use crate::event::Event;
use crate::id::RoomId;
use crate::msgpack::Malformed;
use crate::position::{Epoch, Offset, Position};
use crate::resume::Gap;
use crate::run::Run;
use crate::session::Identity;
use crate::session::frame::From;
use crate::store::StoreError;

/// What a subscription yields: events, and the gaps between them. There is no way to get the one without the other.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The events that follow the cursor.
    Events(Events),
    /// Events that cannot be had, or must be dropped; the cursor is the gap's position now. The stream ends behind one
    /// without: the room was deleted.
    Gap(Gap),
}

/// Contiguous events that a reader has not seen before. Never empty.
#[derive(Clone, Debug)]
pub struct Events {
    run: Run,
    after: Offset,
}

impl Events {
    /// What of `run` lies behind the event at `after`.
    pub(super) const fn new(run: Run, after: Offset) -> Self {
        Self { run, after }
    }

    /// The first so many of them, at least one.
    pub(super) fn at_most(self, events: usize) -> Result<Self, Malformed> {
        let events = u64::try_from(events.max(1)).unwrap_or(u64::MAX);
        let last = Offset(self.after().0.saturating_add(events));
        Ok(match self.run.up_to(last)? {
            Some(run) => Self { run, ..self },
            None => self,
        })
    }

    /// Bytes of what they are encoded in, at most.
    pub(crate) fn bytes(&self) -> usize {
        self.run.encoded().len()
    }

    /// The event that the first of them follows.
    pub(super) fn after(&self) -> Offset {
        self.after.max(self.run.before().offset)
    }

    /// In which history they were written.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.run.epoch()
    }

    /// Where the reader stands once it has taken them: what a program stores to go on from there.
    #[must_use]
    pub fn position(&self) -> Position {
        self.run.position()
    }

    /// The events, decoded one by one.
    ///
    /// # Errors
    /// Each item is [`Malformed`] if what was stored is no event; then nothing follows.
    pub fn iter(&self) -> impl Iterator<Item = Result<Event, Malformed>> + '_ {
        self.run.events().filter(|event| event.as_ref().map_or(true, |event| event.offset > self.after))
    }
}

/// A stream of a room's log from a place on, for ever. Ends after an error, and with the room.
pub struct Subscription {
    anchor: Anchor,
    mailbox: Arc<Mailbox>,
    feed: Feed,
    gaps: std::vec::IntoIter<Gap>,
    work: Option<BoxFuture<'static, Result<Done, ReadError>>>,
    ended: bool,
}

enum Done {
    Read(Vec<Run>),
    Verified(Verified),
}

impl Subscription {
    pub(super) async fn open(
        anchor: Anchor,
        room: &RoomId,
        from: From,
        reader: Option<Identity>,
    ) -> Result<Self, ReadError> {
        let mailbox = Mailbox::new();
        let opened = anchor.open(room, from, Watcher::new(mailbox.clone(), Slot(0), reader)).await?;
        Ok(Self {
            anchor,
            mailbox,
            feed: opened.feed,
            gaps: opened.gaps.into_iter(),
            work: None,
            ended: false,
        })
    }

    /// Everything up to here was yielded.
    #[must_use]
    pub fn position(&self) -> &Position {
        self.feed.cursor()
    }

    fn read(&self, read: crate::store::Read) -> BoxFuture<'static, Result<Done, ReadError>> {
        let anchor = self.anchor.clone();
        async move { Ok(Done::Read(anchor.store().read(read).await?)) }.boxed()
    }

    fn verify(&self) -> BoxFuture<'static, Result<Done, ReadError>> {
        let (anchor, room, cursor) = (self.anchor.clone(), self.feed.room().clone(), *self.feed.cursor());
        let reader = self.feed.reader().cloned();
        async move { anchor.verify(&room, cursor, reader.as_ref()).await.map(Done::Verified) }.boxed()
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            if let Some(gap) = this.gaps.next() {
                return Poll::Ready(Some(Ok(Delivery::Gap(gap))));
            }
            if let Some(work) = &mut this.work {
                let done = ready!(work.poll_unpin(cx));
                this.work = None;
                match done {
                    Ok(Done::Read(runs)) => this.feed.loaded(runs),
                    Ok(Done::Verified(verified)) => {
                        this.feed.resume(&verified);
                        this.gaps = verified.gaps.into_iter();
                        continue;
                    }
                    Err(ReadError::Deleted(gap)) => {
                        this.ended = true;
                        return Poll::Ready(Some(Ok(Delivery::Gap(gap))));
                    }
                    Err(error) => {
                        this.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            let after = this.feed.cursor().offset;
            match this.feed.step() {
                Step::Deliver(run) => return Poll::Ready(Some(Ok(Delivery::Events(Events { run, after })))),
                Step::Wait => drop(ready!(this.mailbox.poll_take(cx))),
                Step::Read(read) => this.work = Some(this.read(read)),
                Step::Verify => this.work = Some(this.verify()),
                Step::Broken => {
                    this.ended = true;
                    let error = StoreError::Corrupt(format!(
                        "{} cannot be read on from its own log",
                        this.feed.room()
                    ));
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("feed", &self.feed).finish_non_exhaustive()
    }
}
