//! Messages on their way: who publishes where, who reads, how many are on their way or how often one is sent, and what that
//! costs. The scenarios `fanout`, `rooms` and `publish` are plans for it.
//!
//! ```text
//! closed: a message is done ── the next is due          open: the clock ── the next is due
//!                          due ── room in the window ── sent ── ack ─┬── done ── latency since it was due
//!                                                        └─ readers ─┘
//! ```
//! Invariant: no author has more than [`WINDOW`] seqs from its lowest unanswered one on; what is due beyond waits, and is
//! late by that.

use std::collections::VecDeque;
use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::limits::WINDOW;
use anchor_core::session::frame::ServerFrame;

use super::body::{Bodies, Mark};
use super::check::{Checker, Cursor};
use super::gauge::{Sample, Times};
use super::hello::Hellos;
use super::net::{EventsSeen, Handler, Links, Nanos, Net, Said};
use super::publish::PublishWriter;
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

/// What each connection does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// The room that it reads.
    pub(super) reads: Option<usize>,
    /// The room that it publishes into.
    pub(super) publishes: Option<usize>,
    /// It never reads, once it is subscribed.
    pub(super) is_stalled: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// The rooms, all of them new.
    pub(super) rooms: Vec<RoomId>,
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

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So many of each author are on their way, always.
    Closed { in_flight: usize },
    /// So many in a second, of all authors by turns, whatever becomes of them.
    Open { per_second: f64 },
}

/// For how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Before anything is counted.
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) from: Sample,
    pub(super) to: Sample,
    pub(super) deliveries: u64,
    pub(super) acks: u64,
    /// From when it was due until a reader had it.
    pub(super) delivery: Times,
    /// From when it was due until its author knew.
    pub(super) ack: Times,
}

impl Measured {
    /// So many of them in a second.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.to.at.since(self.from.at).as_secs_f64()
    }
}

/// A plan that is under way: its connections are open.
#[derive(Debug)]
pub(super) struct Flow {
    state: State,
    server: Option<u32>,
}

#[derive(Debug)]
struct State {
    plan: Plan,
    writer: PublishWriter,
    checker: Checker,
    /// By connection.
    tags: Vec<[u8; 8]>,
    cursors: Vec<Option<Cursor>>,
    /// By connection; those that publish.
    authors: Vec<Option<Author>>,
    /// Closed loop: what is done is followed by the next.
    refill: Option<usize>,
    total: Total,
    /// Where times are noted, while they are: of messages that were due from then to then.
    times: Option<Noted>,
    /// When something was last heard that matters.
    heard_at: Nanos,
    durability: String,
}

#[derive(Debug)]
struct Noted {
    from: Nanos,
    to: Nanos,
    delivery: Times,
    ack: Times,
}

#[derive(Debug)]
struct Author {
    room: usize,
    /// Messages sent so far: the highest seq.
    number: u64,
    /// From the lowest unanswered on: when each was due, and whether it was answered.
    sent: VecDeque<(Nanos, bool)>,
    /// Due, and not sent because the window is full.
    waiting: VecDeque<Nanos>,
    /// On their way, as the plan counts it.
    busy: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Total {
    published: u64,
    acks: u64,
    deliveries: u64,
}

impl Flow {
    /// Opens all connections of `plan` and subscribes them. Messages are measured against the server with that number.
    ///
    /// # Errors
    /// Where not all of them could be opened.
    pub(super) fn open(
        net: &mut Net,
        plan: Plan,
        hellos: &Hellos,
        server: Option<u32>,
    ) -> Result<Self, Failure> {
        let reads = |role: &&Role, room| !role.is_stalled && role.reads == Some(room);
        let readers = |room| plan.roles.iter().filter(|role| reads(role, room)).count();
        let readers: Vec<_> =
            (0..plan.rooms.len()).map(|room| u32::try_from(readers(room)).unwrap_or(u32::MAX)).collect();
        let author = |role: &Role| {
            let room = role.publishes?;
            Some(Author { room, number: 0, sent: VecDeque::new(), waiting: VecDeque::new(), busy: 0 })
        };
        let count = plan.roles.len();
        let mut state = State {
            writer: PublishWriter::new(Bodies::new(plan.body_bytes)),
            checker: Checker::new(&readers, count),
            tags: vec![[0; 8]; count],
            cursors: plan
                .roles
                .iter()
                .map(|role| role.reads.map(|room| Cursor { room, offset: 0 }))
                .collect(),
            authors: plan.roles.iter().map(author).collect(),
            refill: None,
            total: Total::default(),
            times: None,
            heard_at: Nanos(0),
            durability: String::new(),
            plan,
        };
        let rooms = state.plan.rooms.clone();
        let hello = |state: &State, who: usize| {
            hellos.at_start(who, state.plan.roles[who].reads.map(|room| &rooms[room]))
        };
        let give_up = net.now().plus(OPEN_WITHIN);
        let mut dialled = 0;
        let mut progress = Progress::always();
        while net.links.live() < count {
            while dialled < count && dialled < net.links.live() + DIALLING_MAX {
                let hello = hello(&state, dialled);
                net.links
                    .dial(dialled, &hello)
                    .map_err(|error| Failure::new(Exit::Failure, format!("cannot connect: {error}")))?;
                dialled += 1;
            }
            progress.show(|| {
                format!(
                    "connecting {} {} of {count}",
                    say::bar(net.links.live() as f64 / count as f64),
                    net.links.live()
                )
            });
            net.turn(&mut state, give_up)?;
            if net.now() >= give_up {
                let sentence = format!(
                    "{} of {count} connections were open after {} s",
                    net.links.live(),
                    OPEN_WITHIN.as_secs()
                );
                return Err(Failure::new(Exit::TimedOut, sentence));
            }
        }
        for (who, role) in state.plan.roles.iter().enumerate() {
            if role.is_stalled {
                net.links.stall(who);
            }
        }
        Ok(Self { state, server })
    }

    /// Sends messages for as long as `span` says, then waits until all of them are done.
    ///
    /// # Errors
    /// What ended it early. What was found wrong is no error: see [`Flow::finish`].
    pub(super) fn run(
        &mut self,
        net: &mut Net,
        pace: Pace,
        span: Span,
        what: &str,
    ) -> Result<Measured, Failure> {
        let began = net.now();
        let (from, to) = (began.plus(span.warm_up), began.plus(span.warm_up + span.measured));
        let mut clock = match pace {
            Pace::Closed { in_flight } => {
                self.state.refill = Some(in_flight.min(WINDOW));
                self.state.fill_all(net, began);
                None
            }
            Pace::Open { per_second } => Some(Ticks::new(&self.state.authors, began, per_second)),
        };
        let mut progress = Progress::always();
        let mut started: Option<(Sample, Total)> = None;
        loop {
            let now = net.now();
            if started.is_none() && now >= from {
                self.state.times = Some(Noted { from: now, to, delivery: Times::new(), ack: Times::new() });
                started = Some((Sample::take(now, self.server), self.state.total));
            }
            if now >= to {
                break;
            }
            let part = now.since(began).as_secs_f64() / to.since(began).as_secs_f64();
            progress.show(|| {
                let Total { acks, deliveries, .. } = self.state.total;
                format!("{what} {} {acks} acked, {deliveries} delivered", say::bar(part))
            });
            let mut until = if started.is_none() { from } else { to };
            if let Some(clock) = &mut clock {
                clock.send_due(now, &mut self.state, &mut net.links);
                until = until.min(clock.next);
            }
            net.turn(&mut self.state, until)?;
        }
        let (from, before) = started.expect("the measured part begins before it ends");
        let to = Sample::take(net.now(), self.server);
        let total = self.state.total;
        self.state.refill = None;
        self.drain(net)?;
        let Noted { delivery, ack, .. } =
            self.state.times.take().expect("times are noted in the measured part");
        Ok(Measured {
            from,
            to,
            deliveries: total.deliveries - before.deliveries,
            acks: total.acks - before.acks,
            delivery,
            ack,
        })
    }

    /// What was found wrong, and as what messages were acknowledged.
    pub(super) fn finish(self) -> (super::check::Faults, String) {
        (self.state.checker.faults, self.state.durability)
    }

    /// Waits until everything is acknowledged and delivered, or nothing moves any more.
    fn drain(&mut self, net: &mut Net) -> Result<(), Failure> {
        let give_up = net.now().plus(DRAIN_WITHIN);
        let mut progress = Progress::always();
        self.state.heard_at = net.now();
        loop {
            let (unanswered, missing) = (self.state.unanswered(), self.state.checker.missing());
            if unanswered + missing == 0 {
                return Ok(());
            }
            let now = net.now();
            if now.since(self.state.heard_at) > SILENT_MAX {
                let sentence = || format!("{unanswered} acks and {missing} deliveries never came");
                self.state.checker.faults.lose(unanswered + missing, sentence);
                return Ok(());
            }
            if now > give_up {
                let sentence = format!(
                    "{unanswered} acks and {missing} deliveries still to come {} s after the last message",
                    DRAIN_WITHIN.as_secs()
                );
                return Err(Failure::new(Exit::TimedOut, sentence));
            }
            progress.show(|| format!("{unanswered} acks and {missing} deliveries still to come"));
            let authors: Vec<_> = (0..self.state.authors.len()).collect();
            for who in authors {
                self.state.send_waiting(&mut net.links, who);
            }
            net.turn(&mut self.state, now.plus(DRAIN_STEP))?;
        }
    }
}

impl Noted {
    fn takes(&self, due: Nanos) -> bool {
        (self.from..self.to).contains(&due)
    }
}

impl Handler for State {
    fn said(&mut self, links: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        match said {
            Said::Events(events) => self.take_events(links, who, events, at),
            Said::Ack(ack) => {
                if self.durability != ack.durability {
                    ack.durability.clone_into(&mut self.durability);
                }
                if ack.is_duplicate {
                    self.checker.faults.repeat(|| format!("seq {} of {who} is acked as a repeat", ack.seq));
                }
                self.take_ack(links, who, ack.seq, ack.offset, at)
            }
            Said::Other(frame) => match *frame {
                ServerFrame::Welcome(welcome) => {
                    self.tags[who] = *welcome.client.as_bytes();
                    Ok(())
                }
                ServerFrame::Beat { .. } => Ok(()),
                ServerFrame::Gap { .. } => {
                    self.checker.faults.lose(1, || format!("connection {who} is told of a gap"));
                    Ok(())
                }
                other => Err(Failure::new(
                    Exit::Failure,
                    format!("the server says to connection {who}: {other:?}"),
                )),
            },
        }
    }
}

impl State {
    fn take_events(
        &mut self,
        links: &mut Links,
        who: usize,
        mut events: EventsSeen<'_>,
        at: Nanos,
    ) -> Result<(), Failure> {
        let Some(mut cursor) =
            self.cursors[who].filter(|cursor| self.plan.rooms[cursor.room].as_str() == events.room)
        else {
            self.checker
                .faults
                .estrange(|| format!("connection {who} gets events of a room that it does not read"));
            return Ok(());
        };
        self.heard_at = at;
        let before = cursor.offset;
        let mut expected = events.first;
        loop {
            let event =
                events.next().map_err(|error| Failure::new(Exit::Failure, format!("an event: {error}")))?;
            let Some(event) = event else { break };
            if event.offset != expected {
                self.checker
                    .faults
                    .reorder(|| format!("a frame of {who} has {} in the place of {expected}", event.offset));
            }
            expected = event.offset + 1;
            let mark = Mark::read(event.body).filter(|mark| {
                mark.number == event.seq && self.tags.get(mark.author as usize) == Some(&event.client)
            });
            let Some(taken) = self.checker.delivered(&mut cursor, event.offset, mark) else { continue };
            self.total.deliveries += 1;
            if let Some(noted) = self.times.as_mut().filter(|noted| noted.takes(taken.mark.due)) {
                noted.delivery.add(at.since(taken.mark.due));
            }
            if taken.is_done && self.plan.done == Done::Delivered {
                self.done(links, taken.mark.author as usize, at);
            }
        }
        if cursor.offset == before {
            self.checker
                .faults
                .repeat(|| format!("connection {who} gets a frame without anything new behind {before}"));
        }
        self.cursors[who] = Some(cursor);
        Ok(())
    }

    fn take_ack(
        &mut self,
        links: &mut Links,
        who: usize,
        seq: u64,
        offset: u64,
        at: Nanos,
    ) -> Result<(), Failure> {
        self.heard_at = at;
        let strange =
            || Failure::new(Exit::Failure, format!("an ack for seq {seq}, which {who} did not send"));
        let author = self.authors[who].as_mut().ok_or_else(strange)?;
        let lowest = author.number + 1 - author.sent.len() as u64;
        let at_sent = seq.checked_sub(lowest).and_then(|at| usize::try_from(at).ok());
        let Some((due, is_answered)) = at_sent.and_then(|at| author.sent.get_mut(at)) else {
            self.checker.faults.repeat(|| format!("seq {seq} of {who} is acked, and does not wait for it"));
            return Ok(());
        };
        if std::mem::replace(is_answered, true) {
            self.checker.faults.repeat(|| format!("seq {seq} of {who} is acked twice"));
            return Ok(());
        }
        let due = *due;
        while author.sent.front().is_some_and(|(_, is_answered)| *is_answered) {
            author.sent.pop_front();
        }
        self.total.acks += 1;
        if let Some(noted) = self.times.as_mut().filter(|noted| noted.takes(due)) {
            noted.ack.add(at.since(due));
        }
        let room = author.room;
        let is_done = self.checker.acked(room, offset, u32::try_from(who).unwrap_or(u32::MAX), seq);
        if is_done || self.plan.done == Done::Acked {
            self.done(links, who, at);
        }
        self.send_waiting(links, who);
        Ok(())
    }

    /// A message of `who` may be done now; in a closed loop the next is due.
    fn done(&mut self, links: &mut Links, who: usize, at: Nanos) {
        if let Some(author) = &mut self.authors[who] {
            author.busy = author.busy.saturating_sub(1);
        }
        self.fill(links, who, at);
    }

    fn fill_all(&mut self, net: &mut Net, now: Nanos) {
        (0..self.authors.len()).for_each(|who| self.fill(&mut net.links, who, now));
    }

    /// Brings the messages on their way of `who` to what a closed loop wants.
    fn fill(&mut self, links: &mut Links, who: usize, now: Nanos) {
        let Some(in_flight) = self.refill else { return };
        while self.authors[who].as_ref().is_some_and(|author| author.busy < in_flight) {
            self.due(links, who, now);
        }
    }

    /// A message of `who` is due.
    fn due(&mut self, links: &mut Links, who: usize, due: Nanos) {
        if let Some(author) = &mut self.authors[who] {
            author.busy += 1;
            author.waiting.push_back(due);
            self.send_waiting(links, who);
        }
    }

    /// Sends what is due, as far as the window goes.
    fn send_waiting(&mut self, links: &mut Links, who: usize) {
        let Some(author) = &mut self.authors[who] else { return };
        while author.sent.len() < WINDOW
            && let Some(due) = author.waiting.pop_front()
        {
            author.number += 1;
            author.sent.push_back((due, false));
            let lowest = author.number + 1 - author.sent.len() as u64;
            let mark = Mark { author: u32::try_from(who).unwrap_or(u32::MAX), number: author.number, due };
            links.send_encoded(who, self.writer.write(mark, lowest, &self.plan.rooms[author.room]));
            self.total.published += 1;
        }
    }

    /// Messages that are due or sent, and not acked.
    fn unanswered(&self) -> u64 {
        let of = |author: &Author| {
            author.waiting.len() + author.sent.iter().filter(|(_, is_answered)| !is_answered).count()
        };
        self.authors.iter().flatten().map(of).sum::<usize>() as u64
    }
}

/// The times of an open loop, and whose turn it is.
#[derive(Debug)]
struct Ticks {
    authors: Vec<usize>,
    began: Nanos,
    per_second: f64,
    sent: u64,
    /// Whose turn it is.
    turn: usize,
    next: Nanos,
}

impl Ticks {
    fn new(authors: &[Option<Author>], began: Nanos, per_second: f64) -> Self {
        let authors = (0..authors.len()).filter(|who| authors[*who].is_some()).collect();
        Self { authors, began, per_second, sent: 0, turn: 0, next: began }
    }

    fn send_due(&mut self, now: Nanos, state: &mut State, links: &mut Links) {
        while self.next <= now {
            state.due(links, self.authors[self.turn], self.next);
            self.turn = (self.turn + 1) % self.authors.len();
            self.sent += 1;
            self.next = self.began.plus(Duration::from_secs_f64(self.sent as f64 / self.per_second));
        }
    }
}

/// How long opening all connections may take. Source: chosen; 15,000 take seconds.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Connections that are being opened at once. Source: chosen; a listener's backlog takes more.
const DIALLING_MAX: usize = 128;

/// How long the last messages may take, while some still come. Source: chosen; an open loop beyond what a server takes piles
/// up as much as it measures.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

/// After so long without anything new, what is missing is lost. Source: chosen; a server that is busy says something.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// Between two looks at what is missing.
const DRAIN_STEP: Duration = Duration::from_millis(20);
