//! Writers and readers on threads of their own: every reader takes every event once, in order, and reaches the head.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;

use crate::conformance::environment::TestEnvironment;
use crate::engine::{Anchor, Delivery};
use crate::id::{ClientId, RoomId, UserId};
use crate::memory::MemoryStore;
use crate::position::{Offset, Position};
use crate::session::frame::From;

const WRITERS: u8 = 3;
const READERS: usize = 4;
const EVENTS_OF_EACH: u64 = 400;

fn write(anchor: &Anchor, writer: u8) {
    block_on(async {
        let user = UserId::new("writer").unwrap();
        let mut publisher = anchor.client(user, ClientId::from_bytes([writer; 16])).await.unwrap();
        for n in 0..EVENTS_OF_EACH {
            publisher.publish(&RoomId::lobby(), format!("{writer}/{n}")).await.unwrap();
        }
    });
}

/// Reads to the end, coming back with its position after every `stay` deliveries.
fn read(anchor: &Anchor, stay: usize) {
    let mut cursor = Position::START;
    let mut next_of = [0; WRITERS as usize];
    let end = Offset(u64::from(WRITERS) * EVENTS_OF_EACH);
    block_on(async {
        while cursor.offset < end {
            let mut room = anchor.subscribe(&RoomId::lobby(), From::After(cursor)).await.unwrap();
            for _ in 0..stay {
                if cursor.offset == end {
                    break;
                }
                let Delivery::Events(events) = room.next().await.unwrap().unwrap() else { panic!("a gap") };
                for event in events.iter().map(Result::unwrap) {
                    assert_eq!(event.offset, cursor.offset.next());
                    cursor =
                        Position { epoch: Some(events.epoch()), offset: event.offset, chain: event.chain };
                    let text = event.body.unwrap().as_text().unwrap().to_owned();
                    let (writer, n) = text.split_once('/').unwrap();
                    let next: &mut u64 = &mut next_of[usize::from(writer.parse::<u8>().unwrap())];
                    assert_eq!(n.parse::<u64>().unwrap(), *next, "the order of each writer is kept");
                    *next += 1;
                }
                assert_eq!(room.position(), &cursor);
            }
        }
    });
}

/// The heads are polled, tails are dropped and age all the while; here and on a node that no bus tells anything.
#[test]
fn every_reader_takes_every_event_once_and_reaches_the_head() {
    let env = TestEnvironment::new(11);
    let store = MemoryStore::new(env.clone());
    let here = Anchor::builder(store.clone(), env.clone()).build();
    let behind = Anchor::builder(store.node(), env.clone()).build();
    let start = Arc::new(Barrier::new(usize::from(WRITERS) + 2 * READERS));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for writer in 0..WRITERS {
            let (here, start) = (&here, start.clone());
            threads.push(scope.spawn(move || {
                start.wait();
                write(here, writer);
            }));
        }
        for reader in 0..2 * READERS {
            let (anchor, start) = (if reader < READERS { &here } else { &behind }, start.clone());
            let stay = [usize::MAX, 1, 7, 100][reader % READERS];
            threads.push(scope.spawn(move || {
                start.wait();
                read(anchor, stay);
            }));
        }
        let (env, here, behind, done) = (&env, &here, &behind, &done);
        scope.spawn(move || {
            for round in 0_u64.. {
                if done.load(Ordering::Acquire) {
                    break;
                }
                env.advance(Duration::from_millis(100));
                for anchor in [here, behind] {
                    anchor.0.tails.age(anchor.now());
                    block_on(anchor.poll_heads()).unwrap();
                    if round % 8 == 0 {
                        anchor.0.tails.all().iter().for_each(|tail| tail.distrust());
                    }
                }
                thread::yield_now();
            }
        });
        let ended: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
}
