//! Who reads, is there and types.

use anchor_core::cursor::Readers;
use anchor_core::position::Ordinal;
use anchor_core::session::frame::{
    ClientFrame, CursorFrame, Presence, Receipt, RequestId, ServerFrame, Sighting, Watching,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::parts::{epoch, number, offset, room, user};

pub(super) fn of_watching() -> impl Strategy<Value = ClientFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        (room(), epoch(), option::of(offset()), option::of(offset())).prop_map(
            |(room, epoch, delivered, read)| ClientFrame::Cursor(CursorFrame {
                room,
                epoch,
                delivered,
                read
            })
        ),
        select(vec![Presence::Online, Presence::Away])
            .prop_map(|presence| ClientFrame::Presence { presence }),
        (room(), any::<bool>()).prop_map(|(room, typing)| ClientFrame::Typing { room, typing }),
        (id.clone(), room(), vec(offset(), 0..50)).prop_map(|(id, room, offsets)| ClientFrame::Readers {
            id,
            room,
            offsets
        }),
        (id.clone(), room()).prop_map(|(id, room)| ClientFrame::Watch { id, room }),
        (id, room()).prop_map(|(id, room)| ClientFrame::Unwatch { id, room }),
    ]
}

pub(super) fn watched() -> impl Strategy<Value = ServerFrame> {
    let id = number().prop_map(RequestId);
    let readers = (offset(), number(), number())
        .prop_map(|(offset, delivered, read)| (offset, Readers { delivered, read }));
    prop_oneof![
        (room(), vec(receipt(), 0..4)).prop_map(|(room, receipts)| ServerFrame::Receipts { room, receipts }),
        (room(), vec(sighting(), 0..4), number(), number()).prop_map(|(room, sightings, online, away)| {
            ServerFrame::Presence { room, sightings, online, away }
        }),
        (room(), vec(user(), 0..4)).prop_map(|(room, users)| ServerFrame::Typing { room, users }),
        (id.clone(), room(), vec(readers, 0..4)).prop_map(|(id, room, readers)| ServerFrame::ReadBy {
            id,
            room,
            readers
        }),
        watching().prop_map(|watching| ServerFrame::Watching(Box::new(watching))),
        (option::of(id), room()).prop_map(|(id, room)| ServerFrame::Unwatched { id, room }),
    ]
}

fn watching() -> impl Strategy<Value = Watching> {
    let present = (vec(sighting(), 0..4), number(), number(), vec(user(), 0..4));
    (number(), room(), option::of(vec(receipt(), 0..4)), present).prop_map(
        |(id, room, receipts, (sightings, online, away, typing))| Watching {
            id: RequestId(id),
            room,
            receipts,
            sightings,
            online,
            away,
            typing,
        },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (user(), option::of(offset()), offset(), option::of(number())).prop_map(
        |(user, delivered, read, ordinal)| Receipt { user, delivered, read, ordinal: ordinal.map(Ordinal) },
    )
}

fn sighting() -> impl Strategy<Value = Sighting> {
    let presence = select(vec![Presence::Online, Presence::Away, Presence::Offline]);
    (user(), presence, option::of(number())).prop_map(|(user, presence, seen)| Sighting {
        user,
        presence,
        seen,
    })
}
