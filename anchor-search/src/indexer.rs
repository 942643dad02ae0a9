//! The side of an index that writes: it takes events of rooms as their logs have them, and keeps for each message that is there
//! the words of its newest edit.
//!
//! ```text
//! events ──▶ pending ── commit ──▶ segments ── settle ──▶ segments without what was taken away
//! ```
//!
//! **Taking events again changes nothing.** A place has one document, with the offset of the event that its words are of; an older
//! event does not replace it. So whoever follows the logs commits first, and moves its own cursor afterwards.
//!
//! **What was taken away leaves the files.** Deleted documents stay in a segment, words and all, until it is written anew, which
//! [`Indexer::settle`] does. Segments are bounded, and so is the time which that takes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::{NUMBER_MAX, RoomId};
use anchor_core::limits::{SEARCH_PENDING_BYTES_MAX, SEARCH_ROOMS_KNOWN_MAX, SEARCH_SEGMENT_DOCS_MAX};
use anchor_core::position::{Epoch, Offset};
use anchor_core::resume::{Gap, GapReason};
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::{LogMergePolicy, MergePolicy, NoMergePolicy};
use tantivy::{Index, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError};

use crate::directory;
use crate::error::IndexError;
use crate::index::{Kept, SearchIndex};
use crate::pending::{Audience, Change, Document, Pending};
use crate::place::tie;
use crate::plan;
use crate::schema::{Fields, key, number_of, schema};

/// Writes an index. One for a directory.
pub struct Indexer {
    dir: PathBuf,
    is_new: bool,
    index: Index,
    writer: IndexWriter,
    reader: SearchIndex,
    fields: Fields,
    pending: Pending,
    rooms: HashMap<RoomId, Known>,
}

/// What came of something that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It is in the index with the next commit.
    Whole,
    /// The log went back to an older state, and what the index had of the room is not of this log. It holds nothing of the room
    /// now: what the log has up to here must be given to it again, from the start.
    Anew,
}

/// What is known of a room, so that what is new in it need not be looked for.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The newest message that was committed, by its offset: only up to here may something be replaced.
    committed: Offset,
    /// The newest that was taken.
    taken: Offset,
}

impl Indexer {
    /// Opens the index in `dir`, or makes a new one: where there is none, where another version wrote it, where it is damaged, and
    /// where it had not begun to follow the logs ([`Indexer::begun`]).
    ///
    /// # Errors
    /// [`IndexError`]. A directory with anything else in it is left alone.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, IndexError> {
        let (dir, (schema, fields)) = (dir.as_ref().to_owned(), schema());
        let (index, is_new) = directory::open(&dir, &schema)?;
        let writer: IndexWriter =
            index.writer_with_num_threads(1, WRITER_BYTES).map_err(|error| match error {
                TantivyError::LockFailure(..) => IndexError::Held { dir: dir.clone() },
                error => error.into(),
            })?;
        // Segments are merged by `settle` alone, so that nothing is under way when it writes one anew.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let reader = SearchIndex { reader, fields };
        let (pending, rooms) = (Pending::default(), HashMap::new());
        let mut indexer = Self { dir, is_new, index, writer, reader, fields, pending, rooms };
        // What a crash left behind.
        indexer.collect()?;
        Ok(indexer)
    }

    /// True if it must be given all logs from their starts.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Says that what follows the logs stands at their starts, durably, so that nothing can be missing from here on. Durable on
    /// return.
    ///
    /// # Errors
    /// [`IndexError::Disk`].
    pub fn begun(&mut self) -> Result<(), IndexError> {
        directory::mark(&self.dir)?;
        self.is_new = false;
        Ok(())
    }

    /// The side that searches: what was committed.
    #[must_use]
    pub fn index(&self) -> SearchIndex {
        self.reader.clone()
    }

    /// Takes events of a room, in the order of its log. Commits by itself where much is pending.
    ///
    /// # Errors
    /// [`IndexError::Tantivy`]; then open it anew and give it what was taken since the last commit.
    pub fn take(
        &mut self,
        room: &RoomId,
        audience: Audience,
        epoch: Epoch,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Taken, IndexError> {
        for event in events {
            let offset = event.offset;
            let known = self.known(room)?;
            let taken = match event.kind {
                EventKind::MESSAGE => self.message(room, audience, epoch, event, known)?,
                EventKind::EDIT => self.edit(room, audience, event, known)?,
                EventKind::REDACTION => self.redaction(room, &event, known),
                _ => Taken::Whole,
            };
            if taken == Taken::Anew {
                self.forget(room)?;
                return Ok(Taken::Anew);
            }
            if let Some(known) = self.rooms.get_mut(room) {
                known.taken = known.taken.max(offset);
            }
            if self.pending.bytes() > SEARCH_PENDING_BYTES_MAX {
                self.commit()?;
            }
        }
        Ok(Taken::Whole)
    }

    /// Takes what a reader of the room is told of events that cannot be had. Commits.
    ///
    /// # Errors
    /// As for [`Indexer::take`].
    pub fn gap(&mut self, room: &RoomId, gap: &Gap) -> Result<Taken, IndexError> {
        let all = (Offset::ZERO, Offset(NUMBER_MAX));
        let ((first, last), taken) = match gap.reason {
            // Nobody reads what lies before it, either.
            GapReason::Trimmed => ((Offset::ZERO, gap.to), Taken::Whole),
            // What was edited or redacted by what is gone is as it was before.
            GapReason::Restored => (all, Taken::Anew),
            GapReason::History | GapReason::Deleted => (all, Taken::Whole),
            // No index asks for the last messages alone.
            GapReason::Hidden | GapReason::Skipped => return Ok(Taken::Whole),
        };
        self.remove(room, first, last)?;
        Ok(taken)
    }

    /// Forgets what lies before the horizon of a room. Commits, if there is any.
    ///
    /// # Errors
    /// As for [`Indexer::take`].
    pub fn trim(&mut self, room: &RoomId, horizon: Offset) -> Result<(), IndexError> {
        let oldest = self.reader.span(room)?.map_or(horizon, |(oldest, ..)| oldest);
        match oldest < horizon || !self.pending.is_empty() {
            true => self.remove(room, Offset::ZERO, horizon.previous()),
            false => Ok(()),
        }
    }

    /// Forgets a room. Commits.
    ///
    /// # Errors
    /// As for [`Indexer::take`].
    pub fn forget(&mut self, room: &RoomId) -> Result<(), IndexError> {
        self.remove(room, Offset::ZERO, Offset(NUMBER_MAX))
    }

    /// Makes durable, and found, what was taken so far.
    ///
    /// # Errors
    /// As for [`Indexer::take`].
    pub fn commit(&mut self) -> Result<(), IndexError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        for (room, offset, change) in self.pending.iter() {
            if change.replaces {
                self.writer.delete_term(self.fields.at(room, offset));
            }
            if let Some(document) = &change.document {
                self.writer.add_document(self.document(room, offset, document))?;
            }
        }
        self.write()?;
        self.pending.clear();
        self.rooms.values_mut().for_each(|known| known.committed = known.taken);
        if self.rooms.len() > SEARCH_ROOMS_KNOWN_MAX {
            self.rooms.clear();
        }
        Ok(())
    }

    /// True if words of messages that were edited, redacted or deleted are still in its files.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn has_leftovers(&self) -> Result<bool, IndexError> {
        let metas = self.index.searchable_segment_metas()?;
        if metas.iter().any(SegmentMeta::has_deletes) {
            return Ok(true);
        }
        let mut used: Vec<_> = metas.iter().map(|meta| meta.id().uuid_string()).collect();
        used.sort_unstable();
        Ok(directory::segments(&self.dir)?.iter().any(|segment| used.binary_search(segment).is_err()))
    }

    /// Writes segments anew from which something was taken away, so that it is in no file; and joins small ones. Takes time
    /// with the size of these segments, which is bounded.
    ///
    /// A search that is under way keeps the files that it reads: then [`Indexer::has_leftovers`] still says so, and it is done
    /// with the next call.
    ///
    /// # Errors
    /// As for [`Indexer::take`].
    pub fn settle(&mut self) -> Result<(), IndexError> {
        // What holds the meta of a segment holds its files.
        let groups = with_deletes(&self.index.searchable_segment_metas()?);
        for group in groups {
            self.writer.merge(&group).wait()?;
        }
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(SEARCH_SEGMENT_DOCS_MAX);
        let candidates = policy.compute_merge_candidates(&self.index.searchable_segment_metas()?);
        for candidate in candidates {
            self.writer.merge(&candidate.0).wait()?;
        }
        self.collect()
    }

    /// Deletes the files that are of no use any more.
    fn collect(&mut self) -> Result<(), IndexError> {
        self.reader.reader.reload()?;
        self.writer.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Takes a message, unless another one stands at its place.
    fn message(
        &mut self,
        room: &RoomId,
        audience: Audience,
        epoch: Epoch,
        event: Event,
        known: Known,
    ) -> Result<Taken, IndexError> {
        let (offset, replaces) = (event.offset, event.offset <= known.committed);
        if offset <= known.taken
            && let Some(kept) = self.kept(room, offset, known)?
        {
            if kept.epoch != epoch {
                return Ok(Taken::Anew);
            }
            if event.body.is_some() {
                return Ok(Taken::Whole);
            }
        }
        let text = |body: Body| body.as_text().unwrap_or_default().to_owned();
        // One without a body was redacted by now.
        let document = event.body.map(text).map(|text| Document {
            epoch,
            ts: event.ts,
            user: event.user,
            audience,
            text,
            version: offset,
        });
        self.pending.set(room, offset, Change { document, replaces });
        Ok(Taken::Whole)
    }

    fn edit(
        &mut self,
        room: &RoomId,
        audience: Audience,
        event: Event,
        known: Known,
    ) -> Result<Taken, IndexError> {
        let (Some(target), Some(body)) = (event.target, event.body) else { return Ok(Taken::Whole) };
        // Of a message that is gone, nothing is to be found; of one that has a newer edit, that one.
        let Some(kept) = self.kept(room, target, known)? else { return Ok(Taken::Whole) };
        if kept.version >= event.offset {
            return Ok(Taken::Whole);
        }
        let Kept { epoch, ts, .. } = kept;
        let text = body.as_text().unwrap_or_default().to_owned();
        // Only its author edits a message.
        let document = Document { epoch, ts, user: event.user, audience, text, version: event.offset };
        let replaces = target <= known.committed;
        self.pending.set(room, target, Change { document: Some(document), replaces });
        Ok(Taken::Whole)
    }

    fn redaction(&mut self, room: &RoomId, event: &Event, known: Known) -> Taken {
        if let Some(target) = event.target {
            let replaces = target <= known.committed;
            self.pending.set(room, target, Change { document: None, replaces });
        }
        Taken::Whole
    }

    /// What stands at a place, or will.
    fn kept(&self, room: &RoomId, offset: Offset, known: Known) -> Result<Option<Kept>, IndexError> {
        if let Some(change) = self.pending.get(room, offset) {
            let kept = |document: &Document| {
                let Document { epoch, ts, version, .. } = *document;
                Kept { epoch, ts, version }
            };
            return Ok(change.document.as_ref().map(kept));
        }
        match offset <= known.committed {
            true => self.reader.find(room, offset),
            false => Ok(None),
        }
    }

    fn known(&mut self, room: &RoomId) -> Result<Known, IndexError> {
        if let Some(known) = self.rooms.get(room) {
            return Ok(*known);
        }
        let newest = self.reader.span(room)?.map_or(Offset::ZERO, |(_, newest, _)| newest);
        let known = Known { committed: newest, taken: newest };
        self.rooms.insert(room.clone(), known);
        Ok(known)
    }

    /// Takes the messages of a room from one offset to another away, both included; commits.
    fn remove(&mut self, room: &RoomId, first: Offset, last: Offset) -> Result<(), IndexError> {
        self.pending.forget(room, first, last);
        self.commit()?;
        self.writer.delete_query(plan::between(room, first, last, &self.fields))?;
        self.write()?;
        self.rooms.remove(room);
        Ok(())
    }

    fn write(&mut self) -> Result<(), IndexError> {
        self.writer.commit()?;
        self.reader.reader.reload()?;
        Ok(())
    }

    fn document(&self, room: &RoomId, offset: Offset, document: &Document) -> TantivyDocument {
        let (fields, mut written) = (&self.fields, TantivyDocument::new());
        written.add_bytes(fields.key, &key(room, offset));
        written.add_text(fields.room, room.as_str());
        written.add_text(fields.user, document.user.as_str());
        written.add_bool(fields.open, document.audience == Audience::Everybody);
        written.add_text(fields.words, &document.text);
        written.add_u64(fields.ts, document.ts);
        written.add_u64(fields.offset, offset.0);
        written.add_u64(fields.epoch, number_of(document.epoch));
        written.add_u64(fields.version, document.version.0);
        written.add_u64(fields.tie, tie(room));
        written
    }
}

/// The segments from which something was taken away, those together that make no more than one of the largest size.
fn with_deletes(metas: &[SegmentMeta]) -> Vec<Vec<SegmentId>> {
    let mut dirty: Vec<_> = metas.iter().filter(|meta| meta.has_deletes()).collect();
    dirty.sort_by_key(|meta| meta.num_docs());
    let (mut groups, mut docs) = (Vec::<Vec<SegmentId>>::new(), 0);
    for meta in dirty {
        docs += meta.num_docs() as usize;
        match groups.last_mut().filter(|_| docs <= SEARCH_SEGMENT_DOCS_MAX) {
            Some(group) => group.push(meta.id()),
            None => {
                docs = meta.num_docs() as usize;
                groups.push(vec![meta.id()]);
            }
        }
    }
    groups
}

/// Memory in which the writer makes a segment, in bytes. Source: the least that tantivy takes is 15 MB.
const WRITER_BYTES: usize = 32_000_000;

impl std::fmt::Debug for Indexer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Indexer")
            .field("dir", &self.dir)
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}
