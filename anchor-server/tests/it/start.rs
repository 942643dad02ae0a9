//! A server that starts as it should: what it says, and what it serves.

use std::path::Path;

use tempfile::tempdir;

use anchor_core::session::frame::ServerFrame;
use anchor_transport::codec::Encoding;

use crate::support::{Process, Wire, get, get_with, publish};

#[tokio::test]
async fn says_where_it_listens_and_serves_the_probes() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    assert_ne!(server.address.port(), 0);

    let health = get(server.address, "/healthz").await;
    assert_eq!((health.status, health.header("cache-control")), (200, "no-store"));
    let ready = get(server.address, "/readyz").await;
    assert_eq!(ready.status, 200);
    let report: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(report["status"], "ready");

    let nothing = get(server.address, "/nothing").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.body.contains("/v1/ws"), "{}", nothing.body);
}

#[tokio::test]
async fn says_on_stderr_where_the_data_lie_which_auth_holds_and_what_to_type() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("chat");
    let server = Process::start(&data, &["--log", "off", "--log-format", "human"]).await;
    let said = server.says("next").await;
    let next = format!("anchor-cli --server ws://{}", server.address);
    for part in [data.to_str().unwrap(), "open: anyone may take any name", &next] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}

#[tokio::test]
async fn logs_json_where_nobody_looks() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--log", "warn"]).await;
    let said = server.says("serving").await;
    let line: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(line["auth"], "open");
    assert_eq!(Path::new(line["data"].as_str().unwrap()), directory.path());
    assert!(line["next"].as_str().unwrap().contains(&server.address.to_string()), "{line}");
}

#[tokio::test]
async fn logs_no_body_however_fine_the_log() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--log", "trace,tungstenite=trace"]).await;
    for encoding in Encoding::ALL {
        Wire::session(server.address, encoding, "ada").await.publish("lobby", "a-well-kept-secret").await;
    }
    server.signal(rustix::process::Signal::TERM);
    let said = server.says("stopped").await;
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "the log is fine: {said}");
    let secret = "a-well-kept-secret";
    let in_hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!said.contains(secret) && !said.to_ascii_lowercase().contains(&in_hex), "{said}");
}

#[tokio::test]
async fn serves_the_page_with_its_policy() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;

    let page = get(server.address, "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.body.contains("<!doctype html>") && page.body.contains("chat.js"));
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "style-src 'sha256-", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{rule} is missing in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    // The policy allows what the page holds: one style sheet, and no script or style of its own.
    assert_eq!(page.body.matches("<style").count(), 1);
    assert_eq!(
        page.body.matches("<script").count(),
        page.body.matches("<script type=\"module\" src=").count()
    );
    assert!(!page.body.contains(" style=") && !page.body.contains(" onclick="));
    assert_eq!(page.header("x-content-type-options"), "nosniff");

    let module = get(server.address, "/chat.js").await;
    assert_eq!((module.status, module.header("content-type")), (200, "text/javascript; charset=utf-8"));
}

#[tokio::test]
async fn a_page_that_the_browser_has_is_not_sent_again() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let page = get(server.address, "/").await;
    assert_eq!(page.header("cache-control"), "no-cache");
    let again = get_with(server.address, "/", &[("If-None-Match", page.header("etag"))]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = get_with(server.address, "/", &[("If-None-Match", "\"other\"")]).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn the_probe_names_a_full_disk() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--disk-reserve", "1000TiB"]).await;
    let ready = get(server.address, "/readyz").await;
    assert_eq!(ready.status, 503);
    let report: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(report["status"], "disk_full");
    assert_eq!(get(server.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn rooms_come_into_being_unless_that_is_forbidden() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--create-rooms=false"]).await;
    let mut wire = Wire::session(server.address, Encoding::Json, "ada").await;
    wire.send(&publish(1, "lobby", "hello")).await;
    match wire.frame().await {
        ServerFrame::Refused { code, .. } => assert_eq!(code.name(), "room_unknown"),
        other => panic!("{other:?}"),
    }
}
