//! Pages of a long log, at random.

use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::limits::READS_OPEN_MAX;
use anchor_core::session::frame::{ClientFrame, HistoryRange, RequestId, ServerFrame};

use super::Bench;
use crate::args::bench::History;
use crate::command::bench::check::Faults;
use crate::command::bench::crowd::unasked;
use crate::command::bench::flow::{Flow, Span};
use crate::command::bench::gauge::{Sample, Times};
use crate::command::bench::log::{Beside, Log};
use crate::command::bench::net::{Handler, Links, Nanos, PageSeen, Said};
use crate::command::bench::open;
use crate::command::bench::report::{Report, millis};
use crate::command::bench::ticks::Ticks;
use crate::dice::Dice;
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

/// Those who ask for pages.
#[derive(Debug)]
struct Pages {
    log: Log,
    /// The number of the first connection.
    first: usize,
    dice: Dice,
    /// By connection: what it has asked for.
    asked: Vec<Vec<Asked>>,
    ids: u64,
    /// An answer is followed by the next question.
    goes_on: bool,
    /// Answers of which the time is noted: from then to then.
    noted: (Nanos, Nanos),
    times: Times,
    pages: u64,
    events: u64,
    faults: Faults,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u64,
    at: Nanos,
    /// The page ends before this offset.
    before: u64,
}

pub(super) fn run(bench: &mut Bench, history: &History) -> Result<Report, Failure> {
    let Span { warm_up, measured } = bench.span();
    let body_bytes = bench.body_bytes();
    let authors = if history.publishes_per_s.is_some() { AUTHORS } else { 0 };
    let Bench { net, hellos, pid, .. } = bench;
    let (log, flow) = Log::write(net, hellos, history.events, authors, body_bytes)?;
    let (first, count) = (flow.crowd.len(), history.connections as usize);
    let began = net.now();
    let mut pages = Beside {
        crowd: flow.crowd,
        other: Pages {
            log,
            first,
            dice: Dice::new(SEED, 0),
            asked: vec![Vec::new(); count],
            ids: 0,
            goes_on: true,
            noted: (began, began),
            times: Times::new(),
            pages: 0,
            events: 0,
            faults: Faults::default(),
        },
    };
    open::all(net, &mut pages, first..first + count, |_, who| hellos.resuming(who, Vec::new()))?;

    let began = net.now();
    let noted = (began.plus(warm_up), began.plus(warm_up + measured));
    pages.other.noted = noted;
    pages.crowd.note(Some(noted));
    let mut ticks =
        history.publishes_per_s.map(|per_second| Ticks::new((1..=authors).collect(), began, per_second));
    for who in first..first + count {
        (0..READS_OPEN_MAX).for_each(|_| pages.other.ask(&mut net.links, who, began));
    }
    let mut progress = Progress::always();
    let mut from = None;
    loop {
        let now = net.now();
        if from.is_none() && now >= noted.0 {
            from = Some((Sample::take(now, *pid), pages.other.pages, pages.other.events));
        }
        if now >= noted.1 {
            break;
        }
        let mut until = if from.is_none() { noted.0 } else { noted.1 };
        if let Some(ticks) = &mut ticks {
            while let Some((who, due)) = ticks.due(now) {
                pages.crowd.due(&mut net.links, who, due);
            }
            until = until.min(ticks.next());
        }
        let part = now.since(began).as_secs_f64() / noted.1.since(began).as_secs_f64();
        progress.show(|| format!("history {} {} pages", say::bar(part), pages.other.pages));
        net.turn(&mut pages, until)?;
    }
    let (from, pages_before, events_before) = from.expect("the measured part begins before it ends");
    let to = Sample::take(net.now(), *pid);
    let (count_pages, count_events) = (pages.other.pages - pages_before, pages.other.events - events_before);
    pages.other.goes_on = false;
    let give_up = net.now().plus(ANSWER_WITHIN);
    while pages.other.asked.iter().any(|asked| !asked.is_empty()) {
        if net.now() >= give_up {
            let sentence = format!("not every page came within {} s", ANSWER_WITHIN.as_secs());
            return Err(Failure::new(Exit::TimedOut, sentence));
        }
        net.turn(&mut pages, give_up)?;
    }
    let Beside { crowd, other } = pages;
    let mut flow = Flow::of(crowd, *pid);
    flow.drain(net)?;
    let publishes = flow.crowd.note(None).expect("times were noted");
    flow.crowd.faults().add(other.faults);

    let mut report = bench.report("history", flow);
    bench.tell_span(&mut report);
    if let Some(rate) = history.publishes_per_s {
        report.setting("publishes_per_second", rate);
    }
    let seconds = to.at.since(from.at).as_secs_f64();
    report
        .setting("connections", count)
        .setting("open_requests_each", READS_OPEN_MAX)
        .setting("events", other.log.head())
        .setting("page_events", PAGE_EVENTS)
        .number("pages_per_second", count_pages as f64 / seconds)
        .number("events_per_page", count_events as f64 / count_pages as f64)
        .costs(&from, &to, "page", count_pages)
        .load(&from, &to)
        .times("page", &other.times)
        .times("ack", &publishes.ack)
        .memory(&from, &to);
    let beside =
        history.publishes_per_s.map_or_else(String::new, |rate| format!(" beside {rate} publishes/s"));
    report.headline(
        &format!("history: pages of {PAGE_EVENTS} at random{beside}: pages/s · p50 / p99"),
        &format!(
            "{:.0} · {} / {} ms",
            count_pages as f64 / seconds,
            millis(other.times.percentile(50.0)),
            millis(other.times.percentile(99.0)),
        ),
    );
    Ok(report)
}

impl Pages {
    /// Asks for a page that ends somewhere in the log.
    fn ask(&mut self, links: &mut Links, who: usize, at: Nanos) {
        // Not so near to the start that the page would be a short one.
        let full = (self.log.positions.len()).saturating_sub(PAGE_EVENTS);
        let position =
            self.log.positions[PAGE_EVENTS.min(self.log.positions.len() - 1) + self.dice.index(full)];
        self.ids += 1;
        self.asked[who - self.first].push(Asked { id: self.ids, at, before: position.offset.0 });
        let (id, limit) = (RequestId(self.ids), PAGE_EVENTS as u64);
        let room: RoomId = self.log.room.clone();
        links.send(who, &ClientFrame::History { id, room, range: HistoryRange::Before(position), limit });
    }

    fn take_page(
        &mut self,
        links: &mut Links,
        who: usize,
        page: PageSeen<'_>,
        at: Nanos,
    ) -> Result<(), Failure> {
        let PageSeen { id, mut events } = page;
        let asked = &mut self.asked[who - self.first];
        let Some(found) = asked.iter().position(|asked| asked.id == id) else {
            self.faults.repeat(|| format!("connection {who} gets a page that it did not ask for"));
            return Ok(());
        };
        let asked = asked.swap_remove(found);
        let mut offset = events.first;
        let mut count = 0;
        while let Some(event) = events.next()? {
            self.log.check(who, &event, offset, &mut self.faults);
            offset = event.offset + 1;
            count += 1;
        }
        if offset != asked.before || count > PAGE_EVENTS as u64 {
            self.faults.lose(1, || {
                format!("connection {who} gets {count} events up to {offset}, not {}", asked.before)
            });
        }
        self.pages += 1;
        self.events += count;
        if (self.noted.0..self.noted.1).contains(&asked.at) {
            self.times.add(at.since(asked.at));
        }
        if self.goes_on {
            self.ask(links, who, at);
        }
        Ok(())
    }
}

impl Handler for Pages {
    fn said(&mut self, links: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        match said {
            Said::Page(page) => self.take_page(links, who, page, at),
            Said::Other(frame) if matches!(*frame, ServerFrame::Welcome(_) | ServerFrame::Beat { .. }) => {
                Ok(())
            }
            other => Err(unasked(who, &format!("{other:?}"))),
        }
    }
}

/// Events of a page. Source: chosen; what a chat shows on a screen, and a bit.
const PAGE_EVENTS: usize = 50;

/// Connections that publish beside the readers. Source: chosen; as many as `publish` has.
const AUTHORS: usize = 64;

/// Where the pages lie: the same in every run.
const SEED: u64 = 4;

/// How long the last pages may take. Source: chosen.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
