//! One client from its first opening: it publishes, loses a server to an older backup, decides, closes and opens again.

use anchor_core::memory::MemoryStore;
use anchor_sim::disk::{Disk, Power};
use anchor_transport::client::Client;

use super::{Known, Strike, Struck, at_every_moment, lines};
use crate::client::lockstep::{Lockstep, Process, texts};

#[test]
fn what_was_queued_saved_and_decided_outlives_every_fault() {
    at_every_moment(live);
}

fn live(strike: Option<Strike>, seed: u64) -> Disk {
    let mut all = Lockstep::new(seed);
    let disk = Power::new().disk();
    let store = all.store(None);
    let mut known = Known::default();
    if let Some(strike) = strike {
        strike.arm(disk.power(), seed);
    }
    let ended = script(&mut all, &disk, &store, &mut known);
    match strike {
        None => ended.unwrap(),
        Some(strike) => strike.end(disk.power(), seed),
    }
    all.down();
    let next = all.open(&disk).unwrap_or_else(|error| panic!("{strike:?}, {seed}: {error:?}"));
    let client = &next.client;
    all.run(known.check_opened(client, &lines(&texts(&store))));
    all.up(&store);
    all.run(async {
        known.publish(client).await.unwrap().await.unwrap();
        known.save_cursor(client).await.unwrap();
        client.flushed().await.unwrap();
    });
    let log = lines(&texts(&store));
    all.run(known.check_end(client, &log));
    let for_the_first_time = log.iter().filter(|line| !known.resent.contains(line));
    assert!(for_the_first_time.is_sorted(), "not in the order of the calls: {log:?}");
    disk
}

/// What happens while nothing goes wrong.
fn script(all: &mut Lockstep, disk: &Disk, store: &MemoryStore, known: &mut Known) -> Result<(), Struck> {
    all.up(store);
    let process = all.open(disk).map_err(|_| Struck)?;
    let result = first_day(all, &process, store, known);
    if result.is_ok() {
        all.run(process.client.close());
    }
    all.kill(&process);
    result?;
    let process = all.open(disk).map_err(|_| Struck)?;
    let result = all.run(second_day(&process.client, known));
    all.kill(&process);
    result
}

fn first_day(
    all: &mut Lockstep,
    process: &Process,
    store: &MemoryStore,
    known: &mut Known,
) -> Result<(), Struck> {
    let client = &process.client;
    all.run(async {
        known.publish(client).await?.await.map_err(|_| Struck)?;
        known.save_cursor(client).await
    })?;
    let backup = store.snapshot();
    all.run(async {
        let publishings = known.publish_at_once(client, 3).await?;
        futures::future::try_join_all(publishings).await.map_err(|_| Struck)?;
        known.all_acked();
        known.save_cursor(client).await
    })?;
    all.down();
    all.run(async {
        drop(known.publish(client).await?);
        known.publish_at_once(client, 2).await?;
        known.save_cursor(client).await
    })?;
    store.restore_from(backup);
    all.up(store);
    all.run(async {
        client.flushed().await.map_err(|_| Struck)?;
        let undecided = client.undecided().await.map_err(|_| Struck)?;
        assert_eq!(undecided.len(), 3, "acknowledged and lost with the restore");
        known.discard(client, &undecided[0]).await?;
        known.resend(client, &undecided[2]).await?.await.map_err(|_| Struck)?;
        known.save_cursor(client).await
    })
}

async fn second_day(client: &Client, known: &mut Known) -> Result<(), Struck> {
    drop(known.publish(client).await?);
    known.publish(client).await?.await.map_err(|_| Struck)?;
    known.save_cursor(client).await?;
    client.close().await;
    Ok(())
}
