//! Anchor's embedded store: durable before acknowledged, two redb files in one directory, nothing to install.
//!
//! ```
//! # async fn example(env: impl anchor_core::environment::Environment) -> Result<(), Box<dyn std::error::Error>> {
//! use anchor_core::id::RoomId;
//! use anchor_core::store::{Store, StoreExt};
//! use anchor_store::RedbStore;
//!
//! let store = RedbStore::open("anchor-data", env)?;
//! for event in store.read_all(&RoomId::lobby()).await? {
//!     println!("{} {:?}", event.offset, event.body);
//! }
//! store.close();
//! # Ok(()) }
//! ```
//!
//! - **The journal** has one value for each commit, with everything that the commit adds. Acks wait for it and for
//!   nothing else. Whatever waits when a commit begins goes into it.
//! - **The pages** have many consecutive events of a room in one value, ready to be sent. They are filled behind the
//!   writer's back, and trimming the journal comes after.
//! - **Memory** has what is journalled and not yet paged, within a bound, and caches of the rest. What it has is read at
//!   once; what it has not, by a few threads.
//!
//! `docs/format.md` describes both files. From the line of requests to the files:
//!
//! `queue` → `writer` (with `sessions`, `cache`) → `journal` → `visible` ← `reader` (with `snapshot`, `runs`, `readers`);
//! `writer` → `pager` → `pages`, `windows`, `targets`, `cursors`; `notes` → `pager` → `cursors`, `records`. `directory`, `disk` and `replay` open; `tables` names what is in the
//! files; `compact` and `renew` give back what they no longer need.

mod authors;
mod cache;
mod check;
mod codec;
mod compact;
mod cursors;
mod database;
mod directory;
mod disk;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod hash;
mod journal;
mod notes;
mod options;
mod pager;
mod pages;
mod queue;
mod reader;
mod readers;
mod records;
mod renew;
mod replay;
mod restore;
mod rooms;
mod rows;
mod runs;
mod sessions;
mod shared;
mod snapshot;
mod tables;
mod targets;
mod visible;
mod windows;
mod writer;

pub use check::{Report, check, check_backends};
pub use compact::{Compacted, compact, compact_backends};
pub use error::OpenError;
pub use handle::RedbStore;
pub use options::Options;
pub use restore::{Restored, restore, restore_backends};
pub use writer::Step;
