//! What is looked at every now and then while somebody maintains the engine: how far users have come, who is there, who
//! types. As long as nothing of that is kept, nothing wakes.

use super::Anchor;
use crate::sabotage::{self, Sabotage};
use crate::store::StoreError;

impl Anchor {
    /// Looks after all that is due, for ever.
    pub(super) async fn attend(&self) {
        loop {
            self.0.due.reached(&*self.0.env).await;
            self.settle_presence();
            self.look_after_watched().await;
            if let Err(error) = self.flush_due_cursors().await {
                tracing::warn!(%error, "how far users have come could not be written");
            }
            match self.0.sessions.take_gone(self.now()) {
                Ok(gone) => self.write_seen(gone).await,
                Err(due) => due.into_iter().for_each(|due| self.0.due.by(due)),
            }
        }
    }

    /// Makes durable what would be in a while: how far users have come, and when those were last seen who have gone. For a
    /// host that stops, before it closes the store.
    ///
    /// # Errors
    /// [`StoreError`], as [`Anchor::flush_cursors`].
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.write_seen(self.0.sessions.take_all_gone()).await;
        self.flush_cursors().await
    }

    fn settle_presence(&self) {
        let (settled, next) = self.0.sessions.settle(self.now());
        self.0.watched.settled(&settled);
        next.into_iter().for_each(|next| self.0.due.by(next));
    }

    /// Forgets who types no more, and asks the store anew about rooms that have turned.
    async fn look_after_watched(&self) {
        let watched = self.0.watched.all();
        for room in &watched {
            if !sabotage::is(Sabotage::TypingStays) {
                room.expire(self.now()).into_iter().for_each(|next| self.0.due.by(next));
            }
            if let Err(error) = self.look_after(room).await {
                tracing::warn!(room = %room.room(), %error, "who belongs to a watched room could not be read");
            }
        }
    }
}
