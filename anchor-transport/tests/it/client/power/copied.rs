//! A state that somebody copied: what was queued before is settled under the old id, what is new goes out under another.
//! Lines that were queued after the copy may change order among themselves, see decision 0006.

use anchor_core::id::RoomId;
use anchor_core::memory::Snapshot;
use anchor_sim::disk::{Disk, Power};
use anchor_transport::client::Client;

use super::{Known, Strike, Struck, at_every_moment, lines};
use crate::client::lockstep::{Lockstep, texts};

#[test]
fn a_clone_that_is_struck_while_it_settles_appends_nothing_twice() {
    for more in [0, 1, 3] {
        let (bytes, snapshot) = copied(more);
        at_every_moment(|strike, seed| live(&bytes, snapshot.clone(), strike, seed));
    }
}

/// A state in which five lines are queued, and a store that has the first three of them from its copy, and `more` lines of
/// the copy's own. Without those it is no clone to anybody; one has the seq of its fourth line, and lets the server forget the
/// outcomes of the first three; with three the copy has gone further than the state ever did.
fn copied(more: u64) -> (Vec<u8>, Snapshot) {
    let mut all = Lockstep::new(0);
    let store = all.store(None);
    let disk = Power::new().disk();
    let process = all.open(&disk).unwrap();
    let queue = |all: &mut Lockstep, client: &Client, line: u64| {
        all.run(client.publish(&RoomId::lobby(), line.to_string())).unwrap()
    };
    for line in 1..=3 {
        drop(queue(&mut all, &process.client, line));
    }
    all.run(process.client.close());
    let copy = disk.copy(&Power::new());
    let process = all.open(&disk).unwrap();
    for line in 4..=5 {
        drop(queue(&mut all, &process.client, line));
    }
    all.run(process.client.close());
    all.up(&store);
    let process = all.open(&copy).unwrap();
    all.run(process.client.flushed()).unwrap();
    for line in 101..101 + more {
        let publishing = queue(&mut all, &process.client, line);
        all.run(publishing).unwrap();
    }
    all.run(process.client.close());
    (disk.bytes(), store.snapshot())
}

fn live(bytes: &[u8], snapshot: Snapshot, strike: Option<Strike>, seed: u64) -> Disk {
    let mut all = Lockstep::new(seed + 1);
    let disk = Power::new().disk_with(bytes);
    let store = all.store(Some(snapshot));
    let before = lines(&texts(&store));
    let mut known = Known::default();
    known.newest.set(5);
    known.asked.extend(1..=5);
    known.queued.extend(1..=5);
    if let Some(strike) = strike {
        strike.arm(disk.power(), seed);
    }
    all.up(&store);
    if let Ok(process) = all.open(&disk) {
        let ended = all.run(script(&process.client, &mut known));
        assert!(ended.is_ok() || strike.is_some());
        all.kill(&process);
    }
    if let Some(strike) = strike {
        strike.end(disk.power(), seed);
    }
    all.down();
    let process = all.open(&disk).unwrap_or_else(|error| panic!("{strike:?}, {seed}: {error:?}"));
    let client = &process.client;
    all.run(known.check_opened(client, &lines(&texts(&store))));
    all.up(&store);
    all.run(async {
        known.publish(client).await.unwrap().await.unwrap();
        client.flushed().await.unwrap();
    });
    let log = lines(&texts(&store));
    assert!(log.starts_with(&before));
    let ours: Vec<_> = log.into_iter().filter(|line| *line < 100).collect();
    all.run(known.check_end(client, &ours));
    disk
}

async fn script(client: &Client, known: &mut Known) -> Result<(), Struck> {
    known.publish_at_once(client, 2).await?;
    client.flushed().await.map_err(|_| Struck)?;
    known.publish(client).await?.await.map_err(|_| Struck)?;
    known.save_cursor(client).await
}
