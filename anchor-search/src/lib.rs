//! Full-text search over rooms: an index by tantivy that follows the logs, and can always be made again from them.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use anchor_search::{Indexer, Query, Scope};
//!
//! # let dir = tempfile::tempdir()?;
//! let indexer = Indexer::open(dir.path().join("search"))?;
//! let query = Query::parse("\"to the sea\" from:bob after:2026-05-01")?;
//! for found in indexer.index().look(&query, &Scope::Everywhere, None, 10)? {
//!     println!("{} {}", found.room, found.offset);
//! }
//! # Ok(()) }
//! ```
//!
//! A server has a [`SearchService`], which answers the engine's searches, and runs its [`Follower`].
//!
//! - **It says where messages stand, not what they say.** No text is stored, only the words that lead to a place.
//! - **It follows.** Events are taken in the order of a log, as often as one likes; edits replace, redactions and gaps take away.
//! - **What was taken away leaves the files**, with the next [`Indexer::settle`].
//! - **It narrows, and does not permit.** Whoever shows a match asks who may read it.
//!
//! # Map
//!
//! `service` answers the engine, `follow` gives the index what the logs have, both on the threads of `worker`. `query` reads what
//! people write, with the words of `words`; `plan` makes of it what tantivy takes; `index` looks, `paging` says how far, `place` is
//! the order. `indexer` writes what `pending` gathers; `schema` is what is kept; `directory` what stands around it.

mod words;

mod place;
mod query;

mod directory;
mod error;
mod schema;

mod index;
mod paging;
mod plan;

mod indexer;
mod pending;

mod follow;
mod service;
mod worker;

pub use directory::{remove, renew};
pub use error::IndexError;
pub use follow::{FollowError, Follower};
pub use index::SearchIndex;
pub use indexer::{Indexer, Taken};
pub use paging::Page;
pub use pending::Audience;
pub use place::{Match, NoPlace, Place};
pub use plan::Scope;
pub use query::{Query, QueryError};
pub use service::SearchService;
