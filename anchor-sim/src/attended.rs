//! What those who watch a room are told of others, against what those said and did: nobody is told of what is not durable, of
//! what somebody keeps back, or of themselves; and in the end everybody sees how things are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::session::frame::Presence;
use anchor_transport::client::Watched;

use crate::kernel::{ProcessId, lock};

/// All that watchers were told in a run. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Attended(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// How things stand to those who watch.
    views: BTreeMap<(ProcessId, RoomId), Arc<Watched>>,
    /// The furthest that anybody was told of a user.
    told: BTreeMap<(UserId, RoomId), Offset>,
}

impl Attended {
    /// A process of `user` is told how things stand in a room. Says what is wrong with that at any time.
    pub fn shows(
        &self,
        process: ProcessId,
        user: &UserId,
        room: &RoomId,
        state: Arc<Watched>,
    ) -> Option<String> {
        let mut inner = lock(&self.0);
        // What is told of oneself is for oneself alone.
        let others = state.receipts.iter().flat_map(BTreeMap::values).filter(|receipt| receipt.user != *user);
        for receipt in others {
            let told = inner.told.entry((receipt.user.clone(), room.clone())).or_default();
            *told = receipt.read.max(*told);
        }
        let echo = state.typing.contains(user).then(|| format!("{user} is told to type in {room} by itself"));
        inner.views.insert((process, room.clone()), state);
        echo
    }

    /// A process watches a room no more.
    pub fn looks_away(&self, process: ProcessId, room: &RoomId) {
        lock(&self.0).views.remove(&(process, room.clone()));
    }

    /// The furthest that anybody was told of a user who has read a room.
    #[must_use]
    pub fn told(&self, user: &UserId, room: &RoomId) -> Offset {
        lock(&self.0).told.get(&(user.clone(), room.clone())).copied().unwrap_or_default()
    }

    /// What is wrong with what a process sees of a room in the end: `there` are online, nobody types, and each of `read` has read
    /// so far and shows it. None where it does not look.
    #[must_use]
    pub fn verdict(
        &self,
        process: ProcessId,
        room: &RoomId,
        there: &BTreeSet<UserId>,
        read: &BTreeMap<UserId, Offset>,
    ) -> Option<String> {
        let state = lock(&self.0).views.get(&(process, room.clone())).cloned()?;
        let is_online = |presence: Presence| presence == Presence::Online;
        let online = state.present.values().filter(|sighting| is_online(sighting.presence));
        let online: BTreeSet<_> = online.map(|sighting| sighting.user.clone()).collect();
        if online != *there || state.online != there.len() as u64 || state.away != 0 {
            let Watched { online: count, away, .. } = &*state;
            return Some(format!(
                "{process} sees {online:?} ({count}, {away} away) in {room}, where {there:?} are"
            ));
        }
        if !state.typing.is_empty() {
            return Some(format!("{process} sees {:?} type in {room} for ever", state.typing));
        }
        let receipts = state.receipts.as_ref()?;
        let shown = |user| receipts.get(user).map_or(Offset::ZERO, |receipt| receipt.read);
        let behind = read.iter().find(|(user, read)| shown(user) < **read)?;
        Some(format!(
            "{process} sees {} at {} of {room}, who has read up to {}",
            behind.0,
            shown(behind.0),
            behind.1
        ))
    }
}

#[cfg(test)]
mod tests;
