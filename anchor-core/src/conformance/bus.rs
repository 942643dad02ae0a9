//! The executable meaning of [`Bus`], as far as a bus promises anything: it may lose, but not make up.
//!
//! A bus passes [`test_all`]; one that reaches other nodes also [`test_nodes`]; one whose connection a test can cut also
//! [`test_interruptions`]. The rules need no runtime and no time: a factory says when nothing more is on its way.

mod hub;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;

pub use self::hub::{Hub, HubBus};
use super::environment::TestEnvironment;
use super::store::{Author, room, write};
use crate::bus::{Bus, BusListener};
use crate::id::RoomId;
use crate::memory::MemoryStore;
use crate::position::Offset;
use crate::run::Run;
use crate::store::{Direction, Read, Store};

/// Makes the buses that a suite runs on.
#[async_trait]
pub trait Factory: Send + Sync {
    /// What is tested.
    type Bus: Bus;

    /// One more node.
    async fn node(&self) -> Self::Bus;
}

/// A factory whose nodes reach each other.
#[async_trait]
pub trait Nodes: Factory {
    /// Returns once everything that was published has been heard or is lost.
    async fn settle(&self);
}

/// A factory that can cut its nodes off from each other.
#[async_trait]
pub trait Interrupt: Nodes {
    /// Cuts every connection, lets each node notice, and returns once they are connected again.
    async fn interrupt(&self);
}

/// Every rule that holds for every bus.
pub async fn test_all(factory: &impl Factory) {
    anything_may_be_published_joined_and_left(factory).await;
    a_listener_is_not_kept_alive(factory).await;
}

/// Every rule about what other nodes hear.
pub async fn test_nodes(factory: &impl Nodes) {
    other_nodes_hear_of_the_rooms_they_joined(factory).await;
    a_node_does_not_hear_itself(factory).await;
    a_room_that_was_left_is_not_heard(factory).await;
    a_later_listener_replaces_the_earlier(factory).await;
}

/// Every rule about a connection that was cut.
pub async fn test_interruptions(factory: &impl Interrupt) {
    an_interruption_is_told_and_then_all_is_heard_again(factory).await;
}

/// Joining twice, leaving without joining, publishing what nobody hears: all of that is fine, with and without listener.
pub async fn anything_may_be_published_joined_and_left(factory: &impl Factory) {
    let bus = factory.node().await;
    let (room, runs) = log_of("bus-anything").await;
    let ear = Ear::of(&bus);
    for _ in 0..2 {
        bus.leave(&room);
        bus.publish(&runs[0]);
        bus.join(&room).await;
        bus.join(&room).await;
        bus.publish(&runs[1]);
        bus.leave(&room);
    }
    drop(ear);
    bus.join(&room).await;
    bus.publish(&runs[2]);
}

/// The bus holds its listener weakly: an engine that is dropped is gone.
pub async fn a_listener_is_not_kept_alive(factory: &impl Factory) {
    let bus = factory.node().await;
    let (room, runs) = log_of("bus-listener").await;
    let ear = Ear::of(&bus);
    bus.join(&room).await;
    bus.publish(&runs[0]);
    let gone = Arc::downgrade(&ear);
    drop(ear);
    assert!(gone.upgrade().is_none(), "nobody else holds the listener");
}

/// After a join has returned, every run that another node publishes in that room is heard, as it was published.
pub async fn other_nodes_hear_of_the_rooms_they_joined(factory: &impl Nodes) {
    let (here, there, elsewhere) = (factory.node().await, factory.node().await, factory.node().await);
    let (room, runs) = log_of("bus-joined").await;
    let (other_room, other_runs) = log_of("bus-not-joined").await;
    let ears = [Ear::of(&there), Ear::of(&elsewhere)];
    there.join(&room).await;
    elsewhere.join(&room).await;
    elsewhere.join(&other_room).await;
    for (run, other) in runs.iter().zip(&other_runs) {
        here.publish(run);
        here.publish(other);
    }
    factory.settle().await;
    for ear in &ears {
        assert_eq!(ear.heard_in(&room), offsets(&runs), "every run of a room that was joined");
    }
    assert_eq!(ears[0].heard_in(&other_room), [], "nothing of a room that was not joined");
    assert_eq!(ears[1].heard_in(&other_room), offsets(&other_runs));
    let heard = ears[0].heard();
    for (run, heard) in runs.iter().zip(heard.iter()) {
        assert_eq!(run.parts(), heard.parts(), "a run arrives as it was published");
    }
}

/// What a node publishes it knows.
pub async fn a_node_does_not_hear_itself(factory: &impl Nodes) {
    let here = factory.node().await;
    let (room, runs) = log_of("bus-itself").await;
    let ear = Ear::of(&here);
    here.join(&room).await;
    runs.iter().for_each(|run| here.publish(run));
    factory.settle().await;
    assert_eq!(ear.heard_in(&room), []);
}

/// After a leave nothing more of that room is heard than what was on its way; a new join hears again.
pub async fn a_room_that_was_left_is_not_heard(factory: &impl Nodes) {
    let (here, there) = (factory.node().await, factory.node().await);
    let (room, runs) = log_of("bus-left").await;
    let ear = Ear::of(&there);
    there.join(&room).await;
    there.join(&room).await;
    there.leave(&room);
    factory.settle().await;
    here.publish(&runs[0]);
    factory.settle().await;
    there.join(&room).await;
    here.publish(&runs[1]);
    factory.settle().await;
    assert_eq!(ear.heard_in(&room), offsets(&runs[1..2]));
}

/// One listener for a node.
pub async fn a_later_listener_replaces_the_earlier(factory: &impl Nodes) {
    let (here, there) = (factory.node().await, factory.node().await);
    let (room, runs) = log_of("bus-replaced").await;
    let (earlier, later) = (Ear::of(&there), Ear::of(&there));
    there.join(&room).await;
    here.publish(&runs[0]);
    factory.settle().await;
    assert_eq!((earlier.heard_in(&room).len(), later.heard_in(&room).len()), (0, 1));
}

/// Each node that joined a room is told that it may have missed something, and stays joined.
pub async fn an_interruption_is_told_and_then_all_is_heard_again(factory: &impl Interrupt) {
    let (here, there) = (factory.node().await, factory.node().await);
    let (room, runs) = log_of("bus-interrupted").await;
    let ear = Ear::of(&there);
    there.join(&room).await;
    factory.interrupt().await;
    assert!(ear.interruptions() >= 1, "heads must be read anew");
    here.publish(&runs[0]);
    factory.settle().await;
    assert_eq!(ear.heard_in(&room), offsets(&runs[..1]));
}

/// A room and some runs of its log.
async fn log_of(name: &str) -> (RoomId, Vec<Run>) {
    let store = MemoryStore::new(TestEnvironment::new(1));
    let room = room(name);
    let mut ada = Author::open(&store, "ada", 1).await;
    write(&store, &mut ada, &room, (0..250).map(|n| n.to_string())).await;
    let from = Direction::After(Offset::ZERO);
    let read = Read { room: room.clone(), from, events_max: 1_000, bytes_max: usize::MAX };
    let runs = store.read(read).await.expect("the log is read");
    assert!(runs.len() >= 3, "the log has a few runs");
    (room, runs)
}

fn offsets(runs: &[Run]) -> Vec<Offset> {
    runs.iter().map(Run::first).collect()
}

/// A listener that keeps what it hears.
#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Vec<Run>>,
    interruptions: Mutex<usize>,
}

impl Ear {
    /// Listens at `bus`.
    fn of(bus: &dyn Bus) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let listener: Weak<dyn BusListener> = Arc::<Self>::downgrade(&ear);
        bus.attach(listener);
        ear
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Run>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first offsets of the runs heard in `room`, in order and once each: a bus may repeat and reorder.
    fn heard_in(&self, room: &RoomId) -> Vec<Offset> {
        let mut offsets: Vec<_> =
            self.heard().iter().filter(|run| run.room() == room).map(Run::first).collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    fn interruptions(&self) -> usize {
        *self.interruptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BusListener for Ear {
    fn heard(&self, run: &Run) {
        self.heard().push(run.clone());
    }

    fn interrupted(&self) {
        *self.interruptions.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}
