//! The rooms that are read: a cursor for each, and the barriers of subscribing and unsubscribing.
//!
//! ```text
//!              subscribe                subscribed
//!   (none) ---> Wanted ---> Opening -----------------> Live --- ended, gap deleted, error ---> (none)
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
//!
//! One room the library reads by itself ([`SubscriptionId::LIBRARY`]): it never holds up the connection, and where the
//! server does not let it be read, it is *declined*, and asked for again with the next session.

mod parking;
mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anchor_core::code::{Class, Code};
use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::limits::RESUME_ROOMS_MAX;
use anchor_core::position::{Offset, Position};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{ClientFrame, From, RequestId, ResumeRoom};

pub(super) use reading::follow;

use super::action::{Action, Learnt, Output};
use super::requests::{Failure, Requests};
use crate::client::command::SubscriptionId;
use crate::client::subscription::{Delivery, Hide, SubscribeOptions};
use parking::PATIENCE;
use reading::end;

/// All rooms that this client reads.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Of what is resumed, the last so many messages alone.
    last: Option<u64>,
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
    /// What the reader does not want to see.
    hide: Hide,
    /// Who reads once it has closed.
    next: Option<(SubscriptionId, SubscribeOptions)>,
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
    /// Not to be read in this session; how to ask in the next.
    Declined(From),
    Closing(RequestId),
}

#[derive(Clone, Debug)]
enum Asked {
    Subscribe(RoomId),
    Unsubscribe(RoomId),
    Resume(Vec<RoomId>),
}

impl Subscriptions {
    /// No rooms yet; of those that are resumed, the last so many messages alone.
    pub(super) fn new(last: Option<u64>) -> Self {
        Self { last, ..Self::default() }
    }

    /// A room is to be read.
    pub(super) fn subscribe(
        &mut self,
        id: SubscriptionId,
        room: RoomId,
        options: SubscribeOptions,
        out: &mut Output,
    ) {
        match self.rooms.get_mut(&room) {
            None => {
                self.rooms.insert(room, Room::wanted(id, options));
            }
            Some(closing) if closing.subscription.is_none() && sabotage::is(Sabotage::StaleFrameAccepted) => {
                *closing = Room::wanted(id, options);
            }
            Some(closing) if closing.subscription.is_none() && closing.next.is_none() => {
                closing.next = Some((id, options));
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
        if !is_live || matches!(room.stage, Stage::Wanted(_) | Stage::Parked(_) | Stage::Declined(_)) {
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

    /// True if every room that an application wants is subscribed to: what the server says of all holds for all.
    pub(super) fn are_complete(&self) -> bool {
        self.rooms.values().all(|room| match room.stage {
            _ if room.is_of_library() => true,
            Stage::Live(_) => true,
            Stage::Closing(_) => room.next.is_none(),
            _ => false,
        })
    }

    /// The rooms that `hello` resumes, at most so many as it may.
    pub(super) fn resume(&mut self) -> Vec<ResumeRoom> {
        let rooms: Vec<_> = self.live().take(RESUME_ROOMS_MAX).collect();
        self.greeted = rooms.iter().map(|resume| resume.room.clone()).collect();
        rooms
    }

    /// Resumes what `hello` had no room for, leaves what was left since, and opens what is wanted.
    pub(super) fn welcomed(&mut self, requests: &mut Requests, out: &mut Output) {
        let greeted = std::mem::take(&mut self.greeted);
        let rest: Vec<_> = self.live().filter(|resume| !greeted.contains(&resume.room)).collect();
        for name in greeted {
            let next = match self.rooms.get(&name) {
                Some(Room { stage: Stage::Live(_), .. }) => continue,
                Some(Room { stage: Stage::Wanted(from), subscription: Some(id), hide, .. }) => {
                    Some((*id, SubscribeOptions { from: *from, hide: *hide }))
                }
                _ => None,
            };
            let id = requests.number();
            self.rooms.insert(name.clone(), Room::closing(id, next));
            self.asked.insert(id, Asked::Unsubscribe(name.clone()));
            out.send(ClientFrame::Unsubscribe { id, room: name });
        }
        for rooms in rest.chunks(RESUME_ROOMS_MAX) {
            let id = requests.number();
            self.asked.insert(id, Asked::Resume(rooms.iter().map(|resume| resume.room.clone()).collect()));
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
                Some((next, options)) => {
                    *room = Room::wanted(next, options);
                    true
                }
                None => false,
            },
            Stage::Declined(from) => {
                room.stage = Stage::Wanted(from);
                true
            }
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
            (_, Some((next, options))) => {
                *room = Room::wanted(next, options);
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
                    Some(room) if is_opening(room.stage) => self.over(&name, code, message, out),
                    _ => {}
                }
            }
            Some(Asked::Unsubscribe(_)) => self.unsubscribed(id, requests, out),
            Some(Asked::Resume(names)) => {
                self.asked.remove(&id);
                for name in names {
                    let is_live = |room: &Room| matches!(room.stage, Stage::Live(_));
                    if self.rooms.get(&name).is_some_and(is_live) {
                        self.over(&name, code, message, out);
                    }
                }
            }
        }
        true
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

    fn live(&self) -> impl Iterator<Item = ResumeRoom> {
        self.rooms.iter().filter_map(|(name, room)| match room.stage {
            Stage::Live(position) => {
                let last = self.last.filter(|_| !room.is_of_library());
                Some(ResumeRoom { room: name.clone(), position, last })
            }
            _ => None,
        })
    }
}

impl Room {
    const fn closing(request: RequestId, next: Option<(SubscriptionId, SubscribeOptions)>) -> Self {
        Self {
            stage: Stage::Closing(request),
            subscription: None,
            hide: Hide::Nothing,
            next,
            is_started: false,
            is_full: false,
            owed: None,
        }
    }

    const fn wanted(id: SubscriptionId, SubscribeOptions { from, hide }: SubscribeOptions) -> Self {
        Self {
            stage: Stage::Wanted(from),
            subscription: Some(id),
            hide,
            next: None,
            is_started: false,
            is_full: false,
            owed: None,
        }
    }

    fn is_of_library(&self) -> bool {
        self.subscription == Some(SubscriptionId::LIBRARY)
    }
}

/// After which a room is asked for again that could not be opened. Source: chosen; a store's hiccup.
const RETRY_AFTER: Duration = Duration::from_secs(1);
