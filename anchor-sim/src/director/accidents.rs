//! Each kind of mishap, and what ends it.

use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::faults::Fault as StoreFault;
use anchor_core::conformance::promise::Record;
use anchor_core::position::Offset;
use anchor_core::store::Store;
use anchor_store::{RedbStore, restore_backends};

use super::Director;
use super::ending::read_log;
use crate::clock::between;
use crate::disk::{At, Fault, Power, Room};
use crate::kernel::index;
use crate::mishap::Mishap;
use crate::network::HostId;
use crate::node::{Backing, Disks, Node};
use crate::scenario::Scenario;

impl Director {
    /// Lets something go wrong.
    pub(super) async fn strike(&mut self, kind: Mishap) {
        self.mishaps += 1;
        self.world.trace.note("director", format_args!("{kind:?}"));
        let node = index(self.dice.below(self.nodes.len() as u64));
        let client = index(self.dice.below(self.clients.len() as u64));
        match kind {
            Mishap::KillNode => self.nodes[node].kill(),
            Mishap::Drain => self.nodes[node].drain(Duration::from_secs(2)).await,
            Mishap::PowerNode => self.nodes[node].lose_power(&mut self.dice),
            Mishap::PowerAtWrite => {
                let at = self.somewhere();
                self.arm_node(node, at, Fault::PowerOff);
            }
            Mishap::SyncFails => {
                let (at, fault) = (At::Sync(1 + self.dice.below(6)), self.error());
                self.arm_node(node, at, fault);
            }
            Mishap::WriteFails => {
                let (at, fault) = (At::Write(1 + self.dice.below(60)), self.error());
                self.arm_node(node, at, fault);
            }
            Mishap::ReadFails => {
                let (at, fault) = (At::Read(1 + self.dice.below(30)), self.error());
                self.arm_node(node, at, fault);
            }
            Mishap::DiskFull => self.fill_disk(node),
            Mishap::Restore => self.restore(node).await,
            Mishap::Cut => {
                let host = self.any_host();
                let one_in = 1 + self.dice.below(3);
                self.world.network.cut(host, one_in);
            }
            Mishap::Part => {
                let (one, other) = (self.nodes[node].host(), self.clients[client].host());
                self.world.network.part(one, other);
                let until = self.until(Duration::from_secs(90));
                self.parted.push((one, other, until));
            }
            Mishap::FreezeNode => self.freeze(self.nodes[node].process()),
            Mishap::FreezeClient => self.freeze(self.clients[client].process()),
            Mishap::ClockJump => self.set_clock(node, client),
            Mishap::KillClient => self.clients[client].kill(),
            Mishap::CloseClient => self.close_client(client).await,
            Mishap::PowerClient => self.clients[client].lose_power(&mut self.dice),
            Mishap::ClientPowerAtWrite => {
                let at = self.somewhere();
                if let Some(power) = self.clients[client].power() {
                    power.arm(at, Fault::PowerOff);
                }
            }
            Mishap::ClientDiskFails => {
                let (at, fault) = (self.somewhere(), self.error());
                if let Some(power) = self.clients[client].power() {
                    power.arm(at, fault);
                }
            }
            Mishap::CloneClient => self.clone_client(client),
            Mishap::SetBackClient => self.set_client_back(client),
            Mishap::Trim => self.trim(node).await,
            Mishap::DatabaseAway => self.take_database_away(),
            Mishap::DatabaseUnknown => self.make_outcome_unknown(node),
            Mishap::FailOver => self.fail_over().await,
            Mishap::BusChaos => self.stir_bus(),
            Mishap::BusInterrupted => {
                if let Some(shared) = &self.shared {
                    shared.hub.interrupt();
                }
            }
        }
    }

    /// Ends everything that goes wrong.
    pub(super) fn stop_faults(&mut self) {
        self.world.network.heal();
        self.make_room();
        self.bring_database_back();
        self.frozen.drain(..).for_each(|(process, _)| self.world.kernel.thaw(process));
        self.parted.clear();
        if let Some(shared) = &self.shared {
            // A last message may be lost, and no later one shows it.
            while self.dice.below(2) == 0 && !shared.hub.held().is_empty() {
                shared.hub.lose(shared.hub.held().len() - 1);
            }
            shared.hub.release_all();
        }
        for node in &mut self.nodes {
            if let Backing::Disks(disks) = node.backing() {
                disks.power.disarm();
                disks.journal.disarm();
                disks.pages.disarm();
            }
        }
        for client in &mut self.clients {
            if let Some(power) = client.power() {
                power.disarm();
            }
        }
        let now = self.world.kernel.now();
        self.restarts.iter_mut().chain(&mut self.client_restarts).for_each(|due| *due = Some(now));
    }

    pub(super) fn make_room(&mut self) {
        self.full_until = None;
        for node in &mut self.nodes {
            if let Backing::Disks(disks) = node.backing() {
                disks.power.set_room(Room::Plenty);
            }
        }
    }

    pub(super) fn bring_database_back(&mut self) {
        self.away_until = None;
        for node in &mut self.nodes {
            if let Backing::Database(database) = node.backing() {
                database.come_back();
            }
        }
    }

    fn until(&mut self, most: Duration) -> Duration {
        self.world.kernel.now() + between(&mut self.dice, most / 500, most)
    }

    fn error(&mut self) -> Fault {
        Fault::Error(SplitMix64::new(self.dice.draw()))
    }

    /// Some write or sync that is still to come.
    fn somewhere(&mut self) -> At {
        match self.dice.below(2) {
            0 => At::Sync(1 + self.dice.below(8)),
            _ => At::Write(1 + self.dice.below(80)),
        }
    }

    fn any_host(&mut self) -> HostId {
        HostId(1 + self.dice.below(self.hosts))
    }

    fn arm_node(&mut self, node: usize, at: At, fault: Fault) {
        if let Backing::Disks(disks) = self.nodes[node].backing() {
            disks.power.arm(at, fault);
        }
    }

    fn fill_disk(&mut self, node: usize) {
        let until = self.until(Duration::from_secs(30));
        if let Backing::Disks(disks) = self.nodes[node].backing() {
            let room = if self.dice.below(2) == 0 { Room::NoGrowth } else { Room::NoWrites };
            disks.power.set_room(room);
            self.full_until = Some(until);
        }
    }

    fn freeze(&mut self, process: Option<crate::kernel::ProcessId>) {
        if let Some(process) = process {
            self.world.kernel.freeze(process);
            let until = self.until(Duration::from_secs(120));
            self.frozen.push((process, until));
        }
    }

    fn set_clock(&mut self, node: usize, client: usize) {
        if self.dice.below(2) == 0 {
            let ahead = i64::try_from(self.dice.below(200_000_000)).unwrap_or_default() - 100_000_000;
            return self.clients[client].clock().set_ahead(ahead);
        }
        // What a beat says is told by a clock that no longer agrees with the recorder's.
        self.world.recorder.ignore_beats();
        let ahead = i64::try_from(self.dice.below(200_000_000)).unwrap_or_default() - 100_000_000;
        self.nodes[node].clock().set_ahead(ahead >> (5 * self.dice.below(5)));
    }

    async fn close_client(&mut self, client: usize) {
        // One that stands still would never end.
        let process = self.clients[client].process();
        if !self.frozen.iter().any(|(frozen, _)| Some(*frozen) == process) {
            self.clients[client].close().await;
        }
    }

    fn clone_client(&mut self, client: usize) {
        if self.clients.len() >= CLIENTS_MAX {
            return;
        }
        let Some(copy) = self.clients[client].copy() else { return };
        self.hosts += 1;
        let twin = self.clients[client].twin(HostId(self.hosts), &copy, &mut self.dice);
        self.clients.push(twin);
        self.client_restarts.push(None);
        self.older.push((client, copy));
    }

    fn set_client_back(&mut self, client: usize) {
        match self.older.iter().position(|(whose, _)| *whose == client) {
            Some(at) => {
                let (_, copy) = self.older.remove(at);
                self.clients[client].set_back(&copy);
            }
            None => {
                let copy = self.clients[client].copy();
                self.older.extend(copy.map(|copy| (client, copy)));
            }
        }
    }

    async fn trim(&mut self, node: usize) {
        let Scenario { rooms, clubs, .. } = &self.scenario;
        let at = index(self.dice.below((rooms.len() + clubs.len()) as u64));
        let room = rooms.iter().chain(clubs).nth(at).expect("one of them").clone();
        let Some(anchor) = self.nodes[node].anchor() else { return };
        if let Ok(Some(log)) = read_log(&**anchor.store(), &room).await {
            self.world.recorder.stood(&room, &log);
            let horizon = Offset(1 + self.dice.below(log.head().0 + 1));
            self.nodes[node].trim(room, horizon);
        }
    }

    /// Takes a backup, or puts the one that there is in place.
    async fn restore(&mut self, node: usize) {
        let Some(backup) = self.backup.take() else {
            let at = &mut self.nodes[node];
            // Of a store that is closed, or as a snapshot of the volume after a crash.
            if self.dice.below(2) == 0 {
                at.close()
            } else {
                at.kill()
            }
            if let Backing::Disks(disks) = at.backing() {
                self.backup = Some(disks.copy());
            }
            return;
        };
        self.nodes[node].kill();
        if let Backing::Disks(disks) = self.nodes[node].backing() {
            let copy = disks.copy();
            let clock = self.nodes[node].clock().clone();
            // What does not open will not be missed: nobody was told that it stands but by acks.
            if let Ok(store) = RedbStore::with_backends(copy.journal, copy.pages, clock) {
                self.note_standing(&store).await;
            }
        }
        let disks = backup.copy();
        let clock = self.nodes[node].clock().clone();
        if let Err(error) = restore_backends(disks.journal.attach(), disks.pages.attach(), clock) {
            self.world.recorder.defect(format!("a backup cannot be restored: {error} ({error:?})"));
            return;
        }
        disks.power.kill();
        self.note_restored(&self.nodes[node], &disks).await;
        *self.nodes[node].backing() = Backing::Disks(disks);
    }

    /// Notes what `store` has before it goes back.
    async fn note_standing(&self, store: &dyn Store) {
        for room in &self.scenario.rooms {
            if let Ok(Some(log)) = read_log(store, room).await {
                self.world.recorder.stood(room, &log);
            }
        }
    }

    /// Notes for each room what the restored store has of it.
    async fn note_restored(&self, node: &Node, disks: &Disks) {
        let copy = disks.copy();
        let store = RedbStore::with_backends(copy.journal, copy.pages, node.clock().clone());
        let store = store.expect("what was restored opens");
        for room in &self.scenario.rooms {
            let state = store.room(room).await.expect("what was restored is read");
            let fork = state.map_or(Offset::ZERO, |state| state.head.offset);
            self.world.trace.note("director", format_args!("{room} is restored up to {fork}"));
            self.world.followed.restored(room, fork);
            self.world.marked.restored();
            self.world.recorder.push(Record::Restored { room: room.clone(), fork });
        }
    }

    /// From every server, or only from some.
    fn take_database_away(&mut self) {
        let from_all = self.dice.below(2) == 0;
        for node in &mut self.nodes {
            if let Backing::Database(database) = node.backing()
                && (from_all || self.dice.below(2) == 0)
            {
                database.go_away();
            }
        }
        self.away_until = Some(self.until(Duration::from_secs(20)));
    }

    fn make_outcome_unknown(&mut self, node: usize) {
        let faults = [StoreFault::Unavailable, StoreFault::UnknownUnwritten, StoreFault::UnknownWritten];
        let fault = faults[index(self.dice.below(3))];
        if let Backing::Database(database) = self.nodes[node].backing() {
            database.fail_next(fault);
        }
    }

    /// Keeps a state of the database, or lets it go on from the one that was kept.
    async fn fail_over(&mut self) {
        let Some(memory) = self.shared.as_ref().map(|shared| shared.memory.clone()) else { return };
        let goes_back = self.dice.below(2) == 0;
        if goes_back {
            self.note_standing(&memory).await;
        }
        let Some(shared) = &mut self.shared else { return };
        if !goes_back {
            shared.snapshot = shared.memory.snapshot();
            return;
        }
        shared.memory.restore_from(shared.snapshot.clone());
        shared.snapshot = shared.memory.snapshot();
        for node in &mut self.nodes {
            if let Backing::Database(database) = node.backing() {
                database.fail_over();
            }
        }
        for room in &self.scenario.rooms {
            let state = shared.memory.room(room).await.expect("a memory is read");
            let fork = state.map_or(Offset::ZERO, |state| state.head.offset);
            self.world.followed.restored(room, fork);
            self.world.marked.restored();
            self.world.recorder.push(Record::Restored { room: room.clone(), fork });
        }
    }

    /// Holds the bus, or lets a part of what it holds go, in any order, twice, or never.
    fn stir_bus(&mut self) {
        let Some(shared) = &self.shared else { return };
        shared.hub.hold();
        for _ in 0..shared.hub.held().len() {
            let held = shared.hub.held().len() as u64;
            if held == 0 {
                break;
            }
            let at = index(self.dice.below(held));
            match self.dice.below(4) {
                0 => shared.hub.lose(at),
                1 => shared.hub.repeat(at),
                _ => shared.hub.deliver(at),
            }
        }
        if self.dice.below(2) == 0 {
            shared.hub.release_all();
        }
    }
}

impl Node {
    /// Ends a process that has failed.
    pub(super) fn lose_power_or_kill(&mut self, dice: &mut SplitMix64) {
        match self.backing() {
            Backing::Disks(Disks { power, .. }) if !Power::is_on(power) => self.lose_power(dice),
            _ => self.kill(),
        }
    }
}

/// Clients in all, with copies. Source: chosen.
const CLIENTS_MAX: usize = 12;
