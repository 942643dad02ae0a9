//! What is put before moderators: each report once, and for nobody else to read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anchor_core::event::{Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Position;
use anchor_core::room::change::{MembershipChange, Report, RoomChange};
use anchor_core::room::{Membership, Role, RoomKind};
use anchor_core::session::frame::{HistoryRange, Page};
use anchor_transport::client::Client;

use super::ledger::Life;
use super::{Inner, Society};
use crate::scenario::ADMIN;

/// What was reported: each reason is another.
#[derive(Debug, Default)]
pub(super) struct Reports {
    asked: BTreeSet<(RoomId, String)>,
}

impl Society {
    /// Somebody begins to report something of `room`.
    pub fn reports(&self, room: &RoomId, reason: &str) {
        self.inner().people.reports.asked.insert((room.clone(), reason.to_owned()));
    }

    /// `user`, who asked at `asked_at`, is shown what was reported of `room`.
    pub fn reads_reports(&self, user: &UserId, room: &RoomId, asked_at: Duration, page: &Page) {
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        if !page.events.is_empty() && !inner.may_moderate(user, room, (asked_at, now)) {
            inner
                .broken
                .push(format!("{user} is shown what was reported of {room} and moderates nothing there"));
        }
    }

    /// Asserts that those who moderate `room`, and nobody else, read what was reported of it; what is wrong.
    pub async fn check_reports(&self, client: &Client, user: &UserId, room: &RoomId) -> Vec<String> {
        let reports = RoomId::reports_of(room);
        let Some(known) = self.newest(&reports) else { return Vec::new() };
        // Of a room that is gone, or behind a hole, nothing is sure.
        let is_sure = |life: &Life| life.prefix().count() == life.events.len();
        let Some(life) = self.newest(room).filter(is_sure) else { return Vec::new() };
        let mut staff = Staff::default();
        life.events().for_each(|event| staff.take(event));
        let may = staff.moderates(user) || user.as_str() == ADMIN;
        let page = client.history(&reports, HistoryRange::After(Position::START), 200).await;
        let expected: Vec<_> = known.events().take(PAGE_EVENTS).map(|event| event.offset).collect();
        match page {
            Err(_) if !may => Vec::new(),
            Ok(page) if may => {
                let told: Vec<_> = page.events.iter().map(|event| event.offset).take(PAGE_EVENTS).collect();
                let is_right = told.starts_with(&expected);
                let wrong = || format!("{user} reads {told:?} of what was reported of {room}: {expected:?}");
                if is_right { Vec::new() } else { vec![wrong()] }
            }
            answer => {
                let answer = answer.map(|page| page.events.len());
                vec![format!("{user} may read what was reported of {room}: {may}, and is told {answer:?}")]
            }
        }
    }
}

impl Inner {
    /// What is wrong with what was reported of `room`, of all logs that are left in the end.
    pub(super) fn what_was_reported(
        &self,
        room: &RoomId,
        left: &BTreeMap<RoomId, Vec<Event>>,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        let mut told = BTreeSet::new();
        for event in left.get(&RoomId::reports_of(room)).into_iter().flatten() {
            let report = event.body.as_ref().and_then(|body| Report::from_body(body).ok());
            let reason = report.filter(|report| report.room == *room).and_then(|report| report.reason);
            let reason = reason.unwrap_or_default();
            if event.kind != EventKind::REPORT
                || !self.people.reports.asked.contains(&(room.clone(), reason.clone()))
            {
                broken.push(format!("{reason:?} is said to be reported of {room}, and nobody did"));
            }
            if !told.insert(reason.clone()) {
                broken.push(format!("{reason:?} is reported twice of {room}"));
            }
        }
        broken
    }

    /// True if `user` may have moderated some room of that id at some moment.
    fn may_moderate(&self, user: &UserId, room: &RoomId, time: (Duration, Duration)) -> bool {
        let lives = self.ledger.rooms().find(|(other, _)| *other == room).map_or(&[][..], |(_, lives)| lives);
        user.as_str() == ADMIN
            || lives.iter().any(|life| {
                let mut staff = Staff::default();
                life.may_have_held(time, |event| {
                    staff.take(event);
                    staff.moderates(user)
                })
            })
    }
}

/// The roles of a room, as its events made them: as far as it matters who moderates.
#[derive(Debug, Default)]
struct Staff {
    places: BTreeMap<UserId, (Membership, Role)>,
    /// It is a group.
    is_group: bool,
}

impl Staff {
    fn take(&mut self, event: &Event) {
        let Some(body) = &event.body else { return };
        if event.kind == EventKind::ROOM
            && let Ok(RoomChange::Create { user: None, kind, .. }) = RoomChange::from_body(body)
        {
            self.is_group = kind == RoomKind::Group;
            self.places.insert(event.user.clone(), (Membership::Joined, Role::Owner));
        }
        let Some(change) =
            (event.kind == EventKind::MEMBERSHIP).then(|| MembershipChange::from_body(body).ok()).flatten()
        else {
            return;
        };
        let user = change.named().unwrap_or(&event.user).clone();
        let before = self.places.get(&user).copied();
        match change {
            MembershipChange::Invite { role, .. } => {
                self.places.insert(user, (Membership::Invited, role.unwrap_or(Role::Member)));
            }
            MembershipChange::Accept | MembershipChange::Join => {
                let invited = before.filter(|(membership, _)| *membership == Membership::Invited);
                let role = match invited {
                    // The first who is there again owns what its last owner has left.
                    Some(_) if self.is_group && !self.is_owned() => Role::Owner,
                    invited => invited.map_or(Role::Member, |(_, role)| role),
                };
                self.places.insert(user, (Membership::Joined, role));
            }
            MembershipChange::Decline
            | MembershipChange::Leave
            | MembershipChange::Kick { .. }
            | MembershipChange::Ban { .. } => {
                self.places.remove(&user);
            }
            MembershipChange::Role { role, .. } => {
                self.places.insert(user, (Membership::Joined, role));
            }
            MembershipChange::Unban { .. }
            | MembershipChange::Mute { .. }
            | MembershipChange::Unmute { .. } => {}
        }
    }

    fn is_owned(&self) -> bool {
        self.places.values().any(|place| *place == (Membership::Joined, Role::Owner))
    }

    fn moderates(&self, user: &UserId) -> bool {
        self.places
            .get(user)
            .is_some_and(|(membership, role)| *membership == Membership::Joined && *role >= Role::Moderator)
    }
}

/// How much of what was reported is looked at in the end. Source: chosen; less than a page may have.
const PAGE_EVENTS: usize = 40;
