//! Makes things go wrong, sees to it that what ended starts again, and waits at the end until everybody has everything.

mod accidents;
mod derived;
mod ending;

use std::sync::Arc;
use std::time::Duration;

use anchor_core::conformance::bus::Hub;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::promise::Record;
use anchor_core::memory::{MemoryStore, Snapshot};

use crate::client::{Copy, SimClient};
use crate::clock::{Clock, between};
use crate::kernel::ProcessId;
use crate::network::HostId;
use crate::node::{Backing, Database, Disks, Node};
use crate::scenario::Scenario;
use crate::world::World;

/// Holds every process of a run.
#[derive(Debug)]
pub(crate) struct Director {
    world: World,
    dice: SplitMix64,
    scenario: Scenario,
    nodes: Vec<Node>,
    clients: Vec<SimClient>,
    hosts: u64,
    shared: Option<Shared>,
    backup: Option<Disks>,
    older: Vec<(usize, Copy)>,
    frozen: Vec<(ProcessId, Duration)>,
    parted: Vec<(HostId, HostId, Duration)>,
    full_until: Option<Duration>,
    away_until: Option<Duration>,
    /// When each server that is down starts again.
    restarts: Vec<Option<Duration>>,
    client_restarts: Vec<Option<Duration>>,
    mishaps: u64,
}

/// What several servers share.
#[derive(Debug)]
struct Shared {
    memory: MemoryStore,
    hub: Hub,
    snapshot: Snapshot,
}

impl Director {
    /// Everybody of `scenario`, not yet started.
    pub(crate) fn new(world: World, scenario: Scenario, mut dice: SplitMix64) -> Self {
        let shared = (scenario.nodes > 1).then(|| {
            let memory = MemoryStore::new(Clock::new(world.kernel.clone(), SplitMix64::new(dice.draw())));
            Shared { snapshot: memory.snapshot(), memory, hub: Hub::new() }
        });
        let hosts: Arc<[HostId]> = (1..=scenario.nodes).map(HostId).collect();
        let nodes: Vec<_> = hosts
            .iter()
            .map(|host| {
                let backing = match &shared {
                    Some(shared) => {
                        Backing::Database(Database::new(shared.memory.clone(), shared.hub.clone()))
                    }
                    None => Backing::Disks(Disks::new()),
                };
                Node::new(world.clone(), *host, backing, &scenario, &mut dice)
            })
            .collect();
        if scenario.hook.is_some() {
            world.society.is_moderated(scenario.mishaps.iter().any(|mishap| mishap.copies_clients()));
        }
        let mut made = scenario.nodes;
        let clients: Vec<_> = scenario
            .clients
            .iter()
            .map(|(habits, is_durable)| {
                made += 1;
                let (habits, host) = (habits.clone(), HostId(made));
                SimClient::new(world.clone(), host, hosts.clone(), habits, *is_durable, &mut dice)
            })
            .collect();
        Self {
            restarts: vec![None; nodes.len()],
            client_restarts: vec![None; clients.len()],
            world,
            dice,
            scenario,
            nodes,
            clients,
            hosts: made,
            shared,
            backup: None,
            older: Vec::new(),
            frozen: Vec::new(),
            parted: Vec::new(),
            full_until: None,
            away_until: None,
            mishaps: 0,
        }
    }

    /// Things that went wrong so far.
    pub(crate) const fn mishaps(&self) -> u64 {
        self.mishaps
    }

    /// The run from its beginning to its last read.
    pub(crate) async fn direct(&mut self) {
        // A store's files get their names once they are complete: none is found half made.
        for node in &mut self.nodes {
            if node.start().is_ok() {
                node.close();
            }
        }
        self.world.network.set_weather(self.scenario.weather);
        self.world.trace.note("director", format_args!("{:?}", self.scenario.mishaps));
        let mut next = self.pause();
        while self.world.kernel.now() < FAULTS_LAST
            && (self.world.kernel.now() < self.scenario.least || !self.is_done())
        {
            self.supervise();
            if self.world.kernel.now() >= next {
                if !self.scenario.mishaps.is_empty() {
                    let kinds = self.scenario.mishaps.len() as u64;
                    let kind = self.scenario.mishaps[crate::kernel::index(self.dice.below(kinds))];
                    self.strike(kind).await;
                }
                next = self.pause();
            }
            self.tick(TICK).await;
        }
        self.world.society.end();
        self.stop_faults();
        self.world.recorder.push(Record::FaultsStopped);
        self.world.trace.note("director", "the faults stop");
        self.settle().await;
        self.check_views().await;
        self.read_logs().await;
    }

    /// Everybody has said what there was to say.
    fn is_done(&self) -> bool {
        self.clients.iter().all(|client| client.to_do() == 0) && self.world.recorder.owed() == 0
    }

    async fn tick(&mut self, most: Duration) {
        let pause = between(&mut self.dice, most / 20, most);
        self.world.kernel.sleep(pause).await;
    }

    fn pause(&mut self) -> Duration {
        let (least, most) = self.scenario.every;
        self.world.kernel.now() + between(&mut self.dice, least, most)
    }

    /// Starts who is down and due, lets go on who stood still long enough.
    fn supervise(&mut self) {
        let now = self.world.kernel.now();
        for (process, _) in self.frozen.extract_if(.., |(_, until)| *until <= now) {
            self.world.kernel.thaw(process);
        }
        for (one, other, _) in self.parted.extract_if(.., |(_, _, until)| *until <= now) {
            self.world.network.join(one, other);
        }
        if self.full_until.is_some_and(|until| until <= now) {
            self.make_room();
        }
        if self.away_until.is_some_and(|until| until <= now) {
            self.bring_database_back();
        }
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            if node.has_failed() {
                node.lose_power_or_kill(&mut self.dice);
            }
            let due = between(&mut self.dice, DOWN.0, DOWN.1);
            if !self.nodes[at].is_running() && *self.restarts[at].get_or_insert(now + due) <= now {
                self.restarts[at] = None;
                self.world.network.lighten(self.nodes[at].host());
                // Where it does not start it is tried again; in the end it must.
                let _ = self.nodes[at].start();
            }
        }
        for at in 0..self.clients.len() {
            if self.clients[at].is_dark() {
                self.clients[at].lose_power(&mut self.dice);
            } else if self.clients[at].has_stopped() {
                self.clients[at].kill();
            }
            let due = between(&mut self.dice, DOWN.0, DOWN.1);
            if !self.clients[at].is_running() && *self.client_restarts[at].get_or_insert(now + due) <= now {
                self.client_restarts[at] = None;
                self.world.network.lighten(self.clients[at].host());
                let _ = self.clients[at].start();
            }
        }
    }
}

/// How long things go wrong at the most. Source: chosen; some dozens of mishaps.
const FAULTS_LAST: Duration = Duration::from_secs(180);

/// Time between two looks of the director, at most. Source: chosen.
const TICK: Duration = Duration::from_millis(500);

/// How long somebody is down, at least and at most. Source: chosen.
const DOWN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(20));
