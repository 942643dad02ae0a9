//! Faults that wait for their moment, and counts of what a disk was asked to do.

use anchor_core::conformance::environment::SplitMix64;

/// The moment of a fault: the n-th operation of a kind from now on, 1 being the next. Counted over all disks of a
/// machine where the machine is armed, over one disk where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The n-th read.
    Read(u64),
    /// The n-th write or change of length.
    Write(u64),
    /// The n-th sync.
    Sync(u64),
}

/// What goes wrong. It strikes once; what it did to the machine stays.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The power goes before the operation takes effect; a write that is under way may still be found on the disk. Every
    /// I/O of the machine fails until [`Power::crash`](super::Power::crash).
    PowerOff,
    /// The operation fails. Of a write some sectors may be there. Of a failed sync what was unsynced is on the disk or not,
    /// as the generator says, programs see it as before, and no later sync will write it: only a process that starts anew
    /// sees what is there.
    Error(SplitMix64),
    /// The file system is full from here on, until [`Power::set_room`](super::Power::set_room) says otherwise.
    Full(super::Room),
}

/// What was asked of a disk, or of all disks of a machine: also what failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads.
    pub reads: u64,
    /// Writes and changes of length.
    pub writes: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Syncs.
    pub syncs: u64,
}

/// An operation that a fault may strike.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Read,
    Write { bytes: u64 },
    Sync,
}

/// Faults that wait.
#[derive(Debug, Default)]
pub(super) struct Armed(Vec<(At, Fault)>);

impl Armed {
    pub(super) fn arm(&mut self, at: At, fault: Fault) {
        self.0.push((at, fault));
    }

    /// Counts an operation; the worst fault that strikes at it.
    pub(super) fn strike(&mut self, operation: Operation) -> Option<Fault> {
        let mut worst = None;
        self.0.retain_mut(|(at, fault)| {
            let ((Operation::Read, At::Read(left))
            | (Operation::Write { .. }, At::Write(left))
            | (Operation::Sync, At::Sync(left))) = (operation, at)
            else {
                return true;
            };
            *left = left.saturating_sub(1);
            if *left == 0 {
                worst = Fault::worse(worst.take(), Some(fault.clone()));
            }
            *left > 0
        });
        worst
    }
}

impl Fault {
    /// Of two faults that strike at once the one that hides the other.
    pub(super) fn worse(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(Self::PowerOff), _) | (_, Some(Self::PowerOff)) => Some(Self::PowerOff),
            (Some(Self::Error(random)), _) | (_, Some(Self::Error(random))) => Some(Self::Error(random)),
            (one, other) => one.or(other),
        }
    }
}

impl Counts {
    pub(super) const fn add(&mut self, operation: Operation) {
        match operation {
            Operation::Read => self.reads += 1,
            Operation::Write { bytes } => {
                self.writes += 1;
                self.bytes_written += bytes;
            }
            Operation::Sync => self.syncs += 1,
        }
    }
}
