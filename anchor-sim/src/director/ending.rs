//! After the faults: everybody catches up, the power goes once more, and every log is read in full.

use std::time::Duration;

use anchor_core::conformance::promise::{Entry, Log};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::store::{Direction, Read, Store, StoreError};

use super::Director;
use crate::node::Backing;

impl Director {
    /// Waits until nobody has anything left to say or to read, or for so long that nobody ever will.
    pub(super) async fn settle(&mut self) {
        let until = self.world.kernel.now() + PATIENCE;
        let mut quiet = 0;
        while quiet < QUIET && self.world.kernel.now() < until {
            self.supervise();
            self.tick(Duration::from_secs(2)).await;
            quiet = if self.is_done() && self.is_read().await { quiet + 1 } else { 0 };
        }
        if quiet < QUIET {
            for client in &self.clients {
                self.world.trace.note("director", format_args!("at the end: {}", client.state()));
                if client.to_do() > 0 {
                    let state = client.state();
                    self.world.recorder.defect(format!("a client did not come to its end: {state}"));
                }
            }
        }
        // Time for beats.
        self.world.kernel.sleep(Duration::from_secs(65)).await;
    }

    /// True if every reader has come to the head of its rooms.
    async fn is_read(&self) -> bool {
        let Some(anchor) = self.nodes.iter().find_map(|node| node.anchor()) else { return false };
        for (_, room, offset) in self.world.recorder.cursors() {
            match anchor.store().room(&room).await {
                Ok(state) if state.as_ref().map_or(Offset::ZERO, |state| state.head.offset) == offset => {}
                _ => return false,
            }
        }
        true
    }

    /// Reads every room in full, after a last loss of power.
    pub(super) async fn read_logs(&mut self) {
        let node = &mut self.nodes[0];
        if matches!(node.backing(), Backing::Disks(_)) {
            node.retire_bot();
            node.lose_power(&mut self.dice);
            if let Err(error) = node.start() {
                return self.world.recorder.defect(format!("the store does not open any more: {error}"));
            }
        }
        let Some(anchor) = node.anchor() else {
            return self.world.recorder.defect("there is no server in the end".to_owned());
        };
        for room in &self.scenario.rooms {
            match read_log(&**anchor.store(), room).await {
                Ok(Some(log)) => self.world.recorder.set_log(room.clone(), log),
                Ok(None) => {}
                Err(error) => self.world.recorder.defect(format!("{room} cannot be read: {error}")),
            }
        }
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

/// How long catching up may take. Source: chosen; heartbeats, backoff and slow readers included.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Looks in a row that find nobody busy. Source: chosen.
const QUIET: u32 = 3;
