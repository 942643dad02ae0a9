//! What a room is besides its log: its kind and settings, its members and their roles, and who may do what.
//!
//! All of it follows from the room's own events, [`crate::event::EventKind::MEMBERSHIP`] and
//! [`crate::event::EventKind::ROOM`]: their bodies are a [`change`], [`rules`] decides whether it may happen and what rows
//! it changes, and a store keeps the rows. One pure function decides for every store, at the very offset at which the
//! event is appended, so that no two nodes can disagree about it.
//!
//! A room that came into being with its first message has no [`RoomInfo`] until the first such event: everybody may read
//! and write it.

mod amendment;
pub mod change;
mod direct;
mod info;
mod member;
pub mod rules;
mod standing;

pub use self::amendment::{Amendment, Changes, Edit, Reaction, Thread, UserSigns, fold};
pub use self::info::{HistoryAccess, Retention, RoomInfo, RoomKind};
pub use self::member::{Member, Membership, Role};
pub use self::standing::{Permit, Standing};
pub use crate::text::{InvalidText, Sign, Title, Topic};

#[cfg(test)]
mod tests;
