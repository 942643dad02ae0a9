//! Every combination of page, host and address that matters.

use axum::http::{HeaderMap, HeaderValue, header};

use super::Origins;
use crate::config::Layers;

fn check(listen: &str, allowed: &[&str], origin: Option<&str>, host: &str) -> bool {
    let mut arguments = vec!["anchor-server".to_owned()];
    arguments.extend(allowed.iter().map(|origin| format!("--allow-origin={origin}")));
    let flags = crate::CommandLine::parse_arguments(arguments).unwrap();
    let allowed = Layers::new(flags, []).resolve().unwrap().allow_origins;
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    if let Some(origin) = origin {
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    Origins::default().allow(allowed).listening_on(listen.parse().unwrap()).check(&headers).is_ok()
}

const LOOPBACK: &str = "127.0.0.1:3000";
const WORLD: &str = "0.0.0.0:3000";

#[test]
fn a_program_without_origin_may_connect() {
    assert!(check(LOOPBACK, &[], None, "127.0.0.1:3000"));
    assert!(check(WORLD, &[], None, "anything"));
}

#[test]
fn a_page_of_the_same_host_may_connect() {
    assert!(check(LOOPBACK, &[], Some("http://127.0.0.1:3000"), "127.0.0.1:3000"));
    assert!(check(LOOPBACK, &[], Some("http://localhost:3000"), "localhost:3000"));
    assert!(check(LOOPBACK, &[], Some("http://[::1]:3000"), "[::1]:3000"));
    assert!(check(WORLD, &[], Some("https://chat.example.org"), "chat.example.org"));
    assert!(check(WORLD, &[], Some("https://Chat.example.org"), "chat.EXAMPLE.org:443"));
}

#[test]
fn a_page_of_another_host_may_not() {
    assert!(!check(WORLD, &[], Some("https://evil.example"), "chat.example.org"));
    assert!(!check(WORLD, &[], Some("https://chat.example.org:8443"), "chat.example.org"));
    assert!(!check(LOOPBACK, &[], Some("http://127.0.0.1:8080"), "127.0.0.1:3000"));
    assert!(!check(LOOPBACK, &[], Some("null"), "127.0.0.1:3000"));
    assert!(!check(LOOPBACK, &[], Some("file://127.0.0.1:3000"), "127.0.0.1:3000"));
}

#[test]
fn a_name_pointed_at_loopback_is_not_the_same_host() {
    assert!(!check(LOOPBACK, &[], Some("http://evil.example:3000"), "evil.example:3000"));
    assert!(check(
        LOOPBACK,
        &["http://proxy.example:3000"],
        Some("http://proxy.example:3000"),
        "proxy.example:3000"
    ));
}

#[test]
fn allowed_origins_may_connect() {
    let allowed = &["https://app.example.org", "http://localhost:5173"];
    assert!(check(WORLD, allowed, Some("https://app.example.org"), "chat.example.org"));
    assert!(check(WORLD, allowed, Some("http://localhost:5173"), "chat.example.org"));
    assert!(!check(WORLD, allowed, Some("http://app.example.org"), "chat.example.org"));
    assert!(check(WORLD, &["*"], Some("https://anywhere.example"), "chat.example.org"));
}
