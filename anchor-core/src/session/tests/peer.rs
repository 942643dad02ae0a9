//! One end of a session without a socket: what is sent to it, what it sends, and when it may.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::conformance::environment::TestEnvironment;
use crate::engine::{Anchor, AnchorBuilder, Hook, PublishError};
use crate::environment::Environment;
use crate::event::{Draft, Event, EventKind};
use crate::id::{ClientId, Nonce, RoomId, Seq, UserId};
use crate::memory::MemoryStore;
use crate::position::{Offset, Position};
use crate::publish::Ack;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::run::Run;
use crate::session::frame::{ClientFrame, From, Hello, PublishFrame, RequestId, ResumeRoom, ServerFrame};
use crate::session::{
    Action, Ask, Credentials, Denied, Desk, Fault, Goodbye, Identify, Identity, OpenIdentify, Reply, Session,
};
use crate::store::{Place, Store};

/// An engine over a store in memory, under a clock of its own.
pub(super) struct House {
    pub(super) anchor: Anchor,
    pub(super) store: MemoryStore,
    pub(super) env: TestEnvironment,
}

impl House {
    pub(super) fn new() -> Self {
        Self::behind(|store| store)
    }

    /// A store in memory behind what `wrap` puts around it.
    pub(super) fn behind<S: Store>(wrap: impl FnOnce(MemoryStore) -> S) -> Self {
        Self::built(&TestEnvironment::new(7), wrap, |builder| builder)
    }

    /// A store in memory, and an engine that asks `hook`.
    pub(super) fn hooked(hook: impl Hook) -> Self {
        Self::built(&TestEnvironment::new(7), |store| store, |builder| builder.hook(hook))
    }

    /// A store behind what `wrap` puts around it, and an engine as `build` wants it.
    pub(super) fn built<S: Store>(
        env: &TestEnvironment,
        wrap: impl FnOnce(MemoryStore) -> S,
        build: impl FnOnce(AnchorBuilder) -> AnchorBuilder,
    ) -> Self {
        let (env, store) = (env.clone(), MemoryStore::new(env.clone()));
        Self { anchor: build(Anchor::builder(wrap(store.clone()), env.clone())).build(), store, env }
    }

    /// The same store under a new process.
    pub(super) fn restarted(&self) -> Self {
        let store = MemoryStore::open(self.env.clone(), self.store.snapshot());
        let anchor = Anchor::builder(store.clone(), self.env.clone()).build();
        Self { anchor, store, env: self.env.clone() }
    }

    /// Another node on the same store, which no bus tells anything.
    pub(super) fn node(&self) -> Self {
        let store = self.store.node();
        let anchor = Anchor::builder(store.clone(), self.env.clone()).build();
        Self { anchor, store, env: self.env.clone() }
    }

    /// A connection on which nothing was said yet.
    pub(super) fn connect(&self) -> Peer {
        self.connect_to(Arc::new(OpenIdentify))
    }

    /// A session of an admin of the server.
    pub(super) fn admin(&self, user: &str) -> Peer {
        let mut peer = self.connect_to(Arc::new(AdminIdentify));
        peer.send(ClientFrame::Hello(hello(user, &[])));
        peer
    }

    fn connect_to(&self, identify: Arc<dyn Identify>) -> Peer {
        let (desk, session) = Desk::open(self.anchor.clone(), identify);
        Peer {
            desk,
            env: self.env.clone(),
            session,
            replies: FuturesUnordered::new(),
            writable: true,
            reads: 0,
            sent: Vec::new(),
            goodbye: None,
            next_seq: 1,
        }
    }

    /// A session of `user` that resumes `rooms`.
    pub(super) fn session(&self, user: &str, rooms: &[(&str, Position)]) -> Peer {
        let mut peer = self.connect();
        peer.send(ClientFrame::Hello(hello(user, rooms)));
        peer
    }

    /// A session of `user` with a client that no other session has.
    pub(super) fn visit(&self, user: &str) -> Peer {
        let mut id = [0; 16];
        self.env.fill_random(&mut id);
        let mut peer = self.connect();
        peer.send(ClientFrame::Hello(Hello { client_id: ClientId::from_bytes(id), ..hello(user, &[]) }));
        peer
    }

    /// Publishes as `user`, past every session.
    pub(super) fn try_act(&self, user: &str, room: &str, draft: Draft) -> Result<Ack, PublishError> {
        let mut id = [0; 16];
        self.env.fill_random(&mut id);
        block_on(async {
            let mut publisher = self.anchor.client(user_id(user), ClientId::from_bytes(id)).await?;
            publisher.publish(&room_id(room), draft).await
        })
    }

    /// As [`House::try_act`], of what is not refused.
    pub(super) fn act(&self, user: &str, room: &str, draft: Draft) -> Ack {
        self.try_act(user, room, draft).unwrap()
    }

    /// What publishes as `user` once it is called, also in the midst of something else.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread waits for one thing at a time, and who calls is waited for"
    )]
    pub(super) fn later(&self, user: &str, room: &str, draft: Draft) -> impl FnOnce() + Send + 'static {
        let (anchor, user, room) = (self.anchor.clone(), user_id(user), room_id(room));
        let act = || {
            block_on(async move {
                let mut publisher = anchor.client(user, ClientId::from_bytes([0xAC; 16])).await.unwrap();
                publisher.publish(&room, draft).await.unwrap();
            });
        };
        || std::thread::spawn(act).join().unwrap()
    }

    /// Publishes as an admin of the server.
    pub(super) fn act_as_admin(&self, room: &str, draft: Draft) -> Ack {
        let admin = ClientId::from_bytes([0xAD; 16]);
        block_on(async {
            let admin = self.anchor.client(user_id("admin"), admin).await.unwrap();
            admin.as_admin().publish(&room_id(room), draft).await.unwrap()
        })
    }

    /// Publishes so many messages as `user`.
    pub(super) fn say(&self, user: &str, room: &str, messages: u64) {
        for n in 1..=messages {
            self.act(user, room, Draft::message(n.to_string()));
        }
    }

    /// Appends messages to a room, past every session.
    pub(super) fn write(&self, room: &str, texts: impl IntoIterator<Item = String>) {
        let mut id = [0; 16];
        self.env.fill_random(&mut id);
        let user = UserId::new("writer").unwrap();
        let mut publisher = block_on(self.anchor.client(user, ClientId::from_bytes(id))).unwrap();
        for text in texts {
            block_on(publisher.publish(&room_id(room), text)).unwrap();
        }
    }
}

/// Takes everybody for an admin.
#[derive(Debug)]
struct AdminIdentify;

#[async_trait]
impl Identify for AdminIdentify {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        let identity = OpenIdentify.identify(credentials).await?;
        Ok(Identity { admin: true, ..identity })
    }
}

/// What a session sent.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Frame(ServerFrame),
    Run(Run),
}

/// The driver and the client of one session.
pub(super) struct Peer {
    desk: Desk,
    env: TestEnvironment,
    pub(super) session: Session,
    replies: FuturesUnordered<BoxFuture<'static, Reply>>,
    /// Whether the socket takes events.
    pub(super) writable: bool,
    /// Reads of the store that its feeds asked for.
    pub(super) reads: usize,
    pub(super) sent: Vec<Sent>,
    pub(super) goodbye: Option<Goodbye>,
    next_seq: u64,
}

impl Peer {
    pub(super) fn send(&mut self, frame: ClientFrame) -> &mut Self {
        self.session.handle_frame(self.env.now(), Ok(frame));
        self.settle()
    }

    /// Sends all of them before the first is answered.
    pub(super) fn send_at_once(&mut self, frames: impl IntoIterator<Item = ClientFrame>) -> &mut Self {
        frames.into_iter().for_each(|frame| self.session.handle_frame(self.env.now(), Ok(frame)));
        self.settle()
    }

    pub(super) fn send_fault(&mut self, fault: Fault) -> &mut Self {
        self.session.handle_frame(self.env.now(), Err(fault));
        self.settle()
    }

    pub(super) fn subscribe(&mut self, id: u64, room: &str, from: From) -> &mut Self {
        self.send(ClientFrame::Subscribe { id: RequestId(id), room: room_id(room), from })
    }

    pub(super) fn publish(&mut self, room: &str, text: &str) -> &mut Self {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.send(publish(seq, seq, room, text))
    }

    pub(super) fn advance(&mut self, duration: Duration) -> &mut Self {
        self.env.advance(duration);
        self.session.handle_tick(self.env.now());
        self.settle()
    }

    /// Lets a socket that takes nothing take one run.
    pub(super) fn take_one(&mut self) -> &mut Self {
        let runs = |peer: &Self| peer.sent.iter().filter(|sent| matches!(sent, Sent::Run(_))).count();
        let before = runs(self);
        while runs(self) == before
            && let Some(action) =
                self.session.poll_delivery(self.env.now(), self.desk.anchor().heads_known_at())
        {
            self.perform(action);
        }
        self.settle()
    }

    /// Lets everything happen that can.
    pub(super) fn settle(&mut self) -> &mut Self {
        loop {
            let now = self.env.now();
            while let Some(action) = self.session.poll_action(now) {
                self.perform(action);
            }
            let mut cx = Context::from_waker(futures::task::noop_waker_ref());
            if let Poll::Ready(Some(reply)) = self.replies.poll_next_unpin(&mut cx) {
                self.session.handle_reply(reply);
                continue;
            }
            if let Poll::Ready(post) = self.desk.poll_post(&mut cx) {
                self.session.handle_post(post);
                continue;
            }
            if self.writable
                && self.goodbye.is_none()
                && let Some(action) = self.session.poll_delivery(now, self.desk.anchor().heads_known_at())
            {
                self.perform(action);
                continue;
            }
            return self;
        }
    }

    /// The frames sent since the last call, without the runs.
    pub(super) fn frames(&mut self) -> Vec<ServerFrame> {
        let frame = |sent| match sent {
            Sent::Frame(frame) => Some(frame),
            Sent::Run(_) => None,
        };
        self.sent.drain(..).filter_map(frame).collect()
    }

    /// The texts of one room that a client takes which ignores what lies at or below its cursor, in order of arrival.
    pub(super) fn texts(&self, room: &str, after: u64) -> Vec<String> {
        self.events(room, after)
            .into_iter()
            .map(|event| event.body.unwrap().as_text().unwrap().to_owned())
            .collect()
    }

    pub(super) fn events(&self, room: &str, after: u64) -> Vec<Event> {
        let mut cursor = Offset(after);
        let mut events = Vec::new();
        for sent in &self.sent {
            match sent {
                Sent::Run(run) if run.room().as_str() == room => {
                    for event in run.events().map(Result::unwrap) {
                        if event.offset <= cursor {
                            continue;
                        }
                        assert_eq!(event.offset, cursor.next(), "a silent gap");
                        cursor = event.offset;
                        events.push(event);
                    }
                }
                Sent::Frame(ServerFrame::Gap { room: other, gap }) if other.as_str() == room => {
                    cursor = gap.position.unwrap().offset;
                }
                _ => {}
            }
        }
        events
    }

    /// Has the desk answer what a test took from the session.
    pub(super) fn answer(&mut self, ask: Ask) {
        self.perform(Action::Ask(ask));
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send(frame) => self.sent.push(Sent::Frame(frame)),
            Action::SendPage(page) => {
                self.sent.push(Sent::Frame(ServerFrame::Page(Box::new(
                    page.decode().expect("the store is whole"),
                ))));
            }
            Action::Deliver(run) => self.sent.push(Sent::Run(run)),
            Action::Close(goodbye) => self.goodbye = Some(goodbye),
            Action::Ask(ask) => {
                self.reads += usize::from(matches!(ask, Ask::Read(..)));
                self.replies.push(self.desk.answer(&self.session, ask));
            }
        }
    }
}

pub(super) fn hello(user: &str, rooms: &[(&str, Position)]) -> Hello {
    let mut id = [0; 16];
    id[..user.len()].copy_from_slice(user.as_bytes());
    Hello {
        token: None,
        user: Some(UserId::new(user).unwrap()),
        client_id: ClientId::from_bytes(id),
        waits: Seq::FIRST,
        features: Vec::new(),
        resume: rooms.iter().map(|(room, position)| ResumeRoom::after(room_id(room), *position)).collect(),
    }
}

pub(super) fn publish(seq: u64, waits: u64, room: &str, text: &str) -> ClientFrame {
    ClientFrame::Publish(PublishFrame {
        seq: Seq::new(seq).unwrap(),
        nonce: Nonce(5),
        waits: Seq::new(waits).unwrap(),
        room: room_id(room),
        draft: Draft::message(text),
        client_id: None,
    })
}

/// A membership event.
pub(super) fn membership(change: &MembershipChange) -> Draft {
    Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
}

/// A room event.
pub(super) fn room_change(change: &RoomChange) -> Draft {
    Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
}

/// A room event that changes settings.
pub(super) fn settings(settings: Settings) -> Draft {
    room_change(&RoomChange::Set(settings))
}

pub(super) fn user_id(user: &str) -> UserId {
    UserId::new(user).unwrap()
}

pub(super) fn room_id(room: &str) -> RoomId {
    RoomId::new(room).unwrap()
}

pub(super) fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// The position after the event at `offset`, as the store has it.
pub(super) fn position(house: &House, room: &str, offset: u64) -> Position {
    let (room, offset) = (room_id(room), Offset(offset));
    let state = block_on(house.store.room(&room)).unwrap();
    let mark = block_on(house.store.locate(&room, Place::Offset(offset))).unwrap();
    match (offset, state, mark) {
        (Offset::ZERO, ..) => Position::START,
        (_, Some(state), Some(mark)) => Position::at(state.epoch_at(offset), mark),
        _ => panic!("the room has that offset"),
    }
}
