//! Frames into bytes and back.

use std::hint::black_box;

use anchor_benches::sample;
use anchor_core::run::Run;
use anchor_core::session::frame::ServerFrame;
use anchor_transport::codec::Encoding;

use crate::Path;

/// Of each encoding: reading a publish, writing an ack, writing an `events` frame of 50 messages.
pub(crate) const PATHS: &[Path] = &[
    Path {
        name: "decode-publish-msgpack",
        per: "frame",
        operations: 1_000,
        prepare: |operations| decode_publish(Encoding::MessagePack, operations),
    },
    Path {
        name: "decode-publish-json",
        per: "frame",
        operations: 1_000,
        prepare: |operations| decode_publish(Encoding::Json, operations),
    },
    Path {
        name: "encode-ack-msgpack",
        per: "frame",
        operations: 1_000,
        prepare: |operations| encode_ack(Encoding::MessagePack, operations),
    },
    Path {
        name: "encode-ack-json",
        per: "frame",
        operations: 1_000,
        prepare: |operations| encode_ack(Encoding::Json, operations),
    },
    Path {
        name: "encode-events-msgpack",
        per: "frame of 50 messages",
        operations: 200,
        prepare: |operations| encode_events(Encoding::MessagePack, operations),
    },
    Path {
        name: "encode-events-json",
        per: "frame of 50 messages",
        operations: 200,
        prepare: |operations| encode_events(Encoding::Json, operations),
    },
];

fn decode_publish(encoding: Encoding, operations: usize) -> Box<dyn FnMut()> {
    let bytes = encoding.encode_client(&sample::publish_frame(123_456, 123_456, &sample::room(7)));
    repeated(operations, move || {
        black_box(encoding.decode_client(black_box(&bytes)).expect("a frame of a client"));
    })
}

fn encode_ack(encoding: Encoding, operations: usize) -> Box<dyn FnMut()> {
    let ack = ServerFrame::Ack(sample::ack());
    repeated(operations, move || {
        black_box(encoding.encode_server(black_box(&ack)));
    })
}

fn encode_events(encoding: Encoding, operations: usize) -> Box<dyn FnMut()> {
    let run = sample::run(50);
    repeated(operations, move || {
        // A run that was framed before would hand out its frame.
        black_box(encoding.encode_run(&Run::from_parts(black_box(&run).parts().clone())));
    })
}

fn repeated(operations: usize, mut run: impl FnMut() + 'static) -> Box<dyn FnMut()> {
    run();
    Box::new(move || (0..operations).for_each(|_| run()))
}
