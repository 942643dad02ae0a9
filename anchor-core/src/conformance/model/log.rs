//! A room of the model: a list of what was appended, and what the rules said of it.

use std::collections::BTreeMap;

use crate::event::{Body, EventKind};
use crate::id::UserId;
use crate::position::{Epoch, Offset};
use crate::publish::{Ack, Publish, Target};
use crate::room::rules::Effect;
use crate::room::{Amendment, Member, RoomInfo, Sign, Thread};

/// What a room should hold.
pub(super) struct Log {
    /// From offset 1 on, also what was trimmed since.
    appended: Vec<Appended>,
    pub(super) horizon: Offset,
    pub(super) info: Option<RoomInfo>,
    pub(super) members: BTreeMap<UserId, Member>,
}

/// An event as it should be.
pub(super) struct Appended {
    pub(super) publish: Publish,
    pub(super) ack: Ack,
    /// What is read of it; none once redacted.
    pub(super) body: Option<Body>,
}

impl Log {
    pub(super) const fn new() -> Self {
        Self { appended: Vec::new(), horizon: Offset(1), info: None, members: BTreeMap::new() }
    }

    /// Appends one event, with the rows that it changes.
    pub(super) fn append(&mut self, publish: Publish, ack: Ack, effect: Effect) {
        let changed = publish.grounds.as_ref().and_then(|grounds| grounds.body.clone());
        let body = effect.body.or(changed).unwrap_or_else(|| publish.draft.body.clone());
        self.appended.push(Appended { publish, ack, body: Some(body) });
        for event in &mut self.appended {
            if effect.redacts.contains(&event.ack.mark.offset) {
                event.body = None;
            }
        }
        self.info = effect.info.or(self.info.take());
        self.members.extend(effect.members);
    }

    pub(super) fn trim(&mut self, horizon: Offset) {
        self.horizon = self.horizon.max(horizon).min(self.head().next());
    }

    pub(super) fn head(&self) -> Offset {
        Offset(self.appended.len() as u64)
    }

    pub(super) fn newest(&self) -> Option<&Ack> {
        self.appended.last().map(|event| &event.ack)
    }

    /// What can be read, in order.
    pub(super) fn readable(&self) -> impl Iterator<Item = &Appended> {
        self.appended.iter().filter(|event| event.ack.mark.offset >= self.horizon)
    }

    /// The epoch of the event at `offset`, if that can be read.
    pub(super) fn epoch_at(&self, offset: Offset) -> Option<Epoch> {
        self.readable().find(|event| event.ack.mark.offset == offset).map(|event| event.ack.epoch)
    }

    /// What an engine would say of the event at `offset`.
    pub(super) fn target(&self, offset: Offset) -> Option<Target> {
        let event = self.readable().find(|event| event.ack.mark.offset == offset)?;
        let draft = &event.publish.draft;
        Some(Target {
            epoch: event.ack.epoch,
            kind: draft.kind,
            user: event.publish.client.user.clone(),
            root: draft.target.filter(|_| draft.kind == EventKind::MESSAGE),
        })
    }

    /// The events about `target`, but replies.
    pub(super) fn amendments(&self, target: Offset) -> Vec<Amendment> {
        let about = self.readable().filter(|event| event.publish.draft.target == Some(target));
        let others = about.filter(|event| event.publish.draft.kind != EventKind::MESSAGE);
        let amendment = |event: &Appended| {
            let kind = event.publish.draft.kind;
            Amendment {
                target,
                offset: event.ack.mark.offset,
                kind,
                user: event.publish.client.user.clone(),
                sign: event.body.as_ref().and_then(|body| Sign::of(kind, body)),
            }
        };
        others.map(amendment).collect()
    }

    /// Where the replies to `root` stand.
    pub(super) fn replies(&self, root: Offset) -> Vec<Offset> {
        let about = self.readable().filter(|event| event.publish.draft.target == Some(root));
        let replies = about.filter(|event| event.publish.draft.kind == EventKind::MESSAGE);
        replies.map(|event| event.ack.mark.offset).collect()
    }

    /// The thread that the event at `root` began.
    pub(super) fn thread(&self, root: Offset) -> Option<Thread> {
        let replies = self.replies(root);
        let last = *replies.last()?;
        Some(Thread { root, replies: replies.len() as u64, last })
    }
}
