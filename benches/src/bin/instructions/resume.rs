//! Coming back: from the accepted connection, over `hello` and `welcome`, until everything that was missed is written.

use anchor_benches::connection::{Connection, Written};
use anchor_benches::{log, sample};
use anchor_core::engine::Anchor;
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::Position;
use bytes::Bytes;

use crate::Path;
use crate::session::{ENCODING, env};

/// What a storm of reconnects is made of.
pub(crate) const PATHS: &[Path] = &[
    Path {
        name: "resume-head",
        per: "client that missed nothing in 10 rooms",
        operations: 200,
        prepare: head,
    },
    Path {
        name: "resume-tail",
        per: "client that missed 40 messages, in memory",
        operations: 200,
        prepare: tail,
    },
    Path {
        name: "resume-pages",
        per: "client that missed 40 messages, stored",
        operations: 200,
        prepare: |clients| pages(clients, MISSED),
    },
    Path {
        name: "catchup",
        per: "client that missed 10,000 messages, stored",
        operations: 5,
        prepare: |clients| pages(clients, 10_000),
    },
];

/// To rooms that others read.
fn head(clients: usize) -> Box<dyn FnMut()> {
    let store = MemoryStore::new(env());
    let anchor = Anchor::builder(store.clone(), env()).build();
    let rooms: Vec<RoomId> = (0..10).map(sample::room).collect();
    log::fill(&store, &mut log::Writer::new(OTHERS, 10, rooms.clone()), 1_000);
    let heads = rooms.iter().map(|room| (room.clone(), log::position(&store, room, 100))).collect();
    Arrivals::new(anchor, clients, heads).counted(clients, 0, || {})
}

/// To a room that others read, so that its tail has what was missed.
fn tail(clients: usize) -> Box<dyn FnMut()> {
    let store = MemoryStore::new(env());
    let anchor = Anchor::builder(store.clone(), env()).build();
    let room = sample::room(1);
    let hello = sample::hello(&sample::client(OTHERS), vec![(room.clone(), Position::START)]);
    let mut reader = Connection::open(&anchor, ENCODING, &hello);
    log::fill(&store, &mut log::Writer::new(OTHERS, 10, vec![room.clone()]), 1_000);
    reader.settle();
    let before = log::position(&store, &room, 1_000 - MISSED);
    Arrivals::new(anchor, clients, vec![(room, before)]).counted(clients, MISSED, move || {
        // It keeps the tail.
        let _ = &reader;
    })
}

/// To a room of a store that was opened anew: the first arrival finds its pages, the others find them cached.
fn pages(clients: usize, missed: u64) -> Box<dyn FnMut()> {
    let store = log::stepped(env());
    let anchor = Anchor::builder(store.clone(), env()).build();
    let room = sample::room(1);
    let mut writer = log::Writer::new(OTHERS, 10, vec![room.clone()]);
    let head = missed.next_multiple_of(100) + 1_000;
    log::commit(&store, (0..head / 100).map(|_| writer.batch(100)));
    log::move_to_pages(&store);
    let before = log::position(&store, &room, head - missed);
    Arrivals::new(anchor, clients, vec![(room, before)]).counted(clients, missed, move || {
        store.step_writer().expect("the writer works");
    })
}

/// Clients that come back with the same rooms, one after another, and stay.
struct Arrivals {
    anchor: Anchor,
    hellos: std::vec::IntoIter<Bytes>,
    arrived: Vec<Connection>,
}

impl Arrivals {
    fn new(anchor: Anchor, clients: usize, rooms: Vec<(RoomId, Position)>) -> Self {
        let hello = |number| ENCODING.encode_client(&sample::hello(&sample::client(number), rooms.clone()));
        let hellos: Vec<Bytes> = (0..WARM + clients).map(hello).collect();
        Self { anchor, hellos: hellos.into_iter(), arrived: Vec::with_capacity(WARM + clients) }
    }

    /// Lets some come already; then `clients` more. Each gets so many events; `drive` drives the store.
    fn counted(mut self, clients: usize, events: u64, mut drive: impl FnMut() + 'static) -> Box<dyn FnMut()> {
        let mut arrive = move |clients| {
            for hello in self.hellos.by_ref().take(clients) {
                let mut connection = Connection::accept(&self.anchor, ENCODING);
                connection.receive(&hello);
                while connection.turn() {
                    drive();
                }
                let Written { answers, events: written, .. } = connection.take_written();
                assert_eq!((answers, written as u64 >= events), (1, true), "welcome, and what was missed");
                self.arrived.push(connection);
            }
        };
        arrive(WARM);
        Box::new(move || arrive(clients))
    }
}

const MISSED: u64 = 40;

/// Clients that are there already have numbers from here on.
const OTHERS: usize = 100_000;

/// Clients that come before the count begins.
const WARM: usize = 20;
