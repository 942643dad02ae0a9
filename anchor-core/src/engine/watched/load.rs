//! Watching a room: what is known of it read from the store, and the permit asked for behind that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::super::mailbox::{Mailbox, Slot, Watcher};
use super::super::{Anchor, ReadError};
use super::state::{Company, Loaded, Side};
use super::{News, RoomWatch, RoomWatcher, WatchedRoom};
use crate::code::Code;
use crate::cursor::Cursors;
use crate::id::{RoomId, UserId};
use crate::limits::{MEMBERS_LOOKED_AT_MAX, MEMBERS_PAGE_MAX, PRESENCE_SAMPLE_MAX, PRESENCE_SETTLES};
use crate::position::Epoch;
use crate::publish::Refusal;
use crate::room::Member;
use crate::session::Identity;
use crate::session::frame::{Presence, Receipt, RequestId, Sighting, Watching};
use crate::store::StoreError;

impl Anchor {
    /// Begins to watch a room for `reader`, who may read it now: how things stand, and what wakes `mailbox` under `slot` from then
    /// on.
    ///
    /// # Errors
    /// [`ReadError`]; refused `denied` in rooms of the server, where nobody meets.
    pub async fn watch(
        &self,
        id: RequestId,
        room: &RoomId,
        reader: &Identity,
        mailbox: Arc<Mailbox>,
        slot: Slot,
    ) -> Result<(RoomWatch, Watching), ReadError> {
        if room.is_system() && !room.is_direct() {
            return Err(ReadError::Refused(Refusal::new(
                Code::Denied,
                "nobody meets in a room of the server",
            )));
        }
        let (told, woken) = (AtomicU64::new(0), AtomicBool::new(false));
        let watcher = RoomWatcher { mailbox, slot, user: reader.user.clone(), told, woken };
        let unheard = Watcher::new(Mailbox::new(), slot, Some(reader.clone()));
        let tail = self.0.tails.watch(room, unheard);
        self.0.bus.join(room).await;
        let watch = self.0.watched.enter(room, watcher, tail);
        loop {
            // For each anew: who wrote has read, and nobody is told of that but by the log.
            let epoch = self.load_watched(&watch.room).await?;
            self.refresh_people(&watch.room).await?;
            // Behind what is told, so that it is never the older of the two.
            self.grant(room, Some(reader)).await?.check_goes_on()?;
            if self.epoch_now(room).await? == epoch
                && let Some(watching) = watch.begin(id)
            {
                self.0.due.by(self.now() + LOADED_EVERY);
                return Ok((watch, watching));
            }
        }
    }

    /// What has changed in a watched room, for a reader that no subscription vouches for: the store is asked whether the reader
    /// may still read it.
    ///
    /// # Errors
    /// [`ReadError`]: nothing was told. Refused: nothing ever will be.
    pub async fn look(&self, watch: &RoomWatch, reader: &Identity) -> Result<News, ReadError> {
        let changes = watch.changes();
        // Behind what is told, so that it is never the older of the two.
        self.grant(watch.room(), Some(reader)).await?.check_goes_on()?;
        Ok(changes.map_or(News::Over, |changes| watch.tell(changes)))
    }

    /// Looks whether what is known of a watched room is to be read anew, or who is there; and has it looked at again in time.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is told of the room until it could be read.
    pub(in super::super) async fn look_after(&self, watched: &WatchedRoom) -> Result<(), StoreError> {
        let now = self.now();
        let (is_known, loaded_at, looked_at, company) = {
            let inner = watched.lock();
            (inner.state.is_known(), inner.loaded_at, inner.looked_at, inner.state.company().clone())
        };
        let every = if company == Company::Large { LARGE_LOOKED_AT_EVERY } else { LOOKED_AT_EVERY };
        self.0.due.by(looked_at.map_or(now, |at| at + every).max(now + LOADED_EVERY));
        if !is_known {
            match loaded_at.map(|at| at + LOADED_EVERY).filter(|next| *next > now) {
                Some(next) => self.0.due.by(next),
                None => {
                    self.load_watched(watched).await?;
                    return self.refresh_people(watched).await;
                }
            }
        }
        match looked_at.is_none_or(|at| now >= at + every) {
            true => self.refresh_people(watched).await,
            false => Ok(()),
        }
    }

    /// Reads from the store who belongs to a watched room, and how far they have come, until that is of the room as it is.
    pub(in super::super) async fn load_watched(
        &self,
        watched: &WatchedRoom,
    ) -> Result<Option<Epoch>, StoreError> {
        loop {
            let turns = {
                let mut inner = watched.lock();
                inner.loaded_at = Some(self.now());
                inner.state.turns()
            };
            let loaded = self.load(&watched.room).await?;
            let epoch = loaded.epoch;
            watched.change(|state| state.load(turns, loaded));
            if watched.lock().state.is_known() {
                return Ok(epoch);
            }
        }
    }

    async fn load(&self, room: &RoomId) -> Result<Loaded, StoreError> {
        let state = self.store().room(room).await?;
        let epoch = state.as_ref().map(|state| state.epoch());
        let info = self.store().standing(room, &super::super::permit::anybody()).await?.info;
        let large = Loaded { epoch, company: Company::Large, cursors: Vec::new() };
        if self.is_large(info.as_deref(), self.0.tails.get(room).as_ref()) {
            return Ok(large);
        }
        let company = match info {
            None => Some(Company::Anybody),
            Some(_) => self.joined(room).await?,
        };
        let Some(company) = company else { return Ok(large) };
        Ok(match self.cursors_in(room, &company).await? {
            Some(cursors) => Loaded { epoch, company, cursors },
            None => large,
        })
    }

    /// Those who have joined a room; none if that is more than are looked at, or told.
    async fn joined(&self, room: &RoomId) -> Result<Option<Company>, StoreError> {
        let mut joined = BTreeSet::new();
        let (mut after, mut looked_at) = (None, 0);
        loop {
            let members = self.store().members(room, after.as_ref(), MEMBERS_PAGE_MAX).await?;
            looked_at += members.len();
            let is_last = members.len() < MEMBERS_PAGE_MAX;
            after = members.last().map(|(user, _)| user.clone());
            let has_joined = |(user, member): (UserId, Member)| member.joined().map(|_| user);
            joined.extend(members.into_iter().filter_map(has_joined));
            if joined.len() > self.0.watched.listed_max() || (!is_last && looked_at >= MEMBERS_LOOKED_AT_MAX)
            {
                return Ok(None);
            }
            if is_last {
                return Ok(Some(Company::Joined(joined)));
            }
        }
    }

    /// How far those have come who belong to a room; none if that is more than are looked at, or told.
    async fn cursors_in(
        &self,
        room: &RoomId,
        company: &Company,
    ) -> Result<Option<Vec<(UserId, Cursors)>>, StoreError> {
        let (mut cursors, mut after, mut looked_at) = (Vec::new(), None, 0);
        loop {
            let some = self.store().room_cursors(room, after.as_ref(), MEMBERS_PAGE_MAX).await?;
            looked_at += some.len();
            let is_last = some.len() < MEMBERS_PAGE_MAX;
            after = some.last().map(|(user, _)| user.clone());
            cursors.extend(some.into_iter().filter(|(user, _)| company.has(user)));
            if cursors.len() > self.0.watched.listed_max() || (!is_last && looked_at >= MEMBERS_LOOKED_AT_MAX)
            {
                return Ok(None);
            }
            if is_last {
                return Ok(Some(cursors));
            }
        }
    }

    /// Looks who is there of those who have joined a watched room or are subscribed to it.
    pub(in super::super) async fn refresh_people(&self, watched: &WatchedRoom) -> Result<(), StoreError> {
        let subscribed = self.0.tails.get(&watched.room).map(|tail| tail.users()).unwrap_or_default();
        let company = {
            let mut inner = watched.lock();
            inner.looked_at = Some(self.now());
            inner.state.company().clone()
        };
        let (users, counted) = match company {
            Company::Anybody => (subscribed, None),
            Company::Joined(mut joined) => {
                joined.extend(subscribed);
                (joined.into_iter().collect(), None)
            }
            Company::Large => {
                let presences = self.0.sessions.told_presences(&subscribed);
                let counted = presences.iter().fold(Side::default(), |side, presence| side.and(*presence));
                let there = subscribed.into_iter().zip(presences).filter(|(_, it)| *it != Presence::Offline);
                (there.map(|(user, _)| user).take(PRESENCE_SAMPLE_MAX).collect(), Some(counted))
            }
        };
        let presences = self.0.sessions.told_presences(&users);
        let mut people = Vec::with_capacity(users.len());
        for (user, presence) in users.into_iter().zip(presences) {
            let known = watched.lock().state.seen(&user);
            let seen = match (presence, known) {
                (Presence::Offline, Some(seen)) => seen,
                (Presence::Offline, None) => self.seen(&user).await?,
                (Presence::Online | Presence::Away, _) => None,
            };
            people.push(Sighting { user, presence, seen });
        }
        watched.change(|state| state.people(people, counted));
        Ok(())
    }
}

impl RoomWatch {
    /// How things stand, of which the watcher is told from now on what changes; none if the room is another by now.
    fn begin(&self, id: RequestId) -> Option<Watching> {
        let inner = self.room.lock();
        let state = &inner.state;
        if !state.is_known() {
            return None;
        }
        self.watcher.told.store(state.version(), Ordering::Release);
        let receipts = |receipts: Vec<Receipt>| (*state.company() != Company::Large).then_some(receipts);
        let Side { online, away } = state.counted();
        Some(Watching {
            id,
            room: self.room.room.clone(),
            receipts: receipts(state.receipts(0)),
            sightings: state.sightings(0),
            online,
            away,
            typing: state.typing_but(&self.watcher.user),
        })
    }
}

/// How often the members of a watched room are read anew, at most. Source: chosen; a group that is being filled.
const LOADED_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked who is subscribed to a watched room. Source: chosen; as long as presence takes to settle.
const LOOKED_AT_EVERY: Duration = PRESENCE_SETTLES;

/// As [`LOOKED_AT_EVERY`], of a room with so many that they are counted. Source: chosen; it looks at all of them.
const LARGE_LOOKED_AT_EVERY: Duration = Duration::from_secs(15);
