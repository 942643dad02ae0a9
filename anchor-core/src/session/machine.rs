//! The machine itself: its phases, its timers, and the ways into it.

use std::collections::VecDeque;
use std::time::Duration;

use super::action::{Action, Ask, Fault, Goodbye, Reply, Request};
use super::consuming::Consuming;
use super::frame::{ClientFrame, Hello, RequestId, ServerFrame, SessionLimits, Welcome};
use super::identify::{Credentials, Identity};
use super::note::Note;
use super::passing::InPassing;
use super::publishing::{Publishing, Writer};
use super::requests::{Requests, bounded};
use super::rooms::{Answer, Rooms};
use super::watching::Attention;
use crate::code::Code;
use crate::engine::{Notice, Post, Slot};
use crate::environment::Monotonic;
use crate::id::{ClientKey, ClientTag, RoomId, SessionId, SessionNumber};
use crate::limits;
use crate::publish::{MissingRoom, Refusal};
use crate::sabotage::{self, Sabotage};
use crate::store::ClientState;

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Its name, for logs.
    pub id: SessionId,
    /// Silence after which a beat is sent.
    pub heartbeat: Duration,
    /// What a publish to a room without events does.
    pub missing_room: MissingRoom,
    /// The host is asked about every publish.
    pub is_moderated: bool,
}

/// The server's half of one connection. See [`crate::session`].
#[derive(Debug)]
pub struct Session {
    pub(super) config: SessionConfig,
    phase: Phase,
    pub(super) out: VecDeque<Action>,
    pub(super) publishing: Publishing,
    pub(super) rooms: Rooms,
    pub(super) requests: Requests,
    passing: InPassing,
    /// Most sessions take for no consumer.
    consuming: Option<Box<Consuming>>,
    attention: Attention,
    /// The session hears how far its user has come.
    hears_receipts: bool,
    /// The user is an admin of the server.
    pub(super) admin: bool,
    /// The name under which others see the client, once it is open.
    tag: Option<ClientTag>,
    hello_by: Monotonic,
    heard_at: Monotonic,
    sent_at: Monotonic,
    beat_due: bool,
}

#[derive(Debug)]
enum Phase {
    /// Nothing has come yet.
    AwaitHello,
    /// The host is asked who this is.
    Identifying(Box<Hello>),
    /// The store is asked where the client stands.
    OpeningClient(Box<Hello>, ClientKey),
    /// Rooms of `hello` are being opened, and `welcome` waits for them.
    Resuming(ClientKey, ClientState),
    /// Everything goes.
    Active(ClientKey, SessionNumber),
    /// What is on its way to the store is waited for, then the session ends.
    Draining(Goodbye),
    /// The goodbye is said.
    Ended,
}

impl Session {
    /// A session whose connection was just accepted.
    #[must_use]
    pub fn new(config: SessionConfig, now: Monotonic) -> Self {
        Self {
            config,
            phase: Phase::AwaitHello,
            out: VecDeque::new(),
            publishing: Publishing::default(),
            rooms: Rooms::default(),
            requests: Requests::default(),
            passing: InPassing::default(),
            consuming: None,
            attention: Attention::default(),
            hears_receipts: false,
            tag: None,
            admin: false,
            hello_by: now + limits::HELLO_WITHIN,
            heard_at: now,
            sent_at: now,
            beat_due: false,
        }
    }

    /// Takes a frame, or what should have been one.
    pub fn handle_frame(&mut self, now: Monotonic, frame: Result<ClientFrame, Fault>) {
        self.heard_at = now;
        if matches!(self.phase, Phase::Draining(_) | Phase::Ended) {
            return;
        }
        match frame {
            Ok(frame) => self.take_frame(frame),
            Err(fault) => self.take_fault(fault),
        }
    }

    /// Learns that the peer is there, without a frame of it: some bytes came, or it takes what is written.
    pub fn handle_alive(&mut self, now: Monotonic) {
        self.heard_at = now;
    }

    /// Takes what the node has for the session.
    pub fn handle_post(&mut self, post: Post) {
        self.handle_wake(&post.ready);
        if !post.passing.is_empty() {
            let mut passing = post.passing;
            if let Some(introduction) = passing.take_introduction() {
                self.rooms.introduce(&introduction);
            }
            self.attention.look(passing.take_watched());
            if !self.hears_receipts {
                passing.drop_receipts();
            }
            self.passing.hear(passing);
        }
        if let Some(notice) = post.notice {
            self.handle_notice(notice);
        }
    }

    /// Learns that rooms have news.
    fn handle_wake(&mut self, ready: &[Slot]) {
        ready.iter().for_each(|slot| self.rooms.wake(*slot));
    }

    /// Learns something of the whole node.
    fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Replaced => {
                self.end(Goodbye::new(Code::Replaced, "another session of this client was opened"))
            }
            Notice::StoreFailed => {
                self.end(Goodbye::new(Code::StoreFailed, "the store has failed; resend later"))
            }
            Notice::Drain(after) => {
                let goodbye = Goodbye {
                    reconnect_after: Some(after),
                    ..Goodbye::new(Code::Shutdown, "the server stops; come back in your slot")
                };
                match self.phase {
                    Phase::Active(..) => {
                        self.phase = Phase::Draining(goodbye);
                        self.publishing.give_up_line();
                        self.finish_draining();
                    }
                    // Its slot stands, and its acks are still due.
                    Phase::Draining(_) => {}
                    _ => self.end(goodbye),
                }
            }
        }
    }

    /// Takes the answer to an action.
    pub fn handle_reply(&mut self, reply: Reply) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        match reply {
            Reply::Identified(Ok(identity)) => self.identified(identity),
            Reply::Identified(Err(denied)) => self.end(Goodbye::new(denied.code, denied.message)),
            Reply::ClientOpened(Ok(state)) => self.client_opened(state),
            Reply::ClientOpened(Err(error)) => self.end(Goodbye::store(&error)),
            Reply::Prepared(prepared) => {
                if let Err(goodbye) = self.publishing.prepared(*prepared, &mut self.out) {
                    self.end(goodbye);
                }
            }
            Reply::Appended(batch, outcomes) => {
                if let Err(goodbye) = self.publishing.answered(batch, outcomes, &mut self.out) {
                    self.end(goodbye);
                }
                self.finish_draining();
            }
            Reply::Opened(slot, opened) => {
                let answer = self.rooms.opened(slot, opened, &mut self.out);
                self.answer_rooms(answer);
            }
            Reply::Verified(slot, verified) => {
                if let Err(goodbye) = self.rooms.verified(slot, verified, &mut self.out) {
                    self.end(goodbye);
                }
            }
            Reply::Read(slot, runs) => {
                if let Err(goodbye) = self.rooms.loaded(slot, runs) {
                    self.end(goodbye);
                }
            }
            Reply::Page(id, page) => self.requests.page(id, page, &mut self.out),
            Reply::Answered(id, frame) => self.requests.answered(id, frame, &mut self.out),
            Reply::UserChanged(id, changed) => self.requests.user_changed(id, changed, &mut self.out),
            Reply::Consumed(id, name, consumed) => {
                self.consuming.get_or_insert_default().answered(id, &name, consumed, &mut self.out);
            }
            Reply::Signalled(answer) => self.passing.said(answer, &mut self.out),
            Reply::Unread(number, unread) => {
                let answer = self.rooms.counted(number, unread);
                self.answer_rooms(answer);
            }
            Reply::Watching(id, slot, watching) => {
                let frames = self.attention.opened(slot, id, watching);
                self.out.extend(frames.into_iter().map(Action::Send));
            }
            Reply::Looked(slot, news) => self.attention.looked(slot, news, &mut self.out),
            Reply::Noted => self.attention.noted(&mut self.out),
        }
    }

    /// Learns that a deadline may have passed.
    pub fn handle_tick(&mut self, now: Monotonic) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        if matches!(self.phase, Phase::AwaitHello) && now >= self.hello_by {
            self.end(Goodbye::new(Code::HelloLate, "no hello within 10 s"));
        } else if now >= self.silent_at() {
            self.end(Goodbye::new(Code::Silent, "nothing came for three heartbeats"));
        } else if matches!(self.phase, Phase::Active(..)) && now >= self.beat_at() {
            self.beat_due = true;
            self.sent_at = now;
        }
    }

    /// The next thing to do, other than delivering events.
    pub fn poll_action(&mut self, now: Monotonic) -> Option<Action> {
        if let Some(batch) = self.publishing.take_batch() {
            return Some(batch);
        }
        let Some(action) = self.out.pop_front() else {
            // Actions are large, and most sessions are idle: no buffer waits for the next.
            if self.out.capacity() > 0 {
                self.out = VecDeque::new();
            }
            return None;
        };
        if matches!(action, Action::Send(_) | Action::SendPage(_)) {
            self.sent_at = now;
        }
        Some(action)
    }

    /// The next delivery, or the next read for one: asked when the socket can take more. A beat that is due goes first;
    /// beats do not pile up before a socket that takes nothing.
    pub fn poll_delivery(&mut self, now: Monotonic, heads_known_at: u64) -> Option<Action> {
        if !matches!(self.phase, Phase::Active(..)) {
            return None;
        }
        if std::mem::take(&mut self.beat_due) {
            self.sent_at = now;
            return Some(self.beat(heads_known_at));
        }
        // Behind what is live, before what is caught up with.
        let has_live = self.rooms.has_live();
        if !has_live && let Some(frame) = self.next_in_passing(now) {
            return Some(frame);
        }
        match self.rooms.poll_delivery() {
            // What was live had nothing more to deliver.
            Ok(None) if has_live => self.next_in_passing(now),
            Ok(action) => {
                if matches!(action, Some(Action::Deliver(_))) {
                    self.sent_at = now;
                }
                action
            }
            Err(goodbye) => {
                self.end(goodbye);
                self.poll_action(now)
            }
        }
    }

    fn next_in_passing(&mut self, now: Monotonic) -> Option<Action> {
        if self.passing.has_heard()
            && let Some(frame) = self.passing.next(|room| self.rooms.is_present(room))
        {
            self.sent_at = now;
            return Some(Action::Send(frame));
        }
        if std::mem::take(&mut self.rooms.has_ended) {
            self.attention.left();
        }
        let action = if self.attention.has_news() { self.attention.next(&self.rooms) } else { None };
        if matches!(action, Some(Action::Send(_))) {
            self.sent_at = now;
        }
        action
    }

    /// True while it catches up: what it is sent next comes from the store. Who drives many sessions lets others go first.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.rooms.is_behind()
    }

    /// When [`Session::handle_tick`] has something to do, unless something else happens first.
    #[must_use]
    pub fn poll_deadline(&self) -> Monotonic {
        match self.phase {
            Phase::AwaitHello => self.hello_by.min(self.silent_at()),
            Phase::Active(..) => self.beat_at().min(self.silent_at()),
            _ => self.silent_at(),
        }
    }

    /// The client, once it is known.
    #[must_use]
    pub fn client(&self) -> Option<&ClientKey> {
        match &self.phase {
            Phase::OpeningClient(_, client) | Phase::Resuming(client, _) | Phase::Active(client, _) => {
                Some(client)
            }
            _ => None,
        }
    }

    /// The name under which others see the client, once it is open.
    #[must_use]
    pub const fn tag(&self) -> Option<ClientTag> {
        self.tag
    }

    /// True if the client wants to be told what is unread in rooms that answers name.
    #[must_use]
    pub const fn wants_unread(&self) -> bool {
        self.rooms.tells_unread
    }

    /// Who it is, once that is known.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        self.client().map(|client| Identity { user: client.user.clone(), admin: self.admin })
    }

    fn take_frame(&mut self, frame: ClientFrame) {
        match (&self.phase, frame) {
            (Phase::AwaitHello, ClientFrame::Hello(hello)) => self.hello(hello),
            (Phase::AwaitHello, _) => self.end(Goodbye::new(Code::OutOfOrder, "the first frame is hello")),
            (_, ClientFrame::Hello(_)) => self.end(Goodbye::new(Code::OutOfOrder, "hello comes once")),
            (_, ClientFrame::Beat) => {}
            (Phase::Active(client, number), frame) => {
                let (client, number) = (client.clone(), *number);
                self.take_request(client, number, frame);
            }
            _ => self.end_before_welcome(),
        }
    }

    fn end_before_welcome(&mut self) {
        self.end(Goodbye::new(Code::OutOfOrder, "wait for welcome before you send more"));
    }

    fn take_request(&mut self, client: ClientKey, number: SessionNumber, frame: ClientFrame) {
        match frame {
            ClientFrame::Publish(publish) => {
                let SessionConfig { missing_room, is_moderated, .. } = self.config;
                let writer =
                    Writer { client, session: number, admin: self.admin, missing_room, is_moderated };
                if let Err(goodbye) = self.publishing.take(writer, publish, &mut self.out) {
                    self.end(goodbye);
                }
            }
            ClientFrame::Resume { id, rooms } => {
                let answer = self.rooms.resume(Answer::Resumed(id), rooms, &mut self.out);
                self.answer_rooms(answer);
            }
            ClientFrame::Subscribe { id, room, from } => self.rooms.subscribe(id, room, from, &mut self.out),
            ClientFrame::Unsubscribe { id, room } => self.rooms.unsubscribe(id, &room, &mut self.out),
            ClientFrame::History { id, room, range, limit } => {
                self.requests.ask_history(id, room, range, limit, &mut self.out);
            }
            ClientFrame::Rooms { id, after, limit, which } => {
                self.ask_for(id, Request::Rooms { which, after, limit: bounded(limit) });
            }
            ClientFrame::Room { id, room } => self.ask_for(id, Request::Room(room)),
            ClientFrame::Members { id, room, after, limit } => {
                self.ask_for(id, Request::Members { room, after, limit: bounded(limit) });
            }
            ClientFrame::Thread { id, room, root, from, limit } => {
                self.ask_for(id, Request::Thread { room, root, from, limit: bounded(limit) });
            }
            ClientFrame::Profiles { id, users } => self.ask_for(id, Request::Profiles(users)),
            ClientFrame::Contact { id } => self.ask_for(id, Request::Contact),
            ClientFrame::Who { id, room } => {
                if self.requests.may_open(id, &mut self.out) {
                    let ask = Ask::Request(id, Box::new(Request::Who(room)));
                    self.passing.ask_behind(ask, &mut self.out);
                }
            }
            ClientFrame::ChangeUser { id, change } => {
                self.requests.ask_change_user(id, change, &mut self.out);
            }
            ClientFrame::Signal(signal) => self.passing.say(signal, &mut self.out),
            ClientFrame::Search { id, text, limit, after } => {
                self.ask_for(id, Request::Search { text, limit: bounded(limit), after });
            }
            ClientFrame::Readers { id, room, offsets } => {
                self.ask_for(id, Request::Readers { room, offsets });
            }
            ClientFrame::Consumers { id, after, limit, whose } => {
                self.ask_for(id, Request::Consumers { after, limit: bounded(limit), whose });
            }
            ClientFrame::ChangeConsumer { id, name, change, whose } => {
                self.ask_for(id, Request::ChangeConsumer { name, change, whose });
            }
            ClientFrame::Webhooks { id, after, limit } => {
                self.ask_for(id, Request::Webhooks { after, limit: bounded(limit) });
            }
            ClientFrame::ChangeWebhook { id, change } => self.ask_for(id, Request::ChangeWebhook(change)),
            ClientFrame::DeadLetters { id, name, after, limit } => {
                self.ask_for(id, Request::DeadLetters { name, after, limit: bounded(limit) });
            }
            ClientFrame::Watch { id, room } => self.watch(id, room),
            ClientFrame::Unwatch { id, room } => self.attention.unwatch(id, &room, &mut self.out),
            ClientFrame::Cursor(cursor) => {
                self.hears_receipts = true;
                self.attention.note(Note::Cursor(cursor), &mut self.out);
            }
            ClientFrame::Presence { presence } => {
                self.attention.note(Note::Presence(presence), &mut self.out);
            }
            ClientFrame::Typing { room, typing } => {
                self.attention.note(Note::Typing { room, typing }, &mut self.out);
            }
            ClientFrame::Consume(consume) => {
                self.consuming.get_or_insert_default().ask(*consume, &mut self.out);
            }
            ClientFrame::Hello(_) | ClientFrame::Beat => {}
        }
    }

    fn ask_for(&mut self, id: RequestId, request: Request) {
        self.requests.ask_for(id, request, &mut self.out);
    }

    fn watch(&mut self, id: RequestId, room: RoomId) {
        self.hears_receipts = true;
        match self.attention.watch(&room) {
            Ok(slot) => self.out.push_back(Action::Ask(Ask::Watch(id, slot, room))),
            Err(refusal) => self.error(Some(id), refusal),
        }
    }

    fn take_fault(&mut self, fault: Fault) {
        let ends = matches!(fault.code, Code::Malformed | Code::TooLarge);
        match self.phase {
            _ if ends => self.end(Goodbye::new(fault.code, fault.message)),
            Phase::AwaitHello => self.end(Goodbye::new(fault.code, fault.message)),
            Phase::Active(..) => self.error(fault.id, Refusal::new(fault.code, fault.message)),
            _ => self.end_before_welcome(),
        }
    }

    fn hello(&mut self, hello: Hello) {
        if hello.resume.len() > limits::RESUME_ROOMS_MAX {
            return self.end(Goodbye::new(
                Code::Malformed,
                "hello resumes at most 1,000 rooms; use resume for more",
            ));
        }
        let credentials = Credentials { token: hello.token.clone(), user: hello.user.clone() };
        self.phase = Phase::Identifying(Box::new(hello));
        self.out.push_back(Action::Ask(Ask::Identify(credentials)));
    }

    fn identified(&mut self, identity: Identity) {
        let phase = std::mem::replace(&mut self.phase, Phase::AwaitHello);
        let Phase::Identifying(hello) = phase else {
            self.phase = phase;
            return;
        };
        self.admin = identity.admin;
        let client = ClientKey { user: identity.user, id: hello.client_id };
        self.out.push_back(Action::Ask(Ask::OpenClient(client.clone(), hello.waits)));
        self.phase = Phase::OpeningClient(hello, client);
    }

    fn client_opened(&mut self, state: ClientState) {
        let phase = std::mem::replace(&mut self.phase, Phase::AwaitHello);
        let Phase::OpeningClient(hello, client) = phase else {
            self.phase = phase;
            return;
        };
        self.publishing.begin(state.highest);
        self.rooms.tells_unread = hello.features.iter().any(|feature| feature == UNREAD);
        self.hears_receipts = self.rooms.tells_unread;
        self.tag = Some(client.tag());
        self.phase = Phase::Resuming(client, state);
        let answer = self.rooms.resume(Answer::Welcome, hello.resume, &mut self.out);
        self.answer_rooms(answer);
    }

    /// Answers a request for rooms once all of them are open.
    fn answer_rooms(&mut self, answer: super::rooms::Progress) {
        match answer {
            Ok(None) => {}
            Ok(Some((Answer::Welcome, entries))) => self.welcome(entries),
            Ok(Some((Answer::Resumed(id), rooms))) => {
                self.out.push_back(Action::Send(ServerFrame::Resumed { id, rooms }));
                self.rooms.release(&mut self.out);
            }
            Err(goodbye) => self.end(goodbye),
        }
    }

    fn welcome(&mut self, rooms: Vec<super::frame::RoomEntry>) {
        let phase = std::mem::replace(&mut self.phase, Phase::AwaitHello);
        let Phase::Resuming(client, state) = phase else {
            self.phase = phase;
            return;
        };
        self.out.push_back(Action::Send(ServerFrame::Welcome(Box::new(Welcome {
            session: self.config.id,
            user: client.user.clone(),
            client: self.tag.unwrap_or_else(|| client.tag()),
            seq: state.highest,
            heartbeat_ms: millis(self.config.heartbeat),
            limits: SESSION_LIMITS,
            features: self.rooms.tells_unread.then(|| UNREAD.to_owned()).into_iter().collect(),
            rooms,
        }))));
        self.phase = Phase::Active(client, state.session);
        self.rooms.release(&mut self.out);
    }

    /// What this node knows. Where more rooms lag than a beat names it claims nothing: as of the year 1970.
    fn beat(&self, heads_known_at: u64) -> Action {
        let lag = if sabotage::is(Sabotage::BeatLies) { Vec::new() } else { self.rooms.lag() };
        let (at, lag) = if lag.len() <= BEAT_LAG_MAX { (heads_known_at, lag) } else { (0, Vec::new()) };
        Action::Send(ServerFrame::Beat { at, lag })
    }

    fn error(&mut self, id: Option<RequestId>, refusal: Refusal) {
        self.out.push_back(Action::Send(error_frame(id, refusal)));
    }

    fn finish_draining(&mut self) {
        if let Phase::Draining(goodbye) = &self.phase
            && self.publishing.is_idle()
        {
            let goodbye = goodbye.clone();
            self.end(goodbye);
        }
    }

    fn end(&mut self, goodbye: Goodbye) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.phase = Phase::Ended;
        self.publishing.clear();
        self.out.retain(|action| matches!(action, Action::Send(_)));
        self.out.push_back(Action::Send(ServerFrame::Goodbye {
            code: goodbye.code,
            message: goodbye.message.clone(),
            reconnect_after_ms: goodbye.reconnect_after.map(millis),
        }));
        self.out.push_back(Action::Close(goodbye));
    }

    fn silent_at(&self) -> Monotonic {
        self.heard_at + self.config.heartbeat * limits::HEARTBEATS_MISSED_MAX
    }

    fn beat_at(&self) -> Monotonic {
        self.sent_at + self.config.heartbeat
    }
}

/// An `error` frame.
pub(super) fn error_frame(id: Option<RequestId>, refusal: Refusal) -> ServerFrame {
    ServerFrame::Error { id, code: refusal.code, message: refusal.message, retry_after_ms: None }
}

/// What `welcome` tells of the limits.
const SESSION_LIMITS: SessionLimits = SessionLimits {
    body_bytes: limits::BODY_BYTES_MAX as u64,
    frame_in_bytes: limits::FRAME_IN_BYTES_MAX as u64,
    frame_out_bytes: limits::FRAME_OUT_BYTES_MAX as u64,
    rooms: limits::ROOMS_MAX as u64,
    window: limits::WINDOW as u64,
    in_flight_bytes: limits::IN_FLIGHT_BYTES_MAX as u64,
    history_events: limits::HISTORY_EVENTS_MAX as u64,
};

/// The feature of a client that wants to be told what is unread in the rooms that answers name.
const UNREAD: &str = "unread";

/// Rooms that a beat names. Source: chosen; 1,000 entries of 80 bytes stay far below the longest frame.
const BEAT_LAG_MAX: usize = 1_000;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
