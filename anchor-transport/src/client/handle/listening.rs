//! What comes without being asked for, beside the rooms: announcements, signals, new profiles.

use anchor_core::code::Code;
use anchor_core::id::UserId;
use anchor_core::limits::SIGNAL_BYTES_MAX;
use anchor_core::session::frame::Signal;
use anchor_core::user::Profile;
use futures::Stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Client;
use crate::client::announcements::{Announcement, Announcements};
use crate::client::command::{Command, Request};
use crate::client::error::RequestError;

impl Client {
    /// What admins say to everybody on the server, apart from all rooms. The client reads it by itself from its opening on,
    /// resumes it like any room, and begins at its very first start with what comes next; what was said before stands in
    /// [`RoomId::announcements`](anchor_core::id::RoomId::announcements).
    ///
    /// Each announcement goes to one taker. Who asks for the next has taken the one before: with a durable state it is not
    /// told again, and one that was not taken is told by the next start. A server that has no announcements, or does not let
    /// this client read them, makes for a stream on which nothing comes. The stream does not keep the client open.
    pub fn announcements(&self) -> impl Stream<Item = Announcement> + Send + Unpin + use<> {
        let state = (self.shared.announcements.clone(), self.commands.downgrade());
        Box::pin(futures::stream::unfold(state, async |(announcements, commands)| {
            let next = Announcements::next(&announcements, &commands).await?;
            Some((next, (announcements, commands)))
        }))
    }

    /// What is said in passing in the rooms that this client is subscribed to, from now on. A slow taker misses the oldest.
    pub fn signals(&self) -> impl Stream<Item = Signal> + Send + Unpin + use<> {
        passing(self.shared.signals.resubscribe())
    }

    /// Who has another profile, of those who share a room with the user, from now on. In passing: a slow taker misses the
    /// oldest, and who was away asks with [`Client::profiles`].
    pub fn profile_changes(&self) -> impl Stream<Item = (UserId, Profile)> + Send + Unpin + use<> {
        passing(self.shared.profiles.resubscribe())
    }

    /// Says something in passing to those who are subscribed to a room now, or to one user or client of them. Never stored,
    /// never repeated: where there is no connection, too much waits for it, or the server refuses it, nothing is said, and
    /// nobody is told. It costs one frame; [`Client::signal_taken`] also asks what became of it.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with `invalid` for a body beyond [`SIGNAL_BYTES_MAX`]; [`RequestError::Closed`].
    pub async fn signal(&self, signal: Signal) -> Result<(), RequestError> {
        check(&signal)?;
        self.commands.send(Command::Signal(signal)).await.map_err(|_| RequestError::Closed)
    }

    /// As [`Client::signal`], once there is a connection, and waits until the server has taken it: one round trip. Whether
    /// anybody heard it is not told.
    ///
    /// Calls of one client go one after the other, since the server names a refused signal by its place alone. Therefore, too,
    /// a refusal may be that of a [`Client::signal`] of the same moment: who wants to know of one says all of them this way.
    ///
    /// # Errors
    /// - [`RequestError::Refused`] by the name of why it may not be said (`not_a_member`, `muted`, `room_archived`, …), or with
    ///   `invalid` for a body beyond [`SIGNAL_BYTES_MAX`]: nobody heard it.
    /// - [`RequestError::Lost`] or [`RequestError::TimedOut`]: it may or may not have been said, and is not said again.
    /// - [`RequestError::Busy`], [`RequestError::Stopped`], [`RequestError::Closed`].
    pub async fn signal_taken(&self, signal: Signal) -> Result<(), RequestError> {
        check(&signal)?;
        self.request(Request::Signal(signal)).await.map(drop)
    }
}

fn check(signal: &Signal) -> Result<(), RequestError> {
    if signal.body.bytes().len() > SIGNAL_BYTES_MAX {
        let message = format!("a signal has at most {SIGNAL_BYTES_MAX} bytes");
        return Err(RequestError::Refused { code: Code::Invalid, message });
    }
    Ok(())
}

/// What comes in passing, until the client ends.
pub(super) fn passing<T: Clone + Send + 'static>(
    heard: broadcast::Receiver<T>,
) -> impl Stream<Item = T> + Send + Unpin {
    Box::pin(futures::stream::unfold(heard, async |mut heard| {
        loop {
            match heard.recv().await {
                Ok(said) => return Some((said, heard)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }))
}
