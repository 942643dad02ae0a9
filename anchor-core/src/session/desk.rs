//! What stands behind a session: the engine and the host, who answer what it asks.
//!
//! Every driver has one of these for each connection, whatever its bytes travel on: a socket, a pipe, a test.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::action::{Ask, Reply};
use super::answer::answer;
use super::held::Held;
use super::identify::{Identify, Identity};
use super::machine::{Session, SessionConfig};
use super::note::Note;
use crate::engine::{Anchor, Mailbox, Post, SessionGuard, Watcher};
use crate::id::SessionId;
use crate::store::StoreError;

/// The engine and the host behind one session. Dropping it takes the session off its node.
#[derive(Debug)]
pub struct Desk {
    anchor: Anchor,
    identify: Arc<dyn Identify>,
    mailbox: Arc<Mailbox>,
    guard: Arc<SessionGuard>,
    held: Arc<Held>,
}

impl Desk {
    /// A desk, and the session of a connection that was just accepted.
    #[must_use]
    pub fn open(anchor: Anchor, identify: Arc<dyn Identify>) -> (Self, Session) {
        let mut id = [0; 16];
        anchor.env().fill_random(&mut id);
        let id = SessionId::from_bytes(id);
        let (heartbeat, missing_room) = (anchor.heartbeat(), anchor.missing_room());
        let config = SessionConfig { id, heartbeat, missing_room, is_moderated: anchor.is_moderated() };
        let session = Session::new(config, anchor.now());
        let mailbox = Mailbox::new();
        let guard = Arc::new(anchor.enter(mailbox.clone()));
        (Self { anchor, identify, mailbox, guard, held: Arc::default() }, session)
    }

    /// The engine.
    #[must_use]
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Takes what the node has for the session, or waits for something.
    pub fn poll_post(&self, cx: &mut Context<'_>) -> Poll<Post> {
        self.mailbox.poll_take(cx)
    }

    /// Answers what `session` asks. Publishes take their place in line when this is called.
    #[must_use]
    pub fn answer(&self, session: &Session, ask: Ask) -> BoxFuture<'static, Reply> {
        let anchor = self.anchor.clone();
        match ask {
            Ask::Identify(credentials) => {
                let identify = self.identify.clone();
                async move { Reply::Identified(identify.identify(credentials).await) }.boxed()
            }
            Ask::OpenClient(client, waits) => {
                let guard = self.guard.clone();
                async move { Reply::ClientOpened(anchor.open_client(&guard, &client, waits).await) }.boxed()
            }
            Ask::Prepare(publish) => {
                async move { Reply::Prepared(Box::new(anchor.prepare(*publish).await)) }.boxed()
            }
            Ask::Append(batch, publishes) => {
                anchor.append(publishes).map(move |outcomes| Reply::Appended(batch, outcomes)).boxed()
            }
            Ask::Open(slot, room, from) => {
                let (mailbox, reader) = (self.mailbox.clone(), session.identity());
                let watcher = match session.tag() {
                    Some(client) => Watcher::of_client(mailbox, slot, reader, client),
                    None => Watcher::new(mailbox, slot, reader),
                };
                async move { Reply::Opened(slot, anchor.open(&room, from, watcher).await) }.boxed()
            }
            Ask::Verify(slot, room, cursor) => {
                let reader = session.identity();
                async move { Reply::Verified(slot, anchor.verify(&room, cursor, reader.as_ref()).await) }
                    .boxed()
            }
            Ask::Read(slot, read) => {
                async move { Reply::Read(slot, anchor.store().read(read).await) }.boxed()
            }
            Ask::History { id, room, range, limit } => {
                let reader = session.identity();
                async move {
                    let page = anchor.stored_history(id, &room, range, limit, reader.as_ref()).await;
                    Reply::Page(id, page)
                }
                .boxed()
            }
            Ask::Request(id, request) => {
                let (reader, wants_unread) = (session.identity(), session.wants_unread());
                async move { Reply::Answered(id, answer(&anchor, id, *request, reader, wants_unread).await) }
                    .boxed()
            }
            Ask::ChangeUser(id, change) => {
                let user = session.client().map(|client| client.user.clone());
                async move {
                    let changed = match user {
                        Some(user) => anchor.change_user(&user, *change).await,
                        None => Err(StoreError::Closed),
                    };
                    Reply::UserChanged(id, changed.map(|changed| changed.map(drop)))
                }
                .boxed()
            }
            Ask::Unread(number, rooms) => {
                let reader = session.identity();
                async move {
                    Reply::Unread(
                        number,
                        match reader {
                            Some(reader) => anchor.unread(&reader, &rooms).await,
                            None => Err(StoreError::Closed),
                        },
                    )
                }
                .boxed()
            }
            Ask::Watch(id, slot, room) => {
                let (mailbox, reader) = (self.mailbox.clone(), session.identity());
                async move {
                    let watching = match reader {
                        Some(reader) => anchor.watch(id, &room, &reader, mailbox, slot).await,
                        None => Err(StoreError::Closed.into()),
                    };
                    Reply::Watching(id, slot, watching.map(Box::new))
                }
                .boxed()
            }
            Ask::Look(slot, watch) => {
                let reader = session.identity();
                async move {
                    Reply::Looked(
                        slot,
                        match reader {
                            Some(reader) => anchor.look(&watch, &reader).await,
                            None => Err(StoreError::Closed.into()),
                        },
                    )
                }
                .boxed()
            }
            Ask::Note(note) => {
                let (guard, user) = (self.guard.clone(), session.identity());
                async move {
                    if let Some(user) = user {
                        noted(&anchor, &guard, &user, *note).await;
                    }
                    Reply::Noted
                }
                .boxed()
            }
            Ask::Consume(consume) => {
                let (held, reader, client) = (self.held.clone(), session.identity(), session.tag());
                async move {
                    let (id, name) = (consume.id, consume.name.clone());
                    Reply::Consumed(id, name, held.consume(&anchor, reader, client, *consume).await)
                }
                .boxed()
            }
            Ask::Signal(signal) => {
                let client = session.client().cloned();
                let admin = session.identity().is_some_and(|identity| identity.admin);
                async move {
                    Reply::Signalled(match client {
                        Some(client) => anchor.signal(&client, admin, *signal).await,
                        None => Ok(Ok(())),
                    })
                }
                .boxed()
            }
        }
    }
}

/// Tells the engine what a session says of its user. What it does not take, nobody hears of: a client says how far it has come
/// until it is answered, and the rest is said in passing.
async fn noted(anchor: &Anchor, guard: &SessionGuard, user: &Identity, note: Note) {
    match note {
        Note::Cursor(cursor) => drop(anchor.move_cursor(user, cursor).await),
        Note::Presence(presence) => anchor.set_presence(guard, presence),
        Note::Typing { room, typing } => drop(anchor.typing(user, &room, typing).await),
    }
}
