//! What is found out about a publish before it is handed to the store: the event that it is about, and what the host says.

use super::Anchor;
use crate::code::Code;
use crate::event::EventKind;
use crate::id::RoomId;
use crate::position::Offset;
use crate::publish::{Grounds, Publish, Refusal, Target, Verdict};
use crate::run::Run;
use crate::store::{Direction, Read, StoreError};

impl Anchor {
    /// True if the host is asked about every publish.
    #[must_use]
    pub fn is_moderated(&self) -> bool {
        self.0.hooked.is_some()
    }

    /// True if `publish` must pass [`Anchor::prepare`] before it is handed over, unless the window answers it.
    #[must_use]
    pub fn must_prepare(&self, publish: &Publish) -> bool {
        self.is_moderated() || publish.draft.target.is_some()
    }

    /// Finds out what a store must know of `publish` beside what its client says. Nothing of its client's may be handed
    /// over meanwhile. What the hook is asked goes on where the future is dropped, and is there for whoever prepares the same
    /// publish again.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not be read: the publish is not handed over, nor is what its client sent behind it.
    pub async fn prepare(&self, mut publish: Publish) -> Result<Publish, StoreError> {
        // An entry of an older client id may have been appended by whoever had that.
        if publish.session.is_none() && self.store().is_decided(&publish.client, publish.seq).await? {
            if self.is_moderated() {
                publish.verdict = decided_before();
            }
            return Ok(publish);
        }
        if let Some(offset) = publish.draft.target
            && let Some(target) = self.target(&publish.room, offset).await?
        {
            grounds(&mut publish).target = Some(target);
        }
        if let Some(hooked) = &self.0.hooked {
            match self.ruled(hooked, &publish).await {
                Ok(None) => {}
                Ok(Some(body)) => grounds(&mut publish).body = Some(body),
                Err(refusal) => publish.verdict = Verdict::Refuse(refusal),
            }
        }
        Ok(publish)
    }

    /// What never changes of the event at `offset`, if that can be read: from the room's tail where it is there, else with
    /// one read of the store.
    pub(super) async fn target(&self, room: &RoomId, offset: Offset) -> Result<Option<Target>, StoreError> {
        if offset == Offset::ZERO {
            return Ok(None);
        }
        if let Some(run) = self.0.tails.get(room).and_then(|tail| tail.run_at(offset)) {
            return target_in(&run, offset);
        }
        let from = Direction::After(offset.previous());
        let read = Read { room: room.clone(), from, events_max: 1, bytes_max: 1 };
        self.store().read(read).await?.first().map_or(Ok(None), |run| target_in(run, offset))
    }
}

/// The verdict of a publish that the window answers, where the host is asked about all others: should the window not, then
/// what nobody was asked about is not appended.
pub(crate) fn decided_before() -> Verdict {
    Verdict::Refuse(Refusal::new(Code::Moderated, "this seq was decided before"))
}

/// The grounds of a publish, to be added to.
fn grounds(publish: &mut Publish) -> &mut Grounds {
    publish.grounds.get_or_insert_default()
}

fn target_in(run: &Run, offset: Offset) -> Result<Option<Target>, StoreError> {
    for event in run.events() {
        let event = event?;
        if event.offset == offset {
            let root = event.target.filter(|_| event.kind == EventKind::MESSAGE);
            return Ok(Some(Target { epoch: run.epoch(), kind: event.kind, user: event.user, root }));
        }
    }
    Ok(None)
}
