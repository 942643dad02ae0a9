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
}

impl Status {
    pub(crate) fn went_well(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Failures::default();
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
