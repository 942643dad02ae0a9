//! A program that embeds the engine and says for its users how far they have read, while everything goes wrong.

use std::time::Duration;

use anchor_core::engine::Anchor;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::session::Identity;
use anchor_core::session::frame::CursorFrame;

use crate::clock::Clock;
use crate::kernel::index;
use crate::world::World;

/// What a marker needs.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    pub(super) world: World,
    pub(super) clock: Clock,
    pub(super) anchor: Anchor,
    /// In rooms that everybody reads.
    pub(super) rooms: Vec<RoomId>,
}

impl Marker {
    /// Marks, for ever.
    pub(super) async fn mark(self) {
        while !self.world.society.is_over() {
            self.world.kernel.sleep(self.clock.between(PAUSE.0, PAUSE.1)).await;
            if let Some((user, room)) = self.say().await {
                // What nobody flushes is written by and by; the store is asked in any case.
                if self.clock.below(2) == 0 && self.anchor.flush_cursors().await.is_err() {
                    continue;
                }
                let restores = self.world.marked.restores();
                if let Ok(cursors) = self.anchor.store().cursors(&user, std::slice::from_ref(&room)).await {
                    self.world.marked.answered(&user, &room, cursors[0].read.offset, restores);
                }
            }
        }
    }

    /// Somebody has read some room up to somewhere: who and where, if it was taken.
    async fn say(&self) -> Option<(UserId, RoomId)> {
        let user = UserId::new(format!("reader-{}", self.clock.below(USERS))).expect("a plain id");
        let room = self.rooms[index(self.clock.below(self.rooms.len() as u64))].clone();
        let state = self.anchor.store().room(&room).await.ok()??;
        // Beyond the head now and then: that is passed over.
        let offset = Offset(1 + self.clock.below(state.head.offset.0 + 2));
        // Somebody may write meanwhile: then it is not beyond the head.
        self.world.marked.asks(&user, &room, offset);
        let cursor = CursorFrame {
            room: room.clone(),
            epoch: state.epoch(),
            delivered: Some(offset),
            read: Some(offset),
        };
        let reader = Identity { user: user.clone(), admin: false };
        self.anchor.move_cursor(&reader, cursor).await.ok()?;
        Some((user, room))
    }
}

/// Time between two, at least and at most. Source: chosen.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(2));

/// Users that read and never write. Source: chosen; they meet each other.
const USERS: u64 = 3;
