//! Rooms, their members, users, and what later events changed.

use std::sync::Arc;

use anchor_core::room::{
    Changes, Edit, HistoryAccess, Member, Membership, Reaction, Retention, Role, RoomInfo, RoomKind, Sign,
    Title, Topic,
};
use anchor_core::session::frame::{RoomListing, Which};
use anchor_core::store::Direction;
use anchor_core::user::{Direct, Profile, ProfileText, ReadReceipts, UserChange};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::parts::{body, entry, number, offset, room, user};

pub(super) fn which() -> impl Strategy<Value = Which> {
    prop_oneof![Just(Which::Readable), Just(Which::Mine), "[ -~é李🎈]{0,32}".prop_map(Which::Public),]
}

pub(super) fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![offset().prop_map(Direction::After), offset().prop_map(Direction::Before)]
}

pub(super) fn listing() -> impl Strategy<Value = RoomListing> {
    (entry(), option::of(info()), option::of(member())).prop_map(|(entry, info, member)| RoomListing {
        entry,
        info: info.map(Arc::new),
        member,
    })
}

fn info() -> impl Strategy<Value = RoomInfo> {
    let kind = select(vec![RoomKind::Public, RoomKind::Group, RoomKind::Direct, RoomKind::System]);
    let texts = (option::of(line()), option::of(line()));
    let settings = (any::<bool>(), history(), retention(), role());
    let pins = vec(offset(), 0..4);
    let rest = (option::of([user(), user()]), offset(), option::of(room()));
    (kind, texts, settings, (number(), number(), pins), rest).prop_map(
        |(kind, (title, topic), settings, (members, owners, pins), (pair, changed, parent))| {
            let (archived, history, retention, default_role) = settings;
            RoomInfo {
                kind,
                title: title.map(|title| Title::new(&title).expect("a title")),
                topic: topic.map(|topic| Topic::new(&topic).expect("a topic")),
                archived,
                history,
                retention,
                default_role,
                members,
                owners,
                pins,
                changed,
                pair: pair.map(Box::new),
                parent,
            }
        },
    )
}

pub(super) fn member() -> impl Strategy<Value = Member> {
    let membership = select(vec![
        Membership::Invited,
        Membership::Joined,
        Membership::Left,
        Membership::Removed,
        Membership::Banned,
    ]);
    (membership, role(), any::<bool>(), offset(), offset()).prop_map(
        |(membership, role, muted, joined_at, ended_at)| Member {
            membership,
            role,
            muted,
            joined_at,
            ended_at,
        },
    )
}

pub(super) fn changes() -> impl Strategy<Value = Changes> {
    let reaction = (line(), number(), any::<bool>()).prop_map(|(sign, count, mine)| Reaction {
        sign: Sign::new(&sign).expect("a sign"),
        count,
        mine,
    });
    let replies = (number(), option::of(offset()));
    (offset(), option::of(edit()), option::of(offset()), vec(reaction, 0..4), replies, any::<bool>())
        .prop_map(|(target, edit, redacted_by, reactions, (replies, last_reply), pinned)| Changes {
            target,
            edit,
            redacted_by,
            reactions,
            replies,
            last_reply,
            pinned,
        })
}

fn edit() -> impl Strategy<Value = Edit> {
    (offset(), number(), option::of(body())).prop_map(|(offset, ts, body)| Edit { offset, ts, body })
}

pub(super) fn profile() -> impl Strategy<Value = Profile> {
    let line = || option::of(line().prop_map(|line| ProfileText::new(&line).expect("a line")));
    (line(), line(), line()).prop_map(|(name, avatar, status)| Profile { name, avatar, status })
}

pub(super) fn change() -> impl Strategy<Value = UserChange> {
    prop_oneof![
        profile().prop_map(UserChange::Profile),
        direct().prop_map(UserChange::Direct),
        user().prop_map(UserChange::Block),
        user().prop_map(UserChange::Unblock),
        receipts().prop_map(UserChange::Receipts),
    ]
}

pub(super) fn receipts() -> impl Strategy<Value = ReadReceipts> {
    select(vec![ReadReceipts::Shown, ReadReceipts::Hidden])
}

pub(super) fn direct() -> impl Strategy<Value = Direct> {
    select(vec![Direct::Everyone, Direct::Shared, Direct::Nobody])
}

fn history() -> impl Strategy<Value = HistoryAccess> {
    select(vec![HistoryAccess::All, HistoryAccess::SinceJoin])
}

fn retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        Just(Retention::Forever),
        number().prop_map(Retention::Age),
        number().prop_map(Retention::Count),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    select(&Role::ALL[..])
}

/// A text that is a title, a topic, a sign and a line of a profile, once it is normalised.
fn line() -> impl Strategy<Value = String> {
    "[!-~é李🎈]([ -~é李🎈\u{308}]{0,10}[!-~é李🎈])?"
}
