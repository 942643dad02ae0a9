//! A thread by itself: what it is, and what comes of it, as one stream that goes on across reconnects.
//!
//! It is put together from the pages of the thread and the stream of its room. The room is subscribed to first and its
//! deliveries are left where they are until the pages are read, so that nothing falls between the two; which of them the pages
//! have already is decided by `reading`, without any wire.

mod reading;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use anchor_core::code::Code;
use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::position::Epoch;
use anchor_core::resume::Gap;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};

use super::error::RequestError;
use super::handle::{Client, Root};
use super::subscription::Subscription;
use super::timeline::Post;
use reading::{Reading, Step};

/// The next thing of a thread: first what it is, up to [`ThreadDelivery::Current`], then what comes, in the order of the log.
#[derive(Clone, Debug)]
pub enum ThreadDelivery {
    /// A message of the thread as it is: first the root, unless the user may not read that, or retention took it; then each
    /// reply, the oldest first.
    Post(Post),
    /// Everything that there was has come.
    Current,
    /// A new reply, or what somebody did to a message of the thread: each exactly once, and none that a post has already.
    Event {
        /// In which history of the log it was written.
        epoch: Epoch,
        /// A message, or what is about the root or one of the replies.
        event: Event,
    },
    /// Events that will not come, or must be dropped: of what came, whatever stands behind the gap's position is void, and so
    /// is what it did to others; where it was `restored`, who shows such changes follows the thread anew. Where the position
    /// is that of the beginning, a log was restored while the thread was read: all of it comes again.
    Gap(Gap),
    /// The last item: the server ended the reading of the room, or did not begin it, as with
    /// [`Delivery::Ended`](super::Delivery::Ended); or there is no thread: `target_unknown` for a root that never was, or that
    /// a restored log does not have.
    Ended {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
}

/// A stream of [`ThreadDelivery`], made by [`Client::follow_thread`]. Ends after [`ThreadDelivery::Ended`], or when the client is
/// closed. Dropping it unsubscribes.
///
/// ```no_run
/// # use std::collections::BTreeMap;
/// # use anchor_core::event::EventKind;
/// # use anchor_core::id::RoomId;
/// # use anchor_core::position::Offset;
/// # use anchor_transport::client::{Client, Post, ThreadDelivery};
/// # use futures::StreamExt;
/// # async fn example(client: Client, room: RoomId, root: Offset) {
/// let user = client.user();
/// let mut posts = BTreeMap::new();
/// let mut thread = client.follow_thread(&room, root).await;
/// while let Some(delivery) = thread.next().await {
///     match delivery {
///         ThreadDelivery::Post(post) => drop(posts.insert(post.event().offset, post)),
///         ThreadDelivery::Event { event, .. } if event.kind == EventKind::MESSAGE => {
///             posts.insert(event.offset, Post::live(event));
///         }
///         ThreadDelivery::Event { event, .. } => {
///             let about = event.target.and_then(|target| posts.get_mut(&target));
///             about.into_iter().for_each(|post| post.change(&event, user.as_ref()));
///         }
///         ThreadDelivery::Gap(gap) => {
///             posts.retain(|offset, _| gap.position.is_some_and(|position| *offset <= position.offset));
///         }
///         ThreadDelivery::Current | ThreadDelivery::Ended { .. } => {}
///     }
/// }
/// # }
/// ```
///
/// # Memory
/// One page, what a [`Subscription`] holds, and the offsets of the newest 100,000 replies: of what becomes of older ones nothing
/// is told. What is not taken waits as with a [`Subscription`].
pub struct ThreadSubscription {
    room: RoomId,
    root: Root,
    deliveries: BoxStream<'static, ThreadDelivery>,
}

impl ThreadSubscription {
    pub(super) fn new(client: Client, live: Subscription, root: Root) -> Self {
        let room = live.room().clone();
        let reading = Reading::new(root.offset());
        let reader = Reader { client, root, live, reading, step: Step::Listen, ready: VecDeque::new() };
        let next = async |mut reader: Reader| Some((reader.next().await?, reader));
        Self { room, root, deliveries: futures::stream::unfold(reader, next).fuse().boxed() }
    }

    /// Of which room.
    #[must_use]
    pub const fn room(&self) -> &RoomId {
        &self.room
    }

    /// Which thread.
    #[must_use]
    pub const fn root(&self) -> Root {
        self.root
    }
}

impl Stream for ThreadSubscription {
    type Item = ThreadDelivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ThreadDelivery>> {
        self.deliveries.poll_next_unpin(context)
    }
}

impl std::fmt::Debug for ThreadSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { room, root, .. } = self;
        f.debug_struct("ThreadSubscription").field("room", room).field("root", root).finish_non_exhaustive()
    }
}

/// Asks and listens as the [`Reading`] wants it.
struct Reader {
    client: Client,
    root: Root,
    live: Subscription,
    reading: Reading,
    step: Step,
    /// What was found out and not taken yet: of one page or one delivery.
    ready: VecDeque<ThreadDelivery>,
}

impl Reader {
    async fn next(&mut self) -> Option<ThreadDelivery> {
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Some(next);
            }
            self.step = match self.step {
                Step::Ask { after } => {
                    let page = self.client.thread_page(self.live.room(), self.root.offset(), after).await;
                    match page {
                        Ok(page) => self.reading.page(page, &mut self.ready),
                        Err(RequestError::Refused { code, message }) => {
                            self.ready.push_back(ThreadDelivery::Ended { code, message });
                            Step::Over
                        }
                        // The client has stopped or was closed: the room's stream says so.
                        Err(_) => Step::Listen,
                    }
                }
                Step::Listen => {
                    let delivery = self.live.next().await?;
                    self.reading.delivery(delivery, &mut self.ready)
                }
                Step::Over => return None,
            };
        }
    }
}
