//! A client that the caller drives: without a runtime, and the same again from the same seed.

use anchor_core::environment::Environment;
use anchor_core::id::RoomId;
use anchor_core::session::frame::From;
use anchor_sim::disk::Power;
use anchor_transport::client::Delivery;
use futures::StreamExt;

use super::lockstep::{Lockstep, texts};

#[test]
fn it_runs_without_a_runtime_and_goes_on_from_its_disk() {
    let mut all = Lockstep::new(1);
    let store = all.store(None);
    let disk = Power::new().disk();
    let lobby = RoomId::lobby();
    let first = all.open(&disk).unwrap();
    for line in ["one", "two"] {
        drop(all.run(first.client.publish(&lobby, line)).unwrap());
    }
    assert_eq!(first.client.pending(), 2);
    all.run(first.client.close());
    all.up(&store);
    let second = all.open(&disk).unwrap();
    assert_eq!(second.client.pending(), 2);
    all.run(second.client.flushed()).unwrap();
    all.run(second.client.close());
    assert_eq!(texts(&store), ["one", "two"]);
    assert_eq!(all.open(&disk).unwrap().client.pending(), 0);
}

#[test]
fn a_client_whose_driver_is_gone_is_closed() {
    let mut all = Lockstep::new(1);
    let disk = Power::new().disk();
    let process = all.open(&disk).unwrap();
    let lobby = RoomId::lobby();
    drop(all.run(process.client.publish(&lobby, "queued")).unwrap());
    all.kill(&process);
    assert!(all.run(process.client.publish(&lobby, "late")).is_err());
    assert!(all.run(process.client.undecided()).is_err());
}

/// Two clients on disks, a server that goes and comes, a reader: twice from the same seed, and once from another.
#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut all = Lockstep::new(seed);
        let store = all.store(None);
        let (one, two) = (Power::new().disk(), Power::new().disk());
        let rooms: Vec<_> = (0..9).map(|number| RoomId::new(format!("room-{number}")).unwrap()).collect();
        let (ada, also) = (all.open(&one).unwrap(), all.open(&two).unwrap());
        let mut trace = Vec::new();
        let mut reading = Vec::new();
        for room in &rooms {
            reading.push(all.run(also.client.subscribe(room, From::Start)));
        }
        for round in 0..6 {
            match round % 3 {
                0 => all.up(&store),
                1 => all.down(),
                _ => all.up(&store),
            }
            for room in &rooms {
                for process in [&ada, &also] {
                    drop(all.run(process.client.publish(room, format!("{round}"))).unwrap());
                }
            }
            trace.push(format!("{:?}", all.env.now()));
        }
        all.run(async { futures::future::try_join(ada.client.flushed(), also.client.flushed()).await })
            .unwrap();
        for read in &mut reading {
            let mut taken = 0;
            while taken < 12 {
                let delivery = all.run(read.next()).unwrap();
                if let Delivery::Events(events) = &delivery {
                    taken += events.events.len();
                }
                trace.push(format!("{delivery:?}"));
            }
        }
        all.kill(&ada);
        all.run(also.client.close());
        trace.push(format!("{:?}", all.env.now()));
        (trace, one.bytes(), two.bytes())
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert!(first.0 == again.0 && first.1 == again.1 && first.2 == again.2);
    assert!(first.0 != other.0 && first.1 != other.1);
}
