//! One post, and what the events about it make of it.

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::UserId;
use anchor_core::position::Offset;
use anchor_core::room::{Changes, Edit, Reaction, Sign};

/// An event that is to be seen, and what became of it.
#[derive(Clone, Debug)]
pub struct Post {
    event: Event,
    changes: Changes,
    /// `changes` has everything up to here.
    as_of: Offset,
}

impl Post {
    /// One that came with a page, as of the head that the page told.
    pub(in crate::client) fn of_page(event: Event, changes: Option<Changes>, head: Offset) -> Self {
        let as_of = head.max(event.offset);
        let changes = changes.unwrap_or_else(|| Changes { target: event.offset, ..Changes::default() });
        Self { event, changes, as_of }
    }

    /// One that came live: nothing has become of it yet.
    #[must_use]
    pub fn live(event: Event) -> Self {
        let as_of = event.offset;
        Self::of_page(event, None, as_of)
    }

    /// The event as it stands in the log; without a body once that was redacted.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// What later events made of it.
    #[must_use]
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What it says now: its newest body, or none if that was redacted.
    #[must_use]
    pub fn body(&self) -> Option<&Body> {
        match &self.changes {
            Changes { redacted_by: Some(_), .. } => None,
            Changes { edit: Some(edit), .. } => edit.body.as_ref(),
            _ => self.event.body.as_ref(),
        }
    }

    /// Takes an event that is about this one, in the order of the log; `reader` is whose own reactions are marked. Those that
    /// it knows already change nothing.
    pub fn change(&mut self, event: &Event, reader: Option<&UserId>) {
        let Event { offset, ts, kind, ref user, ref body, .. } = *event;
        let changes = &mut self.changes;
        // Replies are counted as of the newest that was counted, which may be newer than the page's head.
        if kind == EventKind::MESSAGE {
            if Some(offset) > changes.last_reply {
                changes.replies += 1;
                changes.last_reply = Some(offset);
            }
            return;
        }
        if offset <= self.as_of {
            return;
        }
        self.as_of = offset;
        match kind {
            EventKind::EDIT if changes.redacted_by.is_none() => {
                changes.edit = Some(Edit { offset, ts, body: body.clone() });
            }
            EventKind::REDACTION => {
                changes.redacted_by.get_or_insert(offset);
                changes.edit = None;
                changes.pinned = false;
                self.event.body = None;
            }
            EventKind::PIN => changes.pinned = true,
            EventKind::UNPIN => changes.pinned = false,
            EventKind::REACTION | EventKind::REACTION_REMOVED => {
                if let Some(sign) = body.as_ref().and_then(|body| Sign::of(kind, body)) {
                    self.sign(sign, user, kind == EventKind::REACTION, reader);
                }
            }
            _ => {}
        }
    }

    /// A user set a sign or took it back: nobody does either twice.
    fn sign(&mut self, sign: Sign, user: &UserId, sets: bool, reader: Option<&UserId>) {
        let reactions = &mut self.changes.reactions;
        let is_reader = reader == Some(user);
        match (sets, reactions.iter().position(|reaction| reaction.sign == sign)) {
            (true, None) => reactions.push(Reaction { sign, count: 1, mine: is_reader }),
            (true, Some(at)) => {
                reactions[at].count += 1;
                reactions[at].mine |= is_reader;
            }
            // A page tells so many signs and no more.
            (false, None) => {}
            (false, Some(at)) if reactions[at].count <= 1 => drop(reactions.remove(at)),
            (false, Some(at)) => {
                reactions[at].count -= 1;
                reactions[at].mine &= !is_reader;
            }
        }
    }
}
