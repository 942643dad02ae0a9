//! Publishing, delivering and idling: bytes in at one connection, bytes out at others.

use anchor_benches::connection::Connection;
use anchor_benches::publisher::Publisher;
use anchor_benches::{log, sample};
use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::engine::Anchor;
use anchor_core::memory::MemoryStore;
use anchor_core::position::Position;
use anchor_transport::codec::Encoding;

use crate::Path;

/// The first over the store on disk, the others over the one in memory: there the session's share is the larger one.
pub(crate) const PATHS: &[Path] = &[
    Path {
        name: "publish",
        per: "publish of 64 in a commit, durably stored",
        operations: 6_400,
        prepare: commit,
    },
    Path {
        name: "publish-memory",
        per: "publish that comes alone, stored in memory",
        operations: 2_000,
        prepare: |publishes| publish(publishes, 1),
    },
    Path {
        name: "publish-memory-8",
        per: "publish of eight that come together, stored in memory",
        operations: 4_000,
        prepare: |publishes| publish(publishes, 8),
    },
    Path {
        name: "deliver",
        per: "delivery of one message to one of 1,000 readers",
        operations: 10_000,
        prepare: |deliveries| deliver(deliveries, 1),
    },
    Path {
        name: "deliver-8",
        per: "delivery of eight messages of one commit to one of 1,000 readers",
        operations: 10_000,
        prepare: |deliveries| deliver(deliveries, 8),
    },
    Path {
        name: "idle",
        per: "beat to a session with 10 rooms and no news",
        operations: 2_000,
        prepare: idle,
    },
];

/// Each of 64 sessions publishes to a room of its own, one commit takes them all: until the last ack is encoded.
fn commit(publishes: usize) -> Box<dyn FnMut()> {
    let store = log::stepped(env());
    let anchor = Anchor::builder(store.clone(), env()).build();
    let commits = publishes / PUBLISHERS;
    let mut publishers: Vec<Publisher> = (0..PUBLISHERS)
        .map(|number| {
            Publisher::new(&anchor, ENCODING, number, &sample::room(number), 1, COMMITS_WARM + commits)
        })
        .collect();
    let step = move || {
        store.step_writer().expect("the writer works");
    };
    publishers.iter_mut().for_each(|publisher| publisher.open(&step));
    let mut commit = move |commits| {
        for _ in 0..commits {
            publishers.iter_mut().for_each(Publisher::send);
            step();
            publishers.iter_mut().for_each(Publisher::take_acks);
        }
    };
    commit(COMMITS_WARM);
    Box::new(move || commit(commits))
}

/// Until the ack is encoded, to a room that nobody reads.
fn publish(publishes: usize, together: usize) -> Box<dyn FnMut()> {
    let anchor = Anchor::builder(MemoryStore::new(env()), env()).build();
    let mut publisher = Publisher::new(&anchor, ENCODING, 0, &sample::room(1), together, WARM + publishes);
    publisher.open(|| {});
    let mut publish = move |publishes| (0..publishes / together).for_each(|_| publisher.publish());
    publish(WARM);
    Box::new(move || publish(publishes))
}

/// Until the last reader has the frame. The publishing is in it, and shared by all of them.
fn deliver(deliveries: usize, messages: usize) -> Box<dyn FnMut()> {
    let anchor = Anchor::builder(MemoryStore::new(env()), env()).build();
    let (room, commits) = (sample::room(1), deliveries / READERS);
    let mut publisher = Publisher::new(&anchor, ENCODING, 0, &room, messages, (1 + commits) * messages);
    publisher.open(|| {});
    let reader = |number| {
        let hello = sample::hello(&sample::client(number), vec![(room.clone(), Position::START)]);
        Connection::open(&anchor, ENCODING, &hello)
    };
    let mut readers: Vec<Connection> = (1..=READERS).map(reader).collect();
    let mut deliver = move |commits| {
        for _ in 0..commits {
            publisher.publish();
            for reader in &mut readers {
                reader.turn();
                assert_eq!(reader.take_written().events, messages, "a reader gets every message");
            }
        }
    };
    deliver(1);
    Box::new(move || deliver(commits))
}

/// From the alarm to the bytes of the beat.
fn idle(beats: usize) -> Box<dyn FnMut()> {
    let anchor = Anchor::builder(MemoryStore::new(env()), env()).build();
    let rooms = (0..10).map(|number| (sample::room(number), Position::START)).collect();
    let mut connection = Connection::open(&anchor, ENCODING, &sample::hello(&sample::client(1), rooms));
    connection.take_written();
    let mut idle = move |beats| {
        for _ in 0..beats {
            connection.alive();
            connection.tick();
            connection.turn();
            assert_eq!(connection.take_written().answers, 1, "an idle session sends a beat");
        }
    };
    idle(1);
    Box::new(move || idle(beats))
}

pub(crate) const ENCODING: Encoding = Encoding::MessagePack;

pub(crate) fn env() -> TestEnvironment {
    TestEnvironment::new(7)
}

const READERS: usize = 1_000;

const PUBLISHERS: usize = 64;

/// Publishes before the count begins. Source: chosen; the window of the client has found its size.
const WARM: usize = 512;

/// Commits before the count begins. Source: chosen; as many as `append` makes.
const COMMITS_WARM: usize = 40;
