//! A disk in memory that fails on command: what redb sees as a file, and what the simulator does to it.
//!
//! ```text
//! program -- write, set_len --> seen ----- sync -----> kept
//!                                 \-- since the last sync: lost, kept or torn, each for itself, when the power goes
//! ```
//!
//! [`Power`] is the machine: it has the disks that lose power together. [`Disk`] is one of them *as one process holds it*:
//! [`Disk::attach`] is the start of a process, and once that process was killed or its machine crashed every I/O of its
//! handle is refused. That matters: redb writes when a database is dropped, and a dead process does not.
//!
//! Nothing here is random but what a [`SplitMix64`] that is handed in says: the same calls do the same again.

mod fault;
mod image;
mod power;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anchor_core::conformance::environment::SplitMix64;
use redb::StorageBackend;

pub use self::fault::{At, Counts, Fault};
pub use self::power::{Power, Room};

use self::fault::{Armed, Operation};
use self::image::Image;

/// One disk of a machine, as one process holds it. Clones are the same disk in the same process.
#[derive(Clone)]
pub struct Disk {
    power: Power,
    process: u64,
    content: Arc<Mutex<Content>>,
}

/// What is on a disk, and what is wrong with it.
#[derive(Default)]
struct Content {
    /// What programs see.
    seen: Image,
    /// What survives a loss of power.
    kept: Image,
    /// What was written since the last sync, oldest first.
    unsynced: Vec<Write>,
    /// A sync failed: what programs see may be more than what will ever be kept.
    is_stale: bool,
    unreadable: Vec<Range<usize>>,
    armed: Armed,
    counts: Counts,
}

#[derive(Clone)]
enum Write {
    Data { offset: usize, data: Vec<u8> },
    Length(usize),
}

impl Disk {
    /// The disk as a process that starts now holds it. Where a sync had failed, what was cached of it is gone: a read
    /// gives what the disk has, as after `fadvise(DONTNEED)`.
    #[must_use]
    pub fn attach(&self) -> Self {
        let process = self.power.process();
        let mut content = lock(&self.content);
        if std::mem::take(&mut content.is_stale) {
            let Content { seen, kept, unsynced, .. } = &mut *content;
            seen.clone_from(kept);
            unsynced.iter().for_each(|write| write.apply(seen));
        }
        drop(content);
        Self { power: self.power.clone(), process, content: Arc::clone(&self.content) }
    }

    /// A copy of what programs see now, as another disk, whole and synced, of the machine `power`: a backup of a store that
    /// is closed, the clone of a client's state. Faults are not copied. Cheap: both share what neither changes.
    #[must_use]
    pub fn copy(&self, power: &Power) -> Self {
        let seen = lock(&self.content).seen.clone();
        power.disk_of(Content { kept: seen.clone(), seen, ..Content::default() })
    }

    /// The disk as it stands, synced or not, as one of the machine `power`: a run parts here in two, and each may lose its
    /// power in its own way. Faults are not copied.
    #[must_use]
    pub fn fork(&self, power: &Power) -> Self {
        let content = lock(&self.content);
        let Content { seen, kept, unsynced, is_stale, .. } = &*content;
        let (seen, kept, unsynced) = (seen.clone(), kept.clone(), unsynced.clone());
        power.disk_of(Content { seen, kept, unsynced, is_stale: *is_stale, ..Content::default() })
    }

    /// What programs see now.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.content).seen.to_bytes()
    }

    /// The machine that it belongs to.
    #[must_use]
    pub const fn power(&self) -> &Power {
        &self.power
    }

    /// Lets `fault` strike this disk, once.
    pub fn arm(&self, at: At, fault: Fault) {
        lock(&self.content).armed.arm(at, fault);
    }

    /// Takes back what [`Disk::arm`] and [`Disk::make_unreadable`] prepared.
    pub fn disarm(&self) {
        let mut content = lock(&self.content);
        content.armed = Armed::default();
        content.unreadable.clear();
    }

    /// From now on every read that touches `bytes` fails: a latent error of the medium. Writing does not mend it.
    pub fn make_unreadable(&self, bytes: Range<u64>) {
        let range = index(bytes.start)..index(bytes.end);
        lock(&self.content).unreadable.push(range);
    }

    /// What was asked of this disk since it was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.content).counts
    }

    /// Begins an operation: counts it, and says which fault strikes.
    fn begin(&self, operation: Operation) -> io::Result<(MutexGuard<'_, Content>, Option<Fault>, Room)> {
        let mut power = self.power.lock();
        if !power.serves(self.process) {
            return Err(power_is_off());
        }
        let mut content = lock(&self.content);
        power.counts.add(operation);
        content.counts.add(operation);
        let fault = Fault::worse(power.armed.strike(operation), content.armed.strike(operation));
        match fault {
            Some(Fault::PowerOff) => power.is_on = false,
            Some(Fault::Full(room)) => power.room = room,
            _ => {}
        }
        let room = power.room;
        Ok((content, fault, room))
    }

    fn alter(&self, write: Write) -> io::Result<()> {
        let bytes = match &write {
            Write::Data { data, .. } => data.len(),
            Write::Length(_) => 0,
        };
        let (mut content, fault, room) = self.begin(Operation::Write { bytes: bytes as u64 })?;
        match fault {
            // It was under way: as likely there as not.
            Some(Fault::PowerOff) => {
                content.note(write);
                Err(power_is_off())
            }
            Some(Fault::Error(mut random)) => {
                write.torn(&mut random).into_iter().for_each(|part| content.note(part));
                Err(broken())
            }
            _ if !room.takes(&content.seen, &write) => Err(io::Error::from_raw_os_error(ENOSPC)),
            _ => {
                content.note(write);
                Ok(())
            }
        }
    }
}

impl Content {
    fn note(&mut self, write: Write) {
        write.apply(&mut self.seen);
        self.unsynced.push(write);
    }

    /// Makes everything that was written durable.
    fn sync(&mut self) {
        let Self { seen, kept, unsynced, is_stale, .. } = self;
        let resized = unsynced.iter().any(|write| matches!(write, Write::Length(_)));
        match (*is_stale, resized) {
            // What was seen before a failed sync is not made durable by a later one.
            (true, _) => unsynced.iter().for_each(|write| write.apply(kept)),
            (false, true) => kept.clone_from(seen),
            (false, false) => {
                for write in &*unsynced {
                    if let Write::Data { offset, data } = write {
                        kept.adopt(seen, *offset..*offset + data.len());
                    }
                }
            }
        }
        unsynced.clear();
    }

    /// Decides what of the unsynced writes survives: nothing, all, a beginning with the last of it torn, or each for
    /// itself.
    fn settle(&mut self, random: &mut SplitMix64) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let kept = &mut self.kept;
        let manner = random.below(4);
        let cut = random.below(unsynced.len() as u64 + 1);
        for (number, write) in (0..).zip(unsynced) {
            let fate = match manner {
                0 => Fate::Lost,
                1 => Fate::Kept,
                2 if number < cut => Fate::Kept,
                2 if number == cut => Fate::Torn,
                2 => Fate::Lost,
                _ => Fate::draw(random),
            };
            match fate {
                Fate::Lost => {}
                Fate::Kept => write.apply(kept),
                Fate::Torn => write.torn(random).iter().for_each(|part| part.apply(kept)),
            }
        }
    }

    /// The power goes, and comes again.
    fn crash(&mut self, random: &mut SplitMix64) {
        self.settle(random);
        self.seen.clone_from(&self.kept);
        self.is_stale = false;
    }

    /// A sync fails: what was unsynced is on the disk or not, and no later sync will do anything about it. Programs still
    /// see it, for it is in the cache, marked as clean.
    fn fail_sync(&mut self, random: &mut SplitMix64) {
        self.settle(random);
        self.is_stale = true;
    }
}

/// What becomes of a write that was not synced when the power goes.
enum Fate {
    Lost,
    Kept,
    Torn,
}

impl Fate {
    const fn draw(random: &mut SplitMix64) -> Self {
        match random.below(3) {
            0 => Self::Lost,
            1 => Self::Kept,
            _ => Self::Torn,
        }
    }
}

impl Write {
    fn apply(&self, image: &mut Image) {
        match self {
            Self::Length(length) => image.resize(*length),
            Self::Data { offset, data } => image.write(*offset, data),
        }
    }

    /// The parts of it that happen where it is torn: each sector does or does not; a change of length happens or does not.
    fn torn(self, random: &mut SplitMix64) -> Vec<Self> {
        let mut happens = || random.below(2) == 0;
        match self {
            Self::Length(_) => {
                if happens() {
                    vec![self]
                } else {
                    Vec::new()
                }
            }
            Self::Data { offset, data } => {
                let mut parts = Vec::new();
                let mut at = 0;
                while at < data.len() {
                    // Sectors are those of the disk, not of the write.
                    let end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
                    let end = end.min(data.len());
                    if happens() {
                        parts.push(Self::Data { offset: offset + at, data: data[at..end].to_vec() });
                    }
                    at = end;
                }
                parts
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        match self.power.lock().serves(self.process) {
            true => Ok(lock(&self.content).seen.len() as u64),
            false => Err(power_is_off()),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (content, fault, _) = self.begin(Operation::Read)?;
        match fault {
            Some(Fault::PowerOff) => return Err(power_is_off()),
            Some(Fault::Error(_)) => return Err(broken()),
            Some(Fault::Full(_)) | None => {}
        }
        let range = index(offset)..index(offset) + out.len();
        if content.unreadable.iter().any(|bad| bad.start < range.end && range.start < bad.end) {
            return Err(broken());
        }
        match content.seen.read(range.start, out) {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alter(Write::Length(index(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut content, fault, _) = self.begin(Operation::Sync)?;
        match fault {
            Some(Fault::PowerOff) => Err(power_is_off()),
            Some(Fault::Error(mut random)) => {
                content.fail_sync(&mut random);
                Err(broken())
            }
            Some(Fault::Full(_)) | None => {
                content.sync();
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.alter(Write::Data { offset: index(offset), data: data.to_vec() })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = lock(&self.content);
        f.debug_struct("Disk")
            .field("process", &self.process)
            .field("bytes", &content.seen.len())
            .field("unsynced", &content.unsynced.len())
            .finish_non_exhaustive()
    }
}

/// A place on a disk. Disks in memory are smaller than the memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn broken() -> io::Error {
    io::Error::from_raw_os_error(EIO)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that a disk writes whole or not at all. Source: the logical sector of common disks.
const SECTOR: usize = 512;

/// "Input/output error". Source: errno of Linux and macOS.
const EIO: i32 = 5;

/// "No space left on device". Source: errno of Linux and macOS.
const ENOSPC: i32 = 28;

#[cfg(test)]
mod tests;
