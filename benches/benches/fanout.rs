//! What does it cost that a commit reaches every reader of its room, before any session or socket?
//!
//! Time per commit of so many messages of 128 bytes to one room with so many feeds, in one thread, over the store in memory:
//! appending, the tail, waking every mailbox, and each feed's two steps, the delivery and the wait; its frame is made once.
//! Divided by the feeds it is the time per delivery; `0 feeds` is what appending costs alone, to take off where they are few.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchor::System;
use anchor_benches::{log, sample, timed};
use anchor_core::engine::{Anchor, Feed, Mailbox, Slot, Step, Watcher};
use anchor_core::memory::MemoryStore;
use anchor_core::publish::Publish;
use anchor_core::session::frame::From;
use anchor_core::store::Store;
use anchor_transport::codec::Encoding;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use futures::task::noop_waker_ref;

fn fanout(criterion: &mut Criterion) {
    for messages in [1, 8, 64] {
        let mut group = criterion.benchmark_group(format!("fanout/commit of {messages}"));
        group.sample_size(20);
        for feeds in [0, 1, 100, 1_000, 10_000] {
            group.throughput(Throughput::Elements(feeds.max(1)));
            group.bench_function(format!("{feeds} feeds"), |bencher| {
                let make = |commits| Room::new(feeds, commits, messages);
                bencher.iter_custom(|commits| timed(commits, make, Room::commit));
            });
        }
        group.finish();
    }
}

/// A room, its readers, and what is to be committed to it.
struct Room {
    anchor: Anchor,
    readers: Vec<(Arc<Mailbox>, Feed)>,
    batches: std::vec::IntoIter<Vec<Publish>>,
}

impl Room {
    fn new(feeds: u64, commits: usize, messages: usize) -> Self {
        let anchor = Anchor::builder(MemoryStore::new(System), System).build();
        let room = sample::room(0);
        let mut writer = log::Writer::new(0, 100, vec![room.clone()]);
        let batches: Vec<Vec<Publish>> = (0..commits).map(|_| writer.batch(messages)).collect();
        let reader = |_| {
            let mailbox = Mailbox::new();
            let watcher = Watcher::new(mailbox.clone(), Slot(0), None);
            let opened = block_on(anchor.open(&room, From::Start, watcher)).expect("the room opens");
            let mut feed = opened.feed;
            assert!(matches!(feed.step(), Step::Wait), "the room is empty");
            (mailbox, feed)
        };
        let readers = (0..feeds).map(reader).collect();
        Self { anchor, readers, batches: batches.into_iter() }
    }

    fn commit(&mut self) {
        let batch = self.batches.next().expect("a batch for each commit");
        block_on(self.anchor.store().append(batch)).expect("the append goes through");
        let mut cx = Context::from_waker(noop_waker_ref());
        for (mailbox, feed) in &mut self.readers {
            let Poll::Ready(post) = mailbox.poll_take(&mut cx) else { panic!("every reader is woken") };
            black_box(post);
            while let Step::Deliver(run) = feed.step() {
                black_box(Encoding::MessagePack.encode_run(&run));
            }
        }
    }
}

criterion_group!(benches, fanout);
criterion_main!(benches);
