//! What a connection does for each action of its session: one line each.

use anchor_core::engine::Watcher;
use anchor_core::session::{Action, Reply};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Connection<IO> {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Send(frame) => self.queue(self.encoding.encode_server(&frame)),
            Action::Deliver(run) => self.queue(self.encoding.encode_run(&run)),
            Action::Close(goodbye) => self.goodbye = Some(goodbye),
            asked => {
                let reply = self.ask(asked);
                self.replies.push(reply);
            }
        }
    }

    fn ask(&self, action: Action) -> BoxFuture<'static, Reply> {
        let anchor = self.anchor.clone();
        match action {
            Action::Identify(credentials) => {
                let identify = self.identify.clone();
                async move { Reply::Identified(identify.identify(credentials).await) }.boxed()
            }
            Action::OpenClient(client, waits) => {
                let guard = self.guard.clone();
                async move { Reply::ClientOpened(anchor.open_client(&guard, &client, waits).await) }.boxed()
            }
            // The batch takes its place in line here, not when the future is polled.
            Action::Append(batch, publishes) => {
                let outcomes = anchor.append(publishes);
                async move { Reply::Appended(batch, outcomes.await) }.boxed()
            }
            Action::Open(slot, room, from) => {
                let user = self.session.client().map(|client| client.user.clone());
                let watcher = Watcher::new(self.mailbox.clone(), slot, user);
                async move { Reply::Opened(slot, anchor.open(&room, from, watcher).await) }.boxed()
            }
            Action::Verify(slot, room, cursor) => {
                async move { Reply::Verified(slot, anchor.verify(&room, cursor).await) }.boxed()
            }
            Action::Read(slot, read) => {
                async move { Reply::Read(slot, anchor.store().read(read).await) }.boxed()
            }
            Action::History { id, room, range, limit } => {
                async move { Reply::Page(id, anchor.history(id, &room, range, limit).await) }.boxed()
            }
            Action::Rooms { id, after, limit } => {
                async move { Reply::Rooms(id, limit, anchor.rooms(after.as_ref(), limit).await) }.boxed()
            }
            Action::Who { id, room } => {
                let users = anchor.who(&room);
                ready(Reply::Who(id, room, users)).boxed()
            }
            Action::Send(_) | Action::Deliver(_) | Action::Close(_) => {
                unreachable!("perform does these without an answer")
            }
        }
    }

    fn queue(&mut self, frame: bytes::Bytes) {
        self.to_write_bytes += frame.len();
        self.to_write.push_back(frame);
    }
}
