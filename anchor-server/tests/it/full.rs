//! A server whose disk is full: it starts, reads, says what waits, and stops.

use std::path::Path;

use anchor_core::code::Code;
use anchor_core::session::frame::{ClientFrame, RequestId, ServerFrame};
use anchor_transport::codec::Encoding;
use rustix::process::Signal;

use crate::support::{Process, Wire, put, soon};

const ARGUMENTS: &[&str] = &["--admin=root", "--webhook-allow=127.0.0.1", "--webhook-http"];

/// More than any disk has.
const FULL: &[&str] =
    &["--admin=root", "--webhook-allow=127.0.0.1", "--webhook-http", "--disk-reserve=1000TiB"];

#[tokio::test]
async fn with_webhooks_and_an_index_it_starts_and_stops() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), ARGUMENTS).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    assert_eq!(admin.change(put("hook", "http://127.0.0.1:9/")).await, Ok(()));
    admin.publish("lobby", "to the sea").await;
    while found(&mut admin).await != Ok(1) {}
    server.signal(Signal::KILL);
    server.ended().await;

    let server = Process::start(directory.path(), FULL).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    assert_eq!(soon(admin.webhooks()).await.len(), 1);
    assert_eq!(soon(found(&mut admin)).await, Ok(1), "what the index has is found");
    drop(admin);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));

    // Also one that has nothing yet.
    let empty = tempfile::tempdir().unwrap();
    let server = Process::start(empty.path(), FULL).await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn an_index_that_cannot_be_opened_now_keeps_no_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    lock_nobody_can_take(directory.path());
    let server = Process::start(directory.path(), ARGUMENTS).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    assert_eq!(found(&mut admin).await, Err(Code::StoreUnavailable));
    server.says("nothing can be searched for").await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

fn lock_nobody_can_take(data: &Path) {
    std::fs::create_dir_all(data.join("search/.tantivy-meta.lock")).unwrap();
}

/// How many messages are found.
async fn found(wire: &mut Wire) -> Result<usize, Code> {
    let (id, text) = (RequestId(7), "sea".to_owned());
    wire.send(&ClientFrame::Search { id, text, limit: 10, after: None }).await;
    match wire.frame().await {
        ServerFrame::Found { found, .. } => Ok(found.messages.len()),
        ServerFrame::Error { code, .. } => Err(code),
        other => panic!("{other:?}"),
    }
}
