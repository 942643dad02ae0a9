//! Writes down what clients did and saw, and what only this simulation knows: what an outbox was given to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::conformance::promise::{Entry, History, Log, Mark, PublishId, Reader, Record};
use anchor_core::event::Body;
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::publish::Ack;
use anchor_core::session::frame::Events;

use crate::clock::true_unix_ms;
use crate::kernel::{Kernel, lock};
use crate::trace::Trace;

/// The history of a run in the making. Clones are the same.
#[derive(Clone)]
pub struct Recorder {
    kernel: Kernel,
    trace: Trace,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    history: History,
    /// What became of each publish that an outbox took.
    kept: BTreeMap<Mark, Fate>,
    /// How far each reader has come in each room.
    cursors: BTreeMap<(Reader, RoomId), Offset>,
    defects: Vec<String>,
    authors: u64,
    readers: u64,
    counts: Counts,
    ignores_beats: bool,
    /// Rooms that were trimmed or set back: of them somebody may be told that nobody knows.
    cut_rooms: BTreeSet<RoomId>,
    /// What clients were told is no longer in the log.
    offered: Vec<(Mark, RoomId)>,
    /// True once a state of a client was copied.
    has_copies: bool,
    /// Calls that have no answer yet, and since when.
    calls: BTreeMap<u64, (Duration, String)>,
    calls_made: u64,
}

/// What became of a publish that an outbox said it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It must be in the log in the end.
    Owed,
    /// Acked, refused, or handed to a person.
    Settled,
    /// Its outbox was taken away, or the log that had it: no fault of the outbox.
    Forgiven,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls to publish.
    pub publishes: u64,
    /// Acks.
    pub acks: u64,
    /// Events taken by readers.
    pub seen: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Beats that said "current".
    pub beats: u64,
}

impl Recorder {
    /// An empty history.
    #[must_use]
    pub fn new(kernel: Kernel, trace: Trace) -> Self {
        Self { kernel, trace, inner: Arc::default() }
    }

    /// A name for a line of publishes.
    #[must_use]
    pub fn author(&self) -> u64 {
        let mut inner = lock(&self.inner);
        inner.authors += 1;
        inner.authors
    }

    /// A name for a reader.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let mut inner = lock(&self.inner);
        inner.readers += 1;
        Reader(inner.readers)
    }

    /// A call to publish.
    pub fn invoked(&self, mark: Mark, room: &RoomId, body: &Body) {
        let mut inner = lock(&self.inner);
        inner.counts.publishes += 1;
        inner.history.push_invoked(mark.publish(), room, body);
    }

    /// The outbox has it: from here on it may not get lost.
    pub fn queued(&self, mark: Mark) {
        let mut inner = lock(&self.inner);
        inner.kept.entry(mark).or_insert(Fate::Owed);
        inner.history.push(Record::Queued { publish: mark.publish() });
    }

    /// An ack.
    pub fn acked(&self, mark: Mark, ack: Ack) {
        self.trace.note(mark.publish(), format_args!("acked at {} of {}", ack.mark.offset, ack.room));
        let at_ms = true_unix_ms(self.kernel.now());
        let mut inner = lock(&self.inner);
        inner.counts.acks += 1;
        inner.kept.insert(mark, Fate::Settled);
        inner.history.push(Record::Acked { publish: mark.publish(), ack, at_ms });
    }

    /// A refusal.
    pub fn refused(&self, mark: Mark, code: Code) {
        self.trace.note(mark.publish(), format_args!("refused: {code}"));
        let mut inner = lock(&self.inner);
        inner.kept.insert(mark, Fate::Settled);
        inner.history.push(Record::Refused { publish: mark.publish(), code });
    }

    /// Nobody will tell whether it stands: the person was asked and gave it up.
    pub fn unknown(&self, mark: Mark) {
        self.trace.note(mark.publish(), "given up");
        let mut inner = lock(&self.inner);
        inner.kept.insert(mark, Fate::Settled);
        inner.history.push(Record::Unknown { publish: mark.publish() });
    }

    /// Nobody can tell a client whether it stands: a person is asked, who gives it up.
    pub fn unconfirmed(&self, mark: Mark, room: &RoomId) {
        if !lock(&self.inner).cut_rooms.contains(room) {
            self.defect(format!("{} is said to be unconfirmed, and {room} is whole", mark.publish()));
        }
        self.unknown(mark);
    }

    /// A client is told that the log lost what it had acked.
    pub fn offered(&self, mark: Mark, room: &RoomId) {
        lock(&self.inner).offered.push((mark, room.clone()));
    }

    /// A client is told that another copy of its state is in use.
    pub fn told_of_a_copy(&self) {
        if !lock(&self.inner).has_copies {
            self.defect("a client is taken for a copy, and none was made".to_owned());
        }
    }

    /// Somebody copies a client's state.
    pub fn copied(&self) {
        lock(&self.inner).has_copies = true;
    }

    /// What `authors` had in an outbox may be lost: somebody set the outbox back.
    pub fn forgive(&self, authors: &[u64]) {
        self.forgive_where(|mark| authors.contains(&mark.author));
    }

    /// `room` held these events before it was trimmed or set back: an outbox that had their acks owes nothing.
    pub fn stood(&self, room: &RoomId, log: &Log) {
        lock(&self.inner).cut_rooms.insert(room.clone());
        let stood: BTreeSet<_> = log.entries.iter().map(|entry| key(entry.publish)).collect();
        self.forgive_where(|mark| stood.contains(&key(mark.publish())));
    }

    fn forgive_where(&self, concerned: impl Fn(&Mark) -> bool) {
        let mut inner = lock(&self.inner);
        let Inner { kept, history, .. } = &mut *inner;
        for (mark, fate) in kept.iter_mut().filter(|(mark, fate)| **fate == Fate::Owed && concerned(mark)) {
            *fate = Fate::Forgiven;
            history.push(Record::Unknown { publish: mark.publish() });
        }
    }

    /// A reader begins, or begins again where it stands.
    pub fn opened(&self, reader: Reader, room: &RoomId, position: Position) {
        self.trace.note(reader, format_args!("opens {room} at {}", position.offset));
        let mut inner = lock(&self.inner);
        inner.cursors.insert((reader, room.clone()), position.offset);
        inner.history.push(Record::Opened { reader, room: room.clone(), position });
    }

    /// A reader takes events.
    pub fn seen(&self, reader: Reader, room: &RoomId, events: &Events) {
        let (Some(first), Some(last)) = (events.events.first(), events.events.last()) else { return };
        self.trace.note(reader, format_args!("takes {} to {} of {room}", first.offset, last.offset));
        let mut inner = lock(&self.inner);
        for event in &events.events {
            inner.counts.seen += 1;
            let entry = Entry::of_marked(events.epoch, event);
            inner.history.push(Record::Seen { reader, room: room.clone(), entry });
        }
        inner.cursors.insert((reader, room.clone()), last.offset);
    }

    /// A reader is told a gap.
    pub fn told(&self, reader: Reader, room: &RoomId, gap: anchor_core::resume::Gap) {
        self.trace.note(
            reader,
            format_args!("is told a gap in {room}, {} from {} to {}", gap.reason.name(), gap.from, gap.to),
        );
        let mut inner = lock(&self.inner);
        inner.counts.gaps += 1;
        let offset = gap.position.map_or(Offset::ZERO, |position| position.offset);
        inner.cursors.insert((reader, room.clone()), offset);
        inner.history.push(Record::Told { reader, room: room.clone(), gap });
    }

    /// A reader is told that it is current as of `at_ms`.
    pub fn beat(&self, reader: Reader, at_ms: u64) {
        let mut inner = lock(&self.inner);
        if !inner.ignores_beats {
            inner.counts.beats += 1;
            inner.history.push(Record::Beat { reader, at_ms, lag: Vec::new() });
        }
    }

    /// From here on nobody's clock can be compared with a server's.
    pub fn ignore_beats(&self) {
        lock(&self.inner).ignores_beats = true;
    }

    /// A reader leaves a room.
    pub fn closed(&self, reader: Reader, room: &RoomId) {
        self.trace.note(reader, format_args!("leaves {room}"));
        let mut inner = lock(&self.inner);
        inner.cursors.remove(&(reader, room.clone()));
        inner.history.push(Record::Closed { reader, room: room.clone() });
    }

    /// A reader is no more.
    pub fn left(&self, reader: Reader) {
        let mut inner = lock(&self.inner);
        let rooms: Vec<_> = inner
            .cursors
            .keys()
            .filter(|(other, _)| *other == reader)
            .map(|(_, room)| room.clone())
            .collect();
        for room in rooms {
            inner.cursors.remove(&(reader, room.clone()));
            inner.history.push(Record::Closed { reader, room });
        }
    }

    /// Somebody calls, and waits for an answer until what this returns is dropped.
    #[must_use]
    pub fn call(&self, what: impl fmt::Display) -> Call {
        let mut inner = lock(&self.inner);
        inner.calls_made += 1;
        let number = inner.calls_made;
        inner.calls.insert(number, (self.kernel.now(), what.to_string()));
        Call { recorder: self.clone(), number }
    }

    /// Calls from before `since` that still have no answer.
    #[must_use]
    pub fn unanswered(&self, since: Duration) -> Vec<String> {
        let inner = lock(&self.inner);
        inner.calls.values().filter(|(at, _)| *at < since).map(|(_, what)| what.clone()).collect()
    }

    /// Anything else.
    pub fn push(&self, record: Record) {
        lock(&self.inner).history.push(record);
    }

    /// Something that breaks a promise of which histories know nothing.
    pub fn defect(&self, what: String) {
        self.trace.note("defect", &what);
        lock(&self.inner).defects.push(what);
    }

    /// Sets what a full read found in the end.
    pub fn set_log(&self, room: RoomId, log: Log) {
        lock(&self.inner).history.set_log(room, log);
    }

    /// How far each reader that still reads has come.
    #[must_use]
    pub fn cursors(&self) -> Vec<(Reader, RoomId, Offset)> {
        let inner = lock(&self.inner);
        inner.cursors.iter().map(|((reader, room), offset)| (*reader, room.clone(), *offset)).collect()
    }

    /// Publishes that an outbox has promised to keep and that nobody has settled.
    #[must_use]
    pub fn owed(&self) -> usize {
        lock(&self.inner).kept.values().filter(|fate| **fate == Fate::Owed).count()
    }

    /// How much happened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.inner).counts
    }

    /// Everything that is wrong, as sentences.
    #[must_use]
    pub fn verdict(&self) -> Vec<String> {
        let inner = lock(&self.inner);
        let violations = anchor_core::conformance::promise::check_all(&inner.history);
        let mut found: Vec<String> = violations.iter().map(ToString::to_string).collect();
        found.extend(inner.defects.iter().cloned());
        let stands: BTreeSet<PublishKey> = inner
            .history
            .logs()
            .values()
            .flat_map(|log| &log.entries)
            .map(|entry| key(entry.publish))
            .collect();
        for (mark, fate) in &inner.kept {
            if *fate == Fate::Owed && !stands.contains(&key(mark.publish())) {
                found
                    .push(format!("the outbox lost {}: it was kept, and nobody answered it", mark.publish()));
            }
        }
        for (mark, room) in &inner.offered {
            if stands.contains(&key(mark.publish())) && !inner.may_have_come_back(room) {
                found.push(format!("{} was offered as lost, and stands in {room}", mark.publish()));
            }
        }
        found
    }
}

impl Inner {
    /// True if a backup of `room` was restored that is newer than one before.
    fn may_have_come_back(&self, room: &RoomId) -> bool {
        let forks = self.history.records().iter().filter_map(|record| match record {
            Record::Restored { room: other, fork } if other == room => Some(*fork),
            _ => None,
        });
        !forks.is_sorted_by(|one, other| one >= other)
    }
}

/// See [`Recorder::call`].
#[derive(Debug)]
pub struct Call {
    recorder: Recorder,
    number: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        lock(&self.recorder.inner).calls.remove(&self.number);
    }
}

type PublishKey = ([u8; 8], u64);

fn key(publish: PublishId) -> PublishKey {
    (*publish.client.as_bytes(), publish.seq.get())
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
