//! The rooms that are read: a cursor for each, and the barriers of subscribing and unsubscribing.
//!
//! ```text
//!              subscribe                subscribed
//!   (none) ---> Wanted ---> Opening -----------------> Live --- gap deleted, error ---> (none)
//!                 ^            |  disconnect            |  ^ |
//!                 +------------+                        |  +-+ events, gap; disconnect: resumed at its cursor
//!                 ^                 unsubscribe         v
//!                 +--- next ------------------------ Closing --- unsubscribed, disconnect ---> (none)
//!                 ^                                     :
//!                 +--- drained --- Parked <--- Parking <+ Live, and full for too long
//! ```
//!
//! A reader that takes nothing holds up the whole connection, as briefly as most do; for longer its room is *parked*:
//! given back to the server, and asked for again behind its cursor once the reader has taken what it was handed.
//!
//! Invariant of `Live`: everything up to the cursor was handed over, nothing beyond it was. Events that do not follow the
//! cursor are a fault of the connection, never skipped over; those at or below it are ignored. Outside of `Live` a room's
//! events belong to nobody and are dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anchor_core::code::{Class, Code};
use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::limits::RESUME_ROOMS_MAX;
use anchor_core::position::{Offset, Position};
use anchor_core::resume::Gap;
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{ClientFrame, Events, From, RequestId};

use super::Fault;
use super::action::{Action, Learnt, Output};
use super::requests::{Failure, Requests};
use crate::client::command::SubscriptionId;
use crate::client::subscription::Delivery;

/// All rooms that this client reads.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    rooms: BTreeMap<RoomId, Room>,
    /// The rooms that `hello` resumed, until it is answered.
    greeted: BTreeSet<RoomId>,
    /// What a `subscribe`, `unsubscribe` or `resume` was for.
    asked: HashMap<RequestId, Asked>,
    /// When rooms that could not be opened are asked for again.
    again_at: Option<Monotonic>,
    /// Readers that are full and not parked: nothing may come for them.
    blocking: BTreeSet<SubscriptionId>,
    /// Since when there are any.
    blocked_since: Option<Monotonic>,
}

#[derive(Debug)]
struct Room {
    stage: Stage,
    /// Who reads; nobody while it closes.
    subscription: Option<SubscriptionId>,
    /// Who reads once it has closed.
    next: Option<(SubscriptionId, From)>,
    /// The reader was told where it starts.
    is_started: bool,
    /// The reader takes nothing now.
    is_full: bool,
    /// The stream starts behind a gap that has not come yet: how to ask again if it does not.
    owed: Option<From>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Wanted(From),
    Opening(RequestId, From),
    Live(Position),
    /// The server was asked to stop because the reader is full; how to ask again.
    Parking(RequestId, From),
    /// Not subscribed until the reader takes again; how to ask then.
    Parked(From),
    Closing(RequestId),
}

#[derive(Clone, Debug)]
enum Asked {
    Subscribe(RoomId),
    Unsubscribe(RoomId),
    Resume(Vec<RoomId>),
}

impl Subscriptions {
    /// A room is to be read from `from` on.
    pub(super) fn subscribe(&mut self, id: SubscriptionId, room: RoomId, from: From, out: &mut Output) {
        match self.rooms.get_mut(&room) {
            None => {
                self.rooms.insert(room, Room::wanted(id, from));
            }
            Some(closing) if closing.subscription.is_none() && sabotage::is(Sabotage::StaleFrameAccepted) => {
                *closing = Room::wanted(id, from);
            }
            Some(closing) if closing.subscription.is_none() && closing.next.is_none() => {
                closing.next = Some((id, from));
            }
            Some(_) => {
                let message = format!("this client is subscribed to {room} already");
                end(id, Code::AlreadySubscribed, message, out);
            }
        }
    }

    /// Nobody reads for `id` any more. `is_live`: whether there is a session to tell.
    pub(super) fn unsubscribe(
        &mut self,
        id: SubscriptionId,
        is_live: bool,
        requests: &mut Requests,
        out: &mut Output,
    ) {
        out.act(Action::End(id));
        self.unblock(id);
        let Some((name, room)) = self
            .rooms
            .iter_mut()
            .find(|(_, room)| room.subscription == Some(id) || room.next.is_some_and(|(next, _)| next == id))
        else {
            return;
        };
        if room.subscription != Some(id) {
            room.next = None;
            return;
        }
        let name = name.clone();
        if !is_live || matches!(room.stage, Stage::Wanted(_) | Stage::Parked(_)) {
            self.rooms.remove(&name);
            return;
        }
        if let Stage::Parking(request, _) = room.stage {
            room.stage = Stage::Closing(request);
            room.subscription = None;
            return;
        }
        let request = requests.number();
        room.stage = Stage::Closing(request);
        room.subscription = None;
        self.asked.insert(request, Asked::Unsubscribe(name.clone()));
        out.send(ClientFrame::Unsubscribe { id: request, room: name });
    }

    /// A reader takes no more than it was handed. `is_live`: whether there is a session that goes on sending.
    pub(super) fn full(&mut self, id: SubscriptionId, is_live: bool, now: Monotonic) {
        let is_read = |room: &&mut Room| room.subscription == Some(id);
        let Some(room) = self.rooms.values_mut().find(is_read) else { return };
        let Stage::Live(cursor) = room.stage else { return };
        room.is_full = true;
        if is_live {
            self.blocking.insert(id);
            self.blocked_since.get_or_insert(now);
        } else {
            room.stage = Stage::Parked(room.owed.take().unwrap_or(From::After(cursor)));
        }
    }

    /// A reader that was full has taken what it was handed.
    pub(super) fn drained(
        &mut self,
        id: SubscriptionId,
        is_live: bool,
        requests: &mut Requests,
        out: &mut Output,
    ) {
        self.unblock(id);
        let is_read = |room: &&mut Room| room.subscription == Some(id);
        let Some(room) = self.rooms.values_mut().find(is_read) else { return };
        room.is_full = false;
        if let Stage::Parked(from) = room.stage {
            room.stage = Stage::Wanted(from);
            if is_live {
                self.open_wanted(requests, out);
            }
        }
    }

    /// True if every room that is wanted is subscribed to: what the server says of all holds for all.
    pub(super) fn are_complete(&self) -> bool {
        self.rooms.values().all(|room| match room.stage {
            Stage::Live(_) => true,
            Stage::Closing(_) => room.next.is_none(),
            _ => false,
        })
    }

    /// True while a full reader is not parked: what comes now could not be handed over.
    pub(super) fn is_blocked(&self) -> bool {
        !self.blocking.is_empty()
    }

    /// The rooms that `hello` resumes, at most so many as it may.
    pub(super) fn resume(&mut self) -> Vec<(RoomId, Position)> {
        let rooms: Vec<_> = self.live().take(RESUME_ROOMS_MAX).collect();
        self.greeted = rooms.iter().map(|(room, _)| room.clone()).collect();
        rooms
    }

    /// Resumes what `hello` had no room for, leaves what was left since, and opens what is wanted.
    pub(super) fn welcomed(&mut self, requests: &mut Requests, out: &mut Output) {
        let greeted = std::mem::take(&mut self.greeted);
        let rest: Vec<_> = self.live().filter(|(room, _)| !greeted.contains(room)).collect();
        for name in greeted {
            let next = match self.rooms.get(&name) {
                Some(Room { stage: Stage::Live(_), .. }) => continue,
                Some(Room { stage: Stage::Wanted(from), subscription: Some(id), .. }) => Some((*id, *from)),
                _ => None,
            };
            let id = requests.number();
            self.rooms.insert(name.clone(), Room::closing(id, next));
            self.asked.insert(id, Asked::Unsubscribe(name.clone()));
            out.send(ClientFrame::Unsubscribe { id, room: name });
        }
        for rooms in rest.chunks(RESUME_ROOMS_MAX) {
            let id = requests.number();
            self.asked.insert(id, Asked::Resume(rooms.iter().map(|(room, _)| room.clone()).collect()));
            out.send(ClientFrame::Resume { id, rooms: rooms.to_vec() });
        }
        self.open_wanted(requests, out);
    }

    /// Asks for every room that is wanted; only while there is a session.
    pub(super) fn open_wanted(&mut self, requests: &mut Requests, out: &mut Output) {
        for (name, room) in &mut self.rooms {
            if let Stage::Wanted(from) = room.stage {
                let id = requests.number();
                room.stage = Stage::Opening(id, from);
                self.asked.insert(id, Asked::Subscribe(name.clone()));
                out.send(ClientFrame::Subscribe { id, room: name.clone(), from });
            }
        }
    }

    /// The connection is gone: barriers fall, cursors stay.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        self.greeted.clear();
        self.again_at = None;
        self.blocking.clear();
        self.blocked_since = None;
        self.rooms.retain(|_, room| match room.stage {
            Stage::Opening(_, from) => {
                room.stage = Stage::Wanted(from);
                true
            }
            Stage::Closing(_) => match room.next.take() {
                Some((next, from)) => {
                    *room = Room::wanted(next, from);
                    true
                }
                None => false,
            },
            Stage::Live(cursor) => {
                match (room.owed.take(), room.is_full) {
                    (None, false) => {}
                    (owed, true) => room.stage = Stage::Parked(owed.unwrap_or(From::After(cursor))),
                    (Some(from), false) => room.stage = Stage::Wanted(from),
                }
                true
            }
            Stage::Parking(_, from) => {
                room.stage = if room.is_full { Stage::Parked(from) } else { Stage::Wanted(from) };
                true
            }
            Stage::Wanted(_) | Stage::Parked(_) => true,
        });
    }

    /// The answer to a `subscribe`.
    pub(super) fn subscribed(
        &mut self,
        id: RequestId,
        position: Position,
        head: Offset,
        horizon: Offset,
        out: &mut Output,
    ) -> Option<Learnt> {
        let Some(Asked::Subscribe(name)) = self.asked.remove(&id) else { return None };
        let room = self.rooms.get_mut(&name)?;
        let Stage::Opening(opening, from) = room.stage else { return None };
        if opening != id {
            return None;
        }
        room.stage = Stage::Live(position);
        let gap_follows = !from.is_met_by(&position);
        room.owed = gap_follows.then_some(from);
        if let (Some(subscription), false) = (room.subscription, room.is_started) {
            room.is_started = true;
            let started = Delivery::Started { position, gap_follows, head, horizon };
            out.act(Action::Deliver(subscription, started));
        }
        Some(Learnt { room: name, position })
    }

    /// The answer to an `unsubscribe`: the next reader may begin, or the same one where it went on.
    pub(super) fn unsubscribed(&mut self, id: RequestId, requests: &mut Requests, out: &mut Output) {
        let Some(Asked::Unsubscribe(name)) = self.asked.remove(&id) else { return };
        let Some(room) = self.rooms.get_mut(&name) else { return };
        match (room.stage, room.next.take()) {
            (Stage::Parking(_, from), _) if room.is_full => room.stage = Stage::Parked(from),
            (Stage::Parking(_, from), _) => {
                room.stage = Stage::Wanted(from);
                self.open_wanted(requests, out);
            }
            (_, Some((next, from))) => {
                *room = Room::wanted(next, from);
                self.open_wanted(requests, out);
            }
            (Stage::Opening(..) | Stage::Live(_), None) if sabotage::is(Sabotage::StaleFrameAccepted) => {}
            (_, None) => drop(self.rooms.remove(&name)),
        }
    }

    /// The answer to a `resume`; the events follow by themselves.
    pub(super) fn resumed(&mut self, id: RequestId) {
        self.asked.remove(&id);
    }

    /// An error of the server; false if it was for none of these.
    pub(super) fn failed(
        &mut self,
        failure: &Failure,
        now: Monotonic,
        requests: &mut Requests,
        out: &mut Output,
    ) -> bool {
        let Failure { id, code, ref message, retry_after } = *failure;
        match self.asked.get(&id).cloned() {
            None => return false,
            Some(Asked::Subscribe(name)) => {
                self.asked.remove(&id);
                let is_opening = |stage| matches!(stage, Stage::Opening(opening, _) if opening == id);
                match self.rooms.get_mut(&name) {
                    Some(room) if is_opening(room.stage) && code.class() == Class::Retry => {
                        if let Stage::Opening(_, from) = room.stage {
                            room.stage = Stage::Wanted(from);
                        }
                        self.again_at = Some(now + retry_after.unwrap_or(RETRY_AFTER));
                    }
                    Some(room) if is_opening(room.stage) => {
                        if let Some(subscription) = room.subscription {
                            end(subscription, code, message.clone(), out);
                        }
                        self.rooms.remove(&name);
                    }
                    _ => {}
                }
            }
            Some(Asked::Unsubscribe(_)) => self.unsubscribed(id, requests, out),
            Some(Asked::Resume(names)) => {
                self.asked.remove(&id);
                for name in names {
                    let is_live = |room: &Room| matches!(room.stage, Stage::Live(_));
                    if !self.rooms.get(&name).is_some_and(is_live) {
                        continue;
                    }
                    if let Some(Room { subscription: Some(subscription), .. }) = self.rooms.remove(&name) {
                        end(subscription, code, message.clone(), out);
                    }
                }
            }
        }
        true
    }

    /// Events of a room: what is new of them goes to its reader.
    ///
    /// # Errors
    /// [`Fault`] if they do not follow the cursor.
    pub(super) fn events(&mut self, mut events: Events, out: &mut Output) -> Result<Option<Learnt>, Fault> {
        let Some(Room { stage, subscription, owed, .. }) = self.rooms.get_mut(&events.room) else {
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
            out.act(Action::Deliver(*subscription, Delivery::Events(events)));
        }
        Ok(Some(learnt))
    }

    /// A gap in a room: its cursor becomes the gap's position.
    ///
    /// # Errors
    /// [`Fault`] if it says of no position although the room was not deleted.
    pub(super) fn gap(&mut self, name: &RoomId, gap: Gap, out: &mut Output) -> Result<Option<Learnt>, Fault> {
        use anchor_core::resume::GapReason;
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
                self.rooms.remove(name);
                if let Some(subscription) = subscription {
                    out.act(Action::Deliver(subscription, Delivery::Gap(gap)));
                    end(subscription, Code::RoomUnknown, "the room was deleted".to_owned(), out);
                }
                Ok(None)
            }
            (None, _) => Err(Fault("a gap without a position")),
        }
    }

    /// Asks again for what could not be opened, and parks what was full for too long; only while there is a session.
    pub(super) fn tick(&mut self, now: Monotonic, requests: &mut Requests, out: &mut Output) {
        if self.blocked_since.is_some_and(|since| since + PATIENCE <= now) {
            self.park(requests, out);
        }
        if self.again_at.is_some_and(|again_at| again_at <= now) {
            self.again_at = None;
            self.open_wanted(requests, out);
        }
    }

    /// Ends all of them with `code`.
    pub(super) fn end_all(&mut self, code: Code, message: &str, out: &mut Output) {
        self.blocking.clear();
        self.blocked_since = None;
        for room in std::mem::take(&mut self.rooms).into_values() {
            for subscription in room.subscription.into_iter().chain(room.next.map(|(next, _)| next)) {
                end(subscription, code, message.to_owned(), out);
            }
        }
    }

    /// When to be ticked.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let park_at = self.blocked_since.map(|since| since + PATIENCE);
        self.again_at.into_iter().chain(park_at).min()
    }

    /// Gives the rooms of full readers back to the server, so that everybody else goes on.
    fn park(&mut self, requests: &mut Requests, out: &mut Output) {
        self.blocking.clear();
        self.blocked_since = None;
        for (name, room) in self.rooms.iter_mut().filter(|(_, room)| room.is_full) {
            let Stage::Live(cursor) = room.stage else { continue };
            let id = requests.number();
            room.stage = Stage::Parking(id, room.owed.take().unwrap_or(From::After(cursor)));
            self.asked.insert(id, Asked::Unsubscribe(name.clone()));
            out.send(ClientFrame::Unsubscribe { id, room: name.clone() });
        }
    }

    fn unblock(&mut self, id: SubscriptionId) {
        self.blocking.remove(&id);
        if self.blocking.is_empty() {
            self.blocked_since = None;
        }
    }

    fn live(&self) -> impl Iterator<Item = (RoomId, Position)> {
        self.rooms.iter().filter_map(|(name, room)| match room.stage {
            Stage::Live(cursor) => Some((name.clone(), cursor)),
            _ => None,
        })
    }
}

impl Room {
    const fn closing(request: RequestId, next: Option<(SubscriptionId, From)>) -> Self {
        Self {
            stage: Stage::Closing(request),
            subscription: None,
            next,
            is_started: false,
            is_full: false,
            owed: None,
        }
    }

    const fn wanted(id: SubscriptionId, from: From) -> Self {
        Self {
            stage: Stage::Wanted(from),
            subscription: Some(id),
            next: None,
            is_started: false,
            is_full: false,
            owed: None,
        }
    }
}

/// How many of `events` a reader at `cursor` has taken already; `None` if all of them.
///
/// # Errors
/// [`Fault`] if they are not contiguous, leave a hole behind the cursor, or tell another log than the one read so far.
pub(super) fn follow(cursor: Position, events: &Events) -> Result<Option<usize>, Fault> {
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

fn end(subscription: SubscriptionId, code: Code, message: String, out: &mut Output) {
    out.act(Action::Deliver(subscription, Delivery::Ended { code, message }));
    out.act(Action::End(subscription));
}

/// After which a room is asked for again that could not be opened. Source: chosen; a store's hiccup.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a full reader may hold up the connection before its room is parked. Source: chosen; long enough that a reader
/// which is merely slow costs no second asking, short against what waits for acks.
const PATIENCE: Duration = Duration::from_secs(1);
