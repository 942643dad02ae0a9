//! The end of a server by a signal.

use anchor_transport::codec::Encoding;
use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Process, Wire};

#[tokio::test]
async fn a_signal_says_goodbye_with_slots_and_exits_with_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempdir().unwrap();
        let arguments = ["--back-in", "3s", "--return-rate", "1"];
        let server = Process::start(directory.path(), &arguments).await;
        let mut ada = Wire::session(server.address, Encoding::MessagePack, "ada").await;
        let mut bob = Wire::session(server.address, Encoding::Json, "bob").await;
        // Has not even said hello.
        let mut nobody = Wire::connect(server.address, Encoding::Json).await;
        let ack = ada.publish("lobby", "before the end").await;

        server.signal(signal);
        let mut slots = Vec::new();
        for wire in [&mut ada, &mut bob, &mut nobody] {
            let (code, after) = wire.goodbye().await;
            assert_eq!(code, "shutdown");
            slots.push(after.unwrap());
        }
        slots.sort_unstable();
        assert_eq!(slots, [3_000, 4_000, 5_000]);
        drop((ada, bob, nobody));
        assert_eq!(server.ended().await, Some(0));

        let again = Process::start(directory.path(), &[]).await;
        let mut ada = Wire::session(again.address, Encoding::MessagePack, "ada").await;
        let next = ada.publish("lobby", "after it").await;
        assert_eq!(next.mark.offset.0, ack.mark.offset.0 + 1);
        assert_eq!(next.epoch, ack.epoch);
    }
}

#[tokio::test]
async fn a_server_without_clients_ends_at_once() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--drain", "1h"]).await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_without_waiting() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--drain", "1h"]).await;
    // Never answers the close, so that the server waits for it.
    let _deaf = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    let code = server.ended().await;
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
}
