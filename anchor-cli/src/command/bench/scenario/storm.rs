//! Everybody goes away, misses messages, and comes back at once.

use super::Bench;
use crate::args::bench::Storm;
use crate::command::bench::crowd::{Done, Plan, Role};
use crate::command::bench::flow::Flow;
use crate::command::bench::gauge::Sample;
use crate::command::bench::open;
use crate::command::bench::report::{Report, per};
use crate::exit::Failure;

pub(super) fn run(bench: &mut Bench, storm: &Storm) -> Result<Report, Failure> {
    let (clients, rooms) = (storm.clients as usize, storm.rooms.min(storm.clients) as usize);
    let each = storm.missed.div_ceil(u64::from(storm.clients)).max(1);
    let reader = |who| Role { reads: Some(who % rooms), ..Role::default() };
    let author = |room| Role { publishes: Some(room), ..Role::default() };
    let plan = Plan {
        rooms: (0..rooms).map(|room| bench.hellos.room(room)).collect(),
        roles: (0..clients).map(reader).chain((0..rooms).map(author)).collect(),
        done: Done::Acked,
        body_bytes: bench.body_bytes(),
    };

    let Bench { net, hellos, pid, .. } = bench;
    let mut flow = Flow::open(net, plan, hellos, *pid)?;
    flow.send_each(net, 1, "storm, what everybody has")?;
    flow.drain(net)?;
    (0..clients).for_each(|who| net.links.close(who));
    flow.send_each(net, each, "storm, what is missed")?;
    flow.pause(net, storm.away)?;

    let from = Sample::take(net.now(), *pid);
    let missed = flow.crowd.missing();
    flow.crowd.comes_back(Some(from.at));
    for who in 0..clients {
        let hello = flow.crowd.hello(hellos, who);
        open::dial(net, who, &hello)?;
        if who % DIALLED_PER_TURN == 0 {
            let now = net.now();
            net.turn(&mut flow.crowd, now)?;
        }
    }
    flow.drain(net)?;
    let to = Sample::take(net.now(), *pid);
    let returned = flow.crowd.comes_back(None).expect("they have come back");

    let mut report = bench.report("storm", flow);
    let time = to.at.since(from.at);
    report
        .setting("clients", clients)
        .setting("rooms", rooms)
        .setting("missed", missed)
        .number("all_current_seconds", time.as_secs_f64())
        .number("deliveries_per_second", missed as f64 / time.as_secs_f64())
        .costs(&from, &to, "client", clients as u64)
        .load(&from, &to)
        .times("client", &returned.times)
        .memory(&from, &to);
    report.headline(
        &format!(
            "storm: {clients} clients return, {missed} missed messages: all current after · CPU per client"
        ),
        &format!("{:.2} s · {}", time.as_secs_f64(), per(&from, &to, clients as u64)),
    );
    Ok(report)
}

/// Connections that are begun before those that are open are looked after. Source: chosen; a few milliseconds.
const DIALLED_PER_TURN: usize = 64;
