//! The publishes: queued, stored, sent in their order within the window, answered.
//!
//! ```text
//!   publish          saved           in order, within the window          ack, refused            saved
//!   -------> Storing -----> Stored ------------------------------> Sent --------------> Answered -----> (gone)
//!                             ^                                     | |  seq_forgotten     ^
//!                             +------------- disconnect ------------+ +----> Forgotten ----+ (settling.rs)
//!                                                                   |            |
//!                          never appended: Storing under another id +------------+--> Moved -----> (gone)
//! ```
//!
//! Entries are keyed by the generation of the client's ids and their seq there, and sent in that order: entries of an
//! older id are settled under that before anything of a newer one goes out. Invariants: an entry is sent only once it is
//! durable; nothing is sent before what stands in front of it; an answered entry counts as waiting until its removal is
//! durable, because a crash would bring it back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anchor_core::event::Draft;
use anchor_core::id::{ClientId, ClientKey, ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::limits::{IN_FLIGHT_BYTES_MAX, ROOMS_MAX, WINDOW};
use anchor_core::position::Position;
use anchor_core::publish::{Ack, Refusal};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{ClientFrame, PublishFrame, SessionLimits};

use super::Fault;
use super::action::{Action, Learnt, Output};
use super::settling::Search;
use crate::client::command::Waiter;
use crate::client::error::PublishError;
use crate::client::notice::{Notice, Undecided, UndecidedId};
use crate::client::outbox::{Change, Entry, EntryKey, Generation, Identity, Kept, Saved};

/// The outbox and what is on its way of it.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) identities: BTreeMap<Generation, Identity>,
    pub(super) entries: BTreeMap<EntryKey, Pending>,
    /// Generations that something was published under, as far as is known here.
    used: BTreeSet<Generation>,
    /// Entries of each generation that are not answered; no zeros.
    unanswered: BTreeMap<Generation, usize>,
    /// Entries of which a change waits to become durable, with the number of that write, in rising order.
    unsaved: VecDeque<(u64, EntryKey)>,
    /// Nothing is sent before this write is durable.
    held_until: Option<u64>,
    /// On this connection, everything up to here was sent.
    sent_up_to: Option<EntryKey>,
    in_flight_bytes: usize,
    window: u64,
    in_flight_bytes_max: usize,
    /// How far the logs of rooms were seen to reach.
    known: HashMap<RoomId, Position>,
    /// The newest acknowledged publishes, oldest first, bounded by number and bytes.
    pub(super) kept: VecDeque<(EntryKey, Kept)>,
    kept_bytes: usize,
    kept_max: usize,
    pub(super) undecided: BTreeMap<UndecidedId, Undecided>,
    /// The log is being searched for publishes of forgotten outcome.
    pub(super) search: Option<Search>,
}

/// An entry of the outbox and where it stands.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) entry: Entry,
    pub(super) stage: Stage,
    pub(super) origin: Origin,
    /// Who waits for it to be durable.
    queued: Option<Waiter>,
}

/// Who cares for an entry's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A call of this process.
    Call(Waiter),
    /// An earlier process left it: its outcome is a notice.
    Earlier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not durable before this write.
    Storing(u64),
    /// To be sent.
    Stored,
    /// Sent on this connection, not answered.
    Sent,
    /// The server no longer knows its outcome: the log settles it.
    Forgotten,
    /// Answered; stands on disk until its removal is durable.
    Answered,
    /// Never appended, and goes out under a derived id; stands on disk until that is durable.
    Moved,
}

impl Pending {
    /// True once its outcome under this key is known.
    pub(super) const fn is_decided(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::Moved)
    }
}

impl Sending {
    /// What an earlier process left; at least one identity.
    pub(super) fn new(saved: Saved, kept_max: usize) -> Self {
        let mut unanswered = BTreeMap::new();
        let mut known: HashMap<RoomId, Position> = HashMap::new();
        for key in saved.entries.keys() {
            *unanswered.entry(key.generation).or_default() += 1;
        }
        for (_, kept) in &saved.kept {
            known.insert(kept.room.clone(), kept.position);
        }
        let pending = |(key, entry)| {
            (key, Pending { entry, stage: Stage::Stored, origin: Origin::Earlier, queued: None })
        };
        let used = saved.identities.keys().copied().chain(unanswered.keys().copied()).collect();
        Self {
            used,
            identities: saved.identities,
            entries: saved.entries.into_iter().map(pending).collect(),
            unanswered,
            unsaved: VecDeque::new(),
            held_until: None,
            sent_up_to: None,
            in_flight_bytes: 0,
            window: WINDOW as u64,
            in_flight_bytes_max: IN_FLIGHT_BYTES_MAX,
            known,
            kept_bytes: saved.kept.iter().map(|(_, kept)| kept.draft.body.bytes().len()).sum(),
            kept: saved.kept,
            kept_max,
            undecided: saved.undecided,
            search: None,
        }
    }

    /// The generation in use.
    pub(super) fn generation(&self) -> Generation {
        self.identities.last_key_value().map_or(Generation::FIRST, |(generation, _)| *generation)
    }

    /// The id in use.
    pub(super) fn client_id(&self) -> ClientId {
        self.identities
            .last_key_value()
            .map(|(_, identity)| identity.id)
            .expect("there is always an identity")
    }

    /// How many publishes are unanswered.
    pub(super) fn pending(&self) -> usize {
        self.unanswered.values().sum()
    }

    /// Queues a publish under the next seq of the id in use.
    pub(super) fn publish(
        &mut self,
        room: RoomId,
        draft: Draft,
        nonce: Nonce,
        waiter: Waiter,
        out: &mut Output,
    ) {
        let known = self.known.get(&room).copied().unwrap_or(Position::START);
        let entry = Entry { nonce, room, draft, known };
        let generation = self.generation();
        let Some(identity) = self.identities.get_mut(&generation) else { return };
        identity.highest = identity.highest.next();
        let key = EntryKey { generation, seq: identity.highest };
        self.put(key, entry, Origin::Call(waiter), Some(waiter), out);
        out.act(Action::Pending(self.pending()));
    }

    /// Everything up to `write` is durable: entries may be sent, answered ones are gone.
    pub(super) fn saved(&mut self, write: u64, out: &mut Output) {
        let mut released = 0;
        while let Some((_, key)) = self.unsaved.pop_front_if(|(waits_for, _)| *waits_for <= write) {
            let Some(pending) = self.entries.get_mut(&key) else { continue };
            match pending.stage {
                Stage::Storing(stored_by) if stored_by <= write => {
                    pending.stage = Stage::Stored;
                    if let Some(waiter) = pending.queued.take() {
                        out.act(Action::Queued(waiter, Ok(key.seq)));
                    }
                }
                Stage::Answered => {
                    self.entries.remove(&key);
                    released += 1;
                }
                Stage::Moved => drop(self.entries.remove(&key)),
                _ => {}
            }
        }
        if released > 0 {
            out.act(Action::Release(released));
        }
        self.held_until = self.held_until.filter(|held_until| *held_until > write);
    }

    /// Sends nothing before `write` is durable.
    pub(super) const fn hold(&mut self, write: u64) {
        self.held_until = Some(write);
    }

    /// A session begins.
    pub(super) fn welcomed(&mut self, limits: &SessionLimits) {
        self.window = limits.window.clamp(1, WINDOW as u64);
        self.in_flight_bytes_max = usize::try_from(limits.in_flight_bytes).unwrap_or(usize::MAX);
    }

    /// The connection is gone: what was not answered is sent again on the next, in its order.
    pub(super) fn disconnected(&mut self) {
        self.search = None;
        self.sent_up_to = None;
        self.in_flight_bytes = 0;
        for pending in self.entries.values_mut() {
            if matches!(pending.stage, Stage::Sent | Stage::Forgotten) {
                pending.stage = Stage::Stored;
            }
        }
    }

    /// Sends what may be sent now; only while there is a session.
    pub(super) fn pump(&mut self, out: &mut Output) {
        if self.held_until.is_some() {
            return;
        }
        let Some((&active, _)) = self.unanswered.first_key_value() else { return };
        let waits = self.waits(active);
        let client_id = if active == self.generation() { None } else { self.id_of(active) };
        let from = self.sent_up_to.map_or(EntryKey { generation: active, seq: Seq::ZERO }, |sent| EntryKey {
            seq: sent.seq.next(),
            ..sent
        });
        let from =
            if from.generation < active { EntryKey { generation: active, seq: Seq::ZERO } } else { from };
        for (key, pending) in self.entries.range_mut(from..) {
            if key.generation != active {
                return;
            }
            let bytes = pending.entry.draft.body.bytes().len();
            let is_within_window = key.seq.get() - waits.get() < self.window;
            let is_within_bytes =
                self.in_flight_bytes == 0 || self.in_flight_bytes + bytes <= self.in_flight_bytes_max;
            if !is_within_window || !is_within_bytes {
                return;
            }
            match pending.stage {
                Stage::Storing(_) => return,
                Stage::Stored => {
                    pending.stage = Stage::Sent;
                    self.in_flight_bytes += bytes;
                    out.send(ClientFrame::Publish(PublishFrame {
                        seq: key.seq,
                        nonce: pending.entry.nonce,
                        waits,
                        room: pending.entry.room.clone(),
                        draft: pending.entry.draft.clone(),
                        client_id,
                    }));
                }
                Stage::Sent | Stage::Forgotten | Stage::Answered | Stage::Moved => {}
            }
            self.sent_up_to = Some(*key);
        }
    }

    /// True if something is sent and not answered.
    pub(super) fn is_under_way(&self) -> bool {
        self.entries.values().any(|pending| pending.stage == Stage::Sent)
    }

    /// The lowest seq that stands on disk under `generation`, or may come to stand there; the next one if none does.
    pub(super) fn waits(&self, generation: Generation) -> Seq {
        // What waits under an id that this one is derived from may come here, with its seq.
        let root = EntryKey { generation: generation.root(), seq: Seq::ZERO };
        let end = EntryKey { generation: generation.next_derived(), seq: Seq::ZERO };
        let waits = |pending: &Pending| !pending.is_decided() || !sabotage::is(Sabotage::WaitsBeforeRemoval);
        let waiting = self.entries.range(root..end).filter(|(_, pending)| waits(pending));
        let lowest = waiting.map(|(key, _)| key.seq).min();
        let next = || self.identities.get(&generation).map_or(Seq::FIRST, |identity| identity.highest.next());
        lowest.unwrap_or_else(next)
    }

    /// An ack of the server.
    ///
    /// # Errors
    /// [`Fault`] if it is for another room than the publish.
    pub(super) fn acked(&mut self, ack: Ack, out: &mut Output) -> Result<(), Fault> {
        let Some(key) = self.sent(ack.seq) else { return Ok(()) };
        if self.entries.get(&key).is_some_and(|pending| pending.entry.room != ack.room) {
            return Err(Fault("an ack for another room than the publish"));
        }
        self.settle_acked(key, ack, out);
        Ok(())
    }

    /// The entry that was sent as `seq` on this connection and is not answered.
    pub(super) fn sent(&self, seq: Seq) -> Option<EntryKey> {
        let (&generation, _) = self.unanswered.first_key_value()?;
        let key = EntryKey { generation, seq };
        self.entries.get(&key).filter(|pending| pending.stage == Stage::Sent).map(|_| key)
    }

    /// The publish stands in the log.
    pub(super) fn settle_acked(&mut self, key: EntryKey, ack: Ack, out: &mut Output) {
        let Some(pending) = self.entries.get(&key) else { return };
        let kept =
            Kept { room: ack.room.clone(), draft: pending.entry.draft.clone(), position: ack.position() };
        self.learn(Learnt { room: ack.room.clone(), position: kept.position });
        if let Some(identity) = self.identities.get_mut(&key.generation) {
            identity.highest_acked = identity.highest_acked.max(key.seq);
        }
        let draft = kept.draft.clone();
        let origin = self.answer(key, Change::Acked(key, kept.clone()), out);
        self.keep(key, kept, out);
        match origin {
            Some(Origin::Call(waiter)) => out.act(Action::Settled(waiter, Ok(ack))),
            Some(Origin::Earlier) => out.act(Action::Notice(Notice::Settled { ack, draft })),
            None => {}
        }
    }

    /// The publish was refused for good.
    pub(super) fn settle_refused(&mut self, key: EntryKey, refusal: Refusal, out: &mut Output) {
        let origin = self.answer(key, Change::Remove(key), out);
        match (origin, self.entries.get(&key)) {
            (Some(Origin::Call(waiter)), _) => {
                out.act(Action::Settled(waiter, Err(PublishError::Refused(refusal))));
            }
            (Some(Origin::Earlier), Some(Pending { entry, .. })) => {
                out.act(Action::Notice(Notice::Refused {
                    seq: key.seq,
                    room: entry.room.clone(),
                    draft: entry.draft.clone(),
                    refusal,
                }))
            }
            _ => {}
        }
    }

    /// Marks an entry as answered, with the change that takes it off the disk; gives who cares.
    pub(super) fn answer(&mut self, key: EntryKey, change: Change, out: &mut Output) -> Option<Origin> {
        let pending = self.entries.get_mut(&key)?;
        if pending.stage == Stage::Sent {
            self.in_flight_bytes =
                self.in_flight_bytes.saturating_sub(pending.entry.draft.body.bytes().len());
        }
        pending.stage = Stage::Answered;
        let origin = pending.origin;
        self.unsaved.push_back((out.change(change), key));
        self.count_down(key.generation, out);
        Some(origin)
    }

    /// Adds an entry, with the change that brings it onto the disk.
    pub(super) fn put(
        &mut self,
        key: EntryKey,
        entry: Entry,
        origin: Origin,
        queued: Option<Waiter>,
        out: &mut Output,
    ) {
        let write = out.change(Change::Put(key, entry.clone()));
        self.unsaved.push_back((write, key));
        *self.unanswered.entry(key.generation).or_default() += 1;
        self.used.insert(key.generation);
        self.entries.insert(key, Pending { entry, stage: Stage::Storing(write), origin, queued });
    }

    /// Puts an unanswered entry that was never appended under the id that is derived from its own, at the same seq.
    pub(super) fn move_on(&mut self, key: EntryKey, out: &mut Output) {
        let Some(pending) = self.entries.get_mut(&key) else { return };
        let entry = pending.entry.clone();
        let moved = EntryKey { generation: key.generation.next_derived(), ..key };
        let (origin, queued) = (pending.origin, pending.queued.take());
        if pending.stage == Stage::Sent {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(entry.draft.body.bytes().len());
        }
        pending.stage = Stage::Moved;
        self.unsaved.push_back((out.change(Change::Remove(key)), key));
        self.put(moved, entry, origin, queued, out);
        self.count_down(key.generation, out);
    }

    /// Remembers how far a room's log reaches.
    pub(super) fn learn(&mut self, learnt: Learnt) {
        let Learnt { room, position } = learnt;
        let is_full = self.known.len() >= KNOWN_ROOMS_MAX;
        match self.known.get_mut(&room) {
            Some(known) if known.epoch == position.epoch && known.offset >= position.offset => {}
            Some(known) => *known = position,
            // Not knowing is safe: a search would begin at the start of the log.
            None if is_full => {}
            None => drop(self.known.insert(room, position)),
        }
    }

    /// A gap or a restore put a room back to a position.
    pub(super) fn relearn(&mut self, learnt: Learnt) {
        self.known.insert(learnt.room, learnt.position);
    }

    /// The logs are not what they were: whatever was known of them is not.
    pub(super) fn forget_known(&mut self) {
        self.known.clear();
    }

    /// Ends every call that waits for an answer; the entries stay.
    pub(super) fn fail_all(&mut self, error: &PublishError, out: &mut Output) {
        for pending in self.entries.values_mut() {
            if let (Origin::Call(waiter), false) = (pending.origin, pending.is_decided()) {
                pending.origin = Origin::Earlier;
                out.act(Action::Settled(waiter, Err(error.clone())));
            }
        }
    }

    /// Ends every call that waits for its entry to be durable, and what it would wait for next.
    pub(super) fn fail_queued(&mut self, error: &PublishError, out: &mut Output) {
        for pending in self.entries.values_mut() {
            if let Some(waiter) = pending.queued.take() {
                out.act(Action::Queued(waiter, Err(error.clone())));
            }
        }
        self.fail_all(error, out);
    }

    /// The secret id of `generation`.
    pub(super) fn id_of(&self, generation: Generation) -> Option<ClientId> {
        self.identities.get(&generation.root()).map(|identity| identity.id_of(generation))
    }

    /// How events show this client of `user` under `generation`.
    pub(super) fn tag(&self, generation: Generation, user: &UserId) -> Option<ClientTag> {
        let id = self.id_of(generation)?;
        Some(ClientKey { user: user.clone(), id }.tag())
    }

    /// True if `client` is this client of `user`, under any id that it has now.
    pub(super) fn is_own(&self, client: ClientTag, user: &UserId) -> bool {
        self.used.iter().any(|generation| self.tag(*generation, user) == Some(client))
    }

    /// Replaces what is kept of acknowledged publishes by a part of it.
    pub(super) fn set_kept(&mut self, kept: VecDeque<(EntryKey, Kept)>) {
        self.kept_bytes = kept.iter().map(|(_, kept)| kept.draft.body.bytes().len()).sum();
        self.kept = kept;
    }

    fn keep(&mut self, key: EntryKey, kept: Kept, out: &mut Output) {
        self.kept_bytes += kept.draft.body.bytes().len();
        self.kept.push_back((key, kept));
        while self.kept.len() > self.kept_max || self.kept_bytes > KEPT_BYTES_MAX {
            let Some((key, kept)) = self.kept.pop_front() else { return };
            self.kept_bytes -= kept.draft.body.bytes().len();
            out.change(Change::Unkeep(key));
        }
    }

    fn count_down(&mut self, generation: Generation, out: &mut Output) {
        if let Some(count) = self.unanswered.get_mut(&generation) {
            *count -= 1;
            if *count == 0 {
                self.unanswered.remove(&generation);
            }
        }
        out.act(Action::Pending(self.pending()));
    }
}

/// Rooms of which it is kept how far they reach. Source: chosen; twice what one session may read.
const KNOWN_ROOMS_MAX: usize = 2 * ROOMS_MAX;

/// Bytes of bodies of acknowledged publishes that are kept, whatever their number. Source: chosen; 8 KiB each of 1,000.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
