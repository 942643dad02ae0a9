//! A consumer that is open: what it is given, what it has done, and how that becomes durable.
//!
//! ```text
//! notes, walks ──▶ queue of rooms ──▶ look behind the position ──▶ next() ──▶ done() ──▶ flush: records, guarded by the head
//!                        ▲                      │
//!                        └────── more there ────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::task::Poll;

use futures::future::{Either, select};

use super::ConsumerError;
use super::head::{Head, Series, decode_position, encode_position, head_key, position_key, series_prefix};
use super::look::Looked;
use super::name::{ConsumerId, Scope};
use super::notes::{Interest, NotesGuard};
use super::place::Place;
use super::scan::Walk;
use crate::engine::{Anchor, Delivery};
use crate::environment::Monotonic;
use crate::id::RoomId;
use crate::limits::{
    CONSUMER_FLUSH, CONSUMER_PARTS_MAX, CONSUMER_PLACES_MAX, CONSUMER_POLL, CONSUMER_ROOM_PARTS_MAX,
};
use crate::position::Position;
use crate::record::{RecordKey, RecordWrite, Written};
use crate::sabotage::{self, Sabotage};
use crate::session::Identity;

/// A part of a room's log, given to a consumer.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Of which room.
    pub room: RoomId,
    /// Events, or a gap.
    pub delivery: Delivery,
}

impl Taken {
    /// What to say to [`Consumer::done`] once it is done: where it ends.
    #[must_use]
    pub fn position(&self) -> Position {
        match &self.delivery {
            Delivery::Events(events) => events.position(),
            Delivery::Gap(gap) => gap.position.unwrap_or(Position::START),
        }
    }
}

/// A named cursor over one room or all rooms, which outlives the process.
///
/// **At least once.** What was given and not done comes again once the consumer is opened anew, be it after a crash. An event
/// has the key `room/epoch/offset`, the same each time. **In order** within a room; rooms take turns. **No silent gap**: what
/// was trimmed, restored away or deleted is a [`Delivery::Gap`] in its place. What was redacted before it is given comes
/// without its body.
#[derive(Debug)]
pub struct Consumer {
    anchor: Anchor,
    id: ConsumerId,
    /// Who reads; none for the host itself.
    reader: Option<Identity>,
    interest: Interest,
    head: Head,
    head_key: RecordKey,
    /// As it is kept: what guards every write.
    head_value: Vec<u8>,
    /// The head is to be read before anything else.
    is_stale: bool,
    notes: NotesGuard,
    /// Of rooms that something was looked for in lately.
    places: BTreeMap<RoomId, Place>,
    /// Parts that were given and are not done.
    open: usize,
    /// Of these nothing is given for the time being.
    held: BTreeSet<RoomId>,
    queue: Queue,
    walk: Option<Walk>,
    /// When the next walk begins; while one is under way, when that did.
    walks_at: Monotonic,
    head_read_at: Monotonic,
    flushed_at: Monotonic,
}

/// Rooms to be looked at, each once, in the order of their coming.
#[derive(Debug, Default)]
struct Queue {
    rooms: VecDeque<RoomId>,
    queued: BTreeSet<RoomId>,
}

impl Queue {
    fn push(&mut self, room: RoomId) {
        if self.queued.insert(room.clone()) {
            self.rooms.push_back(room);
        }
    }

    fn pop(&mut self) {
        if let Some(room) = self.rooms.pop_front() {
            self.queued.remove(&room);
        }
    }
}

impl Consumer {
    pub(super) fn new(
        anchor: Anchor,
        id: ConsumerId,
        reader: Option<Identity>,
        head: Head,
        notes: NotesGuard,
    ) -> Self {
        let now = anchor.now();
        let (head_key, head_value) = (head_key(&id), head.encode());
        Self {
            anchor,
            id,
            reader,
            interest: Interest::ALL,
            head,
            head_key,
            head_value,
            is_stale: false,
            notes,
            places: BTreeMap::new(),
            open: 0,
            held: BTreeSet::new(),
            queue: Queue::default(),
            walk: Some(Walk::default()),
            walks_at: now,
            head_read_at: now,
            flushed_at: now,
        }
    }

    /// The same consumer, given only runs that may have something of `interest` among their events. The others are passed
    /// over, and count as done.
    #[must_use]
    pub fn interested_in(mut self, interest: Interest) -> Self {
        self.interest = interest;
        self.notes.set_interest(interest);
        self
    }

    /// Which consumer it is.
    #[must_use]
    pub const fn id(&self) -> &ConsumerId {
        &self.id
    }

    /// What it reads.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.head.scope
    }

    /// Events that are there and not done, over all rooms, about: as of the last look at all of them, with what this node
    /// heard of since. None before the first look is over.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        self.notes.lag()
    }

    /// Whether it is given nothing for the time being, as of its last look.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.head.paused
    }

    /// Parts that were given and are not done.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// The next part: of the room whose turn it is, the oldest that was not given yet. Waits for one where there is none, and
    /// while the consumer is paused. What was done becomes durable meanwhile.
    ///
    /// # Errors
    /// [`ConsumerError`]. After [`ConsumerError::Store`] of kind `Retry`, and [`ConsumerError::TooManyOpen`], ask again;
    /// after others the consumer is over.
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Taken, ConsumerError> {
        loop {
            if let Some(taken) = self.next_now(usize::MAX).await? {
                return Ok(taken);
            }
            self.wait().await;
        }
    }

    /// As [`Consumer::next`], of at most so many events; none where it would wait for something to come.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    pub async fn next_now(&mut self, events_max: usize) -> Result<Option<Taken>, ConsumerError> {
        loop {
            self.keep_up().await?;
            if self.head.paused {
                return Ok(None);
            }
            if self.open >= CONSUMER_PARTS_MAX {
                return Err(ConsumerError::TooManyOpen);
            }
            self.walk_on().await?;
            match self.queue.rooms.front().cloned() {
                Some(room) => {
                    if let Some(taken) = self.look(room, events_max).await? {
                        return Ok(Some(taken));
                    }
                }
                None if self.walk.is_some() => {}
                None => return Ok(None),
            }
        }
    }

    /// What was given of `room` up to `position` is done ([`Taken::position`], or the place of an event in it): it does not
    /// come again, once that is durable, which is within a second of [`Consumer::next`], and with [`Consumer::flush`]. What was
    /// not given is passed over.
    pub fn done(&mut self, room: &RoomId, position: &Position) {
        self.finish(room, |place| place.finish(position));
    }

    /// The same of something that may have been given to an earlier holder: where nothing of the room is open and the log
    /// vouches for the position, the consumer goes on behind it.
    ///
    /// # Errors
    /// [`ConsumerError`], as for [`Consumer::next`].
    pub(crate) async fn done_before(
        &mut self,
        room: &RoomId,
        position: &Position,
    ) -> Result<(), ConsumerError> {
        self.place(room).await?;
        let Some(place) = self.places.get(room) else { return Ok(()) };
        if place.open() > 0 || !self.head.scope.has(room) {
            self.done(room, position);
            return Ok(());
        }
        if position.offset > place.done().offset && self.anchor.vouches(room, position).await? {
            self.finish(room, |place| {
                place.skip_to(*position);
                0
            });
            self.queue.push(room.clone());
        }
        Ok(())
    }

    /// Its way through the logs, as of the last look at its head.
    pub(crate) const fn series(&self) -> Series {
        self.head.series
    }

    /// What was told of a room's log that is gone is done, if it is the next of what was given of the room;
    /// false if not.
    pub(crate) fn done_gone(&mut self, room: &RoomId) -> bool {
        let before = self.open;
        self.finish(room, Place::finish_gone);
        self.open < before
    }

    /// Events that are there and were not given yet, about: [`Consumer::lag`] less what is under way.
    pub(crate) fn ahead(&self) -> Option<u64> {
        let undone: u64 = self.places.values().map(Place::undone).sum();
        Some(self.lag()?.saturating_sub(undone))
    }

    /// Takes back what was given of `room` and is not done, and gives nothing of it until [`Consumer::release`]: for whoever is to
    /// try again later, and holds up other rooms by what it keeps until then ([`CONSUMER_PARTS_MAX`]). One that is opened anew
    /// holds no room.
    pub fn hold(&mut self, room: &RoomId) {
        self.held.insert(room.clone());
        self.open -= self.places.get_mut(room).map_or(0, Place::take_back);
    }

    /// Goes on with a room that was held, behind what is done of it.
    pub fn release(&mut self, room: &RoomId) {
        if self.held.remove(room) {
            self.queue.push(room.clone());
        }
    }

    fn finish(&mut self, room: &RoomId, finish: impl FnOnce(&mut Place) -> usize) {
        let Some(place) = self.places.get_mut(room) else { return };
        let (before, was_full) = (place.done(), place.open() >= CONSUMER_ROOM_PARTS_MAX);
        self.open -= finish(place);
        self.notes.done(place.done().offset.0.saturating_sub(before.offset.0));
        if was_full && place.open() < CONSUMER_ROOM_PARTS_MAX {
            self.queue.push(room.clone());
        }
    }

    /// Makes durable what is done, unless a replay has begun meanwhile: then nothing of that counts any more.
    ///
    /// # Errors
    /// [`ConsumerError`], as for [`Consumer::next`].
    pub async fn flush(&mut self) -> Result<(), ConsumerError> {
        if self.is_stale {
            self.read_head().await?;
        }
        self.write(Place::is_unkept).await
    }

    #[cfg(test)]
    pub(crate) fn is_unnoted(&self) -> bool {
        self.notes.is_empty()
    }

    /// Hears of what happened to the consumer itself, and makes durable what is due.
    async fn keep_up(&mut self) -> Result<(), ConsumerError> {
        let news = self.notes.take();
        news.rooms.into_iter().for_each(|room| self.queue.push(room));
        if news.is_overflown {
            self.begin_walk();
        }
        self.is_stale |= news.is_changed;
        if self.is_stale || self.anchor.now() >= self.head_read_at + CONSUMER_POLL {
            self.read_head().await?;
        }
        if self.anchor.now() >= self.flushed_at + CONSUMER_FLUSH {
            self.write(Place::is_due).await?;
            self.flushed_at = self.anchor.now();
        }
        if self.places.len() > CONSUMER_PLACES_MAX {
            self.write(Place::is_unkept).await?;
            self.places.retain(|_, place| place.open() > 0);
        }
        Ok(())
    }

    /// Looks at further rooms, if it is time.
    async fn walk_on(&mut self) -> Result<(), ConsumerError> {
        if self.walk.is_none() && self.anchor.now() >= self.walks_at {
            self.begin_walk();
        }
        let Some(walk) = &mut self.walk else { return Ok(()) };
        if self.queue.rooms.len() >= CONSUMER_PLACES_MAX {
            return Ok(());
        }
        let met = walk.step(&self.anchor, &self.id, &self.head.scope, self.head.series).await?;
        walk.pass(&met);
        for (room, sides) in met.rooms {
            let place = self.places.get(&room);
            let (given, done) = place.map_or((sides.kept, sides.kept), |place| (place.given(), place.done()));
            walk.lag = walk.lag.saturating_add(sides.lag_behind(&done));
            if sides.is_news_at(&given) {
                self.queue.push(room);
            }
        }
        if met.is_last {
            self.notes.set_lag(walk.lag);
            self.walk = None;
            let took = self.anchor.now().since(self.walks_at);
            self.walks_at = self.anchor.now() + CONSUMER_POLL.max(took * WALKS_REST);
            // What was not kept yet is met in no walk once its room is gone.
            let unkept = self.places.iter().filter(|(_, place)| place.durable() == Position::START);
            unkept.for_each(|(room, _)| self.queue.push(room.clone()));
        }
        Ok(())
    }

    fn begin_walk(&mut self) {
        self.walk = Some(Walk::default());
        self.walks_at = self.anchor.now();
    }

    /// Takes what comes next in the room at the head of the queue.
    async fn look(&mut self, room: RoomId, events_max: usize) -> Result<Option<Taken>, ConsumerError> {
        if self.held.contains(&room) {
            self.queue.pop();
            return Ok(None);
        }
        self.place(&room).await?;
        let Some(place) = self.places.get(&room) else { return Ok(None) };
        if place.open() >= CONSUMER_ROOM_PARTS_MAX {
            // Its turn comes again when some of that is done.
            self.queue.pop();
            return Ok(None);
        }
        let given = place.given();
        let looked = self.anchor.look_behind(&room, &given, self.interest, self.reader.as_ref()).await?;
        self.queue.pop();
        let Some(place) = self.places.get_mut(&room) else { return Ok(None) };
        let before = place.done();
        let delivery = match looked {
            Looked::Current => None,
            Looked::Refused(refusal) if self.head.scope == Scope::Room(room.clone()) => {
                // Whoever asks again is told again.
                self.queue.push(room);
                return Err(ConsumerError::Refused(refusal));
            }
            // Of all rooms those are given that may be read.
            Looked::Refused(_) => None,
            Looked::Passed(passed) => {
                place.pass(passed);
                self.queue.push(room.clone());
                None
            }
            Looked::Events { passed, events } => {
                if passed != given {
                    place.pass(passed);
                }
                let events = events.at_most(events_max)?;
                place.give(events.after(), events.position());
                self.queue.push(room.clone());
                Some(Delivery::Events(events))
            }
            Looked::Gap(gap) => {
                let position = gap.position.unwrap_or(Position::START);
                self.queue.push(room.clone());
                if sabotage::is(Sabotage::ConsumerSkipsGap) {
                    place.pass(position);
                    None
                } else {
                    place.give(position.offset, position);
                    Some(Delivery::Gap(gap))
                }
            }
        };
        self.notes.done(place.done().offset.0.saturating_sub(before.offset.0));
        self.open += usize::from(delivery.is_some());
        Ok(delivery.map(|delivery| Taken { room, delivery }))
    }

    /// Has the place in a room there, as it is kept if it is not.
    async fn place(&mut self, room: &RoomId) -> Result<(), ConsumerError> {
        if !self.places.contains_key(room) {
            let key = position_key(&series_prefix(&self.id, self.head.series), room);
            let kept = self.anchor.store().record(&key).await?;
            let kept = kept.map_or(Ok(Position::START), |value| decode_position(&value))?;
            self.places.insert(room.clone(), Place::kept(kept));
        }
        Ok(())
    }

    /// Writes the positions of places that are `due`.
    async fn write(&mut self, due: impl Fn(&Place) -> bool) -> Result<(), ConsumerError> {
        let due = self.places.iter().filter(|(_, place)| due(place));
        let due: Vec<_> = due.map(|(room, place)| (room.clone(), place.done())).collect();
        for some in due.chunks(WRITES_AT_A_TIME) {
            let series = self.head.series;
            let prefix = series_prefix(&self.id, series);
            let put =
                |(room, done): &(RoomId, Position)| (position_key(&prefix, room), encode_position(done));
            let puts: Vec<_> = some.iter().map(put).collect();
            loop {
                let guard = Some((self.head_key.clone(), Some(self.head_value.clone())));
                let write = RecordWrite { guard, puts: puts.clone() };
                match self.anchor.store().write_records(write).await? {
                    Written::Done => break,
                    Written::GuardFailed => self.read_head().await?,
                }
                if self.head.series != series {
                    return Ok(());
                }
            }
            for (room, done) in some {
                if let Some(place) = self.places.get_mut(room) {
                    place.kept_at(*done);
                }
            }
        }
        Ok(())
    }

    /// Learns what became of the consumer: whether it is still this one's, whether it is paused, in which series it is.
    async fn read_head(&mut self) -> Result<(), ConsumerError> {
        let value = self.anchor.store().record(&self.head_key).await?;
        self.head_read_at = self.anchor.now();
        let Some(value) = value else { return Err(self.over(ConsumerError::Removed)) };
        let head = Head::decode(&value)?;
        if head.generation != self.head.generation {
            return Err(self.over(ConsumerError::Replaced));
        }
        if head.series != self.head.series {
            self.places.clear();
            self.held.clear();
            self.queue = Queue::default();
            self.open = 0;
        }
        if head != self.head {
            self.begin_walk();
        }
        (self.head, self.head_value, self.is_stale) = (head, value, false);
        Ok(())
    }

    /// It is not this one's any more: whatever is asked of it, the head is looked at first.
    fn over(&mut self, error: ConsumerError) -> ConsumerError {
        self.is_stale = true;
        self.places.clear();
        self.open = 0;
        error
    }

    /// Waits for a note, or for the next thing to do.
    pub(crate) async fn wait(&self) {
        let has_all = self.open == 0 && self.held.is_empty() && self.queue.rooms.is_empty();
        if has_all && self.walk.is_none() {
            self.notes.set_lag(0);
        }
        let mut until = self.head_read_at + CONSUMER_POLL;
        if !self.head.paused {
            until = until.min(self.walks_at);
        }
        if self.places.values().any(Place::is_due) {
            until = until.min(self.flushed_at + CONSUMER_FLUSH);
        }
        let noted = std::future::poll_fn(|cx| match self.notes.register(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        match select(pin!(noted), self.anchor.env().sleep_until(until)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }
}

/// Positions in one write. Source: chosen; some 40 KB of records.
const WRITES_AT_A_TIME: usize = 256;

/// A walk through all rooms is followed by a rest of at least so many times its length. Source: chosen; walks take a
/// twentieth of the time, however many rooms there are.
const WALKS_REST: u32 = 20;
