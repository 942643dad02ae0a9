//! A room that is watched: who has read what, who is there and who types, as it stands now.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::session::frame::{Presence, Receipt, Sighting, Watching};
use futures::Stream;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, watch};

use super::command::{Command, WatchId};
use super::error::RequestError;

/// How things stand in a room that is watched, see [`super::Client::watch`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How far each user has come; `None` in a room that is too large for a list: [`super::Client::readers`] counts there.
    pub receipts: Option<BTreeMap<UserId, Receipt>>,
    /// How users are there; a sample in a room that is too large for a list.
    pub present: BTreeMap<UserId, Sighting>,
    /// Users that are online.
    pub online: u64,
    /// Users that are away.
    pub away: u64,
    /// Users who type, but this one.
    pub typing: Vec<UserId>,
}

/// What has become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageReceipt {
    /// It stands in the log, and nobody else has it.
    Sent,
    /// Clients of so many other users have it.
    Delivered {
        /// How many.
        to: usize,
    },
    /// Others have read it.
    Read {
        /// Who, in the order of ids.
        by: Vec<UserId>,
        /// To how many it was delivered, those among them.
        delivered: usize,
    },
}

impl Watched {
    /// What has become of the message of `author` at `offset`, among others than the author. `None` where the room is too large
    /// for a list.
    #[must_use]
    pub fn receipt_of(&self, author: &UserId, offset: Offset) -> Option<MessageReceipt> {
        let others =
            || self.receipts.as_ref().map(|all| all.values().filter(|receipt| receipt.user != *author));
        let by: Vec<_> =
            others()?.filter(|receipt| receipt.read >= offset).map(|receipt| receipt.user.clone()).collect();
        let has =
            |receipt: &&Receipt| receipt.delivered.is_some_and(|it| it >= offset) || receipt.read >= offset;
        let delivered = others()?.filter(has).count();
        Some(match (by.is_empty(), delivered) {
            (true, 0) => MessageReceipt::Sent,
            (true, to) => MessageReceipt::Delivered { to },
            (false, delivered) => MessageReceipt::Read { by, delivered },
        })
    }

    pub(super) fn take_receipts(&mut self, receipts: Vec<Receipt>) {
        let Some(known) = &mut self.receipts else { return };
        known.extend(receipts.into_iter().map(|receipt| (receipt.user.clone(), receipt)));
    }

    pub(super) fn take_sightings(&mut self, sightings: Vec<Sighting>, online: u64, away: u64) {
        // In a room that is told whole, who has gone is told with the time; in a sample, who has gone is in it no more.
        for sighting in sightings {
            match (sighting.presence, &self.receipts) {
                (Presence::Offline, None) => drop(self.present.remove(&sighting.user)),
                _ => drop(self.present.insert(sighting.user.clone(), sighting)),
            }
        }
        (self.online, self.away) = (online, away);
    }
}

impl From<Watching> for Watched {
    fn from(watching: Watching) -> Self {
        let Watching { receipts, sightings, online, away, typing, .. } = watching;
        let by_user = |receipts: Vec<Receipt>| {
            receipts.into_iter().map(|receipt| (receipt.user.clone(), receipt)).collect()
        };
        let present = sightings.into_iter().map(|sighting| (sighting.user.clone(), sighting)).collect();
        Self { receipts: receipts.map(by_user), present, online, away, typing }
    }
}

/// What a watcher is told.
pub(super) type Told = Result<Arc<Watched>, RequestError>;

/// A stream of how things stand in a room: the newest, whenever something has changed; a slow taker misses what was in between.
/// It goes on across reconnects, and where the room grows too large for a list or shrinks back. Ends after an error: the user may not
/// read the room, it is watched already with this client, the client watches too many, or it has stopped. Dropping it ends the watching.
pub struct RoomWatch {
    id: WatchId,
    room: RoomId,
    told: BoxStream<'static, Told>,
    commands: mpsc::Sender<Command>,
}

impl RoomWatch {
    pub(super) fn new(
        id: WatchId,
        room: RoomId,
        told: watch::Receiver<Option<Told>>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        let told = futures::stream::unfold(Some(told), async |told| {
            let mut told = told?;
            loop {
                told.changed().await.ok()?;
                let newest = told.borrow_and_update().clone();
                match newest {
                    None => {}
                    Some(Err(error)) => return Some((Err(error), None)),
                    Some(Ok(state)) => return Some((Ok(state), Some(told))),
                }
            }
        });
        Self { id, room, told: Box::pin(told), commands }
    }

    /// Of which room.
    #[must_use]
    pub const fn room(&self) -> &RoomId {
        &self.room
    }
}

impl Stream for RoomWatch {
    type Item = Result<Arc<Watched>, RequestError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.told.as_mut().poll_next(context)
    }
}

impl std::fmt::Debug for RoomWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomWatch").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Drop for RoomWatch {
    fn drop(&mut self) {
        // Where the driver is busy, it finds out with the next change.
        let _ = self.commands.try_send(Command::Unwatch { watch: self.id });
    }
}

#[cfg(test)]
mod tests;
