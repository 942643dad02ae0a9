//! Readers that start at the beginning of a long log, and one who publishes beside them.
//!
//! The one who publishes has a thread to itself: what is told is how long the server takes while it serves the readers, not
//! how long this program does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anchor_core::session::frame::{ClientFrame, From, RequestId, ServerFrame};

use super::Bench;
use crate::args::bench::CatchUp;
use crate::command::bench::check::Faults;
use crate::command::bench::crowd::{Done, Plan, Role, unasked};
use crate::command::bench::flow::{Flow, Measured, Pace};
use crate::command::bench::gauge::{Sample, Times};
use crate::command::bench::hello::Hellos;
use crate::command::bench::log::Log;
use crate::command::bench::net::{EventsSeen, Handler, Links, Nanos, Net, Said};
use crate::command::bench::open;
use crate::command::bench::report::{Report, millis};
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

/// Those who read the log.
#[derive(Debug)]
struct Readers {
    log: Log,
    /// By connection, from [`FIRST`] on: since when it reads, and the newest offset that it has.
    cursors: Vec<(Nanos, u64)>,
    /// Who has read all of it.
    done: Vec<usize>,
    /// How long one took for all of it.
    times: Times,
    events: u64,
    heard_at: Nanos,
    faults: Faults,
}

/// What the readers did.
#[derive(Debug)]
struct Reading {
    from: Sample,
    to: Sample,
    events: u64,
}

pub(super) fn run(bench: &mut Bench, catch_up: &CatchUp) -> Result<Report, Failure> {
    let body_bytes = bench.body_bytes();
    let Bench { net, hellos, .. } = bench;
    let (log, mut flow) = Log::write(net, hellos, catch_up.events, 0, body_bytes)?;
    flow.crowd.retire(0);
    net.links.close(0);
    let count = catch_up.readers as usize;
    let mut readers = Readers {
        log,
        cursors: vec![(Nanos(0), 0); count],
        done: Vec::new(),
        times: Times::new(),
        events: 0,
        heard_at: Nanos(0),
        faults: Faults::default(),
    };
    open::all(net, &mut readers, FIRST..FIRST + count, |_, who| hellos.resuming(who, Vec::new()))?;

    let (reading, probed) = match catch_up.probe {
        None => (readers.read_once(net, bench.pid)?, None),
        Some(per_second) => {
            let (reading, quiet, beside) =
                beside_a_probe(bench, &mut readers, per_second, flow.crowd.faults())?;
            (reading, Some((per_second, quiet, beside)))
        }
    };
    flow.crowd.faults().add(readers.faults);

    let mut report = bench.report("catchup", flow);
    let Reading { from, to, events } = &reading;
    let per_second = *events as f64 / to.at.since(from.at).as_secs_f64();
    report
        .setting("readers", count)
        .setting("events", readers.log.head())
        .number("events_per_second", per_second)
        .number("reading_seconds", to.at.since(from.at).as_secs_f64())
        .costs(from, to, "event", *events)
        .load(from, to)
        .times("reader", &readers.times)
        .memory(from, to);
    let mut what = format!("catchup: {count} readers over a log of {}: events/s", readers.log.head());
    let mut cell = format!("{:.2} M", per_second / 1e6);
    if let Some((rate, quiet, beside)) = &probed {
        report
            .setting("probe_per_second", *rate)
            .times("ack_quiet", &quiet.ack)
            .times("ack_beside", &beside.ack);
        let p99 = |measured: &Measured| millis(measured.ack.percentile(99.0));
        what.push_str(" · p99 of a publish quiet / meanwhile");
        cell = format!("{cell} · {} / {} ms", p99(quiet), p99(beside));
    }
    report.headline(&what, &cell);
    Ok(report)
}

/// One publishes at first alone, then while the readers read, all by its own thread.
fn beside_a_probe(
    bench: &mut Bench,
    readers: &mut Readers,
    per_second: f64,
    faults: &mut Faults,
) -> Result<(Reading, Measured, Measured), Failure> {
    let role = Role { publishes: Some(0), ..Role::default() };
    // Another client, in a room of its own, than those of the log.
    let hellos = Hellos::new();
    let plan = Plan {
        rooms: vec![hellos.room(0)],
        roles: vec![role],
        done: Done::Acked,
        body_bytes: bench.body_bytes(),
    };
    let (pace, span) = (Pace::Open { per_second }, bench.span());
    let Bench { net, pid, .. } = bench;
    let mut net_of_probe = net.another()?;
    let mut flow = Flow::open(&mut net_of_probe, plan, &hellos, None)?;
    let quiet = flow.run(&mut net_of_probe, pace, span, Some("catchup, one who publishes alone"))?;
    let has_ended = AtomicBool::new(false);
    let (reading, beside) = thread::scope(|scope| {
        let probe = scope.spawn(|| {
            let beside = flow.run(&mut net_of_probe, pace, span, None);
            has_ended.store(true, Ordering::Relaxed);
            beside
        });
        let reading = readers.read_until(net, *pid, &has_ended);
        (reading, probe.join().expect("a thread that does not panic"))
    });
    faults.add(flow.finish().0);
    Ok((reading?, quiet, beside?))
}

impl Readers {
    /// Each reads the log once.
    fn read_once(&mut self, net: &mut Net, pid: Option<u32>) -> Result<Reading, Failure> {
        let from = self.begin(net, pid);
        let mut progress = Progress::always();
        while self.done.len() < self.cursors.len() {
            self.turn(net, &mut progress, from.at)?;
        }
        Ok(self.end(net, pid, from))
    }

    /// Each reads the log, and again, until `has_ended`.
    fn read_until(
        &mut self,
        net: &mut Net,
        pid: Option<u32>,
        has_ended: &AtomicBool,
    ) -> Result<Reading, Failure> {
        let from = self.begin(net, pid);
        let mut progress = Progress::always();
        while !has_ended.load(Ordering::Relaxed) {
            for who in std::mem::take(&mut self.done) {
                let (id, room) = (RequestId(1), self.log.room.clone());
                net.links.send(who, &ClientFrame::Unsubscribe { id, room });
                self.subscribe(net, who);
            }
            self.turn(net, &mut progress, from.at)?;
        }
        Ok(self.end(net, pid, from))
    }

    fn begin(&mut self, net: &mut Net, pid: Option<u32>) -> Sample {
        let from = Sample::take(net.now(), pid);
        self.heard_at = from.at;
        (FIRST..FIRST + self.cursors.len()).for_each(|who| self.subscribe(net, who));
        from
    }

    fn end(&mut self, net: &mut Net, pid: Option<u32>, from: Sample) -> Reading {
        let to = Sample::take(net.now(), pid);
        (FIRST..FIRST + self.cursors.len()).for_each(|who| net.links.close(who));
        Reading { from, to, events: self.events }
    }

    /// `who` begins at the start of the log.
    fn subscribe(&mut self, net: &mut Net, who: usize) {
        self.cursors[who - FIRST] = (net.now(), 0);
        let (id, room) = (RequestId(2), self.log.room.clone());
        net.links.send(who, &ClientFrame::Subscribe { id, room, from: From::Start });
    }

    fn turn(&mut self, net: &mut Net, progress: &mut Progress, began: Nanos) -> Result<(), Failure> {
        let now = net.now();
        if now.since(self.heard_at) > SILENT_MAX || now.since(began) > READ_WITHIN {
            let sentence =
                format!("{} of {} readers have everything", self.times.count(), self.cursors.len());
            return Err(Failure::new(Exit::TimedOut, sentence));
        }
        let part = self.events as f64 / (self.log.head() * self.cursors.len() as u64) as f64;
        progress.show(|| format!("catchup {} {} events", say::bar(part), self.events));
        net.turn(self, now.plus(STEP))
    }

    fn take(&mut self, who: usize, mut events: EventsSeen<'_>, at: Nanos) -> Result<(), Failure> {
        self.heard_at = at;
        let (began, cursor) = &mut self.cursors[who - FIRST];
        let before = *cursor;
        let mut offset = events.first;
        while let Some(event) = events.next()? {
            self.log.check(who, &event, offset, &mut self.faults);
            offset = event.offset + 1;
            if event.offset > *cursor {
                let missing = event.offset - *cursor - 1;
                if missing > 0 {
                    self.faults
                        .lose(missing, || format!("connection {who}: {} behind {cursor}", event.offset));
                }
                *cursor = event.offset;
                self.events += 1;
            }
        }
        if *cursor == before {
            self.faults.repeat(|| format!("connection {who} gets nothing new behind {before}"));
        } else if *cursor == self.log.head() {
            self.times.add(at.since(*began));
            self.done.push(who);
        }
        Ok(())
    }
}

impl Handler for Readers {
    fn said(&mut self, _: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        use ServerFrame::{Beat, Subscribed, Unsubscribed, Welcome};
        match said {
            Said::Events(events) => self.take(who, events, at),
            Said::Other(frame)
                if matches!(*frame, Welcome(_) | Beat { .. } | Subscribed { .. } | Unsubscribed { .. }) =>
            {
                Ok(())
            }
            other => Err(unasked(who, &format!("{other:?}"))),
        }
    }
}

/// The first connection that reads; the one before wrote the log.
const FIRST: usize = 1;

/// Between two looks at who is done.
const STEP: Duration = Duration::from_millis(10);

/// After so long without an event it is given up. Source: chosen.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// How long all of it may take. Source: chosen; 100 million events at a tenth of what is wanted.
const READ_WITHIN: Duration = Duration::from_secs(600);
