//! What is said about messages, each one change of its room.

use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::RoomId;

use super::change::{self, Change};
use crate::args::message::{Announce, Edit, Pin, React, Redact, Reply};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Answers a message.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn reply(context: &Context, arguments: Reply) -> Result<Exit, Failure> {
    let Reply { room, root, text, extras, json } = arguments;
    let draft = Draft { kind: EventKind::MESSAGE, target: Some(root), body: extras.body(text)? };
    change::run(context, Change { room, draft }, json).await
}

/// Gives a message another text.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn edit(context: &Context, arguments: Edit) -> Result<Exit, Failure> {
    let Edit { room, offset, text, extras, json } = arguments;
    let draft = Draft { kind: EventKind::EDIT, target: Some(offset), body: extras.body(text)? };
    change::run(context, Change { room, draft }, json).await
}

/// Takes a message's text away.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn redact(context: &Context, arguments: Redact) -> Result<Exit, Failure> {
    let Redact { room, offset, reason, json } = arguments;
    let body = Body::text(reason.unwrap_or_default());
    let draft = Draft { kind: EventKind::REDACTION, target: Some(offset), body };
    change::run(context, Change { room, draft }, json).await
}

/// Sets a sign on a message, or takes it back.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn react(context: &Context, arguments: React, kind: EventKind) -> Result<Exit, Failure> {
    let React { room, offset, sign, json } = arguments;
    let draft = Draft { kind, target: Some(offset), body: Body::text(sign.as_str()) };
    change::run(context, Change { room, draft }, json).await
}

/// Pins a message, or takes it down.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn pin(context: &Context, arguments: Pin, kind: EventKind) -> Result<Exit, Failure> {
    let Pin { room, offset, json } = arguments;
    let draft = Draft { kind, target: Some(offset), body: Body::text("") };
    change::run(context, Change { room, draft }, json).await
}

/// Says something to everybody on the server.
///
/// # Errors
/// As [`change::run`].
pub(super) async fn announce(context: &Context, arguments: Announce) -> Result<Exit, Failure> {
    let Announce { text, extras, json } = arguments;
    let change = Change { room: RoomId::announcements(), draft: Draft::message(extras.body(text)?) };
    change::run(context, change, json).await
}
