//! The publishes of a session: gathered, handed to the store in order, answered.

use std::collections::VecDeque;

use super::action::{Action, Ask, BatchId, Goodbye};
use super::authorize;
use super::frame::{PublishFrame, ServerFrame};
use crate::code::Code;
use crate::id::{ClientKey, Seq, SessionNumber};
use crate::limits::{IN_FLIGHT_BYTES_MAX, WINDOW};
use crate::publish::{MissingRoom, Outcome, Publish};
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
    /// Takes a publish from the wire.
    pub(super) fn take(
        &mut self,
        client: ClientKey,
        number: SessionNumber,
        frame: PublishFrame,
        missing_room: MissingRoom,
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
        let verdict = authorize::publish(&frame.room, &frame.draft, missing_room);
        let (client, session) = match frame.client_id {
            Some(id) if id != client.id => (ClientKey { id, ..client }, None),
            _ => (client, Some(number)),
        };
        self.gathered.push(Publish {
            client,
            session,
            seq: frame.seq,
            nonce: frame.nonce,
            waits: frame.waits,
            room: frame.room,
            draft: frame.draft,
            verdict,
            grounds: None,
        });
        Ok(())
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
            (self.unanswered, self.batches) = (VecDeque::new(), VecDeque::new());
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
        self.gathered.is_empty() && self.batches.is_empty()
    }

    /// Lets go of what was not handed over: the client resends it.
    pub(super) fn clear(&mut self) {
        self.gathered.clear();
    }
}
