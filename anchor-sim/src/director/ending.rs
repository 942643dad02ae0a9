//! After the faults: everybody catches up, the power goes once more, and every log is read in full.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::conformance::promise::{Entry, Log, Record};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::store::{Direction, Read, Store, StoreError, StoreExt};

use super::Director;
use crate::client::SimClient;
use crate::kernel::ProcessId;
use crate::node::{Backing, Node};
use crate::scenario::Scenario;
use crate::society::may_announce;

impl Director {
    /// Waits until nobody has anything left to say or to read, or for so long that nobody ever will.
    pub(super) async fn settle(&mut self) {
        let until = self.world.kernel.now() + PATIENCE;
        let mut quiet = 0;
        while quiet < QUIET && self.world.kernel.now() < until {
            self.supervise();
            self.tick(Duration::from_secs(2)).await;
            let is_quiet = self.is_up() && self.is_done() && self.who_lags().await.is_none();
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
        let settled = self.world.kernel.now();
        if quiet < QUIET {
            self.tell_who_is_late().await;
        }
        // Time for beats, and for answers to whoever calls just now.
        self.world.kernel.sleep(Duration::from_secs(65)).await;
        for call in self.world.recorder.unanswered(settled) {
            self.world.recorder.defect(format!("nobody answered {call}"));
        }
        self.announce_the_end().await;
    }

    /// Says one last thing to everybody, and waits until everybody has heard it.
    async fn announce_the_end(&mut self) {
        let mut running = self.clients.iter().filter_map(SimClient::running);
        let Some((admin, ..)) = running.find(|(_, user, _)| may_announce(user)) else { return };
        let text = "that is all";
        self.world.society.announces(text);
        let is_said = match admin.announce(text).await {
            Ok(publishing) => publishing.await.is_ok(),
            Err(_) => false,
        };
        if !is_said {
            return self.world.recorder.defect("the end could not be announced".to_owned());
        }
        let until = self.world.kernel.now() + HEARING;
        loop {
            let late = match self.who_has_not_heard() {
                Some(deaf) => Some(format!("{deaf} never hears that the end is announced")),
                // It is a message like others, to whoever follows them all.
                None => self.who_lags().await,
            };
            match late {
                None => return,
                Some(late) if self.world.kernel.now() >= until => return self.world.recorder.defect(late),
                Some(_) => self.tick(Duration::from_secs(2)).await,
            }
        }
    }

    fn who_has_not_heard(&self) -> Option<ProcessId> {
        let mut listening = self.clients.iter().filter_map(SimClient::listening);
        listening.find(|process| !self.world.society.has_heard_all(*process))
    }

    async fn tell_who_is_late(&self) {
        let recorder = &self.world.recorder;
        for client in &self.clients {
            self.world.trace.note("director", format_args!("at the end: {}", client.state()));
            if client.to_do() > 0 || !client.is_running() {
                recorder.defect(format!("a client did not come to its end: {}", client.state()));
            }
        }
        for node in self.nodes.iter().filter(|node| !node.is_running()) {
            recorder.defect(format!("{} does not start any more", node.host()));
        }
        if let Some(who) = self.who_lags().await {
            recorder.defect(who);
        }
    }

    /// True if everybody runs.
    fn is_up(&self) -> bool {
        self.nodes.iter().all(Node::is_running) && self.clients.iter().all(SimClient::is_running)
    }

    /// A reader that has not come to the head of its room.
    async fn who_lags(&self) -> Option<String> {
        let Some(anchor) = self.nodes.iter().find_map(|node| node.anchor()) else {
            return Some("there is no server to read from".to_owned());
        };
        for (reader, room, offset) in self.world.recorder.cursors() {
            let head = match anchor.store().room(&room).await {
                Ok(state) => state.map_or(Offset::ZERO, |state| state.head.offset),
                Err(error) => return Some(format!("{room} cannot be read: {error}")),
            };
            if head != offset {
                return Some(format!("{reader} stands at {offset} of {room}, whose head is {head}"));
            }
        }
        if let Some(what) = self.what_is_not_derived(&**anchor.store()).await {
            return Some(what);
        }
        self.who_lags_in_a_club()
    }

    /// Every room that there may be.
    pub(super) fn all_rooms(&self) -> impl Iterator<Item = RoomId> {
        let Scenario { rooms, .. } = &self.scenario;
        rooms.iter().chain(self.scenario.societies()).cloned().chain(self.scenario.system_rooms())
    }

    /// A reader that has not come to where a room with members ends for its user: the head, or the event that removed it.
    fn who_lags_in_a_club(&self) -> Option<String> {
        let lags = |client: &SimClient| {
            let (_, user, reader) = client.running()?;
            client.societies().find_map(|room| self.world.society.who_lags(reader, user, room))
        };
        self.clients.iter().find_map(lags)
    }

    /// Asks for everything that members can ask for, now that nothing changes any more.
    pub(super) async fn check_views(&self) {
        for client in &self.clients {
            let Some((handle, user, _)) = client.running() else { continue };
            for room in client.societies() {
                let society = &self.world.society;
                let mut broken = society.check_view(handle, user, room).await;
                broken.extend(society.check_reports(handle, user, room).await);
                broken.into_iter().for_each(|broken| self.world.recorder.defect(broken));
            }
        }
        let anchor = self.nodes.iter().find_map(|node| node.anchor());
        if let Some(anchor) = anchor
            && let Err(error) = self.check_watched(&**anchor.store()).await
        {
            self.world.recorder.defect(format!("what is watched cannot be read: {error}"));
        }
    }

    /// Reads every room in full, after a last loss of power.
    pub(super) async fn read_logs(&mut self) {
        let node = &mut self.nodes[0];
        if matches!(node.backing(), Backing::Disks(_)) {
            node.retire_programs();
            node.lose_power(&mut self.dice);
            if let Err(error) = node.start() {
                return self.world.recorder.defect(format!("the store does not open any more: {error}"));
            }
        }
        let Some(anchor) = node.anchor().cloned() else {
            return self.world.recorder.defect("there is no server in the end".to_owned());
        };
        for room in &self.scenario.rooms {
            match read_log(&**anchor.store(), room).await {
                Ok(Some(log)) => self.world.recorder.set_log(room.clone(), log),
                Ok(None) => {}
                Err(error) => self.world.recorder.defect(format!("{room} cannot be read: {error}")),
            }
        }
        if let Err(error) = self.read_clubs(&**anchor.store()).await {
            self.world.recorder.defect(format!("a club cannot be read: {error}"));
        }
        if let Err(error) = self.check_derived(&anchor).await {
            self.world.recorder.defect(format!("what was derived cannot be read: {error}"));
        }
    }

    /// Reads every club in full, and judges what was told of them.
    async fn read_clubs(&self, store: &dyn Store) -> Result<(), StoreError> {
        let recorder = &self.world.recorder;
        let (mut left, mut epochs) = (BTreeMap::new(), BTreeMap::new());
        for club in self.scenario.societies() {
            let Some(state) = store.room(club).await? else { continue };
            epochs.insert(club.clone(), state.epoch());
            left.insert(club.clone(), store.read_all(club).await?);
            if let Some(log) = read_log(store, club).await? {
                recorder.set_log(club.clone(), log);
            }
        }
        for room in self.scenario.system_rooms() {
            let Some(state) = store.room(&room).await? else { continue };
            epochs.insert(room.clone(), state.epoch());
            left.insert(room.clone(), store.read_all(&room).await?);
        }
        let users: Vec<_> = self.scenario.clients.iter().map(|(habits, _)| habits.user.clone()).collect();
        for user in users.iter().filter(|_| !self.scenario.pairs.is_empty()) {
            let row = store.user(user).await?;
            let broken = self.world.society.check_row(user, &users, &row);
            broken.into_iter().for_each(|broken| recorder.defect(broken));
        }
        for (room, epoch) in self.world.society.gone(&left, &epochs) {
            recorder.push(Record::Deleted { room, epoch });
        }
        self.world.society.verdict(&left, &epochs).into_iter().for_each(|broken| recorder.defect(broken));
        Ok(())
    }
}

/// Everything that `store` has of `room`; none where it has nothing.
pub(super) async fn read_log(store: &dyn Store, room: &RoomId) -> Result<Option<Log>, StoreError> {
    let Some(state) = store.room(room).await? else { return Ok(None) };
    let before = state.horizon.previous();
    let mut log = Log { epoch: state.epoch(), before, entries: Vec::new() };
    loop {
        let from = Direction::After(log.head());
        let read = Read { room: room.clone(), from, events_max: 200, bytes_max: 1 << 20 };
        let runs = store.read(read).await?;
        if runs.is_empty() {
            return Ok(Some(log));
        }
        let head = log.head();
        for run in &runs {
            for event in run.events() {
                let event = event.map_err(|error| StoreError::Corrupt(error.to_string()))?;
                if event.offset > head {
                    log.entries.push(Entry::of_marked(run.epoch(), &event));
                }
            }
        }
    }
}

/// How long an announcement may take to be heard by everybody. Source: chosen; nothing goes wrong any more.
const HEARING: Duration = Duration::from_secs(120);

/// How long catching up may take. Source: chosen; heartbeats, backoff and slow readers included.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Looks in a row that find nobody busy. Source: chosen.
const QUIET: u32 = 3;
