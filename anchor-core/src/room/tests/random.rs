//! Whatever people do: the rows stay what they say, and nobody does what the rules forbid.

use proptest::collection::vec;
use proptest::prelude::*;

use super::acting::{Drafted, House, about, role, since_join, user};
use crate::event::{Draft, EventKind};
use crate::id::RoomId;
use crate::position::Offset;
use crate::room::change::{MembershipChange, RoomChange};
use crate::room::{Membership, Role, RoomKind, Standing};

const NAMES: [&str; 6] = ["owner", "moderator", "member", "other", "invited", "stranger"];

fn act() -> impl Strategy<Value = (usize, usize, u8, u64)> {
    (0..NAMES.len(), 0..NAMES.len(), 0..20_u8, 1..40_u64)
}

fn draft(subject: &str, what: u8, offset: u64) -> Draft {
    let user = user(subject);
    let target = Offset(offset);
    match what {
        0 => MembershipChange::Invite { user, role: None }.draft(),
        1 => MembershipChange::Accept.draft(),
        2 => MembershipChange::Decline.draft(),
        3 => MembershipChange::Join.draft(),
        4 => MembershipChange::Leave.draft(),
        5 => MembershipChange::Kick { user }.draft(),
        6 => MembershipChange::Ban { user }.draft(),
        7 => MembershipChange::Unban { user }.draft(),
        8 => MembershipChange::Mute { user }.draft(),
        9 => MembershipChange::Unmute { user }.draft(),
        10 => role(subject, Role::ALL[usize::try_from(offset % 4).expect("below 4")]),
        11 => since_join(),
        12 => RoomChange::Archive.draft(),
        13 => RoomChange::Unarchive.draft(),
        14 => about(EventKind::EDIT, target, "better"),
        15 => about(EventKind::REDACTION, target, ""),
        16 => about(EventKind::PIN, target, ""),
        17 => about(EventKind::UNPIN, target, ""),
        18 => about(EventKind::REACTION, target, "👍"),
        _ => Draft::message("hi"),
    }
}

proptest! {
    #[test]
    fn rows_stay_true(has_owner: bool, is_group: bool, acts in vec(act(), 1..60)) {
        let kind = if is_group && has_owner { RoomKind::Group } else { RoomKind::Public };
        let (mut house, room) = House::with_crew(kind, has_owner);
        for (who, whom, what, offset) in acts {
            let draft = draft(NAMES[whom], what, offset);
            let before = house.clone();
            let wrote = draft.kind == EventKind::MESSAGE;
            match house.publish(NAMES[who], &room, draft) {
                Ok(_) if wrote => prop_assert!(may_write(&before, &room, NAMES[who])),
                Ok(_) => {}
                Err(_) => prop_assert_eq!(&before.members, &house.members),
            }
            let joined = || house.members.values().filter_map(|member| member.joined());
            let info = house.info(&room);
            prop_assert_eq!(info.members, joined().count() as u64);
            prop_assert_eq!(info.owners, joined().filter(|role| *role == Role::Owner).count() as u64);
            prop_assert!(!has_owner || info.owners > 0 || info.members == 0, "a room that was owned is owned");
            for (user, member) in house.members.iter().map(|((_, user), member)| (user, member)) {
                let is_joined = member.membership == Membership::Joined;
                prop_assert_eq!(is_joined && member.ended_at != Offset::ZERO, false, "{} is a member with an end", user);
                prop_assert!(!is_joined || member.joined_at != Offset::ZERO, "{} never joined", user);
            }
        }
    }
}

/// By the words of the guide, not by the rules' own functions.
fn may_write(house: &House, room: &RoomId, name: &str) -> bool {
    let (info, member) = (house.info(room), house.member(room, name));
    let standing = Standing { info: house.infos.get(room).cloned(), member, deleted: None };
    let reads_on = standing.permit(room, false, None).is_ok_and(|permit| permit.until.is_none());
    let is_silenced = member.is_some_and(|member| {
        member.muted || member.joined() == Some(Role::ReadOnly) || member.membership == Membership::Removed
    });
    let belongs = member.is_some_and(|member| member.joined().is_some());
    reads_on
        && !info.archived
        && !is_silenced
        && (belongs || (info.owners == 0 && info.kind == RoomKind::Public))
}
