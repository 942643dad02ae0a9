//! `anchor-cli` as a user has it: real processes against a real server.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod bench;
mod cli_attend;
mod cli_chat;
mod cli_escape;
mod cli_exit;
mod cli_once;
mod cli_people;
mod cli_rooms;
mod cli_send;
mod cli_tail;
mod cli_talk;
mod cli_terminal;
mod cli_work;
mod cli_world;

mod faults;
mod torture;
