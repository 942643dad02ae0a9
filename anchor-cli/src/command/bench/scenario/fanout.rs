//! One room, many subscribers, one connection that publishes.

use super::{Bench, tell_pace};
use crate::args::bench::{Fanout, FanoutRate};
use crate::command::bench::crowd::{Done, Plan, Role};
use crate::command::bench::flow::{Flow, Measured, Pace};
use crate::command::bench::report::{Report, kilo, millis, per};
use crate::exit::Failure;

pub(super) fn run(bench: &mut Bench, fanout: &Fanout) -> Result<Report, Failure> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the subscribers")]
    let stalled = (f64::from(fanout.subscribers) * fanout.stalled / 100.0).round() as u32;
    // Somebody reads, however few they are.
    let stalled = stalled.min(fanout.subscribers.saturating_sub(1));
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
            let most = flow.run(&mut bench.net, closed, span, Some("fanout, as much as it takes"))?;
            (Pace::Open { per_second: most.per_second(most.acks) / 2.0 }, Some(most))
        }
    };
    let measured = flow.run(&mut bench.net, pace, span, Some("fanout"))?;

    let mut report = bench.report("fanout", flow);
    report.setting("subscribers", fanout.subscribers).setting("stalled", stalled);
    bench.tell_span(&mut report);
    tell_pace(&mut report, pace);
    if let Some(most) = &most {
        report.number("most_deliveries_per_second", most.per_second(most.deliveries));
        report.number("most_messages_per_second", most.per_second(most.acks));
    }
    tell(&mut report, &measured);

    let what = format!("fan-out: 1 room, {} subscribers", fanout.subscribers);
    if let Some(closed) = most.as_ref().or(fanout.rate.is_none().then_some(&measured)) {
        let Measured { from, to, deliveries, .. } = closed;
        report.headline(
            &format!("{what}, {} messages on their way: deliveries/s · CPU per delivery", fanout.in_flight),
            &format!("{} · {}", kilo(closed.per_second(*deliveries)), per(from, to, *deliveries)),
        );
    }
    if let Pace::Open { per_second } = pace {
        let percentile = |percent| millis(measured.delivery.percentile(percent));
        report.headline(
            &format!("{what}, {per_second:.0} messages/s: p50 / p99 publish → delivery"),
            &format!("{} / {} ms", percentile(50.0), percentile(99.0)),
        );
    }
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
        .times("ack", &measured.ack)
        .memory(from, to);
}
