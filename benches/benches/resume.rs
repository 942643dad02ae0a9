//! How long until a client that comes back has everything, by what it missed and by how long the log is?
//!
//! Time per client: from the accepted connection, over `hello` and `welcome`, until the last missed event is encoded; and
//! until the connection is gone again. One after another, each a client of its own, to one room that nobody else reads, so
//! that all of it comes from the store, opened anew. Its writer's thread takes part: it opens the client. Left out: sockets,
//! WebSocket frames.

use std::time::Instant;

use anchor::System;
use anchor_benches::connection::Connection;
use anchor_benches::{is_smoke, log, sample};
use anchor_core::engine::Anchor;
use anchor_transport::codec::Encoding;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn resume(criterion: &mut Criterion) {
    let logs: &[u64] = if is_smoke() { &[1_000, 20_000] } else { &[1_000, 100_000, 1_000_000] };
    for events in logs {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on a real disk");
        let room = sample::room(0);
        let mut writer = log::Writer::new(WRITERS, 100, vec![room.clone()]);
        let messages = usize::try_from(*events).expect("fewer events than 2^32");
        let store = log::restarted(dir.path(), System, |store| log::fill(store, &mut writer, messages));
        let anchor = Anchor::builder(store.clone(), System).build();
        let mut clients = 0..;

        let mut group = criterion.benchmark_group(format!("resume/log of {events}"));
        for missed in [0, 40, 10_000].into_iter().filter(|missed| missed < events) {
            group.sample_size(if missed > 1_000 { 10 } else { 50 });
            group.throughput(Throughput::Elements(missed.max(1)));
            let rooms = vec![(room.clone(), log::position(&store, &room, events - missed))];
            group.bench_function(format!("{missed} missed"), |bencher| {
                bencher.iter_custom(|count| {
                    let hello = |number| {
                        ENCODING.encode_client(&sample::hello(&sample::client(number), rooms.clone()))
                    };
                    let hellos: Vec<_> =
                        clients.by_ref().take(usize::try_from(count).expect("few")).map(hello).collect();
                    let started = Instant::now();
                    for hello in &hellos {
                        let mut connection = Connection::accept(&anchor, ENCODING);
                        connection.receive(hello);
                        connection.settle();
                        assert!(connection.take_written().events as u64 >= missed, "everything is delivered");
                    }
                    started.elapsed()
                });
            });
        }
        group.finish();
        store.close();
    }
}

/// Writers have numbers from here on, readers below.
const WRITERS: usize = 1_000_000_000;

const ENCODING: Encoding = Encoding::MessagePack;

criterion_group!(benches, resume);
criterion_main!(benches);
