//! All clients of a run, as they were planned: what each has sent and read, and what is wrong with it.
//!
//! Invariant: no author has more than [`WINDOW`] seqs from its lowest unanswered one on; what is due beyond waits, and is
//! late by that.

mod author;

use anchor_core::id::RoomId;
use anchor_core::limits::WINDOW;
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_core::session::frame::{ClientFrame, ServerFrame};

use self::author::Author;
use super::body::{Bodies, Mark};
use super::check::{Checker, Cursor, Faults};
use super::gauge::Times;
use super::hello::Hellos;
use super::net::{AckSeen, EventsSeen, Handler, Links, Nanos, Said};
use super::publish::PublishWriter;
use crate::exit::{Exit, Failure};

/// What each connection does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Role {
    /// The room that it reads.
    pub(super) reads: Option<usize>,
    /// The room that it publishes into.
    pub(super) publishes: Option<usize>,
    /// It never reads, once it is subscribed.
    pub(super) is_stalled: bool,
}

/// Who does what.
#[derive(Debug)]
pub(super) struct Plan {
    /// The rooms, all of them new.
    pub(super) rooms: Vec<RoomId>,
    /// By connection.
    pub(super) roles: Vec<Role>,
    /// When a message is no more on its way.
    pub(super) done: Done,
    pub(super) body_bytes: usize,
}

/// When a message is no more on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Acked,
    /// Acked, and with every reader that is not stalled.
    Delivered,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) acks: u64,
    pub(super) deliveries: u64,
}

/// The clients.
#[derive(Debug)]
pub(super) struct Crowd {
    plan: Plan,
    writer: PublishWriter,
    checker: Checker,
    /// The names of clients, as events show them.
    tags: Vec<[u8; 8]>,
    readers: Vec<Option<Reader>>,
    authors: Vec<Option<Author>>,
    /// What is done is followed by the next.
    refill: Option<Refill>,
    total: Total,
    /// Where times are noted, while they are.
    noted: Option<Noted>,
    /// Messages that are due or sent, and not acked.
    unanswered: u64,
    /// When something was last heard that matters.
    heard_at: Nanos,
    /// Where each message stands, in the order of their acks, if anybody wants to know.
    positions: Option<Vec<Position>>,
    return_: Option<Return>,
    durability: String,
}

/// A closed loop: so many of each author are on their way, until the author has sent so many in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refill {
    pub(super) in_flight: usize,
    pub(super) numbers_max: u64,
}

/// Times of messages that were due in a span.
#[derive(Debug)]
pub(super) struct Noted {
    from: Nanos,
    to: Nanos,
    /// From when it was due until a reader had it.
    pub(super) delivery: Times,
    /// From when it was due until its author knew.
    pub(super) ack: Times,
}

/// Readers that come back: how long each took until it had everything.
#[derive(Debug)]
pub(super) struct Return {
    began: Nanos,
    pub(super) times: Times,
}

#[derive(Clone, Copy, Debug)]
struct Reader {
    cursor: Cursor,
    /// Of the event at the cursor.
    epoch: [u8; 8],
    chain: [u8; 8],
}

impl Crowd {
    /// Clients that have done nothing yet.
    pub(super) fn new(plan: Plan) -> Self {
        let reads = |role: &&Role, room| !role.is_stalled && role.reads == Some(room);
        let readers = |room| plan.roles.iter().filter(|role| reads(role, room)).count();
        let readers: Vec<_> =
            (0..plan.rooms.len()).map(|room| u32::try_from(readers(room)).unwrap_or(u32::MAX)).collect();
        let reader = |role: &Role| {
            let cursor = Cursor { room: role.reads?, offset: 0 };
            Some(Reader { cursor, epoch: [0; 8], chain: [0; 8] })
        };
        Self {
            writer: PublishWriter::new(Bodies::new(plan.body_bytes)),
            checker: Checker::new(&readers, plan.roles.len()),
            tags: vec![[0; 8]; plan.roles.len()],
            readers: plan.roles.iter().map(reader).collect(),
            authors: plan.roles.iter().map(|role| role.publishes.map(Author::new)).collect(),
            refill: None,
            total: Total::default(),
            noted: None,
            unanswered: 0,
            heard_at: Nanos(0),
            positions: None,
            return_: None,
            durability: String::new(),
            plan,
        }
    }

    /// How many they are.
    pub(super) const fn len(&self) -> usize {
        self.plan.roles.len()
    }

    /// What client `who` says first: it goes on after what it has.
    pub(super) fn hello(&self, hellos: &Hellos, who: usize) -> ClientFrame {
        let resume = |reader: &Reader| {
            let position = match reader.cursor.offset {
                0 => Position::START,
                offset => Position {
                    epoch: Some(Epoch::from_bytes(reader.epoch)),
                    offset: Offset(offset),
                    chain: Chain::from_bytes(reader.chain),
                },
            };
            (self.plan.rooms[reader.cursor.room].clone(), position)
        };
        hellos.resuming(who, self.readers[who].iter().map(resume).collect())
    }

    /// Stalls those that are to be.
    pub(super) fn stall(&self, links: &mut Links) {
        let stalled = self.plan.roles.iter().enumerate().filter(|(_, role)| role.is_stalled);
        stalled.for_each(|(who, _)| links.stall(who));
    }

    /// The name of client `who`, as events show it.
    pub(super) fn tag(&self, who: usize) -> [u8; 8] {
        self.tags[who]
    }

    /// Those that publish.
    pub(super) fn authors(&self) -> Vec<usize> {
        (0..self.len()).filter(|who| self.authors[*who].is_some()).collect()
    }

    /// `who` never publishes again, and may go away.
    pub(super) fn retire(&mut self, who: usize) {
        self.authors[who] = None;
    }

    /// What was counted so far.
    pub(super) const fn total(&self) -> Total {
        self.total
    }

    /// Messages that are due or sent, and not acked.
    pub(super) const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Deliveries that are still to come, of what is known to stand in the logs.
    pub(super) const fn missing(&self) -> u64 {
        self.checker.missing()
    }

    /// When something that matters was last heard.
    pub(super) const fn heard_at(&self) -> Nanos {
        self.heard_at
    }

    /// What was found wrong.
    pub(super) const fn faults(&mut self) -> &mut Faults {
        &mut self.checker.faults
    }

    /// What was found wrong, and as what messages were acknowledged.
    pub(super) fn finish(self) -> (Faults, String) {
        (self.checker.faults, self.durability)
    }

    /// From now on each of `authors` has so many messages on their way; `None`: what is on its way is the last.
    pub(super) fn refill(
        &mut self,
        links: &mut Links,
        authors: &[usize],
        refill: Option<Refill>,
        now: Nanos,
    ) {
        self.refill = refill;
        authors.iter().for_each(|who| self.fill(links, *who, now));
    }

    /// The number of the newest message that `who` has sent.
    pub(super) fn number(&self, who: usize) -> u64 {
        self.authors[who].as_ref().map_or(0, Author::number)
    }

    /// From now on the times of messages that are due from `from` to `to` are noted; gives what was noted before.
    pub(super) fn note(&mut self, span: Option<(Nanos, Nanos)>) -> Option<Noted> {
        let noted = span.map(|(from, to)| Noted { from, to, delivery: Times::new(), ack: Times::new() });
        std::mem::replace(&mut self.noted, noted)
    }

    /// From now on keeps where each message stands; gives what was kept before.
    pub(super) fn keep_positions(&mut self, keeps: Option<Vec<Position>>) -> Option<Vec<Position>> {
        std::mem::replace(&mut self.positions, keeps)
    }

    /// Readers begin to come back now, or all have; gives how long those took.
    pub(super) fn comes_back(&mut self, began: Option<Nanos>) -> Option<Return> {
        let return_ = began.map(|began| Return { began, times: Times::new() });
        std::mem::replace(&mut self.return_, return_)
    }

    /// A message of `who` is due.
    pub(super) fn due(&mut self, links: &mut Links, who: usize, due: Nanos) {
        if let Some(author) = &mut self.authors[who] {
            author.due(due);
            self.unanswered += 1;
            self.send(links, who);
        }
    }

    /// Sends what is due, as far as the window goes.
    fn send(&mut self, links: &mut Links, who: usize) {
        let Some(author) = &mut self.authors[who] else { return };
        while let Some(sent) = author.send() {
            let author_number = u32::try_from(who).unwrap_or(u32::MAX);
            let mark = Mark { author: author_number, number: sent.number, due: sent.due };
            links.send_encoded(who, self.writer.write(mark, sent.waits, &self.plan.rooms[author.room]));
        }
    }

    /// A message of `who` is no more on its way; in a closed loop the next is due.
    fn done(&mut self, links: &mut Links, who: usize, at: Nanos) {
        if let Some(author) = &mut self.authors[who] {
            author.done();
        }
        self.fill(links, who, at);
    }

    /// Brings the messages on their way of `who` to what a closed loop wants.
    fn fill(&mut self, links: &mut Links, who: usize, now: Nanos) {
        let Some(Refill { in_flight, numbers_max }) = self.refill else { return };
        while self.authors[who].as_ref().is_some_and(|author| {
            author.busy() < in_flight.min(WINDOW) && author.numbers_taken() < numbers_max
        }) {
            self.due(links, who, now);
        }
    }

    fn take_events(
        &mut self,
        links: &mut Links,
        who: usize,
        mut events: EventsSeen<'_>,
        at: Nanos,
    ) -> Result<(), Failure> {
        let reads = |reader: &Reader| self.plan.rooms[reader.cursor.room].as_str() == events.room;
        let Some(mut reader) = self.readers[who].filter(reads) else {
            self.faults()
                .estrange(|| format!("connection {who} gets events of a room that it does not read"));
            return Ok(());
        };
        self.heard_at = at;
        reader.epoch = events.epoch;
        let before = reader.cursor.offset;
        let mut expected = events.first;
        while let Some(event) = events.next()? {
            if event.offset != expected {
                let told = || format!("a frame of {who} has {} in the place of {expected}", event.offset);
                self.checker.faults.reorder(told);
            }
            expected = event.offset + 1;
            let mark = Mark::read(event.body).filter(|mark| {
                mark.number == event.seq && self.tags.get(mark.author as usize) == Some(&event.client)
            });
            let Some(taken) = self.checker.delivered(&mut reader.cursor, event.offset, mark) else {
                continue;
            };
            reader.chain = event.chain;
            self.total.deliveries += 1;
            if let Some(noted) = self.noted.as_mut().filter(|noted| noted.takes(taken.mark.due)) {
                noted.delivery.add(at.since(taken.mark.due));
            }
            if taken.is_done && self.plan.done == Done::Delivered {
                self.done(links, taken.mark.author as usize, at);
            }
        }
        if reader.cursor.offset == before {
            self.faults().repeat(|| format!("connection {who} gets nothing new behind {before}"));
        }
        if let Some(return_) = &mut self.return_
            && self.checker.is_at_head(reader.cursor)
        {
            return_.times.add(at.since(return_.began));
        }
        self.readers[who] = Some(reader);
        Ok(())
    }

    fn take_ack(&mut self, links: &mut Links, who: usize, ack: AckSeen<'_>, at: Nanos) {
        self.heard_at = at;
        let AckSeen { seq, offset, is_duplicate, .. } = ack;
        let Some(due) = self.authors[who].as_mut().and_then(|author| author.answered(seq)) else {
            self.faults().repeat(|| format!("seq {seq} of {who} is acked, and does not wait for it"));
            return;
        };
        if is_duplicate {
            self.faults().repeat(|| format!("seq {seq} of {who} is acked as a repeat"));
        }
        if self.durability != ack.durability {
            ack.durability.clone_into(&mut self.durability);
        }
        self.total.acks += 1;
        self.unanswered -= 1;
        if let Some(noted) = self.noted.as_mut().filter(|noted| noted.takes(due)) {
            noted.ack.add(at.since(due));
        }
        if let Some(positions) = &mut self.positions {
            let (epoch, chain) = (Some(Epoch::from_bytes(ack.epoch)), Chain::from_bytes(ack.chain));
            positions.push(Position { epoch, offset: Offset(offset), chain });
        }
        let room = self.plan.roles[who].publishes.unwrap_or_default();
        let is_with_all = self.checker.acked(room, offset, u32::try_from(who).unwrap_or(u32::MAX), seq);
        if is_with_all || self.plan.done == Done::Acked {
            self.done(links, who, at);
        }
        self.send(links, who);
    }
}

impl Handler for Crowd {
    fn said(&mut self, links: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        match said {
            Said::Events(events) => self.take_events(links, who, events, at),
            Said::Ack(ack) => {
                self.take_ack(links, who, ack, at);
                Ok(())
            }
            Said::Page(_) => Err(unasked(who, "a page")),
            Said::Other(frame) => match *frame {
                ServerFrame::Welcome(welcome) => {
                    self.tags[who] = *welcome.client.as_bytes();
                    Ok(())
                }
                ServerFrame::Beat { .. } => Ok(()),
                ServerFrame::Gap { .. } => {
                    self.faults().lose(1, || format!("connection {who} is told of a gap"));
                    Ok(())
                }
                other => Err(unasked(who, &format!("{other:?}"))),
            },
        }
    }
}

impl Noted {
    fn takes(&self, due: Nanos) -> bool {
        (self.from..self.to).contains(&due)
    }
}

impl Refill {
    /// Without an end.
    pub(super) const fn endless(in_flight: usize) -> Self {
        Self { in_flight, numbers_max: u64::MAX }
    }
}

/// The server says something that nobody asked it for.
pub(super) fn unasked(who: usize, what: &str) -> Failure {
    Failure::new(Exit::Failure, format!("the server says to connection {who}: {what}"))
}

#[cfg(test)]
mod tests;
