//! What an event means, in words: what stands behind the name of who did it, and the text that goes with it.
//!
//! The words stand in brackets, which a name and a sign that hold some are quoted for (see [`crate::escape::name`]), so that
//! nobody can write a message that passes for somebody's joining.

use anchor_core::event::{Body, Event, EventKind, Mentions};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::room::change::{MembershipChange, Report, RoomChange, Settings};
use anchor_core::room::{Changes, Retention};

use super::rooms;
use crate::escape;

/// An event in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// ` [invited bob]`; empty for a plain message. Nothing in it is raw.
    pub(super) what: String,
    /// What was said, raw.
    pub(super) text: Option<String>,
}

/// An event of `room`, as it was written.
pub(super) fn of(room: &RoomId, event: &Event) -> Words {
    with_body(room, event, event.body.as_ref(), "")
}

/// An event of `room`, as what later events made of it.
pub(super) fn now(room: &RoomId, event: &Event, changes: &Changes) -> Words {
    let edited = changes.edit.as_ref().and_then(|edit| edit.body.as_ref());
    let body = match changes.redacted_by {
        Some(_) => None,
        None => edited.or(event.body.as_ref()),
    };
    let is_edited = edited.is_some() && body.is_some();
    let mut words = with_body(room, event, body, if is_edited { " [edited]" } else { "" });
    let mut more: Vec<String> = Vec::new();
    for reaction in &changes.reactions {
        let mine = if reaction.mine { " (you too)" } else { "" };
        more.push(format!("{} {}{mine}", sign(reaction.sign.as_str()), reaction.count));
    }
    if changes.replies > 0 {
        more.push(format!("replies: {}", changes.replies));
    }
    if changes.pinned {
        more.push("pinned".to_owned());
    }
    if !more.is_empty() {
        words.what += &format!(" [{}]", more.join(", "));
    }
    words
}

fn with_body(room: &RoomId, event: &Event, body: Option<&Body>, more: &str) -> Words {
    let Some(body) = body else {
        return Words { what: format!("{}{more} [redacted]", kind(event)), text: None };
    };
    if let Some(what) = deed(event, body) {
        return Words { what: format!(" [{what}]"), text: None };
    }
    let announced = *room == RoomId::announcements() && event.kind == EventKind::MESSAGE;
    let announcement = if announced { " [announcement]" } else { "" };
    let calls = body.mentions().map(calls).unwrap_or_default();
    match body.as_text() {
        // A pin, or a redaction without a reason.
        Some("") if event.kind != EventKind::MESSAGE => Words { what: kind(event), text: None },
        Some(text) => {
            Words { what: format!("{announcement}{}{more}{calls}", kind(event)), text: Some(text.to_owned()) }
        }
        None => {
            let content_type = escape::line(body.content_type().unwrap_or("no content type"));
            let bytes = body.bytes().len();
            Words {
                what: format!("{announcement}{}{more}{calls} [{content_type}, {bytes} bytes]", kind(event)),
                text: None,
            }
        }
    }
}

/// What an event is, where it is no plain message.
fn kind(event: &Event) -> String {
    let target = event.target.map(|target| target.0);
    match (event.kind, target) {
        (EventKind::MESSAGE, None) => String::new(),
        (EventKind::MESSAGE, Some(target)) => format!(" [reply to #{target}]"),
        (EventKind::EDIT, Some(target)) => format!(" [edited #{target}]"),
        (EventKind::REDACTION, Some(target)) => format!(" [redacted #{target}]"),
        (EventKind::PIN, Some(target)) => format!(" [pinned #{target}]"),
        (EventKind::UNPIN, Some(target)) => format!(" [unpinned #{target}]"),
        (kind, None) => format!(" [{kind:?}]"),
        (kind, Some(target)) => format!(" [{kind:?} of #{target}]"),
    }
}

/// What was done, where the body says it; none where it says nothing that is understood.
fn deed(event: &Event, body: &Body) -> Option<String> {
    let target = event.target.unwrap_or(Offset::ZERO);
    match event.kind {
        EventKind::REACTION => Some(format!("{} on #{target}", sign(body.as_text()?))),
        EventKind::REACTION_REMOVED => Some(format!("took {} back from #{target}", sign(body.as_text()?))),
        EventKind::MEMBERSHIP => MembershipChange::from_body(body).ok().map(|change| membership(&change)),
        EventKind::ROOM => RoomChange::from_body(body).ok().map(|change| settings(&change)),
        EventKind::REPORT => {
            let Report { room, offset, reason } = Report::from_body(body).ok()?;
            let reason = reason.map(|reason| format!(": {}", escape::line(&reason))).unwrap_or_default();
            Some(format!("reported #{offset} of {}{reason}", escape::line(room.as_str())))
        }
        _ => None,
    }
}

fn membership(change: &MembershipChange) -> String {
    let name = |user: &UserId| escape::name(user.as_str()).to_string();
    match change {
        MembershipChange::Invite { user, role: None } => format!("invited {}", name(user)),
        MembershipChange::Invite { user, role: Some(role) } => {
            format!("invited {} as {}", name(user), role.name())
        }
        MembershipChange::Accept => "joined, being invited".to_owned(),
        MembershipChange::Decline => "turned the invitation down".to_owned(),
        MembershipChange::Join => "joined".to_owned(),
        MembershipChange::Leave => "left".to_owned(),
        MembershipChange::Kick { user } => format!("removed {}", name(user)),
        MembershipChange::Ban { user } => format!("banned {}", name(user)),
        MembershipChange::Unban { user } => format!("lifted the ban of {}", name(user)),
        MembershipChange::Mute { user } => format!("muted {}", name(user)),
        MembershipChange::Unmute { user } => format!("unmuted {}", name(user)),
        MembershipChange::Role { user, role } => format!("made {} {}", name(user), role.name()),
    }
}

fn settings(change: &RoomChange) -> String {
    match change {
        RoomChange::Create { kind, settings, .. } => {
            let all = each(settings);
            let with = if all.is_empty() { String::new() } else { format!(", {}", all.join(", ")) };
            format!("made this room: {}{with}", kind.name())
        }
        RoomChange::Set(settings) => format!("changed this room: {}", each(settings).join(", ")),
        RoomChange::Archive => "archived this room".to_owned(),
        RoomChange::Unarchive => "opened this room again".to_owned(),
        RoomChange::Delete => "deleted this room".to_owned(),
    }
}

fn each(settings: &Settings) -> Vec<String> {
    let Settings { title, topic, history, retention, default_role } = settings;
    let text = |what: &str, text: Option<&str>| match text {
        Some(text) => format!("{what} \"{}\"", escape::line(text)),
        None => format!("no {what}"),
    };
    let mut all = Vec::new();
    all.extend(title.as_ref().map(|title| text("title", title.as_ref().map(|title| title.as_str()))));
    all.extend(topic.as_ref().map(|topic| text("topic", topic.as_ref().map(|topic| topic.as_str()))));
    all.extend(history.map(|history| format!("who joins reads {}", history.name())));
    all.extend(retention.map(|retention: Retention| format!("keeps {}", rooms::retention(retention))));
    all.extend(default_role.map(|role| format!("who joins is {}", role.name())));
    all
}

/// ` [calls bob, everybody here]`
fn calls(mentions: &Mentions) -> String {
    let mut called: Vec<_> =
        mentions.users.iter().map(|user| escape::name(user.as_str()).to_string()).collect();
    if mentions.room {
        called.push("everybody here".to_owned());
    }
    format!(" [calls {}]", called.join(", "))
}

/// A sign, in quotes if it could be taken for more than one.
fn sign(sign: &str) -> String {
    match sign.chars().any(|c| c.is_ascii_punctuation() || c == ' ') {
        true => escape::name(sign).to_string(),
        false => escape::line(sign).to_string(),
    }
}

#[cfg(test)]
mod tests;
