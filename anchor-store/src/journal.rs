//! One value of the journal: everything that one commit added.
//!
//! `[runs, clients, outcomes, trims, ended, changes, users]`: the events of each room as runs, the clients that published
//! with their floors, what was decided for each of their publishes, and the horizons that were raised; then, left out where
//! there is nothing of them, the rooms that were deleted, what else changed of the rooms of runs, and users' rows.
//!
//! Rooms are deleted before anything else of a commit: its runs, trims and changes are of what came after.

mod rows;

use anchor_core::chain::digest;
use anchor_core::event::encoding;
use anchor_core::id::{ClientId, ClientKey, RoomId, Seq};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Mark, Offset};
use anchor_core::publish::{Fingerprint, Refusal};
use anchor_core::run::{Contents, Run, RunParts};
use anchor_core::window::{Decision, Entry};
use bytes::Bytes;

use crate::codec::{
    Encoder, fields, growing_fields, list, read_contents, read_epoch, read_index, read_mark, read_number,
    read_offset, read_refusal, read_seq,
};
use crate::rows::read_user;

pub(crate) use self::rows::{Changed, ChangedUser, Changes, Ended};
use self::rows::{
    read_changed, read_changed_user, read_ended, write_changed, write_changed_user, write_ended,
};

/// A run that was committed, with what the pages keep beside its events.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) run: Run,
    /// The `ts` of its last event.
    pub(crate) ts: u64,
    /// 16 bytes for each event: the salt of its body, or the digest of one that was redacted.
    pub(crate) sides: Bytes,
}

impl Stored {
    /// Bytes that count against the bounds of a page step and of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.run.encoded().len() + self.sides.len()
    }

    /// The same without the bodies of the events at `offsets`, which are in rising order; those elsewhere are passed over.
    pub(crate) fn redacted(&self, offsets: &[Offset]) -> Result<Self, Malformed> {
        let mut sides = self.sides.to_vec();
        for (event, side) in self.run.events().zip(sides.chunks_exact_mut(SIDE_BYTES)) {
            let event = event?;
            if let Some(body) = event.body.filter(|_| offsets.binary_search(&event.offset).is_ok()) {
                let salt: [u8; SIDE_BYTES] = (&*side).try_into().expect("chunks have this size");
                side.copy_from_slice(&digest(&salt, &body));
            }
        }
        Ok(Self { run: self.run.redacted(offsets)?, ts: self.ts, sides: sides.into() })
    }
}

/// Everything that one commit adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    /// In the order of rooms' first appearance; the runs of a room stand together, in their order.
    pub(crate) runs: Vec<Stored>,
    /// Clients of which something was decided, with their floors after it.
    pub(crate) clients: Vec<(ClientKey, Seq)>,
    /// What was decided, in the order of decisions.
    pub(crate) outcomes: Vec<Recorded>,
    /// Horizons that were raised.
    pub(crate) trims: Vec<Trimmed>,
    /// Rooms that were deleted, before everything that the rest says of them.
    pub(crate) ended: Vec<Ended>,
    /// What else changed of the rooms of runs, once for each.
    pub(crate) changes: Vec<Changed>,
    /// Users' rows that changed, whole.
    pub(crate) users: Vec<ChangedUser>,
}

/// A decided publish.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Index into [`Commit::clients`].
    pub(crate) client: usize,
    pub(crate) seq: Seq,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) outcome: RecordedOutcome,
}

/// An outcome as the journal keeps it.
#[derive(Clone, Debug)]
pub(crate) enum RecordedOutcome {
    /// `run`: index into [`Commit::runs`] of any run of its room in this commit; or, behind those, into [`Commit::ended`].
    Appended {
        run: usize,
        mark: Mark,
        ts: u64,
    },
    Refused(Refusal),
}

/// A horizon that was raised.
#[derive(Clone, Debug)]
pub(crate) struct Trimmed {
    pub(crate) room: RoomId,
    pub(crate) horizon: Offset,
    pub(crate) before: Mark,
}

impl Commit {
    /// True if there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.outcomes.is_empty() && self.trims.is_empty() && self.users.is_empty()
    }

    /// Events that it adds and rooms that it ends: what counts against the bounds of a page step and of memory.
    pub(crate) fn events(&self) -> usize {
        self.runs.iter().map(|stored| stored.run.len()).sum::<usize>() + self.ended.len()
    }

    /// Bytes that count against the bounds of a page step and of memory.
    pub(crate) fn bytes(&self) -> usize {
        let runs: usize = self.runs.iter().map(Stored::bytes).sum();
        let changes: usize = self.changes.iter().map(|changed| changed.changes.bytes()).sum();
        runs + changes + self.users.iter().map(rows::bytes).sum::<usize>()
    }

    /// Writes the value of the journal.
    pub(crate) fn encode(&self, out: &mut Encoder) {
        let events: usize = self.runs.iter().map(|stored| stored.bytes() + RUN_BYTES).sum();
        let small = self.clients.len() * CLIENT_BYTES + self.outcomes.len() * OUTCOME_BYTES;
        out.reserve(events + small + 64);
        let has_more = !(self.ended.is_empty() && self.changes.is_empty() && self.users.is_empty());
        out.array(if has_more { 7 } else { 4 }).array(self.runs.len());
        for Stored { run, ts, sides } in &self.runs {
            let RunParts { room, epoch, before, tip, events, contents } = run.parts();
            out.array(8).str(room.as_str()).bin(epoch.as_bytes()).mark(*before).mark(*tip).uint(*ts);
            out.bin(events).bin(sides).uint(contents.bits().into());
        }
        out.array(self.clients.len());
        for (client, floor) in &self.clients {
            out.array(3).str(client.user.as_str()).bin(client.id.as_bytes()).uint(floor.get());
        }
        out.array(self.outcomes.len());
        for recorded in &self.outcomes {
            out.array(6).uint(recorded.client as u64).uint(recorded.seq.get()).bin(&recorded.fingerprint.0);
            match &recorded.outcome {
                RecordedOutcome::Appended { run, mark, ts } => {
                    out.uint(*run as u64).mark(*mark).uint(*ts);
                }
                RecordedOutcome::Refused(refusal) => {
                    out.nil().str(refusal.code.name()).str(&refusal.message);
                }
            }
        }
        out.array(self.trims.len());
        for Trimmed { room, horizon, before } in &self.trims {
            out.array(3).str(room.as_str()).uint(horizon.0).mark(*before);
        }
        if has_more {
            out.array(self.ended.len());
            self.ended.iter().for_each(|ended| write_ended(out, ended));
            out.array(self.changes.len());
            self.changes.iter().for_each(|changed| write_changed(out, changed));
            out.array(self.users.len());
            self.users.iter().for_each(|user| write_changed_user(out, user));
        }
    }

    /// The value of the journal.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        self.encode(&mut out);
        out.into_bytes()
    }

    /// Reads a value of the journal; the runs share its bytes.
    pub(crate) fn decode(value: &Bytes) -> Result<Self, Malformed> {
        growing_fields(&mut Reader::new(value), 4, 7, |reader, length| {
            let commit = Self {
                runs: list(reader, read_run)?,
                clients: list(reader, read_client)?,
                outcomes: list(reader, read_outcome)?,
                trims: list(reader, read_trim)?,
                ended: if length > 4 { list(reader, read_ended)? } else { Vec::new() },
                changes: if length > 5 { list(reader, read_changed)? } else { Vec::new() },
                users: if length > 6 { list(reader, read_changed_user)? } else { Vec::new() },
            };
            if commit.changes.iter().any(|changed| changed.run >= commit.runs.len()) {
                return Err(Malformed("a change of a room that is not there"));
            }
            let known = commit.outcomes.iter().all(|recorded| {
                let run_is_known = match recorded.outcome {
                    RecordedOutcome::Appended { run, .. } => run < commit.runs.len() + commit.ended.len(),
                    RecordedOutcome::Refused(_) => true,
                };
                run_is_known && recorded.client < commit.clients.len()
            });
            if known {
                Ok(commit)
            } else {
                Err(Malformed("an outcome of a client or room that is not there"))
            }
        })
    }

    /// A decided publish as a window keeps it.
    pub(crate) fn entry(&self, recorded: &Recorded) -> Entry {
        let decision = match &recorded.outcome {
            RecordedOutcome::Appended { run, mark, ts } => {
                let (room, epoch) = match self.runs.get(*run) {
                    Some(Stored { run, .. }) => (run.room(), run.epoch()),
                    None => {
                        let Ended { room, epoch } = &self.ended[*run - self.runs.len()];
                        (room, *epoch)
                    }
                };
                Decision::Appended { room: room.clone(), epoch, mark: *mark, ts: *ts }
            }
            RecordedOutcome::Refused(refusal) => Decision::Refused(refusal.clone()),
        };
        Entry { seq: recorded.seq, fingerprint: recorded.fingerprint, decision }
    }
}

fn read_run(reader: &mut Reader<'_>) -> Result<Stored, Malformed> {
    growing_fields(reader, 7, 8, |reader, length| {
        let room = read_room(reader)?;
        let epoch = read_epoch(reader)?;
        let before = read_mark(reader)?;
        let tip = read_mark(reader)?;
        let ts = read_number(reader)?;
        let events = reader.bin()?;
        let events = reader.to_bytes(events);
        let sides = reader.bin()?;
        let sides = reader.to_bytes(sides);
        let contents = if length > 7 { read_contents(reader)? } else { contents_of(&events)? };
        if tip.offset <= before.offset {
            return Err(Malformed("a run without events"));
        }
        let run = Run::from_parts(RunParts { room, epoch, before, tip, events, contents });
        match sides.len() == run.len() * SIDE_BYTES {
            true => Ok(Stored { run, ts, sides }),
            false => Err(Malformed("a run whose salts are not one for each event")),
        }
    })
}

/// What is among some events: format 1 did not keep it.
fn contents_of(events: &Bytes) -> Result<Contents, Malformed> {
    let (mut reader, mut contents) = (Reader::new(events), Contents::PLAIN);
    while !reader.is_empty() {
        let event = encoding::read(&mut reader)?;
        contents = contents.and(Contents::of_event(&event));
    }
    Ok(contents)
}

fn read_client(reader: &mut Reader<'_>) -> Result<(ClientKey, Seq), Malformed> {
    fields(reader, 3, |reader| {
        let user = read_user(reader)?;
        let id = ClientId::from_bytes(reader.fixed()?);
        Ok((ClientKey { user, id }, read_seq(reader)?))
    })
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<Recorded, Malformed> {
    fields(reader, 6, |reader| {
        let client = read_index(reader)?;
        let seq = read_seq(reader)?;
        let fingerprint = Fingerprint(reader.fixed()?);
        let outcome = match reader.nil()? {
            true => RecordedOutcome::Refused(read_refusal(reader)?),
            false => RecordedOutcome::Appended {
                run: read_index(reader)?,
                mark: read_mark(reader)?,
                ts: read_number(reader)?,
            },
        };
        Ok(Recorded { client, seq, fingerprint, outcome })
    })
}

fn read_trim(reader: &mut Reader<'_>) -> Result<Trimmed, Malformed> {
    fields(reader, 3, |reader| {
        Ok(Trimmed { room: read_room(reader)?, horizon: read_offset(reader)?, before: read_mark(reader)? })
    })
}

fn read_room(reader: &mut Reader<'_>) -> Result<RoomId, Malformed> {
    RoomId::new(reader.str()?).map_err(|_| Malformed("not a room id"))
}

/// Bytes that the pages keep beside each event: a salt, or the digest of a redacted body.
pub(crate) const SIDE_BYTES: usize = 16;

// First guesses of sizes, so that a value is written without growing: the longest ids and numbers, about.
const RUN_BYTES: usize = 160;
const CLIENT_BYTES: usize = 100;
const OUTCOME_BYTES: usize = 80;

#[cfg(test)]
mod tests;
