//! Opening: what the journal holds beyond the pages is taken into memory again, and the two are checked against each other.

use std::sync::Arc;

use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use anchor_core::position::Mark;
use anchor_core::run::Run;
use anchor_core::store::EpochStart;
use bytes::Bytes;
use redb::{ReadableDatabase, ReadableTable};

use crate::database::contained;
use crate::error::OpenError;
use crate::hash;
use crate::journal::{Commit, Stored};
use crate::options::Options;
use crate::shared::{Databases, Shared};
use crate::tables::{APPLIED, COMMITS, JOURNAL_FILE, META, PAGES_FILE, read_number};
use crate::writer::Writer;

/// The state of a store on two databases that belong together.
pub(crate) fn open(
    databases: Databases,
    env: Arc<dyn Environment>,
    options: Options,
) -> Result<Arc<Shared>, OpenError> {
    let applied = guarded(PAGES_FILE, || applied(&databases))?;
    let ends = guarded(JOURNAL_FILE, || journal_ends(&databases))?;
    if let Some((first, _)) = ends
        && first > applied + 1
    {
        return Err(OpenError::JournalAhead { first, applied });
    }
    let last = ends.map_or(applied, |(_, last)| last.max(applied));
    let oldest = match ends {
        // The pages hold all of the journal and more: it begins anew, lest its numbers have a hole.
        Some((_, end)) if end < applied => {
            guarded(JOURNAL_FILE, || clear(&databases))?;
            last + 1
        }
        Some((first, _)) => first,
        None => last + 1,
    };
    let seed = hash::seed(&*env);
    let writer = Writer::new(&options, last + 1, oldest, seed.clone());
    let shared = Arc::new(Shared::new(env, options, databases, writer, applied, seed));
    guarded(JOURNAL_FILE, || replay(&shared, applied, last))?;
    Ok(shared)
}

fn applied(databases: &Databases) -> Result<u64, BoxError> {
    let meta = databases.pages.begin_read()?.open_table(META)?;
    Ok(read_number(&meta, APPLIED)?.ok_or("it does not say up to which commit it goes")?)
}

fn journal_ends(databases: &Databases) -> Result<Option<(u64, u64)>, BoxError> {
    let commits = databases.journal.begin_read()?.open_table(COMMITS)?;
    let ends = commits.first()?.zip(commits.last()?);
    Ok(ends.map(|((first, _), (last, _))| (first.value(), last.value())))
}

/// Takes everything out of the journal, of which the pages hold all.
pub(crate) fn clear(databases: &Databases) -> Result<(), BoxError> {
    let transaction = databases.journal.begin_write()?;
    transaction.delete_table(COMMITS)?;
    transaction.open_table(COMMITS)?;
    Ok(transaction.commit()?)
}

fn replay(shared: &Shared, applied: u64, last: u64) -> Result<(), BoxError> {
    let databases = shared.databases()?;
    let commits = databases.journal.begin_read()?.open_table(COMMITS)?;
    let mut writer = shared.writer();
    let mut expected = applied + 1;
    for entry in commits.range(applied + 1..)? {
        let (number, value) = entry?;
        if number.value() != expected {
            return Err(format!("commit {expected} is missing").into());
        }
        let commit = Commit::decode(&Bytes::copy_from_slice(value.value()))
            .map_err(|error| format!("commit {expected}: {error}"))?;
        follows(shared, &commit).map_err(|error| format!("commit {expected}: {error}"))?;
        writer.replay(shared, expected, commit)?;
        expected += 1;
    }
    if expected - 1 > applied {
        tracing::info!(commits = expected - 1 - applied, "replayed the journal");
    }
    debug_assert_eq!(expected - 1, last.max(applied));
    Ok(())
}

/// Refuses a commit of another history: its runs must follow what the pages and the commits before it hold. The files of
/// one pair can be of two histories, once a backup was restored and one file of each is put beside the other.
fn follows(shared: &Shared, commit: &Commit) -> Result<(), BoxError> {
    let mut tip: Option<&Run> = None;
    for Stored { run, .. } in &commit.runs {
        let head = match tip.replace(run).filter(|tip| tip.room() == run.room()) {
            Some(tip) => tip.tip(),
            None if commit.ended.iter().any(|ended| ended.room == *run.room()) => Mark::START,
            None => match shared.look().room_state(run.room())? {
                Some(state) => {
                    let is_past =
                        |start: &EpochStart| start.epoch == run.epoch() && start.epoch != state.epoch();
                    if state.epochs.iter().any(is_past) {
                        return Err(
                            format!("{}: its epoch ended before event {}", run.room(), run.first()).into()
                        );
                    }
                    state.head
                }
                None => Mark::START,
            },
        };
        if run.before() != head {
            return Err(format!("{}: event {} does not follow the log", run.room(), run.first()).into());
        }
    }
    Ok(())
}

/// Runs a part of opening; an error or a panic in it says that `file` is damaged, unless the disk failed.
fn guarded<T>(file: &'static str, part: impl FnOnce() -> Result<T, BoxError>) -> Result<T, OpenError> {
    contained(part).map_err(|error| OpenError::unreadable(file, error))
}
