//! How deliveries are repeated.

use std::time::Duration;

use anchor_core::environment::Environment;
use anchor_core::limits::{WEBHOOK_ATTEMPTS_MAX, WEBHOOK_RETRY_FIRST, WEBHOOK_RETRY_MAX};

/// When what failed is sent again: twice as long after each failure, with jitter, so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub max: Duration,
    /// How often something is sent before it is a dead letter; at least twice.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: WEBHOOK_RETRY_FIRST, max: WEBHOOK_RETRY_MAX, attempts: WEBHOOK_ATTEMPTS_MAX }
    }
}

impl Retry {
    /// How long to wait after so many failures, at least one: between half of the time and all of it, so that what failed
    /// together does not come back together. No less than the receiver `asked` for, as far as that is within bounds.
    pub(crate) fn delay(&self, failures: u32, asked: Option<Duration>, env: &dyn Environment) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let whole = doubled.min(self.max);
        let mut dice = [0; 4];
        env.fill_random(&mut dice);
        let share = f64::from(u32::from_le_bytes(dice)) / f64::from(u32::MAX);
        let jittered = whole.mul_f64(0.5 + share / 2.0);
        jittered.max(asked.unwrap_or_default().min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use anchor_core::conformance::environment::TestEnvironment;

    use super::*;

    #[test]
    fn waits_twice_as_long_each_time_and_never_too_long() {
        let (env, retry) = (TestEnvironment::new(1), Retry::default());
        for failures in 1..40 {
            let whole = Duration::from_secs(1 << (failures - 1).min(20)).min(WEBHOOK_RETRY_MAX);
            let delay = retry.delay(failures, None, &env);
            assert!((whole / 2..=whole).contains(&delay), "{failures}: {delay:?}");
        }
        assert_eq!(retry.delay(1, Some(Duration::from_secs(90)), &env), Duration::from_secs(90));
        assert_eq!(retry.delay(1, Some(Duration::from_secs(1 << 40)), &env), WEBHOOK_RETRY_MAX);
    }
}
