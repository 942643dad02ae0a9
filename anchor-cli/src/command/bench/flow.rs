//! Messages on their way: how many are, or how often one is sent, for how long, and what that costs.
//!
//! ```text
//! closed: a message is done ── the next is due          open: the clock ── the next is due
//!                          due ── room in the window ── sent ── ack ─┬── done ── times since it was due
//!                                                        └─ readers ─┘
//! ```

use std::ops::Range;
use std::time::Duration;

use super::check::Faults;
use super::crowd::{Crowd, Noted, Plan, Refill, Total};
use super::gauge::{Sample, Times};
use super::hello::Hellos;
use super::net::Net;
use super::open;
use super::ticks::Ticks;
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

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

/// A crowd whose connections are open.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) crowd: Crowd,
    /// The process of the server.
    server: Option<u32>,
}

impl Flow {
    /// Opens all connections of `plan` and subscribes them.
    ///
    /// # Errors
    /// Where not all of them could be opened.
    pub(super) fn open(
        net: &mut Net,
        plan: Plan,
        hellos: &Hellos,
        server: Option<u32>,
    ) -> Result<Self, Failure> {
        let mut flow = Self::new(plan, server);
        let clients = 0..flow.crowd.len();
        flow.open_some(net, clients, hellos)?;
        flow.crowd.stall(&mut net.links);
        Ok(flow)
    }

    /// Of clients whose connections are open, or not theirs to open.
    pub(super) const fn of(crowd: Crowd, server: Option<u32>) -> Self {
        Self { crowd, server }
    }

    /// Without a connection yet.
    pub(super) fn new(plan: Plan, server: Option<u32>) -> Self {
        Self { crowd: Crowd::new(plan), server }
    }

    /// Opens the connections of these clients, which go on after what they have.
    ///
    /// # Errors
    /// Where not all of them could be opened.
    pub(super) fn open_some(
        &mut self,
        net: &mut Net,
        clients: Range<usize>,
        hellos: &Hellos,
    ) -> Result<(), Failure> {
        open::all(net, &mut self.crowd, clients, |crowd, who| crowd.hello(hellos, who))
    }

    /// Sends messages for as long as `span` says, then waits until all of them are done. Shows how far it is, unless it
    /// has no name.
    ///
    /// # Errors
    /// What ended it early. What was found wrong is no error: see [`Flow::finish`].
    pub(super) fn run(
        &mut self,
        net: &mut Net,
        pace: Pace,
        span: Span,
        what: Option<&str>,
    ) -> Result<Measured, Failure> {
        let began = net.now();
        let (from, to) = (began.plus(span.warm_up), began.plus(span.warm_up + span.measured));
        let mut ticks = match pace {
            Pace::Closed { in_flight } => {
                let authors = self.crowd.authors();
                self.crowd.refill(&mut net.links, &authors, Some(Refill::endless(in_flight)), began);
                None
            }
            Pace::Open { per_second } => Some(Ticks::new(self.crowd.authors(), began, per_second)),
        };
        let mut progress = Progress::always();
        let mut started: Option<(Sample, Total)> = None;
        loop {
            let now = net.now();
            if started.is_none() && now >= from {
                self.crowd.note(Some((now, to)));
                started = Some((Sample::take(now, self.server), self.crowd.total()));
            }
            if now >= to {
                break;
            }
            if let Some(what) = what {
                progress.show(|| {
                    let Total { acks, deliveries } = self.crowd.total();
                    let part = now.since(began).as_secs_f64() / to.since(began).as_secs_f64();
                    format!("{what} {} {acks} acked, {deliveries} delivered", say::bar(part))
                });
            }
            let mut until = if started.is_none() { from } else { to };
            if let Some(ticks) = &mut ticks {
                while let Some((who, due)) = ticks.due(now) {
                    self.crowd.due(&mut net.links, who, due);
                }
                until = until.min(ticks.next());
            }
            net.turn(&mut self.crowd, until)?;
        }
        let (from, before) = started.expect("the measured part begins before it ends");
        let to = Sample::take(net.now(), self.server);
        let after = self.crowd.total();
        self.crowd.refill(&mut net.links, &[], None, to.at);
        self.drain(net)?;
        let Noted { delivery, ack, .. } =
            self.crowd.note(None).expect("times are noted in the measured part");
        Ok(Measured {
            from,
            to,
            deliveries: after.deliveries - before.deliveries,
            acks: after.acks - before.acks,
            delivery,
            ack,
        })
    }

    /// Every author sends `count` messages, as fast as they are acknowledged; returns once all are acknowledged.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) fn send_each(&mut self, net: &mut Net, count: u64, what: &str) -> Result<(), Failure> {
        let authors = self.crowd.authors();
        self.send(net, &authors, count, what)
    }

    /// As [`Flow::send_each`], of these authors alone, who have sent equally many.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) fn send(
        &mut self,
        net: &mut Net,
        authors: &[usize],
        count: u64,
        what: &str,
    ) -> Result<(), Failure> {
        let began = net.now();
        let before = self.crowd.total().acks;
        let wanted = count * authors.len() as u64;
        let numbers_max = authors.first().map_or(0, |who| self.crowd.number(*who)) + count;
        let refill = Refill { in_flight: anchor_core::limits::WINDOW, numbers_max };
        self.crowd.refill(&mut net.links, authors, Some(refill), began);
        let mut progress = Progress::always();
        let mut heard = (before, began);
        loop {
            let (acks, now) = (self.crowd.total().acks, net.now());
            if acks - before == wanted {
                self.crowd.refill(&mut net.links, &[], None, now);
                return Ok(());
            }
            if acks != heard.0 {
                heard = (acks, now);
            }
            if now.since(heard.1) > SILENT_MAX {
                let sentence =
                    format!("no ack for {} s: {} of {wanted}", SILENT_MAX.as_secs(), acks - before);
                return Err(Failure::new(Exit::TimedOut, sentence));
            }
            let part = (acks - before) as f64 / wanted as f64;
            progress.show(|| format!("{what} {} {} of {wanted}", say::bar(part), acks - before));
            net.turn(&mut self.crowd, now.plus(STEP))?;
        }
    }

    /// Waits until everything is acknowledged and delivered, or nothing moves any more, which is a fault.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) fn drain(&mut self, net: &mut Net) -> Result<(), Failure> {
        let began = net.now();
        let mut progress = Progress::always();
        loop {
            let (unanswered, missing) = (self.crowd.unanswered(), self.crowd.missing());
            if unanswered + missing == 0 {
                return Ok(());
            }
            let now = net.now();
            if now.since(self.crowd.heard_at().max(began)) > SILENT_MAX {
                let sentence = || format!("{unanswered} acks and {missing} deliveries never came");
                self.crowd.faults().lose(unanswered + missing, sentence);
                return Ok(());
            }
            if now.since(began) > DRAIN_WITHIN {
                let sentence = format!(
                    "{unanswered} acks and {missing} deliveries still to come {} s after the last message",
                    DRAIN_WITHIN.as_secs()
                );
                return Err(Failure::new(Exit::TimedOut, sentence));
            }
            progress.show(|| format!("{unanswered} acks and {missing} deliveries still to come"));
            net.turn(&mut self.crowd, now.plus(STEP))?;
        }
    }

    /// Lets time go by.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) fn pause(&mut self, net: &mut Net, time: Duration) -> Result<(), Failure> {
        let until = net.now().plus(time);
        while net.now() < until {
            net.turn(&mut self.crowd, until)?;
        }
        Ok(())
    }

    /// What was found wrong, and as what messages were acknowledged.
    pub(super) fn finish(self) -> (Faults, String) {
        self.crowd.finish()
    }
}

/// How long the last messages may take, while some still come. Source: chosen; an open loop beyond what a server takes piles
/// up as much as it measures.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

/// After so long without anything new, what is missing is lost. Source: chosen; a server that is busy says something.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// Between two looks at what is missing.
const STEP: Duration = Duration::from_millis(20);
