//! How many messages a second are durable, by the size of the batch, the number of rooms, and of those who append?
//!
//! Units: batches; elements are messages of 128 bytes, each acked after its commit. Two syncs of a real disk are in every
//! figure that paging takes part in. Included: deciding, journalling, paging behind it, making the publishes. Excluded:
//! sockets, codecs, sessions. One caller hands over a batch when the one before is acked, so each commit has that many
//! messages; four callers share commits.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anchor::System;
use anchor_benches::{log, sample};
use anchor_core::store::Store;
use anchor_store::RedbStore;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.sample_size(20).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_secs(1));
    for (batch, rooms, callers) in CASES {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on a real disk");
        let store = RedbStore::open(dir.path(), System).expect("the store opens");
        let room_ids: Vec<_> = (0..*rooms).map(sample::room).collect();
        // Each has its own clients, and one message of each on its way at most.
        let caller = |number| log::Writer::new(number * CLIENTS, CLIENTS.max(*batch), room_ids.clone());
        let mut writers: Vec<log::Writer> = (0..*callers).map(caller).collect();
        group.throughput(Throughput::Elements(*batch as u64));
        group.bench_function(format!("{batch} messages, {rooms} rooms, {callers} callers"), |bencher| {
            bencher.iter_custom(|batches| {
                let each = batches.div_ceil(*callers as u64);
                let started = Instant::now();
                std::thread::scope(|scope| {
                    for writer in &mut writers {
                        let store = &store;
                        scope.spawn(move || (0..each).for_each(|_| append_one(store, writer, *batch)));
                    }
                });
                // Where batches cannot be shared out evenly more were made than were asked for.
                started.elapsed().mul_f64(batches as f64 / (each * *callers as u64) as f64)
            });
        });
        store.close();
    }
    group.finish();
}

fn append_one(store: &RedbStore, writer: &mut log::Writer, batch: usize) {
    let outcomes = block_on(store.append(writer.batch(batch))).expect("the append goes through");
    log::check(&outcomes);
    black_box(outcomes);
}

/// Messages of a batch, rooms that they go to, callers.
const CASES: &[(usize, usize, usize)] = &[
    (1, 1, 1),
    (8, 1, 1),
    (64, 1, 1),
    (1_024, 1, 1),
    (1, 1_000, 1),
    (8, 1_000, 1),
    (64, 1_000, 1),
    (1_024, 1_000, 1),
    (64, 1_000, 4),
];

/// Clients of one caller.
const CLIENTS: usize = 1_024;

criterion_group!(benches, append);
criterion_main!(benches);
