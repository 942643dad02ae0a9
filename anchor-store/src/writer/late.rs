//! What deliberate faults let out of a step before its commit, which the next step then makes.
//!
//! A step is one piece where it is called inline; the writer's thread takes its time, and so do these.

use anchor_core::error::BoxError;
use anchor_core::publish::Outcome;
use anchor_core::sabotage::{self, Sabotage};

use super::Writer;
use super::answer::Answer;
use crate::journal::Commit;
use crate::shared::Shared;

/// A commit that the next step makes, and what it answers then.
pub(super) type Late = (Commit, Vec<Answer>);

impl Writer {
    /// Makes the commit that the last step left to this one; false if it left none.
    pub(super) fn commit_late(&mut self, shared: &Shared) -> Result<bool, BoxError> {
        let Some((commit, answers)) = self.late.take() else { return Ok(false) };
        self.commit(shared, commit)?;
        answers.into_iter().for_each(Answer::send);
        Ok(true)
    }

    /// Lets out what the fault in force lets out; gives what is left to do in this step, if not all is left to the next.
    pub(super) fn let_out(
        &mut self,
        shared: &Shared,
        commit: Commit,
        mut answers: Vec<Answer>,
    ) -> Result<Option<Late>, BoxError> {
        let is_late = |fault| sabotage::is(fault) && !commit.is_empty();
        if is_late(Sabotage::AckBeforeCommit) {
            answers.drain(..).for_each(Answer::send);
        } else if is_late(Sabotage::OverlayVisible) {
            self.show(shared, self.next, &commit)?;
        } else if is_late(Sabotage::DuplicateAckedEarly) {
            answers.extract_if(.., |answer| is_of_repeats(answer)).for_each(Answer::send);
        } else {
            return Ok(Some((commit, answers)));
        }
        self.late = Some((commit, answers));
        Ok(None)
    }
}

/// True if everything in it was decided before.
fn is_of_repeats(answer: &Answer) -> bool {
    let is_repeat = |outcome: &Outcome| matches!(outcome, Outcome::Acked(ack) if ack.duplicate);
    matches!(answer, Answer::Append(_, outcomes) if outcomes.iter().all(is_repeat))
}
