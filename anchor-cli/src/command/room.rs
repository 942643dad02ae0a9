//! `room …`: each change is an event of the room; the questions have files of their own.

mod create;
pub(super) mod list;
mod members;

use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::room::change::{MembershipChange, Report, RoomChange};

use super::{change, history};
use crate::args::room::{GiveRole, Invite, RoomCommand, Set, Subject};
use crate::args::{self, History, InRoom};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Runs one of them.
///
/// # Errors
/// What stopped it, as a sentence.
pub(super) async fn run(context: &Context, command: RoomCommand) -> Result<Exit, Failure> {
    let (in_room, kind, body) = match command {
        RoomCommand::Create(create) => return create::run(context, create).await,
        RoomCommand::List(list) => return list::run(context, list).await,
        RoomCommand::Show(in_room) => return list::show(context, &in_room).await,
        RoomCommand::Members(members) => return members::run(context, members).await,
        RoomCommand::Reports(in_room) => return reports(context, in_room).await,
        RoomCommand::Set(set) => settings(set)?,
        RoomCommand::Archive(in_room) => room(in_room, &RoomChange::Archive),
        RoomCommand::Unarchive(in_room) => room(in_room, &RoomChange::Unarchive),
        RoomCommand::Delete(in_room) => room(in_room, &RoomChange::Delete),
        RoomCommand::Join(in_room) => membership(in_room, &MembershipChange::Join),
        RoomCommand::Leave(in_room) => membership(in_room, &MembershipChange::Leave),
        RoomCommand::Accept(in_room) => membership(in_room, &MembershipChange::Accept),
        RoomCommand::Decline(in_room) => membership(in_room, &MembershipChange::Decline),
        RoomCommand::Invite(Invite { of, role }) => {
            other(of, |user| MembershipChange::Invite { user, role: role.map(Into::into) })
        }
        RoomCommand::Role(GiveRole { of, role }) => {
            other(of, |user| MembershipChange::Role { user, role: role.into() })
        }
        RoomCommand::Kick(of) => other(of, |user| MembershipChange::Kick { user }),
        RoomCommand::Ban(of) => other(of, |user| MembershipChange::Ban { user }),
        RoomCommand::Unban(of) => other(of, |user| MembershipChange::Unban { user }),
        RoomCommand::Mute(of) => other(of, |user| MembershipChange::Mute { user }),
        RoomCommand::Unmute(of) => other(of, |user| MembershipChange::Unmute { user }),
        RoomCommand::Report(report) => reported(report),
    };
    change::run(context, in_room, Draft { kind, target: None, body }).await
}

/// A change of what the room is.
fn room(in_room: InRoom, change: &RoomChange) -> (InRoom, EventKind, Body) {
    (in_room, EventKind::ROOM, change.to_body())
}

/// A change of who belongs to the room.
fn membership(in_room: InRoom, change: &MembershipChange) -> (InRoom, EventKind, Body) {
    (in_room, EventKind::MEMBERSHIP, change.to_body())
}

/// A change of another user's place in the room.
fn other(of: Subject, change: impl FnOnce(UserId) -> MembershipChange) -> (InRoom, EventKind, Body) {
    membership(of.in_room, &change(of.subject))
}

fn settings(set: Set) -> Result<(InRoom, EventKind, Body), Failure> {
    let settings = set.settings.settings();
    if settings == Default::default() {
        return Err(Failure::new(Exit::Usage, "say which setting: `anchor-cli room set --help` lists them"));
    }
    Ok(room(set.in_room, &RoomChange::Set(settings)))
}

/// A report stands in a room of its own.
fn reported(report: args::room::Report) -> (InRoom, EventKind, Body) {
    let args::room::Report { in_room: InRoom { room, json }, offset, reason } = report;
    let in_room = InRoom { room: RoomId::reports_of(&room), json };
    (in_room, EventKind::REPORT, Report { room, offset, reason }.to_body())
}

/// What was reported of a room, as [`reported`] put it there.
async fn reports(context: &Context, in_room: InRoom) -> Result<Exit, Failure> {
    let in_room = InRoom { room: RoomId::reports_of(&in_room.room), ..in_room };
    history::run(context, History { in_room, before: None, limit: REPORTS_MAX, messages: false }).await
}

/// Reports that are printed: the newest. Source: chosen; `history` with the room that `room report` prints has all.
const REPORTS_MAX: u64 = 1_000;
