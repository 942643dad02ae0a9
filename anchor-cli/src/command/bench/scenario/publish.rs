//! Everyone publishes into a room of their own, and nobody reads.

use super::{Bench, pace, tell_pace};
use crate::args::bench::Publish;
use crate::command::bench::crowd::{Done, Plan, Role};
use crate::command::bench::flow::{Flow, Measured};
use crate::command::bench::report::{Report, kilo, per};
use crate::exit::Failure;

pub(super) fn run(bench: &mut Bench, publish: &Publish) -> Result<Report, Failure> {
    let connections = publish.connections as usize;
    let plan = Plan {
        rooms: (0..connections).map(|room| bench.hellos.room(room)).collect(),
        roles: (0..connections)
            .map(|room| Role { reads: None, publishes: Some(room), is_stalled: false })
            .collect(),
        done: Done::Acked,
        body_bytes: bench.body_bytes(),
    };

    let span = bench.span();
    let mut flow = Flow::open(&mut bench.net, plan, &bench.hellos, bench.pid)?;
    let pace = pace(publish.in_flight, publish.rate);
    let measured = flow.run(&mut bench.net, pace, span, Some("publish"))?;

    let mut report = bench.report("publish", flow);
    report.setting("connections", connections);
    bench.tell_span(&mut report);
    tell_pace(&mut report, pace);
    let Measured { from, to, acks, .. } = &measured;
    report
        .number("acks_per_second", measured.per_second(*acks))
        .costs(from, to, "publish", *acks)
        .load(from, to)
        .times("ack", &measured.ack)
        .memory(from, to);
    report.headline(
        &format!("publish: {connections} connections, each its own room: acked/s · CPU per publish"),
        &format!("{} · {}", kilo(measured.per_second(*acks)), per(from, to, *acks)),
    );
    Ok(report)
}
