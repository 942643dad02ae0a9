//! What later events made of the events of a page, so that who begins at the last fifty is right without the whole log.
//!
//! Bounded: so many amendments are read for a page, and a page with large edits has fewer events.

use std::collections::BTreeMap;

use super::history::between;
use super::permit::Grant;
use super::{Anchor, ReadError};
use crate::event::{Body, Event};
use crate::id::{RoomId, UserId};
use crate::limits::{AMENDMENTS_MAX, PAGE_BYTES_MAX, RUN_BYTES_MAX, SIGNS_MAX};
use crate::msgpack::Malformed;
use crate::position::Offset;
use crate::room::{Changes, Edit, Thread, fold};
use crate::run::Run;
use crate::session::Identity;
use crate::store::{Direction, Read};

impl Anchor {
    /// `events`, or as many of them as go into a page with their changes, those nearest to `from`; and the changes up to
    /// the event at `head`.
    pub(super) async fn changed(
        &self,
        room: &RoomId,
        events: Vec<Run>,
        from: Direction,
        grant: &Grant,
        head: Offset,
        reader: Option<&Identity>,
    ) -> Result<(Vec<Run>, Vec<Changes>), ReadError> {
        let (Some(oldest), Some(newest)) = (events.first(), events.last()) else {
            return Ok((events, Vec::new()));
        };
        let (first, last) = (oldest.first(), newest.last());
        let mut left = AMENDMENTS_MAX;
        let changes = self.changes_of(room, (first, last), head, grant, reader, &mut left).await?;
        if changes.is_empty() {
            return Ok((events, changes));
        }
        let (first, last) = fitting(&events, &changes, from)?;
        let events = between(&events, first, last)?;
        let changes = changes.into_iter().filter(|changes| (first..=last).contains(&changes.target));
        Ok((events, changes.collect()))
    }

    /// What the events up to the one at `head` made of those between the two `targets`, in the order of targets. Reads as
    /// many amendments as are `left`, and takes those away from it.
    pub(super) async fn changes_of(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        head: Offset,
        grant: &Grant,
        reader: Option<&Identity>,
        left: &mut usize,
    ) -> Result<Vec<Changes>, ReadError> {
        let read = self.store().amendments(room, targets, *left).await?;
        *left -= read.len().min(*left);
        // What an event says now must not be hidden by how much is said about it, or about another.
        let mut amendments = self.store().edits(room, targets).await?;
        amendments.extend(read.into_iter().filter(|amendment| !amendment.kind.changes_body()));
        amendments.retain(|amendment| amendment.offset <= head);
        amendments.sort_by_key(|amendment| (amendment.target, amendment.offset));
        let mut threads = Vec::new();
        for thread in self.store().threads(room, targets).await? {
            threads.extend(self.thread_up_to(room, thread, head).await?);
        }
        if amendments.is_empty() && threads.is_empty() {
            return Ok(Vec::new());
        }
        let user: Option<&UserId> = reader.map(|reader| &reader.user);
        let mut folded = fold(&amendments, &threads, user);
        pin(&mut folded, targets, grant);
        let mut changes: Vec<_> = folded.into_values().collect();
        changes.iter_mut().for_each(|changes| changes.reactions.truncate(SIGNS_MAX));
        let edits: Vec<_> = changes.iter_mut().filter_map(|changes| changes.edit.as_mut()).collect();
        self.read_edits(room, edits).await?;
        changes.retain(|changes| *changes != Changes { target: changes.target, ..Changes::default() });
        Ok(changes)
    }

    /// A thread as it stood with the event at `head`; none if it had not begun.
    pub(super) async fn thread_up_to(
        &self,
        room: &RoomId,
        thread: Thread,
        head: Offset,
    ) -> Result<Option<Thread>, ReadError> {
        if thread.last <= head {
            return Ok(Some(thread));
        }
        let later = self.store().replies(room, thread.root, Direction::After(head), AMENDMENTS_MAX).await?;
        let newest = self.store().replies(room, thread.root, Direction::Before(head.next()), 1).await?;
        let replies = thread.replies.saturating_sub(later.len() as u64).max(newest.len() as u64);
        Ok(newest.first().map(|last| Thread { root: thread.root, replies, last: *last }))
    }

    /// Reads what edits say; what is gone by now stays without.
    async fn read_edits(&self, room: &RoomId, mut edits: Vec<&mut Edit>) -> Result<(), ReadError> {
        edits.sort_by_key(|edit| edit.offset);
        let offsets: Vec<_> = edits.iter().map(|edit| edit.offset).collect();
        for (edit, event) in edits.into_iter().zip(self.events_at(room, &offsets).await?) {
            if let Some(event) = event {
                (edit.ts, edit.body) = (event.ts, event.body.map(|body| body.copied()));
            }
        }
        Ok(())
    }

    /// The events at some offsets, which are in rising order, each once; none for those that cannot be read.
    pub(super) async fn events_at(
        &self,
        room: &RoomId,
        offsets: &[Offset],
    ) -> Result<Vec<Option<Event>>, ReadError> {
        let mut events = Vec::with_capacity(offsets.len());
        let mut run: Option<Run> = None;
        for offset in offsets {
            if run.as_ref().is_none_or(|run| run.last() < *offset) {
                let from = Direction::After(offset.previous());
                let read = Read { room: room.clone(), from, events_max: 1, bytes_max: RUN_BYTES_MAX };
                run = self.store().read(read).await?.into_iter().next();
            }
            let found = match &run {
                Some(run) => event_in(run, *offset)?,
                None => None,
            };
            events.push(found);
        }
        Ok(events)
    }
}

/// The event at `offset`, if `run` holds it.
fn event_in(run: &Run, offset: Offset) -> Result<Option<Event>, Malformed> {
    let held = between([run], offset, offset)?;
    held.first().and_then(|run| run.events().next()).transpose()
}

/// Says what is pinned: as the room's settings have it, where its reader may read them; else as the events say.
fn pin(folded: &mut BTreeMap<Offset, Changes>, targets: (Offset, Offset), grant: &Grant) {
    let Some(standing) = grant.standing.as_ref().filter(|_| grant.permit.until.is_none()) else { return };
    let pins = standing.info.as_ref().map_or(&[][..], |info| &info.pins);
    folded.values_mut().for_each(|changes| changes.pinned = false);
    for target in pins.iter().filter(|pin| (targets.0..=targets.1).contains(pin)) {
        let new = || Changes { target: *target, ..Changes::default() };
        folded.entry(*target).or_insert_with(new).pinned = true;
    }
}

/// The first and the last event that go into a page with their changes: from the one nearest to `from` on, at least one.
fn fitting(events: &[Run], changes: &[Changes], from: Direction) -> Result<(Offset, Offset), Malformed> {
    let of_event: BTreeMap<Offset, usize> =
        changes.iter().map(|changes| (changes.target, bytes(changes))).collect();
    let mut sizes = Vec::new();
    for run in events {
        for event in run.events() {
            let event = event?;
            let body = event.body.as_ref().map_or(0, body_bytes);
            sizes.push((event.offset, body + of_event.get(&event.offset).copied().unwrap_or_default()));
        }
    }
    if matches!(from, Direction::Before(_)) {
        sizes.reverse();
    }
    let mut total = 0;
    let within = sizes.iter().enumerate().take_while(|(at, (_, bytes))| {
        total += EVENT_BYTES + bytes;
        *at == 0 || total <= PAGE_BYTES_MAX
    });
    let kept: Vec<_> = within.map(|(_, (offset, _))| *offset).collect();
    let first = kept.iter().min().copied().unwrap_or_default();
    Ok((first, kept.iter().max().copied().unwrap_or_default()))
}

/// What changes take in a frame, about, without the escapes of JSON.
pub(super) fn bytes(changes: &Changes) -> usize {
    let edit = changes.edit.as_ref().and_then(|edit| edit.body.as_ref()).map_or(0, body_bytes);
    let signs: usize =
        changes.reactions.iter().map(|reaction| reaction.sign.as_str().len() + SIGN_BYTES).sum();
    EVENT_BYTES + edit + signs
}

/// What a body takes in a frame with those whom it mentions, about, without the escapes of JSON.
pub(super) fn body_bytes(body: &Body) -> usize {
    let users = body.mentions().map_or(&[][..], |mentions| &mentions.users);
    body.bytes().len() + users.iter().map(|user| user.as_str().len() + USER_BYTES).sum::<usize>()
}

/// What a user who is mentioned takes beside the id, in bytes. Source: quotes and a comma.
const USER_BYTES: usize = 3;

/// What an event takes in a frame beside its body, or changes beside their texts, in bytes. Source: a dozen fields, about.
pub(super) const EVENT_BYTES: usize = 160;

/// What a reaction takes beside its sign, in bytes. Source: two numbers and their brackets.
const SIGN_BYTES: usize = 16;
