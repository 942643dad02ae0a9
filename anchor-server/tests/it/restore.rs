//! `anchor-server restore`, on a copy of an older directory, and `compact`.

use anchor_transport::codec::Encoding;
use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Process, Wire, fails, runs};

#[tokio::test]
async fn every_room_begins_a_new_epoch() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    let before = wire.publish("lobby", "in the copy").await;
    wire.publish("kitchen", "in the copy too").await;
    drop(wire);

    let data = directory.path().to_str().unwrap();
    let (code, said) = fails(&["restore", "--data", data], &[]).await;
    assert_eq!(code, 4, "a server that runs holds it: {said}");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));

    let said = runs(&["restore", "--data", data]).await;
    assert!(said.contains("2 rooms"), "{said}");

    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    let after = wire.publish("lobby", "after it").await;
    assert_eq!(after.mark.offset.0, before.mark.offset.0 + 1);
    assert_ne!(after.epoch, before.epoch);
}

#[tokio::test]
async fn what_is_not_there_is_not_made() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("wrong");
    let (code, said) = fails(&["restore", "--data", data.to_str().unwrap()], &[]).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("--data"), "{said}");
    assert!(!data.exists());
}

#[tokio::test]
async fn a_compacted_directory_holds_what_it_held() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    let before = wire.publish("lobby", "before").await;
    drop(wire);

    let data = directory.path().to_str().unwrap();
    let (code, said) = fails(&["compact", "--data", data], &[]).await;
    assert_eq!(code, 4, "a server that runs holds it: {said}");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));

    let said = runs(&["compact", "--data", data]).await;
    assert!(said.contains("MB before"), "{said}");

    let server = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    let after = wire.publish("lobby", "after").await;
    assert_eq!((after.mark.offset.0, after.epoch), (before.mark.offset.0 + 1, before.epoch));
}
