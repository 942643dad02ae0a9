//! What was trimmed of rooms: by people, and by what rooms keep.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::position::Offset;

use super::Society;
use super::moments::Moments;

/// Every call to raise a horizon.
#[derive(Debug, Default)]
pub(super) struct Trims(BTreeMap<RoomId, Vec<Trim>>);

#[derive(Debug)]
struct Trim {
    horizon: Offset,
    asked_at: Duration,
    /// When it was answered, and so is durable.
    done_at: Option<Duration>,
}

/// Where the horizon of a room may stand within some time: what was done before raises it, what was asked for may.
#[derive(Clone, Debug, Default)]
pub(super) struct Horizons {
    /// At the least.
    pub(super) least: Offset,
    /// Those that were asked for.
    asked: Vec<Offset>,
}

impl Horizons {
    /// At the most; zero if nobody asked for any.
    pub(super) fn most(&self) -> Offset {
        self.asked.iter().max().copied().unwrap_or_default()
    }

    /// True if somebody asked for that horizon, or for a higher one: a room that had not come so far is trimmed to its head.
    pub(super) fn has(&self, horizon: Offset) -> bool {
        self.most() >= horizon
    }
}

/// A call to raise a horizon.
#[derive(Debug)]
pub struct Trimming(usize);

impl Society {
    /// A store is asked to raise the horizon of a room.
    #[must_use]
    pub fn trims(&self, room: &RoomId, horizon: Offset) -> Trimming {
        let asked_at = self.0.kernel.now();
        let mut inner = self.inner();
        let trims = inner.trims.0.entry(room.clone()).or_default();
        trims.push(Trim { horizon, asked_at, done_at: None });
        Trimming(trims.len() - 1)
    }

    /// It has done so.
    pub fn trimmed(&self, room: &RoomId, trimming: &Trimming) {
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        let trims = inner.trims.0.get_mut(room);
        if let Some(trim) = trims.and_then(|trims| trims.get_mut(trimming.0)) {
            trim.done_at = Some(now);
        }
    }
}

impl Trims {
    /// The horizons that a room of those moments may have between two times.
    pub(super) fn between(&self, room: &RoomId, moments: &Moments, from: Duration, to: Duration) -> Horizons {
        let (begins, of_room) = (moments.begins(), self.of(room));
        let of_life = of_room.iter().filter(|trim| trim.done_at.is_none_or(|done_at| done_at >= begins));
        let mut horizons = Horizons::default();
        for trim in of_life.filter(|trim| trim.asked_at <= to) {
            horizons.asked.push(trim.horizon);
            if trim.done_at.is_some_and(|done_at| done_at < from) {
                // No further than the room had come, which none had come that was yet to begin.
                let horizon = trim.horizon.min(moments.told(trim.asked_at).next());
                horizons.least = horizons.least.max(horizon);
            }
        }
        horizons
    }

    /// The horizons that a room may have had at any time.
    pub(super) fn ever(&self, room: &RoomId) -> Horizons {
        let asked = self.of(room).iter().map(|trim| trim.horizon).collect();
        Horizons { least: Offset::ZERO, asked }
    }

    fn of(&self, room: &RoomId) -> &[Trim] {
        self.0.get(room).map_or(&[], |trims| &trims[..])
    }
}
