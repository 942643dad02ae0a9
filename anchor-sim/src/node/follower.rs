//! A program that embeds the engine and follows everything that is said, with a durable consumer: it is given each event at
//! least once, however often its node crashes.

use std::time::Duration;

use anchor_core::engine::{Anchor, Begin, Consumer, ConsumerError, ConsumerName, Delivery, Scope, Taken};
use anchor_core::error::ErrorKind;

use crate::clock::Clock;
use crate::followed::Opening;
use crate::world::World;

/// What a follower needs.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) world: World,
    pub(super) clock: Clock,
    pub(super) anchor: Anchor,
}

impl Follower {
    /// Follows, for ever.
    pub(super) async fn follow(self) {
        let name = ConsumerName::new("follower").expect("a plain name");
        loop {
            if let Ok(consumer) = self.anchor.consumer(&name, Scope::All, Begin::Start).await {
                let opening = self.world.followed.opened();
                let why = self.take_all(consumer, opening).await;
                self.world.trace.note("follower", format_args!("{opening:?} ends: {why}"));
            }
            self.world.kernel.sleep(self.clock.between(PAUSE.0, PAUSE.1)).await;
        }
    }

    /// Takes what comes until it ends: by the consumer, or because the program forgets what it was about to do.
    async fn take_all(&self, mut consumer: Consumer, opening: Opening) -> String {
        let mut undone: Vec<Taken> = Vec::new();
        loop {
            match consumer.next().await {
                Ok(taken) => {
                    self.note(opening, &taken);
                    undone.push(taken);
                }
                Err(ConsumerError::TooManyOpen) => {}
                Err(error) if error.kind() == ErrorKind::Retry => {
                    self.world.kernel.sleep(PAUSE.0).await;
                }
                Err(error) => return error.to_string(),
            }
            if self.clock.below(FORGETS_ONE_IN) == 0 {
                return "it forgets what it was given".to_owned();
            }
            // Parts of a room are done in their order, and not always at once.
            if undone.len() as u64 > self.clock.below(4) {
                for taken in undone.drain(..) {
                    if let Delivery::Events(events) = &taken.delivery {
                        self.world.followed.done(&taken.room, events.position().offset);
                    }
                    consumer.done(&taken.room, &taken.position());
                }
            }
            if self.clock.below(8) == 0
                && let Err(error) = consumer.flush().await
                && error.kind() != ErrorKind::Retry
            {
                return error.to_string();
            }
        }
    }

    fn note(&self, opening: Opening, Taken { room, delivery }: &Taken) {
        let followed = &self.world.followed;
        match delivery {
            Delivery::Events(events) => {
                let decoded: Vec<_> = events.iter().map_while(Result::ok).collect();
                followed.given(opening, room, events.epoch(), &decoded);
            }
            Delivery::Gap(gap) => followed.told(opening, room, gap),
        }
    }
}

/// Time until it is opened again, at least and at most. Source: chosen.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));

/// Once in so many parts the program forgets them all. Source: chosen.
const FORGETS_ONE_IN: u64 = 60;
