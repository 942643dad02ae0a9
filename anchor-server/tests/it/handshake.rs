//! Who gets a WebSocket, and what the others are told.

use anchor_transport::codec::Encoding;
use tempfile::tempdir;

use crate::support::{Process, Wire, get, get_with, handshake};

#[tokio::test]
async fn both_encodings_are_spoken() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    for (user, encoding) in [("ada", Encoding::MessagePack), ("bob", Encoding::Json)] {
        let mut wire = Wire::session(server.address, encoding, user).await;
        let ack = wire.publish("lobby", "hello").await;
        assert!(!ack.duplicate);
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_told_why() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let upgrade = [("Connection", "upgrade"), ("Upgrade", "websocket")];
    let version = ("Sec-WebSocket-Version", "13");
    let protocol = ("Sec-WebSocket-Protocol", "anchor.v1.json");

    let plain = get(server.address, "/v1/ws").await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, "websocket"));

    let old = [upgrade[0], upgrade[1], key, protocol, ("Sec-WebSocket-Version", "8")];
    let old = get_with(server.address, "/v1/ws", &old).await;
    assert_eq!((old.status, old.header("sec-websocket-version")), (426, "13"));

    let keyless = [upgrade[0], upgrade[1], version, protocol];
    assert_eq!(get_with(server.address, "/v1/ws", &keyless).await.status, 400);
    let odd = [upgrade[0], upgrade[1], version, protocol, ("Sec-WebSocket-Key", "short")];
    assert_eq!(get_with(server.address, "/v1/ws", &odd).await.status, 400);

    let token = [upgrade[0], upgrade[1], version, protocol, key];
    let token = get_with(server.address, "/v1/ws?token=secret", &token).await;
    assert_eq!(token.status, 400);
    assert!(token.body.contains("hello"), "{}", token.body);
    assert!(!token.body.contains("secret"));
}

#[tokio::test]
async fn a_common_subprotocol_is_needed() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    for offered in ["", "anchor.v9.json", "chat"] {
        let refused = handshake(server.address, offered, &[]).await.unwrap_err();
        assert_eq!(refused.status(), 400);
        let body = String::from_utf8(refused.into_body().unwrap_or_default()).unwrap();
        assert!(body.contains("anchor.v1.msgpack"), "{body}");
    }
    let (_, answer) =
        handshake(server.address, "chat, anchor.v1.json, anchor.v1.msgpack", &[]).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "anchor.v1.json");
}

#[tokio::test]
async fn pages_of_other_hosts_are_refused() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--allow-origin", "https://app.example"]).await;
    let own = format!("http://{}", server.address);
    for origin in [own.as_str(), "https://app.example"] {
        assert!(handshake(server.address, "anchor.v1.json", &[("origin", origin)]).await.is_ok(), "{origin}");
    }
    for origin in ["https://evil.example", "null"] {
        let refused = handshake(server.address, "anchor.v1.json", &[("origin", origin)]).await.unwrap_err();
        assert_eq!(refused.status(), 403, "{origin}");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--max-connections", "1"]).await;
    let mut only = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    let refused = handshake(server.address, "anchor.v1.json", &[]).await.unwrap_err();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    // The probes and the one that is in are not hurt.
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    only.publish("lobby", "still here").await;
}
