//! Pages and threads that somebody asked for while the room went on, judged once everything is known: each must be what the
//! room's log says as of some moment between the question and the answer, within what its reader could read then.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::event::Event;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};
use anchor_core::resume::GapReason;
use anchor_core::room::Changes;
use anchor_core::session::frame::{HistoryRange, Page, ThreadPage};
use anchor_core::store::Direction;

use super::ledger::Life;
use super::moments::Moments;
use super::pages::{self, Told};
use super::{Inner, Society};

/// Who asks what, and when.
#[derive(Clone, Debug)]
pub struct Question {
    user: UserId,
    room: RoomId,
    asked_at: Duration,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    question: Question,
    answered_at: Duration,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Page {
        range: HistoryRange,
        limit: u64,
        page: Box<Page>,
    },
    Thread {
        root: Offset,
        from: Direction,
        limit: u64,
        page: Box<ThreadPage>,
    },
    /// The reader is said to be no reader.
    Denied,
}

impl What {
    /// True if that is what is told where there is no room.
    fn is_of_no_room(&self) -> bool {
        match self {
            Self::Page { page, .. } => {
                let is_deleted = page.gap.is_some_and(|gap| gap.reason == GapReason::Deleted);
                page.head == Offset::ZERO && page.events.is_empty() && (page.gap.is_none() || is_deleted)
            }
            Self::Thread { .. } => false,
            Self::Denied => true,
        }
    }
}

impl Society {
    /// `user` asks something about `room`.
    #[must_use]
    pub fn asks(&self, user: &UserId, room: &RoomId) -> Question {
        Question { user: user.clone(), room: room.clone(), asked_at: self.0.kernel.now() }
    }

    /// A question is answered with a page.
    pub fn leafed(&self, question: &Question, range: HistoryRange, limit: u64, page: Page) {
        if let Some(gap) = &page.gap {
            self.told(&question.room, gap.reason);
        }
        let events = page.epoch.map(|epoch| (epoch, &page.events[..]));
        self.look_for_redacted(question, events, &page.changes);
        self.answered(question, What::Page { range, limit, page: Box::new(page) });
    }

    /// A question is answered with a thread.
    pub fn threaded(
        &self,
        question: &Question,
        root: Offset,
        from: Direction,
        limit: u64,
        page: Box<ThreadPage>,
    ) {
        let events: Vec<Event> = page.root.iter().chain(&page.replies).cloned().collect();
        self.look_for_redacted(question, Some((page.epoch, &events[..])), &page.changes);
        self.answered(question, What::Thread { root, from, limit, page });
    }

    /// A question is answered with an error.
    pub fn denied(&self, question: &Question, code: Code) {
        if matches!(code, Code::NotAMember | Code::RoomBanned) {
            self.answered(question, What::Denied);
        }
    }

    fn answered(&self, question: &Question, what: What) {
        let answered_at = self.0.kernel.now();
        self.inner().answers.push(Answer { question: question.clone(), answered_at, what });
    }

    /// Nothing that was redacted before the question has its body in the answer.
    fn look_for_redacted(&self, question: &Question, events: Option<(Epoch, &[Event])>, changes: &[Changes]) {
        let Some((epoch, events)) = events else { return };
        let said = events.iter().filter(|event| event.body.is_some()).map(|event| event.offset);
        let edits = changes.iter().filter_map(|changes| changes.edit.as_ref());
        let edits = edits.filter(|edit| edit.body.is_some()).map(|edit| edit.offset);
        let Question { user, room, asked_at } = question;
        let mut inner = self.inner();
        for offset in said.chain(edits) {
            if inner.witness.was_redacted(room, epoch, offset, *asked_at) {
                let what = format!("{user} asked about {room} and got the body of {offset}");
                inner.broken.push(format!("{what}, after its redaction was acked"));
            }
        }
    }
}

impl Inner {
    /// Each answer that the room could have given at no moment between the question and the answer.
    pub(super) fn answers_that_were_never_right(&self) -> Vec<String> {
        let mut known: BTreeMap<(&RoomId, &UserId), Vec<(&Life, Moments)>> = BTreeMap::new();
        let mut broken = Vec::new();
        for Answer { question, answered_at, what } in &self.answers {
            let Question { user, room, asked_at } = question;
            let lives = known.entry((room, user)).or_insert_with(|| {
                let lives = self.ledger.lives(room).iter();
                lives.map(|life| (life, Moments::of(life, user))).collect()
            });
            // Behind a hole nothing is known.
            if lives.iter().any(|(life, _)| life.prefix().count() < life.events.len()) {
                continue;
            }
            let was_there = lives.iter().any(|(_, moments)| moments.last(*asked_at, *answered_at));
            if what.is_of_no_room() && !was_there {
                continue;
            }
            let (from, to) = (*asked_at, *answered_at);
            let horizons = |moments: &Moments| self.trims.between(room, moments, from, to);
            let told = |life, moments| Told { life, moments, user, horizons: horizons(moments), from, to };
            let is_of = |life: &Life, epoch: Option<Epoch>| epoch.is_none_or(|epoch| life.epoch == epoch);
            let judged: Vec<Result<(), String>> = match what {
                What::Page { range, limit, page } => {
                    let epoch = page.epoch.or(page.gap.and_then(|gap| gap.position?.epoch));
                    let lives = lives.iter().filter(|(life, _)| is_of(life, epoch));
                    lives
                        .map(|(life, moments)| pages::page(&told(life, moments), range, *limit, page))
                        .collect()
                }
                What::Thread { root, from, limit, page } => {
                    let lives = lives.iter().filter(|(life, _)| is_of(life, Some(page.epoch)));
                    let asked = (*root, *from, *limit);
                    lives.map(|(life, moments)| pages::thread(&told(life, moments), asked, page)).collect()
                }
                What::Denied => {
                    lives.iter().map(|(life, moments)| pages::denied(&told(life, moments))).collect()
                }
            };
            if !judged.is_empty() && judged.iter().all(Result::is_err) {
                let why = judged.into_iter().rev().find_map(Result::err).unwrap_or_default();
                broken
                    .push(format!("{user} asked about {room} at {asked_at:?}, and at {answered_at:?} {why}"));
            }
        }
        broken
    }
}
