//! A room as the commit that is being made will leave it.

use std::sync::Arc;

use anchor_core::chain::Link;
use anchor_core::event::{Body, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::Malformed;
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::room::rules::Effect;
use anchor_core::room::{Amendment, Member, RoomInfo, Sign};
use anchor_core::run::RunBuilder;

use crate::journal::{Changes, SIDE_BYTES, Stored};
use crate::visible::Tip;

/// A room to which the commit adds events. Once it was deleted another may begin under its id.
pub(super) struct Growing {
    pub(super) room: RoomId,
    pub(super) epoch: Epoch,
    pub(super) ts: u64,
    /// It comes into being with this commit: the store knows nothing of it.
    pub(super) is_new: bool,
    /// It was deleted.
    pub(super) is_ended: bool,
    /// What the room is.
    pub(super) info: Option<Arc<RoomInfo>>,
    /// What the commit has changed beside the log.
    pub(super) changes: Changes,
    /// What events of the commit change of others: what [`crate::targets`] has of them once it is made.
    pub(super) amendments: Vec<Amendment>,
    builder: RunBuilder,
    sides: Vec<u8>,
    full: Vec<Stored>,
}

impl Growing {
    /// A room that goes on from `tip`, at `unix_ms`.
    pub(super) fn new(room: RoomId, tip: Tip, unix_ms: u64) -> Self {
        Self {
            epoch: tip.epoch,
            ts: tip.ts.max(unix_ms),
            is_new: tip.head == Mark::START,
            is_ended: false,
            info: tip.info,
            changes: Changes::default(),
            amendments: Vec::new(),
            builder: RunBuilder::new(room.clone(), tip.epoch, tip.head),
            sides: Vec::new(),
            full: Vec::new(),
            room,
        }
    }

    /// The newest event.
    pub(super) const fn head(&self) -> Offset {
        self.builder.tip().offset
    }

    /// A user's place, if the commit has changed it.
    pub(super) fn member(&self, user: &UserId) -> Option<Member> {
        self.changes.members.get(user).copied()
    }

    /// Appends an event; returns the point of the log after it.
    pub(super) fn push(&mut self, link: &Link<'_>, body: &Body, salt: &[u8; SIDE_BYTES]) -> Mark {
        let content_type = body.content_type().map_or(0, str::len);
        let mentions = body.mentions().map_or(0, |mentions| mentions.users.len() * MENTION_BYTES);
        let bytes = EVENT_BYTES + link.user.as_str().len() + content_type + mentions + body.bytes().len();
        if self.builder.is_full_for(bytes) {
            let full = self.closed();
            self.full.extend(full);
        }
        self.sides.extend_from_slice(salt);
        let mark = self.builder.push(link, body, salt);
        if let Some(target) = link.target.filter(|_| link.kind != EventKind::MESSAGE) {
            let sign = Sign::of(link.kind, body);
            let (offset, kind, user) = (mark.offset, link.kind, link.user.clone());
            self.amendments.push(Amendment { target, offset, kind, user, sign });
        }
        mark
    }

    /// Changes what an event changes beside the log.
    pub(super) fn apply(&mut self, effect: Effect) {
        let Effect { info, members, redacts, deletes, body: _ } = effect;
        if let Some(info) = info.map(Arc::new) {
            self.info = Some(Arc::clone(&info));
            self.changes.info = Some(info);
        }
        self.changes.members.extend(members);
        self.changes.redacts.extend(redacts);
        if deletes {
            self.is_ended = true;
            self.full.clear();
            self.changes = Changes::default();
        }
    }

    /// Adds its runs to those of the commit; what else changed of it.
    pub(super) fn finish(&mut self, runs: &mut Vec<Stored>) -> Result<Changes, Malformed> {
        let own = runs.len();
        runs.append(&mut self.full);
        runs.extend(self.closed());
        let mut changes = std::mem::take(&mut self.changes);
        if !changes.redacts.is_empty() {
            changes.redacts.sort_unstable();
            changes.redacts.dedup();
            for stored in &mut runs[own..] {
                *stored = stored.redacted(&changes.redacts)?;
            }
        }
        Ok(changes)
    }

    /// The run that grows, if it has an event; then the next one grows.
    fn closed(&mut self) -> Option<Stored> {
        let next = RunBuilder::new(self.room.clone(), self.epoch, self.builder.tip());
        let run = std::mem::replace(&mut self.builder, next).finish()?;
        Some(Stored { run, ts: self.ts, sides: std::mem::take(&mut self.sides).into() })
    }
}

/// The largest encoding of an event without user, content type, mentions and body. Source: twelve MessagePack fields at
/// their widest.
const EVENT_BYTES: usize = 96;

/// The largest encoding of a user who is mentioned. Source: the longest user id and its header.
const MENTION_BYTES: usize = 66;
