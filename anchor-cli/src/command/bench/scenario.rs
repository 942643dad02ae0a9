//! The scenarios, a file each: what is asked for, as a plan, and what is told about it.

mod catchup;
mod connect;
mod fanout;
mod history;
mod idle;
mod publish;
mod rooms;
mod storm;

use super::check::Faults;
use super::flow::{Flow, Pace, Span};
use super::hello::Hellos;
use super::net::Net;
use super::report::Report;
use crate::args::bench::{Common, Scenario};
use crate::exit::Failure;

/// What every scenario works with.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) net: Net,
    pub(super) hellos: Hellos,
    pub(super) common: Common,
    /// The process of the server.
    pub(super) pid: Option<u32>,
    /// Which server that is.
    pub(super) server: String,
}

/// Runs a scenario to its end.
///
/// # Errors
/// What ended it early.
pub(super) fn run(bench: &mut Bench, scenario: &Scenario) -> Result<Report, Failure> {
    match scenario {
        Scenario::Fanout(fanout) => fanout::run(bench, fanout),
        Scenario::Rooms(rooms) => rooms::run(bench, rooms),
        Scenario::Publish(publish) => publish::run(bench, publish),
        Scenario::Storm(storm) => storm::run(bench, storm),
        Scenario::Idle(idle) => idle::run(bench, idle),
        Scenario::Connect(connect) => connect::run(bench, connect),
        Scenario::History(history) => history::run(bench, history),
        Scenario::Catchup(catch_up) => catchup::run(bench, catch_up),
    }
}

impl Bench {
    const fn span(&self) -> Span {
        Span { warm_up: self.common.warm_up, measured: self.common.seconds }
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 64 KiB")]
    const fn body_bytes(&self) -> usize {
        self.common.body_bytes as usize
    }

    /// A report with what is true of all scenarios, of a flow that has ended.
    fn report(&self, scenario: &'static str, flow: Flow) -> Report {
        let (faults, durability) = flow.finish();
        let mut report = self.plain_report(scenario, faults);
        report.setting("durability", durability);
        report
    }

    /// A report with what is true of all scenarios.
    fn plain_report(&self, scenario: &'static str, faults: Faults) -> Report {
        let mut report = Report::new(scenario, faults);
        report.setting("server", self.server.as_str()).setting("body_bytes", self.common.body_bytes);
        report
    }

    /// Says how long was measured.
    fn tell_span(&self, report: &mut Report) {
        report
            .setting("seconds", self.common.seconds.as_secs_f64())
            .setting("warm_up_seconds", self.common.warm_up.as_secs_f64());
    }
}

/// A closed loop, unless a rate is given.
fn pace(in_flight: u32, rate: Option<f64>) -> Pace {
    match rate {
        Some(per_second) => Pace::Open { per_second },
        None => Pace::Closed { in_flight: in_flight as usize },
    }
}

/// Says how messages were sent.
fn tell_pace(report: &mut Report, pace: Pace) {
    match pace {
        Pace::Closed { in_flight } => report.setting("in_flight", in_flight),
        Pace::Open { per_second } => report.setting("messages_per_second", per_second),
    };
}
