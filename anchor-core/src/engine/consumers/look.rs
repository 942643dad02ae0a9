//! Reading on in one room, verified: what follows a position, or the gap that does.
//!
//! A run that continues the chain of a position continues its log. Where none does, the log is asked: [`Resume`] says
//! from where it goes on, or names the gap. Who does not read everything has the permit asked for behind what was read.
//!
//! **Restored backups.** They bring a consumer's own position back, too, so that nobody knows what it had been given behind
//! the fork. So the beginning of an epoch is told where the position comes to it: a gap `restored` without an end.

use super::notes::Interest;
use crate::engine::permit::ReadError;
use crate::engine::subscription::Events;
use crate::engine::tail::follows;
use crate::engine::{Anchor, history::between};
use crate::id::{NUMBER_MAX, RoomId};
use crate::limits::{CONSUMER_READ_BYTES, CONSUMER_READ_EVENTS};
use crate::position::{Epoch, Mark, Offset, Position};
use crate::publish::Refusal;
use crate::resume::{Gap, GapReason, Resume};
use crate::run::Run;
use crate::session::Identity;
use crate::store::{Direction, EpochStart, Read, RoomState, StoreError};

/// What follows a position.
#[derive(Debug)]
pub(super) enum Looked {
    /// Nothing yet.
    Current,
    /// Nothing of interest up to here; there may be more.
    Passed(Position),
    /// Events, behind others of no interest up to `passed`.
    Events { passed: Position, events: Events },
    /// Events that cannot be had.
    Gap(Gap),
    /// Nothing that the reader may read.
    Refused(Refusal),
}

/// What a reader may have of what was read.
enum Allowed {
    Runs(Vec<Run>),
    Hidden(Gap),
    Refused(Refusal),
    /// It changed meanwhile.
    LookAgain,
}

impl Anchor {
    /// What follows `position` in `room` for `reader`; none is the host itself.
    pub(super) async fn look_behind(
        &self,
        room: &RoomId,
        position: &Position,
        interest: Interest,
        reader: Option<&Identity>,
    ) -> Result<Looked, StoreError> {
        for _ in 0..LOOKS_MAX {
            let read = Read {
                room: room.clone(),
                from: Direction::After(position.offset),
                // What is given is one run; what is passed over may be many.
                events_max: if interest.is_all() { 1 } else { CONSUMER_READ_EVENTS },
                bytes_max: CONSUMER_READ_BYTES,
            };
            let runs = self.store().read(read).await?;
            if let Some(first) = runs.first().filter(|first| follows(first, position)) {
                if begins_epoch(first.epoch(), position) {
                    return Ok(Looked::Gap(forked(first.epoch(), position, first.before())));
                }
                let runs = match self.allowed(room, runs, position, reader).await? {
                    Allowed::Runs(runs) => runs,
                    Allowed::Hidden(gap) => return Ok(Looked::Gap(gap)),
                    Allowed::Refused(refusal) => return Ok(Looked::Refused(refusal)),
                    Allowed::LookAgain => continue,
                };
                return Ok(first_of_interest(&runs, position, interest));
            }
            let state = self.store().room(room).await?;
            match self.check_deleted(room, position, reader, state.as_ref()).await {
                Ok(()) => {}
                Err(ReadError::Deleted(gap)) => return Ok(Looked::Gap(gap)),
                Err(ReadError::Refused(refusal)) => return Ok(Looked::Refused(refusal)),
                Err(ReadError::Store(error)) => return Err(error),
            }
            let Some(resume) = self.decided(room, position, state.as_ref()).await? else { continue };
            let head = state.as_ref().map_or(Offset::ZERO, |state| state.head.offset);
            match resume {
                Resume::Gap(gap) => return Ok(Looked::Gap(told_of_forks(gap, position, state.as_ref()))),
                Resume::From(from) if from.offset >= head => {
                    let begun = state.filter(|state| begins_epoch(state.epoch(), position));
                    let forked = |state: RoomState| Looked::Gap(forked(state.epoch(), position, state.head));
                    return Ok(begun.map_or(Looked::Current, forked));
                }
                // It has come, or gone, since it was looked for.
                Resume::From(_) => {}
            }
        }
        Err(StoreError::Corrupt(format!("{room} cannot be read on from its own log")))
    }

    /// True if `position` is a point of the room's log as it is.
    pub(super) async fn vouches(&self, room: &RoomId, position: &Position) -> Result<bool, StoreError> {
        let state = self.store().room(room).await?;
        Ok(matches!(self.decided(room, position, state.as_ref()).await?, Some(Resume::From(_))))
    }

    /// What of `runs`, which follow `position`, `reader` may read.
    async fn allowed(
        &self,
        room: &RoomId,
        runs: Vec<Run>,
        position: &Position,
        reader: Option<&Identity>,
    ) -> Result<Allowed, StoreError> {
        if reader.is_none() {
            return Ok(Allowed::Runs(runs));
        }
        let grant = match self.grant(room, reader).await.and_then(|grant| {
            grant.check_followed()?;
            Ok(grant)
        }) {
            Ok(grant) => grant,
            Err(ReadError::Refused(refusal)) => return Ok(Allowed::Refused(refusal)),
            Err(ReadError::Deleted(_)) => return Ok(Allowed::LookAgain),
            Err(ReadError::Store(error)) => return Err(error),
        };
        // The permit is for the log that there was when it was asked for: it must be the one that was read.
        let state = self.store().room(room).await?;
        let has_epoch = |state: &RoomState| {
            let mut epochs = runs.iter().map(Run::epoch);
            epochs.all(|epoch| state.epochs.iter().any(|start| start.epoch == epoch))
        };
        let Some(state) = state.filter(has_epoch) else { return Ok(Allowed::LookAgain) };
        let permit = grant.permit;
        if position.offset < permit.after {
            let hidden = self.hidden(room, position.offset, permit.after, &state).await?;
            return Ok(hidden.map_or(Allowed::LookAgain, Allowed::Hidden));
        }
        match permit.until {
            None => Ok(Allowed::Runs(runs)),
            Some(until) if position.offset >= until => Ok(Allowed::Refused(grant.ended())),
            Some(until) => Ok(Allowed::Runs(between(&runs, position.offset.next(), until)?)),
        }
    }
}

/// The first of `runs` that is of interest, or that none is.
fn first_of_interest(runs: &[Run], position: &Position, interest: Interest) -> Looked {
    let mut passed = *position;
    for run in runs {
        if begins_epoch(run.epoch(), &passed) {
            break;
        }
        if interest.has_behind(run, passed.offset) {
            let events = Events::new(run.clone(), passed.offset);
            return Looked::Events { passed, events };
        }
        passed = run.position();
    }
    Looked::Passed(passed)
}

/// True if a history begins behind `position` that is not its own.
fn begins_epoch(epoch: Epoch, position: &Position) -> bool {
    position.epoch.is_some_and(|own| own != epoch)
}

/// The gap before a history that begins at `position`, which is the point `mark` of the log: what was given behind that, of
/// whatever history, is not in the log.
fn forked(epoch: Epoch, position: &Position, mark: Mark) -> Gap {
    Gap {
        from: position.offset.next(),
        to: Offset(NUMBER_MAX),
        reason: GapReason::Restored,
        position: Some(Position { epoch: Some(epoch), ..*position }),
        ordinal: mark.ordinal,
    }
}

/// The gap behind `position`, told together with the beginning of a history: where it ends in one that begins there the reader
/// stands in that one; and one that jumps over the beginning of another comes after the gap that tells of that.
fn told_of_forks(gap: Gap, position: &Position, state: Option<&RoomState>) -> Gap {
    let Some(state) = state else { return gap };
    let begins_at = |offset| state.epochs.iter().rev().find(move |start| start.before.offset == offset);
    let forked_to = |start: &EpochStart| gap.position.is_some_and(|end| start.before.offset < end.offset);
    match (gap.reason, gap.position) {
        (GapReason::Restored, Some(end)) => {
            let epoch = begins_at(end.offset).map(|start| start.epoch).or(end.epoch);
            Gap { position: Some(Position { epoch, ..end }), ..gap }
        }
        (GapReason::Trimmed, Some(_)) => {
            let own = state.epochs.iter().position(|start| Some(start.epoch) == position.epoch);
            match own.and_then(|own| state.epochs.get(own + 1)).filter(|next| forked_to(next)) {
                None => gap,
                Some(next) => Gap {
                    from: next.before.offset.next(),
                    to: Offset(NUMBER_MAX),
                    reason: GapReason::Restored,
                    position: Some(Position { epoch: Some(next.epoch), ..*position }),
                    ordinal: next.before.ordinal,
                },
            }
        }
        _ => gap,
    }
}

/// How often a room is looked at that changes under the look. Source: chosen; each takes another trim, restore or deletion.
const LOOKS_MAX: u32 = 16;
