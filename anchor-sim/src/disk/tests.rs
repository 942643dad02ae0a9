//! What a simulated disk loses and keeps, alone and under redb.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};

use super::{At, Disk, Fault, Power, Room, SplitMix64};

fn read(disk: &Disk, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut out = vec![0; length];
    disk.read(offset, &mut out).map(|()| out)
}

#[test]
fn it_reads_what_was_written_across_blocks_and_nothing_beyond_the_end() {
    let disk = Power::new().disk();
    disk.set_len(10_000).unwrap();
    let data: Vec<u8> = (0..9_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    disk.write(500, &data).unwrap();
    assert_eq!(disk.len().unwrap(), 10_000);
    assert_eq!(read(&disk, 500, 9_000).unwrap(), data);
    assert_eq!(read(&disk, 4_095, 2).unwrap(), data[3_595..3_597]);
    assert_eq!(read(&disk, 0, 500).unwrap(), vec![0; 500]);
    assert_eq!(read(&disk, 9_999, 2).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    disk.set_len(700).unwrap();
    disk.set_len(10_000).unwrap();
    assert_eq!(
        read(&disk, 690, 20).unwrap(),
        [&data[190..200], &[0; 10]].concat(),
        "what was cut off is gone"
    );
    assert_eq!(disk.bytes().len(), 10_000);
}

#[test]
fn what_was_synced_survives_and_what_was_not_meets_any_fate() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let power = Power::new();
        let disk = power.disk();
        disk.write(0, &[1; 1024]).unwrap();
        disk.sync_data().unwrap();
        disk.write(0, &[2; 1024]).unwrap();
        disk.write(512, &[3; 512]).unwrap();
        disk.set_len(2048).unwrap();
        power.crash(&mut SplitMix64::new(seed));
        let disk = disk.attach();
        let bytes = disk.bytes();
        assert!(bytes[..512].iter().all(|byte| *byte == bytes[0]), "a sector is not torn");
        assert!(bytes[512..1024].iter().all(|byte| *byte == bytes[512]));
        seen.insert((bytes[0], bytes[512], bytes.len()));
        disk.sync_data().unwrap();
        power.crash(&mut SplitMix64::new(seed));
        assert_eq!(disk.attach().bytes(), bytes, "what survived once stays");
    }
    // Two fates of the first sector, three of the second, two lengths; every combination.
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[test]
fn the_same_seed_does_the_same_again() {
    let run = |seed| {
        let power = Power::new();
        let disk = power.disk();
        for at in 0..40 {
            disk.write(at * 300, &[u8::try_from(at).unwrap(); 900]).unwrap();
        }
        power.crash(&mut SplitMix64::new(seed));
        disk.bytes()
    };
    assert_eq!(run(7), run(7));
    assert!((0..20).any(|seed| run(seed) != run(7)));
}

#[test]
fn a_process_that_was_killed_is_refused_and_what_it_wrote_stays() {
    let power = Power::new();
    let old = power.disk();
    old.write(0, b"written").unwrap();
    power.kill();
    assert!(old.write(0, b"late").is_err() && old.sync_data().is_err() && old.len().is_err());
    assert!(read(&old, 0, 1).is_err() && old.set_len(0).is_err());
    let new = old.attach();
    assert_eq!(new.bytes(), b"written");
    assert!(new.clone().sync_data().is_ok() && old.sync_data().is_err());
}

#[test]
fn what_a_killed_process_left_unsynced_is_lost_with_the_power() {
    let lost = (0..20).any(|seed| {
        let power = Power::new();
        let disk = power.disk();
        disk.write(0, b"written").unwrap();
        power.kill();
        power.crash(&mut SplitMix64::new(seed));
        disk.bytes().is_empty()
    });
    assert!(lost);
}

#[test]
fn the_power_goes_at_the_nth_sync_or_write_of_any_disk() {
    let power = Power::new();
    let (one, other) = (power.disk(), power.disk());
    power.arm(At::Sync(3), Fault::PowerOff);
    one.sync_data().unwrap();
    other.write(0, b"a").unwrap();
    other.sync_data().unwrap();
    one.write(0, b"b").unwrap();
    assert!(one.sync_data().is_err());
    assert!(!power.is_on() && other.len().is_err());
    assert!(one.attach().len().is_err(), "there is no power for a new process either");
    power.crash(&mut SplitMix64::new(0));
    assert!(one.len().is_err(), "the old process is gone");
    let (one, other) = (one.attach(), other.attach());
    assert_eq!(other.bytes(), b"a");
    one.arm(At::Write(2), Fault::PowerOff);
    other.write(0, b"c").unwrap();
    one.write(0, b"d").unwrap();
    other.set_len(9).unwrap();
    assert!(one.write(0, b"e").is_err() && !power.is_on());
    assert_eq!((one.counts().writes, other.counts().writes, power.counts().writes), (3, 3, 6));
    assert_eq!((power.counts().syncs, power.counts().bytes_written), (3, 5));
}

#[test]
fn after_a_failed_sync_a_later_one_does_not_make_up_for_it() {
    let mut fates = BTreeSet::new();
    for seed in 0..30 {
        let power = Power::new();
        let disk = power.disk();
        disk.write(0, b"old").unwrap();
        disk.sync_data().unwrap();
        disk.write(0, b"new").unwrap();
        disk.arm(At::Sync(1), Fault::Error(SplitMix64::new(seed)));
        assert_eq!(disk.sync_data().unwrap_err().raw_os_error(), Some(super::EIO));
        assert_eq!(disk.bytes(), b"new", "it is in the cache");
        disk.write(3, b"er").unwrap();
        disk.sync_data().unwrap();
        // Whoever starts anew drops the cache and sees what the disk has.
        power.kill();
        let bytes = disk.attach().bytes();
        assert!(bytes == b"older" || bytes == b"newer");
        power.crash(&mut SplitMix64::new(seed));
        assert_eq!(disk.bytes(), bytes);
        fates.insert(bytes);
    }
    assert_eq!(fates.len(), 2);
}

#[test]
fn a_failed_write_and_a_failed_read_strike_once() {
    let disk = Power::new().disk_with(&[0; 4096]);
    disk.arm(At::Write(2), Fault::Error(SplitMix64::new(1)));
    disk.arm(At::Read(1), Fault::Error(SplitMix64::new(1)));
    assert!(read(&disk, 0, 8).is_err());
    assert_eq!(read(&disk, 0, 8).unwrap(), [0; 8]);
    disk.write(0, &[1; 4096]).unwrap();
    assert!(disk.write(0, &[2; 4096]).is_err());
    let bytes = disk.bytes();
    assert!(bytes.contains(&1) && bytes.contains(&2), "some of its sectors are there");
    disk.write(0, &[3; 4096]).unwrap();
    disk.sync_data().unwrap();
    assert_eq!(disk.bytes(), [3; 4096]);
}

#[test]
fn what_cannot_be_read_cannot_be_read() {
    let disk = Power::new().disk_with(&[1; 4096]);
    disk.make_unreadable(1024..1536);
    assert!(read(&disk, 0, 1024).is_ok() && read(&disk, 1536, 100).is_ok());
    assert!(read(&disk, 1000, 25).is_err() && read(&disk, 1535, 1).is_err());
    assert!(disk.clone().attach().write(1024, &[2; 512]).is_ok());
    assert!(read(&disk, 1024, 1).is_err());
    disk.disarm();
    assert_eq!(read(&disk, 1024, 1).unwrap(), [2]);
}

#[test]
fn a_full_disk_takes_nothing_more() {
    let power = Power::new();
    let disk = power.disk_with(&[1; 4096]);
    disk.set_len(3 * 4096).unwrap();
    power.set_room(Room::NoGrowth);
    disk.write(100, &[2; 100]).unwrap();
    let full = |result: std::io::Result<()>| result.unwrap_err().kind() == ErrorKind::StorageFull;
    assert!(full(disk.write(4000, &[2; 1000])), "a hole has no room yet");
    assert!(full(disk.set_len(4 * 4096)));
    disk.set_len(2 * 4096).unwrap();
    disk.sync_data().unwrap();
    power.set_room(Room::NoWrites);
    assert!(full(disk.write(100, &[2; 100])));
    power.set_room(Room::Plenty);
    power.arm(At::Write(2), Fault::Full(Room::NoWrites));
    disk.write(0, b"a").unwrap();
    assert!(full(disk.write(0, b"b")) && full(disk.write(0, b"c")));
    assert_eq!(power.room(), Room::NoWrites);
}

#[test]
fn a_copy_goes_its_own_way() {
    let (power, elsewhere) = (Power::new(), Power::new());
    let disk = power.disk();
    disk.write(0, b"shared").unwrap();
    let copy = disk.copy(&elsewhere);
    disk.write(0, b"S").unwrap();
    copy.write(5, b"D").unwrap();
    power.turn_off();
    assert_eq!((disk.bytes(), copy.bytes()), (b"Shared".to_vec(), b"shareD".to_vec()));
    assert!(copy.sync_data().is_ok());
}

#[test]
fn a_fork_has_what_is_not_synced_and_a_fate_of_its_own() {
    let power = Power::new();
    let disk = power.disk();
    disk.write(0, b"synced").unwrap();
    disk.sync_data().unwrap();
    disk.write(0, b"later!").unwrap();
    let fates: BTreeSet<_> = (0..20)
        .map(|seed| {
            let other = Power::new();
            let fork = disk.fork(&other);
            assert_eq!(fork.bytes(), b"later!");
            other.crash(&mut SplitMix64::new(seed));
            fork.bytes()
        })
        .collect();
    assert_eq!(fates, BTreeSet::from([b"synced".to_vec(), b"later!".to_vec()]));
    assert_eq!(disk.bytes(), b"later!");
}

/// The disk under what it is made for.
#[test]
fn a_database_has_all_that_was_committed_whenever_the_power_goes() {
    const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("numbers");
    let commit = |database: &Database, number: u64| -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?.insert(number, number)?;
        Ok(transaction.commit()?)
    };
    for sync in 1..30 {
        let power = Power::new();
        let disk = power.disk();
        let database = Database::builder().create_with_backend(disk.clone()).unwrap();
        power.arm(At::Sync(sync), Fault::PowerOff);
        let committed = (1..12).take_while(|number| commit(&database, *number).is_ok()).count();
        drop(database);
        power.disarm();
        power.crash(&mut SplitMix64::new(sync));
        let database = Database::builder().create_with_backend(disk.attach()).unwrap();
        commit(&database, 100).unwrap();
        let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
        for number in 1..=committed as u64 {
            assert!(table.get(number).unwrap().is_some(), "commit {number} is lost at sync {sync}");
        }
    }
}
