//! The side of an index that searches: cheap to clone, for any number of threads, beside the one that writes.

use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset};
use tantivy::collector::sort_key::SortByStaticFastValue;
use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, IndexReader, Order, Searcher};

use crate::error::IndexError;
use crate::paging::{Page, Paging};
use crate::place::{Match, Place};
use crate::plan::{self, Scope};
use crate::query::Query;
use crate::schema::{EPOCH, Fields, OFFSET, ROOM, TIE, TS, VERSION, epoch_of};

/// An index as it was at its last commit.
#[derive(Clone)]
pub struct SearchIndex {
    pub(crate) reader: IndexReader,
    pub(crate) fields: Fields,
}

/// What the index knows of a message, without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) epoch: Epoch,
    pub(crate) ts: u64,
    pub(crate) version: Offset,
}

impl SearchIndex {
    /// The messages that match, the newest first, those behind `after`, at most `limit`. Blocks: it reads files, and takes time
    /// with the number of messages that match.
    ///
    /// They are looked for in `scope` alone, unless the query names rooms. Whether the asker may read them is not looked at.
    ///
    /// # Errors
    /// [`IndexError::Tantivy`].
    pub fn look(
        &self,
        query: &Query,
        scope: &Scope,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Match>, IndexError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (searcher, plan) = (self.reader.searcher(), plan::of(query, scope, after, &self.fields));
        let by = |field| (SortByStaticFastValue::<u64>::for_field(field), Order::Desc);
        let newest = TopDocs::with_limit(limit).order_by((by(TS), by(OFFSET), by(TIE)));
        let hits = searcher.search(&plan, &newest)?;
        let columns = Columns::all(&searcher)?;
        let hits = hits.into_iter().map(|(_, address)| columns[address.segment_ord as usize].read(address));
        hits.collect()
    }

    /// As [`SearchIndex::look`], for those of the matches that `allowed` lets through: a page of them, which says whether there may
    /// be more. Looks at no more than [`anchor_core::limits::SEARCH_LOOKED_AT_MAX`].
    ///
    /// # Errors
    /// [`IndexError::Tantivy`].
    pub fn search(
        &self,
        query: &Query,
        scope: &Scope,
        after: Option<Place>,
        limit: usize,
        mut allowed: impl FnMut(&Match) -> bool,
    ) -> Result<Page, IndexError> {
        let mut paging = Paging::new(after, limit);
        while let Some((after, count)) = paging.wanted() {
            let looked_at = self.look(query, scope, after.as_ref(), count)?;
            paging.take(looked_at, &mut allowed);
        }
        Ok(paging.finish())
    }

    /// Messages that it holds.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// The rooms of which it holds messages, in rising order of their ids, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`IndexError::Tantivy`].
    pub fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<RoomId>, IndexError> {
        let (searcher, mut rooms) = (self.reader.searcher(), std::collections::BTreeSet::new());
        for segment in searcher.segment_readers() {
            let terms = segment.inverted_index(self.fields.room)?;
            let range = terms.terms().range();
            let mut stream = match after {
                Some(after) => range.gt(after.as_str()),
                None => range,
            }
            .into_stream()
            .map_err(tantivy::TantivyError::from)?;
            let mut taken = 0;
            while taken < limit && stream.advance() {
                let room = std::str::from_utf8(stream.key()).ok().and_then(|id| RoomId::new(id).ok());
                rooms.extend(room);
                taken += 1;
            }
        }
        Ok(rooms.into_iter().take(limit).collect())
    }

    /// The oldest and the newest message that it holds of a room, by their offsets, and the history of the newest.
    ///
    /// # Errors
    /// [`IndexError::Tantivy`].
    pub fn span(&self, room: &RoomId) -> Result<Option<(Offset, Offset, Epoch)>, IndexError> {
        let searcher = self.reader.searcher();
        let of_room = TermQuery::new(self.fields.of_room(room), IndexRecordOption::Basic);
        let end = |order| -> Result<_, IndexError> {
            let first =
                TopDocs::with_limit(1).order_by((SortByStaticFastValue::<u64>::for_field(OFFSET), order));
            Ok(searcher.search(&of_room, &first)?.into_iter().next())
        };
        let (Some((Some(oldest), _)), Some((Some(newest), at))) = (end(Order::Asc)?, end(Order::Desc)?)
        else {
            return Ok(None);
        };
        let epoch = Columns::of(&searcher, at)?.read(at)?.epoch;
        Ok(Some((Offset(oldest), Offset(newest), epoch)))
    }

    /// What it knows of the message at a place.
    pub(crate) fn find(&self, room: &RoomId, offset: Offset) -> Result<Option<Kept>, IndexError> {
        let searcher = self.reader.searcher();
        let at = TermQuery::new(self.fields.at(room, offset), IndexRecordOption::Basic);
        let Some(found) = searcher.search(&at, &DocSetCollector)?.into_iter().next() else { return Ok(None) };
        let columns = Columns::of(&searcher, found)?;
        let Match { epoch, ts, version, .. } = columns.read(found)?;
        Ok(Some(Kept { epoch, ts, version }))
    }
}

/// The columns of one segment.
struct Columns {
    room: StrColumn,
    ts: Column<u64>,
    offset: Column<u64>,
    epoch: Column<u64>,
    version: Column<u64>,
}

impl Columns {
    fn all(searcher: &Searcher) -> Result<Vec<Self>, IndexError> {
        (0..searcher.segment_readers().len())
            .map(|ord| Self::of(searcher, DocAddress::new(u32::try_from(ord).unwrap_or(u32::MAX), 0)))
            .collect()
    }

    fn of(searcher: &Searcher, address: DocAddress) -> Result<Self, IndexError> {
        let columns = searcher.segment_reader(address.segment_ord).fast_fields();
        Ok(Self {
            room: columns.str(ROOM)?.ok_or_else(damaged)?,
            ts: columns.u64(TS)?,
            offset: columns.u64(OFFSET)?,
            epoch: columns.u64(EPOCH)?,
            version: columns.u64(VERSION)?,
        })
    }

    fn read(&self, address: DocAddress) -> Result<Match, IndexError> {
        let doc = address.doc_id;
        let number = |column: &Column<u64>| column.first(doc).ok_or_else(damaged);
        let mut room = String::new();
        let ord = self.room.term_ords(doc).next().ok_or_else(damaged)?;
        self.room.ord_to_str(ord, &mut room).map_err(tantivy::TantivyError::from)?;
        Ok(Match {
            room: RoomId::new(room).map_err(|_| damaged())?,
            epoch: epoch_of(number(&self.epoch)?),
            offset: Offset(number(&self.offset)?),
            ts: number(&self.ts)?,
            version: Offset(number(&self.version)?),
        })
    }
}

fn damaged() -> tantivy::TantivyError {
    tantivy::TantivyError::InternalError("a document without a field that each has".to_owned())
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchIndex").field("messages", &self.messages()).finish_non_exhaustive()
    }
}
