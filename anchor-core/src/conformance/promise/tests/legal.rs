//! Histories that a right server may bring about, drawn at random: no checker may cry wolf.
//!
//! The server here is a list of events for each room, backups of it, and [`decide`] for every resume. Its clients resend what
//! has no answer, or give it up; its readers break off, come back, fall behind, and are told what they missed.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::conformance::environment::SplitMix64;
use crate::event::Body;
use crate::id::{ClientTag, Nonce, RoomId, Seq};
use crate::position::{Chain, Epoch, Mark, Position};
use crate::publish::Ack;
use crate::resume::{Resume, decide};
use crate::store::{EpochStart, RoomState};

#[test]
fn a_right_server_is_never_blamed() {
    for seed in 0..200 {
        let history = drawn(seed, 400);
        let violations = check_all(&history);
        assert_eq!(violations, [], "seed {seed}");
    }
}

/// So that the test above means something: everything that may happen does.
#[test]
fn everything_happens() {
    let mut told: HashMap<GapReason, usize> = HashMap::new();
    let (mut restored, mut beats, mut closed) = (0, 0, 0);
    for seed in 0..100 {
        for record in drawn(seed, 400).records() {
            match record {
                Record::Told { gap, .. } => *told.entry(gap.reason).or_default() += 1,
                Record::Restored { .. } => restored += 1,
                Record::Beat { .. } => beats += 1,
                Record::Closed { .. } => closed += 1,
                _ => {}
            }
        }
    }
    for reason in [GapReason::Trimmed, GapReason::Restored, GapReason::History] {
        assert!(told.get(&reason).is_some_and(|count| *count > 100), "{told:?}");
    }
    assert!(restored > 100 && beats > 100 && closed > 100, "{restored} {beats} {closed}");
}

/// A random legal history of so many steps.
pub(super) fn drawn(seed: u64, steps: usize) -> History {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step();
    }
    world.end()
}

/// A room as a server has it; a copy of it is a backup.
#[derive(Clone, Default)]
struct Room {
    /// From the first event on, trimmed ones included.
    entries: Vec<Entry>,
    epochs: Vec<EpochStart>,
    before: u64,
}

/// One line of publishes, some of them without an answer so far.
struct Client {
    tag: ClientTag,
    next: u64,
    waiting: Vec<(PublishId, RoomId)>,
}

struct World {
    dice: SplitMix64,
    now_ms: u64,
    history: History,
    rooms: BTreeMap<RoomId, Room>,
    backups: Vec<(RoomId, Room)>,
    clients: Vec<Client>,
    /// Where each reader stands in each of its rooms, and whether it has a connection.
    readers: Vec<(Reader, BTreeMap<RoomId, Position>, bool)>,
    readers_so_far: u64,
}

impl Room {
    fn mark(&self, offset: u64) -> Mark {
        match offset.checked_sub(1).and_then(|index| self.entries.get(usize::try_from(index).unwrap())) {
            Some(entry) => Mark { offset: entry.offset, ordinal: Ordinal(offset), chain: entry.chain },
            None => Mark::START,
        }
    }

    fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    fn state(&self) -> Option<RoomState> {
        (!self.epochs.is_empty()).then(|| RoomState {
            epochs: self.epochs.clone(),
            head: self.mark(self.head()),
            horizon: Offset(self.before + 1),
            before_horizon: self.mark(self.before),
        })
    }

    /// The first thing that a reader which stands at `position` is told.
    fn decide(&self, position: &Position) -> Resume {
        decide(position, self.state().as_ref(), Some(self.mark(position.offset.0).chain))
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let rooms = ["a", "b"].map(|name| (RoomId::new(name).unwrap(), Room::default()));
        let client = |n| Client { tag: ClientTag::from_bytes([n; 8]), next: 1, waiting: Vec::new() };
        Self {
            dice: SplitMix64::new(seed),
            now_ms: 1_000,
            history: History::new(),
            rooms: rooms.into(),
            backups: Vec::new(),
            clients: [1, 2, 3].map(client).into(),
            readers: Vec::new(),
            readers_so_far: 0,
        }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.dice.below(one_in) == 0
    }

    fn any_room(&mut self) -> RoomId {
        let index = usize::try_from(self.dice.below(2)).unwrap();
        self.rooms.keys().nth(index).unwrap().clone()
    }

    fn step(&mut self) {
        self.now_ms += self.dice.below(3);
        match self.dice.below(100) {
            0..40 => self.publish(),
            40..50 => self.give_up(),
            50..53 => self.trim(),
            53..58 => {
                let room = self.any_room();
                self.backups.push((room.clone(), self.rooms[&room].clone()));
            }
            58..61 => self.restore(),
            61..68 => self.begin_to_read(),
            68..90 => self.read(),
            90..94 => self.beat(),
            94..96 => self.history.push(Record::Crashed(Crash::Process)),
            _ => self.break_or_leave(),
        }
    }

    /// A client publishes something new, or sends again what has no answer.
    fn publish(&mut self) {
        let room = self.any_room();
        let index = usize::try_from(self.dice.below(3)).unwrap();
        let client = &mut self.clients[index];
        if client.waiting.is_empty() {
            let publish =
                PublishId { client: client.tag, seq: Seq::new(client.next).unwrap(), nonce: Nonce(9) };
            client.next += 1;
            client.waiting.push((publish, room.clone()));
            self.history.push_invoked(publish, &room, &body(publish));
            self.history.push(Record::Queued { publish });
        }
        let (publish, room) = self.clients[index].waiting[0].clone();
        if self.chance(8) {
            return; // Lost on its way.
        }
        let standing = self.rooms[&room].entries.iter().find(|entry| entry.publish == publish).copied();
        if standing.is_none() && self.chance(10) {
            self.clients[index].waiting.remove(0);
            self.history.push(Record::Refused { publish, code: Code::Denied });
            return;
        }
        let entry = standing.unwrap_or_else(|| self.append(&room, publish));
        for _ in 0..self.dice.below(3) {
            // Twice, if a copy of the client asked, too.
            self.clients[index].waiting.clear();
            let mark = Mark { offset: entry.offset, ordinal: Ordinal(entry.offset.0), chain: entry.chain };
            let ack = Ack {
                seq: publish.seq,
                room: room.clone(),
                epoch: entry.epoch,
                mark,
                ts: 0,
                duplicate: standing.is_some(),
                durability: Durability::Disk,
            };
            self.history.push(Record::Acked { publish, ack, at_ms: self.now_ms });
        }
    }

    fn append(&mut self, name: &RoomId, publish: PublishId) -> Entry {
        let (epoch, chain) = (self.epoch(), Chain::from_bytes(self.dice.draw().to_be_bytes()));
        let room = self.rooms.get_mut(name).unwrap();
        if room.epochs.is_empty() {
            room.epochs.push(EpochStart { epoch, before: Mark::START });
        }
        let epoch = room.epochs.last().unwrap().epoch;
        let offset = Offset(room.head() + 1);
        let body = Some(history::body_digest(&body(publish)));
        let entry = Entry { epoch, offset, chain, publish, body };
        room.entries.push(entry);
        entry
    }

    fn epoch(&mut self) -> Epoch {
        Epoch::from_bytes(self.dice.draw().to_be_bytes())
    }

    /// A client gives up what has no answer: it stands or not, once.
    fn give_up(&mut self) {
        let index = usize::try_from(self.dice.below(3)).unwrap();
        if let Some((publish, _)) = self.clients[index].waiting.pop() {
            self.history.push(Record::Unknown { publish });
        }
    }

    fn trim(&mut self) {
        let name = self.any_room();
        let head = self.rooms[&name].head();
        let before = self.dice.below(head + 1);
        let room = self.rooms.get_mut(&name).unwrap();
        room.before = room.before.max(before);
    }

    fn restore(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.backups.len() as u64)).unwrap();
        let (name, mut backup) = self.backups[index].clone();
        let fork = Offset(backup.head());
        if fork > Offset::ZERO {
            backup.epochs.push(EpochStart { epoch: self.epoch(), before: backup.mark(fork.0) });
        }
        self.rooms.insert(name.clone(), backup);
        self.history.push(Record::Restored { room: name, fork });
    }

    fn begin_to_read(&mut self) {
        let (from_head, bare) = (self.chance(2), self.chance(2));
        if self.readers.len() < 6 {
            self.readers_so_far += 1;
            self.readers.push((Reader(self.readers_so_far), BTreeMap::new(), true));
        }
        let index = usize::try_from(self.dice.below(self.readers.len() as u64)).unwrap();
        let room = self.any_room();
        let state = self.rooms[&room].state();
        let head = state.map_or(Position::START, |state| state.head_position());
        let (reader, positions, is_connected) = &mut self.readers[index];
        if !*is_connected || positions.contains_key(&room) {
            return;
        }
        let position = if from_head { head } else { Position::START };
        // A bare offset is not verified, and all that its reader knows.
        let known = Position { epoch: None, offset: position.offset, chain: Chain::ZERO };
        let told = if bare { known } else { position };
        self.history.push(Record::Opened { reader: *reader, room: room.clone(), position: told });
        positions.insert(room, position);
    }

    /// A reader takes some of what it lacks in its rooms; comes back first, if it has to.
    fn read(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.readers.len() as u64)).unwrap();
        self.connect(index);
        let rooms: Vec<_> = self.readers[index].1.keys().cloned().collect();
        for room in rooms {
            let events = self.dice.below(8);
            self.take(index, &room, events);
        }
    }

    fn connect(&mut self, index: usize) {
        let (reader, positions, is_connected) = &mut self.readers[index];
        if !std::mem::replace(is_connected, true) {
            for (room, position) in positions {
                let opened = Record::Opened { reader: *reader, room: room.clone(), position: *position };
                self.history.push(opened);
            }
        }
    }

    fn take(&mut self, index: usize, name: &RoomId, events: u64) {
        let room = &self.rooms[name];
        let (reader, positions, _) = &mut self.readers[index];
        let position = positions.get_mut(name).unwrap();
        while let Resume::Gap(gap) = room.decide(position) {
            *position = gap.position.unwrap_or(Position::START);
            self.history.push(Record::Told { reader: *reader, room: name.clone(), gap });
        }
        let from = usize::try_from(position.offset.0).unwrap();
        for entry in room.entries.iter().skip(from).take(usize::try_from(events).unwrap()) {
            self.history.push(Record::Seen { reader: *reader, room: name.clone(), entry: *entry });
            *position = entry.position();
        }
        if self.dice.below(4) == 0 && position.offset > Offset::ZERO {
            // It may have learned of the newest epoch.
            position.epoch = room.state().map(|state| state.epoch());
        }
    }

    fn beat(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.readers.len() as u64)).unwrap();
        if !self.readers[index].2 {
            return;
        }
        let rooms: Vec<_> = self.readers[index].1.keys().cloned().collect();
        let (lagging, current): (Vec<_>, Vec<_>) = rooms.into_iter().partition(|_| self.chance(2));
        for room in &current {
            self.take(index, room, u64::MAX);
        }
        let at_ms = self.now_ms - self.dice.below(5);
        self.history.push(Record::Beat { reader: self.readers[index].0, at_ms, lag: lagging });
    }

    fn break_or_leave(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.readers.len() as u64)).unwrap();
        if self.chance(3) {
            let (reader, positions, _) = self.readers.remove(index);
            for room in positions.into_keys() {
                self.history.push(Record::Closed { reader, room });
            }
        } else {
            self.readers[index].2 = false;
            self.history.push(Record::Disconnected { reader: self.readers[index].0 });
        }
    }

    /// Lets everybody catch up, and reads every room.
    fn end(mut self) -> History {
        for client in &mut self.clients {
            for (publish, _) in client.waiting.drain(..) {
                self.history.push(Record::Unknown { publish });
            }
        }
        self.history.push(Record::FaultsStopped);
        for index in 0..self.readers.len() {
            self.connect(index);
            let rooms: Vec<_> = self.readers[index].1.keys().cloned().collect();
            for room in rooms {
                self.take(index, &room, u64::MAX);
            }
        }
        for (name, room) in self.rooms {
            let Some(state) = room.state() else { continue };
            let before = usize::try_from(room.before).unwrap();
            let entries = room.entries[before..].to_vec();
            self.history.set_log(name, Log { epoch: state.epoch(), before: Offset(room.before), entries });
        }
        self.history
    }
}

fn body(publish: PublishId) -> Body {
    Body::text(publish.to_string())
}
