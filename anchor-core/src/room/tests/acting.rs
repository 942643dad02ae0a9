//! A room in maps, in which tests act: the rules decide, and their effects are folded as a store folds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::code::Code;
use crate::error::BoxError;
use crate::event::{Body, Draft, EventKind, Mentions};
use crate::id::{RoomId, UserId};
use crate::position::{Epoch, Offset};
use crate::publish::{MissingRoom, Target};
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::rules::{self, Asked, Decision, Effect, Facts};
use crate::room::{Amendment, HistoryAccess, Member, Membership, Role, RoomInfo, RoomKind, Sign, UserSigns};
use crate::user::Contact;

/// Everybody who appears in these tests; `owner`, `moderator` … have joined rooms of [`House::with_crew`] as such.
pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

/// What a store holds, in maps.
#[derive(Clone, Debug, Default)]
pub(super) struct House {
    pub(super) infos: BTreeMap<RoomId, Arc<RoomInfo>>,
    pub(super) members: BTreeMap<(RoomId, UserId), Member>,
    pub(super) contacts: BTreeMap<UserId, Contact>,
    pub(super) logs: BTreeMap<RoomId, Vec<(UserId, Draft)>>,
    pub(super) admins: Vec<UserId>,
    /// Rooms that were deleted and did not begin anew.
    pub(super) deleted: BTreeSet<RoomId>,
}

pub(super) const EPOCH: Epoch = Epoch::from_bytes([7; 8]);

impl House {
    /// A room of that kind with an owner, a moderator, two members, a reader, somebody invited and somebody banned; and a
    /// message of the member. A room without an owner has no owner and no moderator, and the rest.
    pub(super) fn with_crew(kind: RoomKind, has_owner: bool) -> (Self, RoomId) {
        let mut house = Self { admins: vec![user("admin")], ..Self::default() };
        let room = RoomId::new("crew").expect("a room id");
        if kind == RoomKind::Direct {
            let room = RoomId::direct(&user("member"), &user("other"));
            house.contacts.entry(user("other")).or_default().direct = crate::user::Direct::Everyone;
            house.must("member", &room, RoomChange::create(kind, Some(user("other"))).draft());
            house.must("member", &room, Draft::message("hello"));
            return (house, room);
        }
        house.must(
            "member",
            &room,
            match has_owner {
                true => RoomChange::create(kind, None).draft(),
                false => Draft::message("first"),
            },
        );
        if has_owner {
            // Whoever creates a room owns it: the member hands that on.
            for name in ["owner", "moderator", "other", "reader"] {
                house.let_in(&room, "member", name);
            }
            house.must("member", &room, role("owner", Role::Owner));
            house.must("member", &room, role("moderator", Role::Moderator));
            house.must("owner", &room, role("reader", Role::ReadOnly));
            house.must("owner", &room, role("member", Role::Member));
        } else {
            for name in ["member", "other", "reader"] {
                house.must(name, &room, MembershipChange::Join.draft());
            }
            house.must("admin", &room, role("reader", Role::ReadOnly));
        }
        house.must("other", &room, MembershipChange::Invite { user: user("invited"), role: None }.draft());
        house.must("admin", &room, MembershipChange::Ban { user: user("banned") }.draft());
        house.must("member", &room, Draft::message("hello"));
        (house, room)
    }

    fn let_in(&mut self, room: &RoomId, host: &str, name: &str) {
        self.must(host, room, MembershipChange::Invite { user: user(name), role: None }.draft());
        self.must(name, room, MembershipChange::Accept.draft());
    }

    /// What a publish comes to; nothing changes.
    pub(super) fn ask(&mut self, name: &str, room: &RoomId, draft: &Draft) -> Decision {
        let who = user(name);
        let log = self.logs.get(room);
        let target = draft.target.and_then(|target| {
            let at = usize::try_from(target.0).expect("a small offset").checked_sub(1)?;
            let (user, draft) = log?.get(at)?;
            let root = if draft.kind == EventKind::MESSAGE { draft.target } else { None };
            Some(Target { epoch: EPOCH, kind: draft.kind, user: user.clone(), root })
        });
        let asked = Asked {
            room,
            exists: log.is_some(),
            missing: MissingRoom::Create,
            offset: Offset(log.map_or(0, Vec::len) as u64 + 1),
            user: &who,
            admin: self.admins.contains(&who),
            derived: false,
            draft,
            target: target.as_ref(),
        };
        rules::decide(&asked, &mut self.clone()).expect("maps can be read")
    }

    /// Publishes: appends what the rules let through, with what it changes.
    pub(super) fn publish(&mut self, name: &str, room: &RoomId, draft: Draft) -> Result<Effect, Code> {
        let effect = self.ask(name, room, &draft).map_err(|refusal| refusal.code)?;
        let effect = effect.map_or_else(Effect::default, |effect| *effect);
        if effect.deletes {
            self.logs.remove(room);
            self.infos.remove(room);
            self.members.retain(|(of, _), _| of != room);
            self.deleted.insert(room.clone());
            return Ok(effect);
        }
        let body = effect.body.clone().unwrap_or_else(|| draft.body.clone());
        self.deleted.remove(room);
        self.logs.entry(room.clone()).or_default().push((user(name), Draft { body, ..draft }));
        if let Some(info) = &effect.info {
            self.infos.insert(room.clone(), Arc::new(info.clone()));
        }
        for (user, member) in &effect.members {
            self.members.insert((room.clone(), user.clone()), *member);
        }
        Ok(effect)
    }

    pub(super) fn must(&mut self, name: &str, room: &RoomId, draft: Draft) -> Effect {
        let what = format!("{name} in {room}: {:?} {:?}", draft.kind, draft.body.as_text());
        self.publish(name, room, draft).unwrap_or_else(|code| panic!("{what}: {code}"))
    }

    pub(super) fn member(&self, room: &RoomId, name: &str) -> Option<Member> {
        self.members.get(&(room.clone(), user(name))).copied()
    }

    pub(super) fn info(&self, room: &RoomId) -> RoomInfo {
        (*self.infos[room]).clone()
    }

    /// The offset of the newest event.
    pub(super) fn newest(&self, room: &RoomId) -> Offset {
        Offset(self.logs[room].len() as u64)
    }
}

impl Facts for House {
    fn info(&mut self, room: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError> {
        Ok(self.infos.get(room).cloned())
    }

    fn was_deleted(&mut self, room: &RoomId) -> Result<bool, BoxError> {
        Ok(self.deleted.contains(room))
    }

    fn member(&mut self, room: &RoomId, user: &UserId) -> Result<Option<Member>, BoxError> {
        Ok(self.members.get(&(room.clone(), user.clone())).copied())
    }

    fn contact(&mut self, user: &UserId) -> Result<Contact, BoxError> {
        Ok(self.contacts.get(user).cloned().unwrap_or_default())
    }

    fn share_a_room(&mut self, one: &UserId, other: &UserId) -> Result<bool, BoxError> {
        let has_joined = |room: &RoomId, user: &UserId| {
            self.members
                .get(&(room.clone(), user.clone()))
                .is_some_and(|member| member.membership == Membership::Joined)
        };
        let shared = |(room, info): (&RoomId, &Arc<RoomInfo>)| {
            info.kind != RoomKind::Direct && has_joined(room, one) && has_joined(room, other)
        };
        Ok(self.infos.iter().any(shared))
    }

    fn edits(&mut self, room: &RoomId, target: Offset) -> Result<Vec<Amendment>, BoxError> {
        let log = self.logs.get(room).into_iter().flatten().zip(1..);
        let about =
            log.filter(|((_, draft), _)| draft.target == Some(target) && draft.kind != EventKind::MESSAGE);
        let amendment = |((user, draft), offset): (&(UserId, Draft), u64)| Amendment {
            target,
            offset: Offset(offset),
            kind: draft.kind,
            user: user.clone(),
            sign: None,
        };
        Ok(about.map(amendment).collect())
    }

    fn signs(&mut self, room: &RoomId, target: Offset, user: &UserId) -> Result<UserSigns, BoxError> {
        let mut signs = UserSigns::default();
        for (_, draft) in self.logs.get(room).into_iter().flatten().filter(|(who, _)| who == user) {
            let sign = Sign::of(draft.kind, &draft.body).filter(|_| draft.target == Some(target));
            sign.iter().for_each(|sign| signs.take(draft.kind, sign));
        }
        Ok(signs)
    }

    fn epoch_at(&mut self, room: &RoomId, offset: Offset) -> Result<Option<Epoch>, BoxError> {
        let len = self.logs.get(room).map_or(0, Vec::len) as u64;
        Ok((1..=len).contains(&offset.0).then_some(EPOCH))
    }
}

/// A change as it is published.
pub(super) trait Drafted {
    fn draft(&self) -> Draft;
}

impl Drafted for MembershipChange {
    fn draft(&self) -> Draft {
        Draft { kind: EventKind::MEMBERSHIP, target: None, body: self.to_body() }
    }
}

impl Drafted for RoomChange {
    fn draft(&self) -> Draft {
        Draft { kind: EventKind::ROOM, target: None, body: self.to_body() }
    }
}

impl RoomChange {
    pub(super) fn create(kind: RoomKind, user: Option<UserId>) -> Self {
        Self::Create { kind, settings: Settings::default(), user }
    }
}

pub(super) fn role(name: &str, role: Role) -> Draft {
    MembershipChange::Role { user: user(name), role }.draft()
}

pub(super) fn about(kind: EventKind, target: Offset, text: &str) -> Draft {
    Draft { kind, target: Some(target), body: Body::text(text) }
}

pub(super) fn mentioning_all() -> Draft {
    let mentions = Mentions::new(true, []).expect("few");
    Draft::message(Body::text("all of you").mentioning(mentions))
}

pub(super) fn since_join() -> Draft {
    let settings = Settings { history: Some(HistoryAccess::SinceJoin), ..Settings::default() };
    RoomChange::Set(settings).draft()
}
