//! What is said in passing: heard at most once, as it was said, by those who are meant and may be there; stored nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anchor_core::event::{Body, Event};
use anchor_core::id::{RoomId, UserId};
use anchor_core::room::Membership;
use anchor_core::session::frame::Signal;

use super::permits::Club;
use super::{Inner, Society, is_club};
use crate::kernel::ProcessId;
use crate::scenario::ADMIN;

/// What was said and heard.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Each says something else.
    said: BTreeMap<String, Said>,
    heard: BTreeSet<(ProcessId, String)>,
}

/// A signal as it was said.
#[derive(Clone, Debug)]
struct Said {
    room: RoomId,
    from: UserId,
    process: ProcessId,
    to: Option<UserId>,
    at: Duration,
}

/// Who hears a signal.
#[derive(Clone, Copy, Debug)]
pub struct Hearer<'a> {
    /// As whom.
    pub user: &'a UserId,
    /// Which process.
    pub process: ProcessId,
    /// It reads the room, or tries to.
    pub reads: bool,
    /// Every server hears of every commit at once: then nobody hears anything who was removed before.
    pub is_alone: bool,
}

impl Society {
    /// A user begins to say something in passing.
    pub fn says(&self, user: &UserId, process: ProcessId, signal: &Signal) {
        let Signal { room, user: to, body, .. } = signal.clone();
        let said = Said { room, from: user.clone(), process, to, at: self.0.kernel.now() };
        self.inner().people.signals.said.insert(text(&body), said);
    }

    /// Somebody hears something in passing.
    pub fn hears(&self, hearer: Hearer<'_>, signal: &Signal) {
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        if let Some(why) = inner.is_not_for(hearer, signal, now) {
            let (user, text) = (hearer.user, text(&signal.body));
            inner.broken.push(format!("{user} heard {text:?} in {} at {now:?}: {why}", signal.room));
        }
    }
}

impl Inner {
    /// Why somebody must not have heard a signal by now.
    fn is_not_for(&mut self, hearer: Hearer<'_>, signal: &Signal, now: Duration) -> Option<String> {
        let text = text(&signal.body);
        let Some(said) = self.people.signals.said.get(&text).cloned() else {
            return Some("nobody said it".to_owned());
        };
        if said.room != signal.room || signal.user.as_ref() != Some(&said.from) {
            return Some(format!("{said:?} is what was said"));
        }
        if !self.people.signals.heard.insert((hearer.process, text)) {
            return Some("it was heard there before".to_owned());
        }
        if said.process == hearer.process {
            return Some("the same client said it".to_owned());
        }
        if said.to.as_ref().is_some_and(|to| to != hearer.user) {
            return Some(format!("it was for {:?}", said.to));
        }
        if !hearer.reads {
            return Some("nothing of the room is read there".to_owned());
        }
        if !is_club(&said.room) {
            return None;
        }
        let time = (said.at, now);
        let since = if hearer.is_alone { said.at } else { Duration::ZERO };
        if !self.may_be(&said.room, (since, now), |club| matches!(club.range(hearer.user), Some((_, None)))) {
            return Some("the room is not that user's to read".to_owned());
        }
        if said.from.as_str() != ADMIN && !self.may_be(&said.room, time, |club| may_speak(club, &said.from)) {
            return Some(format!("{} may say nothing in the room", said.from));
        }
        let is_blocked = said.room.is_direct() || said.to.is_some();
        let is_blocked = is_blocked && self.people.changes.is_blocked(hearer.user, &said.from, time);
        (is_blocked && said.from.as_str() != ADMIN && said.from != *hearer.user)
            .then(|| format!("that user had blocked {}", said.from))
    }

    /// True if the room may have been such at some moment of `time`.
    fn may_be(&self, room: &RoomId, time: (Duration, Duration), is_such: impl Fn(&Club) -> bool) -> bool {
        let lives = self.ledger.rooms().find(|(other, _)| *other == room).map_or(&[][..], |(_, lives)| lives);
        // A room that is not there is everybody's, but for one of two.
        let was_there =
            lives.first().and_then(|life| life.prefix().next()?.committed_at).is_some_and(|at| at < time.0)
                && lives.iter().all(|life| !life.is_deleted());
        let is_nobodys = !was_there && !room.is_direct();
        (is_nobodys && is_such(&Club::new())) || lives.iter().any(|life| life.may_have_been(time, &is_such))
    }

    /// Signals that stand in a log.
    pub(super) fn signals_stored(&self, room: &RoomId, log: &[Event]) -> Vec<String> {
        let said = &self.people.signals.said;
        let texts = log.iter().filter_map(|event| event.body.as_ref()).map(text);
        let stored = texts.filter(|text| said.contains_key(text));
        stored.map(|text| format!("{text:?} was said in passing, and stands in {room}")).collect()
    }
}

/// True if a member, or anybody where nobody owns the room.
fn may_speak(club: &Club, user: &UserId) -> bool {
    let joined =
        |user: &UserId| club.places().get(user).is_some_and(|place| place.membership == Membership::Joined);
    joined(user) || club.is_ownerless()
}

fn text(body: &Body) -> String {
    body.as_text().unwrap_or_default().to_owned()
}
