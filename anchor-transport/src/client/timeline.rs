//! What a room looks like to a person: its messages, each with what later events made of it.
//!
//! A page comes with what became of its events up to the head that it tells; what comes live changes them further. Putting
//! the two together is a fold without any wire: it takes pages and deliveries in the order in which they come.
//!
//! Invariant: whatever was added and in which order, a post is what reading the whole log up to
//! [`Timeline::position`] would make of it.

mod post;

use std::collections::{BTreeMap, VecDeque};

use anchor_core::event::{Event, EventKind};
use anchor_core::id::UserId;
use anchor_core::position::{Offset, Position};
use anchor_core::room::{Amendment, Changes};
use anchor_core::session::frame::Page;

pub use self::post::Post;

use super::subscription::Delivery;

/// The posts of a room: messages and what else is to be seen in it (who came and went, what was changed), with their edits,
/// redactions, reactions, pins and counts of replies. Of a stream with nothing hidden: what is hidden changes nothing here.
///
/// ```no_run
/// # use anchor_core::id::RoomId;
/// # use anchor_core::session::frame::{From, HistoryRange};
/// # use anchor_transport::client::{Applied, Client, Timeline};
/// # use futures::StreamExt;
/// # async fn example(client: Client, room: RoomId) -> Result<(), Box<dyn std::error::Error>> {
/// let mut timeline = Timeline::new(client.user());
/// timeline.add(client.history(&room, HistoryRange::Newest, 50).await?)?;
/// let mut deliveries = client.subscribe(&room, From::After(timeline.position())).await;
/// while let Some(delivery) = deliveries.next().await {
///     if timeline.apply(&delivery) == Applied::Emptied {
///         timeline.add(client.history(&room, HistoryRange::Newest, 50).await?)?;
///     }
///     for post in timeline.posts() {
///         println!("{}: {}", post.event().user, post.body().and_then(|body| body.as_text()).unwrap_or("(no text)"));
///     }
/// }
/// # Ok(()) }
/// ```
///
/// # Reactions
/// A page tells how many set a sign, not who did, and what comes live is added to that: nobody sets a sign twice.
///
/// # Memory
/// Grows with what is added; [`Timeline::keep`] lets the oldest go.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    reader: Option<UserId>,
    posts: BTreeMap<Offset, Post>,
    position: Position,
    /// The newest events about posts that are not here, oldest first: a page may bring those, from before these events.
    recent: VecDeque<Event>,
    /// Events about others were let go of up to here.
    forgotten: Offset,
}

/// What a delivery did to a [`Timeline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "an emptied timeline shows nothing until a page is added"]
pub enum Applied {
    /// It goes on, changed or not.
    WentOn,
    /// Events are missing from it, or were never so: all posts are gone, ask for a page. What comes live goes on.
    Emptied,
}

/// The page is older than what came live since, or not of this log: nothing was added, ask for it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page does not fit what came live; ask for it again")]
pub struct Stale;

impl Timeline {
    /// An empty one, as `reader` sees it: whose own reactions are marked.
    #[must_use]
    pub fn new(reader: Option<UserId>) -> Self {
        Self { reader, ..Self::default() }
    }

    /// Adds the posts of a page that are not here yet. The first one says where [`Timeline::position`] begins.
    ///
    /// Pages follow each other without a hole, by their `next`: what lies between two that do not is not missed here.
    ///
    /// # Errors
    /// [`Stale`]: the page was read before much that has come live since, or has a gap.
    pub fn add(&mut self, page: Page) -> Result<(), Stale> {
        let Page { epoch, events, changes, head, gap, .. } = page;
        if gap.is_some() || head < self.forgotten {
            return Err(Stale);
        }
        if self.position == Position::START
            && let (Some(epoch), Some(newest)) = (epoch, events.last())
        {
            self.position = Position::at(epoch, newest.mark());
        }
        let mut changes: BTreeMap<Offset, Changes> =
            changes.into_iter().map(|changes| (changes.target, changes)).collect();
        for event in events.into_iter().filter(|event| Amendment::of(event).is_none()) {
            let offset = event.offset;
            if self.posts.contains_key(&offset) {
                continue;
            }
            let mut post = Post::of_page(event, changes.remove(&offset), head);
            for late in self.recent.iter().filter(|late| late.target == Some(offset)) {
                post.change(late, self.reader.as_ref());
            }
            self.recent.retain(|late| late.target != Some(offset));
            self.posts.insert(offset, post);
        }
        Ok(())
    }

    /// Takes what comes next of the room's stream.
    pub fn apply(&mut self, delivery: &Delivery) -> Applied {
        match delivery {
            Delivery::Events(events) => {
                for event in &events.events {
                    self.take(event);
                }
            }
            Delivery::Gap(gap) => {
                *self = Self { position: gap.position.unwrap_or_default(), ..Self::new(self.reader.take()) };
                return Applied::Emptied;
            }
            Delivery::Started { .. } | Delivery::Hidden { .. } | Delivery::Ended { .. } => {}
        }
        self.position = delivery.position().unwrap_or(self.position);
        Applied::WentOn
    }

    /// Up to where everything is in it: where to subscribe after, and what to save as a cursor.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The posts, the oldest first.
    pub fn posts(&self) -> impl DoubleEndedIterator<Item = &Post> {
        self.posts.values()
    }

    /// The post at `offset`, if it is here.
    #[must_use]
    pub fn post(&self, offset: Offset) -> Option<&Post> {
        self.posts.get(&offset)
    }

    /// Lets go of all but the newest `count` posts; pages bring them again.
    pub fn keep(&mut self, count: usize) {
        while self.posts.len() > count {
            self.posts.pop_first();
        }
    }

    fn take(&mut self, event: &Event) {
        if let Some(target) = event.target {
            match self.posts.get_mut(&target) {
                Some(post) => post.change(event, self.reader.as_ref()),
                None => self.recent.push_back(event.clone()),
            }
            if self.recent.len() > RECENT_MAX {
                self.forgotten = self.recent.pop_front().map_or(self.forgotten, |oldest| oldest.offset);
            }
        }
        let is_post = event.target.is_none() || event.kind == EventKind::MESSAGE;
        if is_post {
            self.posts.entry(event.offset).or_insert_with(|| Post::live(event.clone()));
        }
    }
}

/// Events about posts that are not here, which are kept for pages yet to come. Source: chosen; what comes in while a page is
/// on its way, many times over.
const RECENT_MAX: usize = 1_024;

#[cfg(test)]
mod tests;
