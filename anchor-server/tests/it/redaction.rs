//! What was redacted is in no file of a server: not in its logs, its index, its webhooks' records or anybody's own log.
//!
//! The real server has all of these at work, and each has met the words: the message waits for a webhook, is a dead letter of
//! another, mentions somebody, and is found. Then every byte of every file is looked at.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anchor_core::engine::ConsumerName;
use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::{Nonce, RoomId, Seq, UserId};
use anchor_core::publish::Ack;
use anchor_core::session::frame::{ClientFrame, From, PublishFrame, RequestId, ServerFrame};
use anchor_transport::codec::Encoding;
use rustix::process::Signal;

use crate::support::{Process, Wire, dead_letter, put, runs, soon};

/// An unusual word. Its bytes are not ASCII: the dictionary of words of an index packs those, and keeps others as they are.
const SECRET: &str = "ჭრიჭინობელა";

const ARGUMENTS: &[&str] = &["--admin=root", "--webhook-allow=127.0.0.1", "--webhook-http"];

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9/";

#[tokio::test(flavor = "multi_thread")]
async fn redacted_and_compacted_it_is_in_no_file_of_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut wire, said) = said_everywhere(directory.path()).await;
    redact(&mut wire, said).await;
    // As docs/guide/search.md has it: a commit, five seconds, and the time which the writing takes.
    until("it is in no file of the index", || !is_in_a_file(&directory.path().join("search"))).await;
    drop(wire);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    runs(&["compact", "--data", directory.path().to_str().unwrap()]).await;
    is_gone(directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compacted_it_is_in_no_file_though_the_server_was_killed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut wire, said) = said_everywhere(directory.path()).await;
    redact(&mut wire, said).await;
    server.signal(Signal::KILL);
    server.ended().await;
    assert!(is_in_a_file(&directory.path().join("search")), "the index had no time");
    let told = runs(&["compact", "--data", directory.path().to_str().unwrap()]).await;
    assert!(told.contains("the search index is up to date"), "{told}");
    is_gone(directory.path()).await;
}

/// A server where the word was said, and everything that follows the logs has met it.
async fn said_everywhere(data: &Path) -> (Process, Wire, Ack) {
    let dead = dead_letter(data, "dead", NOBODY, body()).await;
    let server = Process::start(data, ARGUMENTS).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    admin
        .send(&ClientFrame::ChangeWebhook { id: RequestId(1), change: Box::new(put("waits", NOBODY)) })
        .await;
    assert!(matches!(admin.frame().await, ServerFrame::Done { .. }));
    let mut wire = Wire::session(server.address, Encoding::Json, "ada").await;
    let said = publish(&mut wire, 1, Draft::message(body())).await;
    until("it is in the store", || is_in_a_file(data)).await;
    until("it is in the index", || is_in_a_file(&data.join("search"))).await;
    let bob = Wire::session(server.address, Encoding::Json, "bob").await;
    soon(is_mentioned(bob)).await;
    redact(&mut wire, dead).await;
    (server, wire, said)
}

fn body() -> Body {
    let mentions = Mentions::new(false, [user("bob")]).unwrap();
    Body::text(format!("my {SECRET}, for you alone")).mentioning(mentions)
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Publishes to the lobby.
async fn publish(wire: &mut Wire, seq: u64, draft: Draft) -> Ack {
    let seq = Seq::new(seq).unwrap();
    let (nonce, room) = (Nonce(7), RoomId::lobby());
    wire.send(&ClientFrame::Publish(PublishFrame { seq, nonce, waits: seq, room, draft, client_id: None }))
        .await;
    match wire.frame().await {
        ServerFrame::Ack(ack) => ack,
        other => panic!("no ack: {other:?}"),
    }
}

async fn redact(wire: &mut Wire, said: Ack) {
    let offset = said.mark.offset;
    let draft = Draft { kind: EventKind::REDACTION, target: Some(offset), body: Body::text("") };
    publish(wire, 100 + offset.0, draft).await;
}

/// Waits until the own log of `bob` has both mentions.
async fn is_mentioned(mut bob: Wire) {
    for id in 1.. {
        let room = RoomId::own_log(&user("bob"));
        bob.send(&ClientFrame::Subscribe { id: RequestId(id), room: room.clone(), from: From::Start }).await;
        loop {
            match bob.frame().await {
                ServerFrame::Subscribed { head, .. } if head.0 >= 2 => return,
                ServerFrame::Subscribed { .. } => break,
                _ => {}
            }
        }
        bob.send(&ClientFrame::Unsubscribe { id: RequestId(1_000 + id), room }).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Nothing of the word is left, and everything else is.
async fn is_gone(data: &Path) {
    assert!(!is_in_a_file(data), "it is in {:?}", files(data).into_iter().find(|(_, bytes)| has(bytes)));
    let server = Process::start(data, ARGUMENTS).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    let name = ConsumerName::new("dead").unwrap();
    admin.send(&ClientFrame::DeadLetters { id: RequestId(1), name, after: None, limit: 10 }).await;
    match admin.frame().await {
        ServerFrame::DeadLetterList { letters, .. } => assert_eq!(letters.len(), 1),
        other => panic!("{other:?}"),
    }
    let (id, text) = (RequestId(2), SECRET.to_owned());
    admin.send(&ClientFrame::Search { id, text, limit: 10, after: None }).await;
    match admin.frame().await {
        ServerFrame::Found { found, .. } => assert!(found.messages.is_empty(), "{found:?}"),
        other => panic!("{other:?}"),
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(40), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// True if a file below `directory` has the word.
fn is_in_a_file(directory: &Path) -> bool {
    files(directory).iter().any(|(_, bytes)| has(bytes))
}

/// As it is written, or as a dictionary of words has it, which is from its end to where it parts from other words, with a byte about
/// each byte.
fn has(bytes: &[u8]) -> bool {
    let end: Vec<u8> = SECRET.bytes().skip(SECRET.len() / 2).collect();
    let is_end = |bytes: &[u8]| bytes.iter().step_by(2).eq(end.iter().rev());
    bytes.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes())
        || bytes.windows(2 * end.len() - 1).any(is_end)
}

/// Every file below `directory`, with its bytes. One that goes away meanwhile is passed over.
fn files(directory: &Path) -> Vec<(Arc<Path>, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.extend(fs::read(&path).ok().map(|bytes| (path.into(), bytes))),
        }
    }
    found
}
