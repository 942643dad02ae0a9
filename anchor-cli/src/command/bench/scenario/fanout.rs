//! One room, many subscribers, one connection that publishes.

use super::{Bench, tell_pace};
use crate::args::bench::{Fanout, FanoutRate};
use crate::command::bench::flow::{Done, Flow, Measured, Pace, Plan, Role};
use crate::command::bench::report::Report;
use crate::exit::Failure;

pub(super) fn run(bench: &mut Bench, fanout: &Fanout) -> Result<Report, Failure> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the subscribers")]
    let stalled = (f64::from(fanout.subscribers) * fanout.stalled / 100.0).round() as u32;
    let subscriber = |who| Role { reads: Some(0), publishes: None, is_stalled: who < stalled };
    let mut roles: Vec<_> = (0..fanout.subscribers).map(subscriber).collect();
    roles.push(Role { reads: None, publishes: Some(0), is_stalled: false });
    let plan = Plan {
        rooms: vec![bench.hellos.room(0)],
        roles,
        done: Done::Delivered,
        body_bytes: bench.body_bytes(),
    };

    let span = bench.span();
    let mut flow = Flow::open(&mut bench.net, plan, &bench.hellos, bench.pid)?;
    let closed = Pace::Closed { in_flight: fanout.in_flight as usize };
    let (pace, most) = match fanout.rate {
        None => (closed, None),
        Some(FanoutRate::PerSecond(per_second)) => (Pace::Open { per_second }, None),
        Some(FanoutRate::Half) => {
            let most = flow.run(&mut bench.net, closed, span, "fanout, as much as it takes")?;
            (Pace::Open { per_second: most.per_second(most.acks) / 2.0 }, Some(most))
        }
    };
    let measured = flow.run(&mut bench.net, pace, span, "fanout")?;

    let mut report = bench.report("fanout", flow);
    report.setting("subscribers", fanout.subscribers).setting("stalled", stalled);
    tell_pace(&mut report, pace);
    if let Some(most) = most {
        report.number("most_deliveries_per_second", most.per_second(most.deliveries));
        report.number("most_messages_per_second", most.per_second(most.acks));
    }
    tell(&mut report, &measured);
    Ok(report)
}

/// What there is to say about messages that were delivered.
pub(super) fn tell(report: &mut Report, measured: &Measured) {
    let Measured { from, to, deliveries, acks, .. } = measured;
    report
        .number("deliveries_per_second", measured.per_second(*deliveries))
        .number("acks_per_second", measured.per_second(*acks))
        .costs(from, to, "delivery", *deliveries)
        .load(from, to)
        .times("delivery", &measured.delivery)
        .times("ack", &measured.ack);
    memory(report, measured);
}

/// The server's memory before and after.
pub(super) fn memory(report: &mut Report, measured: &Measured) {
    let mebibytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
    report.maybe("server_memory_before_mib", mebibytes(measured.from.resident_bytes));
    report.maybe("server_memory_after_mib", mebibytes(measured.to.resident_bytes));
}
