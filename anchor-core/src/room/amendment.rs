//! What later events changed of a message: edits, a redaction, reactions, pins, replies.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Body, Event, EventKind};
use crate::id::UserId;
use crate::position::Offset;
use crate::sabotage::{self, Sabotage};
use crate::text::Sign;

/// An entry of the index by target: an event that is about another one, other than a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The event that it is about.
    pub target: Offset,
    /// The event itself.
    pub offset: Offset,
    /// What it means.
    pub kind: EventKind,
    /// Who.
    pub user: UserId,
    /// Of a reaction set or taken back.
    pub sign: Option<Sign>,
}

impl Amendment {
    /// What an event is in the index by target; none if it is about no other event, or is a reply.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let Event { offset, kind, ref user, target: Some(target), ref body, .. } = *event else {
            return None;
        };
        if kind == EventKind::MESSAGE {
            return None;
        }
        let sign = body.as_ref().and_then(|body| Sign::of(kind, body));
        Some(Self { target, offset, kind, user: user.clone(), sign })
    }
}

impl Sign {
    /// The sign that an event of `kind` sets or takes back.
    #[must_use]
    pub fn of(kind: EventKind, body: &Body) -> Option<Self> {
        let is_reaction = matches!(kind, EventKind::REACTION | EventKind::REACTION_REMOVED);
        body.as_text().filter(|_| is_reaction).and_then(|text| Self::new(text).ok())
    }
}

/// The signs of one user on one event, as what the user did to it has made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSigns {
    /// How often the user has set or taken back a sign.
    pub changes: u64,
    /// Those that are set, in the order in which they were.
    pub set: Vec<Sign>,
}

impl UserSigns {
    /// Takes the next thing that the user did: `kind` is that of a reaction set or taken back.
    pub fn take(&mut self, kind: EventKind, sign: &Sign) {
        self.changes += 1;
        let is_set = self.set.contains(sign);
        match kind {
            EventKind::REACTION_REMOVED => self.set.retain(|set| set != sign),
            _ if is_set => {}
            _ => self.set.push(sign.clone()),
        }
    }
}

/// The replies to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The message that began it.
    pub root: Offset,
    /// How many.
    pub replies: u64,
    /// The newest of them.
    pub last: Offset,
}

/// What later events made of one event, up to the newest that its reader may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The event that was changed.
    pub target: Offset,
    /// Its newest body, unless it was redacted.
    pub edit: Option<Edit>,
    /// The event that took its body away.
    pub redacted_by: Option<Offset>,
    /// The signs set on it, in the order in which they were set; one that nobody set any more for a while, behind others.
    pub reactions: Vec<Reaction>,
    /// Replies to it.
    pub replies: u64,
    /// The newest of them.
    pub last_reply: Option<Offset>,
    /// It is pinned.
    pub pinned: bool,
}

/// A newer body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The newest edit.
    pub offset: Offset,
    /// When, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// What it says now; none if that was redacted meanwhile.
    pub body: Option<Body>,
}

/// A sign on a message, and how many set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The sign.
    pub sign: Sign,
    /// Users that set it.
    pub count: u64,
    /// The reader is one of them.
    pub mine: bool,
}

/// Folds the amendments of some events and the threads that they began into what has become of each, in the order of
/// targets; `reader` is whose own reactions are marked. Of an edit only its place is known here: [`Edit::body`] and
/// [`Edit::ts`] are to be read.
///
/// `amendments` are in the order of their own offsets for each target.
#[must_use]
pub fn fold(
    amendments: &[Amendment],
    threads: &[Thread],
    reader: Option<&UserId>,
) -> BTreeMap<Offset, Changes> {
    let mut signs: BTreeMap<Offset, Signs<'_>> = BTreeMap::new();
    let mut folded: BTreeMap<Offset, Changes> = BTreeMap::new();
    for Thread { root, replies, last } in threads.iter().copied() {
        let changes = folded.entry(root).or_insert_with(|| Changes { target: root, ..Changes::default() });
        (changes.replies, changes.last_reply) = (replies, Some(last));
    }
    for amendment in amendments {
        let Amendment { target, offset, kind, ref user, ref sign } = *amendment;
        let changes = folded.entry(target).or_insert_with(|| Changes { target, ..Changes::default() });
        match (kind, sign) {
            (EventKind::EDIT, _) => changes.edit = Some(Edit { offset, ts: 0, body: None }),
            (EventKind::REDACTION, _) => {
                changes.redacted_by = changes.redacted_by.or(Some(offset));
                changes.pinned = false;
            }
            (EventKind::PIN, _) => changes.pinned = true,
            (EventKind::UNPIN, _) => changes.pinned = false,
            (EventKind::REACTION, Some(sign)) => signs.entry(target).or_default().set(sign, user, offset),
            (EventKind::REACTION_REMOVED, Some(_)) if sabotage::is(Sabotage::ReactionKept) => {}
            (EventKind::REACTION_REMOVED, Some(sign)) => {
                signs.entry(target).or_default().take_back(sign, user)
            }
            _ => {}
        }
    }
    for (target, signs) in signs {
        if let Some(changes) = folded.get_mut(&target) {
            changes.reactions = signs.reactions(reader);
        }
    }
    for changes in folded.values_mut() {
        if changes.redacted_by.is_some() {
            changes.edit = None;
        }
    }
    folded
}

/// The signs on one message: who has set each, and with which event it came to stand there.
#[derive(Default)]
struct Signs<'a>(BTreeMap<&'a Sign, (Offset, BTreeSet<&'a UserId>)>);

impl<'a> Signs<'a> {
    fn set(&mut self, sign: &'a Sign, user: &'a UserId, offset: Offset) {
        self.0.entry(sign).or_insert_with(|| (offset, BTreeSet::new())).1.insert(user);
    }

    /// A sign that nobody has set any more loses its place: who begins with what is set now, and follows what comes, must
    /// come to the same order.
    fn take_back(&mut self, sign: &Sign, user: &UserId) {
        if let Some((_, users)) = self.0.get_mut(sign) {
            users.remove(user);
            if users.is_empty() {
                self.0.remove(sign);
            }
        }
    }

    fn reactions(self, reader: Option<&UserId>) -> Vec<Reaction> {
        let mut signs: Vec<_> = self.0.into_iter().collect();
        signs.sort_by_key(|(_, (since, _))| *since);
        let reaction = |(sign, (_, users)): (&Sign, (Offset, BTreeSet<&UserId>))| Reaction {
            sign: sign.clone(),
            count: users.len() as u64,
            mine: reader.is_some_and(|reader| users.contains(reader)),
        };
        signs.into_iter().map(reaction).collect()
    }
}
