//! `room …`: each change is an event of the room; the questions have files of their own.

mod create;
mod list;
mod members;

use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::room::change::{MembershipChange, Report, RoomChange};

use super::change::{self, Change};
use super::history;
use crate::args::room::{GiveRole, Invite, Named, RoomCommand, Set, Subject};
use crate::args::{self, History};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Runs one of them.
///
/// # Errors
/// What stopped it, as a sentence.
pub(super) async fn run(context: &Context, command: RoomCommand) -> Result<Exit, Failure> {
    let (room, kind, body, json) = match command {
        RoomCommand::Create(create) => return create::run(context, create).await,
        RoomCommand::List(list) => return list::run(context, list).await,
        RoomCommand::Show(Named { room, json }) => return list::show(context, &room, json).await,
        RoomCommand::Members(members) => return members::run(context, members).await,
        RoomCommand::Reports(Named { room, json }) => return reports(context, &room, json).await,
        RoomCommand::Set(set) => changed(settings(set)?),
        RoomCommand::Archive(Named { room, json }) => changed((room, RoomChange::Archive, json)),
        RoomCommand::Unarchive(Named { room, json }) => changed((room, RoomChange::Unarchive, json)),
        RoomCommand::Delete(Named { room, json }) => changed((room, RoomChange::Delete, json)),
        RoomCommand::Join(named) => own(named, MembershipChange::Join),
        RoomCommand::Leave(named) => own(named, MembershipChange::Leave),
        RoomCommand::Accept(named) => own(named, MembershipChange::Accept),
        RoomCommand::Decline(named) => own(named, MembershipChange::Decline),
        RoomCommand::Invite(invite) => {
            let change = invite.change();
            let Invite { room, json, .. } = invite;
            (room, EventKind::MEMBERSHIP, change.to_body(), json)
        }
        RoomCommand::Role(role) => {
            let change = role.change();
            let GiveRole { room, json, .. } = role;
            (room, EventKind::MEMBERSHIP, change.to_body(), json)
        }
        RoomCommand::Kick(subject) => to(subject, |user| MembershipChange::Kick { user }),
        RoomCommand::Ban(subject) => to(subject, |user| MembershipChange::Ban { user }),
        RoomCommand::Unban(subject) => to(subject, |user| MembershipChange::Unban { user }),
        RoomCommand::Mute(subject) => to(subject, |user| MembershipChange::Mute { user }),
        RoomCommand::Unmute(subject) => to(subject, |user| MembershipChange::Unmute { user }),
        RoomCommand::Report(report) => {
            let args::room::Report { room, offset, reason, json } = report;
            let reports = RoomId::reports_of(&room);
            (reports, EventKind::REPORT, Report { room, offset, reason }.to_body(), json)
        }
    };
    change::run(context, Change { room, draft: Draft { kind, target: None, body } }, json).await
}

/// A change of what the room is.
fn changed((room, change, json): (RoomId, RoomChange, bool)) -> (RoomId, EventKind, Body, bool) {
    (room, EventKind::ROOM, change.to_body(), json)
}

/// A change of one's own place in the room.
fn own(named: Named, change: MembershipChange) -> (RoomId, EventKind, Body, bool) {
    (named.room, EventKind::MEMBERSHIP, change.to_body(), named.json)
}

/// A change of another user's place in the room.
fn to(subject: Subject, change: impl FnOnce(UserId) -> MembershipChange) -> (RoomId, EventKind, Body, bool) {
    let Subject { room, subject, json } = subject;
    (room, EventKind::MEMBERSHIP, change(subject).to_body(), json)
}

fn settings(set: Set) -> Result<(RoomId, RoomChange, bool), Failure> {
    let settings = set.settings.settings();
    if settings == Default::default() {
        return Err(Failure::new(Exit::Usage, "say which setting: `anchor-cli room set --help` lists them"));
    }
    Ok((set.room, RoomChange::Set(settings), set.json))
}

/// What was reported of a room is a log of its own.
async fn reports(context: &Context, room: &RoomId, json: bool) -> Result<Exit, Failure> {
    let room = RoomId::reports_of(room);
    history::run(context, History { room, before: None, limit: REPORTS_MAX, json, messages: false }).await
}

/// Reports that are printed: the newest. Source: chosen; `history` with the room that `room report` prints has all.
const REPORTS_MAX: u64 = 1_000;
