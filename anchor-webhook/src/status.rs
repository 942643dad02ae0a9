//! How a webhook is doing, for those who ask.

use std::sync::{Arc, Mutex, PoisonError};

use crate::poster::PostError;

/// How a webhook is doing. Clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status(Arc<Mutex<Failures>>);

/// What failed since something last went well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    pub(crate) last: Option<String>,
    /// What ended the webhook itself, as long as it has taken nothing since.
    pub(crate) trouble: Option<String>,
}

impl Status {
    pub(crate) fn went_well(&self) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (failures.count, failures.last) = (0, None);
    }

    /// The webhook has ended by no fault of the receiver.
    pub(crate) fn troubled(&self, error: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(error);
    }

    /// The webhook works.
    pub(crate) fn works(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
    }

    pub(crate) fn failed(&self, error: &PostError) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count += 1;
        failures.last = Some(error.to_string());
    }

    pub(crate) fn failures(&self) -> Failures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
