//! Bytes that nobody should send: each is an error or a frame, none a panic, and none costs what it announces.

use anchor_core::code::Code;
use anchor_core::limits::{FRAME_IN_BYTES_MAX, RESUME_ROOMS_MAX};
use anchor_core::session::frame::{ClientFrame, RequestId};
use anchor_transport::codec::Encoding;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::vectors::{Frame, Sample, Sender, frames};

/// Decodes as either side would. What is read must survive being written.
fn feed(encoding: Encoding, bytes: &Bytes) {
    for sender in [Sender::Client, Sender::Server] {
        match sender.decode(encoding, bytes) {
            Ok(frame) => assert_eq!(sender.decode(encoding, &frame.encode(encoding)), Ok(frame)),
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        Encoding::ALL.into_iter().for_each(|encoding| feed(encoding, &bytes));
    }

    #[test]
    fn random_fields_behind_a_known_type(kind in 0..64_u8, rest in vec(any::<u8>(), 0..100)) {
        let bytes = [vec![0x9a, kind], rest].concat();
        feed(Encoding::MessagePack, &bytes.into());
    }

    #[test]
    fn random_values_behind_a_known_type(
        kind in select(anchor_transport::codec::FrameKind::ALL),
        values in vec(json_value(), 0..10),
    ) {
        feed(Encoding::Json, &format!("[\"{}\",{}]", kind.name(), values.join(",")).into());
    }

    #[test]
    fn random_text_of_the_right_alphabet(tokens in vec(select(TOKENS), 0..40)) {
        feed(Encoding::Json, &tokens.concat().into());
    }
}

#[test]
fn every_frame_cut_short_is_refused() {
    for sample in frames() {
        let Sample { name, sender, .. } = &sample;
        for (encoding, bytes) in sample.bytes() {
            for length in 0..bytes.len() {
                let error = sender.decode(encoding, &bytes.slice(..length)).expect_err(name);
                assert_eq!(
                    (error.code, error.id),
                    (Code::Malformed, None),
                    "{name}, {encoding:?}, {length}: {error}"
                );
            }
        }
    }
}

#[test]
fn every_frame_with_something_behind_it_is_refused() {
    for sample in frames() {
        let Sample { name, sender, .. } = &sample;
        for (encoding, bytes) in sample.bytes() {
            for more in [&b"\0"[..], b"1", b"]", b"null", bytes] {
                let longer = Bytes::from([bytes, more].concat());
                let error = sender.decode(encoding, &longer).expect_err(name);
                assert_eq!(error.code, Code::Malformed, "{name}, {encoding:?}: {error}");
            }
        }
    }
}

#[test]
fn every_bit_of_every_frame_turned_over() {
    for sample in frames() {
        for (encoding, bytes) in sample.bytes() {
            for bit in 0..8 * bytes.len() {
                let mut turned = bytes.to_vec();
                turned[bit / 8] ^= 1 << (bit % 8);
                feed(encoding, &turned.into());
            }
        }
    }
}

#[test]
fn every_byte_of_every_frame_replaced_by_a_marker() {
    for Sample { msgpack, .. } in frames() {
        for at in 0..msgpack.len() {
            for marker in [
                0x00, 0x7f, 0x80, 0x90, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9, 0xcb, 0xcf, 0xd3, 0xdb, 0xdd,
                0xdf, 0xff,
            ] {
                let mut replaced = msgpack.to_vec();
                replaced[at] = marker;
                feed(Encoding::MessagePack, &replaced.into());
            }
        }
    }
}

#[test]
fn nesting_costs_no_stack() {
    let depth = FRAME_IN_BYTES_MAX;
    let deep = |open: &str, inside: &str| {
        Bytes::from(format!("[\"beat\",{}{inside}", open.repeat(depth / open.len())))
    };
    for bytes in [deep("[", ""), deep("{\"a\":", ""), deep("[", &"]".repeat(depth + 1))] {
        refused(Encoding::Json, &bytes);
    }
    for marker in [0x91, 0x81, 0xdc, 0xdd, 0xde, 0xdf] {
        refused(Encoding::MessagePack, &[vec![0x92, 0x09], vec![marker; depth]].concat().into());
    }
}

#[test]
fn lists_of_the_cheapest_entries_are_cut_off() {
    // As many entries as one frame can hold.
    let empty = "\"\",".repeat(FRAME_IN_BYTES_MAX / 3);
    let hello = format!("[\"hello\",null,null,\"{}\",1,[{empty}\"\"]]", "00".repeat(16));
    refused(Encoding::Json, &hello.into());
    let mut hello = b"\x97\x01\xc0\xc0\xc4\x10aaaaaaaaaaaaaaaa\x01\xdd\x00\x08\x00\x00".to_vec();
    hello.resize(hello.len() + (1 << 19), 0xa0);
    hello.push(0x90);
    refused(Encoding::MessagePack, &hello.into());

    let room = |number: usize| format!("[\"r{number}\",[null,0]]");
    let resume =
        |rooms: usize| format!("[\"resume\",7,[{}]]", (0..rooms).map(room).collect::<Vec<_>>().join(","));
    assert!(Encoding::Json.decode_client(&resume(RESUME_ROOMS_MAX).into()).is_ok());
    let error = Encoding::Json.decode_client(&resume(RESUME_ROOMS_MAX + 1).into()).expect_err("too many");
    assert_eq!((error.code, error.id), (Code::TooManyRooms, Some(RequestId(7))));
}

#[test]
fn a_small_body_does_not_keep_a_large_frame() {
    let padding = "x".repeat(FRAME_IN_BYTES_MAX - 100);
    let json = format!(r#"["publish",1,7,1,"lobby",[1,null,null,"hello"],null,"{padding}"]"#);
    let mut msgpack =
        b"\x98\x05\x01\x07\x01\xa5lobby\x94\x01\xc0\xc0\xa5hello\xc0\xdb\x00\x07\xff\x9c".to_vec();
    msgpack.extend(padding.as_bytes());
    for (encoding, bytes) in
        [(Encoding::Json, Bytes::from(json)), (Encoding::MessagePack, Bytes::from(msgpack))]
    {
        let Ok(ClientFrame::Publish(publish)) = encoding.decode_client(&bytes) else {
            panic!("{encoding:?}")
        };
        assert_eq!(publish.draft.body.as_text(), Some("hello"));
        let shared = bytes.as_ptr_range().contains(&publish.draft.body.bytes().as_ptr());
        assert!(!shared, "{encoding:?}: five bytes keep half a megabyte");
    }
}

#[test]
fn frames_of_the_other_encoding_are_refused() {
    for Sample { name, sender, msgpack, json } in frames() {
        assert!(sender.decode(Encoding::MessagePack, &json).is_err(), "{name}");
        assert!(sender.decode(Encoding::Json, &msgpack).is_err(), "{name}");
    }
}

fn refused(encoding: Encoding, bytes: &Bytes) {
    let read: Result<Frame, _> = Sender::Client.decode(encoding, bytes);
    assert_eq!(read.expect_err("hostile").code, Code::Malformed);
}

/// A value of some depth, as text.
fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(
            &[
                "null",
                "true",
                "0",
                "1",
                "-1",
                "1.5",
                "1e9",
                "9007199254740991",
                "9007199254740992",
                "{}",
                "[]"
            ][..]
        )
        .prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        select(&["lobby", "ada", "start", "after", "newest", "trimmed", "disk", "8f1c2d3e4a5b6c7d"][..])
            .prop_map(|text| format!("\"{text}\"")),
        "[A-Za-z0-9+/=]{0,12}".prop_map(|digits| format!("{{\"b64\":\"{digits}\"}}")),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        vec(inner, 0..13).prop_map(|values| format!("[{}]", values.join(",")))
    })
}

const TOKENS: &[&str] = &[
    "[",
    "]",
    ",",
    "{",
    "}",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "1",
    "-",
    ".",
    "e",
    " ",
    "\n",
    "\"b64\"",
    "\"beat\"",
    "\"subscribe\"",
    "\"lobby\"",
    "\\u",
    "d800",
    "\u{0}",
    "é",
];
