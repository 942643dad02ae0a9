//! What becomes of entries when this client turns out to be a copy, or its server to be restored to an earlier day.
//!
//! A copy takes a new `client_id` for what is new. An entry of an older id is never re-keyed unsettled:
//!
//! ```text
//!   publish under its own (client_id, seq, nonce)
//!     ack, refused ----------------------------------------------------> settled
//!     seq_conflict, seq_skipped ------ never appended -----------------> goes out under the derived id
//!     seq_forgotten --> search the log from where it was known to reach when the entry was queued,
//!                       to a head that was told after that answer
//!                         found ----------------------------------------> settled: that is its ack
//!                         end reached ---- never appended --------------> goes out under the derived id
//!                         end reached behind a gap, room unreadable ----> undecided: a person decides
//! ```
//!
//! The id that an entry goes out under next is *derived* from the one it had, and it keeps its seq and nonce: whoever else
//! holds a copy of the same entry comes to the same key, so however often a state was copied, and whenever, the entry is
//! appended once. Entries of different copies that meet there conflict again, and go one derivation further.

use std::collections::{BTreeSet, VecDeque};

use anchor_core::code::Code;
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Offset, Position};
use anchor_core::publish::{Ack, Durability, Refusal};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{Events, HistoryRange, Page};

use super::Fault;
use super::action::{Action, Output};
use super::sending::{Origin, Pending, Sending, Stage};
use super::subscriptions::follow;
use crate::client::command::{Request, Waiter};
use crate::client::error::PublishError;
use crate::client::notice::{Notice, Undecided, UndecidedId, UndecidedReason};
use crate::client::outbox::{Change, Entry, EntryKey, Identity};

/// The log of one room is read forward for entries of one generation.
#[derive(Debug)]
pub(super) struct Search {
    room: RoomId,
    keys: BTreeSet<EntryKey>,
    /// Where it began.
    start: Position,
    cursor: Position,
    /// A part of the log could not be read: not finding an entry proves nothing.
    has_gap: bool,
    /// The head that was told first after the entries were called forgotten.
    until: Option<Offset>,
}

/// What a refusal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing more.
    Settled,
    /// This client is a copy of another: it took a new id and must say hello with that.
    Cloned,
}

impl Sending {
    /// A refusal of the server.
    pub(super) fn refused(
        &mut self,
        seq: Seq,
        refusal: Refusal,
        new_id: ClientId,
        out: &mut Output,
    ) -> Verdict {
        let Some(key) = self.sent(seq) else { return Verdict::Settled };
        let is_current = key.generation == self.generation();
        match refusal.code {
            Code::SeqConflict | Code::SeqSkipped => {
                if is_current {
                    self.become_clone(new_id, out);
                }
                self.move_on(key, out);
            }
            Code::SeqForgotten if is_current => self.become_clone(new_id, out),
            Code::SeqForgotten => {
                if let Some(pending) = self.entries.get_mut(&key) {
                    pending.stage = Stage::Forgotten;
                }
            }
            _ => self.settle_refused(key, refusal, out),
        }
        let is_clone = is_current && key.generation != self.generation();
        if is_clone { Verdict::Cloned } else { Verdict::Settled }
    }

    /// Takes `new_id` for what is new; everything unanswered will be settled under its own id first.
    pub(super) fn become_clone(&mut self, new_id: ClientId, out: &mut Output) {
        let generation = self.generation().next_taken();
        let identity = Identity::new(new_id);
        out.change(Change::Identity(generation, identity.clone()));
        self.identities.insert(generation, identity);
        let in_use: BTreeSet<_> = self.entries.keys().map(|key| key.generation.root()).collect();
        self.identities.retain(|old, _| {
            let stays = *old == generation || in_use.contains(old);
            if !stays {
                out.change(Change::ForgetIdentity(*old));
            }
            stays
        });
        let unsettled = self.entries.values().filter(|pending| !pending.is_decided()).count();
        out.act(Action::Notice(Notice::Cloned { unsettled }));
        if sabotage::is(Sabotage::CloneRekeysAtOnce) {
            self.keys_where(|pending| !pending.is_decided())
                .into_iter()
                .for_each(|key| self.move_on(key, out));
        }
    }

    /// The server's log no longer has acknowledged publishes above `decided`: they are offered for sending anew. That is
    /// durable before anything is sent: with the next publish the server's highest seq rises, and nothing would show the
    /// loss any more.
    pub(super) fn check_lost(&mut self, decided: Seq, out: &mut Output) {
        let generation = self.generation();
        let Some(identity) = self.identities.get_mut(&generation) else { return };
        if decided >= identity.highest_acked {
            return;
        }
        let acked = identity.highest_acked.get();
        identity.highest_acked = decided;
        let write = out.change(Change::Identity(generation, identity.clone()));
        self.hold(write);
        let mut offered = Vec::new();
        let (lost, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(key, _)| key.generation == generation && key.seq > decided);
        self.set_kept(kept);
        let lowest = lost.iter().map(|(key, _)| key.seq.get()).min().unwrap_or(acked + 1);
        for (key, kept) in lost {
            out.change(Change::Unkeep(key));
            let reason = UndecidedReason::Lost { position: kept.position };
            let id = self.next_undecided();
            let undecided = Undecided { id, room: kept.room, draft: kept.draft, seq: key.seq, reason };
            out.change(Change::Undecided(undecided.clone()));
            self.undecided.insert(id, undecided.clone());
            offered.push(undecided);
        }
        self.forget_known();
        let older = lowest - decided.get() - 1;
        out.act(Action::Notice(Notice::LostAcks { offered, older }));
    }

    /// Tells again what an earlier process left for a person to decide.
    pub(super) fn tell_undecided(&self, out: &mut Output) {
        let mut offered = Vec::new();
        for undecided in self.undecided.values() {
            match undecided.reason {
                UndecidedReason::Lost { .. } => offered.push(undecided.clone()),
                UndecidedReason::Unconfirmed => {
                    out.act(Action::Notice(Notice::Unconfirmed { entry: undecided.clone() }));
                }
            }
        }
        if !offered.is_empty() {
            out.act(Action::Notice(Notice::LostAcks { offered, older: 0 }));
        }
    }

    /// Sends an undecided publish as a new one; false if there is none of that id.
    pub(super) fn resend(&mut self, id: UndecidedId, nonce: Nonce, waiter: Waiter, out: &mut Output) -> bool {
        let Some(undecided) = self.undecided.remove(&id) else { return false };
        out.change(Change::Decided(id));
        self.publish(undecided.room, undecided.draft, nonce, waiter, out);
        true
    }

    /// Gives an undecided publish up; the number of the write that does.
    pub(super) fn discard(&mut self, id: UndecidedId, out: &mut Output) -> u64 {
        self.undecided.remove(&id);
        out.change(Change::Decided(id))
    }

    /// The next page that the search needs, if entries are forgotten and none is asked for.
    pub(super) fn start_search(&mut self, limit: u64) -> Option<Request> {
        if self.search.is_some() {
            return None;
        }
        let is_forgotten = |pending: &&Pending| pending.stage == Stage::Forgotten;
        let room = self.entries.values().find(is_forgotten)?.entry.room.clone();
        let of_room = || {
            let entries = self.entries.iter().filter(|(_, pending)| pending.stage == Stage::Forgotten);
            entries.filter(|(_, pending)| pending.entry.room == room)
        };
        let keys = of_room().map(|(key, _)| *key).collect();
        let start = of_room().map(|(_, pending)| pending.entry.known).min_by_key(|known| known.offset)?;
        self.search =
            Some(Search { room: room.clone(), keys, start, cursor: start, has_gap: false, until: None });
        Some(Request::History { room, range: HistoryRange::After(start), limit })
    }

    /// A page of the search; gives the request for the next, if one is needed.
    ///
    /// # Errors
    /// [`Fault`] if the page does not follow the one before.
    pub(super) fn searched(
        &mut self,
        page: Page,
        user: &UserId,
        limit: u64,
        out: &mut Output,
    ) -> Result<Option<Request>, Fault> {
        let Some(mut search) = self.search.take() else { return Ok(None) };
        let (asked, tells_gap) = (search.cursor, page.gap.is_some());
        if let Some(gap) = page.gap {
            let Some(position) = gap.position else {
                self.search = Some(search);
                self.search_refused(out);
                return Ok(None);
            };
            search.has_gap = true;
            search.cursor = position;
        }
        let until = *search.until.get_or_insert(page.head);
        if let Some(epoch) = page.epoch.filter(|_| !page.events.is_empty()) {
            let events = Events { room: page.room, epoch, first: page.first, events: page.events };
            if let Some(taken) = follow(search.cursor, &events)? {
                for event in &events.events[taken..] {
                    let found = search.keys.iter().copied().find(|key| {
                        key.seq == event.seq
                            && self.tag(key.generation, user) == Some(event.client)
                            && self.entries.get(key).is_some_and(|pending| pending.entry.nonce == event.nonce)
                    });
                    if let Some(key) = found {
                        search.keys.remove(&key);
                        let ack = Ack {
                            seq: key.seq,
                            room: events.room.clone(),
                            epoch,
                            mark: event.mark(),
                            ts: event.ts,
                            duplicate: true,
                            // The log does not say; an ack must not promise more than is known.
                            durability: Durability::Memory,
                        };
                        self.settle_acked(key, ack, out);
                    }
                    search.cursor = Position::at(epoch, event.mark());
                }
            }
        }
        if search.keys.is_empty() {
            return Ok(None);
        }
        if search.cursor.offset >= until {
            for key in search.keys {
                let known = self.entries.get(&key).map(|pending| pending.entry.known);
                match search.has_gap {
                    false => self.move_on(key, out),
                    true if known == Some(search.start) => self.unconfirmed(key, out),
                    // It was queued when more was known: it is searched for from there.
                    true => {}
                }
            }
            return Ok(None);
        }
        // A gap may come alone.
        if page.next.is_none() || search.cursor == asked && !tells_gap {
            return Err(Fault("a page that ends before the head it tells"));
        }
        let range = HistoryRange::After(search.cursor);
        let request = Request::History { room: search.room.clone(), range, limit };
        self.search = Some(search);
        Ok(Some(request))
    }

    /// What a sabotage makes of a goodbye that says resend: a refusal of everything that was sent.
    pub(super) fn refuse_sent(&mut self, refusal: &Refusal, out: &mut Output) {
        for key in self.keys_where(|pending| pending.stage == Stage::Sent) {
            self.settle_refused(key, refusal.clone(), out);
        }
    }

    /// The room may not be read: nobody can tell what became of the entries.
    pub(super) fn search_refused(&mut self, out: &mut Output) {
        let Some(search) = self.search.take() else { return };
        for key in search.keys {
            self.unconfirmed(key, out);
        }
    }

    fn unconfirmed(&mut self, key: EntryKey, out: &mut Output) {
        let Some(pending) = self.entries.get(&key) else { return };
        let Entry { room, draft, .. } = pending.entry.clone();
        let id = self.next_undecided();
        let entry = Undecided { id, room, draft, seq: key.seq, reason: UndecidedReason::Unconfirmed };
        out.change(Change::Undecided(entry.clone()));
        self.undecided.insert(id, entry.clone());
        if let Some(Origin::Call(waiter)) = self.answer(key, Change::Remove(key), out) {
            out.act(Action::Settled(waiter, Err(PublishError::Unconfirmed)));
        }
        out.act(Action::Notice(Notice::Unconfirmed { entry }));
    }

    fn keys_where(&self, is_wanted: impl Fn(&Pending) -> bool) -> Vec<EntryKey> {
        let wanted = self.entries.iter().filter(|(_, pending)| is_wanted(pending));
        wanted.map(|(key, _)| *key).collect()
    }

    fn next_undecided(&self) -> UndecidedId {
        self.undecided.last_key_value().map_or(UndecidedId(1), |(id, _)| UndecidedId(id.0 + 1))
    }
}
