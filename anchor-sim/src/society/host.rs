//! What the host of a server said of publishes, and what must hold of that: what was appended is what it gave, nothing that
//! it refused is, and nobody asked it twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anchor_core::engine::Proposal;
use anchor_core::event::{Body, Draft, Event};
use anchor_core::id::{ClientTag, RoomId, Seq};

use super::{Inner, Society, is_club};
use crate::kernel::ProcessId;

/// What the host said of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruled {
    /// It may stand, with this body.
    Allowed(Body),
    /// It may not.
    Refused,
}

/// Every ruling; none where nobody is asked.
#[derive(Debug, Default)]
pub(super) struct Rulings {
    /// True if the host is asked about every publish.
    is_asked: bool,
    /// Two states of one client may send different publishes under one number.
    pub(super) has_copies: bool,
    pub(super) by_publish: BTreeMap<(ClientTag, Seq), Vec<Given>>,
}

#[derive(Debug)]
pub(super) struct Given {
    process: ProcessId,
    room: RoomId,
    draft: Draft,
    ruled: Ruled,
}

impl Society {
    /// From the beginning on the host is asked about every publish. `has_copies`: states of clients may be copied.
    pub fn is_moderated(&self, has_copies: bool) {
        let mut inner = self.inner();
        (inner.rulings.is_asked, inner.rulings.has_copies) = (true, has_copies);
    }

    /// The host is asked in `process`, and rules.
    pub fn ruled(&self, process: ProcessId, started_at: Duration, proposal: &Proposal<'_>, ruled: Ruled) {
        let Proposal { user, client, seq, room, draft, .. } = *proposal;
        let mut inner = self.inner();
        let what = format!("the host was asked about {seq:?} of {user} in {room}");
        if inner.stood(room, client, seq, started_at) {
            inner.broken.push(format!("{what}, which stood before the server started"));
        }
        let has_copies = inner.rulings.has_copies;
        let given = inner.rulings.by_publish.entry((client, seq)).or_default();
        let is_again = given.iter().any(|given| given.process == process && given.draft == *draft);
        given.push(Given { process, room: room.clone(), draft: draft.clone(), ruled });
        if is_again && !has_copies {
            inner.broken.push(format!("{what} again by {process}"));
        }
    }
}

impl Inner {
    /// True if an event of a room that was not deleted was told to be committed before `at`.
    fn stood(&self, room: &RoomId, client: ClientTag, seq: Seq, at: Duration) -> bool {
        let known = self.ledger.lives(room).iter().flat_map(|life| life.events.values());
        let mut before = known.filter(|known| known.committed_at.is_some_and(|committed| committed < at));
        before.any(|known| known.event.client == client && known.event.seq == seq)
    }

    /// What stands in clubs without the host's word, or in another order than it was sent in.
    pub(super) fn against_the_host(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if !self.rulings.is_asked {
            return broken;
        }
        for (room, lives) in self.ledger.rooms().filter(|(room, _)| is_club(room)) {
            for life in lives {
                let allowed = life.events().filter(|event| !self.rulings.allow(room, event));
                broken.extend(allowed.map(|event| {
                    let given = self.rulings.by_publish.get(&(event.client, event.seq));
                    format!("{} of {room} is {event:?}, and the host said {given:?}", event.offset)
                }));
                let mut newest: BTreeMap<ClientTag, Seq> = BTreeMap::new();
                let mut seen = BTreeSet::new();
                for event in life.events().filter(|_| !self.rulings.has_copies) {
                    let before = newest.insert(event.client, event.seq);
                    if before >= Some(event.seq) && seen.insert(event.client) {
                        broken.push(format!("{} of {room} overtook {before:?} of its client", event.offset));
                    }
                }
            }
        }
        broken
    }
}

impl Rulings {
    fn allow(&self, room: &RoomId, event: &Event) -> bool {
        let given = self.by_publish.get(&(event.client, event.seq)).map_or(&[][..], |given| &given[..]);
        given.iter().any(|given| {
            let is_of_event =
                given.room == *room && given.draft.kind == event.kind && given.draft.target == event.target;
            let is_body = match (&given.ruled, &event.body) {
                (Ruled::Refused, _) => false,
                (Ruled::Allowed(_), None) => true,
                (Ruled::Allowed(body), Some(said)) => body == said,
            };
            is_of_event && is_body
        })
    }
}
