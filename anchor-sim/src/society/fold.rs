//! What later events made of a message, folded from all of them.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::event::{Body, EventKind};
use anchor_core::id::UserId;
use anchor_core::position::Offset;
use anchor_core::room::{Changes, Edit, Reaction, Sign};

use super::ledger::Life;

/// What became of a message.
#[derive(Clone, Debug, Default)]
pub struct View {
    edit: Option<(Offset, u64, Option<Body>)>,
    redacted_by: Option<Offset>,
    /// Who set each sign, in the order in which they were first set since somebody had them set.
    signs: Vec<(Sign, BTreeSet<UserId>)>,
    replies: u64,
    last_reply: Option<Offset>,
    is_pinned: bool,
}

impl View {
    /// What became of every message that anything became of.
    #[must_use]
    pub fn of(life: &Life) -> BTreeMap<Offset, Self> {
        Self::up_to(life, life.head(), |_| true)
    }

    /// What the events up to the one at `head` made of the wanted messages.
    pub(super) fn up_to(
        life: &Life,
        head: Offset,
        is_wanted: impl Fn(Offset) -> bool,
    ) -> BTreeMap<Offset, Self> {
        let mut views: BTreeMap<Offset, Self> = BTreeMap::new();
        for event in life.events().take_while(|event| event.offset <= head) {
            let Some(target) = event.target.filter(|target| is_wanted(*target)) else { continue };
            let view = views.entry(target).or_default();
            let sign = event.body.as_ref().and_then(Body::as_text).and_then(|text| Sign::new(text).ok());
            match (event.kind, sign) {
                (EventKind::MESSAGE, _) => {
                    view.replies += 1;
                    view.last_reply = Some(event.offset);
                }
                (EventKind::EDIT, _) => view.edit = Some((event.offset, event.ts, event.body.clone())),
                (EventKind::REDACTION, _) => {
                    view.redacted_by = view.redacted_by.or(Some(event.offset));
                    view.is_pinned = false;
                }
                (EventKind::PIN, _) => view.is_pinned = true,
                (EventKind::UNPIN, _) => view.is_pinned = false,
                (EventKind::REACTION, Some(sign)) => {
                    let at = view.signs.iter().position(|(known, _)| *known == sign);
                    let at = at.unwrap_or_else(|| {
                        view.signs.push((sign, BTreeSet::new()));
                        view.signs.len() - 1
                    });
                    view.signs[at].1.insert(event.user.clone());
                }
                (EventKind::REACTION_REMOVED, Some(sign)) => {
                    if let Some((_, users)) = view.signs.iter_mut().find(|(known, _)| *known == sign) {
                        users.remove(&event.user);
                    }
                    view.signs.retain(|(_, users)| !users.is_empty());
                }
                _ => {}
            }
        }
        views
    }

    /// As `reader` should be told of it.
    #[must_use]
    pub fn changes(&self, target: Offset, reader: &UserId) -> Changes {
        let edit = self.edit.clone().filter(|_| self.redacted_by.is_none());
        Changes {
            target,
            edit: edit.map(|(offset, ts, body)| Edit { offset, ts, body }),
            redacted_by: self.redacted_by,
            reactions: self
                .signs
                .iter()
                .map(|(sign, users)| Reaction {
                    sign: sign.clone(),
                    count: users.len() as u64,
                    mine: users.contains(reader),
                })
                .collect(),
            replies: self.replies,
            last_reply: self.last_reply,
            pinned: self.is_pinned,
        }
    }
}
