//! The frame against the codec of the protocol.

use anchor_core::session::frame::ClientFrame;
use anchor_transport::codec::Encoding;
use bytes::Bytes;

use super::*;
use crate::command::bench::net::Nanos;

/// The codec of the protocol reads what is written here.
#[test]
fn the_frame_is_a_publish() {
    let mut writer = PublishWriter::new(Bodies::new(128));
    for number in [1, 200, 1 << 40] {
        let mark = Mark { author: 3, number, due: Nanos(5) };
        let room = RoomId::new("bench-1").unwrap();
        let frame = Bytes::copy_from_slice(writer.write(mark, number - 1, &room));
        let ClientFrame::Publish(publish) = Encoding::MessagePack.decode_client(&frame).unwrap() else {
            panic!("another frame");
        };
        assert_eq!((publish.seq.get(), publish.waits.get(), &publish.room), (number, number - 1, &room));
        let body = publish.draft.body;
        assert_eq!((body.bytes().len(), Mark::read(body.as_text().unwrap())), (128, Some(mark)));
    }
}
