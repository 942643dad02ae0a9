//! Storage that the caller brings: what is unused becomes a new client, what is damaged is refused and left as it is.

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::id::{RoomId, UserId};
use anchor_sim::disk::{At, Disk, Fault, Power};
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

/// Cut at every write and sync of the first opening, many times over: what is torn there is torn in many ways.
#[test]
fn a_first_opening_that_is_cut_short_is_begun_anew() {
    let mut all = Lockstep::new(1);
    let counts = {
        let disk = Power::new().disk();
        let process = all.open(&disk).unwrap();
        let counts = disk.power().counts();
        all.kill(&process);
        counts
    };
    let moments = (1..=counts.writes).map(At::Write).chain((1..=counts.syncs).map(At::Sync));
    for (number, moment) in (0..).zip(moments) {
        for seed in 0..24 {
            let disk = Power::new().disk();
            disk.power().arm(moment, Fault::PowerOff);
            assert!(all.open(&disk).is_err(), "{moment:?}");
            disk.power().crash(&mut SplitMix64::new(seed * 1_000 + number));
            let process = all.open(&disk).unwrap_or_else(|error| panic!("{moment:?}, {seed}: {error:?}"));
            assert_eq!(process.client.pending(), 0);
            all.kill(&process);
        }
    }
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
