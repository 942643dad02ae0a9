//! Many rooms in which everyone talks and everyone listens.

use super::{Bench, fanout, pace, tell_pace};
use crate::args::bench::Rooms;
use crate::command::bench::crowd::{Done, Plan, Role};
use crate::command::bench::flow::{Flow, Measured};
use crate::command::bench::report::{Report, kilo, per};
use crate::exit::Failure;

pub(super) fn run(bench: &mut Bench, rooms: &Rooms) -> Result<Report, Failure> {
    let count = rooms.rooms.min(rooms.connections);
    let role = |who| {
        let room = Some((who % count) as usize);
        Role { reads: room, publishes: room, is_stalled: false }
    };
    let plan = Plan {
        rooms: (0..count as usize).map(|room| bench.hellos.room(room)).collect(),
        roles: (0..rooms.connections).map(role).collect(),
        done: Done::Acked,
        body_bytes: bench.body_bytes(),
    };

    let span = bench.span();
    let mut flow = Flow::open(&mut bench.net, plan, &bench.hellos, bench.pid)?;
    let pace = pace(rooms.in_flight, rooms.rate);
    let measured = flow.run(&mut bench.net, pace, span, Some("rooms"))?;

    let mut report = bench.report("rooms", flow);
    report.setting("connections", rooms.connections).setting("rooms", count);
    bench.tell_span(&mut report);
    tell_pace(&mut report, pace);
    fanout::tell(&mut report, &measured);
    let Measured { from, to, deliveries, acks, .. } = &measured;
    report.headline(
        &format!(
            "rooms: {} connections, {count} rooms, everyone talks: acked publishes/s · CPU per delivery",
            rooms.connections
        ),
        &format!("{} · {}", kilo(measured.per_second(*acks)), per(from, to, *deliveries)),
    );
    Ok(report)
}
