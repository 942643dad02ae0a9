//! Draws what is published: of every kind, about every event, mostly allowed, among few users.

use super::expected::Expected;
use crate::conformance::environment::SplitMix64;
use crate::event::{Body, Draft, EventKind, Mentions};
use crate::id::{RoomId, UserId};
use crate::position::{Epoch, Offset};
use crate::publish::Grounds;
use crate::room::change::{MembershipChange, Report, RoomChange, Settings};
use crate::room::{HistoryAccess, Retention, Role, RoomKind, Title, Topic};
use crate::user::{Direct, Profile, ProfileText, UserChange};

/// Draws with the dice of a run.
pub(super) struct Drafts<'a> {
    pub(super) random: &'a mut SplitMix64,
    pub(super) users: &'a [UserId],
    pub(super) expected: &'a Expected,
}

impl Drafts<'_> {
    /// Something to publish to `room`.
    pub(super) fn draft(&mut self, room: &RoomId) -> Draft {
        if *room == RoomId::announcements() || self.random.below(40) == 0 {
            return self.message();
        }
        if room.is_system() && !room.is_direct() {
            return Draft { kind: EventKind::REPORT, target: None, body: self.report() };
        }
        let (kind, body) = match self.random.below(30) {
            0..=8 => return self.message(),
            9..=11 => (EventKind::MESSAGE, self.text()),
            12..=14 => (EventKind::EDIT, self.text()),
            15 | 16 => (EventKind::REDACTION, self.text()),
            17 | 18 => (EventKind::REACTION, self.sign()),
            19 => (EventKind::REACTION_REMOVED, self.sign()),
            20 => (EventKind::PIN, "".into()),
            21 => (EventKind::UNPIN, "".into()),
            22..=25 => (EventKind::MEMBERSHIP, self.membership()),
            26..=28 => (EventKind::ROOM, self.change(room)),
            _ => (EventKind(77), self.text()),
        };
        let target = match kind.is_of_room() {
            true => None,
            false => Some(self.target(room)),
        };
        Draft { kind, target, body }
    }

    /// What is found out of it before it is handed over; now and then wrong, as if the room had changed meanwhile.
    pub(super) fn grounds(&mut self, room: &RoomId, draft: &Draft) -> Option<Box<Grounds>> {
        let target = draft.target.and_then(|offset| self.expected.log(room)?.target(offset));
        let target = target.map(|mut target| {
            match self.random.below(25) {
                0 => target.epoch = Epoch::from_bytes([7; 8]),
                1 => target.kind = EventKind::MEMBERSHIP,
                _ => {}
            }
            target
        });
        let grounds = Grounds {
            admin: self.random.below(10) == 0,
            derived: None,
            target: target.filter(|_| self.random.below(25) > 0),
            body: (self.random.below(20) == 0 && draft.kind == EventKind::MESSAGE).then(|| self.text()),
        };
        (grounds != Grounds::default()).then(|| Box::new(grounds))
    }

    pub(super) fn user_change(&mut self) -> UserChange {
        match self.random.below(5) {
            0 => UserChange::Profile(Profile {
                name: ProfileText::new(&self.random.below(9).to_string()).ok(),
                ..Profile::default()
            }),
            1 => UserChange::Direct(*self.pick(&[Direct::Everyone, Direct::Shared, Direct::Nobody])),
            2 => UserChange::Block(self.user()),
            _ => UserChange::Unblock(self.user()),
        }
    }

    pub(super) fn user(&mut self) -> UserId {
        self.pick(self.users).clone()
    }

    fn message(&mut self) -> Draft {
        let mut body = self.text();
        if self.random.below(10) == 0 {
            let users = [self.user(), self.user()];
            let mentions = Mentions::new(self.random.below(2) == 0, users).expect("two are not too many");
            body = body.mentioning(mentions);
        }
        Draft::message(body)
    }

    /// A late event of the room as a rule. Never offset 0, which is no event: in hashes it stands for an absent target.
    fn target(&mut self, room: &RoomId) -> Offset {
        let head = self.expected.log(room).map_or(0, |log| log.head().0);
        Offset((head + 2).saturating_sub(self.random.below(14)).max(1))
    }

    fn membership(&mut self) -> Body {
        let user = self.user();
        let role = *self.pick(&Role::ALL);
        let change = match self.random.below(14) {
            0 | 1 => MembershipChange::Invite { user, role: None },
            2 => MembershipChange::Invite { user, role: Some(role) },
            3 => MembershipChange::Accept,
            4 => MembershipChange::Decline,
            5 | 6 => MembershipChange::Join,
            7 => MembershipChange::Leave,
            8 => MembershipChange::Kick { user },
            9 => MembershipChange::Ban { user },
            10 => MembershipChange::Unban { user },
            11 => MembershipChange::Mute { user },
            12 => MembershipChange::Unmute { user },
            _ => MembershipChange::Role { user, role },
        };
        self.perhaps_broken(change.to_body())
    }

    fn change(&mut self, room: &RoomId) -> Body {
        let kinds = [RoomKind::Public, RoomKind::Group, RoomKind::Group, RoomKind::System];
        let change = match self.random.below(12) {
            _ if room.is_direct() => {
                let (kind, user) = (RoomKind::Direct, Some(self.user()));
                RoomChange::Create { kind, user, settings: Settings::default() }
            }
            0..=5 => RoomChange::Create { kind: *self.pick(&kinds), user: None, settings: self.settings() },
            6..=8 => RoomChange::Set(self.settings()),
            9 => RoomChange::Archive,
            10 => RoomChange::Unarchive,
            _ => RoomChange::Delete,
        };
        self.perhaps_broken(change.to_body())
    }

    fn settings(&mut self) -> Settings {
        let mut settings = Settings::default();
        if self.random.below(2) == 0 {
            settings.title = Some(Title::new(&self.random.below(3).to_string()).ok());
        }
        match self.random.below(8) {
            0 => settings.topic = Some(Topic::new("what  it is\tabout").ok()),
            1 => settings.title = Some(None),
            2 => settings.history = Some(HistoryAccess::SinceJoin),
            3 => settings.retention = Some(Retention::Count(1 + self.random.below(5))),
            4 => settings.default_role = Some(Role::ReadOnly),
            _ => {}
        }
        settings
    }

    fn report(&mut self) -> Body {
        let room = RoomId::new(*self.pick(&["a", "a", "b"])).expect("a room of a test");
        let report = Report { offset: self.target(&room), room, reason: Some("loud".to_owned()) };
        self.perhaps_broken(report.to_body())
    }

    /// Spaces in JSON say nothing: a room change is written down without them.
    fn perhaps_broken(&mut self, body: Body) -> Body {
        match self.random.below(20) {
            0 => "{".into(),
            1 => format!(" {} ", body.as_text().unwrap_or_default()).into(),
            _ => body,
        }
    }

    fn sign(&mut self) -> Body {
        (*self.pick(&["👍", "👎", " 👍 ", ""])).into()
    }

    fn text(&mut self) -> Body {
        match self.random.below(60) {
            0 => "x".repeat(30_000).into(),
            n => n.to_string().into(),
        }
    }

    fn pick<'t, T>(&mut self, these: &'t [T]) -> &'t T {
        &these[usize::try_from(self.random.below(these.len() as u64)).expect("an index")]
    }
}
