//! The publishes of a session: prepared where they must be, gathered, handed to the store in order, answered.
//!
//! Most need nothing but to be handed over. What names another event, or what a hook is asked about, is *prepared* first
//! by the engine, one at a time; what comes behind it waits in line, so that nothing overtakes.

use std::collections::VecDeque;

use super::action::{Action, Ask, BatchId, Goodbye};
use super::frame::{PublishFrame, ServerFrame};
use crate::code::Code;
use crate::engine::decided_before;
use crate::id::{ClientKey, Seq, SessionNumber};
use crate::limits::{IN_FLIGHT_BYTES_MAX, WINDOW};
use crate::publish::{Grounds, MissingRoom, Outcome, Publish, Verdict};
use crate::sabotage::{self, Sabotage};
use crate::store::StoreError;

/// Publishes on their way. Bounded in number and bytes: a client that sends more has lost count.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    gathered: Vec<Publish>,
    /// Handed over or gathered, in the order in which they came: seqs and bytes.
    unanswered: VecDeque<(Seq, usize)>,
    /// Handed over, the oldest first.
    batches: VecDeque<Batch>,
    next_batch: u64,
    /// Of all that is unanswered.
    bytes: usize,
    /// What must be prepared, and what came behind it, in the order in which it came.
    line: VecDeque<Waiting>,
    /// What stood before the line is with the engine.
    preparing: bool,
    /// The highest seq of the client that is decided, or will be before whatever comes next.
    highest: Seq,
}

/// Who publishes in a session, and what holds for all of it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) client: ClientKey,
    pub(super) session: SessionNumber,
    pub(super) admin: bool,
    pub(super) missing_room: MissingRoom,
    /// The host is asked about every publish.
    pub(super) is_moderated: bool,
}

/// A publish in line.
#[derive(Debug)]
struct Waiting {
    publish: Publish,
    /// Something must be found out about it before it is handed over.
    is_unprepared: bool,
}

/// A batch on its way.
#[derive(Debug)]
struct Batch {
    id: BatchId,
    publishes: usize,
    /// Told by the store, and kept until every earlier batch is answered.
    outcomes: Option<Result<Vec<Outcome>, StoreError>>,
}

impl Publishing {
    /// Learns which seqs are decided before the first publish comes.
    pub(super) fn begin(&mut self, highest: Seq) {
        self.highest = highest;
    }

    /// Takes a publish from the wire.
    pub(super) fn take(
        &mut self,
        writer: Writer,
        frame: PublishFrame,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Goodbye> {
        if frame.seq < Seq::FIRST {
            return Err(Goodbye::new(Code::Malformed, "a seq is at least 1"));
        }
        if frame.waits > frame.seq {
            return Err(Goodbye::new(Code::Malformed, "what waits is at most the seq of its publish"));
        }
        let bytes = frame.draft.body.bytes().len();
        self.unanswered.push_back((frame.seq, bytes));
        self.bytes += bytes;
        if self.unanswered.len() > WINDOW {
            return Err(Goodbye::new(Code::WindowFull, "more publishes on their way than the window holds"));
        }
        if self.bytes > IN_FLIGHT_BYTES_MAX.max(bytes) {
            return Err(Goodbye::new(Code::TooManyInFlight, "more bytes on their way than allowed"));
        }
        let Writer { client, session, admin, missing_room, is_moderated } = writer;
        let (client, session) = match frame.client_id {
            Some(id) if id != client.id => (ClientKey { id, ..client }, None),
            _ => (client, Some(session)),
        };
        // Of another id the store must be asked; of its own a session knows, as its older ones are fenced.
        let is_fresh = session.is_none() || frame.seq > self.highest;
        if session.is_some() {
            self.highest = self.highest.max(frame.seq);
        }
        let verdict = match is_moderated && !is_fresh {
            true => decided_before(),
            false => Verdict::Append { room: missing_room },
        };
        let is_unprepared = is_fresh && (is_moderated || frame.draft.target.is_some());
        let publish = Publish {
            client,
            session,
            seq: frame.seq,
            nonce: frame.nonce,
            waits: frame.waits,
            room: frame.room,
            draft: frame.draft,
            verdict,
            grounds: admin.then(|| Box::new(Grounds { admin, ..Grounds::default() })),
        };
        if !is_unprepared && !self.preparing {
            self.gathered.push(publish);
        } else {
            self.line.push_back(Waiting { publish, is_unprepared });
            self.advance(out);
        }
        Ok(())
    }

    /// Takes a publish that is prepared, to be handed over; or learns that it cannot be.
    pub(super) fn prepared(
        &mut self,
        prepared: Result<Publish, StoreError>,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Goodbye> {
        // Let go of meanwhile: its client sends it again.
        if !self.preparing {
            return Ok(());
        }
        self.preparing = false;
        self.gathered.push(prepared.map_err(|error| Goodbye::store(&error))?);
        self.advance(out);
        Ok(())
    }

    /// Gathers what stands in line, up to the next that must be prepared; has that prepared.
    fn advance(&mut self, out: &mut VecDeque<Action>) {
        while !self.preparing
            && let Some(Waiting { publish, is_unprepared }) = self.line.pop_front()
        {
            if is_unprepared {
                self.preparing = true;
                out.push_back(Action::Ask(Ask::Prepare(Box::new(publish))));
            } else {
                self.gathered.push(publish);
            }
        }
    }

    /// Everything gathered, to be handed over as one batch.
    pub(super) fn take_batch(&mut self) -> Option<Action> {
        if self.gathered.is_empty() {
            return None;
        }
        let mut publishes = std::mem::take(&mut self.gathered);
        if sabotage::is(Sabotage::SeqOvertakes) {
            publishes.reverse();
        }
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        self.batches.push_back(Batch { id, publishes: publishes.len(), outcomes: None });
        Some(Action::Ask(Ask::Append(id, publishes)))
    }

    /// Turns outcomes into frames, in the order of the batches, up to the first that ends the session: what a batch in
    /// doubt has fenced behind it does not hide the doubt.
    pub(super) fn answered(
        &mut self,
        batch: BatchId,
        outcomes: Result<Vec<Outcome>, StoreError>,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Goodbye> {
        if let Ok(at) = self.batches.binary_search_by_key(&batch, |batch| batch.id) {
            self.batches[at].outcomes = Some(outcomes);
        }
        while let Some(first) = self.batches.front_mut()
            && let Some(outcomes) = first.outcomes.take()
        {
            let publishes = first.publishes;
            self.batches.pop_front();
            self.answer(publishes, outcomes, out)?;
        }
        if self.is_idle() {
            (self.unanswered, self.batches, self.line) = Default::default();
        }
        Ok(())
    }

    fn answer(
        &mut self,
        publishes: usize,
        outcomes: Result<Vec<Outcome>, StoreError>,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Goodbye> {
        let outcomes = outcomes.map_err(|error| Goodbye::store(&error))?;
        for ((seq, bytes), outcome) in self.unanswered.drain(..publishes).zip(outcomes) {
            self.bytes -= bytes;
            out.push_back(Action::Send(match outcome {
                Outcome::Acked(ack) => ServerFrame::Ack(ack),
                Outcome::Refused(refusal) => {
                    ServerFrame::Refused { seq, code: refusal.code, message: refusal.message }
                }
                Outcome::WindowFull => {
                    return Err(Goodbye::new(
                        Code::WindowFull,
                        "the window has no room; raise waits and resend",
                    ));
                }
                Outcome::Fenced => {
                    return Err(Goodbye::new(Code::Replaced, "another session of this client was opened"));
                }
            }));
        }
        Ok(())
    }

    /// True if nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.gathered.is_empty() && self.batches.is_empty() && !self.preparing
    }

    /// Lets go of what is not ready to be handed over: the client sends it again.
    pub(super) fn give_up_line(&mut self) {
        self.line.clear();
        self.preparing = false;
    }

    /// Lets go of what was not handed over: the client sends it again.
    pub(super) fn clear(&mut self) {
        self.gathered.clear();
        self.give_up_line();
    }
}
