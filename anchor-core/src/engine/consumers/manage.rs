//! Opening consumers, and what is done about them from outside: listing, pausing, replaying, removing.

use super::ConsumerError;
use super::consumer::Consumer;
use super::head::{
    Head, Series, Whose, behind, encode_position, head_key, id_of, position_key, positions_prefix,
    series_prefix,
};
use super::name::{Begin, ConsumerId, ConsumerName, Scope};
use super::scan::Walk;
use crate::code::Code;
use crate::engine::Anchor;
use crate::error::ErrorKind;
use crate::id::{ClientTag, RoomId};
use crate::limits::{CONSUMER_LAG_ROOMS_MAX, CONSUMERS_OF_USER_MAX};
use crate::position::Position;
use crate::publish::Refusal;
use crate::record::{RecordKey, RecordWrite, Written};
use crate::session::Identity;
use crate::session::frame::From;
use crate::store::{RoomState, StoreError};

/// A consumer in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Which.
    pub id: ConsumerId,
    /// What it reads.
    pub scope: Scope,
    /// It is given nothing for the time being.
    pub paused: bool,
    /// Events that are there and not done, about; none where nobody holds it on this node and there are too many rooms to
    /// look at ([`CONSUMER_LAG_ROOMS_MAX`]).
    pub lag: Option<u64>,
}

/// By what right a consumer is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claim {
    /// Whoever held it holds it no longer, and it is made if it is not there.
    TakeOver(Option<ClientTag>),
    /// The client held it before, and nobody did since.
    GoOn(ClientTag),
}

impl Claim {
    /// Who holds it behind that, where `former` held it before.
    fn holder(self, former: Option<ClientTag>) -> Result<Option<ClientTag>, ConsumerError> {
        match self {
            Self::TakeOver(holder) => Ok(holder),
            Self::GoOn(client) if former == Some(client) => Ok(former),
            Self::GoOn(_) => Err(ConsumerError::Replaced),
        }
    }
}

impl Anchor {
    /// Opens the host's consumer of that name, or makes it; it reads everything. Whoever held it before is given nothing more
    /// ([`ConsumerError::Replaced`]). Durable on return.
    ///
    /// # Errors
    /// [`ConsumerError::OtherScope`], [`ConsumerError::Store`].
    pub async fn consumer(
        &self,
        name: &ConsumerName,
        scope: Scope,
        begin: Begin,
    ) -> Result<Consumer, ConsumerError> {
        let id = ConsumerId::of_host(name.clone());
        self.open_consumer(id, scope, begin, None, Claim::TakeOver(None)).await
    }

    /// Opens a user's consumer of that name, or makes it: as [`Anchor::consumer`], of what the rooms let the user read.
    ///
    /// # Errors
    /// As there. [`ConsumerError::Refused`] where the user may not read the room now, or asks for all rooms and is no admin;
    /// [`ConsumerError::TooMany`].
    pub async fn consumer_as(
        &self,
        reader: Identity,
        name: &ConsumerName,
        scope: Scope,
        begin: Begin,
    ) -> Result<Consumer, ConsumerError> {
        let claim = Claim::TakeOver(None);
        self.consumer_for(claim, reader, name, scope, begin).await
    }

    /// The same for a session of the user's.
    ///
    /// # Errors
    /// As there; of a [`Claim::GoOn`] also [`ConsumerError::Replaced`] and [`ConsumerError::Removed`].
    pub(crate) async fn consumer_for(
        &self,
        claim: Claim,
        reader: Identity,
        name: &ConsumerName,
        scope: Scope,
        begin: Begin,
    ) -> Result<Consumer, ConsumerError> {
        self.check_scope(&reader, &scope).await?;
        let id = ConsumerId::of_user(reader.user.clone(), name.clone());
        self.open_consumer(id, scope, begin, Some(reader), claim).await
    }

    /// Refuses a user what is not the user's to read.
    async fn check_scope(&self, reader: &Identity, scope: &Scope) -> Result<(), ConsumerError> {
        match scope {
            Scope::All if !reader.admin => {
                let refusal = Refusal::new(Code::Denied, "only an admin of the server reads all rooms");
                Err(ConsumerError::Refused(refusal))
            }
            Scope::All => Ok(()),
            Scope::Room(room) => {
                let grant = self.grant(room, Some(reader)).await?;
                grant.check_followed()?;
                Ok(grant.check_goes_on()?)
            }
        }
    }

    async fn open_consumer(
        &self,
        id: ConsumerId,
        scope: Scope,
        begin: Begin,
        reader: Option<Identity>,
        claim: Claim,
    ) -> Result<Consumer, ConsumerError> {
        let key = head_key(&id);
        // Before anything is read: what comes from here on is noted.
        let notes = self.0.consumers.enter(id.clone(), scope.clone());
        let head = loop {
            let kept = self.store().record(&key).await?;
            let head = match (&kept, claim) {
                (Some(value), claim) => {
                    let head = Head::decode(value)?;
                    if head.scope != scope {
                        return Err(ConsumerError::OtherScope);
                    }
                    let holder = claim.holder(head.holder)?;
                    Head { generation: head.generation + 1, holder, ..head }
                }
                (None, Claim::GoOn(_)) => return Err(ConsumerError::Removed),
                (None, Claim::TakeOver(holder)) => {
                    self.check_count(&id).await?;
                    let series = Series::random(&**self.env());
                    if begin == Begin::Now {
                        self.begin_now(&id, series, &scope, (&key, None)).await?;
                    }
                    Head { generation: 1, series, scope: scope.clone(), paused: false, holder }
                }
            };
            let puts = vec![(key.clone(), Some(head.encode()))];
            if self.write_head(&id, kept, puts).await? {
                break head;
            }
        };
        self.forget_positions(&id, Some(head.series)).await?;
        Ok(Consumer::new(self.clone(), id, reader, head, notes))
    }

    /// Consumers in the order of their keys, those after `after`, at most `limit`. One whose record is damaged is left out, and
    /// named in a warning; [`Anchor::remove_consumer`] takes it away.
    ///
    /// # Errors
    /// [`ConsumerError::Store`].
    pub async fn consumers(
        &self,
        whose: &Whose,
        after: Option<&ConsumerId>,
        limit: usize,
    ) -> Result<Vec<ConsumerInfo>, ConsumerError> {
        let prefix = whose.prefix();
        let mut after = after.map(head_key);
        let mut infos = Vec::new();
        let mut rooms_left = CONSUMER_LAG_ROOMS_MAX;
        while infos.len() < limit {
            let wanted = limit - infos.len();
            let kept = self.store().records(&prefix, after.as_ref(), wanted).await?;
            let is_last = kept.len() < wanted;
            after = kept.last().map(|(key, _)| key.clone());
            for (key, value) in kept {
                let Some(id) = id_of(&key) else { continue };
                match Head::decode(&value) {
                    Ok(head) => infos.push(self.info(id, head, &mut rooms_left).await?),
                    // The others are to be seen all the same.
                    Err(error) => tracing::warn!(consumer = %id, %error, "the head of a consumer is damaged"),
                }
            }
            if is_last {
                break;
            }
        }
        Ok(infos)
    }

    async fn info(
        &self,
        id: ConsumerId,
        head: Head,
        rooms_left: &mut usize,
    ) -> Result<ConsumerInfo, ConsumerError> {
        let Head { scope, paused, series, .. } = head;
        let lag = match self.0.consumers.lag(&id) {
            Some(lag) => Some(lag),
            None => match self.lag_of(&id, &scope, series, rooms_left).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!(consumer = %id, %error, "a position of a consumer is damaged");
                    None
                }
                lag => lag?,
            },
        };
        Ok(ConsumerInfo { id, scope, paused, lag })
    }

    /// Gives a consumer nothing until [`Anchor::resume_consumer`]. What it was given it may still say to be done.
    ///
    /// # Errors
    /// [`ConsumerError::Removed`], [`ConsumerError::Store`].
    pub async fn pause_consumer(&self, id: &ConsumerId) -> Result<(), ConsumerError> {
        self.change_head(id, |head| head.paused = true).await
    }

    /// Ends what [`Anchor::pause_consumer`] began.
    ///
    /// # Errors
    /// As there.
    pub async fn resume_consumer(&self, id: &ConsumerId) -> Result<(), ConsumerError> {
        self.change_head(id, |head| head.paused = false).await
    }

    /// Has a consumer begin anew from somewhere, in one step: all rooms from their beginning or from now on, one room from any
    /// place that a subscription may begin from. Whoever holds it goes on from there.
    ///
    /// # Errors
    /// [`ConsumerError::NoPlace`] for all rooms from one position; [`ConsumerError::Removed`], [`ConsumerError::Store`].
    pub async fn replay_consumer(&self, id: &ConsumerId, from: From) -> Result<(), ConsumerError> {
        let key = head_key(id);
        loop {
            let kept = self.kept_head(&key).await?;
            let mut head = Head::decode(&kept)?;
            head.series = Series::random(&**self.env());
            let mut puts = vec![(key.clone(), Some(head.encode()))];
            match (&head.scope, from) {
                (_, From::Start) => {}
                (scope @ Scope::All, From::Now) => {
                    self.begin_now(id, head.series, scope, (&key, Some(&kept))).await?;
                }
                (Scope::All, _) => return Err(ConsumerError::NoPlace),
                (Scope::Room(room), from) => {
                    let position = self.position_of(room, from).await?;
                    let key = position_key(&series_prefix(id, head.series), room);
                    puts.push((key, encode_position(&position)));
                }
            }
            if self.write_head(id, Some(kept), puts).await? {
                return self.forget_positions(id, Some(head.series)).await;
            }
        }
    }

    /// Removes a consumer, and all that is kept of it. Whoever holds it is told ([`ConsumerError::Removed`]).
    ///
    /// # Errors
    /// [`ConsumerError::Removed`] if there is none; [`ConsumerError::Store`].
    pub async fn remove_consumer(&self, id: &ConsumerId) -> Result<(), ConsumerError> {
        let key = head_key(id);
        loop {
            let kept = self.kept_head(&key).await?;
            if self.write_head(id, Some(kept), vec![(key.clone(), None)]).await? {
                return self.forget_positions(id, None).await;
            }
        }
    }

    async fn change_head(&self, id: &ConsumerId, change: impl Fn(&mut Head)) -> Result<(), ConsumerError> {
        let key = head_key(id);
        loop {
            let kept = self.kept_head(&key).await?;
            let mut head = Head::decode(&kept)?;
            change(&mut head);
            if self.write_head(id, Some(kept), vec![(key.clone(), Some(head.encode()))]).await? {
                return Ok(());
            }
        }
    }

    /// The head of a consumer that there is, as it is kept.
    async fn kept_head(&self, key: &RecordKey) -> Result<Vec<u8>, ConsumerError> {
        self.store().record(key).await?.ok_or(ConsumerError::Removed)
    }

    /// Writes what changes a consumer, and tells whoever holds it on this node; false if its head is not `kept` any more.
    async fn write_head(
        &self,
        id: &ConsumerId,
        kept: Option<Vec<u8>>,
        puts: Vec<(RecordKey, Option<Vec<u8>>)>,
    ) -> Result<bool, StoreError> {
        let guard = Some((head_key(id), kept));
        let is_written = self.store().write_records(RecordWrite { guard, puts }).await? == Written::Done;
        if is_written {
            self.0.consumers.changed(id);
        }
        Ok(is_written)
    }

    /// Keeps the heads of all rooms of `scope` as positions of a series that is not in use yet.
    async fn begin_now(
        &self,
        id: &ConsumerId,
        series: Series,
        scope: &Scope,
        (key, kept): (&RecordKey, Option<&Vec<u8>>),
    ) -> Result<(), ConsumerError> {
        let prefix = series_prefix(id, series);
        let guard = Some((key.clone(), kept.cloned()));
        let put = |room: &RoomId, state: &RoomState| {
            // In the newest history, so that the beginning of that is nothing to be told.
            let now = Position { epoch: Some(state.epoch()), ..state.head_position() };
            (position_key(&prefix, room), encode_position(&now))
        };
        if let Scope::Room(room) = scope {
            let state = self.store().room(room).await?;
            let puts = state.iter().map(|state| put(room, state)).collect();
            // Where the guard fails, the write that begins the series does, too.
            let _ = self.store().write_records(RecordWrite { guard, puts }).await?;
            return Ok(());
        }
        let mut after = None;
        loop {
            let rooms = self.store().rooms(after.as_ref(), ROOMS_AT_A_TIME).await?;
            let puts: Vec<_> = rooms.iter().map(|stored| put(&stored.room, &stored.state)).collect();
            let guard = guard.clone();
            let is_last = rooms.len() < ROOMS_AT_A_TIME;
            if self.store().write_records(RecordWrite { guard, puts }).await? == Written::GuardFailed
                || is_last
            {
                return Ok(());
            }
            after = rooms.into_iter().next_back().map(|stored| stored.room);
        }
    }

    /// Takes away the positions of a consumer, but for those of a series.
    async fn forget_positions(&self, id: &ConsumerId, keep: Option<Series>) -> Result<(), ConsumerError> {
        let (prefix, key) = (positions_prefix(id), head_key(id));
        let kept = keep.map(|series| series_prefix(id, series));
        let mut after: Option<RecordKey> = None;
        loop {
            let some = self.store().records(&prefix, after.as_ref(), ROOMS_AT_A_TIME).await?;
            let Some((last, _)) = some.last() else { return Ok(()) };
            let is_kept =
                |key: &RecordKey| kept.as_ref().is_some_and(|kept| key.as_str().starts_with(kept.as_str()));
            after = match &kept {
                // Those in use are passed over as a whole, however many there are.
                Some(kept) if is_kept(last) => Some(behind(kept)),
                _ => Some(last.clone()),
            };
            let old: Vec<_> = some.iter().filter(|(key, _)| !is_kept(key)).collect();
            if old.is_empty() {
                continue;
            }
            let puts = old.into_iter().map(|(key, _)| (key.clone(), None)).collect();
            // A series that has begun meanwhile is not this call's to touch.
            let head = self.store().record(&key).await?;
            let series = head.as_ref().map(|value| Head::decode(value)).transpose()?.map(|head| head.series);
            let guard = Some((key.clone(), head));
            if series != keep
                || self.store().write_records(RecordWrite { guard, puts }).await? == Written::GuardFailed
            {
                return Ok(());
            }
        }
    }

    /// The position that `from` means in a room. Where its log has no such place, that is the beginning, from which the consumer
    /// is told of what is not there.
    async fn position_of(&self, room: &RoomId, from: From) -> Result<Position, ConsumerError> {
        let state = self.store().room(room).await?;
        let (position, gaps) = self.place(room, from, state.as_ref(), None).await?;
        Ok(if gaps.is_empty() { position } else { Position::START })
    }

    /// Events behind the positions of a consumer that nobody holds on this node; none if that takes looking at more than
    /// `rooms_left`.
    async fn lag_of(
        &self,
        id: &ConsumerId,
        scope: &Scope,
        series: Series,
        rooms_left: &mut usize,
    ) -> Result<Option<u64>, ConsumerError> {
        let mut walk = Walk::default();
        while *rooms_left > 0 {
            let met = walk.step(self, id, scope, series).await?;
            *rooms_left = rooms_left.saturating_sub(met.rooms.len().max(1));
            walk.pass(&met);
            let lag: u64 = met.rooms.values().map(|sides| sides.lag_behind(&sides.kept)).sum();
            walk.lag = walk.lag.saturating_add(lag);
            if met.is_last {
                return Ok(Some(walk.lag));
            }
        }
        Ok(None)
    }

    /// Refuses a user one consumer more than users have.
    async fn check_count(&self, id: &ConsumerId) -> Result<(), ConsumerError> {
        let Some(user) = &id.owner else { return Ok(()) };
        let prefix = Whose::User(user.clone()).prefix();
        match self.store().records(&prefix, None, CONSUMERS_OF_USER_MAX).await?.len() {
            CONSUMERS_OF_USER_MAX.. => Err(ConsumerError::TooMany),
            _ => Ok(()),
        }
    }
}

/// Rooms, or positions, that are looked at at a time. Source: chosen; a page of a list.
const ROOMS_AT_A_TIME: usize = 500;
