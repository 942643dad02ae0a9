//! The pieces of a handshake that need no socket.

use axum::http::{HeaderMap, HeaderValue, header};

use super::*;

fn offers(lines: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
    }
    headers
}

#[test]
fn the_clients_order_decides_the_encoding() {
    assert_eq!(encoding(&offers(&["anchor.v1.json, anchor.v1.msgpack"])), Some(Encoding::Json));
    assert_eq!(
        encoding(&offers(&["anchor.v9.cbor", "anchor.v1.msgpack,anchor.v1.json"])),
        Some(Encoding::MessagePack)
    );
    assert_eq!(encoding(&offers(&["chat"])), None);
    assert_eq!(encoding(&offers(&[])), None);
}

#[test]
fn a_key_is_sixteen_bytes() {
    assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
    assert!(!is_key(b"dGhlIHNhbXBsZQ=="));
    assert!(!is_key(b"not base64"));
    assert!(!is_key(b""));
}

#[test]
fn tokens_in_queries_are_found() {
    assert!(holds_token("token=x"));
    assert!(holds_token("room=a&Access_Token=x"));
    assert!(!holds_token("room=token"));
    assert!(!holds_token(""));
}
