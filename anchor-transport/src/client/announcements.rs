//! Announcements on their way from the room that the library reads to whoever takes them.

use std::collections::VecDeque;

use anchor_core::event::{Event, EventKind};
use anchor_core::id::RoomId;
use anchor_core::position::Position;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::command::Command;
use super::machine::ANNOUNCEMENTS_CURSOR;
use super::subscription::Delivery;

/// What an admin said to everybody on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Where it stands in the log of announcements.
    pub position: Position,
    /// The message.
    pub event: Event,
}

/// The deliveries of the room, and what of them waits to be taken.
#[derive(Debug)]
pub(super) struct Announcements {
    deliveries: mpsc::Receiver<Delivery>,
    waiting: VecDeque<Announcement>,
    /// Up to here everything was taken, and a cursor does not say so yet.
    taken: Option<Position>,
}

impl Announcements {
    pub(super) const fn new(deliveries: mpsc::Receiver<Delivery>) -> Self {
        Self { deliveries, waiting: VecDeque::new(), taken: None }
    }

    /// The next one, with which the one before is taken; `None` once the client has ended. Cancel-safe.
    pub(super) async fn next(
        shared: &Mutex<Self>,
        commands: &mpsc::WeakSender<Command>,
    ) -> Option<Announcement> {
        let mut announcements = shared.lock().await;
        loop {
            announcements.save(commands);
            if let Some(next) = announcements.waiting.pop_front() {
                announcements.taken = Some(next.position);
                return Some(next);
            }
            let delivery = announcements.deliveries.recv().await?;
            announcements.take(delivery);
        }
    }

    /// Whatever else happens in the room is passed over.
    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Events(events) => {
                let epoch = events.epoch;
                let said = events
                    .events
                    .into_iter()
                    .filter(|event| event.kind == EventKind::MESSAGE && event.body.is_some());
                self.waiting.extend(
                    said.map(|event| Announcement { position: Position::at(epoch, event.mark()), event }),
                );
            }
            // Of a room that was deleted nothing is left to go on from: all that a new one says is new.
            Delivery::Gap(gap) => self.taken = Some(gap.position.unwrap_or(Position::START)),
            Delivery::Started { .. } | Delivery::Hidden { .. } | Delivery::Ended { .. } => {}
        }
    }

    /// A cursor that is not saved, because the client is busy or has ended, is saved with the next or tells again.
    fn save(&mut self, commands: &mpsc::WeakSender<Command>) {
        let Some(position) = self.taken else { return };
        let (saved, _) = oneshot::channel();
        let (name, room) = (ANNOUNCEMENTS_CURSOR.to_owned(), RoomId::announcements());
        let command = Command::SaveCursor { name, room, position, saved };
        if commands.upgrade().is_some_and(|commands| commands.try_send(command).is_ok()) {
            self.taken = None;
        }
    }
}
