//! What comes of a room that is read: events, gaps, and the end of it.

use anchor_core::code::Code;
use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{Events, From};

use super::{Room, Stage, Subscriptions};
use crate::client::command::SubscriptionId;
use crate::client::machine::Fault;
use crate::client::machine::action::{Action, Learnt, Output};
use crate::client::subscription::{Delivery, Hide};

impl Subscriptions {
    /// Events of a room: what is new of them goes to its reader. `is_hidden`: whether a reader does not want to see one.
    ///
    /// # Errors
    /// [`Fault`] if they do not follow the cursor.
    pub(in crate::client::machine) fn events(
        &mut self,
        mut events: Events,
        is_hidden: impl Fn(Hide, &Event) -> bool,
        out: &mut Output,
    ) -> Result<Option<Learnt>, Fault> {
        let Some(Room { stage, subscription, hide, owed, .. }) = self.rooms.get_mut(&events.room) else {
            return Ok(None);
        };
        let cursor = match stage {
            Stage::Live(cursor) => cursor,
            Stage::Opening(_, From::After(cursor)) if sabotage::is(Sabotage::StaleFrameAccepted) => cursor,
            _ => return Ok(None),
        };
        let Some(mut taken) = follow(*cursor, &events)? else { return Ok(None) };
        if sabotage::is(Sabotage::CursorGoesBack) {
            taken = 0;
        }
        events.events.drain(..taken);
        let Some((first, last)) = events.events.first().zip(events.events.last()) else { return Ok(None) };
        events.first = first.offset;
        *owed = None;
        *cursor = Position::at(events.epoch, last.mark());
        let learnt = Learnt { room: events.room.clone(), position: *cursor };
        if let Some(subscription) = subscription {
            match *hide {
                Hide::Nothing => out.act(Action::Deliver(*subscription, Delivery::Events(events))),
                hide => deliver_seen(*subscription, events, |event| is_hidden(hide, event), out),
            }
        }
        Ok(Some(learnt))
    }

    /// A gap in a room: its cursor becomes the gap's position.
    ///
    /// # Errors
    /// [`Fault`] if it says of no position although the room was not deleted.
    pub(in crate::client::machine) fn gap(
        &mut self,
        name: &RoomId,
        gap: Gap,
        out: &mut Output,
    ) -> Result<Option<Learnt>, Fault> {
        let Some(Room { stage: Stage::Live(cursor), subscription, owed, .. }) = self.rooms.get_mut(name)
        else {
            return Ok(None);
        };
        *owed = None;
        let subscription = *subscription;
        match (gap.position, gap.reason) {
            (Some(position), _) => {
                *cursor = position;
                if let Some(subscription) = subscription {
                    out.act(Action::Deliver(subscription, Delivery::Gap(gap)));
                }
                Ok(Some(Learnt { room: name.clone(), position }))
            }
            (None, GapReason::Deleted) => {
                *cursor = Position::START;
                if let Some(subscription) = subscription {
                    out.act(Action::Deliver(subscription, Delivery::Gap(gap)));
                }
                self.over(name, Code::RoomUnknown, "the room was deleted", out);
                Ok(None)
            }
            (None, _) => Err(Fault("a gap without a position")),
        }
    }

    /// The server ended a subscription. One that is being opened or given back has an answer of its own to come.
    pub(in crate::client::machine) fn ended(
        &mut self,
        name: &RoomId,
        code: Code,
        message: &str,
        out: &mut Output,
    ) {
        if self.rooms.get(name).is_some_and(|room| matches!(room.stage, Stage::Live(_))) {
            self.over(name, code, message, out);
        }
    }

    /// A room is read no more: its reader is told why. What the library reads is asked for again with the next session.
    pub(super) fn over(&mut self, name: &RoomId, code: Code, message: &str, out: &mut Output) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let from = match room.stage {
            Stage::Live(cursor) => room.owed.take().unwrap_or(From::After(cursor)),
            Stage::Opening(_, from) => from,
            _ => return,
        };
        match room.subscription {
            Some(SubscriptionId::LIBRARY) => room.stage = Stage::Declined(from),
            subscription => {
                self.rooms.remove(name);
                if let Some(subscription) = subscription {
                    end(subscription, code, message.to_owned(), out);
                }
            }
        }
    }
}

/// Delivers what is to be seen of `events`, and where the rest stands, in their order.
fn deliver_seen(
    subscription: SubscriptionId,
    events: Events,
    is_hidden: impl Fn(&Event) -> bool,
    out: &mut Output,
) {
    let Events { room, epoch, events, .. } = events;
    let mut events = events.into_iter().peekable();
    while let Some(event) = events.next() {
        let first = event.offset;
        let hides = is_hidden(&event);
        let mut alike = vec![event];
        while let Some(event) = events.next_if(|event| is_hidden(event) == hides) {
            alike.push(event);
        }
        let delivery = match (hides, alike.last()) {
            (true, Some(last)) => Delivery::Hidden { first, position: Position::at(epoch, last.mark()) },
            _ => Delivery::Events(Events { room: room.clone(), epoch, first, events: alike }),
        };
        out.act(Action::Deliver(subscription, delivery));
    }
}

/// How many of `events` a reader at `cursor` has taken already; `None` if all of them.
///
/// # Errors
/// [`Fault`] if they are not contiguous, leave a hole behind the cursor, or tell another log than the one read so far.
pub(in crate::client::machine) fn follow(cursor: Position, events: &Events) -> Result<Option<usize>, Fault> {
    let dense = (events.first.0..).zip(&events.events).all(|(offset, event)| event.offset.0 == offset);
    if !dense || events.first == Offset::ZERO {
        return Err(Fault("events that are not contiguous"));
    }
    if events.first > cursor.offset.next() {
        return Err(Fault("a hole before the events"));
    }
    let taken = events.events.iter().take_while(|event| event.offset <= cursor.offset).count();
    if taken == events.events.len() {
        return Ok(None);
    }
    if let Some(known) = taken.checked_sub(1).map(|at| &events.events[at]) {
        if known.chain != cursor.chain {
            return Err(Fault("events of another chain than those before"));
        }
        if cursor.epoch != Some(events.epoch) {
            return Err(Fault("events of another epoch than those before"));
        }
    }
    Ok(Some(taken))
}

pub(super) fn end(subscription: SubscriptionId, code: Code, message: String, out: &mut Output) {
    out.act(Action::Deliver(subscription, Delivery::Ended { code, message }));
    out.act(Action::End(subscription));
}
