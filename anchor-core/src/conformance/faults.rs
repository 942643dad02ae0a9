//! Stores that are slow or fail when a test says so, around any other store.
//!
//! Both keep the contract of [`crate::store::Store`], so the suite runs on them as well: a slow store is still in
//! order, a failing one says what it does not know.

mod failing;
mod slow;

pub use self::failing::{FailingStore, Fault};
pub use self::slow::SlowStore;
