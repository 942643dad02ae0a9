//! Any frame of either side.

use anchor_core::id::Nonce;
use anchor_core::id::{NUMBER_MAX, SessionId};
use anchor_core::position::Offset;
use anchor_core::publish::{Ack, Durability};
use anchor_core::session::frame::{
    ClientFrame, Events, Hello, Page, PublishFrame, RequestId, ServerFrame, SessionLimits, ThreadPage,
    Welcome,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::consuming::{consumed, of_consuming};
use super::parts::*;
use super::rooms::{change, changes, direct, direction, listing, member, profile, receipts, which};
use super::watching::{of_watching, watched};

pub(super) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        (
            option::of(any::<String>()),
            option::of(user()),
            client_id(),
            seq(0),
            vec(any::<String>(), 0..4),
            resumes()
        )
            .prop_map(|(token, user, client_id, waits, features, resume)| {
                ClientFrame::Hello(Hello { token, user, client_id, waits, features, resume })
            }),
        (id.clone(), resumes()).prop_map(|(id, rooms)| ClientFrame::Resume { id, rooms }),
        (id.clone(), room(), from()).prop_map(|(id, room, from)| ClientFrame::Subscribe { id, room, from }),
        (id.clone(), room()).prop_map(|(id, room)| ClientFrame::Unsubscribe { id, room }),
        (seq(1), any::<u32>(), seq(0), room(), draft(), option::of(client_id())).prop_map(
            |(seq, nonce, waits, room, draft, client_id)| {
                ClientFrame::Publish(PublishFrame { seq, nonce: Nonce(nonce), waits, room, draft, client_id })
            }
        ),
        (id.clone(), room(), range(), number()).prop_map(|(id, room, range, limit)| ClientFrame::History {
            id,
            room,
            range,
            limit
        }),
        (id.clone(), room()).prop_map(|(id, room)| ClientFrame::Who { id, room }),
        Just(ClientFrame::Beat),
        signal().prop_map(ClientFrame::Signal),
        request_of_rooms(),
        (id.clone(), vec(user(), 0..4)).prop_map(|(id, users)| ClientFrame::Profiles { id, users }),
        id.clone().prop_map(|id| ClientFrame::Contact { id }),
        (id, change()).prop_map(|(id, change)| ClientFrame::ChangeUser { id, change }),
        of_watching(),
        of_consuming(),
    ]
}

fn request_of_rooms() -> impl Strategy<Value = ClientFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        (id.clone(), option::of(room()), number(), which())
            .prop_map(|(id, after, limit, which)| ClientFrame::Rooms { id, after, limit, which }),
        (id.clone(), room()).prop_map(|(id, room)| ClientFrame::Room { id, room }),
        (id.clone(), room(), option::of(user()), number())
            .prop_map(|(id, room, after, limit)| ClientFrame::Members { id, room, after, limit }),
        (id, room(), 1..=NUMBER_MAX, direction(), number()).prop_map(|(id, room, root, from, limit)| {
            ClientFrame::Thread { id, room, root: Offset(root), from, limit }
        }),
    ]
}

pub(super) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        welcome().prop_map(|welcome| ServerFrame::Welcome(Box::new(welcome))),
        (id.clone(), vec(entry(), 0..4)).prop_map(|(id, rooms)| ServerFrame::Resumed { id, rooms }),
        (id.clone(), room(), position(), offset(), offset()).prop_map(
            |(id, room, position, head, horizon)| {
                ServerFrame::Subscribed { id, room, position, head, horizon }
            }
        ),
        (id.clone(), room()).prop_map(|(id, room)| ServerFrame::Unsubscribed { id, room }),
        ack().prop_map(ServerFrame::Ack),
        (seq(0), code(), any::<String>()).prop_map(|(seq, code, message)| ServerFrame::Refused {
            seq,
            code,
            message
        }),
        (room(), epoch(), events()).prop_map(|(room, epoch, (first, events))| {
            ServerFrame::Events(Events { room, epoch, first, events })
        }),
        (room(), gap()).prop_map(|(room, gap)| ServerFrame::Gap { room, gap }),
        page().prop_map(|page| ServerFrame::Page(Box::new(page))),
        answer_about_rooms(),
        (id.clone(), vec((user(), profile()), 0..4))
            .prop_map(|(id, profiles)| ServerFrame::ProfileList { id, profiles }),
        (id.clone(), direct(), vec(user(), 0..4), receipts()).prop_map(|(id, direct, blocked, receipts)| {
            ServerFrame::Contacts { id, direct, blocked, receipts }
        }),
        watched(),
        consumed(),
        id.clone().prop_map(|id| ServerFrame::Done { id }),
        (user(), profile()).prop_map(|(user, profile)| ServerFrame::Profile { user, profile }),
        signal().prop_map(|signal| ServerFrame::Signal(Box::new(signal))),
        (room(), code(), any::<String>()).prop_map(|(room, code, message)| ServerFrame::Ended {
            room,
            code,
            message
        }),
        (id.clone(), room(), vec(user(), 0..4), number())
            .prop_map(|(id, room, users, total)| ServerFrame::Present { id, room, users, total }),
        (option::of(id), code(), any::<String>(), option::of(number())).prop_map(
            |(id, code, message, retry_after_ms)| ServerFrame::Error { id, code, message, retry_after_ms }
        ),
        (number(), vec((room(), offset()), 0..4)).prop_map(|(at, lag)| ServerFrame::Beat { at, lag }),
        (code(), any::<String>(), option::of(number())).prop_map(|(code, message, reconnect_after_ms)| {
            ServerFrame::Goodbye { code, message, reconnect_after_ms }
        }),
    ]
}

fn answer_about_rooms() -> impl Strategy<Value = ServerFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        (id.clone(), vec(listing(), 0..4), option::of(room()))
            .prop_map(|(id, rooms, next)| ServerFrame::RoomList { id, rooms, next }),
        (id.clone(), listing()).prop_map(|(id, room)| ServerFrame::RoomInfo { id, room: Box::new(room) }),
        (id, room(), vec((user(), member()), 0..4), option::of(user()))
            .prop_map(|(id, room, members, next)| ServerFrame::MemberList { id, room, members, next }),
        thread_page().prop_map(|page| ServerFrame::ThreadPage(Box::new(page))),
    ]
}

fn thread_page() -> impl Strategy<Value = ThreadPage> {
    let rest = (vec(changes(), 0..4), number(), option::of(offset()), epoch(), offset());
    (number(), room(), option::of(event()), vec(event(), 0..4), rest).prop_map(
        |(id, room, root, replies, (changes, total, next, epoch, head))| ThreadPage {
            id: RequestId(id),
            room,
            root,
            replies,
            changes,
            total,
            next,
            epoch,
            head,
        },
    )
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let limits = [(); 7].map(|()| number());
    (
        any::<[u8; 16]>(),
        user(),
        client_tag(),
        seq(0),
        number(),
        limits,
        vec(any::<String>(), 0..4),
        vec(entry(), 0..4),
    )
        .prop_map(|(session, user, client, seq, heartbeat_ms, limits, features, rooms)| {
            let [
                body_bytes,
                frame_in_bytes,
                frame_out_bytes,
                rooms_max,
                window,
                in_flight_bytes,
                history_events,
            ] = limits;
            let limits = SessionLimits {
                body_bytes,
                frame_in_bytes,
                frame_out_bytes,
                rooms: rooms_max,
                window,
                in_flight_bytes,
                history_events,
            };
            let session = SessionId::from_bytes(session);
            Welcome { session, user, client, seq, heartbeat_ms, limits, features, rooms }
        })
}

fn ack() -> impl Strategy<Value = Ack> {
    let durability =
        prop_oneof![Just(Durability::Memory), Just(Durability::Disk), Just(Durability::Replicated)];
    (seq(1), room(), epoch(), mark(), number(), any::<bool>(), durability).prop_map(
        |(seq, room, epoch, mark, ts, duplicate, durability)| Ack {
            seq,
            room,
            epoch,
            mark,
            ts,
            duplicate,
            durability,
        },
    )
}

fn page() -> impl Strategy<Value = Page> {
    let rest = (offset(), offset(), option::of(gap()), option::of(position()), vec(changes(), 0..4));
    (number(), room(), option::of(epoch()), events(), rest).prop_map(
        |(id, room, epoch, (first, events), (head, horizon, gap, next, changes))| Page {
            id: RequestId(id),
            room,
            epoch,
            first,
            events,
            head,
            horizon,
            gap,
            next,
            changes,
        },
    )
}
