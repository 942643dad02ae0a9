//! One room's log in memory: its pages, its epochs, and the two ends of what can be read.
//!
//! Invariant: the pages are contiguous, the first follows `before_horizon`, the last ends at `head`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chain::{Link, Salt};
use crate::cursor::{CursorMove, Cursors};
use crate::event::{Body, Event, EventKind};
use crate::id::{RoomId, UserId};
use crate::msgpack::Malformed;
use crate::position::{Epoch, Mark, Offset, Ordinal};
use crate::room::rules::Effect;
use crate::room::{Amendment, Member, RoomInfo, Sign, Thread, UserSigns};
use crate::run::{Run, RunBuilder};
use crate::store::{Direction, EpochStart, Place, Read, RoomState};

/// A room's log.
#[derive(Clone)]
pub(super) struct Log {
    room: RoomId,
    epochs: Vec<EpochStart>,
    pages: Vec<Run>,
    before_horizon: Mark,
    head: Mark,
    newest_ts: u64,
    /// What the room is; none as long as nothing was decided about that.
    pub(super) info: Option<Arc<RoomInfo>>,
    pub(super) members: BTreeMap<UserId, Member>,
    /// How far users have come.
    pub(super) cursors: BTreeMap<UserId, Cursors>,
    /// By target and user.
    signs: BTreeMap<(Offset, UserId), UserSigns>,
}

impl Log {
    /// The log of a room that comes into being with `epoch`. An event must follow before anybody sees it.
    pub(super) fn new(room: RoomId, epoch: Epoch) -> Self {
        let epochs = vec![EpochStart { epoch, before: Mark::START }];
        Self {
            room,
            epochs,
            pages: Vec::new(),
            before_horizon: Mark::START,
            head: Mark::START,
            newest_ts: 0,
            info: None,
            members: BTreeMap::new(),
            cursors: BTreeMap::new(),
            signs: BTreeMap::new(),
        }
    }

    /// The cursors of those who are counted as readers: of the members, where the room says who they are.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Cursors> {
        let has_joined = |user| self.members.get(user).is_some_and(|member| member.joined().is_some());
        let counted = self.cursors.iter().filter(move |(user, _)| self.info.is_none() || has_joined(user));
        counted.map(|(_, cursors)| cursors)
    }

    /// Appends one event; returns it as a run of its own.
    pub(super) fn append(&mut self, link: &Link<'_>, body: &Body, salt: &Salt) -> Run {
        let mut builder = RunBuilder::new(self.room.clone(), self.state().epoch(), self.head);
        builder.push(link, body, salt);
        let run = builder.finish().expect("one event was pushed");
        push_joined(&mut self.pages, &run);
        self.head = run.tip();
        self.newest_ts = link.ts;
        if Cursors::follow_authors_in(&self.room) {
            let cursors = self.cursors.entry(link.user.clone()).or_default();
            *cursors = cursors.max(Cursors::written(run.tip()));
        }
        if let (Some(target), Some(sign)) = (link.target, Sign::of(link.kind, body)) {
            self.signs.entry((target, link.user.clone())).or_default().take(link.kind, &sign);
        }
        run
    }

    /// Moves a user's cursors, unless that is of another log or beyond this one.
    pub(super) fn move_cursors(&mut self, moved: CursorMove) {
        if moved.is_of(self.state().epoch(), self.head) {
            let cursors = self.cursors.entry(moved.user).or_default();
            *cursors = cursors.max(moved.to);
        }
    }

    /// Makes the changes that come with an event.
    pub(super) fn change(&mut self, effect: Effect) {
        let Effect { info, members, redacts, deletes: _, body: _ } = effect;
        if let Some(info) = info {
            self.info = Some(Arc::new(info));
        }
        self.members.extend(members);
        if !redacts.is_empty() {
            for page in &mut self.pages {
                *page = page.redacted(&redacts).expect("what was appended can be read");
            }
        }
    }

    /// The events that are about the events `targets`, first and last, but replies; in the order of targets.
    pub(super) fn amendments(&self, (first, last): (Offset, Offset)) -> Result<Vec<Amendment>, Malformed> {
        let mut amendments = Vec::new();
        for event in self.about(first, last) {
            amendments.extend(Amendment::of(&event?));
        }
        amendments.sort_by_key(|amendment| (amendment.target, amendment.offset));
        Ok(amendments)
    }

    /// The signs that a user has set on the event at `target`.
    pub(super) fn signs(&self, target: Offset, user: &UserId) -> UserSigns {
        self.signs.get(&(target, user.clone())).cloned().unwrap_or_default()
    }

    /// The threads that the events `roots`, first and last, began.
    pub(super) fn threads(&self, (first, last): (Offset, Offset)) -> Result<Vec<Thread>, Malformed> {
        let mut threads: BTreeMap<Offset, Thread> = BTreeMap::new();
        for event in self.about(first, last) {
            let event = event?;
            if let (EventKind::MESSAGE, Some(root)) = (event.kind, event.target) {
                let thread = threads.entry(root).or_insert(Thread { root, replies: 0, last: event.offset });
                thread.replies += 1;
                thread.last = event.offset;
            }
        }
        Ok(threads.into_values().collect())
    }

    /// Where the replies to `root` stand.
    pub(super) fn replies(
        &self,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, Malformed> {
        let mut replies = Vec::new();
        for event in self.about(root, root) {
            let event = event?;
            let is_within = match from {
                Direction::After(offset) => event.offset > offset,
                Direction::Before(offset) => event.offset < offset,
            };
            if event.kind == EventKind::MESSAGE && is_within {
                replies.push(event.offset);
            }
        }
        match from {
            Direction::After(_) => replies.truncate(limit),
            Direction::Before(_) => drop(replies.drain(..replies.len().saturating_sub(limit))),
        }
        Ok(replies)
    }

    /// The events that are about one of the events from `first` to `last`.
    fn about(&self, first: Offset, last: Offset) -> impl Iterator<Item = Result<Event, Malformed>> {
        let is_about =
            move |event: &Event| event.target.is_some_and(|target| (first..=last).contains(&target));
        let events = self.pages.iter().flat_map(Run::events);
        events.filter(move |event| event.as_ref().map_or(true, is_about))
    }

    /// Begins another history behind the newest event.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch) {
        self.epochs.push(EpochStart { epoch, before: self.head });
    }

    /// Takes away what lies below `horizon`, at most everything.
    pub(super) fn trim(&mut self, horizon: Offset) -> Result<(), Malformed> {
        let horizon = horizon.min(self.head.offset.next());
        let Some(before) = self.mark_at(horizon.previous())? else { return Ok(()) };
        self.before_horizon = before;
        self.pages.retain(|page| page.last() >= horizon);
        self.signs.retain(|(target, _), _| *target >= horizon);
        if let Some(first) = self.pages.first_mut()
            && let Some(rest) = first.from_offset(horizon)?
        {
            *first = rest;
        }
        Ok(())
    }

    /// The offset of the newest event.
    pub(super) fn head(&self) -> Offset {
        self.head.offset
    }

    pub(super) fn state(&self) -> RoomState {
        RoomState {
            epochs: self.epochs.clone(),
            head: self.head,
            horizon: self.before_horizon.offset.next(),
            before_horizon: self.before_horizon,
        }
    }

    /// The time of an event that is appended at `unix_ms`.
    pub(super) fn next_ts(&self, unix_ms: u64) -> u64 {
        self.newest_ts.max(unix_ms)
    }

    pub(super) fn locate(&self, place: Place) -> Result<Option<Mark>, Malformed> {
        match place {
            Place::Offset(offset) => self.mark_at(offset),
            Place::Ordinal(ordinal) => self.mark_at_ordinal(ordinal),
        }
    }

    pub(super) fn read(&self, read: &Read) -> Vec<Run> {
        match read.from {
            Direction::After(offset) if offset < self.before_horizon.offset => Vec::new(),
            Direction::After(offset) => {
                let start = self.pages.partition_point(|page| page.last() <= offset);
                bounded(self.pages[start..].iter(), read)
            }
            Direction::Before(offset) => {
                let end = self.pages.partition_point(|page| page.first() < offset);
                let mut runs = bounded(self.pages[..end].iter().rev(), read);
                runs.reverse();
                runs
            }
        }
    }

    fn mark_at(&self, offset: Offset) -> Result<Option<Mark>, Malformed> {
        if offset == self.before_horizon.offset {
            return Ok(Some(self.before_horizon));
        }
        let at = self.pages.partition_point(|page| page.last() < offset);
        self.pages.get(at).map_or(Ok(None), |page| page.mark_at(offset))
    }

    fn mark_at_ordinal(&self, ordinal: Ordinal) -> Result<Option<Mark>, Malformed> {
        if ordinal < self.before_horizon.ordinal {
            return Ok(None);
        }
        let mut newest = self.before_horizon;
        let begun = self.pages.partition_point(|page| page.before().ordinal <= ordinal);
        if let Some(page) = self.pages[..begun].last() {
            newest = page.before();
            for event in page.events() {
                let mark = event?.mark();
                if mark.ordinal <= ordinal {
                    newest = mark;
                }
            }
        }
        Ok(Some(newest))
    }
}

/// Appends `run` to `runs`: to the last one as long as a run may hold both, else as one of its own.
pub(super) fn push_joined(runs: &mut Vec<Run>, run: &Run) {
    match runs.last_mut() {
        Some(last) if let Some(joined) = last.joined(run) => *last = joined,
        _ => runs.push(run.clone()),
    }
}

/// The first of `runs` until a limit of `read` is reached, at least one.
fn bounded<'a>(runs: impl Iterator<Item = &'a Run>, read: &Read) -> Vec<Run> {
    let (mut events, mut bytes) = (0, 0);
    let within = runs.take_while(|run| {
        let more = events == 0 || (events < read.events_max && bytes < read.bytes_max);
        events += run.len();
        bytes += run.encoded().len();
        more
    });
    within.cloned().collect()
}
