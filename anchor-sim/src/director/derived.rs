//! What is derived from the logs, against the logs: what a durable consumer was given, how far users have read and how much
//! they have not, and what stands in their own logs.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::engine::{Anchor, Entry, EntryKind};
use anchor_core::event::{Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};
use anchor_core::session::Identity;
use anchor_core::store::{Store, StoreError, StoreExt};

use super::Director;
use crate::client::SimClient;
use crate::world::World;

impl Director {
    /// Something that is not derived yet; none once everything is.
    pub(super) async fn what_is_not_derived(&self, store: &dyn Store) -> Option<String> {
        let looked = async {
            if let Some(room) = self.what_is_not_followed(store).await? {
                return Ok(Some(room));
            }
            let wrong = self.wrong_entries(store).await?;
            Ok::<_, StoreError>(wrong.into_iter().next())
        };
        match looked.await {
            Ok(what) => what,
            Err(error) => Some(format!("what is derived cannot be read: {error}")),
        }
    }

    /// Judges all of it, once nothing changes any more.
    pub(super) async fn check_derived(&self, anchor: &Anchor) -> Result<(), StoreError> {
        let store = &**anchor.store();
        let recorder = &self.world.recorder;
        let mut left = BTreeMap::new();
        for room in self.all_rooms().filter(|_| self.scenario.is_followed) {
            let Some(state) = store.room(&room).await? else { continue };
            let events = store.read_all(&room).await?.into_iter();
            left.insert(room, events.map(|event| (state.epoch_at(event.offset), event)).collect());
        }
        self.world.followed.verdict(&left).into_iter().for_each(|broken| recorder.defect(broken));
        self.wrong_entries(store).await?.into_iter().for_each(|broken| recorder.defect(broken));
        for room in &self.scenario.rooms {
            self.wrong_cursors(anchor, room).await?.into_iter().for_each(|broken| recorder.defect(broken));
        }
        Ok(())
    }

    /// A room of which the consumer that follows everything was not given the newest event.
    async fn what_is_not_followed(&self, store: &dyn Store) -> Result<Option<String>, StoreError> {
        for room in self.all_rooms().filter(|_| self.scenario.is_followed) {
            let Some(state) = store.room(&room).await? else { continue };
            let head = state.head_position();
            let is_given = head.epoch.is_none_or(|epoch| self.world.followed.has(&room, epoch, head.offset));
            if !is_given && state.horizon <= head.offset {
                return Ok(Some(format!("the consumer was not given {} of {room}", head.offset)));
            }
        }
        Ok(None)
    }

    /// Where cursors are not what was said and written, or what is unread is not what stands behind them.
    async fn wrong_cursors(&self, anchor: &Anchor, room: &RoomId) -> Result<Vec<String>, StoreError> {
        let store = &**anchor.store();
        let Some(state) = store.room(room).await? else { return Ok(Vec::new()) };
        let events = store.read_all(room).await?;
        let mut written = last_written(&events);
        let is_whole = self.world.marked.restores() == 0;
        let said = self.world.marked.all().into_iter().filter(|(_, other)| other == room);
        for (user, _) in said {
            written.entry(user).or_default();
        }
        let mut broken = Vec::new();
        for (user, written) in written {
            let rooms = std::slice::from_ref(room);
            let cursors = store.cursors(&user, rooms).await?[0];
            // A client's library says by itself how far it has come.
            let is_said_here = !self.scenario.users().contains(&user);
            if is_said_here || cursors.read.offset < written {
                broken.extend(self.world.marked.verdict(&user, room, written, &state, cursors));
            }
            let told = self.world.attended.told(&user, room);
            if is_whole && cursors.read.offset < told {
                let read = cursors.read.offset;
                broken.push(format!("{user} has read {room} up to {read}, and others were told of {told}"));
            }
            if is_whole && self.hides(&user) && told > written.max(state.before_horizon.offset) {
                broken
                    .push(format!("{user} hides what it has read of {room}, wrote {written} last, and others were told of {told}"));
            }
            let reader = Identity { user: user.clone(), admin: false };
            let unread = anchor.unread(&reader, rooms).await?[0].map(|unread| unread.messages);
            let behind = events.iter().filter(|event| event.offset > cursors.read.offset);
            let messages = behind.filter(|event| event.kind == EventKind::MESSAGE).count() as u64;
            // A node learns by and by what another has trimmed.
            let is_trimmed = self.scenario.nodes > 1 && cursors.read.offset < state.before_horizon.offset;
            if cursors.read.offset > Offset::ZERO && !is_trimmed && unread != Some(messages) {
                let read = cursors.read;
                broken.push(format!(
                    "{messages} messages of {room} are new to {user} at {read:?}, and {unread:?} told"
                ));
            }
        }
        Ok(broken)
    }

    fn hides(&self, user: &UserId) -> bool {
        self.scenario.clients.iter().any(|(habits, _)| habits.user == *user && habits.hides_receipts)
    }

    /// Judges how things stand, now that nothing changes any more, to those who watch on the one server: what is told of users
    /// is that of a node, and what a log that went back took of their cursors may be missed.
    pub(super) async fn check_watched(&self, store: &dyn Store) -> Result<(), StoreError> {
        let World { marked, attended, recorder, .. } = &self.world;
        for room in self.scenario.rooms.iter().filter(|_| self.scenario.nodes == 1) {
            let Some(state) = store.room(room).await? else { continue };
            let written = last_written(&store.read_all(room).await?);
            let mut read = if marked.restores() == 0 { marked.answers(room) } else { BTreeMap::new() };
            // No receipt tells that somebody has read what they wrote, or what was trimmed away: whoever sees the log knows.
            let is_told = |user: &UserId, read: Offset| {
                let known = written.get(user).copied().unwrap_or_default().max(state.before_horizon.offset);
                read > known && !self.hides(user)
            };
            read.retain(|user, read| is_told(user, *read));
            let looking = || self.clients.iter().filter(|client| client.habits().rooms.contains(room));
            let there = looking().map(|client| client.habits().user.clone()).collect();
            for process in looking().filter_map(SimClient::process) {
                let broken = attended.verdict(process, room, &there, &read);
                broken.into_iter().for_each(|broken| recorder.defect(broken));
            }
        }
        Ok(())
    }

    /// Mentions in rooms that everybody reads that do not stand once in the own log of whom they mean, and what stands there of
    /// those rooms beside them.
    async fn wrong_entries(&self, store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut called: BTreeMap<UserId, BTreeSet<About>> = BTreeMap::new();
        let mut logs = BTreeMap::new();
        for room in &self.scenario.rooms {
            let Some(state) = store.room(room).await? else { continue };
            let events = store.read_all(room).await?;
            for event in events.iter().filter(|event| event.kind == EventKind::MESSAGE) {
                for user in whom(event) {
                    let about = (room.clone(), state.epoch_at(event.offset), event.offset);
                    called.entry(user.clone()).or_default().insert(about);
                }
            }
            logs.insert(room, (state, events));
        }
        let users: BTreeSet<_> = self.scenario.users().into_iter().chain(called.keys().cloned()).collect();
        let mut broken = Vec::new();
        for user in users {
            let mut told: BTreeMap<About, u64> = BTreeMap::new();
            for event in store.read_all(&RoomId::own_log(&user)).await? {
                let entry = event.body.as_ref().and_then(Entry::from_body);
                match entry {
                    Some(Entry { kind: EntryKind::Mention, room, epoch, offset }) => {
                        *told.entry((room, epoch, offset)).or_default() += 1;
                    }
                    Some(_) => {}
                    None => broken.push(format!("{} of {user}'s own log is no entry", event.offset)),
                }
            }
            for ((room, epoch, offset), times) in told.iter().filter(|(_, times)| **times > 1) {
                broken.push(format!("{user} is told {times} times of {offset} of {room} in {epoch}"));
            }
            let places = called.remove(&user).unwrap_or_default();
            for (room, epoch, offset) in told.keys().filter(|about| !places.contains(about)) {
                let Some((state, events)) = logs.get(room) else { continue };
                if *offset >= state.horizon
                    && !may_call(&user, state.epoch_at(*offset) == *epoch, *offset, events)
                {
                    broken.push(format!("{user} is told to be mentioned in {offset} of {room} in {epoch}"));
                }
            }
            for (room, epoch, offset) in places {
                if !told.contains_key(&(room.clone(), epoch, offset)) {
                    broken.push(format!("{user} is not told to be mentioned in {offset} of {room}"));
                }
            }
        }
        Ok(broken)
    }
}

/// The newest event of each who wrote any.
fn last_written(events: &[Event]) -> BTreeMap<UserId, Offset> {
    events.iter().map(|event| (event.user.clone(), event.offset)).collect()
}

/// An event that an entry is about.
type About = (RoomId, Epoch, Offset);

/// True if the event at `offset` may have called `user`: its body is gone, or an edit of it does.
fn may_call(user: &UserId, is_its_epoch: bool, offset: Offset, events: &[Event]) -> bool {
    let is_gone = |event: &Event| event.offset == offset && event.body.is_none();
    let is_edit = |event: &Event| event.kind == EventKind::EDIT && event.target == Some(offset);
    let edits =
        |event: &Event| is_edit(event) && (event.body.is_none() || whom(event).any(|called| called == user));
    is_its_epoch && events.iter().any(|event| is_gone(event) || edits(event))
}

/// Who is to be told of a message: whom it mentions, but its author.
fn whom(event: &Event) -> impl Iterator<Item = &UserId> {
    let mentions = event.body.as_ref().and_then(|body| body.mentions());
    mentions.into_iter().flat_map(|mentions| &mentions.users).filter(|user| **user != event.user)
}
