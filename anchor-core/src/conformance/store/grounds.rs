//! What is known of a publish before a store decides it, found out as an engine does.

use crate::event::EventKind;
use crate::id::RoomId;
use crate::position::Offset;
use crate::publish::{Publish, Target};
use crate::store::{Direction, Read, Store};

/// The publish with what its store says of the event that it is about, if there is one.
pub async fn informed(store: &dyn Store, publish: Publish) -> Publish {
    let Some(offset) = publish.draft.target else { return publish };
    let target = target_of(store, &publish.room, offset).await;
    let mut grounds = publish.grounds.clone().unwrap_or_default();
    grounds.target = target;
    Publish { grounds: Some(grounds), ..publish }
}

/// The publish of an admin of the server.
#[must_use]
pub fn by_admin(publish: Publish) -> Publish {
    let mut grounds = publish.grounds.clone().unwrap_or_default();
    grounds.admin = true;
    Publish { grounds: Some(grounds), ..publish }
}

/// What never changes of the event at `offset`; `None` if it cannot be read.
pub async fn target_of(store: &dyn Store, room: &RoomId, offset: Offset) -> Option<Target> {
    let from = Direction::After(offset.previous());
    let read = Read { room: room.clone(), from, events_max: 1, bytes_max: 1 };
    let runs = store.read(read).await.expect("the log is read");
    let run = runs.into_iter().find(|run| (run.first()..=run.last()).contains(&offset))?;
    let mut events = run.events().map(|event| event.expect("what a store gives is an event"));
    let event = events.find(|event| event.offset == offset)?;
    let root = event.target.filter(|_| event.kind == EventKind::MESSAGE);
    Some(Target { epoch: run.epoch(), kind: event.kind, user: event.user, root })
}
