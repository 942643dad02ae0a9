//! The say of the application that hosts a server: it rules on what is published in clubs, now and then slowly, too late, or
//! not at all.

use std::time::Duration;

use anchor_core::engine::{Hook, HookFailure, Proposal, Ruling};
use anchor_core::error::BoxError;
use async_trait::async_trait;

use crate::clock::Clock;
use crate::kernel::ProcessId;
use crate::society::{Ruled, Society, is_club};

/// A hook that draws what it rules.
#[derive(Debug)]
pub(super) struct Warden {
    pub(super) society: Society,
    pub(super) clock: Clock,
    pub(super) process: ProcessId,
    pub(super) started_at: Duration,
    /// What becomes of that on which it does not rule in time.
    pub(super) on_failure: HookFailure,
}

#[async_trait]
impl Hook for Warden {
    async fn rule(&self, proposal: Proposal<'_>) -> Result<Ruling, BoxError> {
        let slow = self.clock.between(Duration::from_millis(1), SLOW);
        if !is_club(proposal.room) {
            // What is said there has to arrive; it may take its time.
            if self.clock.below(SLOW_ONE_IN) == 0 {
                self.clock.kernel().sleep(slow).await;
            }
            return Ok(Ruling::Allow);
        }
        let failed = match self.on_failure {
            HookFailure::Allow => Ruled::Allowed(proposal.draft.body.clone()),
            HookFailure::Refuse => Ruled::Refused,
        };
        let as_it_is = Ruled::Allowed(proposal.draft.body.clone());
        let tell = |ruled| self.society.ruled(self.process, self.started_at, &proposal, ruled);
        match self.clock.below(16) {
            0 => {
                tell(Ruled::Refused);
                Ok(Ruling::Refuse("nobody says that here".to_owned()))
            }
            1 if proposal.draft.kind.is_said() => {
                let body = format!("changed {}", self.clock.below(1_000_000));
                tell(Ruled::Allowed(body.as_str().into()));
                Ok(Ruling::Change(body.as_str().into()))
            }
            2 => {
                tell(failed);
                Err("the one who knows is not there".into())
            }
            3 => {
                tell(failed);
                self.clock.kernel().sleep(3 * WITHIN).await;
                Ok(Ruling::Refuse("too late".to_owned()))
            }
            4 | 5 => {
                tell(as_it_is);
                self.clock.kernel().sleep(slow).await;
                Ok(Ruling::Allow)
            }
            _ => {
                tell(as_it_is);
                Ok(Ruling::Allow)
            }
        }
    }
}

/// What the hook is given for one publish. Source: chosen; shorter than what a client waits for before it sends again.
pub(super) const WITHIN: Duration = Duration::from_secs(2);

/// How long a slow ruling takes, at most. Source: chosen; clearly in time.
const SLOW: Duration = Duration::from_secs(1);

/// One in so many rulings about rooms without members is slow. Source: chosen.
const SLOW_ONE_IN: u64 = 40;
