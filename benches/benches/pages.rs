//! How long does a page of history take: 50 messages from a random place in the logs of many rooms?
//!
//! Time per page, over one session, from the bytes of the request to those of the page, from the store on disk, whose
//! threads read. `alone`: nothing else happens. `beside 5,000 publishes/s`: another thread appends five messages to these rooms
//! each millisecond. Left out: sockets, WebSocket frames.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anchor::System;
use anchor_benches::connection::Connection;
use anchor_benches::{is_smoke, log, sample};
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::engine::Anchor;
use anchor_core::id::RoomId;
use anchor_transport::codec::Encoding;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn pages(criterion: &mut Criterion) {
    let events = if is_smoke() { 100 } else { 2_000 };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on a real disk");
    let rooms: Vec<RoomId> = (0..ROOMS).map(sample::room).collect();
    let mut writer = log::Writer::new(0, ROOMS, rooms.clone());
    let store = log::restarted(dir.path(), System, |store| log::fill(store, &mut writer, ROOMS * events));
    let anchor = Anchor::builder(store.clone(), System).build();
    let hello = sample::hello(&sample::client(READER), Vec::new());
    let mut connection = Connection::open(&anchor, ENCODING, &hello);
    connection.take_written();
    let mut reader = Reader { connection, rooms, events: events as u64, dice: SplitMix64::new(7) };

    let mut group = criterion.benchmark_group("pages of 50");
    group.throughput(Throughput::Elements(1));
    group.bench_function("alone", |bencher| bencher.iter(|| reader.page()));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut due = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                log::fill(&store, &mut writer, 5);
                due += Duration::from_millis(1);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        group.bench_function("beside 5,000 publishes/s", |bencher| bencher.iter(|| reader.page()));
        is_over.store(true, Ordering::Relaxed);
    });
    group.finish();
    store.close();
}

/// Somebody who pages at random, one page after another.
struct Reader {
    connection: Connection,
    rooms: Vec<RoomId>,
    events: u64,
    dice: SplitMix64,
}

impl Reader {
    fn page(&mut self) {
        let room =
            &self.rooms[usize::try_from(self.dice.below(ROOMS as u64)).expect("fewer rooms than 2^32")];
        let before = 51 + self.dice.below(self.events - 50);
        self.connection.receive(&ENCODING.encode_client(&sample::history_frame(room, before, 50)));
        self.connection.settle();
        assert_eq!(self.connection.take_written().answers, 1, "every request is answered");
    }
}

/// Rooms that are paged through.
const ROOMS: usize = 100;

/// A client that has written nothing.
const READER: usize = 1_000_000;

const ENCODING: Encoding = Encoding::MessagePack;

criterion_group!(benches, pages);
criterion_main!(benches);
