//! An index as the engine asks it: whose search narrows to whose rooms, and shows what that one may read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use anchor_core::engine::Anchor;
use anchor_core::error::{BoxError, ErrorKind};
use anchor_core::id::RoomId;
use anchor_core::limits::SEARCH_SCOPE_ROOMS_MAX;
use anchor_core::room::Permit;
use anchor_core::search::{Asked, Hit, Hits, Search, SearchError};
use anchor_core::session::Identity;
use async_trait::async_trait;

use crate::error::IndexError;
use crate::follow::Follower;
use crate::index::SearchIndex;
use crate::indexer::Indexer;
use crate::paging::Paging;
use crate::place::{Match, Place};
use crate::plan::Scope;
use crate::query::Query;
use crate::worker::{Searchers, Unsearched, Writer};

/// Answers searches from an index that a [`Follower`] keeps up with the logs.
#[derive(Debug)]
pub struct SearchService {
    /// None until it could be opened.
    index: RwLock<Option<SearchIndex>>,
    searchers: Searchers,
    /// Events that are not in the index yet, about.
    lag: AtomicU64,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SearchService {
    /// Opens the index in `dir`, or makes one: what answers, for [`anchor_core::engine::AnchorBuilder::search`], and what follows
    /// the logs, to be run beside the engine ([`Follower::run`]). Blocks.
    ///
    /// Where that fails for what may pass, such as a full disk, searches fail until the follower has opened it.
    ///
    /// # Errors
    /// [`IndexError`], as for [`Indexer::open`], but for those of kind [`ErrorKind::Retry`].
    pub fn open(dir: impl AsRef<Path>) -> Result<(Arc<Self>, Follower), IndexError> {
        let dir = dir.as_ref().to_owned();
        let indexer = match Indexer::open(&dir) {
            Ok(indexer) => Some(indexer),
            Err(error) if error.kind() == ErrorKind::Retry => {
                let source = std::error::Error::source(&error);
                tracing::error!(%error, source, "nothing can be searched for until the index can be opened");
                None
            }
            Err(error) => return Err(error),
        };
        let index = indexer.as_ref().map(Indexer::index);
        let (writer, thread) = Writer::start(dir, indexer)?;
        let service = Arc::new(Self {
            index: RwLock::new(index),
            searchers: Searchers::start(),
            lag: AtomicU64::new(LAG_UNKNOWN),
            writer: Mutex::new(Some(thread)),
        });
        Ok((service.clone(), Follower::new(service, writer)))
    }

    /// Ends once the index is closed, its directory free. Blocks until the [`Follower`] is over: drop it, or what runs it, before.
    pub fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the thread that writes the search index ended in a panic");
        }
    }

    /// Events that are not in the index yet, about; at least 1 where that is not known.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// The index as it is now; none if it could not be opened yet.
    #[must_use]
    pub fn index(&self) -> Option<SearchIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn opened(&self, index: SearchIndex) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(index);
    }

    pub(crate) fn lags(&self, lag: Option<u64>) {
        self.lag.store(lag.unwrap_or(LAG_UNKNOWN), Ordering::Relaxed);
    }
}

#[async_trait]
impl Search for SearchService {
    async fn search(&self, anchor: &Anchor, who: &Identity, asked: &Asked) -> Result<Hits, SearchError> {
        let mut query = Query::parse(&asked.text).map_err(|error| SearchError::Invalid(error.to_string()))?;
        let place = |place: &String| place.parse::<Place>();
        let after = asked.after.as_ref().map(place).transpose();
        let after = after.map_err(|error| SearchError::Invalid(error.to_string()))?;
        let Some(scope) = scope_of(anchor, who, &mut query).await? else {
            return Ok(Hits { hits: Vec::new(), next: None, lag: self.lag() });
        };
        let asked_for = Arc::new((query, scope));
        let index = self.index().ok_or_else(|| failed(IndexError::NotThere))?;
        let mut paging = Paging::new(after, asked.limit);
        while let Some((after, count)) = paging.wanted() {
            let (index, asked_for) = (index.clone(), asked_for.clone());
            let look = move || index.look(&asked_for.0, &asked_for.1, after.as_ref(), count);
            let matches = match self.searchers.run(look).await {
                Ok(looked) => looked.map_err(failed)?,
                Err(Unsearched::Busy) => return Err(SearchError::Busy),
                Err(Unsearched::Panicked) => return Err(failed(IndexError::Panicked)),
            };
            // Asked behind the look: a permit says nothing of what came later.
            let permits = permits(anchor, who, &matches).await?;
            paging.take(matches, |found| {
                let permit = permits.get(&found.room).and_then(Option::as_ref);
                permit.is_some_and(|permit| permit.allows(found.offset) && permit.allows(found.version))
            });
        }
        let page = paging.finish();
        let hit = |found: Match| Hit {
            place: found.place().to_string(),
            room: found.room,
            epoch: found.epoch,
            offset: found.offset,
        };
        let hits = page.matches.into_iter().map(hit).collect();
        Ok(Hits { hits, next: page.next.map(|next| next.to_string()), lag: self.lag() })
    }
}

/// The rooms that a search looks in: those that it names, or whatever anybody may read and the rooms of the asker. None where the
/// asker may read nothing of what it names.
///
/// What is passed over may show in where an answer ends, so the query loses the rooms of which the asker may read nothing.
async fn scope_of(anchor: &Anchor, who: &Identity, query: &mut Query) -> Result<Option<Scope>, SearchError> {
    if !query.rooms.is_empty() {
        let mut rooms = Vec::with_capacity(query.rooms.len());
        for room in std::mem::take(&mut query.rooms) {
            if anchor.permit(&room, who).await?.is_some() {
                rooms.push(room);
            }
        }
        query.rooms = rooms;
        return Ok((!query.rooms.is_empty()).then_some(Scope::Everywhere));
    }
    if who.admin {
        return Ok(Some(Scope::Everywhere));
    }
    let rooms = anchor.store().rooms_of(&who.user, None, SEARCH_SCOPE_ROOMS_MAX + 1).await?;
    Ok(Some(match rooms.len() {
        ..=SEARCH_SCOPE_ROOMS_MAX => Scope::OpenAnd(rooms.into_iter().map(|(room, _)| room).collect()),
        _ => Scope::Everywhere,
    }))
}

/// What the asker may read of the rooms of some matches.
async fn permits(
    anchor: &Anchor,
    who: &Identity,
    matches: &[Match],
) -> Result<HashMap<RoomId, Option<Permit>>, SearchError> {
    let mut permits = HashMap::new();
    for found in matches {
        if !permits.contains_key(&found.room) {
            permits.insert(found.room.clone(), anchor.permit(&found.room, who).await?);
        }
    }
    Ok(permits)
}

fn failed(error: IndexError) -> SearchError {
    let source: BoxError = error.into();
    SearchError::Failed { index: "tantivy", source: Arc::new(source) }
}

/// What is told where the lag is not known.
const LAG_UNKNOWN: u64 = 1;
