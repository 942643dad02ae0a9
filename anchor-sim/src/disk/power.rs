//! The machine behind a set of disks: they lose power together, and fill the same file system.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use anchor_core::conformance::environment::SplitMix64;

use super::fault::{Armed, At, Counts, Fault};
use super::image::Image;
use super::{Content, Disk, Write, lock};

/// One machine with one process that matters, and its disks. Clones are the same machine.
#[derive(Clone, Default)]
pub struct Power(Arc<Mutex<State>>);

/// What a file system has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Everything.
    #[default]
    Plenty,
    /// What was written before may be written again; files do not grow, and what was never written stays a hole.
    NoGrowth,
    /// Nothing, as where a file system never writes in place.
    NoWrites,
}

pub(super) struct State {
    pub(super) is_on: bool,
    /// Processes that ended here: the one that runs has this number.
    process: u64,
    pub(super) room: Room,
    pub(super) armed: Armed,
    pub(super) counts: Counts,
    /// In the order in which they were made.
    disks: Vec<Weak<Mutex<Content>>>,
}

impl Power {
    /// A machine without disks, with the power on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new disk with nothing on it, in the hands of the process that runs now.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.disk_of(Content::default())
    }

    /// A new disk that has `bytes`, all of them synced.
    #[must_use]
    pub fn disk_with(&self, bytes: &[u8]) -> Disk {
        let seen = Image::from_bytes(bytes);
        self.disk_of(Content { kept: seen.clone(), seen, ..Content::default() })
    }

    /// Ends the process: its handles serve no more. What it wrote stays, synced or not, as long as the power does.
    pub fn kill(&self) {
        self.lock().process += 1;
    }

    /// Ends the process with a loss of power: what is not synced is lost, kept or torn, as `random` says. Then the power is
    /// on again, for whoever [attaches](Disk::attach). Faults that still wait stay, and so does what a full disk is.
    pub fn crash(&self, random: &mut SplitMix64) {
        let mut state = self.lock();
        state.is_on = true;
        state.process += 1;
        for disk in &state.disks {
            if let Some(content) = disk.upgrade() {
                lock(&content).crash(random);
            }
        }
    }

    /// Takes the power away now: every I/O fails until [`Power::crash`].
    pub fn turn_off(&self) {
        self.lock().is_on = false;
    }

    /// False once the power went.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.lock().is_on
    }

    /// Lets `fault` strike, once, whichever disk is asked at that moment.
    pub fn arm(&self, at: At, fault: Fault) {
        self.lock().armed.arm(at, fault);
    }

    /// Takes back what [`Power::arm`] prepared; disks have their own [`Disk::disarm`].
    pub fn disarm(&self) {
        self.lock().armed = Armed::default();
    }

    /// Says what the file system has room for from now on.
    pub fn set_room(&self, room: Room) {
        self.lock().room = room;
    }

    /// What the file system has room for.
    #[must_use]
    pub fn room(&self) -> Room {
        self.lock().room
    }

    /// What was asked of all disks of this machine, also of those that are gone.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    pub(super) fn disk_of(&self, content: Content) -> Disk {
        let content = Arc::new(Mutex::new(content));
        let mut state = self.lock();
        state.disks.retain(|disk| disk.strong_count() > 0);
        state.disks.push(Arc::downgrade(&content));
        Disk { power: self.clone(), process: state.process, content }
    }

    /// The number of the process that runs now.
    pub(super) fn process(&self) -> u64 {
        self.lock().process
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl Room {
    pub(super) fn takes(self, seen: &Image, write: &Write) -> bool {
        match (self, write) {
            (Self::Plenty, _) => true,
            (_, Write::Length(length)) if *length <= seen.len() => true,
            (Self::NoGrowth, Write::Data { offset, data }) => !seen.has_hole(*offset..*offset + data.len()),
            (Self::NoGrowth | Self::NoWrites, _) => false,
        }
    }
}

impl State {
    /// True if the power is on and a process with this number still runs.
    pub(super) const fn serves(&self, process: u64) -> bool {
        self.is_on && self.process == process
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            is_on: true,
            process: 0,
            room: Room::default(),
            armed: Armed::default(),
            counts: Counts::default(),
            disks: Vec::new(),
        }
    }
}

impl fmt::Debug for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Power")
            .field("is_on", &state.is_on)
            .field("process", &state.process)
            .field("room", &state.room)
            .field("disks", &state.disks.len())
            .finish_non_exhaustive()
    }
}
