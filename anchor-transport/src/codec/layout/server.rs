//! The frames of a server.

use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::publish::{Ack, Durability};
use anchor_core::run::Run;
use anchor_core::session::frame::{
    Events, Page, RequestId, ServerFrame, SessionLimits, StoredPage, ThreadPage, Welcome,
};
use anchor_core::user::ReadReceipts;

use super::super::kind::FrameKind;
use super::super::value::{Reader, Writer};
use super::changes::{changes, changes_size_hint, write_changes};
use super::consuming::{
    consumed, consumer, found, key, letter, webhook, write_consumed, write_consumer, write_found, write_key,
    write_letter, write_webhook,
};
use super::parts::{
    chain, client_tag, entry, epoch, gap, name, offset, ordinal, position, reason, request, room, seq,
    session, signal, text, user, write_entry, write_gap, write_position, write_reason, write_signal,
    write_user,
};
use super::rooms::{listing, member_of, write_listing, write_member_of};
use super::users::{direct, profile, write_profile};
use super::watching::{
    readers, receipt, sighting, watching, write_readers, write_receipt, write_sighting, write_watching,
};
use super::{ANY_NUMBER, Fault, Fields};

/// Takes the fields of a frame of `kind`; `None` if servers send no such frame.
pub(in super::super) fn read_server<'a, R: Reader<'a>>(
    r: &mut R,
    kind: FrameKind,
    seen: &mut Option<RequestId>,
) -> Result<Option<ServerFrame>, Fault> {
    Ok(Some(match kind {
        FrameKind::Events => ServerFrame::Events(events(r)?),
        FrameKind::Ack => ServerFrame::Ack(ack(r)?),
        FrameKind::Welcome => ServerFrame::Welcome(Box::new(welcome(r)?)),
        FrameKind::Resumed => {
            ServerFrame::Resumed { id: request(r, seen)?, rooms: r.list("rooms", ANY_NUMBER, entry)? }
        }
        FrameKind::Subscribed => ServerFrame::Subscribed {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            position: r.field("position", position)?,
            head: r.field("head", offset)?,
            horizon: r.field("horizon", offset)?,
        },
        FrameKind::Unsubscribed => {
            ServerFrame::Unsubscribed { id: request(r, seen)?, room: r.field("room", room)? }
        }
        FrameKind::Refused => {
            let seq = r.field("seq", seq)?;
            let (code, message) = reason(r)?;
            ServerFrame::Refused { seq, code, message }
        }
        FrameKind::Gap => ServerFrame::Gap { room: r.field("room", room)?, gap: gap(r)? },
        FrameKind::Page => ServerFrame::Page(Box::new(page(r, seen)?)),
        FrameKind::RoomList => ServerFrame::RoomList {
            id: request(r, seen)?,
            rooms: r.list("rooms", ANY_NUMBER, listing)?,
            next: r.option("next", room)?,
        },
        FrameKind::RoomInfo => ServerFrame::RoomInfo { id: request(r, seen)?, room: Box::new(listing(r)?) },
        FrameKind::MemberList => ServerFrame::MemberList {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            members: r.list("members", ANY_NUMBER, member_of)?,
            next: r.option("next", user)?,
        },
        FrameKind::ThreadPage => ServerFrame::ThreadPage(Box::new(thread_page(r, seen)?)),
        FrameKind::ProfileList => ServerFrame::ProfileList {
            id: request(r, seen)?,
            profiles: r.list("profiles", ANY_NUMBER, |r| {
                r.array("profiles", |r| Ok((r.field("user", user)?, profile(r)?)))
            })?,
        },
        FrameKind::Contacts => ServerFrame::Contacts {
            id: request(r, seen)?,
            direct: r.field("direct", direct)?,
            blocked: r.list("blocked", ANY_NUMBER, |r| Ok(user(r)?))?,
            receipts: r.option("receipts", Reader::flag)?.map_or_else(Default::default, ReadReceipts::shown),
        },
        FrameKind::Done => ServerFrame::Done { id: request(r, seen)? },
        FrameKind::Profile => ServerFrame::Profile { user: r.field("user", user)?, profile: profile(r)? },
        FrameKind::Signal => ServerFrame::Signal(Box::new(signal(r)?)),
        FrameKind::Ended => {
            let room = r.field("room", room)?;
            let (code, message) = reason(r)?;
            ServerFrame::Ended { room, code, message }
        }
        FrameKind::Present => ServerFrame::Present {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            users: r.list("users", ANY_NUMBER, |r| Ok(user(r)?))?,
            total: r.field("total", Reader::number)?,
        },
        FrameKind::Receipts => ServerFrame::Receipts {
            room: r.field("room", room)?,
            receipts: r.list("receipts", ANY_NUMBER, receipt)?,
        },
        FrameKind::Presence => ServerFrame::Presence {
            room: r.field("room", room)?,
            sightings: r.list("present", ANY_NUMBER, sighting)?,
            online: r.field("online", Reader::number)?,
            away: r.field("away", Reader::number)?,
        },
        FrameKind::Typing => ServerFrame::Typing {
            room: r.field("room", room)?,
            users: r.list("users", ANY_NUMBER, |r| Ok(user(r)?))?,
        },
        FrameKind::Found => ServerFrame::Found { id: request(r, seen)?, found: Box::new(found(r)?) },
        FrameKind::ReadBy => ServerFrame::ReadBy {
            id: request(r, seen)?,
            room: r.field("room", room)?,
            readers: r.list("readers", ANY_NUMBER, readers)?,
        },
        FrameKind::Watching => ServerFrame::Watching(Box::new(watching(r, seen)?)),
        FrameKind::Unwatched => ServerFrame::Unwatched {
            id: r.option("id", |r| r.number().map(RequestId))?,
            room: r.field("room", room)?,
        },
        FrameKind::Consumed => ServerFrame::Consumed(Box::new(consumed(r, seen)?)),
        FrameKind::ConsumerList => ServerFrame::ConsumerList {
            id: request(r, seen)?,
            consumers: r.list("consumers", ANY_NUMBER, consumer)?,
            next: r.option("next", name)?,
        },
        FrameKind::WebhookList => ServerFrame::WebhookList {
            id: request(r, seen)?,
            webhooks: r.list("webhooks", ANY_NUMBER, webhook)?,
            next: r.option("next", name)?,
        },
        FrameKind::DeadLetterList => ServerFrame::DeadLetterList {
            id: request(r, seen)?,
            name: r.field("name", name)?,
            letters: r.list("letters", ANY_NUMBER, letter)?,
            next: r.option("next", key)?,
        },
        FrameKind::Error => {
            let id = r.option("id", |r| r.number().map(RequestId))?;
            let (code, message) = reason(r)?;
            ServerFrame::Error {
                id,
                code,
                message,
                retry_after_ms: r.option("retry_after_ms", Reader::number)?,
            }
        }
        FrameKind::Beat => ServerFrame::Beat {
            at: r.field("at", Reader::number)?,
            lag: r.list("lag", ANY_NUMBER, |r| {
                r.array("lag", |r| Ok((r.field("room", room)?, r.field("head", offset)?)))
            })?,
        },
        FrameKind::Goodbye => {
            let (code, message) = reason(r)?;
            let reconnect_after_ms = r.option("reconnect_after_ms", Reader::number)?;
            ServerFrame::Goodbye { code, message, reconnect_after_ms }
        }
        _ => return Ok(None),
    }))
}

/// Writes a whole frame.
pub(in super::super) fn write_server<W: Writer>(w: &mut W, frame: &ServerFrame) {
    match frame {
        ServerFrame::Events(Events { room, epoch, first, events }) => {
            write_events_header(w, room, *epoch, *first);
            w.list(events, W::event);
        }
        ServerFrame::Ack(ack) => write_ack(w, ack),
        ServerFrame::Welcome(welcome) => write_welcome(w, welcome),
        ServerFrame::Resumed { id, rooms } => {
            w.open(3);
            w.kind(FrameKind::Resumed);
            w.number(id.0);
            w.list(rooms, write_entry);
        }
        ServerFrame::Subscribed { id, room, position, head, horizon } => {
            w.open(6);
            w.kind(FrameKind::Subscribed);
            w.number(id.0);
            w.text(room.as_str());
            write_position(w, position);
            w.number(head.0);
            w.number(horizon.0);
        }
        ServerFrame::Unsubscribed { id, room } => {
            w.open(3);
            w.kind(FrameKind::Unsubscribed);
            w.number(id.0);
            w.text(room.as_str());
        }
        ServerFrame::Refused { seq, code, message } => {
            w.open(4);
            w.kind(FrameKind::Refused);
            w.number(seq.get());
            write_reason(w, *code, message);
        }
        ServerFrame::Gap { room, gap } => {
            w.open(7);
            w.kind(FrameKind::Gap);
            w.text(room.as_str());
            write_gap(w, gap);
        }
        ServerFrame::Page(page) => write_page_with(w, page, |w, events| w.list(events, W::event)),
        ServerFrame::RoomList { id, rooms, next } => {
            w.open(4);
            w.kind(FrameKind::RoomList);
            w.number(id.0);
            w.list(rooms, write_listing);
            w.option(next.as_ref(), |w, next| w.text(next.as_str()));
        }
        ServerFrame::RoomInfo { id, room } => {
            w.open(3);
            w.kind(FrameKind::RoomInfo);
            w.number(id.0);
            write_listing(w, room);
        }
        ServerFrame::MemberList { id, room, members, next } => {
            w.open(5);
            w.kind(FrameKind::MemberList);
            w.number(id.0);
            w.text(room.as_str());
            w.list(members, write_member_of);
            w.option(next.as_ref(), write_user);
        }
        ServerFrame::ThreadPage(page) => write_thread_page(w, page),
        ServerFrame::ProfileList { id, profiles } => {
            w.open(3);
            w.kind(FrameKind::ProfileList);
            w.number(id.0);
            w.list(profiles, |w, (user, profile)| {
                w.open(4);
                write_user(w, user);
                write_profile(w, profile);
                w.close();
            });
        }
        ServerFrame::Contacts { id, direct, blocked, receipts } => {
            w.open(5);
            w.kind(FrameKind::Contacts);
            w.number(id.0);
            w.text(direct.name());
            w.list(blocked, write_user);
            w.flag(receipts.are_shown());
        }
        ServerFrame::Done { id } => {
            w.open(2);
            w.kind(FrameKind::Done);
            w.number(id.0);
        }
        ServerFrame::Profile { user, profile } => {
            w.open(5);
            w.kind(FrameKind::Profile);
            write_user(w, user);
            write_profile(w, profile);
        }
        ServerFrame::Signal(signal) => write_signal(w, signal),
        ServerFrame::Ended { room, code, message } => {
            w.open(4);
            w.kind(FrameKind::Ended);
            w.text(room.as_str());
            write_reason(w, *code, message);
        }
        ServerFrame::Present { id, room, users, total } => {
            w.open(5);
            w.kind(FrameKind::Present);
            w.number(id.0);
            w.text(room.as_str());
            w.list(users, |w, user| w.text(user.as_str()));
            w.number(*total);
        }
        ServerFrame::Receipts { room, receipts } => {
            w.open(3);
            w.kind(FrameKind::Receipts);
            w.text(room.as_str());
            w.list(receipts, write_receipt);
        }
        ServerFrame::Presence { room, sightings, online, away } => {
            w.open(5);
            w.kind(FrameKind::Presence);
            w.text(room.as_str());
            w.list(sightings, write_sighting);
            w.number(*online);
            w.number(*away);
        }
        ServerFrame::Typing { room, users } => {
            w.open(3);
            w.kind(FrameKind::Typing);
            w.text(room.as_str());
            w.list(users, write_user);
        }
        ServerFrame::Found { id, found } => write_found(w, *id, found),
        ServerFrame::ReadBy { id, room, readers } => {
            w.open(4);
            w.kind(FrameKind::ReadBy);
            w.number(id.0);
            w.text(room.as_str());
            w.list(readers, write_readers);
        }
        ServerFrame::Watching(watching) => write_watching(w, watching),
        ServerFrame::Unwatched { id, room } => {
            w.open(3);
            w.kind(FrameKind::Unwatched);
            w.option(*id, |w, id| w.number(id.0));
            w.text(room.as_str());
        }
        ServerFrame::Consumed(consumed) => write_consumed(w, consumed),
        ServerFrame::ConsumerList { id, consumers, next } => {
            w.open(4);
            w.kind(FrameKind::ConsumerList);
            w.number(id.0);
            w.list(consumers, write_consumer);
            w.option(next.as_ref(), |w, next| w.text(next.as_str()));
        }
        ServerFrame::WebhookList { id, webhooks, next } => {
            w.open(4);
            w.kind(FrameKind::WebhookList);
            w.number(id.0);
            w.list(webhooks, write_webhook);
            w.option(next.as_ref(), |w, next| w.text(next.as_str()));
        }
        ServerFrame::DeadLetterList { id, name, letters, next } => {
            w.open(5);
            w.kind(FrameKind::DeadLetterList);
            w.number(id.0);
            w.text(name.as_str());
            w.list(letters, write_letter);
            w.option(next.as_ref(), write_key);
        }
        ServerFrame::Error { id, code, message, retry_after_ms } => {
            w.open(5);
            w.kind(FrameKind::Error);
            w.option(*id, |w, id| w.number(id.0));
            write_reason(w, *code, message);
            w.option(*retry_after_ms, W::number);
        }
        ServerFrame::Beat { at, lag } => {
            w.open(3);
            w.kind(FrameKind::Beat);
            w.number(*at);
            w.list(lag, |w, (room, head)| {
                w.open(2);
                w.text(room.as_str());
                w.number(head.0);
                w.close();
            });
        }
        ServerFrame::Goodbye { code, message, reconnect_after_ms } => {
            w.open(4);
            w.kind(FrameKind::Goodbye);
            write_reason(w, *code, message);
            w.option(*reconnect_after_ms, W::number);
        }
    }
    w.close();
}

/// Writes the whole `events` frame of a run.
pub(in super::super) fn write_run<W: Writer>(w: &mut W, run: &Run) {
    write_events_header(w, run.room(), run.epoch(), run.first());
    w.runs(std::slice::from_ref(run));
    w.close();
}

/// Writes a whole page whose events are as they are stored.
pub(in super::super) fn write_page<W: Writer>(w: &mut W, page: &StoredPage) {
    write_page_with(w, page, |w, events| w.runs(events));
    w.close();
}

fn write_events_header<W: Writer>(w: &mut W, room: &RoomId, epoch: Epoch, first: Offset) {
    w.open(5);
    w.kind(FrameKind::Events);
    w.text(room.as_str());
    w.fixed(epoch.as_bytes());
    w.number(first.0);
}

/// About how many bytes a frame will have.
pub(in super::super) fn server_size_hint(frame: &ServerFrame) -> usize {
    match frame {
        ServerFrame::Events(Events { events, .. }) => 128 + events_size_hint(events),
        ServerFrame::Page(page) => 192 + events_size_hint(&page.events) + changes_size_hint(&page.changes),
        ServerFrame::ThreadPage(page) => {
            192 + events_size_hint(&page.replies) + changes_size_hint(&page.changes)
        }
        ServerFrame::Welcome(welcome) => 160 + 48 * welcome.rooms.len(),
        ServerFrame::Resumed { rooms, .. } => 160 + 48 * rooms.len(),
        ServerFrame::RoomList { rooms, .. } => 160 + 160 * rooms.len(),
        ServerFrame::MemberList { members, .. } => 128 + 48 * members.len(),
        ServerFrame::ProfileList { profiles, .. } => 32 + 64 * profiles.len(),
        ServerFrame::Contacts { blocked: users, .. } | ServerFrame::Present { users, .. } => {
            128 + 24 * users.len()
        }
        ServerFrame::Signal(signal) => 160 + signal.body.bytes().len(),
        ServerFrame::RoomInfo { .. } => 320,
        ServerFrame::Receipts { receipts, .. } => 96 + 32 * receipts.len(),
        ServerFrame::Presence { sightings, .. } => 96 + 32 * sightings.len(),
        ServerFrame::Watching(watching) => {
            128 + 32 * (watching.receipts.as_ref().map_or(0, Vec::len) + watching.sightings.len())
        }
        ServerFrame::Found { found, .. } => {
            128 + found
                .messages
                .iter()
                .map(|hit| 160 + events_size_hint(std::slice::from_ref(&hit.event)))
                .sum::<usize>()
        }
        ServerFrame::Consumed(consumed) => {
            128 + consumed.parts.iter().map(|part| 160 + events_size_hint(&part.events)).sum::<usize>()
        }
        ServerFrame::WebhookList { webhooks, .. } => 64 + 160 * webhooks.len(),
        ServerFrame::ConsumerList { consumers, .. } => 64 + 64 * consumers.len(),
        ServerFrame::DeadLetterList { letters, .. } => 96 + 160 * letters.len(),
        _ => 128,
    }
}

fn events_size_hint(events: &[Event]) -> usize {
    let bodies = events.iter().filter_map(|event| event.body.as_ref());
    96 * events.len() + bodies.map(|body| body.bytes().len()).sum::<usize>()
}

fn welcome<'a, R: Reader<'a>>(r: &mut R) -> Result<Welcome, Fault> {
    Ok(Welcome {
        session: r.field("session", session)?,
        user: r.field("user", user)?,
        client: r.field("client", client_tag)?,
        seq: r.field("seq", seq)?,
        heartbeat_ms: r.field("heartbeat_ms", Reader::number)?,
        limits: r.array("limits", |r| {
            Ok(SessionLimits {
                body_bytes: r.field("body_bytes", Reader::number)?,
                frame_in_bytes: r.field("frame_in_bytes", Reader::number)?,
                frame_out_bytes: r.field("frame_out_bytes", Reader::number)?,
                rooms: r.field("rooms", Reader::number)?,
                window: r.field("window", Reader::number)?,
                in_flight_bytes: r.field("in_flight_bytes", Reader::number)?,
                history_events: r.field("history_events", Reader::number)?,
            })
        })?,
        features: r.list("features", ANY_NUMBER, |r| Ok(text(r)?))?,
        rooms: r.list("rooms", ANY_NUMBER, entry)?,
    })
}

fn write_welcome<W: Writer>(w: &mut W, welcome: &Welcome) {
    let Welcome { session, user, client, seq, heartbeat_ms, limits, features, rooms } = welcome;
    w.open(9);
    w.kind(FrameKind::Welcome);
    w.fixed(session.as_bytes());
    w.text(user.as_str());
    w.fixed(client.as_bytes());
    w.number(seq.get());
    w.number(*heartbeat_ms);
    let SessionLimits {
        body_bytes,
        frame_in_bytes,
        frame_out_bytes,
        rooms: rooms_max,
        window,
        in_flight_bytes,
        history_events,
    } = *limits;
    let limits =
        [body_bytes, frame_in_bytes, frame_out_bytes, rooms_max, window, in_flight_bytes, history_events];
    w.list(&limits, |w, limit| w.number(*limit));
    w.list(features, |w, feature| w.text(feature));
    w.list(rooms, write_entry);
}

fn ack<'a, R: Reader<'a>>(r: &mut R) -> Result<Ack, Fault> {
    let seq = r.field("seq", seq)?;
    let room = r.field("room", room)?;
    let epoch = r.field("epoch", epoch)?;
    let offset = r.field("offset", offset)?;
    let chain = r.field("chain", chain)?;
    let ordinal = r.field("ordinal", ordinal)?;
    Ok(Ack {
        seq,
        room,
        epoch,
        mark: Mark { offset, ordinal, chain },
        ts: r.field("ts", Reader::number)?,
        duplicate: r.field("duplicate", Reader::flag)?,
        durability: Durability::from_name(&r.field("durability", Reader::text)?)
            .unwrap_or(Durability::Memory),
    })
}

fn write_ack<W: Writer>(w: &mut W, ack: &Ack) {
    w.open(10);
    w.kind(FrameKind::Ack);
    w.number(ack.seq.get());
    w.text(ack.room.as_str());
    w.fixed(ack.epoch.as_bytes());
    w.number(ack.mark.offset.0);
    w.fixed(ack.mark.chain.as_bytes());
    w.number(ack.mark.ordinal.0);
    w.number(ack.ts);
    w.flag(ack.duplicate);
    w.text(ack.durability.name());
}

fn events<'a, R: Reader<'a>>(r: &mut R) -> Result<Events, Fault> {
    let room = r.field("room", room)?;
    let epoch = r.field("epoch", epoch)?;
    let first = r.field("first", offset)?;
    let events = r.list("events", ANY_NUMBER, |r| Ok(r.event()?))?;
    contiguous(first, &events)?;
    Ok(Events { room, epoch, first, events })
}

fn page<'a, R: Reader<'a>>(r: &mut R, seen: &mut Option<RequestId>) -> Result<Page, Fault> {
    let id = request(r, seen)?;
    let room = r.field("room", room)?;
    let epoch = r.option("epoch", epoch)?;
    let first = r.field("first", offset)?;
    let events = r.list("events", ANY_NUMBER, |r| Ok(r.event()?))?;
    contiguous(first, &events)?;
    Ok(Page {
        id,
        room,
        epoch,
        first,
        events,
        head: r.field("head", offset)?,
        horizon: r.field("horizon", offset)?,
        gap: r.option("gap", |r| r.array("gap", gap))?,
        next: r.option("next", position)?,
        changes: r.list("changes", ANY_NUMBER, changes)?,
    })
}

fn thread_page<'a, R: Reader<'a>>(r: &mut R, seen: &mut Option<RequestId>) -> Result<ThreadPage, Fault> {
    Ok(ThreadPage {
        id: request(r, seen)?,
        room: r.field("room", room)?,
        root: r.option("root", Reader::event)?,
        replies: r.list("replies", ANY_NUMBER, |r| Ok(r.event()?))?,
        total: r.field("total", Reader::number)?,
        next: r.option("next", offset)?,
        changes: r.list("changes", ANY_NUMBER, changes)?,
        epoch: r.field("epoch", epoch)?,
        head: r.field("head", offset)?,
    })
}

fn write_thread_page<W: Writer>(w: &mut W, page: &ThreadPage) {
    let ThreadPage { id, room, root, replies, changes, total, next, epoch, head } = page;
    w.open(10);
    w.kind(FrameKind::ThreadPage);
    w.number(id.0);
    w.text(room.as_str());
    w.option(root.as_ref(), W::event);
    w.list(replies, W::event);
    w.number(*total);
    w.option(*next, |w, next| w.number(next.0));
    w.list(changes, write_changes);
    w.fixed(epoch.as_bytes());
    w.number(head.0);
}

fn write_page_with<W: Writer, E>(w: &mut W, page: &Page<E>, write: impl FnOnce(&mut W, &E)) {
    w.open(11);
    w.kind(FrameKind::Page);
    w.number(page.id.0);
    w.text(page.room.as_str());
    w.option(page.epoch.as_ref(), |w, epoch| w.fixed(epoch.as_bytes()));
    w.number(page.first.0);
    write(w, &page.events);
    w.number(page.head.0);
    w.number(page.horizon.0);
    w.option(page.gap.as_ref(), |w, gap| {
        w.open(5);
        write_gap(w, gap);
        w.close();
    });
    w.option(page.next.as_ref(), write_position);
    w.list(&page.changes, write_changes);
}

pub(super) fn contiguous(first: Offset, events: &[Event]) -> Result<(), Fault> {
    let fits = |(event, offset): (&Event, u64)| event.offset.0 == offset;
    match events.iter().zip(first.0..).all(fits) {
        true => Ok(()),
        false => Err(Fault { field: "events", ..Fault::invalid("offsets that do not follow each other") }),
    }
}
