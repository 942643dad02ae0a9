//! Judges every delivery and every ack of a run as it comes.
//!
//! For each room the checker keeps what its readers have been told of the log, and from when on nobody can say anything new
//! of an entry it is forgotten, so memory is bounded by how far the slowest reader is behind. It finds:
//! a hole before an event (lost), a frame that tells nothing new or a message that stands twice in the log (repeated), a
//! message before an earlier one of its author, two readers who are told different logs, or an ack that names another
//! place (out of order), and messages that nobody of the run sent (strange).

use std::collections::VecDeque;

use super::body::Mark;

/// What was found wrong, by kind, with the first sentences.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) reordered: u64,
    pub(super) strange: u64,
    pub(super) sentences: Vec<String>,
}

/// The logs of all rooms, as far as they are in question.
#[derive(Debug)]
pub(super) struct Checker {
    logs: Vec<Log>,
    /// The number of the last message of each author in the log; an author writes into one room.
    numbers: Vec<u64>,
    /// Deliveries that are still to come.
    missing: u64,
    pub(super) faults: Faults,
}

/// A room as all its readers are told it.
#[derive(Debug)]
struct Log {
    /// How many readers every entry has to reach.
    readers: u32,
    /// The offset before the first entry.
    base: u64,
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mark: Option<Mark>,
    /// Readers that have not had it.
    left: u32,
    is_acked: bool,
}

/// How far a reader has read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) room: usize,
    pub(super) offset: u64,
}

/// An event that was new to its reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) mark: Mark,
    /// It was acked before, and this reader was the last.
    pub(super) is_done: bool,
}

impl Faults {
    /// Nothing is wrong.
    pub(super) const fn are_none(&self) -> bool {
        self.lost + self.repeated + self.reordered + self.strange == 0
    }

    /// Keeps the first few.
    fn tell(&mut self, sentence: impl FnOnce() -> String) {
        if self.sentences.len() < SENTENCES_MAX {
            self.sentences.push(sentence());
        }
    }

    /// Events or acks that never came.
    pub(super) fn lose(&mut self, count: u64, sentence: impl FnOnce() -> String) {
        self.lost += count;
        self.tell(sentence);
    }

    /// Takes over what another has found.
    pub(super) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
        self.strange += other.strange;
        other.sentences.into_iter().for_each(|sentence| self.tell(|| sentence));
    }

    pub(super) fn repeat(&mut self, sentence: impl FnOnce() -> String) {
        self.repeated += 1;
        self.tell(sentence);
    }

    pub(super) fn reorder(&mut self, sentence: impl FnOnce() -> String) {
        self.reordered += 1;
        self.tell(sentence);
    }

    pub(super) fn estrange(&mut self, sentence: impl FnOnce() -> String) {
        self.strange += 1;
        self.tell(sentence);
    }
}

impl Checker {
    /// Empty rooms, each with so many readers, and so many authors.
    pub(super) fn new(readers: &[u32], authors: usize) -> Self {
        let log = |readers: &u32| Log { readers: *readers, base: 0, entries: VecDeque::new() };
        Self {
            logs: readers.iter().map(log).collect(),
            numbers: vec![0; authors],
            missing: 0,
            faults: Faults::default(),
        }
    }

    /// A reader was told that `offset` is the event with `mark`. `None` where that is not new to the reader, as the first
    /// events of a frame may be, or cannot be.
    pub(super) fn delivered(
        &mut self,
        cursor: &mut Cursor,
        offset: u64,
        mark: Option<Mark>,
    ) -> Option<Taken> {
        let room = cursor.room;
        if offset <= cursor.offset {
            return None;
        }
        let missing = offset - cursor.offset - 1;
        if missing > 0 {
            self.faults.lose(missing, || format!("room {room}: {offset} comes behind {}", cursor.offset));
            self.skip(*cursor, offset);
        }
        cursor.offset = offset;
        let Some(mark) = mark else {
            self.faults.estrange(|| format!("room {room}: {offset} is no message of this run"));
            return None;
        };
        let log = &mut self.logs[room];
        let entry = log.entry(offset, &mut self.missing)?;
        match entry.mark {
            None => {
                entry.mark = Some(mark);
                let last = self.numbers.get_mut(mark.author as usize);
                match last {
                    None => self.faults.estrange(|| format!("room {room}: {offset} has an unknown author")),
                    Some(last) if mark.number == *last + 1 => *last = mark.number,
                    Some(last) => {
                        let (author, number, last) =
                            (mark.author, mark.number, std::mem::replace(last, mark.number.max(*last)));
                        let told = || {
                            format!(
                                "room {room}: {offset} is number {number} of author {author}, behind {last}"
                            )
                        };
                        match number <= last {
                            true => self.faults.repeat(told),
                            false => self.faults.reorder(told),
                        }
                    }
                }
            }
            Some(known) if known == mark => {}
            Some(known) => {
                self.faults.reorder(|| {
                    format!("room {room}: {offset} is {mark:?} to one reader, and was {known:?} to another")
                });
            }
        }
        let entry = log.entry(offset, &mut self.missing)?;
        entry.reach(&mut self.missing);
        let is_done = entry.left == 0 && entry.is_acked;
        log.forget();
        Some(Taken { mark, is_done })
    }

    /// The author was told that its message stands at `offset` of `room`. True if all its readers have had it.
    pub(super) fn acked(&mut self, room: usize, offset: u64, author: u32, number: u64) -> bool {
        let log = &mut self.logs[room];
        let Some(entry) = log.entry(offset, &mut self.missing).filter(|entry| !entry.is_acked) else {
            self.faults.reorder(|| {
                format!("room {room}: {offset} is acked twice, now as {number} of author {author}")
            });
            return false;
        };
        entry.is_acked = true;
        let is_done = entry.left == 0;
        if let Some(mark) = entry.mark
            && (mark.author, mark.number) != (author, number)
        {
            self.faults.reorder(|| {
                format!("room {room}: {offset} is acked as {number} of author {author}, and is {mark:?}")
            });
        }
        log.forget();
        is_done
    }

    /// Deliveries that are still to come, of all that is known to stand in the logs.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    /// A reader has everything that is known to stand in its log.
    pub(super) fn is_at_head(&self, cursor: Cursor) -> bool {
        let log = &self.logs[cursor.room];
        cursor.offset == log.base + log.entries.len() as u64
    }

    /// What is between the cursor and `offset` will not reach this reader any more.
    fn skip(&mut self, cursor: Cursor, offset: u64) {
        let log = &mut self.logs[cursor.room];
        for passed in cursor.offset + 1..offset {
            if let Some(entry) = log.entry(passed, &mut self.missing) {
                entry.reach(&mut self.missing);
            }
        }
    }
}

impl Entry {
    /// One reader less has to get it.
    fn reach(&mut self, missing: &mut u64) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            *missing -= 1;
        }
    }
}

impl Log {
    /// The entry at `offset`, which may be new; `None` if it was forgotten, or lies absurdly far ahead.
    /// `missing` counts what its readers are to get.
    fn entry(&mut self, offset: u64, missing: &mut u64) -> Option<&mut Entry> {
        let at = usize::try_from(offset.checked_sub(self.base + 1)?).ok().filter(|at| *at < ENTRIES_MAX)?;
        while self.entries.len() <= at {
            self.entries.push_back(Entry { mark: None, left: self.readers, is_acked: false });
            *missing += u64::from(self.readers);
        }
        self.entries.get_mut(at)
    }

    /// Forgets what is done.
    fn forget(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.left == 0 && entry.is_acked) {
            self.entries.pop_front();
            self.base += 1;
        }
    }
}

/// Sentences that are kept. Source: chosen; a broken server makes millions.
const SENTENCES_MAX: usize = 5;

/// Entries of a room that are kept. Source: chosen; more than any run leaves open, and half a gigabyte.
const ENTRIES_MAX: usize = 10_000_000;

#[cfg(test)]
mod tests;
