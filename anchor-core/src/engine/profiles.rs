//! Changing what is kept of a user, and telling those who share a room with the user.
//!
//! Two share a room that one has joined and the other reads; and a room in which both are now, whoever has joined it: in a
//! room without an owner nobody does. The rooms of the first kind are in the store. Those of the second kind the user's own
//! sessions know, and nobody else: they introduce the user there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Anchor;
use super::mailbox::Mailbox;
use super::tail::Tail;
use crate::id::UserId;
use crate::limits::ROOMS_PAGE_MAX;
use crate::sabotage::{self, Sabotage};
use crate::session::frame::ServerFrame;
use crate::store::StoreError;
use crate::user::{Profile, TooManyBlocked, UserChange, UserRow};

impl Anchor {
    /// Changes what is kept of a user. Durable on return.
    ///
    /// A new profile is told to the sessions on this node that are subscribed to a room which the user has joined, or to
    /// which a session of the user on this node is subscribed, too, but for announcements: each once and in passing. Who is
    /// not told asks. It costs a look at each of those rooms, and a frame for each of those sessions.
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
            tracing::warn!(%user, %error, "not everybody is told of a new profile: the user's rooms could not be read");
        }
        Ok(changed)
    }

    async fn tell_profile(&self, user: &UserId, profile: &Profile) -> Result<(), StoreError> {
        let introduction = Arc::new(Introduction::of(user, profile));
        for mailbox in self.0.sessions.of(user) {
            mailbox.introduce(introduction.clone());
        }
        if sabotage::is(Sabotage::ProfileToldToAll) {
            self.0.tails.all().iter().for_each(|tail| introduction.make_in(tail));
        }
        let mut after = None;
        loop {
            let rooms = self.store().rooms_of(user, after.as_ref(), ROOMS_PAGE_MAX).await?;
            let joined = rooms.iter().filter(|(_, member)| member.joined().is_some());
            for tail in joined.filter_map(|(room, _)| self.0.tails.get(room)) {
                introduction.make_in(&tail);
            }
            match rooms.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        Ok(())
    }
}

/// A new profile on its way to those who share a room with its user, from one room to the next: each session is told once.
#[derive(Debug)]
pub struct Introduction {
    frame: Arc<ServerFrame>,
    /// Who was told, by address: none is used anew while it is held. A session that never takes its post holds the
    /// introduction, which therefore holds no session.
    told: Mutex<HashMap<usize, Weak<Mailbox>>>,
}

impl Introduction {
    pub(super) fn of(user: &UserId, profile: &Profile) -> Self {
        let frame = ServerFrame::Profile { user: user.clone(), profile: profile.clone() };
        Self { frame: Arc::new(frame), told: Mutex::default() }
    }

    /// Tells the sessions that are in a room.
    pub(super) fn make_in(&self, tail: &Tail) {
        let mut new = Vec::new();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            tail.each_mailbox(|mailbox| {
                told.entry(Arc::as_ptr(mailbox).addr()).or_insert_with(|| {
                    new.push(mailbox.clone());
                    Arc::downgrade(mailbox)
                });
            });
        }
        // Outside of the locks: it wakes, and a waker may do anything.
        new.iter().for_each(|mailbox| mailbox.say(self.frame.clone()));
    }
}
