//! The bus suite on the bus of a lone process, and on the hub that tests make clusters of.

use anchor_core::bus::{Bus, LocalBus};
use anchor_core::conformance::bus::{self as suite, Factory, Hub, HubBus, Interrupt, Nodes};
use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::{Author, room, write};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::store::{Direction, Read, Store};
use async_trait::async_trait;
use futures::executor::block_on;

struct Alone;

#[async_trait]
impl Factory for Alone {
    type Bus = LocalBus;

    async fn node(&self) -> LocalBus {
        LocalBus
    }
}

struct OnHub(Hub);

#[async_trait]
impl Factory for OnHub {
    type Bus = HubBus;

    async fn node(&self) -> HubBus {
        self.0.node()
    }
}

#[async_trait]
impl Nodes for OnHub {
    async fn settle(&self) {}
}

#[async_trait]
impl Interrupt for OnHub {
    async fn interrupt(&self) {
        self.0.interrupt();
    }
}

#[test]
fn local() {
    block_on(suite::test_all(&Alone));
}

#[test]
fn hub() {
    let hub = OnHub(Hub::new());
    block_on(async {
        suite::test_all(&hub).await;
        suite::test_nodes(&hub).await;
        suite::test_interruptions(&hub).await;
    });
}

#[test]
fn a_hub_loses_and_reorders_on_request() {
    block_on(async {
        let store = MemoryStore::new(TestEnvironment::new(1));
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        write(&store, &mut ada, &room, (0..200).map(|n| n.to_string())).await;
        let from = Direction::After(Offset::ZERO);
        let read = Read { room, from, events_max: 1_000, bytes_max: usize::MAX };
        let runs = store.read(read).await.unwrap();
        let hub = Hub::new();
        let node = hub.node();
        hub.hold();
        runs.iter().for_each(|run| node.publish(run));
        assert_eq!(hub.held().len(), runs.len());
        hub.lose(0);
        hub.deliver(1);
        assert_eq!(hub.held()[0].first(), runs[1].first());
        hub.repeat(0);
        assert_eq!(hub.held().len(), runs.len() - 2);
        hub.release_all();
        node.publish(&runs[0]);
        assert_eq!(hub.held().len(), 0);
    });
}
