//! The driver of one session and the client behind it, who keeps count of what the session owes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::environment::{Environment as _, Monotonic};
use anchor_core::id::{ClientId, ClientKey, RoomId, Seq, UserId};
use anchor_core::limits::{FRAME_OUT_BYTES_MAX, HEARTBEAT, HEARTBEATS_MISSED_MAX, HELLO_WITHIN, WINDOW};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::publish::Ack;
use anchor_core::session::frame::{ClientFrame, From, Hello, RequestId, ResumeRoom, RoomEntry, ServerFrame};
use anchor_core::session::{Action, Desk, Fault, OpenIdentify, Reply, Session};
use anchor_core::store::{Store as _, StoreExt as _};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::reader::Readers;
use super::session::{House, at_once};
use crate::codec::Encoding;
use crate::websocket;

pub(super) struct Peer {
    desk: Desk,
    session: Session,
    encoding: Encoding,
    env: TestEnvironment,
    store: MemoryStore,
    replies: FuturesUnordered<BoxFuture<'static, Reply>>,
    readers: Readers,
    /// Nothing happens but what is handed over.
    held: bool,
    /// The socket takes no events.
    deaf: bool,
    /// Something was written of which this node does not know yet.
    behind: bool,
    opened_at: Monotonic,
    heard_at: Monotonic,
    phase: Phase,
    /// What is not answered yet. No two have the same id.
    owed: Vec<Owed>,
    /// Signals, each of which one error may answer.
    signals: usize,
    publishes: VecDeque<(ClientId, Seq)>,
    published: usize,
    acked: HashMap<(ClientId, Seq), Offset>,
    /// Other sessions of the same client, held open.
    intruders: Vec<(Desk, Session)>,
}

/// How far the session is, by what it was told and has said.
enum Phase {
    New,
    /// A hello was handed over that must come to this end, or to a welcome.
    Greeted(Hello, Option<Code>),
    Open(ClientId),
    /// It was told something after which nothing counts but the goodbye.
    Doomed(Code),
    Ended,
}

struct Owed {
    id: Option<RequestId>,
    answer: Answer,
}

/// What answers a request; an `error` answers each.
#[derive(Debug)]
enum Answer {
    Error(Code),
    Resumed(Vec<ResumeRoom>),
    Subscribed(RoomId, From),
    Unsubscribed(RoomId),
    Page(RoomId),
    RoomList,
    RoomInfo(RoomId),
    MemberList(RoomId),
    ThreadPage(RoomId),
    ProfileList(Vec<UserId>),
    Contacts,
    Done,
    Present(RoomId),
    /// Something that has this id.
    Any,
    /// As `Any`, once there is something to be given: time stands still here.
    Late,
}

impl Peer {
    pub(super) fn connect(house: &House, encoding: Encoding) -> Self {
        let (desk, session) = Desk::open(house.anchor.clone(), Arc::new(OpenIdentify));
        Self {
            desk,
            session,
            encoding,
            env: house.env.clone(),
            store: house.store.clone(),
            replies: FuturesUnordered::new(),
            readers: Readers::new(house.store.clone()),
            held: false,
            deaf: false,
            behind: false,
            opened_at: house.env.now(),
            heard_at: house.env.now(),
            phase: Phase::New,
            owed: Vec::new(),
            signals: 0,
            publishes: VecDeque::new(),
            published: 0,
            acked: HashMap::new(),
            intruders: Vec::new(),
        }
    }

    /// Takes a message as the driver of a socket does.
    pub(super) fn receive(&mut self, message: &Bytes) {
        let frame = self.encoding.decode_client(message);
        let frame = frame.map_err(|error| Fault { code: error.code, id: error.id, message: error.message });
        if self.expect(&frame) {
            self.heard_at = self.env.now();
            self.session.handle_frame(self.heard_at, frame);
        }
        if !self.held {
            self.settle();
        }
    }

    /// Has something written behind this node's back.
    pub(super) fn behind(&mut self, write: impl FnOnce()) {
        write();
        self.behind = true;
    }

    pub(super) fn wait(&mut self, span: Duration) {
        self.env.advance(span);
        self.catch_up();
        let now = self.env.now();
        let silent = now >= self.heard_at + HEARTBEAT * HEARTBEATS_MISSED_MAX;
        match self.phase {
            Phase::Doomed(_) | Phase::Ended => {}
            Phase::New if now >= self.opened_at + HELLO_WITHIN => self.phase = Phase::Doomed(Code::HelloLate),
            _ if silent => self.phase = Phase::Doomed(Code::Silent),
            _ => {}
        }
        self.session.handle_tick(now);
        if !self.held {
            self.settle();
        }
    }

    pub(super) fn hold_or_go_on(&mut self) {
        self.held = !self.held;
        if !self.held {
            self.settle();
        }
    }

    pub(super) fn stop_or_take_again(&mut self) {
        self.deaf = !self.deaf;
        if !self.held {
            self.settle();
        }
    }

    /// Opens another session with this hello.
    pub(super) fn intrude(&mut self, hello: ClientFrame) {
        let (desk, mut session) = Desk::open(self.desk.anchor().clone(), Arc::new(OpenIdentify));
        session.handle_frame(self.env.now(), Ok(hello));
        while let Some(action) = session.poll_action(self.env.now()) {
            if let Action::Ask(ask) = action {
                let reply = at_once(desk.answer(&session, ask));
                session.handle_reply(reply);
            }
        }
        self.intruders.push((desk, session));
        if !self.held {
            self.settle();
        }
    }

    /// Lets everything happen that is left, and looks whether anything is owed.
    pub(super) fn finish(mut self) {
        (self.held, self.deaf) = (false, false);
        self.catch_up();
        self.settle();
    }

    /// Learns from the store what other nodes have written.
    fn catch_up(&mut self) {
        at_once(self.desk.anchor().poll_heads()).expect("a store in memory does not fail");
        self.behind = false;
    }

    /// Notes what must follow from a frame; false for one whose answer could not be told from another's.
    fn expect(&mut self, frame: &Result<ClientFrame, Fault>) -> bool {
        let doom = match (&self.phase, frame) {
            (Phase::Doomed(_) | Phase::Ended, _) => return true,
            (_, Err(fault)) if matches!(fault.code, Code::Malformed | Code::TooLarge) => Some(fault.code),
            (Phase::New, Err(fault)) => Some(fault.code),
            (Phase::New, Ok(ClientFrame::Hello(hello))) => {
                self.phase = Phase::Greeted(hello.clone(), end_of(hello));
                None
            }
            (_, Ok(ClientFrame::Beat)) if !matches!(self.phase, Phase::New) => None,
            (Phase::New | Phase::Greeted(..), _) | (Phase::Open(_), Ok(ClientFrame::Hello(_))) => {
                Some(Code::OutOfOrder)
            }
            (Phase::Open(own), Ok(ClientFrame::Publish(publish))) => {
                if publish.waits > publish.seq {
                    Some(Code::Malformed)
                } else if self.publishes.len() == WINDOW {
                    Some(Code::WindowFull)
                } else {
                    self.published += 1;
                    self.publishes.push_back((publish.client_id.unwrap_or(*own), publish.seq));
                    None
                }
            }
            (Phase::Open(_), Ok(ClientFrame::Signal(_))) => {
                self.signals += 1;
                None
            }
            (
                Phase::Open(_),
                Ok(ClientFrame::Cursor(_) | ClientFrame::Presence { .. } | ClientFrame::Typing { .. }),
            ) => None,
            (Phase::Open(_), frame) => {
                let owed = owed_for(frame);
                if owed.id.is_some() && self.owed.iter().any(|other| other.id == owed.id) {
                    return false;
                }
                self.owed.push(owed);
                None
            }
        };
        if let Some(code) = doom {
            self.phase = Phase::Doomed(code);
        }
        true
    }

    /// Lets everything happen that can, then looks whether everything has.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if !self.turn() {
                return self.check();
            }
        }
        panic!("the session does not come to rest");
    }

    fn turn(&mut self) -> bool {
        let now = self.env.now();
        while let Some(action) = self.session.poll_action(now) {
            self.perform(action);
        }
        let mut cx = Context::from_waker(futures::task::noop_waker_ref());
        if let Poll::Ready(Some(reply)) = self.replies.poll_next_unpin(&mut cx) {
            self.session.handle_reply(reply);
            return true;
        }
        if let Poll::Ready(post) = self.desk.poll_post(&mut cx) {
            self.session.handle_post(post);
            return true;
        }
        if self.deaf || matches!(self.phase, Phase::Ended) {
            return false;
        }
        let action = self.session.poll_delivery(now, self.desk.anchor().heads_known_at());
        action.map(|action| self.perform(action)).is_some()
    }

    fn perform(&mut self, action: Action) {
        assert!(!matches!(self.phase, Phase::Ended), "{action:?} after the close");
        match action {
            Action::Send(frame) => {
                let bytes = self.encoding.encode_server(&frame);
                assert!(bytes.len() <= FRAME_OUT_BYTES_MAX, "a frame of {} bytes", bytes.len());
                assert_eq!(self.encoding.decode_server(&bytes).as_ref(), Ok(&frame));
                self.take(frame);
            }
            Action::SendPage(page) => {
                let mut message = Vec::new();
                self.encoding.write_page_message(&page, &mut message).expect("the store is whole");
                let bytes = websocket::payload(&message.into());
                assert!(bytes.len() <= FRAME_OUT_BYTES_MAX, "a page of {} bytes", bytes.len());
                let frame = ServerFrame::Page(Box::new(page.decode().expect("the store is whole")));
                assert_eq!(self.encoding.decode_server(&bytes).as_ref(), Ok(&frame));
                self.take(frame);
            }
            Action::Deliver(run) => {
                let bytes = self.encoding.encode_run(&run);
                assert!(bytes.len() <= FRAME_OUT_BYTES_MAX, "a frame of {} bytes", bytes.len());
                self.readers.run(&run);
            }
            Action::Ask(ask) => self.replies.push(self.desk.answer(&self.session, ask)),
            Action::Close(_) => self.phase = Phase::Ended,
        }
    }

    fn take(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Goodbye { code, .. } => self.goodbye(code),
            ServerFrame::Welcome(welcome) => {
                let phase = std::mem::replace(&mut self.phase, Phase::New);
                let Phase::Greeted(hello, None) = phase else { panic!("a welcome that nobody asked for") };
                self.phase = Phase::Open(hello.client_id);
                self.resumed(&hello.resume, &welcome.rooms);
            }
            ServerFrame::Resumed { id, rooms } => {
                let Answer::Resumed(asked) = self.answered(Some(id)) else { panic!("resumed for {id:?}") };
                self.resumed(&asked, &rooms);
            }
            ServerFrame::Subscribed { id, room, position, .. } => {
                let Answer::Subscribed(asked, from) = self.answered(Some(id)) else {
                    panic!("subscribed for {id:?}")
                };
                assert_eq!(asked, room);
                self.readers.begin(&room, &from, Some(&position));
            }
            ServerFrame::Unsubscribed { id, room } => {
                let answer = self.answered(Some(id));
                assert!(matches!(&answer, Answer::Unsubscribed(asked) if *asked == room), "{answer:?}");
                self.readers.end(&room);
            }
            ServerFrame::Page(page) => {
                let answer = self.answered(Some(page.id));
                assert!(matches!(&answer, Answer::Page(asked) if *asked == page.room), "{answer:?}");
            }
            ServerFrame::RoomList { id, .. } => {
                let answer = self.answered(Some(id));
                assert!(matches!(answer, Answer::RoomList), "{answer:?}");
            }
            ServerFrame::RoomInfo { id, room } => {
                let answer = self.answered(Some(id));
                assert!(
                    matches!(&answer, Answer::RoomInfo(asked) if *asked == room.entry.room),
                    "{answer:?}"
                );
            }
            ServerFrame::MemberList { id, room, .. } => {
                let answer = self.answered(Some(id));
                assert!(matches!(&answer, Answer::MemberList(asked) if *asked == room), "{answer:?}");
            }
            ServerFrame::ThreadPage(page) => {
                let answer = self.answered(Some(page.id));
                assert!(matches!(&answer, Answer::ThreadPage(asked) if *asked == page.room), "{answer:?}");
            }
            ServerFrame::ProfileList { id, profiles } => {
                let Answer::ProfileList(asked) = self.answered(Some(id)) else {
                    panic!("profiles for {id:?}")
                };
                assert!(profiles.iter().map(|(user, _)| user).eq(&asked), "the profiles of others");
            }
            ServerFrame::Contacts { id, .. } => {
                let answer = self.answered(Some(id));
                assert!(matches!(answer, Answer::Contacts), "{answer:?}");
            }
            ServerFrame::Done { id } => {
                let answer = self.answered(Some(id));
                assert!(matches!(answer, Answer::Done | Answer::Any), "{answer:?}");
            }
            // In passing: nobody is owed one.
            ServerFrame::Profile { .. } | ServerFrame::Signal(_) => {}
            ServerFrame::Ended { room, .. } => self.readers.ended(&room),
            ServerFrame::Present { id, room, .. } => {
                let answer = self.answered(Some(id));
                assert!(matches!(&answer, Answer::Present(asked) if *asked == room), "{answer:?}");
            }
            ServerFrame::Found { id, .. }
            | ServerFrame::ReadBy { id, .. }
            | ServerFrame::ConsumerList { id, .. }
            | ServerFrame::WebhookList { id, .. }
            | ServerFrame::DeadLetterList { id, .. }
            | ServerFrame::Unwatched { id: Some(id), .. } => self.any_answered(id),
            ServerFrame::Watching(watching) => self.any_answered(watching.id),
            ServerFrame::Consumed(consumed) => self.any_answered(consumed.id),
            ServerFrame::Receipts { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Unwatched { id: None, .. } => {}
            // What is wrong with a signal, which has no id.
            ServerFrame::Error { id: None, code, .. } if code != Code::Unsupported => {
                assert!(self.signals > 0, "{code:?} for nothing");
                self.signals -= 1;
            }
            ServerFrame::Error { id, code, .. } => {
                let answer = self.answered(id);
                assert!(!matches!(code, Code::Internal | Code::StoreUnavailable), "{code:?} for {answer:?}");
                if let Answer::Error(due) = answer {
                    assert_eq!(code, due);
                }
            }
            ServerFrame::Ack(ack) => self.ack(&ack),
            ServerFrame::Refused { seq, .. } => drop(self.next_published(seq)),
            ServerFrame::Gap { room, gap } => self.readers.gap(&room, &gap),
            ServerFrame::Beat { at, lag } => self.readers.beat(at, &lag),
            ServerFrame::Events(_) => panic!("events go out as runs"),
        }
    }

    fn goodbye(&mut self, code: Code) {
        let may = match self.phase {
            Phase::Doomed(due) => code == due,
            Phase::Greeted(_, Some(due)) if code == due => true,
            Phase::Greeted(..) | Phase::Open(_) => {
                code == Code::Replaced && !self.intruders.is_empty()
                    || code == Code::WindowFull && self.published > WINDOW
            }
            Phase::New | Phase::Ended => false,
        };
        assert!(may, "goodbye {code:?}");
        self.phase = Phase::Doomed(code);
    }

    fn answered(&mut self, id: Option<RequestId>) -> Answer {
        let at = self.owed.iter().position(|owed| owed.id == id);
        self.owed.remove(at.unwrap_or_else(|| panic!("an answer to {id:?}, which nobody asked"))).answer
    }

    fn any_answered(&mut self, id: RequestId) {
        let answer = self.answered(Some(id));
        assert!(matches!(answer, Answer::Any | Answer::Late), "{answer:?}");
    }

    fn resumed(&mut self, asked: &[ResumeRoom], entries: &[RoomEntry]) {
        assert_eq!(asked.len(), entries.len());
        for (resume, entry) in asked.iter().zip(entries) {
            assert_eq!(resume.room, entry.room);
            self.readers.begin(&resume.room, &resume.from(), None);
        }
    }

    fn next_published(&mut self, seq: Seq) -> ClientId {
        let (client, expected) = self.publishes.pop_front().expect("an answer to a publish that was made");
        assert_eq!(seq, expected, "answers come in the order of the publishes");
        client
    }

    /// What is acknowledged stands in the log, once.
    fn ack(&mut self, ack: &Ack) {
        let id = self.next_published(ack.seq);
        let offset = ack.mark.offset;
        let known = self.acked.insert((id, ack.seq), offset);
        assert!(known.is_none_or(|known| known == offset && ack.duplicate), "two places for one publish");
        let state = at_once(self.store.room(&ack.room)).expect("a store in memory does not fail");
        // Deleted meanwhile, or by this very publish.
        if state.is_none_or(|state| state.epoch_at(offset) != ack.epoch) {
            return;
        }
        let events = at_once(self.store.read_all(&ack.room)).expect("a store in memory does not fail");
        if let Some(event) = events.iter().find(|event| event.offset == offset) {
            let user = UserId::new(event.user.as_str()).expect("it was one before");
            assert_eq!((event.seq, event.mark()), (ack.seq, ack.mark));
            assert_eq!(event.client, ClientKey { user, id }.tag());
        } else {
            assert!(events.first().is_none_or(|first| first.offset > offset), "acked and not in the log");
        }
    }

    fn check(&self) {
        match &self.phase {
            Phase::Doomed(code) => panic!("the session goes on; it should have ended with {code:?}"),
            Phase::Greeted(_, due) => panic!("neither a welcome nor {due:?}"),
            Phase::New | Phase::Ended => {}
            Phase::Open(_) => {
                let late = self.owed.iter().find(|owed| !matches!(owed.answer, Answer::Late));
                assert!(late.is_none(), "{:?} is not answered", late.map(|owed| &owed.answer));
                assert!(self.publishes.is_empty(), "{:?} is not answered", self.publishes.front());
                if !self.deaf && !self.behind {
                    self.readers.check_current();
                }
            }
        }
    }
}

/// The code with which this hello is turned away, if it is.
fn end_of(hello: &Hello) -> Option<Code> {
    let mut names: Vec<_> = hello.resume.iter().map(|resume| resume.room.as_str()).collect();
    names.sort_unstable();
    let odd = names.windows(2).any(|pair| pair[0] == pair[1]);
    match (&hello.user, odd) {
        (None, _) => Some(Code::Auth),
        (Some(_), true) => Some(Code::Malformed),
        (Some(_), false) => None,
    }
}

fn owed_for(frame: &Result<ClientFrame, Fault>) -> Owed {
    let (id, answer) = match frame {
        Err(fault) => return Owed { id: fault.id, answer: Answer::Error(fault.code) },
        Ok(ClientFrame::Resume { id, rooms }) => (*id, Answer::Resumed(rooms.clone())),
        Ok(ClientFrame::Subscribe { id, room, from }) => (*id, Answer::Subscribed(room.clone(), *from)),
        Ok(ClientFrame::Unsubscribe { id, room }) => (*id, Answer::Unsubscribed(room.clone())),
        Ok(ClientFrame::History { id, room, .. }) => (*id, Answer::Page(room.clone())),
        Ok(ClientFrame::Rooms { id, .. }) => (*id, Answer::RoomList),
        Ok(ClientFrame::Room { id, room }) => (*id, Answer::RoomInfo(room.clone())),
        Ok(ClientFrame::Members { id, room, .. }) => (*id, Answer::MemberList(room.clone())),
        Ok(ClientFrame::Thread { id, room, .. }) => (*id, Answer::ThreadPage(room.clone())),
        Ok(ClientFrame::Profiles { id, users }) => (*id, Answer::ProfileList(users.clone())),
        Ok(ClientFrame::Contact { id }) => (*id, Answer::Contacts),
        Ok(ClientFrame::ChangeUser { id, .. }) => (*id, Answer::Done),
        Ok(ClientFrame::Who { id, room }) => (*id, Answer::Present(room.clone())),
        Ok(
            ClientFrame::Search { id, .. }
            | ClientFrame::Readers { id, .. }
            | ClientFrame::Watch { id, .. }
            | ClientFrame::Unwatch { id, .. }
            | ClientFrame::Consumers { id, .. }
            | ClientFrame::ChangeConsumer { id, .. }
            | ClientFrame::Webhooks { id, .. }
            | ClientFrame::ChangeWebhook { id, .. }
            | ClientFrame::DeadLetters { id, .. },
        ) => (*id, Answer::Any),
        Ok(ClientFrame::Consume(consume)) => {
            (consume.id, if consume.wait_ms > 0 { Answer::Late } else { Answer::Any })
        }
        Ok(
            ClientFrame::Hello(_)
            | ClientFrame::Publish(_)
            | ClientFrame::Beat
            | ClientFrame::Signal(_)
            | ClientFrame::Cursor(_)
            | ClientFrame::Presence { .. }
            | ClientFrame::Typing { .. },
        ) => unreachable!("told apart before"),
    };
    Owed { id: Some(id), answer }
}

/// Turns in which a session comes to rest. Source: chosen; the longest script has a few thousand.
const TURNS_MAX: usize = 100_000;
