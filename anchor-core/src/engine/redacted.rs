//! What was redacted: the bodies that go, out of what is held and of what was read before.

use super::{Anchor, ReadError};
use crate::event::{Event, EventKind};
use crate::id::RoomId;
use crate::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use crate::msgpack::Malformed;
use crate::position::Offset;
use crate::room::Changes;
use crate::run::{Contents, Run};
use crate::store::{Direction, Read, RoomState};

impl Anchor {
    /// The events that were redacted behind `read`, the state of the room before anything was read for an answer, up to the
    /// state `now`: what was read of them may still have had a body, and is not shown any more.
    pub(super) async fn redacted_since(
        &self,
        room: &RoomId,
        read: Option<&RoomState>,
        now: Option<&RoomState>,
    ) -> Result<Vec<Offset>, ReadError> {
        let head = |state: Option<&RoomState>| state.map_or(Offset::ZERO, |state| state.head.offset);
        let (mut after, head, mut targets) = (head(read), head(now), Vec::new());
        while after < head {
            let (events_max, bytes_max) = (RUN_EVENTS_MAX, RUN_BYTES_MAX);
            let read = Read { room: room.clone(), from: Direction::After(after), events_max, bytes_max };
            let runs = self.store().read(read).await?;
            let Some(last) = runs.last().map(Run::last).filter(|last| *last > after) else { break };
            let redacting = runs.iter().filter(|run| run.contents().has(Contents::REDACTIONS));
            targets.extend(redacting.flat_map(redactions));
            after = last;
        }
        Ok(targets)
    }
}

/// The events of which the redactions of `run` take the bodies.
pub(super) fn redactions(run: &Run) -> impl Iterator<Item = Offset> + '_ {
    let redactions = run.events().filter_map(Result::ok).filter(|event| event.kind == EventKind::REDACTION);
    redactions.filter_map(|event| event.target)
}

/// `runs` without the bodies of the events at `targets`, and of the edits of these.
pub(super) fn without<'a>(
    runs: impl IntoIterator<Item = &'a Run> + Clone,
    targets: &[Offset],
) -> Result<Vec<Run>, Malformed> {
    let mut offsets = targets.to_vec();
    for run in runs.clone().into_iter().filter(|run| run.contents().has(Contents::TARGETED)) {
        let edited = |event: &Event| {
            event.kind == EventKind::EDIT && event.target.is_some_and(|target| targets.contains(&target))
        };
        offsets.extend(run.events().filter_map(Result::ok).filter(edited).map(|event| event.offset));
    }
    offsets.sort_unstable();
    runs.into_iter().map(|run| run.redacted(&offsets)).collect()
}

/// Takes from `changes` what edits say of the events at `targets`.
pub(super) fn hide(changes: &mut [Changes], targets: &[Offset]) {
    let hidden = changes.iter_mut().filter(|changes| targets.contains(&changes.target));
    hidden.filter_map(|changes| changes.edit.as_mut()).for_each(|edit| edit.body = None);
}
