//! The rooms of a session: opened in groups, fed at their cursors, live events before backlog.
//!
//! A room is *opening* until its feed is there, *held* until the answer that names it (`welcome`, `resumed`,
//! `subscribed`) is sent, and *live* from then on, until the client leaves it or may not read on. A room that the client
//! may not resume does not keep others from it: the answer names it without a log, and behind the answer goes why. Memory for each room is constant, a cursor; and a few reads at a time
//! are held for all of them together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use super::action::{Action, Ask, Goodbye};
use super::frame::{From, RequestId, ResumeRoom, RoomEntry, ServerFrame, Unread};
use super::machine::error_frame;
use super::subscriptions::Subscriptions;
use crate::code::Code;
use crate::engine::{Feed, Introduction, Opened, ReadError, Slot, Step, Verified};
use crate::id::RoomId;
use crate::limits::{OPENS_IN_FLIGHT_MAX, ROOMS_MAX};
use crate::position::{Offset, Position};
use crate::publish::Refusal;
use crate::resume::Gap;
use crate::run::Run;
use crate::sabotage::{self, Sabotage};
use crate::store::StoreError;

/// All rooms that a session has asked for and not left.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    subscriptions: Subscriptions,
    groups: BTreeMap<u64, Group>,
    next_group: u64,
    to_open: VecDeque<(Slot, From)>,
    opening: usize,
    live: VecDeque<Slot>,
    backlog: VecDeque<Slot>,
    to_read: VecDeque<(Slot, crate::store::Read)>,
    /// Reads that are open, or of which something is not delivered yet.
    reads: usize,
    /// Answers say what is unread.
    pub(super) tells_unread: bool,
    /// Of held rooms that miss something, when the newest of it was said, in milliseconds since the Unix epoch.
    recent: Vec<(u64, Slot)>,
    /// A subscription has ended since this was taken.
    pub(super) has_ended: bool,
}

/// What the rooms of a group are an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To `hello`.
    Welcome,
    /// To `resume`.
    Resumed(RequestId),
}

/// An answer whose rooms are all open, if there is one now.
pub(super) type Progress = Result<Option<(Answer, Vec<RoomEntry>)>, Goodbye>;

/// A room that a session has asked for and not left.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) room: RoomId,
    state: State,
    /// In `live`, `backlog` or `to_read`, or waiting for a reply.
    busy: bool,
    /// An `unsubscribe` came before the feed.
    leave: Option<RequestId>,
}

#[derive(Debug)]
enum State {
    Opening(Asked),
    /// Held as long as there are gaps to tell, be they none; then live.
    Open {
        feed: Feed,
        held: Option<Vec<Gap>>,
    },
    /// Not to be read; held until that is told.
    Over(Over),
}

/// Why a room is not read, or not read on.
#[derive(Debug)]
enum Over {
    /// The user may not.
    Refused(Refusal),
    /// The room was deleted.
    Deleted(Gap),
}

/// By what a room is being opened.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Subscribe(RequestId),
    Group { group: u64, place: usize },
}

#[derive(Debug)]
struct Group {
    answer: Answer,
    entries: Vec<Option<RoomEntry>>,
    left: usize,
}

impl Over {
    fn tell(self, room: RoomId, out: &mut VecDeque<Action>) {
        out.push_back(Action::Send(match self {
            Self::Refused(Refusal { code, message }) => ServerFrame::Ended { room, code, message },
            Self::Deleted(gap) => ServerFrame::Gap { room, gap },
        }));
    }
}

impl Rooms {
    /// Begins to open a room for a `subscribe`.
    pub(super) fn subscribe(&mut self, id: RequestId, room: RoomId, from: From, out: &mut VecDeque<Action>) {
        match self.check(&room) {
            Ok(()) => {
                self.begin(room, Asked::Subscribe(id), from);
                self.open_next(out);
            }
            Err(refusal) => out.push_back(Action::Send(error_frame(Some(id), refusal))),
        }
    }

    /// Begins to open the rooms of a `hello` or a `resume`; the answer may be complete at once.
    pub(super) fn resume(
        &mut self,
        answer: Answer,
        rooms: Vec<ResumeRoom>,
        out: &mut VecDeque<Action>,
    ) -> Progress {
        if let Err(refusal) = self.check_all(&rooms) {
            return match answer {
                Answer::Welcome => Err(Goodbye::new(Code::Malformed, refusal.message)),
                Answer::Resumed(id) => {
                    out.push_back(Action::Send(error_frame(Some(id), refusal)));
                    Ok(None)
                }
            };
        }
        if rooms.is_empty() {
            return Ok(Some((answer, Vec::new())));
        }
        let group = self.next_group;
        self.next_group += 1;
        self.groups.insert(group, Group { answer, entries: vec![None; rooms.len()], left: rooms.len() });
        for (place, resume) in rooms.into_iter().enumerate() {
            let from = resume.from();
            self.begin(resume.room, Asked::Group { group, place }, from);
        }
        self.open_next(out);
        Ok(None)
    }

    /// Ends a subscription, or sees to it that it ends once it is open.
    pub(super) fn unsubscribe(&mut self, id: RequestId, room: &RoomId, out: &mut VecDeque<Action>) {
        let slot = self.subscriptions.slot_of(room);
        let found = slot.and_then(|slot| Some((slot, self.subscriptions.get_mut(slot)?)));
        let Some((slot, subscription)) = found.filter(|(_, subscription)| subscription.leave.is_none())
        else {
            return out.push_back(Action::Send(error_frame(Some(id), not_subscribed())));
        };
        match subscription.live() {
            Some(_) => self.leave(slot, id, out),
            None => subscription.leave = Some(id),
        }
    }

    /// Takes a feed. Answers a `subscribe`, or completes a group.
    pub(super) fn opened(
        &mut self,
        slot: Slot,
        opened: Result<Opened, ReadError>,
        out: &mut VecDeque<Action>,
    ) -> Progress {
        self.opening -= 1;
        self.open_next(out);
        let Some(subscription) = self.subscriptions.get_mut(slot) else { return Ok(None) };
        let State::Opening(asked) = subscription.state else { return Ok(None) };
        if let Ok(opened) = &opened {
            // The same id as its tail has: one for all who read the room.
            subscription.room = opened.feed.room().clone();
        }
        match (asked, opened) {
            (Asked::Subscribe(id), Ok(opened)) => {
                let RoomEntry { room, head, horizon, .. } = opened.entry;
                let position = *opened.feed.cursor();
                out.push_back(Action::Send(ServerFrame::Subscribed { id, room, position, head, horizon }));
                subscription.state = State::Open { feed: opened.feed, held: Some(opened.gaps) };
                self.go_live(slot, out);
                Ok(None)
            }
            (Asked::Subscribe(id), Err(ReadError::Deleted(gap))) => {
                let RoomEntry { room, head, horizon, .. } = RoomEntry::without_log(subscription.room.clone());
                let position = Position::START;
                out.push_back(Action::Send(ServerFrame::Subscribed { id, room, position, head, horizon }));
                subscription.state = State::Over(Over::Deleted(gap));
                self.go_live(slot, out);
                Ok(None)
            }
            (Asked::Subscribe(id), Err(error)) => {
                let refusal = match error {
                    ReadError::Refused(refusal) => refusal,
                    _ => Refusal::new(Code::StoreUnavailable, "the room could not be read; subscribe again"),
                };
                out.push_back(Action::Send(error_frame(Some(id), refusal)));
                if let Some(id) = subscription.leave {
                    out.push_back(Action::Send(error_frame(Some(id), not_subscribed())));
                }
                self.remove(slot);
                Ok(None)
            }
            (Asked::Group { group: number, place }, opened) => {
                let (state, entry) = match opened {
                    Ok(opened) => {
                        let state = State::Open { feed: opened.feed, held: Some(opened.gaps) };
                        self.recent.extend(opened.newest_ts.map(|ts| (ts, slot)));
                        (state, opened.entry)
                    }
                    Err(ReadError::Deleted(gap)) => {
                        (State::Over(Over::Deleted(gap)), RoomEntry::without_log(subscription.room.clone()))
                    }
                    Err(ReadError::Refused(refusal)) => (
                        State::Over(Over::Refused(refusal)),
                        RoomEntry::without_log(subscription.room.clone()),
                    ),
                    Err(ReadError::Store(error)) => return Err(Goodbye::store(&error)),
                };
                subscription.state = state;
                let Some(group) = self.groups.get_mut(&number) else { return Ok(None) };
                group.entries[place] = Some(entry);
                group.left -= 1;
                match group.left {
                    // The group stays open, and its rooms are held, until the answer is there.
                    0 if self.tells_unread => {
                        let rooms = group.entries.iter().flatten().map(|entry| entry.room.clone()).collect();
                        out.push_back(Action::Ask(Ask::Unread(number, rooms)));
                        Ok(None)
                    }
                    0 => Ok(self.close_group(number)),
                    _ => Ok(None),
                }
            }
        }
    }

    /// Takes what is unread in the rooms of a group; the answer is complete with that.
    pub(super) fn counted(
        &mut self,
        number: u64,
        unread: Result<Vec<Option<Unread>>, StoreError>,
    ) -> Progress {
        let unread = unread.map_err(|error| Goodbye::store(&error))?;
        let mut closed = self.close_group(number);
        if let Some((_, entries)) = &mut closed {
            entries.iter_mut().zip(unread).for_each(|(entry, unread)| entry.unread = unread);
        }
        Ok(closed)
    }

    fn close_group(&mut self, number: u64) -> Option<(Answer, Vec<RoomEntry>)> {
        let group = self.groups.remove(&number)?;
        if self.groups.is_empty() {
            self.groups = BTreeMap::new();
        }
        Some((group.answer, group.entries.into_iter().flatten().collect()))
    }

    /// Lets every room go live whose answer was sent: those that are held and belong to no open group.
    pub(super) fn release(&mut self, out: &mut VecDeque<Action>) {
        if !self.groups.is_empty() {
            // Rooms of another group may be held too; they go live with the last group.
            return;
        }
        let held = |subscription: &Subscription| {
            matches!(subscription.state, State::Open { held: Some(_), .. } | State::Over(_))
        };
        let mut slots: Vec<_> =
            self.subscriptions.iter().filter(|(_, s)| held(s)).map(|(slot, _)| slot).collect();
        // Those in which something was said last are caught up with first.
        let recent: HashMap<_, _> =
            std::mem::take(&mut self.recent).into_iter().map(|(ts, slot)| (slot, ts)).collect();
        if !sabotage::is(Sabotage::OldestCaughtUpFirst) {
            slots.sort_by_key(|slot| Reverse(recent.get(slot)));
        }
        slots.into_iter().for_each(|slot| self.go_live(slot, out));
    }

    /// Takes a verified cursor.
    pub(super) fn verified(
        &mut self,
        slot: Slot,
        verified: Result<Verified, ReadError>,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Goodbye> {
        let Some(subscription) = self.subscriptions.get_mut(slot) else { return Ok(()) };
        let Some(feed) = subscription.live() else { return Ok(()) };
        let over = match verified {
            Ok(verified) => {
                feed.resume(&verified);
                tell_gaps(&subscription.room, verified.gaps, out);
                self.live.push_back(slot);
                return Ok(());
            }
            Err(ReadError::Store(error)) => return Err(Goodbye::store(&error)),
            Err(ReadError::Refused(refusal)) => Over::Refused(refusal),
            Err(ReadError::Deleted(gap)) => Over::Deleted(gap),
        };
        if let Some(room) = self.remove(slot) {
            over.tell(room, out);
        }
        Ok(())
    }

    /// Takes the runs that a feed asked for.
    pub(super) fn loaded(&mut self, slot: Slot, runs: Result<Vec<Run>, StoreError>) -> Result<(), Goodbye> {
        let runs = runs.map_err(|error| Goodbye::store(&error))?;
        match self.subscriptions.get_mut(slot).and_then(Subscription::live) {
            Some(feed) => {
                feed.loaded(runs);
                self.reads -= usize::from(!feed.is_loaded());
                self.backlog.push_back(slot);
            }
            None => self.reads -= 1,
        }
        Ok(())
    }

    /// Learns that a room has news.
    pub(super) fn wake(&mut self, slot: Slot) {
        if let Some(subscription) = self.subscriptions.get_mut(slot)
            && subscription.live().is_some()
            && !subscription.busy
        {
            subscription.busy = true;
            self.live.push_back(slot);
        }
    }

    /// True if something is to be delivered that was not read from the store.
    pub(super) fn has_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// True if the session has asked for `room` and not left it.
    pub(super) fn is_subscribed(&self, room: &RoomId) -> bool {
        self.subscriptions.slot_of(room).is_some()
    }

    /// True if the client was told that it is subscribed to `room`, and nothing that it was not told yet may end that.
    pub(super) fn is_present(&self, room: &RoomId) -> bool {
        let subscription = self.subscriptions.slot_of(room).and_then(|slot| self.subscriptions.get(slot));
        subscription
            .is_some_and(|it| matches!(&it.state, State::Open { feed, held: None } if feed.is_present()))
    }

    /// Introduces the user to those who are in the same rooms.
    pub(super) fn introduce(&self, introduction: &Introduction) {
        for (_, subscription) in self.subscriptions.iter() {
            if let State::Open { feed, .. } = &subscription.state {
                feed.introduce(introduction);
            }
        }
    }

    /// True while what is to be delivered comes from the store.
    pub(super) fn is_behind(&self) -> bool {
        self.reads > 0 || !self.backlog.is_empty() || !self.to_read.is_empty()
    }

    /// The next delivery, or a read or verification for one.
    pub(super) fn poll_delivery(&mut self) -> Result<Option<Action>, Goodbye> {
        loop {
            if self.reads < READS_HELD_MAX
                && let Some((slot, read)) = self.to_read.pop_front()
            {
                if self.subscriptions.get(slot).is_some() {
                    self.reads += 1;
                    return Ok(Some(Action::Ask(Ask::Read(slot, read))));
                }
                continue;
            }
            let (slot, is_live) = match (self.live.pop_front(), &mut self.backlog) {
                (Some(slot), _) => (slot, true),
                (None, backlog) => match backlog.pop_front() {
                    Some(slot) => (slot, false),
                    None => {
                        self.shrink();
                        return Ok(None);
                    }
                },
            };
            let Some(subscription) = self.subscriptions.get_mut(slot) else { continue };
            let Some(feed) = subscription.live() else { continue };
            let was_loaded = feed.is_loaded();
            let step = feed.step();
            self.reads -= usize::from(was_loaded && !feed.is_loaded());
            match step {
                Step::Deliver(run) => {
                    if is_live { &mut self.live } else { &mut self.backlog }.push_back(slot);
                    return Ok(Some(Action::Deliver(run)));
                }
                Step::Wait => subscription.busy = false,
                Step::Read(read) => self.to_read.push_back((slot, read)),
                Step::Verify => {
                    let (room, cursor) = (feed.room().clone(), *feed.cursor());
                    return Ok(Some(Action::Ask(Ask::Verify(slot, room, cursor))));
                }
                Step::Broken => {
                    tracing::error!(room = %subscription.room, "the log cannot be read on from a verified position");
                    return Err(Goodbye::new(
                        Code::Internal,
                        "stored data is damaged; the server's log says more",
                    ));
                }
            }
        }
    }

    /// Rooms of which not everything was sent, and their heads.
    pub(super) fn lag(&self) -> Vec<(RoomId, Offset)> {
        let lag = |subscription: &Subscription| match &subscription.state {
            State::Open { feed, held: None } => feed.lag().map(|head| (subscription.room.clone(), head)),
            // Its answer may be sent, its gaps and events are not.
            State::Open { feed, held: Some(_) } => {
                Some((subscription.room.clone(), feed.lag().unwrap_or(feed.cursor().offset)))
            }
            State::Opening(_) | State::Over(_) => None,
        };
        self.subscriptions.iter().filter_map(|(_, subscription)| lag(subscription)).collect()
    }

    /// Lets go of buffers that are not needed while nothing happens; but one that the next delivery fills again.
    fn shrink(&mut self) {
        if self.live.capacity() > LIVE_KEPT_MAX {
            self.live = VecDeque::new();
        }
        if self.backlog.capacity() > 0 {
            self.backlog = VecDeque::new();
        }
        if self.to_read.capacity() > 0 && self.to_read.is_empty() {
            self.to_read = VecDeque::new();
        }
        if self.to_open.capacity() > 0 && self.to_open.is_empty() {
            self.to_open = VecDeque::new();
        }
    }

    fn check(&self, room: &RoomId) -> Result<(), Refusal> {
        if self.subscriptions.slot_of(room).is_some() {
            return Err(Refusal::new(
                Code::AlreadySubscribed,
                "the session is subscribed to this room already",
            ));
        }
        if self.subscriptions.len() >= ROOMS_MAX {
            return Err(Refusal::new(Code::TooManyRooms, "a session has at most 16,384 rooms"));
        }
        Ok(())
    }

    fn check_all(&self, rooms: &[ResumeRoom]) -> Result<(), Refusal> {
        let mut names: Vec<_> = rooms.iter().map(|resume| &resume.room).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Refusal::new(Code::AlreadySubscribed, "a room is resumed twice"));
        }
        if self.subscriptions.len() + rooms.len() > ROOMS_MAX {
            return Err(Refusal::new(Code::TooManyRooms, "a session has at most 16,384 rooms"));
        }
        rooms.iter().try_for_each(|resume| self.check(&resume.room))
    }

    fn begin(&mut self, room: RoomId, asked: Asked, from: From) {
        let state = State::Opening(asked);
        let slot = self.subscriptions.insert(Subscription { room, state, busy: true, leave: None });
        self.to_open.push_back((slot, from));
    }

    fn open_next(&mut self, out: &mut VecDeque<Action>) {
        while self.opening < OPENS_IN_FLIGHT_MAX
            && let Some((slot, from)) = self.to_open.pop_front()
        {
            if let Some(subscription) = self.subscriptions.get(slot) {
                self.opening += 1;
                out.push_back(Action::Ask(Ask::Open(slot, subscription.room.clone(), from)));
            }
        }
    }

    fn go_live(&mut self, slot: Slot, out: &mut VecDeque<Action>) {
        let Some(subscription) = self.subscriptions.get_mut(slot) else { return };
        let leave = subscription.leave;
        if let State::Open { held, .. } = &mut subscription.state
            && let Some(gaps) = held.take()
        {
            tell_gaps(&subscription.room, gaps, out);
            self.live.push_back(slot);
        }
        if matches!(subscription.state, State::Over(_)) {
            self.has_ended = true;
            if let Some(subscription) = self.subscriptions.remove(slot)
                && let Subscription { room, state: State::Over(over), leave, .. } = *subscription
            {
                over.tell(room, out);
                out.extend(leave.map(|id| Action::Send(error_frame(Some(id), not_subscribed()))));
            }
        } else if let Some(id) = leave {
            self.leave(slot, id, out);
        }
    }

    fn leave(&mut self, slot: Slot, id: RequestId, out: &mut VecDeque<Action>) {
        if let Some(room) = self.remove(slot) {
            out.push_back(Action::Send(ServerFrame::Unsubscribed { id, room }));
        }
    }

    fn remove(&mut self, slot: Slot) -> Option<RoomId> {
        let mut subscription = self.subscriptions.remove(slot)?;
        self.has_ended = true;
        self.reads -= usize::from(subscription.live().is_some_and(|feed| feed.is_loaded()));
        Some(subscription.room)
    }
}

impl Subscription {
    /// A subscription whose room is about to be opened.
    #[cfg(test)]
    pub(super) fn opening(room: RoomId) -> Self {
        let state = State::Opening(Asked::Subscribe(RequestId(0)));
        Self { room, state, busy: true, leave: None }
    }

    /// Its feed, once it is live.
    fn live(&mut self) -> Option<&mut Feed> {
        match &mut self.state {
            State::Open { feed, held: None } => Some(feed),
            _ => None,
        }
    }
}

fn not_subscribed() -> Refusal {
    Refusal::new(Code::NotSubscribed, "the session is not subscribed to this room")
}

fn tell_gaps(room: &RoomId, gaps: Vec<Gap>, out: &mut VecDeque<Action>) {
    if sabotage::is(Sabotage::GapNotAnnounced) {
        return;
    }
    out.extend(gaps.into_iter().map(|gap| Action::Send(ServerFrame::Gap { room: room.clone(), gap })));
}

/// Reads of the store that one session holds for its feeds, open or not yet delivered whole. Source: chosen; one is sent
/// while the next is read.
const READS_HELD_MAX: usize = 2;

/// Rooms with news for which an idle session keeps room in its queue. Source: chosen; what the first takes of memory.
const LIVE_KEPT_MAX: usize = 4;
