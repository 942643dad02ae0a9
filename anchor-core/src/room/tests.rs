//! Rooms: the rules against their table, what they change, and the ids and texts that rooms are made of.

mod acting;
mod amendments;
mod direct;
mod members;
mod messages;
mod random;
#[cfg(feature = "sabotage")]
mod sabotage;
mod settings;
mod standing;
mod table;
