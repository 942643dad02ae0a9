//! What is said about messages, each one change of its room.

use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::RoomId;

use super::change;
use crate::args::InRoom;
use crate::args::message::{Announce, Edit, OnMessage, React, Redact, Reply};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Answers a message.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn reply(context: &Context, arguments: Reply) -> Result<Exit, Failure> {
    let Reply { in_room, root, text, extras } = arguments;
    let draft = Draft { kind: EventKind::MESSAGE, target: Some(root), body: extras.body(text)? };
    change::run(context, in_room, draft).await
}

/// Gives a message another text.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn edit(context: &Context, arguments: Edit) -> Result<Exit, Failure> {
    let Edit { on: OnMessage { in_room, offset }, text, extras } = arguments;
    let draft = Draft { kind: EventKind::EDIT, target: Some(offset), body: extras.body(text)? };
    change::run(context, in_room, draft).await
}

/// Takes a message's text away.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn redact(context: &Context, arguments: Redact) -> Result<Exit, Failure> {
    let Redact { on: OnMessage { in_room, offset }, reason } = arguments;
    let body = Body::text(reason.unwrap_or_default());
    let draft = Draft { kind: EventKind::REDACTION, target: Some(offset), body };
    change::run(context, in_room, draft).await
}

/// Sets a sign on a message, or takes it back.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn react(context: &Context, arguments: React, kind: EventKind) -> Result<Exit, Failure> {
    let React { on: OnMessage { in_room, offset }, sign } = arguments;
    let draft = Draft { kind, target: Some(offset), body: Body::text(sign.as_str()) };
    change::run(context, in_room, draft).await
}

/// Pins a message, or takes it down.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn pin(context: &Context, arguments: OnMessage, kind: EventKind) -> Result<Exit, Failure> {
    let OnMessage { in_room, offset } = arguments;
    let draft = Draft { kind, target: Some(offset), body: Body::text("") };
    change::run(context, in_room, draft).await
}

/// Says something to everybody on the server.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn announce(context: &Context, arguments: Announce) -> Result<Exit, Failure> {
    let Announce { text, extras, json } = arguments;
    let in_room = InRoom { room: RoomId::announcements(), json };
    change::run(context, in_room, Draft::message(extras.body(text)?)).await
}
