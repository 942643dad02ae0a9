//! What every backend must pass, and what tests of the rest of Anchor stand on.
//!
//! - [`store`]: the rules of [`crate::store::Store`], one function each; [`model`]: any store beside a trivial one.
//! - [`faults`]: stores that are slow or fail when a test says so.
//! - [`bus`]: the rules of [`crate::bus::Bus`], and a bus of several nodes in one process.
//! - [`promise`]: what clients did and saw, checked against what Anchor promises.
//! - [`hostile`]: bytes that are nearly right, for whatever reads bytes from outside.
//! - [`environment`]: a clock, dice and alarms that a test holds in its hand.

pub mod bus;
pub mod environment;
pub mod faults;
pub mod hostile;
pub mod model;
pub mod promise;
pub mod store;
mod yielding;

pub use self::yielding::yield_now;
