//! Connections that do nothing, and the memory that the server keeps for them.

use super::Bench;
use crate::args::bench::Idle;
use crate::command::bench::crowd::{Done, Plan, Role};
use crate::command::bench::flow::Flow;
use crate::command::bench::gauge::Sample;
use crate::command::bench::report::Report;
use crate::exit::Failure;

pub(super) fn run(bench: &mut Bench, idle: &Idle) -> Result<Report, Failure> {
    let (connections, room_size) = (idle.connections as usize, idle.room_size as usize);
    let all = BEFORE + connections;
    let rooms = all.div_ceil(room_size);
    let reader = |who| Role { reads: Some(who / room_size), ..Role::default() };
    let author = |room| Role { publishes: Some(room), ..Role::default() };
    let plan = Plan {
        rooms: (0..rooms).map(|room| bench.hellos.room(room)).collect(),
        roles: (0..all).map(reader).chain((0..rooms).map(author)).collect(),
        done: Done::Acked,
        body_bytes: bench.body_bytes(),
    };

    let Bench { net, hellos, pid, .. } = bench;
    let mut flow = Flow::new(plan, *pid);
    flow.open_some(net, all..all + rooms, hellos)?;
    flow.send_each(net, 1, "idle, a message for each room")?;
    (all..all + rooms).for_each(|who| net.links.close(who));
    flow.open_some(net, 0..BEFORE, hellos)?;
    flow.pause(net, idle.settle)?;
    let before = Sample::take(net.now(), *pid);
    flow.open_some(net, BEFORE..all, hellos)?;
    flow.drain(net)?;
    let opened = Sample::take(net.now(), *pid);
    flow.pause(net, idle.settle)?;
    let after = Sample::take(net.now(), *pid);

    let grown = after.resident_bytes.zip(before.resident_bytes);
    let grown = grown.map(|(after, before)| (after as f64 - before as f64) / connections as f64 / 1024.0);
    let mut report = bench.report("idle", flow);
    report
        .setting("connections", connections)
        .setting("room_size", room_size)
        .setting("settle_seconds", idle.settle.as_secs_f64())
        .maybe("memory_per_connection_kib", grown)
        .memory(&before, &after)
        .number("open_seconds", opened.at.since(before.at).as_secs_f64())
        .costs(&before, &opened, "connection", connections as u64)
        .load(&opened, &after);
    report.headline(
        &format!(
            "idle: {connections} connections, user-space memory per connection in a room of {room_size}"
        ),
        &grown.map_or_else(|| "not told".to_owned(), |kib| format!("{kib:.1} KiB")),
    );
    Ok(report)
}

/// Connections that are there before anything is measured, so that what the server makes once is made. Source: chosen.
const BEFORE: usize = 100;
