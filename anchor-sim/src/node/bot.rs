//! A program that embeds the engine: it publishes and reads inside of the server's process, without a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anchor_core::conformance::promise::{Mark, Reader};
use anchor_core::engine::{Anchor, Delivery, PublishError};
use anchor_core::environment::Environment;
use anchor_core::event::Mentions;
use anchor_core::id::{ClientId, RoomId, Seq, UserId};
use anchor_core::position::Position;
use anchor_core::session::frame::{Events, From};
use futures::{Stream, StreamExt};

use crate::clock::Clock;
use crate::kernel::{index, lock};
use crate::world::World;

/// What a bot needs.
#[derive(Clone, Debug)]
pub(super) struct Bot {
    pub(super) world: World,
    pub(super) clock: Clock,
    pub(super) anchor: Anchor,
    pub(super) rooms: Vec<RoomId>,
    /// Whom it mentions.
    pub(super) users: Vec<UserId>,
    /// The bot's readers, which are no more once its process is killed.
    pub(super) readers: Arc<Mutex<Vec<Reader>>>,
}

impl Bot {
    /// Publishes a few events, each after the last one's answer.
    pub(super) async fn publish(self) {
        let mut id = [0; 16];
        self.clock.fill_random(&mut id);
        let user = UserId::new("bot").expect("a plain id");
        let Ok(mut publisher) = self.anchor.client(user, ClientId::from_bytes(id)).await else { return };
        let author = self.world.recorder.author();
        for number in 1..=EVENTS {
            self.world.kernel.sleep(self.clock.between(PAUSE.0, PAUSE.1)).await;
            let mark = Mark { author, number: Seq::new(number).expect("a small number") };
            let room = &self.rooms[index(self.clock.below(self.rooms.len() as u64))];
            let mut body = mark.body(index(self.clock.below(200)));
            if self.clock.below(3) == 0 {
                let called = self.users.iter().filter(|_| self.clock.below(3) == 0).cloned();
                let mentions = Mentions::new(false, called).expect("a few");
                body = body.mentioning(mentions);
            }
            self.world.recorder.invoked(mark, room, &body);
            match publisher.publish(room, body).await {
                Ok(ack) => self.world.recorder.acked(mark, ack),
                Err(PublishError::Refused(refusal)) => self.world.recorder.refused(mark, refusal.code),
                // Without an outbox of its own it cannot know, and ends.
                Err(error) => {
                    return self.world.trace.note(mark.publish(), format_args!("bot ends: {error}"));
                }
            }
        }
    }

    /// Reads a room, and begins again where it was when the store fails it.
    pub(super) async fn read(self) {
        let room = self.rooms[index(self.clock.below(self.rooms.len() as u64))].clone();
        let reader = self.world.recorder.reader();
        lock(&self.readers).push(reader);
        let mut position = Position::START;
        self.world.recorder.opened(reader, &room, position);
        loop {
            if let Ok(mut subscription) = self.anchor.subscribe(&room, From::After(position)).await {
                while let Some(Ok(delivery)) = next(&mut subscription).await {
                    position = self.take(reader, &room, delivery);
                }
            }
            self.world.kernel.sleep(PAUSE.1).await;
        }
    }

    fn take(&self, reader: Reader, room: &RoomId, delivery: Delivery) -> Position {
        match delivery {
            Delivery::Events(events) => {
                let decoded: Vec<_> = events.iter().map_while(Result::ok).collect();
                let first = decoded.first().map(|event| event.offset).unwrap_or_default();
                let (room_id, epoch) = (room.clone(), events.epoch());
                let seen = Events { room: room_id, epoch, first, events: decoded };
                self.world.recorder.seen(reader, room, &seen);
                events.position()
            }
            Delivery::Gap(gap) => {
                self.world.recorder.told(reader, room, gap);
                gap.position.unwrap_or(Position::START)
            }
        }
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    Pin::new(stream).next().await
}

/// Events of one bot. Source: chosen.
const EVENTS: u64 = 12;

/// Time between two of them. Source: chosen.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(3));
