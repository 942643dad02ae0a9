//! The frames of a client.

use anchor_core::code::Code;
use anchor_core::id::Seq;
use anchor_core::limits::{
    FEATURES_MAX, PROFILES_MAX, READERS_OFFSETS_MAX, RESUME_ROOMS_MAX, SEARCH_TEXT_BYTES_MAX,
};
use anchor_core::position::Offset;
use anchor_core::session::frame::{ClientFrame, Hello, HistoryRange, PublishFrame, RequestId};
use anchor_core::store::Direction;

use super::super::kind::FrameKind;
use super::super::value::{Reader, Writer};
use super::consuming::{
    bounded_text, consume, consumer_change, key, webhook_change, whose, write_consume, write_consumer_change,
    write_key, write_webhook_change,
};
use super::parts::{
    client_id, draft, from, name, nonce, offset, position, request, resume, room, seq, signal, text, user,
    write_draft, write_from, write_position, write_resume, write_signal, write_tag, write_tagged, write_user,
};
use super::rooms::{which, write_which};
use super::users::{change, write_change};
use super::watching::{cursor, own_presence, write_cursor};
use super::{Fault, Fields};

/// Takes the fields of a frame of `kind`; `None` if clients send no such frame.
pub(in super::super) fn read_client<'a, R: Reader<'a>>(
    r: &mut R,
    kind: FrameKind,
    seen: &mut Option<RequestId>,
) -> Result<Option<ClientFrame>, Fault> {
    match kind {
        FrameKind::Publish => Ok(Some(ClientFrame::Publish(publish(r)?))),
        kind => read_other(r, kind, seen),
    }
}

/// Takes the fields of any other frame: apart, so that a publish does not pay for what the others need.
#[inline(never)]
fn read_other<'a, R: Reader<'a>>(
    r: &mut R,
    kind: FrameKind,
    seen: &mut Option<RequestId>,
) -> Result<Option<ClientFrame>, Fault> {
    Ok(Some(match kind {
        FrameKind::Beat => ClientFrame::Beat,
        FrameKind::Hello => ClientFrame::Hello(hello(r)?),
        FrameKind::Resume => ClientFrame::Resume {
            id: request(r, seen)?,
            rooms: r.list("rooms", (RESUME_ROOMS_MAX, Code::TooManyRooms), resume)?,
        },
        FrameKind::Subscribe => ClientFrame::Subscribe {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            from: r.array("from", from)?,
        },
        FrameKind::Unsubscribe => {
            ClientFrame::Unsubscribe { id: request(r, seen)?, room: r.field("room", room)? }
        }
        FrameKind::History => ClientFrame::History {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            range: r.array("range", range)?,
            limit: r.field("limit", Reader::number)?,
        },
        FrameKind::Rooms => ClientFrame::Rooms {
            id: request(r, seen)?,
            after: r.option("after", room)?,
            limit: r.field("limit", Reader::number)?,
            which: r.option("which", which)?.unwrap_or_default(),
        },
        FrameKind::Room => ClientFrame::Room { id: request(r, seen)?, room: r.field("room", room)? },
        FrameKind::Members => ClientFrame::Members {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            after: r.option("after", user)?,
            limit: r.field("limit", Reader::number)?,
        },
        FrameKind::Thread => ClientFrame::Thread {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            root: r.field("root", |r| match offset(r)? {
                Offset::ZERO => Err(Fault::invalid("a thread begins with an event from offset 1")),
                root => Ok(root),
            })?,
            from: r.array("from", direction)?,
            limit: r.field("limit", Reader::number)?,
        },
        FrameKind::Profiles => ClientFrame::Profiles {
            id: request(r, seen)?,
            users: r.list("users", (PROFILES_MAX, Code::Invalid), |r| Ok(user(r)?))?,
        },
        FrameKind::Contact => ClientFrame::Contact { id: request(r, seen)? },
        FrameKind::ChangeUser => {
            ClientFrame::ChangeUser { id: request(r, seen)?, change: r.array("change", change)? }
        }
        FrameKind::Signal => ClientFrame::Signal(signal(r)?),
        FrameKind::Who => ClientFrame::Who { id: request(r, seen)?, room: r.field("room", room)? },
        FrameKind::Cursor => ClientFrame::Cursor(cursor(r)?),
        FrameKind::Presence => ClientFrame::Presence { presence: r.field("state", own_presence)? },
        FrameKind::Typing => {
            ClientFrame::Typing { room: r.field("room", room)?, typing: r.field("typing", Reader::flag)? }
        }
        FrameKind::Search => ClientFrame::Search {
            id: request(r, seen)?,
            text: r.field("text", |r| bounded_text(r, SEARCH_TEXT_BYTES_MAX))?,
            limit: r.field("limit", Reader::number)?,
            after: r.option("after", |r| bounded_text(r, SEARCH_TEXT_BYTES_MAX))?,
        },
        FrameKind::Readers => ClientFrame::Readers {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            offsets: r.list("offsets", (READERS_OFFSETS_MAX, Code::Invalid), |r| Ok(offset(r)?))?,
        },
        FrameKind::Watch => ClientFrame::Watch { id: request(r, seen)?, room: r.field("room", room)? },
        FrameKind::Unwatch => ClientFrame::Unwatch { id: request(r, seen)?, room: r.field("room", room)? },
        FrameKind::Consume => ClientFrame::Consume(Box::new(consume(r, seen)?)),
        FrameKind::Consumers => ClientFrame::Consumers {
            id: request(r, seen)?,
            after: r.option("after", name)?,
            limit: r.field("limit", Reader::number)?,
            whose: r.option("whose", whose)?.unwrap_or_default(),
        },
        FrameKind::ChangeConsumer => ClientFrame::ChangeConsumer {
            id: request(r, seen)?,
            name: r.field("name", name)?,
            change: r.array("change", consumer_change)?,
            whose: r.option("whose", whose)?.unwrap_or_default(),
        },
        FrameKind::Webhooks => ClientFrame::Webhooks {
            id: request(r, seen)?,
            after: r.option("after", name)?,
            limit: r.field("limit", Reader::number)?,
        },
        FrameKind::ChangeWebhook => ClientFrame::ChangeWebhook {
            id: request(r, seen)?,
            change: Box::new(r.array("change", webhook_change)?),
        },
        FrameKind::DeadLetters => ClientFrame::DeadLetters {
            id: request(r, seen)?,
            name: r.field("name", name)?,
            after: r.option("after", key)?,
            limit: r.field("limit", Reader::number)?,
        },
        _ => return Ok(None),
    }))
}

/// Writes a whole frame.
pub(in super::super) fn write_client<W: Writer>(w: &mut W, frame: &ClientFrame) {
    match frame {
        ClientFrame::Publish(publish) => write_publish(w, publish),
        ClientFrame::Beat => {
            w.open(1);
            w.kind(FrameKind::Beat);
        }
        ClientFrame::Hello(hello) => write_hello(w, hello),
        ClientFrame::Resume { id, rooms } => {
            w.open(3);
            w.kind(FrameKind::Resume);
            w.number(id.0);
            w.list(rooms, write_resume);
        }
        ClientFrame::Subscribe { id, room, from } => {
            w.open(4);
            w.kind(FrameKind::Subscribe);
            w.number(id.0);
            w.text(room.as_str());
            write_from(w, from);
        }
        ClientFrame::Unsubscribe { id, room } => {
            w.open(3);
            w.kind(FrameKind::Unsubscribe);
            w.number(id.0);
            w.text(room.as_str());
        }
        ClientFrame::History { id, room, range, limit } => {
            w.open(5);
            w.kind(FrameKind::History);
            w.number(id.0);
            w.text(room.as_str());
            write_range(w, range);
            w.number(*limit);
        }
        ClientFrame::Rooms { id, after, limit, which } => {
            w.open(5);
            w.kind(FrameKind::Rooms);
            w.number(id.0);
            w.option(after.as_ref(), |w, after| w.text(after.as_str()));
            w.number(*limit);
            write_which(w, which);
        }
        ClientFrame::Room { id, room } => {
            w.open(3);
            w.kind(FrameKind::Room);
            w.number(id.0);
            w.text(room.as_str());
        }
        ClientFrame::Members { id, room, after, limit } => {
            w.open(5);
            w.kind(FrameKind::Members);
            w.number(id.0);
            w.text(room.as_str());
            w.option(after.as_ref(), write_user);
            w.number(*limit);
        }
        ClientFrame::Thread { id, room, root, from, limit } => {
            w.open(6);
            w.kind(FrameKind::Thread);
            w.number(id.0);
            w.text(room.as_str());
            w.number(root.0);
            match from {
                Direction::After(offset) => write_tagged(w, "after", |w| w.number(offset.0)),
                Direction::Before(offset) => write_tagged(w, "before", |w| w.number(offset.0)),
            }
            w.number(*limit);
        }
        ClientFrame::Profiles { id, users } => {
            w.open(3);
            w.kind(FrameKind::Profiles);
            w.number(id.0);
            w.list(users, write_user);
        }
        ClientFrame::Contact { id } => {
            w.open(2);
            w.kind(FrameKind::Contact);
            w.number(id.0);
        }
        ClientFrame::ChangeUser { id, change } => {
            w.open(3);
            w.kind(FrameKind::ChangeUser);
            w.number(id.0);
            write_change(w, change);
        }
        ClientFrame::Signal(signal) => write_signal(w, signal),
        ClientFrame::Who { id, room } => {
            w.open(3);
            w.kind(FrameKind::Who);
            w.number(id.0);
            w.text(room.as_str());
        }
        ClientFrame::Cursor(cursor) => write_cursor(w, cursor),
        ClientFrame::Presence { presence } => {
            w.open(2);
            w.kind(FrameKind::Presence);
            w.text(presence.name());
        }
        ClientFrame::Typing { room, typing } => {
            w.open(3);
            w.kind(FrameKind::Typing);
            w.text(room.as_str());
            w.flag(*typing);
        }
        ClientFrame::Search { id, text, limit, after } => {
            w.open(5);
            w.kind(FrameKind::Search);
            w.number(id.0);
            w.text(text);
            w.number(*limit);
            w.option(after.as_deref(), W::text);
        }
        ClientFrame::Readers { id, room, offsets } => {
            w.open(4);
            w.kind(FrameKind::Readers);
            w.number(id.0);
            w.text(room.as_str());
            w.list(offsets, |w, offset| w.number(offset.0));
        }
        ClientFrame::Watch { id, room } => {
            w.open(3);
            w.kind(FrameKind::Watch);
            w.number(id.0);
            w.text(room.as_str());
        }
        ClientFrame::Unwatch { id, room } => {
            w.open(3);
            w.kind(FrameKind::Unwatch);
            w.number(id.0);
            w.text(room.as_str());
        }
        ClientFrame::Consume(consume) => write_consume(w, consume),
        ClientFrame::Consumers { id, after, limit, whose } => {
            w.open(5);
            w.kind(FrameKind::Consumers);
            w.number(id.0);
            w.option(after.as_ref(), |w, after| w.text(after.as_str()));
            w.number(*limit);
            w.text(whose.name());
        }
        ClientFrame::ChangeConsumer { id, name, change, whose } => {
            w.open(5);
            w.kind(FrameKind::ChangeConsumer);
            w.number(id.0);
            w.text(name.as_str());
            write_consumer_change(w, change);
            w.text(whose.name());
        }
        ClientFrame::Webhooks { id, after, limit } => {
            w.open(4);
            w.kind(FrameKind::Webhooks);
            w.number(id.0);
            w.option(after.as_ref(), |w, after| w.text(after.as_str()));
            w.number(*limit);
        }
        ClientFrame::ChangeWebhook { id, change } => {
            w.open(3);
            w.kind(FrameKind::ChangeWebhook);
            w.number(id.0);
            write_webhook_change(w, change);
        }
        ClientFrame::DeadLetters { id, name, after, limit } => {
            w.open(5);
            w.kind(FrameKind::DeadLetters);
            w.number(id.0);
            w.text(name.as_str());
            w.option(after.as_ref(), write_key);
            w.number(*limit);
        }
    }
    w.close();
}

/// About how many bytes a frame will have.
pub(in super::super) fn client_size_hint(frame: &ClientFrame) -> usize {
    match frame {
        ClientFrame::Publish(publish) => 160 + publish.draft.body.bytes().len(),
        ClientFrame::Signal(signal) => 160 + signal.body.bytes().len(),
        ClientFrame::Profiles { users, .. } => 32 + 24 * users.len(),
        ClientFrame::Consume(consume) => 160 + 64 * consume.done.len(),
        ClientFrame::Readers { offsets, .. } => 96 + 8 * offsets.len(),
        ClientFrame::Hello(Hello { resume: rooms, .. }) | ClientFrame::Resume { rooms, .. } => {
            160 + 64 * rooms.len()
        }
        _ => 96,
    }
}

fn hello<'a, R: Reader<'a>>(r: &mut R) -> Result<Hello, Fault> {
    Ok(Hello {
        token: r.option("token", text)?,
        user: r.option("user", user)?,
        client_id: r.field("client_id", client_id)?,
        waits: r.field("waits", seq)?,
        features: r.list("features", (FEATURES_MAX, Code::Invalid), |r| Ok(text(r)?))?,
        resume: r.list("resume", (RESUME_ROOMS_MAX, Code::TooManyRooms), resume)?,
    })
}

fn write_hello<W: Writer>(w: &mut W, hello: &Hello) {
    w.open(7);
    w.kind(FrameKind::Hello);
    w.option(hello.token.as_deref(), W::text);
    w.option(hello.user.as_ref(), |w, user| w.text(user.as_str()));
    w.fixed(hello.client_id.as_bytes());
    w.number(hello.waits.get());
    w.list(&hello.features, |w, feature| w.text(feature));
    w.list(&hello.resume, write_resume);
}

fn publish<'a, R: Reader<'a>>(r: &mut R) -> Result<PublishFrame, Fault> {
    Ok(PublishFrame {
        seq: r.field("seq", |r| match seq(r)? {
            Seq::ZERO => Err(Fault::invalid("the lowest seq of a publish is 1")),
            seq => Ok(seq),
        })?,
        nonce: r.field("nonce", nonce)?,
        waits: r.field("waits", seq)?,
        room: r.field("room", room)?,
        draft: r.field("event", draft)?,
        client_id: r.option("client_id", client_id)?,
    })
}

fn write_publish<W: Writer>(w: &mut W, publish: &PublishFrame) {
    w.open(7);
    w.kind(FrameKind::Publish);
    w.number(publish.seq.get());
    w.number(publish.nonce.0.into());
    w.number(publish.waits.get());
    w.text(publish.room.as_str());
    write_draft(w, &publish.draft);
    w.option(publish.client_id.as_ref(), |w, id| w.fixed(id.as_bytes()));
}

/// `["newest"]`, `["before", position]`, `["before_offset", offset]` or `["after", position]`.
fn range<'a, R: Reader<'a>>(r: &mut R) -> Result<HistoryRange, Fault> {
    Ok(match &*r.text()? {
        "newest" => HistoryRange::Newest,
        "before" => HistoryRange::Before(position(r)?),
        "before_offset" => HistoryRange::BeforeOffset(offset(r)?),
        "after" => HistoryRange::After(position(r)?),
        _ => return Err(Fault::invalid("expected newest, before, before_offset or after")),
    })
}

fn write_range<W: Writer>(w: &mut W, range: &HistoryRange) {
    match range {
        HistoryRange::Newest => write_tag(w, "newest"),
        HistoryRange::Before(position) => write_tagged(w, "before", |w| write_position(w, position)),
        HistoryRange::BeforeOffset(offset) => write_tagged(w, "before_offset", |w| w.number(offset.0)),
        HistoryRange::After(position) => write_tagged(w, "after", |w| write_position(w, position)),
    }
}

/// `["before", offset]` or `["after", offset]`.
fn direction<'a, R: Reader<'a>>(r: &mut R) -> Result<Direction, Fault> {
    Ok(match &*r.text()? {
        "before" => Direction::Before(offset(r)?),
        "after" => Direction::After(offset(r)?),
        _ => return Err(Fault::invalid("expected before or after")),
    })
}
