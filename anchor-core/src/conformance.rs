//! What every backend must pass, and what tests of the rest of Anchor stand on.
//!
//! - [`environment`]: a clock, dice and alarms that a test holds in its hand.
//! - [`store`]: the rules of [`crate::store::Store`], one function each.

pub mod environment;
pub mod store;
mod yielding;
