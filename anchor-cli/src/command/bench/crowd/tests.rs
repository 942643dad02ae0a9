//! What a server may say, right and wrong, and what the clients find in it.

use std::time::Duration;

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::{ClientTag, Nonce, Seq, UserId};
use anchor_core::position::{Mark as LogMark, Ordinal};
use anchor_core::publish::{Ack, Durability};
use anchor_core::session::frame::Events;
use anchor_transport::codec::Encoding;
use bytes::Bytes;

use super::*;
use crate::command::bench::net::Target;

/// One author, and one reader of its room.
struct World {
    crowd: Crowd,
    links: Links,
    room: RoomId,
}

impl World {
    fn new() -> Self {
        let room = RoomId::new("room").unwrap();
        let author = Role { publishes: Some(0), ..Role::default() };
        let reader = Role { reads: Some(0), ..Role::default() };
        let roles = vec![author, reader];
        let plan = Plan { rooms: vec![room.clone()], roles, done: Done::Delivered, body_bytes: 40 };
        let target =
            Target { address: ([127, 0, 0, 1], 1).into(), authority: String::new(), path: String::new() };
        Self { crowd: Crowd::new(plan), links: Links::unconnected(target), room }
    }

    fn hears(&mut self, who: usize, frame: &ServerFrame) {
        let bytes = Encoding::MessagePack.encode_server(frame);
        let said = Said::read(&bytes).unwrap();
        self.crowd.said(&mut self.links, who, said, Nanos(500)).unwrap();
    }

    fn reads(&mut self, first: u64, numbers: &[u64]) {
        let event = |(offset, number): (u64, &u64)| {
            let mut body = Vec::new();
            Bodies::new(40).write(Mark { author: 0, number: *number, due: Nanos(100) }, &mut body);
            Event {
                offset: Offset(offset),
                ordinal: Ordinal(offset),
                chain: Chain::from_bytes([7; 8]),
                ts: 1,
                user: UserId::new("bench-0").unwrap(),
                client: ClientTag::from_bytes([0; 8]),
                seq: Seq::new(*number).unwrap(),
                nonce: Nonce(0),
                kind: EventKind::MESSAGE,
                target: None,
                body: Some(Body::new(None, Bytes::from(body)).unwrap()),
            }
        };
        let events = (first..).zip(numbers).map(event).collect();
        let (room, epoch) = (self.room.clone(), Epoch::from_bytes([1; 8]));
        self.hears(1, &ServerFrame::Events(Events { room, epoch, first: Offset(first), events }));
    }

    fn is_acked(&mut self, number: u64, offset: u64) {
        self.hears(
            0,
            &ServerFrame::Ack(Ack {
                seq: Seq::new(number).unwrap(),
                room: self.room.clone(),
                epoch: Epoch::from_bytes([1; 8]),
                mark: LogMark {
                    offset: Offset(offset),
                    ordinal: Ordinal(offset),
                    chain: Chain::from_bytes([7; 8]),
                },
                ts: 1,
                duplicate: false,
                durability: Durability::Disk,
            }),
        );
    }

    fn send(&mut self, count: u64) {
        (0..count).for_each(|_| self.crowd.due(&mut self.links, 0, Nanos(100)));
    }

    /// Lost, repeated, reordered, strange.
    fn faults(&mut self) -> [u64; 4] {
        let Faults { lost, repeated, reordered, strange, .. } = *self.crowd.faults();
        [lost, repeated, reordered, strange]
    }
}

#[test]
fn what_is_as_it_should_be_is_counted() {
    let mut world = World::new();
    world.crowd.note(Some((Nanos(0), Nanos(1_000))));
    world.send(3);
    world.reads(1, &[1, 2]);
    world.is_acked(1, 1);
    world.is_acked(3, 3);
    world.is_acked(2, 2);
    assert_eq!((world.crowd.unanswered(), world.crowd.missing()), (0, 1));
    // The first events of a frame may be known.
    world.reads(2, &[2, 3]);
    assert_eq!((world.crowd.missing(), world.faults()), (0, [0; 4]));
    let Total { acks, deliveries } = world.crowd.total();
    let noted = world.crowd.note(None).unwrap();
    assert_eq!((acks, noted.ack.count(), deliveries, noted.delivery.count()), (3, 3, 3, 3));
    assert!(noted.delivery.max() < Duration::from_micros(2));
}

#[test]
fn a_frame_that_leaves_something_out_is_found() {
    let mut world = World::new();
    world.send(3);
    world.reads(1, &[1]);
    world.reads(3, &[3]);
    assert_eq!(world.faults(), [1, 0, 1, 0], "lost for the reader, and out of order for the author");
}

#[test]
fn a_frame_that_comes_again_is_found() {
    let mut world = World::new();
    world.send(1);
    world.reads(1, &[1]);
    world.reads(1, &[1]);
    assert_eq!(world.faults(), [0, 1, 0, 0]);
}

#[test]
fn an_ack_that_comes_again_is_found() {
    let mut world = World::new();
    world.send(1);
    world.is_acked(1, 1);
    world.is_acked(1, 1);
    assert_eq!(world.faults(), [0, 1, 0, 0]);
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let mut world = World::new();
    let mut events = Vec::new();
    world.reads(1, &[1]);
    events.push(world.faults());
    world.crowd.tags[0] = [9; 8];
    world.reads(2, &[2]);
    assert_eq!((events, world.faults()), (vec![[0; 4]], [0, 0, 0, 1]), "it is told as another client's");
}
