//! How long does a page of history take: 50 messages from a random place in the logs of many rooms?
//!
//! Time per page, from the request to the decoded events, in one thread, from the store on disk, once every page was read
//! before. `alone`: nothing else happens. `beside 5,000 publishes/s`: another thread appends five messages to these rooms
//! each millisecond. Left out: sockets, and the encoding of the `page` frame (see `codec`).

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anchor::System;
use anchor_benches::{is_smoke, log, sample};
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::engine::Anchor;
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::session::frame::{HistoryRange, RequestId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

fn pages(criterion: &mut Criterion) {
    let events = if is_smoke() { 100 } else { 2_000 };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on a real disk");
    let rooms: Vec<RoomId> = (0..ROOMS).map(sample::room).collect();
    let mut writer = log::Writer::new(0, ROOMS, rooms.clone());
    let store = log::restarted(dir.path(), System, |store| log::fill(store, &mut writer, ROOMS * events));
    let mut reader = Reader {
        anchor: Anchor::builder(store.clone(), System).build(),
        rooms,
        events,
        dice: SplitMix64::new(7),
    };

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

/// Somebody who pages at random.
struct Reader {
    anchor: Anchor,
    rooms: Vec<RoomId>,
    events: usize,
    dice: SplitMix64,
}

impl Reader {
    fn page(&mut self) {
        let room =
            &self.rooms[usize::try_from(self.dice.below(ROOMS as u64)).expect("fewer rooms than 2^32")];
        let before = 51 + self.dice.below(self.events as u64 - 50);
        let range = HistoryRange::BeforeOffset(Offset(before));
        let page = block_on(self.anchor.history(RequestId(1), room, range, 50)).expect("the log can be read");
        assert_eq!(page.events.len(), 50, "the page is full");
        black_box(page);
    }
}

/// Rooms that are paged through.
const ROOMS: usize = 100;

criterion_group!(benches, pages);
criterion_main!(benches);
