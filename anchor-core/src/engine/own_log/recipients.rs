//! Whom an event concerns: only those who may read it, nobody by what they do themselves, nobody who has blocked who did it.

use std::collections::BTreeMap;

use super::entry::{Entry, EntryKind};
use crate::engine::Anchor;
use crate::engine::permit::{ReadError, anybody};
use crate::event::{Event, EventKind, Mentions};
use crate::id::{RoomId, UserId};
use crate::limits::{MEMBERS_LOOKED_AT_MAX, OWN_LOG_ROOM_MAX};
use crate::position::{Epoch, Offset};
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange};
use crate::session::Identity;
use crate::store::{Direction, Read, StoreError};

/// Whom an event may concern, each by one thing.
type Candidates = BTreeMap<UserId, EntryKind>;

impl Anchor {
    /// The entries that an event comes to, in the order of users.
    pub(super) async fn entries_of(
        &self,
        room: &RoomId,
        epoch: Epoch,
        event: &Event,
    ) -> Result<Vec<(UserId, Entry)>, StoreError> {
        let (about, candidates) = match event.kind {
            EventKind::MESSAGE => ((epoch, event.offset), self.concerned_by_message(room, event).await?),
            EventKind::EDIT => match event.target {
                None => return Ok(Vec::new()),
                Some(target) => {
                    let Some((epoch, newly)) = self.newly_mentioned(room, event, target).await? else {
                        return Ok(Vec::new());
                    };
                    let mut candidates = Candidates::new();
                    self.add_mentioned(room, &newly, &mut candidates).await?;
                    ((epoch, target), candidates)
                }
            },
            EventKind::MEMBERSHIP | EventKind::ROOM => ((epoch, event.offset), asked_in(event)),
            _ => return Ok(Vec::new()),
        };
        let mut entries = Vec::new();
        for (user, kind) in candidates {
            if user != event.user && self.takes(&user, kind, room, about.1, &event.user).await? {
                let (epoch, offset) = about;
                entries.push((user, Entry { kind, room: room.clone(), epoch, offset }));
            }
        }
        Ok(entries)
    }

    async fn concerned_by_message(&self, room: &RoomId, event: &Event) -> Result<Candidates, StoreError> {
        let mut candidates = Candidates::new();
        if let Some(root) = event.target
            && let Some(target) = self.target(room, root).await?
        {
            candidates.insert(target.user, EntryKind::Reply);
        }
        if let Some(mentions) = event.body.as_ref().and_then(|body| body.mentions()) {
            self.add_mentioned(room, mentions, &mut candidates).await?;
        }
        Ok(candidates)
    }

    async fn add_mentioned(
        &self,
        room: &RoomId,
        mentions: &Mentions,
        candidates: &mut Candidates,
    ) -> Result<(), StoreError> {
        candidates.extend(mentions.users.iter().map(|user| (user.clone(), EntryKind::Mention)));
        if mentions.room {
            let members = self.joined_in(room).await?;
            candidates.extend(members.into_iter().map(|user| (user, EntryKind::Mention)));
        }
        Ok(())
    }

    /// Those who have joined a room; nobody if they are more than [`OWN_LOG_ROOM_MAX`], or more than are looked at have come
    /// and gone.
    async fn joined_in(&self, room: &RoomId) -> Result<Vec<UserId>, StoreError> {
        let info = self.store().standing(room, &anybody()).await?.info;
        if info.is_none_or(|info| info.members > OWN_LOG_ROOM_MAX as u64) {
            return Ok(Vec::new());
        }
        let (mut joined, mut after, mut looked_at) = (Vec::new(), None, 0);
        loop {
            let some = self.store().members(room, after.as_ref(), MEMBERS_AT_A_TIME).await?;
            looked_at += some.len();
            let is_last = some.len() < MEMBERS_AT_A_TIME;
            after = some.last().map(|(user, _)| user.clone());
            let those = some.into_iter().filter(|(_, member)| member.joined().is_some());
            joined.extend(those.map(|(user, _)| user));
            if is_last || joined.len() > OWN_LOG_ROOM_MAX {
                joined.truncate(OWN_LOG_ROOM_MAX);
                return Ok(joined);
            }
            if looked_at >= MEMBERS_LOOKED_AT_MAX {
                return Ok(Vec::new());
            }
        }
    }

    /// Whom an edit mentions that the message did not mention as it was before, and the epoch of the message; none if it says
    /// nothing, or the message is not there.
    async fn newly_mentioned(
        &self,
        room: &RoomId,
        edit: &Event,
        target: Offset,
    ) -> Result<Option<(Epoch, Mentions)>, StoreError> {
        let Some(mut newly) = edit.body.as_ref().and_then(|body| body.mentions()).cloned() else {
            return Ok(None);
        };
        let Some((epoch, original)) = self.event_at(room, target).await? else { return Ok(None) };
        let mut versions = vec![original];
        for earlier in self.store().edits(room, (target, target)).await? {
            if earlier.kind == EventKind::EDIT && earlier.offset < edit.offset {
                versions.extend(self.event_at(room, earlier.offset).await?.map(|(_, event)| event));
            }
        }
        for mentioned in versions.iter().filter_map(|event| event.body.as_ref()?.mentions()) {
            newly.room &= !mentioned.room;
            newly.users.retain(|user| !mentioned.users.contains(user));
        }
        Ok((!newly.is_empty()).then_some((epoch, newly)))
    }

    async fn event_at(&self, room: &RoomId, offset: Offset) -> Result<Option<(Epoch, Event)>, StoreError> {
        let from = Direction::After(offset.previous());
        let read = Read { room: room.clone(), from, events_max: 1, bytes_max: 1 };
        let runs = self.store().read(read).await?;
        let Some(run) = runs.first() else { return Ok(None) };
        for event in run.events() {
            let event = event?;
            if event.offset == offset {
                return Ok(Some((run.epoch(), event)));
            }
        }
        Ok(None)
    }

    /// Whether `user` is told of what `by` did at `offset`.
    async fn takes(
        &self,
        user: &UserId,
        kind: EntryKind,
        room: &RoomId,
        offset: Offset,
        by: &UserId,
    ) -> Result<bool, StoreError> {
        if self.store().user(user).await?.contact.blocked.contains(by) {
            return Ok(false);
        }
        let reader = Identity { user: user.clone(), admin: false };
        match self.grant(room, Some(&reader)).await {
            // Who is asked into a room reads it later; who was asked and is no more is not told.
            Ok(_) | Err(ReadError::Refused(_)) if kind == EntryKind::Invitation => {
                let member = self.store().standing(room, user).await?.member;
                Ok(member.is_some_and(|member| member.membership.is_listed()))
            }
            Ok(grant) => Ok(grant.permit.allows(offset)),
            Err(ReadError::Refused(_) | ReadError::Deleted(_)) => Ok(false),
            Err(ReadError::Store(error)) => Err(error),
        }
    }
}

/// Who is asked into a room by a membership or room event.
fn asked_in(event: &Event) -> Candidates {
    let Some(body) = &event.body else { return Candidates::new() };
    let asked = match event.kind {
        EventKind::MEMBERSHIP => match MembershipChange::from_body(body) {
            Ok(MembershipChange::Invite { user, .. }) => Some((user, EntryKind::Invitation)),
            _ => None,
        },
        _ => match RoomChange::from_body(body) {
            Ok(RoomChange::Create { kind: RoomKind::Direct, user: Some(user), .. }) => {
                Some((user, EntryKind::Direct))
            }
            _ => None,
        },
    };
    asked.into_iter().collect()
}

/// Members that are read at a time. Source: chosen; a page of a list.
const MEMBERS_AT_A_TIME: usize = 500;
