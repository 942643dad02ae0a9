//! A room of the model: a list of what was appended, and what the rules said of it.

use std::collections::BTreeMap;

use crate::cursor::{Cursors, ReadMark};
use crate::event::{Body, EventKind};
use crate::id::UserId;
use crate::position::{Epoch, Mark, Offset, Ordinal};
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
    /// Of those who have come anywhere.
    pub(super) cursors: BTreeMap<UserId, Cursors>,
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
        Self {
            appended: Vec::new(),
            horizon: Offset(1),
            info: None,
            members: BTreeMap::new(),
            cursors: BTreeMap::new(),
        }
    }

    /// Appends one event, with the rows that it changes.
    pub(super) fn append(&mut self, publish: Publish, ack: Ack, effect: Effect) {
        let changed = publish.grounds.as_ref().and_then(|grounds| grounds.body.clone());
        let body = effect.body.or(changed).unwrap_or_else(|| publish.draft.body.clone());
        let (room, Mark { offset, ordinal, .. }) = (&publish.room, ack.mark);
        if !room.is_system() || room.is_direct() {
            let here = Cursors { delivered: offset, read: ReadMark { offset, ordinal }, shown: offset };
            self.cursors.insert(publish.client.user.clone(), here);
        }
        self.appended.push(Appended { publish, ack, body: Some(body) });
        for event in &mut self.appended {
            if effect.redacts.contains(&event.ack.mark.offset) {
                event.body = None;
            }
        }
        self.info = effect.info.or(self.info.take());
        self.members.extend(effect.members);
    }

    /// A user comes to an event, if there is one; nobody goes back.
    pub(super) fn move_cursors(&mut self, user: UserId, to: Cursors) {
        let Cursors { delivered, read, shown } = to;
        let is_there = delivered.max(read.offset).max(shown) <= self.head();
        if is_there && delivered.0 + read.offset.0 + shown.0 > 0 {
            let of_user = self.cursors.entry(user).or_default();
            if read.offset > of_user.read.offset {
                of_user.read = read;
            }
            of_user.shown = of_user.shown.max(shown);
            of_user.delivered = of_user.delivered.max(delivered).max(of_user.read.offset);
        }
    }

    /// What has read the event at `offset`, or would have if there was one.
    pub(super) fn mark_at(&self, offset: Offset) -> ReadMark {
        let at = self.appended.iter().find(|event| event.ack.mark.offset == offset);
        let beyond = ReadMark { offset, ordinal: Ordinal(offset.0) };
        at.map_or(beyond, |event| event.ack.mark.into())
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
