//! Clients that arrive at an even rate, whatever becomes of them.

use std::collections::VecDeque;
use std::time::Duration;

use anchor_core::position::Position;
use anchor_core::session::frame::ServerFrame;

use super::Bench;
use crate::args::bench::Connect;
use crate::command::bench::check::Faults;
use crate::command::bench::crowd::unasked;
use crate::command::bench::flow::Span;
use crate::command::bench::gauge::{Sample, Times};
use crate::command::bench::net::{Handler, Links, Nanos, Said};
use crate::command::bench::open;
use crate::command::bench::report::{Report, millis};
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

/// Those who have arrived.
#[derive(Debug)]
struct Arrivals {
    /// When each was to come, and when it said hello.
    come: Vec<(Nanos, Nanos)>,
    welcome: u64,
    /// Who is here, in the order of their coming.
    here: VecDeque<usize>,
    /// Times are noted of those who were to come from then to then.
    noted: (Nanos, Nanos),
    /// From the moment at which it was to come until it was welcome.
    arrival: Times,
    /// From hello to welcome.
    hello: Times,
}

pub(super) fn run(bench: &mut Bench, connect: &Connect) -> Result<Report, Failure> {
    let Span { warm_up, measured } = bench.span();
    let rooms: Vec<_> = (0..connect.rooms as usize).map(|room| bench.hellos.room(room)).collect();
    let Bench { net, hellos, pid, .. } = bench;
    let began = net.now();
    let noted = (began.plus(warm_up), began.plus(warm_up + measured));
    let mut arrivals = Arrivals {
        come: Vec::new(),
        welcome: 0,
        here: VecDeque::new(),
        noted,
        arrival: Times::new(),
        hello: Times::new(),
    };
    let mut progress = Progress::always();
    let mut from = None;
    let mut next = began;
    loop {
        let now = net.now();
        if from.is_none() && now >= noted.0 {
            from = Some((Sample::take(now, *pid), arrivals.welcome));
        }
        if now >= noted.1 {
            break;
        }
        while next <= now {
            let who = arrivals.come.len();
            let room = rooms[who % rooms.len()].clone();
            open::dial(net, who, &hellos.resuming(who, vec![(room, Position::START)]))?;
            arrivals.come.push((next, now));
            next = began.plus(Duration::from_secs_f64(arrivals.come.len() as f64 / connect.rate));
        }
        while arrivals.here.len() > connect.keep as usize
            && let Some(who) = arrivals.here.pop_front()
        {
            net.links.close(who);
        }
        let part = now.since(began).as_secs_f64() / noted.1.since(began).as_secs_f64();
        progress.show(|| format!("connect {} {} welcome", say::bar(part), arrivals.welcome));
        let until = if from.is_none() { noted.0 } else { noted.1 };
        net.turn(&mut arrivals, until.min(next))?;
    }
    let (from, before) = from.expect("the measured part begins before it ends");
    let to = Sample::take(net.now(), *pid);
    let count = arrivals.welcome - before;
    let give_up = net.now().plus(WELCOME_WITHIN);
    loop {
        let missing = arrivals.come.len() as u64 - arrivals.welcome;
        if missing == 0 {
            break;
        }
        if net.now() >= give_up {
            let sentence = format!("{missing} clients were not welcome after {} s", WELCOME_WITHIN.as_secs());
            return Err(Failure::new(Exit::TimedOut, sentence));
        }
        net.turn(&mut arrivals, give_up)?;
    }

    let mut report = bench.plain_report("connect", Faults::default());
    bench.tell_span(&mut report);
    report
        .setting("connections_per_second", connect.rate)
        .setting("rooms", connect.rooms)
        .setting("keep", connect.keep)
        .number("welcomes_per_second", count as f64 / to.at.since(from.at).as_secs_f64())
        .costs(&from, &to, "connection", count)
        .load(&from, &to)
        .times("arrival_to_welcome", &arrivals.arrival)
        .times("hello_to_welcome", &arrivals.hello)
        .memory(&from, &to);
    report.headline(
        &format!(
            "connect: {} new connections/s: p50 / p99 hello → welcome · p99 arrival → welcome",
            connect.rate
        ),
        &format!(
            "{} / {} · {} ms",
            millis(arrivals.hello.percentile(50.0)),
            millis(arrivals.hello.percentile(99.0)),
            millis(arrivals.arrival.percentile(99.0)),
        ),
    );
    Ok(report)
}

impl Handler for Arrivals {
    fn said(&mut self, _: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        match said {
            Said::Other(frame) if matches!(*frame, ServerFrame::Welcome(_)) => {
                self.welcome += 1;
                self.here.push_back(who);
                let (due, hello) = self.come[who];
                if (self.noted.0..self.noted.1).contains(&due) {
                    self.arrival.add(at.since(due));
                    self.hello.add(at.since(hello));
                }
                Ok(())
            }
            Said::Other(frame) if matches!(*frame, ServerFrame::Beat { .. }) => Ok(()),
            other => Err(unasked(who, &format!("{other:?}"))),
        }
    }

    fn upgraded(&mut self, who: usize, at: Nanos) {
        self.come[who].1 = at;
    }
}

/// How long the last ones may take. Source: chosen; a server that answers later has stopped taking connections.
const WELCOME_WITHIN: Duration = Duration::from_secs(30);
