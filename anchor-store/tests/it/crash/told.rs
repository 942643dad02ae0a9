//! What clients were told, and what a store must therefore still have.

use std::collections::BTreeMap;

use anchor_core::code::Code;
use anchor_core::cursor::Cursors;
use anchor_core::event::{Event, EventKind};
use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::position::{Mark, Offset};
use anchor_core::publish::{Ack, Outcome, Publish};
use anchor_core::record::RecordKey;
use anchor_core::store::{EpochStart, Place, Store, StoreExt, StoredRoom};
use anchor_store::RedbStore;
use futures::FutureExt;
use futures::executor::block_on;

use super::script::{Answer, Line, Step};
use crate::support::{acked, append_stepped, client, run_steps, text};
use crate::targets::check_index;

/// What was handed over, and what was told of it.
#[derive(Clone, Default)]
pub(crate) struct Told {
    /// True once the store was opened for the first time.
    pub(crate) is_made: bool,
    /// The step that is being taken.
    pub(crate) step: usize,
    /// What a window keeps or a log has, by client and seq.
    handed: BTreeMap<(u8, u64), Handed>,
    floors: BTreeMap<u8, Floors>,
    horizons: BTreeMap<RoomId, Horizons>,
    epochs: BTreeMap<RoomId, Vec<EpochStart>>,
    /// The newest event of each room that readers were shown.
    pub(crate) shown: BTreeMap<RoomId, Mark>,
    /// How far users were told to have come.
    moved: BTreeMap<(u8, RoomId), Cursors>,
    /// The newest step that a record was told to name.
    recorded: usize,
    is_restoring: bool,
    batches: usize,
}

#[derive(Clone)]
struct Handed {
    line: Line,
    batch: usize,
    times: u32,
    outcome: Option<Outcome>,
}

/// A client's floor: what it handed over, and what went with something that it was answered.
#[derive(Clone, Copy, Default)]
struct Floors {
    handed: u64,
    durable: u64,
}

/// A room's horizon: what was asked for, and what was done.
#[derive(Clone, Copy, Default)]
struct Horizons {
    asked: Offset,
    done: Offset,
}

impl Told {
    /// Notes that a step begins.
    pub(crate) fn begin(&mut self, step: &Step) {
        match step {
            Step::Append(batches) => {
                for batch in batches {
                    self.batches += 1;
                    batch.iter().for_each(|line| self.hand_over(line));
                }
            }
            Step::Trim(trims) => {
                for (room, horizon) in trims {
                    let horizons = self.horizons.entry(room.clone()).or_default();
                    horizons.asked = horizons.asked.max(*horizon);
                }
            }
            Step::Open(who, waits) => self.floor(*who).hand_over(*waits),
            Step::Restore => self.is_restoring = true,
            Step::Move(_) | Step::Page | Step::Close | Step::Kill => {}
        }
    }

    /// Notes that a step ended, on the store that took it.
    pub(crate) fn end(&mut self, step: &Step, store: &RedbStore) {
        match step {
            Step::Trim(_) => {
                for (room, horizons) in &mut self.horizons {
                    let state = block_on(store.room(room)).unwrap().expect("it has a horizon");
                    horizons.done = state.horizon;
                    let latest = horizons.asked.min(state.head.offset.next());
                    assert!(horizons.done >= latest, "{room}: trimmed to {}, not to {latest}", horizons.done);
                }
            }
            Step::Restore => {
                self.check_epochs(store);
                self.is_restoring = false;
            }
            _ => {}
        }
        self.note_epochs(store);
    }

    /// Notes the answer to a line; it must be the right one.
    pub(crate) fn answer(&mut self, line: &Line, outcome: &Outcome) {
        let seen = format!("{:?} was answered {outcome:?}, not {:?}", line.key(), line.answer);
        match (&line.answer, outcome) {
            (Answer::Ack, Outcome::Acked(_)) => {}
            (Answer::Refusal(expected), Outcome::Refused(refusal)) => assert_eq!(refusal, expected, "{seen}"),
            (Answer::Repeat, outcome) => return self.check_repeat(&line.publish, outcome),
            (Answer::Code(code), Outcome::Refused(refusal)) => {
                return assert_eq!(refusal.code, *code, "{seen}");
            }
            (Answer::WindowFull, Outcome::WindowFull) | (Answer::Fenced, Outcome::Fenced) => return,
            _ => panic!("{seen}"),
        }
        self.floor(line.who).tell(line.publish.waits);
        let handed = self.handed.get_mut(&line.key()).expect("it was handed over");
        match (&handed.outcome, outcome) {
            (Some(first), outcome) => assert_same(first, outcome),
            (None, Outcome::Acked(ack)) => assert!(handed.times > 1 || !ack.duplicate, "{seen}"),
            (None, _) => {}
        }
        handed.outcome.get_or_insert_with(|| outcome.clone());
    }

    /// Notes that users were moved, and a step recorded.
    pub(crate) fn moved(&mut self, moves: &[(u8, RoomId, Cursors)], step: usize) {
        for (who, room, to) in moves {
            let of_user = self.moved.entry((*who, room.clone())).or_default();
            *of_user = of_user.max(*to);
        }
        self.recorded = self.recorded.max(step);
    }

    /// Nobody is behind where they were told to be, nor behind what they wrote themselves; and what is unread is a
    /// subtraction.
    fn check_cursors(&self, store: &RedbStore, room: &RoomId, head: Mark, events: &[Event]) {
        let all = block_on(store.room_cursors(room, None, usize::MAX)).unwrap();
        let come = |user: &UserId| {
            all.iter().find(|(other, _)| other == user).map(|(_, cursors)| *cursors).unwrap_or_default()
        };
        for ((who, _), told) in self.moved.iter().filter(|((_, of), _)| of == room) {
            let known = come(&client(*who).user);
            assert_eq!(known.max(*told), known, "{room}: {who} was told to have come further");
        }
        for event in events {
            let (known, written) = (come(&event.user), Cursors::written(event.mark()));
            assert_eq!(
                known.max(written),
                known,
                "{room}: {} has not read the event {}",
                event.user,
                event.offset
            );
        }
        for (user, cursors) in &all {
            assert_eq!(*cursors, cursors.up_to(head), "{room}: {user} has come further than the log");
            let behind = events.iter().filter(|event| event.offset > cursors.read.offset);
            let messages = behind.filter(|event| event.kind == EventKind::MESSAGE).count() as u64;
            let is_whole = events.first().is_some_and(|first| first.offset <= cursors.read.offset.next());
            let unread = cursors.read.unread(head.ordinal);
            assert!(!is_whole || unread == messages, "{room}: {user} has {unread} unread, not {messages}");
        }
    }

    /// Reads everything that the store has: what was acknowledged is there, and nothing that nobody published, and
    /// nothing twice.
    pub(crate) fn check(&mut self, store: &RedbStore) {
        let rooms = block_on(store.rooms(None, 100)).unwrap();
        let mut found = BTreeMap::new();
        for StoredRoom { room, state, .. } in &rooms {
            let events = block_on(store.read_all(room)).unwrap();
            let mut expected = state.horizon;
            for event in &events {
                let seen = format!("event {} of {room}", event.offset);
                assert_eq!(event.offset, expected, "{seen}: offsets are dense from the horizon on");
                expected = expected.next();
                let who = event.user.as_str().strip_prefix("user-").unwrap().parse().unwrap();
                let key = (who, event.seq.get());
                let handed = self.handed.get(&key).unwrap_or_else(|| panic!("{seen}: nobody published it"));
                let publish = &handed.line.publish;
                assert_eq!(handed.line.answer, Answer::Ack, "{seen}: it was not to be appended");
                assert_eq!((&publish.room, publish.nonce), (room, event.nonce), "{seen}: another publish");
                let said = (publish.draft.kind, publish.draft.target);
                assert_eq!(said, (event.kind, event.target), "{seen}: another kind");
                match &event.body {
                    Some(_) => {
                        assert_eq!(publish.draft.body.as_text(), Some(text(event)), "{seen}: another text");
                        assert!(
                            !self.is_redacted(room, event, true),
                            "{seen}: its redaction was acknowledged"
                        );
                    }
                    None => assert!(self.is_redacted(room, event, false), "{seen}: nobody redacted it"),
                }
                assert_eq!(found.insert(key, event.mark()), None, "{seen}: it is in the log twice");
                if let Some(outcome) = &handed.outcome {
                    let ack = acked(outcome);
                    let epoch = state.epoch_at(event.offset);
                    assert_eq!(
                        (ack.mark, ack.epoch, ack.ts),
                        (event.mark(), epoch, event.ts),
                        "{seen}: not as acknowledged"
                    );
                }
            }
            assert_eq!(expected, state.head.offset.next(), "{room}: the log ends at its head");
            check_index(store, room, &events);
            self.check_cursors(store, room, state.head, &events);
            self.check_horizon(room, state.horizon);
            let before = events.first().map_or(state.head, |_| state.before_horizon);
            assert_eq!(before.offset, state.horizon.previous(), "{room}");
        }
        for (key, handed) in &self.handed {
            if let Some(Outcome::Acked(ack)) = &handed.outcome {
                let horizon =
                    rooms.iter().find(|stored| stored.room == ack.room).map(|stored| stored.state.horizon);
                let is_trimmed = horizon.is_some_and(|horizon| ack.mark.offset < horizon);
                assert!(
                    is_trimmed || found.contains_key(key),
                    "{key:?}: what was acknowledged is lost: {ack:?}"
                );
            }
        }
        for (room, mark) in &self.shown {
            let state = rooms.iter().find(|stored| stored.room == *room).map(|stored| &stored.state);
            let is_trimmed = state.is_some_and(|state| mark.offset < state.before_horizon.offset);
            let found = block_on(store.locate(room, Place::Offset(mark.offset))).unwrap();
            assert!(
                is_trimmed || found == Some(*mark),
                "{room}: readers saw {mark:?}, the log has {found:?}"
            );
        }
        let recorded = block_on(store.record(&RecordKey::new("step").unwrap())).unwrap();
        let recorded = recorded.map_or(0, |value| value[0].into());
        assert!(recorded >= self.recorded, "a record says {recorded}, not {}", self.recorded);
        self.check_batches(|key| found.contains_key(&key));
        self.check_epochs(store);
        self.note_epochs(store);
    }

    /// Asks for everything again that was answered: the answers are the same, and what was settled stays so.
    pub(crate) fn check_repeats(&mut self, store: &RedbStore) {
        for who in self.floors.keys() {
            let of_client = || self.handed.iter().filter(|((client, _), _)| client == who);
            let decided =
                of_client().filter(|(_, handed)| handed.outcome.is_some()).map(|((_, seq), _)| *seq);
            let (answered, handed) = (decided.max(), of_client().map(|((_, seq), _)| *seq).max());
            let key = client(*who);
            let mut opened = store.open_client(&key, Seq::FIRST);
            assert!(opened.as_mut().now_or_never().is_none());
            run_steps(store).unwrap();
            let told = block_on(opened).unwrap().highest.get();
            let possible = answered.unwrap_or(0)..=handed.unwrap_or(0);
            assert!(
                possible.contains(&told),
                "client {who} was told {told} as its highest, not of {possible:?}"
            );
        }
        let answered: Vec<_> =
            self.handed.values().filter(|handed| handed.outcome.is_some()).cloned().collect();
        let again =
            |handed: &Handed| Publish { session: None, waits: Seq::FIRST, ..handed.line.publish.clone() };
        let outcomes = append_stepped(store, answered.iter().map(again).collect()).unwrap();
        for (handed, outcome) in answered.iter().zip(outcomes) {
            self.check_repeat(&handed.line.publish, &outcome);
        }
    }

    fn check_repeat(&self, publish: &Publish, outcome: &Outcome) {
        let key = (super::script::number_of(&publish.client), publish.seq.get());
        let floors = self.floors.get(&key.0).copied().unwrap_or_default();
        let is_forgotten = matches!(outcome, Outcome::Refused(refusal) if refusal.code == Code::SeqForgotten);
        assert!(key.1 >= floors.durable || is_forgotten, "{key:?}: a floor fell: {outcome:?}");
        if is_forgotten {
            return assert!(key.1 < floors.handed, "{key:?}: forgotten, though nobody had settled it");
        }
        let first = self.handed[&key].outcome.as_ref().expect("a repeat is answered after what it repeats");
        assert_same(first, outcome);
        if let Outcome::Acked(Ack { duplicate, .. }) = outcome {
            assert!(duplicate, "{key:?}: appended again");
        }
    }

    /// Of each batch that was not answered all is there or nothing.
    fn check_batches(&self, is_there: impl Fn((u8, u64)) -> bool) {
        let mut batches: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        let unanswered = self.handed.iter().filter(|(_, handed)| handed.outcome.is_none());
        for (key, handed) in unanswered.filter(|(_, handed)| handed.line.answer == Answer::Ack) {
            batches.entry(handed.batch).or_default().push(is_there(*key));
        }
        for (batch, there) in batches {
            assert!(there.iter().all(|is| *is == there[0]), "batch {batch} is there in part: {there:?}");
        }
    }

    /// True if a redaction of the event, or of the message that it edits, was handed over; or acknowledged, if that is asked.
    fn is_redacted(&self, room: &RoomId, event: &Event, is_acked: bool) -> bool {
        let message = event.target.filter(|_| event.kind == EventKind::EDIT).unwrap_or(event.offset);
        self.handed.values().any(|handed| {
            let draft = &handed.line.publish.draft;
            let is_of_it = handed.line.publish.room == *room && draft.target == Some(message);
            is_of_it && draft.kind == EventKind::REDACTION && (!is_acked || handed.outcome.is_some())
        })
    }

    fn check_horizon(&self, room: &RoomId, horizon: Offset) {
        let horizons = self.horizons.get(room).copied().unwrap_or_default();
        assert!(horizon >= horizons.done, "{room}: a horizon fell to {horizon}");
        let asked = horizons.asked.max(Offset(1));
        assert!(horizon <= asked, "{room}: more was trimmed than was asked for: {horizon}");
    }

    /// Epochs stay; a restore under way adds one to every room, or to none.
    fn check_epochs(&self, store: &RedbStore) {
        let mut added = Vec::new();
        for (room, epochs) in &self.epochs {
            let state = block_on(store.room(room)).unwrap().expect("a room that was told is there");
            assert!(state.epochs.starts_with(epochs), "{room}: its epochs changed");
            added.push(state.epochs.len() - epochs.len());
        }
        let all_alike = added.iter().all(|count| *count == added[0]);
        assert!(all_alike, "a restore is there in part: {added:?}");
        let most = usize::from(self.is_restoring);
        assert!(added.first().is_none_or(|count| *count <= most), "epochs began by themselves");
    }

    fn note_epochs(&mut self, store: &RedbStore) {
        let rooms = block_on(store.rooms(None, 100)).unwrap();
        self.epochs = rooms.into_iter().map(|stored| (stored.room, stored.state.epochs)).collect();
    }

    fn hand_over(&mut self, line: &Line) {
        self.floor(line.who).hand_over(line.publish.waits.get());
        if line.is_decided() {
            let batch = self.batches;
            let new = || Handed { line: line.clone(), batch, times: 0, outcome: None };
            let handed = self.handed.entry(line.key()).or_insert_with(new);
            handed.times += 1;
        }
    }

    fn floor(&mut self, who: u8) -> &mut Floors {
        self.floors.entry(who).or_default()
    }
}

impl Floors {
    fn hand_over(&mut self, waits: u64) {
        self.handed = self.handed.max(waits);
    }

    fn tell(&mut self, waits: Seq) {
        self.durable = self.durable.max(waits.get());
    }
}

fn assert_same(first: &Outcome, again: &Outcome) {
    match (first, again) {
        (Outcome::Acked(first), Outcome::Acked(again)) => {
            let again = Ack { duplicate: first.duplicate, ..again.clone() };
            assert_eq!(*first, again, "another ack");
        }
        _ => assert_eq!(first, again, "another answer"),
    }
}
