//! Writing what was handed over beside the journal: cursors that are moved, and records.

use anchor_core::error::BoxError;
use anchor_core::record::{RecordWrite, Written};
use anchor_core::sabotage::{self, Sabotage};
use redb::{ReadableTable, WriteTransaction};

use super::cursors;
use crate::notes::Note;
use crate::queue::Reply;
use crate::shared::Shared;
use crate::tables::RECORDS;

/// What a transaction makes of notes, to be told once it is durable. Dropped before, it says that the step failed.
#[derive(Default)]
pub(super) struct Noted {
    answers: Vec<Answer>,
    /// True if there is something to commit.
    pub(super) is_change: bool,
}

enum Answer {
    Moved(Reply<()>),
    Written(Reply<Written>, Written),
}

/// Writes what waits, up to a bound.
pub(super) fn write(shared: &Shared, transaction: &WriteTransaction) -> Result<Noted, BoxError> {
    let (mut noted, mut moved) = (Noted::default(), Vec::new());
    for note in shared.notes.take() {
        noted.answers.push(match note {
            Note::Move { moves, reply } => {
                moved.extend(moves);
                Answer::Moved(reply)
            }
            Note::Write { write, reply } => {
                let written = write_records(transaction, write)?;
                noted.is_change |= written == Written::Done;
                Answer::Written(reply, written)
            }
        });
    }
    if !moved.is_empty() {
        noted.is_change |= cursors::make_moves(shared, transaction, moved)?;
    }
    Ok(noted)
}

fn write_records(transaction: &WriteTransaction, write: RecordWrite) -> Result<Written, BoxError> {
    let mut records = transaction.open_table(RECORDS)?;
    if let Some((key, expected)) = write.guard {
        let value = records.get(key.as_str())?;
        if value.map(|value| value.value().to_vec()) != expected && !sabotage::is(Sabotage::GuardIgnored) {
            return Ok(Written::GuardFailed);
        }
    }
    for (key, value) in write.puts {
        match value {
            Some(value) => drop(records.insert(key.as_str(), value.as_slice())?),
            None => drop(records.remove(key.as_str())?),
        }
    }
    Ok(Written::Done)
}

impl Noted {
    /// Tells everybody. Nobody need be there any more to hear it.
    pub(super) fn answer(self) {
        for answer in self.answers {
            match answer {
                Answer::Moved(reply) => drop(reply.send(Ok(()))),
                Answer::Written(reply, written) => drop(reply.send(Ok(written))),
            }
        }
    }
}
