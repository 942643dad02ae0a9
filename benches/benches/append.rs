//! How many messages a second are durable, in batches of 64 across 1,000 rooms?
//!
//! Units: messages of 128 bytes, each acked after its commit; two syncs of a real disk are in every figure that paging
//! takes part in. Included: making the publishes, deciding, journalling, paging behind it. Excluded: sockets, codecs,
//! sessions. `one caller` hands over a batch when the one before is acked, so each commit has 64 messages; `four callers`
//! share commits.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anchor::System;
use anchor_core::event::{Body, Draft};
use anchor_core::id::{ClientId, ClientKey, Nonce, RoomId, Seq, UserId};
use anchor_core::publish::{MissingRoom, Outcome, Publish, Verdict};
use anchor_core::store::Store;
use anchor_store::RedbStore;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

/// Somebody who publishes one batch after another.
struct Caller {
    clients: Vec<(ClientKey, u64)>,
    rooms: Vec<RoomId>,
    body: Body,
    turn: usize,
}

impl Caller {
    fn new(number: u8) -> Self {
        let client = |at: usize| {
            let mut id = [number; 16];
            id[..8].copy_from_slice(&at.to_be_bytes());
            let user = UserId::new(format!("user-{number}-{at}")).expect("a user id");
            (ClientKey { user, id: ClientId::from_bytes(id) }, 0)
        };
        Self {
            clients: (0..CLIENTS).map(client).collect(),
            rooms: (0..ROOMS).map(|at| RoomId::new(format!("room-{at}")).expect("a room id")).collect(),
            body: Body::text("x".repeat(BODY_BYTES)),
            turn: usize::from(number) * 7,
        }
    }

    fn batch(&mut self) -> Vec<Publish> {
        (0..BATCH)
            .map(|_| {
                self.turn += 1;
                let (client, seq) = &mut self.clients[self.turn % CLIENTS];
                *seq += 1;
                Publish {
                    client: client.clone(),
                    session: None,
                    seq: Seq::new(*seq).expect("a seq"),
                    nonce: Nonce(7),
                    waits: Seq::new(*seq).expect("a seq"),
                    // A prime step: neighbours in a batch are in different rooms, and all rooms come in turn.
                    room: self.rooms[self.turn * 389 % ROOMS].clone(),
                    draft: Draft::message(self.body.clone()),
                    verdict: Verdict::Append { room: MissingRoom::Create },
                }
            })
            .collect()
    }

    fn run(&mut self, store: &RedbStore, batches: u64) {
        for _ in 0..batches {
            let outcomes = block_on(store.append(self.batch())).expect("the append goes through");
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Acked(ack) if !ack.duplicate)));
            black_box(outcomes);
        }
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(20).measurement_time(Duration::from_secs(10)).warm_up_time(Duration::from_secs(2));
    for (name, count) in [("one caller", 1), ("four callers", 4)] {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on a real disk");
        let store = RedbStore::open(dir.path(), System).expect("the store opens");
        let mut callers: Vec<Caller> = (0..count).map(Caller::new).collect();
        group.bench_function(format!("{BATCH} messages, {ROOMS} rooms, {name}"), |bencher| {
            bencher.iter_custom(|batches| {
                let each = batches.div_ceil(u64::from(count));
                let started = Instant::now();
                std::thread::scope(|scope| {
                    for caller in &mut callers {
                        let store = &store;
                        scope.spawn(move || caller.run(store, each));
                    }
                });
                // Where batches cannot be shared out evenly more were made than were asked for.
                let made = u32::try_from(each * u64::from(count)).expect("fewer batches than 2^32");
                started.elapsed() * u32::try_from(batches).expect("fewer batches than 2^32") / made
            });
        });
        store.close();
    }
    group.finish();
}

/// Messages of a batch.
const BATCH: usize = 64;
/// Rooms that they go to.
const ROOMS: usize = 1_000;
/// Clients of one caller; each has one message on its way at most.
const CLIENTS: usize = 500;
/// Bytes of a message's body.
const BODY_BYTES: usize = 128;

criterion_group!(benches, append);
criterion_main!(benches);
