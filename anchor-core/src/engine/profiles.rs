//! Changing what is kept of a user, and telling those who share a room with the user.

use std::collections::HashSet;
use std::sync::Arc;

use super::Anchor;
use super::mailbox::Mailbox;
use crate::id::UserId;
use crate::limits::ROOMS_PAGE_MAX;
use crate::session::frame::ServerFrame;
use crate::store::StoreError;
use crate::user::{Profile, TooManyBlocked, UserChange, UserRow};

impl Anchor {
    /// Changes what is kept of a user. Durable on return.
    ///
    /// A new profile is told to the sessions on this node that are subscribed to a room which the user has joined, each once
    /// and in passing: who is not told asks.
    ///
    /// # Errors
    /// [`StoreError`]: the same change may be made again, whatever became of this one. [`TooManyBlocked`]: nothing has changed.
    pub async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        let is_seen = matches!(change, UserChange::Profile(_));
        let changed = self.store().change_user(user, change).await?;
        if let Ok(row) = &changed
            && is_seen
            && let Err(error) = self.tell_profile(user, &row.profile).await
        {
            tracing::warn!(%user, %error, "nobody is told of a new profile: the user's rooms could not be read");
        }
        Ok(changed)
    }

    async fn tell_profile(&self, user: &UserId, profile: &Profile) -> Result<(), StoreError> {
        let mut meant = Meant::default();
        let mut after = None;
        loop {
            let rooms = self.store().rooms_of(user, after.as_ref(), ROOMS_PAGE_MAX).await?;
            let joined = rooms.iter().filter(|(_, member)| member.joined().is_some());
            for tail in joined.filter_map(|(room, _)| self.0.tails.get(room)) {
                tail.each_mailbox(|mailbox| meant.add(mailbox));
            }
            match rooms.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        let frame = Arc::new(ServerFrame::Profile { user: user.clone(), profile: profile.clone() });
        meant.mailboxes.iter().for_each(|mailbox| mailbox.say(frame.clone()));
        Ok(())
    }
}

/// The sessions that are to be told, each once.
#[derive(Default)]
struct Meant {
    mailboxes: Vec<Arc<Mailbox>>,
    /// Their addresses; none is used anew while it is held.
    seen: HashSet<usize>,
}

impl Meant {
    fn add(&mut self, mailbox: &Arc<Mailbox>) {
        if self.seen.insert(Arc::as_ptr(mailbox).addr()) {
            self.mailboxes.push(mailbox.clone());
        }
    }
}
