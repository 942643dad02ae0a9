//! A consumer under everything that can happen to it and to its rooms, against the trivial reference: somebody who keeps a
//! mirror of each room by what the consumer gives, and who must have what the log has.
//!
//! The receiver outlives every crash. It takes each event at least once, in order, never one whose predecessor it was neither
//! given nor told to be without; what it has said to be done durably does not come again.
//!
//! Where nothing of a room was durably done, nobody knows that it was given anything of it. Should the log be another one by
//! then, the receiver sees so by the epoch alone, and drops what it has.

use std::collections::{BTreeMap, BTreeSet};

use futures::executor::block_on;

use super::{Node, name, room};
use crate::conformance::environment::SplitMix64;
use crate::engine::{Begin, Consumer, Delivery, Publisher, Scope, Taken};
use crate::event::{Body, Draft, Event, EventKind};
use crate::id::RoomId;
use crate::limits::{CONSUMER_FLUSH, CONSUMER_POLL};
use crate::position::{Chain, Epoch, Offset, Position};
use crate::resume::GapReason;
use crate::room::RoomKind;
use crate::room::change::{RoomChange, Settings};
use crate::store::{Store, StoreExt};

/// What a receiver has of a room.
#[derive(Debug, Default)]
struct Mirror {
    events: BTreeMap<Offset, (Chain, Option<Body>)>,
    /// In which histories they were written.
    epochs: BTreeSet<Epoch>,
    /// The next event that may come, at most.
    next: Offset,
    /// The consumer knows nothing of what was given of this room.
    is_forgotten: bool,
}

impl Mirror {
    fn take(&mut self, epoch: Epoch, event: &Event) {
        let Event { offset, chain, kind, target, .. } = *event;
        assert!(offset <= self.next.max(Offset(1)), "{offset} comes before {}", self.next);
        if self.epochs.insert(epoch) && std::mem::take(&mut self.is_forgotten) {
            *self = Self { epochs: BTreeSet::from([epoch]), ..Self::default() };
        }
        match self.events.get(&offset) {
            Some((known, _)) => assert_eq!(*known, chain, "another event at {offset}, and nobody was told"),
            None => drop(self.events.insert(offset, (chain, event.body.clone()))),
        }
        if let (EventKind::REDACTION, Some(target)) = (kind, target)
            && let Some((_, body)) = self.events.get_mut(&target)
        {
            *body = None;
        }
        self.next = self.next.max(offset.next());
    }

    fn is_told(&mut self, gap: &crate::resume::Gap) {
        let epoch = gap.position.and_then(|position| position.epoch);
        let is_new = epoch.is_some_and(|epoch| self.epochs.insert(epoch));
        if is_new && gap.reason == GapReason::Trimmed && std::mem::take(&mut self.is_forgotten) {
            *self = Self { epochs: epoch.into_iter().collect(), ..Self::default() };
        }
        match gap.reason {
            GapReason::Trimmed => self.events.retain(|offset, _| *offset > gap.to),
            GapReason::Restored => {
                self.events.retain(|offset, _| *offset < gap.from);
                self.next = self.next.min(gap.from);
            }
            GapReason::History | GapReason::Deleted => *self = Self::default(),
            GapReason::Hidden | GapReason::Skipped => panic!("the host reads everything"),
        }
        let behind = gap.position.unwrap_or(Position::START).offset.next();
        self.next = self.next.max(behind);
    }
}

struct World {
    node: Node,
    random: SplitMix64,
    /// A backup, which is put back before anything is taken from the logs.
    backup: Option<crate::memory::Snapshot>,
    mirrors: BTreeMap<RoomId, Mirror>,
    /// Given and not done, as the receiver keeps it.
    undone: Vec<(RoomId, Position)>,
    said: u64,
}

impl World {
    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn any_room(&mut self) -> RoomId {
        room(["attic", "cellar", "lobby"][usize::try_from(self.below(3)).unwrap()])
    }

    async fn root(&self) -> Publisher {
        self.node.publisher("root").await.as_admin()
    }

    async fn act(&mut self, consumer: &mut Consumer) -> bool {
        match self.below(30) {
            0..=7 => self.say().await,
            8..=15 => self.step(consumer).await,
            16..=18 => self.finish(consumer),
            19 => consumer.flush().await.unwrap(),
            20 => self.node.env.advance(CONSUMER_FLUSH),
            21 => self.node.env.advance(CONSUMER_POLL),
            22 => return true,
            23 if self.backup.is_none() => self.redact().await,
            24 if self.backup.is_none() => self.trim().await,
            25 if self.backup.is_none() => self.delete().await,
            26 if self.below(3) == 0 => match self.backup.take() {
                None => self.backup = Some(self.node.store.snapshot()),
                Some(backup) => {
                    self.node.store.restore_from(backup);
                    return true;
                }
            },
            _ => {}
        }
        false
    }

    async fn say(&mut self) {
        let (room, count) = (self.any_room(), 1 + self.below(90));
        let mut root = self.root().await;
        if self.node.store.room(&room).await.unwrap().is_none() {
            let settings = Settings::default();
            let create = RoomChange::Create { kind: RoomKind::Public, settings, user: None };
            let draft = Draft { kind: EventKind::ROOM, target: None, body: create.to_body() };
            root.publish(&room, draft).await.unwrap();
        }
        for _ in 0..count {
            self.said += 1;
            root.publish(&room, self.said.to_string()).await.unwrap();
        }
    }

    async fn redact(&mut self) {
        let room = self.any_room();
        let Some(state) = self.node.store.room(&room).await.unwrap() else { return };
        let target = Offset(1 + self.below(state.head.offset.0));
        let draft = Draft { kind: EventKind::REDACTION, target: Some(target), body: "".into() };
        // What is no message, or redacted already, is refused.
        let _ = self.root().await.publish(&room, draft).await;
    }

    async fn trim(&mut self) {
        let room = self.any_room();
        let Some(state) = self.node.store.room(&room).await.unwrap() else { return };
        let horizon = Offset(state.horizon.0 + self.below(40));
        self.node.anchor.trim(&room, horizon).await.unwrap();
    }

    async fn delete(&mut self) {
        let room = self.any_room();
        let draft = Draft { kind: EventKind::ROOM, target: None, body: RoomChange::Delete.to_body() };
        let _ = self.root().await.publish(&room, draft).await;
    }

    /// Takes what is given next, if anything is.
    async fn step(&mut self, consumer: &mut Consumer) {
        if let Ok(Some(taken)) = consumer.next_now(1 + usize::try_from(self.below(80)).unwrap()).await {
            self.take(&taken).await;
        }
    }

    async fn take(&mut self, taken: &Taken) {
        self.undone.push((taken.room.clone(), taken.position()));
        let mirror = self.mirrors.entry(taken.room.clone()).or_default();
        match &taken.delivery {
            Delivery::Gap(gap) => mirror.is_told(gap),
            Delivery::Events(events) => {
                let stored = self.node.store.read_all(&taken.room).await.unwrap();
                for event in events.iter() {
                    let event = event.unwrap();
                    let now = stored.iter().find(|stored| stored.offset == event.offset).unwrap();
                    assert_eq!(event.body, now.body, "given as it is now");
                    mirror.take(events.epoch(), &event);
                }
            }
        }
    }

    /// Says some of what was given to be done, in the order of its room.
    fn finish(&mut self, consumer: &mut Consumer) {
        let rooms = self.any_room();
        let count = self.below(4);
        for _ in 0..count {
            let Some(at) = self.undone.iter().position(|(room, _)| *room == rooms) else { return };
            let (room, position) = self.undone.remove(at);
            consumer.done(&room, &position);
        }
    }

    async fn opened(&self) -> Consumer {
        self.node.anchor.consumer(&name(), Scope::All, Begin::Start).await.unwrap()
    }

    async fn check(&self) {
        for name in ["attic", "cellar", "lobby"] {
            let stored = self.node.store.read_all(&room(name)).await.unwrap();
            let stored: BTreeMap<_, _> =
                stored.into_iter().map(|event| (event.offset, (event.chain, event.body))).collect();
            let state = self.node.store.room(&room(name)).await.unwrap();
            let mirror =
                self.mirrors.get(&room(name)).filter(|mirror| state.is_some() || !mirror.is_forgotten);
            let mirrored = mirror.map(|mirror| mirror.events.clone()).unwrap_or_default();
            // What was trimmed behind the receiver is not told it.
            let horizon = state.map_or(Offset(1), |state| state.horizon);
            let mirrored: BTreeMap<_, _> =
                mirrored.into_iter().filter(|(offset, _)| *offset >= horizon).collect();
            assert_eq!(mirrored.keys().collect::<Vec<_>>(), stored.keys().collect::<Vec<_>>(), "{name}");
            assert_eq!(mirrored, stored, "{name}");
        }
    }
}

pub(super) fn run(seed: u64) {
    block_on(async {
        let mut world = World {
            node: Node::new(),
            random: SplitMix64::new(seed),
            backup: None,
            mirrors: BTreeMap::new(),
            undone: Vec::new(),
            said: 0,
        };
        let mut consumer = world.opened().await;
        for _ in 0..120 {
            if world.act(&mut consumer).await {
                // A crash: of what was done some is durable, and what was given and not done comes again.
                drop(consumer);
                world.undone.clear();
                world.node = world.node.restarted();
                let kept = world.node.store.records("consumed/", None, 10).await.unwrap();
                for (room, mirror) in &mut world.mirrors {
                    mirror.is_forgotten =
                        !kept.iter().any(|(key, _)| key.as_str().ends_with(&format!("/{room}")));
                }
                consumer = world.opened().await;
            }
        }
        while let Some(taken) = consumer.next_now(usize::MAX).await.unwrap() {
            world.take(&taken).await;
            for (room, position) in std::mem::take(&mut world.undone) {
                consumer.done(&room, &position);
            }
        }
        world.check().await;
        consumer.flush().await.unwrap();
        assert_eq!(consumer.open(), 0);
        world.node = world.node.restarted();
        let mut again = world.opened().await;
        assert!(again.next_now(usize::MAX).await.unwrap().is_none(), "what is done does not come again");
    });
}

#[test]
fn a_receiver_has_what_the_log_has_whatever_happened() {
    for seed in 0..40 {
        run(seed);
    }
}
