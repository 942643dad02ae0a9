//! Readers that start at the beginning of a long log.

use std::time::Duration;

use anchor_core::position::Position;
use anchor_core::session::frame::{ClientFrame, ServerFrame};

use super::Bench;
use crate::args::bench::CatchUp;
use crate::command::bench::check::Faults;
use crate::command::bench::crowd::{Ticks, unasked};
use crate::command::bench::flow::{Flow, Pace, Span};
use crate::command::bench::gauge::{Sample, Times};
use crate::command::bench::hello::Hellos;
use crate::command::bench::log::{Beside, Log};
use crate::command::bench::net::{EventsSeen, Handler, Links, Nanos, Net, Said};
use crate::command::bench::open;
use crate::command::bench::report::{Report, millis};
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

/// Those who read the log.
#[derive(Debug)]
struct Readers {
    log: Log,
    /// The number of the first connection.
    first: usize,
    /// By connection: since when it reads, and the newest offset that it has.
    cursors: Vec<(Nanos, u64)>,
    /// Who has read all of it, and is closed.
    done: Vec<usize>,
    /// How long one took for all of it.
    times: Times,
    events: u64,
    heard_at: Nanos,
    faults: Faults,
}

pub(super) fn run(bench: &mut Bench, catch_up: &CatchUp) -> Result<Report, Failure> {
    let body_bytes = bench.body_bytes();
    let span = Span { warm_up: Duration::ZERO, measured: bench.span().measured };
    let Bench { net, hellos, pid, .. } = bench;
    let probes = usize::from(catch_up.probe.is_some());
    let (log, mut flow) = Log::write(net, hellos, catch_up.events, probes, body_bytes)?;
    flow.crowd.retire(0);
    net.links.close(0);
    let head = log.head();

    let mut flow_of_probe = None;
    if let Some(per_second) = catch_up.probe {
        let quiet = flow.run(net, Pace::Open { per_second }, span, "catchup, the probe alone")?;
        flow_of_probe = Some((per_second, quiet.ack));
    }
    let (first, count) = (flow.crowd.len(), catch_up.readers as usize);
    let mut all = Beside {
        crowd: flow.crowd,
        other: Readers {
            log,
            first,
            cursors: vec![(Nanos(0), 0); count],
            done: Vec::new(),
            times: Times::new(),
            events: 0,
            heard_at: net.now(),
            faults: Faults::default(),
        },
    };

    let from = Sample::take(net.now(), *pid);
    let until = from.at.plus(span.measured);
    all.crowd.note(Some((from.at, until)));
    let mut ticks = catch_up.probe.map(|per_second| Ticks::new(vec![1], from.at, per_second));
    for who in first..first + count {
        all.other.begin(net, hellos, who)?;
        let now = net.now();
        net.turn(&mut all, now)?;
    }
    let mut progress = Progress::always();
    let mut readings = 0;
    loop {
        let now = net.now();
        let done = std::mem::take(&mut all.other.done);
        readings += done.len();
        if ticks.is_some() && now < until {
            // Beside the probe they read again and again.
            done.into_iter().try_for_each(|who| all.other.begin(net, hellos, who))?;
        } else if ticks.is_none() && readings == count {
            break;
        }
        let mut next = now.plus(STEP);
        if let Some(ticks) = &mut ticks {
            if now >= until {
                break;
            }
            while let Some((who, due)) = ticks.due(now) {
                all.crowd.due(&mut net.links, who, due);
            }
            next = next.min(until).min(ticks.next());
        }
        if now.since(all.other.heard_at) > SILENT_MAX || now.since(from.at) > READ_WITHIN {
            let sentence = format!("{} of {count} readers have everything", readings);
            return Err(Failure::new(Exit::TimedOut, sentence));
        }
        let part = all.other.events as f64 / (head * count as u64) as f64;
        progress.show(|| format!("catchup {} {} events", say::bar(part), all.other.events));
        net.turn(&mut all, next)?;
    }
    let to = Sample::take(net.now(), *pid);
    let events = all.other.events;
    (first..first + count).for_each(|who| net.links.close(who));
    let Beside { crowd, other } = all;
    let mut flow = Flow::of(crowd, *pid);
    flow.drain(net)?;
    let busy = flow.crowd.note(None).expect("times were noted");
    flow.crowd.faults().add(other.faults);

    let mut report = bench.report("catchup", flow);
    let per_second = events as f64 / to.at.since(from.at).as_secs_f64();
    report
        .setting("readers", count)
        .setting("events", head)
        .number("events_per_second", per_second)
        .number("seconds", to.at.since(from.at).as_secs_f64())
        .costs(&from, &to, "event", events)
        .load(&from, &to)
        .times("reader", &other.times)
        .memory(&from, &to);
    let mut cell = format!("{:.2} M", per_second / 1e6);
    if let Some((rate, quiet)) = &flow_of_probe {
        report.setting("probe_per_second", *rate).times("ack_quiet", quiet).times("ack_beside", &busy.ack);
        let p99 = |times: &Times| millis(times.percentile(99.0));
        cell = format!("{cell} · {} / {} ms", p99(quiet), p99(&busy.ack));
    }
    let probed = if flow_of_probe.is_some() { " · p99 of a publish quiet / meanwhile" } else { "" };
    report.headline(&format!("catchup: {count} readers over a log of {head}: events/s{probed}"), &cell);
    Ok(report)
}

impl Readers {
    /// `who` begins to read.
    fn begin(&mut self, net: &mut Net, hellos: &Hellos, who: usize) -> Result<(), Failure> {
        self.cursors[who - self.first] = (net.now(), 0);
        open::dial(net, who, &self.hello(hellos, who))
    }

    fn hello(&self, hellos: &Hellos, who: usize) -> ClientFrame {
        hellos.resuming(who, vec![(self.log.room.clone(), Position::START)])
    }

    fn take(
        &mut self,
        links: &mut Links,
        who: usize,
        mut events: EventsSeen<'_>,
        at: Nanos,
    ) -> Result<(), Failure> {
        self.heard_at = at;
        let (began, cursor) = &mut self.cursors[who - self.first];
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
        }
        if *cursor == self.log.head() {
            self.times.add(at.since(*began));
            self.done.push(who);
            links.close(who);
        }
        Ok(())
    }
}

impl Handler for Readers {
    fn said(&mut self, links: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        match said {
            Said::Events(events) => self.take(links, who, events, at),
            Said::Other(frame) if matches!(*frame, ServerFrame::Welcome(_) | ServerFrame::Beat { .. }) => {
                Ok(())
            }
            other => Err(unasked(who, &format!("{other:?}"))),
        }
    }
}

/// Between two looks at who is done.
const STEP: Duration = Duration::from_millis(10);

/// After so long without an event it is given up. Source: chosen.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// How long all of it may take. Source: chosen; 100 million events at a tenth of what is wanted.
const READ_WITHIN: Duration = Duration::from_secs(600);
