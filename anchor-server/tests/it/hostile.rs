//! Whatever comes over a socket gets a named answer, and hurts no other connection.

use anchor_core::limits::FRAME_IN_BYTES_MAX;
use anchor_core::session::frame::ServerFrame;
use anchor_transport::codec::Encoding;
use futures::SinkExt;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Process, Wire, exchange, get, hello, publish, soon};

const BINARY: u8 = 0x82;
const TEXT: u8 = 0x81;

/// A WebSocket frame as it stands on the wire, with an announced length of its own and a mask that changes nothing.
fn raw(first: u8, announced: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 127];
    frame.extend(announced.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn whole(first: u8, payload: &[u8]) -> Vec<u8> {
    raw(first, payload.len() as u64, payload)
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_their_own_session_by_name() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut witness = Wire::session(server.address, Encoding::MessagePack, "witness").await;
    let (packed, json) = (Encoding::MessagePack, Encoding::Json);
    let cases: [(&str, Encoding, Vec<u8>, &str); 12] = [
        ("no MessagePack", packed, whole(BINARY, &[0xc1, 0xff, 0x00]), "malformed"),
        ("an empty frame", packed, whole(BINARY, &[]), "malformed"),
        ("an array of four billion", packed, whole(BINARY, &[0xdd, 0xff, 0xff, 0xff, 0xff]), "malformed"),
        ("text for binary", packed, whole(TEXT, b"[\"hello\"]"), "malformed"),
        ("no JSON", json, whole(TEXT, b"{]"), "malformed"),
        ("nested without end", json, whole(TEXT, "[".repeat(100_000).as_bytes()), "malformed"),
        ("binary for text", json, whole(BINARY, b"[\"hello\"]"), "malformed"),
        ("invalid UTF-8", json, whole(TEXT, &[b'"', 0xff, b'"']), "malformed"),
        ("a frame of a gigabyte", packed, raw(BINARY, 1 << 30, &[]), "too_large"),
        ("a frame without mask", packed, vec![BINARY, 1, 0], "malformed"),
        ("a reserved opcode", packed, whole(0x83, &[]), "malformed"),
        ("a reserved bit", packed, whole(0xc2, &[]), "malformed"),
    ];
    for (what, encoding, bytes, code) in cases {
        for greeted in [false, true] {
            let mut wire = match greeted {
                true => Wire::session(server.address, encoding, "mallory").await,
                false => Wire::connect(server.address, encoding).await,
            };
            soon(wire.socket.get_mut().write_all(&bytes)).await.unwrap();
            assert_eq!(wire.goodbye().await.0, code, "{what}, after hello: {greeted}");
        }
        witness.publish("lobby", "unhurt").await;
    }
}

#[tokio::test]
async fn a_message_in_too_many_pieces_is_too_large() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::MessagePack, "mallory").await;
    let piece = vec![0; 64 * 1024];
    let mut bytes = whole(0x02, &piece);
    (0..8).for_each(|_| bytes.extend(whole(0x00, &piece)));
    soon(wire.socket.get_mut().write_all(&bytes)).await.unwrap();
    assert_eq!(wire.goodbye().await.0, "too_large");
}

/// What the peer has sent beyond the fault must not cost it the reason.
#[tokio::test]
async fn a_frame_that_is_sent_in_full_is_too_large_and_no_reset() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::MessagePack, "mallory").await;
    let bytes = whole(BINARY, &vec![0; 40 * FRAME_IN_BYTES_MAX]);
    soon(wire.socket.get_mut().write_all(&bytes)).await.unwrap();
    assert_eq!(wire.goodbye().await.0, "too_large");
}

#[tokio::test]
async fn frames_in_the_wrong_order() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    for encoding in Encoding::ALL {
        let mut early = Wire::connect(server.address, encoding).await;
        early.send(&publish(1, "lobby", "before hello")).await;
        assert_eq!(early.goodbye().await.0, "out_of_order");

        let mut twice = Wire::session(server.address, encoding, "ada").await;
        twice.send(&hello("ada")).await;
        assert_eq!(twice.goodbye().await.0, "out_of_order");
    }
}

#[tokio::test]
async fn a_hello_with_nonsense() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let id = "00112233445566778899aabbccddeeff";
    for (what, text) in [
        ("no client id", r#"["hello",null,"ada",null,1]"#.to_owned()),
        ("a short client id", r#"["hello",null,"ada","0011",1]"#.to_owned()),
        ("a client id that is no hex", format!(r#"["hello",null,"ada","{}",1]"#, "z".repeat(32))),
        ("a user with a line break", format!(r#"["hello",null,"a\nb","{id}",1]"#)),
        ("an endless user", format!(r#"["hello",null,"{}","{id}",1]"#, "a".repeat(10_000))),
        ("a negative waits", format!(r#"["hello",null,"ada","{id}",-1]"#)),
        ("a waits beyond 2^53", format!(r#"["hello",null,"ada","{id}",18446744073709551615]"#)),
        ("rooms that are a number", format!(r#"["hello",null,"ada","{id}",1,[],7]"#)),
        (
            "a room that breaks the rules",
            format!(r#"["hello",null,"ada","{id}",1,[],[["No Room",[null,0,null]]]]"#),
        ),
        ("an object", r#"{"hello":1}"#.to_owned()),
        ("a type that nobody knows", r#"["hallo"]"#.to_owned()),
    ] {
        let mut wire = Wire::connect(server.address, Encoding::Json).await;
        soon(wire.socket.send(Message::text(text))).await.unwrap();
        let (code, _) = wire.goodbye().await;
        assert!(matches!(code, "malformed" | "invalid" | "unsupported"), "{what}: {code}");
    }
    let mut nobody = Wire::connect(server.address, Encoding::Json).await;
    let nameless = format!(r#"["hello",null,null,"{id}",1]"#);
    soon(nobody.socket.send(Message::text(nameless))).await.unwrap();
    assert_eq!(nobody.goodbye().await.0, "auth");
    Wire::session(server.address, Encoding::Json, "ada").await.publish("lobby", "all is well").await;
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_answered_and_the_session_goes_on() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::Json, "ada").await;
    for (text, expected) in [
        (r#"["nonsense",7]"#, "unsupported"),
        (r#"["subscribe",7,"No Room","start"]"#, "invalid"),
        (r#"["unsubscribe",7,"lobby"]"#, "not_subscribed"),
    ] {
        soon(wire.socket.send(Message::text(text))).await.unwrap();
        match wire.frame().await {
            ServerFrame::Error { code, .. } => assert_eq!(code.name(), expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    wire.publish("lobby", "and goes on").await;
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    assert_eq!(exchange(server.address, b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n").await.status, 400);
    assert_eq!(exchange(server.address, b"GET / HTTP/9.9\r\n\r\n").await.status, 400);
    let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(exchange(server.address, endless.as_bytes()).await.status, 431);
    assert_eq!(
        exchange(server.address, b"POST /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .status,
        405
    );
    assert_eq!(get(server.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn connections_that_ask_for_nothing_are_closed() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut idle = Vec::new();
    for said in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        idle.push(stream);
    }
    for mut stream in idle {
        // The server closes on its own; whether it says 408 before is its business.
        let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    }
}

#[tokio::test]
async fn connections_that_vanish_leave_nothing_behind() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--max-connections", "2"]).await;
    for _ in 0..20 {
        let mut wire = loop {
            // The place of the one before is given back once the server has seen that it is gone.
            match crate::support::handshake(server.address, "anchor.v1.msgpack", &[]).await {
                Ok((socket, _)) => break socket,
                Err(refused) => assert_eq!(refused.status(), 503),
            }
        };
        soon(wire.get_mut().write_all(&raw(BINARY, 100, b"half"))).await.unwrap();
    }
    loop {
        match crate::support::handshake(server.address, "anchor.v1.msgpack", &[]).await {
            Ok(_) => break,
            Err(refused) => assert_eq!(refused.status(), 503),
        }
    }
}
