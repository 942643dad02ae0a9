//! What an application reads of a room: a stream of deliveries that goes on by itself across reconnects.

use std::pin::Pin;
use std::task::{Context, Poll};

use anchor_core::code::Code;
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::resume::Gap;
use anchor_core::session::frame::{Events, From};
use futures::Stream;
use tokio::sync::mpsc;

use super::command::{Command, SubscriptionId};

/// How to read a room: from where, and what to leave out. A [`From`] is one that leaves out nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Where the stream starts.
    pub from: From,
    /// What the application does not want to see.
    pub hide: Hide,
}

/// Which events an application does not want to see. The stream tells where they stand, so that a cursor goes past them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hide {
    /// None.
    #[default]
    Nothing,
    /// Those of this client: what it has shown already when it published them. Known by the ids that the client has now: one
    /// that was copied and took another sees what it had published before.
    ThisClient,
    /// Those of this client's user, whatever client they came from.
    ThisUser,
}

impl SubscribeOptions {
    /// The same, without what `hide` says.
    #[must_use]
    pub const fn hide(self, hide: Hide) -> Self {
        Self { hide, ..self }
    }
}

impl std::convert::From<From> for SubscribeOptions {
    fn from(from: From) -> Self {
        Self { from, hide: Hide::Nothing }
    }
}

/// The next thing of a room, in the order of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server opened the stream. Comes once, first; not repeated after a reconnect.
    Started {
        /// Where the stream starts.
        position: Position,
        /// What was asked for cannot be had from its beginning: a gap that leads to `position` comes next, and who stands
        /// there already, in an own record of cursors say, would never hear of it.
        gap_follows: bool,
        /// The newest offset at that time; zero without events.
        head: Offset,
        /// The oldest offset that could be read then.
        horizon: Offset,
    },
    /// Contiguous events, each exactly once: the first follows the last of the delivery before, or the gap's position.
    Events(Events),
    /// Events that were to be left out, see [`Hide`]: contiguous, behind what came before; what comes next follows `position`.
    Hidden {
        /// The offset of the first.
        first: Offset,
        /// That of the last, as a position.
        position: Position,
    },
    /// Events that will not come, or must be dropped; what comes next follows the gap's position.
    Gap(Gap),
    /// The last item: the server ended the subscription, or did not open it. All that the user may read of the room came
    /// before: who may read it again later goes on from the last position with a new subscription.
    ///
    /// Codes that tell of the room: `not_a_member`, `room_banned` (the user was removed, or left), `room_unknown` (it was
    /// deleted; a gap said so before, and its cursors are of no use any more).
    Ended {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
}

impl Delivery {
    /// Where a reader stands who has taken this: what to save as a cursor. `None` where it says nothing of that, as at a
    /// start that a gap follows.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Started { position, gap_follows, .. } => (!gap_follows).then_some(*position),
            Self::Events(events) => {
                events.events.last().map(|event| Position::at(events.epoch, event.mark()))
            }
            Self::Hidden { position, .. } => Some(*position),
            Self::Gap(gap) => gap.position,
            Self::Ended { .. } => None,
        }
    }
}

/// A stream of [`Delivery`]. Ends after [`Delivery::Ended`], or when the client is closed.
///
/// # Backpressure
/// It holds a bounded number of deliveries. While it is full, the client reads nothing more from the server; after a
/// second of that it leaves the room for the time being, so that acks, answers and other subscriptions come, and asks for
/// what follows once half of it is taken. Nothing is lost by taking slowly, or not at all. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    id: SubscriptionId,
    room: RoomId,
    deliveries: mpsc::Receiver<Delivery>,
    commands: mpsc::Sender<Command>,
}

impl Subscription {
    pub(super) const fn new(
        id: SubscriptionId,
        room: RoomId,
        deliveries: mpsc::Receiver<Delivery>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self { id, room, deliveries, commands }
    }

    /// Of which room.
    #[must_use]
    pub const fn room(&self) -> &RoomId {
        &self.room
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.deliveries.poll_recv(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Where the queue is full, the driver finds the closed channel with the next delivery.
        let _ = self.commands.try_send(Command::Unsubscribe { subscription: self.id });
    }
}
