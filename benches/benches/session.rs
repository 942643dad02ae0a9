//! What does a session cost its server: from the bytes of a client's frame to the bytes of the answer?
//!
//! Time per turn of one session, in one thread, over the store in memory, in each encoding. `publish`: so many publishes of
//! 128 bytes that come together, until their acks are encoded. `deliver`: one commit of so many messages, made by another
//! session, which is included, until 100 readers have its frame: time per commit. `hello`: from the accepted connection to
//! the `welcome` of a client that resumes so many rooms at their heads. Left out: sockets, WebSocket frames, waking.

use anchor::System;
use anchor_benches::connection::Connection;
use anchor_benches::publisher::Publisher;
use anchor_benches::{ROUND, log, sample, timed};
use anchor_core::engine::Anchor;
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::Position;
use anchor_transport::codec::Encoding;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn session(criterion: &mut Criterion) {
    for encoding in Encoding::ALL {
        let name = if encoding.is_text() { "json" } else { "msgpack" };
        publish(criterion, name, encoding);
        deliver(criterion, name, encoding);
        hello(criterion, name, encoding);
    }
}

fn publish(criterion: &mut Criterion, name: &str, encoding: Encoding) {
    let mut group = criterion.benchmark_group(format!("session/{name}/publish"));
    for together in [1, 8, 64] {
        group.throughput(Throughput::Elements(together as u64));
        group.bench_function(together.to_string(), |bencher| {
            let make = |turns: usize| publisher(&house(), encoding, together, turns);
            bencher.iter_custom(|turns| timed(turns, make, Publisher::publish));
        });
    }
    group.finish();
}

fn deliver(criterion: &mut Criterion, name: &str, encoding: Encoding) {
    let mut group = criterion.benchmark_group(format!("session/{name}/deliver to {READERS}"));
    for messages in [1, 8, 64] {
        group.throughput(Throughput::Elements(READERS as u64));
        group.bench_function(messages.to_string(), |bencher| {
            let make = |commits: usize| {
                let anchor = house();
                let rooms = vec![(sample::room(0), Position::START)];
                let hello = |number| sample::hello(&sample::client(number), rooms.clone());
                let reader = |number| Connection::open(&anchor, encoding, &hello(number));
                let readers: Vec<Connection> = (1..=READERS).map(reader).collect();
                (publisher(&anchor, encoding, messages, commits), readers)
            };
            bencher.iter_custom(|commits| {
                timed(commits, make, |(publisher, readers)| {
                    publisher.publish();
                    readers.iter_mut().for_each(|reader| assert!(!reader.turn(), "nothing is waited for"));
                })
            });
        });
    }
    group.finish();
}

fn hello(criterion: &mut Criterion, name: &str, encoding: Encoding) {
    let mut group = criterion.benchmark_group(format!("session/{name}/hello"));
    let rooms: Vec<RoomId> = (0..ROOMS_MAX).map(sample::room).collect();
    let store = MemoryStore::new(System);
    log::fill(&store, &mut log::Writer::new(ROUND, 10, rooms.clone()), ROOMS_MAX * 10);
    let heads: Vec<(RoomId, Position)> =
        rooms.iter().map(|room| (room.clone(), log::position(&store, room, 10))).collect();
    let anchor = Anchor::builder(store, System).build();
    for rooms in [0, 1, 10, ROOMS_MAX] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{rooms} rooms"), |bencher| {
            let make = |clients| {
                let hello = |number| sample::hello(&sample::client(number), heads[..rooms].to_vec());
                let hellos = (0..clients).map(|number| encoding.encode_client(&hello(number)));
                (hellos.collect::<Vec<_>>().into_iter(), Vec::with_capacity(clients))
            };
            bencher.iter_custom(|clients| {
                timed(clients, make, |(hellos, arrived)| {
                    let mut connection = Connection::accept(&anchor, encoding);
                    connection.receive(&hellos.next().expect("a hello for each"));
                    assert!(!connection.turn(), "nothing is waited for");
                    arrived.push(connection);
                })
            });
        });
    }
    group.finish();
}

fn house() -> Anchor {
    Anchor::builder(MemoryStore::new(System), System).build()
}

fn publisher(anchor: &Anchor, encoding: Encoding, together: usize, turns: usize) -> Publisher {
    let mut publisher = Publisher::new(anchor, encoding, 0, &sample::room(0), together, turns * together);
    publisher.open(|| {});
    publisher
}

const READERS: usize = 100;

const ROOMS_MAX: usize = 100;

criterion_group!(benches, session);
criterion_main!(benches);
