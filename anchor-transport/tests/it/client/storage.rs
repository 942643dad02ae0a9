//! Storage that the caller brings: what is unused becomes a new client, what is damaged is refused and left as it is.

use anchor_core::id::{RoomId, UserId};
use anchor_sim::disk::{Disk, Power};
use anchor_transport::client::OpenError;

use super::lockstep::Lockstep;

/// A state in which something is queued.
fn used(all: &mut Lockstep) -> Disk {
    let disk = Power::new().disk();
    let process = all.open(&disk).unwrap();
    drop(all.run(process.client.publish(&RoomId::lobby(), "queued")).unwrap());
    all.run(process.client.close());
    disk
}

#[test]
fn a_damaged_state_is_never_taken_for_an_unused_one() {
    let mut all = Lockstep::new(1);
    let whole = used(&mut all).bytes();
    let zeroed = |bytes: usize| [&vec![0; bytes], &whole[bytes..]].concat();
    let cut = |bytes: usize| whole[..bytes].to_vec();
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    let damaged = [
        ("its beginning is zeros", zeroed(16)),
        ("its first sector is zeros", zeroed(512)),
        ("its first page is zeros", zeroed(4096)),
        ("its first half is zeros", zeroed(whole.len() / 2)),
        ("all of it is zeros", zeroed(whole.len())),
        ("its first bit is another", flipped),
        ("only its magic is left", cut(16)),
        ("it ends in its header", cut(100)),
        ("it ends behind its header", cut(4096)),
        ("it ends in the middle", cut(whole.len() / 2)),
        ("it has no end", cut(whole.len() - 4096)),
    ];
    for (what, bytes) in damaged {
        let disk = Power::new().disk_with(&bytes);
        match all.open(&disk) {
            Err(OpenError::Damaged { directory, .. }) => assert_eq!(directory.to_str(), Some("disk")),
            Err(OpenError::Directory { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
        assert!(disk.bytes() == bytes, "{what}, and it was written to");
    }
}

#[test]
fn a_state_belongs_to_its_user() {
    let mut all = Lockstep::new(1);
    let store = all.store(None);
    all.up(&store);
    let disk = used(&mut all);
    let process = all.open(&disk).unwrap();
    all.run(process.client.flushed()).unwrap();
    all.run(process.client.close());
    match all.open_as("bob", &disk) {
        Err(OpenError::OtherUser { found, .. }) => assert_eq!(found, UserId::new("ada").unwrap()),
        other => panic!("{other:?}"),
    }
    assert_eq!(all.open(&disk).unwrap().client.pending(), 0);
}
