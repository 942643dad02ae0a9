//! How each member sees a club in the end: by asking for everything that can be asked, over a session of its own.

use std::collections::BTreeMap;

use anchor_core::event::Event;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Offset, Position};
use anchor_core::room::{Changes, Membership};
use anchor_core::session::frame::{HistoryRange, Which};
use anchor_transport::client::{Client, RequestError};

use super::permits::Club;
use super::{Society, View};

impl Society {
    /// Asserts that what `client` is told of `room`, of which nothing changes any more, is what its log says; what is wrong.
    pub async fn check_view(&self, client: &Client, user: &UserId, room: &RoomId) -> Vec<String> {
        // A store that is slow again and again takes longer than a client waits: then it is asked anew.
        for _ in 0..ASKED_MOST {
            match self.compare(client, user, room).await {
                Ok(broken) => return broken,
                Err(RequestError::TimedOut) => {}
                Err(error) => {
                    return vec![format!("{user} may read {room}, and gets no answer about it: {error}")];
                }
            }
        }
        vec![format!("{user} may read {room}, and gets no answer about it in time, again and again")]
    }

    async fn compare(
        &self,
        client: &Client,
        user: &UserId,
        room: &RoomId,
    ) -> Result<Vec<String>, RequestError> {
        let mut broken = Vec::new();
        let Some(life) = self.newest(room) else { return Ok(broken) };
        let club = Club::of(&life);
        let Some((after, None)) = club.range(user) else { return Ok(broken) };
        if self.has_ended_unseen(room, &life) {
            return Ok(broken);
        }
        let (events, changes) = history(client, room).await?;
        let offsets: Vec<_> = events.iter().map(|event| event.offset).collect();
        let expected = |first: Offset| (first.0..=life.head().0).map(Offset).collect::<Vec<_>>();
        let horizons = self.inner().trims.ever(room);
        let first = offsets.first().map_or(life.head().next(), |first| *first);
        let is_horizon = first == after.next() || (first > after && horizons.has(first));
        if offsets != expected(first) || !is_horizon {
            broken.push(format!("{user} pages through {room} and finds {offsets:?}, not all after {after}"));
        }
        let views = View::of(&life);
        for event in &events {
            let nothing = || Changes { target: event.offset, ..Changes::default() };
            let told = changes.get(&event.offset).cloned().unwrap_or_else(nothing);
            let view = views.get(&event.offset).map_or_else(nothing, |view| view.changes(event.offset, user));
            if told != view {
                broken.push(format!("{user} sees {told:?} in {room}, and its log says {view:?}"));
            }
        }
        broken.extend(self.members(client, user, room, &club).await?);
        Ok(broken)
    }

    async fn members(
        &self,
        client: &Client,
        user: &UserId,
        room: &RoomId,
        club: &Club,
    ) -> Result<Vec<String>, RequestError> {
        let mut broken = Vec::new();
        let (mut told, mut next) = (BTreeMap::new(), None);
        loop {
            let page = client.members(room, next.as_ref(), 2).await?;
            told.extend(page.members.into_iter().map(|(user, member)| (user, member.membership)));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let places: BTreeMap<UserId, Membership> =
            club.places().iter().map(|(user, place)| (user.clone(), place.membership)).collect();
        // Those who are gone may be told of or not; of nobody anything else than the log says.
        let is_here =
            |membership: &Membership| matches!(membership, Membership::Joined | Membership::Invited);
        let mut here = places.iter().filter(|(_, membership)| is_here(membership));
        let is_right = told.iter().all(|(user, membership)| places.get(user) == Some(membership));
        if !is_right || !here.all(|(user, _)| told.contains_key(user)) {
            broken.push(format!("{user} is told that in {room} are {told:?}, and its log says {places:?}"));
        }
        let joined = places.values().filter(|membership| **membership == Membership::Joined).count() as u64;
        let listing = client.room(room).await?;
        let counted = listing.info.as_ref().map_or(0, |info| info.members);
        if counted != joined {
            broken
                .push(format!("{user} is told that {room} has {counted} members, and its log says {joined}"));
        }
        let is_mine = matches!(places.get(user), Some(Membership::Joined | Membership::Invited));
        let mine = client.rooms(Which::Mine, None, 500).await?.rooms;
        if mine.iter().any(|listing| listing.entry.room == *room) != is_mine {
            broken.push(format!("{room} is in the list of {user}, or is not, against its log"));
        }
        Ok(broken)
    }
}

/// All that can be read of a room from its beginning on, and what became of it.
async fn history(
    client: &Client,
    room: &RoomId,
) -> Result<(Vec<Event>, BTreeMap<Offset, Changes>), RequestError> {
    let (mut events, mut changes) = (Vec::new(), BTreeMap::new());
    let mut range = HistoryRange::After(Position::START);
    loop {
        let page = client.history(room, range, PAGE_EVENTS).await?;
        events.extend(page.events);
        changes.extend(page.changes.into_iter().map(|changes| (changes.target, changes)));
        match page.next {
            Some(next) => range = HistoryRange::After(next),
            None => return Ok((events, changes)),
        }
    }
}

/// Events of a page. Source: chosen, so that a room has several.
const PAGE_EVENTS: u64 = 20;

/// How often is asked for a view. Source: chosen; one answer in some thousands is late.
const ASKED_MOST: u32 = 3;
