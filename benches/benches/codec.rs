//! What does it cost to turn a frame into bytes and back, in each encoding?
//!
//! Time per frame, in one thread, without sockets: a publish and an ack as a busy session handles them (body of 128 bytes
//! of text), and an `events` frame of 50 such events as it goes out to every reader. `run` is what delivery does for the
//! first reader of a run; later ones share its bytes. Allocation and freeing of the results is included.

use std::hint::black_box;

use anchor_benches::sample;
use anchor_core::run::Run;
use anchor_core::session::frame::ServerFrame;
use anchor_transport::codec::Encoding;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn codec(criterion: &mut Criterion) {
    for encoding in Encoding::ALL {
        let name = if encoding.is_text() { "json" } else { "msgpack" };
        let mut group = criterion.benchmark_group(format!("codec/{name}"));

        let publish = sample::publish_frame(123_456, 123_456, &sample::room(7));
        let bytes = encoding.encode_client(&publish);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("publish/encode", |b| b.iter(|| encoding.encode_client(black_box(&publish))));
        group.bench_function("publish/decode", |b| b.iter(|| encoding.decode_client(black_box(&bytes))));

        let ack = ServerFrame::Ack(sample::ack());
        let bytes = encoding.encode_server(&ack);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("ack/encode", |b| b.iter(|| encoding.encode_server(black_box(&ack))));
        group.bench_function("ack/decode", |b| b.iter(|| encoding.decode_server(black_box(&bytes))));

        let run = sample::run(50);
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

criterion_group!(benches, codec);
criterion_main!(benches);
