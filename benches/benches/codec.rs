//! What does it cost to turn a frame into bytes and back, in each encoding?
//!
//! Time per frame, in one thread, without sockets: a publish and an ack as a busy session handles them (body of 128 bytes
//! of text), and an `events` frame of 50 such events as it goes out to every reader. `run` is what delivery does for the
//! first reader of a run; later ones share its bytes. Allocation and freeing of the results is included.

use std::hint::black_box;

use anchor_core::chain::Link;
use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal};
use anchor_core::publish::{Ack, Durability};
use anchor_core::run::{Run, RunBuilder};
use anchor_core::session::frame::{ClientFrame, PublishFrame, ServerFrame};
use anchor_transport::codec::Encoding;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn codec(criterion: &mut Criterion) {
    for encoding in Encoding::ALL {
        let name = if encoding.is_text() { "json" } else { "msgpack" };
        let mut group = criterion.benchmark_group(format!("codec/{name}"));

        let publish = ClientFrame::Publish(publish());
        let bytes = encoding.encode_client(&publish);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("publish/encode", |b| b.iter(|| encoding.encode_client(black_box(&publish))));
        group.bench_function("publish/decode", |b| b.iter(|| encoding.decode_client(black_box(&bytes))));

        let ack = ServerFrame::Ack(ack());
        let bytes = encoding.encode_server(&ack);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("ack/encode", |b| b.iter(|| encoding.encode_server(black_box(&ack))));
        group.bench_function("ack/decode", |b| b.iter(|| encoding.decode_server(black_box(&bytes))));

        let run = run();
        let bytes = encoding.encode_run(&run);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("run of 50/encode", |b| {
            // A run that was framed before would hand out its frame.
            b.iter_batched(
                || Run::from_parts(run.parts().clone()),
                |run| encoding.encode_run(&run),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("events of 50/decode", |b| b.iter(|| encoding.decode_server(black_box(&bytes))));
        group.finish();
    }
}

fn publish() -> PublishFrame {
    let number = Seq::new(123_456).expect("a seq");
    let (nonce, room) = (Nonce(0xdead_beef), RoomId::lobby());
    PublishFrame { seq: number, nonce, waits: number, room, draft: Draft::message(text()), client_id: None }
}

fn ack() -> Ack {
    Ack {
        seq: Seq::new(123_456).expect("a seq"),
        room: RoomId::lobby(),
        epoch: Epoch::from_bytes([7; 8]),
        mark: Mark { offset: Offset(654_321), ordinal: Ordinal(654_000), chain: Chain::from_bytes([9; 8]) },
        ts: 1_766_400_000_000,
        duplicate: false,
        durability: Durability::Disk,
    }
}

fn run() -> Run {
    let mut builder = RunBuilder::new(RoomId::lobby(), Epoch::from_bytes([7; 8]), Mark::START);
    let user = UserId::new("ada").expect("a user id");
    let body = Body::text(text());
    for number in 1..=50 {
        let link = Link {
            kind: EventKind::MESSAGE,
            user: &user,
            client: ClientTag::from_bytes([3; 8]),
            seq: Seq::new(number).expect("a seq"),
            nonce: Nonce(0xdead_beef),
            ts: 1_766_400_000_000,
            target: None,
        };
        builder.push(&link, &body, &[1; 16]);
    }
    builder.finish().expect("50 events were pushed")
}

/// 128 bytes with a quote in them, as people write.
fn text() -> String {
    let text = "\"Nothing acknowledged is lost, repeated or reordered\", she said. ";
    text.repeat(2).chars().take(128).collect()
}

criterion_group!(benches, codec);
criterion_main!(benches);
