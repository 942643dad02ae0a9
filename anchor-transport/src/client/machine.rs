//! Everything that a client decides: frames, commands and time come in, actions go out.
//!
//! ```text
//!                 tick                 connected                 welcome
//!   Waiting ---------------> Dialling -----------> Greeting --------------> Live
//!      ^                        |                     |                       |
//!      +-- disconnected, late --+---------------------+-- silence, fault, ----+
//!      |                                                  goodbye (retry)     |
//!      +------------- a new client_id: at once ---------- goodbye replaced ---+
//!                                                                             |
//!   Stopped <------------------------ goodbye (stop, renew without anything new)
//! ```
//!
//! No socket, no clock, no randomness: `now` comes with every call and a seed at the start, so the same inputs give the
//! same actions. Call one `handle_…`, then [`Machine::poll_action`] until it gives `None`, then the next; call
//! [`Machine::handle_tick`] when [`Machine::poll_deadline`] has come. The parts: `frames` (what each frame means),
//! `sending` and `settling` (publishes), `answering` (those that answer events), `subscriptions`, `requests`, `attending` (`cursors`,
//! `typing` and `watches`), `backoff`.

mod action;
mod answering;
mod attending;
mod backoff;
mod cursors;
mod dice;
mod frames;
mod requests;
mod sending;
mod settling;
mod subscriptions;
mod typing;
mod watches;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::environment::Monotonic;
use anchor_core::event::Draft;
use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{HEARTBEATS_MISSED_MAX, HELLO_WITHIN};
use anchor_core::position::Position;
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{ClientFrame, From, Hello, ServerFrame, Signal};

pub(super) use action::Action;

use action::{Learnt, Output};
use answering::Answering;
use attending::Attending;
use backoff::Backoff;
use dice::Dice;
use requests::Requests;
use sending::Sending;
use subscriptions::Subscriptions;

use super::command::{Patience, Request, SubscriptionId, Waiter};
use super::error::{PublishError, RequestError};
use super::notice::{ConnectionState, Undecided, UndecidedId};
use super::outbox::{Change, Identity, Saved};
use super::subscription::SubscribeOptions;

/// The client half of the protocol.
#[derive(Debug)]
pub(super) struct Machine {
    options: Options,
    link: Link,
    backoff: Backoff,
    dice: Dice,
    user: Option<UserId>,
    sending: Sending,
    subscriptions: Subscriptions,
    requests: Requests,
    attending: Attending,
    answering: Answering,
    cursors: HashMap<(String, RoomId), Position>,
    /// Who waits for a write to be durable, in rising order.
    saving: VecDeque<(u64, Waiter)>,
    /// Why nothing becomes durable any more.
    unwritable: Option<String>,
    out: Output,
}

/// What of the configuration the machine needs.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub token: Option<String>,
    pub user: Option<UserId>,
    pub kept_acks: usize,
    pub request_timeout: Duration,
    /// Whether the library reads the server's announcements by itself.
    pub reads_announcements: bool,
    /// Whether it is told what this client has taken.
    pub tells_receipts: bool,
    /// Of rooms that are resumed, the last so many messages alone.
    pub catch_up_last: Option<u64>,
}

/// The server broke the protocol: the connection ends, and the next resumes from what is known to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault(&'static str);

#[derive(Debug)]
enum Link {
    /// Nothing until then.
    Waiting { until: Monotonic },
    /// A connection is being made; given up at `late`.
    Dialling { late: Monotonic },
    /// `hello` is sent; given up at `late`.
    Greeting { late: Monotonic },
    /// A session.
    Live(Live),
    /// Over, and why.
    Stopped { code: Code, message: String },
}

#[derive(Clone, Copy, Debug)]
struct Live {
    heartbeat: Duration,
    began_at: Monotonic,
    heard_at: Monotonic,
    sent_at: Monotonic,
    history_events: u64,
}

impl Machine {
    /// A client that goes on from `saved` and connects with the first tick, which is due at once.
    pub(super) fn new(options: Options, saved: Saved, seed: [u8; 32]) -> Self {
        let mut out = Output::new();
        let mut dice = Dice::new(seed);
        let user = saved.user.clone();
        let cursors = saved.cursors.clone();
        let mut sending = Sending::new(saved, options.kept_acks);
        if sending.identities.is_empty() {
            let identity = Identity::new(dice.client_id());
            let generation = sending.generation();
            out.change(Change::Identity(generation, identity.clone()));
            sending.identities.insert(generation, identity);
        }
        sending.tell_undecided(&mut out);
        out.act(Action::Pending(sending.pending()));
        let mut subscriptions = Subscriptions::new(options.catch_up_last);
        if options.reads_announcements {
            let cursor = cursors.get(&announcements_cursor());
            let cursor = cursor.filter(|_| !sabotage::is(Sabotage::AnnouncementsBeginAnew));
            let from = cursor.map_or(From::Now, |cursor| From::After(*cursor));
            let room = RoomId::announcements();
            subscriptions.subscribe(SubscriptionId::LIBRARY, room, from.into(), &mut out);
        }
        Self {
            options,
            link: Link::Waiting { until: Monotonic::default() },
            backoff: Backoff::default(),
            dice,
            user,
            sending,
            subscriptions,
            requests: Requests::default(),
            attending: Attending::default(),
            answering: Answering::default(),
            cursors,
            saving: VecDeque::new(),
            unwritable: None,
            out,
        }
    }

    /// Queues a publish: [`Action::Queued`] once it is durable, [`Action::Settled`] once it is answered.
    pub(super) fn handle_publish(&mut self, room: RoomId, draft: Draft, waiter: Waiter) {
        if let Some(error) = self.stopped() {
            return self.out.act(Action::Queued(waiter, Err(error)));
        }
        let nonce = self.dice.nonce();
        self.attending.typing.said(&room);
        self.sending.publish(room, draft, nonce, waiter, &mut self.out);
    }

    /// Queues an undecided publish anew, as [`Machine::handle_publish`].
    pub(super) fn handle_resend(&mut self, id: UndecidedId, waiter: Waiter) {
        if let Some(error) = self.stopped() {
            return self.out.act(Action::Queued(waiter, Err(error)));
        }
        let nonce = self.dice.nonce();
        if !self.sending.resend(id, nonce, waiter, &mut self.out) {
            self.out.act(Action::Queued(waiter, Err(PublishError::Unconfirmed)));
        }
    }

    /// Gives an undecided publish up: [`Action::Saved`] once that is durable.
    pub(super) fn handle_discard(&mut self, id: UndecidedId, waiter: Waiter) {
        let write = self.sending.discard(id, &mut self.out);
        self.save(write, waiter);
    }

    /// Saves a cursor: [`Action::Saved`] once it is durable.
    pub(super) fn handle_cursor(&mut self, name: String, room: RoomId, position: Position, waiter: Waiter) {
        self.cursors.insert((name.clone(), room.clone()), position);
        let write = self.out.change(Change::Cursor(name, room, position));
        self.save(write, waiter);
    }

    /// Drops a saved cursor: [`Action::Saved`] once that is durable.
    pub(super) fn handle_forget_cursor(&mut self, name: String, room: RoomId, waiter: Waiter) {
        let cursor = (name, room);
        self.cursors.remove(&cursor);
        let write = self.out.change(Change::ForgetCursor(cursor.0, cursor.1));
        self.save(write, waiter);
    }

    /// Says something in passing: nothing where there is no session.
    pub(super) fn handle_signal(&mut self, now: Monotonic, signal: Signal) {
        if self.is_live() {
            self.out.send(ClientFrame::Signal(signal));
        }
        self.pump(now);
    }

    /// Reads a room.
    pub(super) fn handle_subscribe(
        &mut self,
        now: Monotonic,
        id: SubscriptionId,
        room: RoomId,
        options: SubscribeOptions,
    ) {
        self.subscriptions.subscribe(id, room, options, &mut self.out);
        if let Link::Stopped { code, message } = &self.link {
            self.subscriptions.end_all(*code, message, &mut self.out);
        }
        if self.is_live() {
            self.subscriptions.open_wanted(&mut self.requests, &mut self.out);
        }
        self.pump(now);
    }

    /// Reads a room no more.
    pub(super) fn handle_unsubscribe(&mut self, now: Monotonic, id: SubscriptionId) {
        let was_reading = self.is_reading();
        let is_live = self.is_live();
        self.subscriptions.unsubscribe(id, is_live, &mut self.requests, &mut self.out);
        self.reads_again(now, was_reading);
        self.pump(now);
    }

    /// Asks the server: [`Action::Answer`] in the time that is configured, or whenever it comes.
    pub(super) fn handle_request(
        &mut self,
        now: Monotonic,
        request: Request,
        patience: Patience,
        waiter: Waiter,
    ) {
        if let Link::Stopped { code, message } = &self.link {
            let error = RequestError::Stopped { code: *code, message: message.clone() };
            return self.out.act(Action::Answer(waiter, Err(error)));
        }
        let deadline = match patience {
            Patience::Limited => Some(now + self.options.request_timeout),
            Patience::Endless => None,
        };
        self.requests.ask(request, waiter, deadline, &mut self.out);
        self.pump(now);
    }

    /// The connection that was dialled is open.
    pub(super) fn handle_connected(&mut self, now: Monotonic) {
        if !matches!(self.link, Link::Dialling { .. }) {
            return;
        }
        self.link = Link::Greeting { late: now + HELLO_WITHIN };
        self.out.send(ClientFrame::Hello(Hello {
            token: self.options.token.clone(),
            user: self.options.user.clone().or_else(|| self.user.clone()),
            client_id: self.sending.client_id(),
            waits: self.sending.waits(self.sending.generation()),
            features: vec!["unread".to_owned()],
            resume: self.subscriptions.resume(),
        }));
    }

    /// The connection is gone, or did not come about.
    pub(super) fn handle_disconnected(&mut self, now: Monotonic, reason: String) {
        if matches!(self.link, Link::Waiting { .. } | Link::Stopped { .. }) {
            return;
        }
        let delay = self.backoff.next(self.dice.number());
        self.wait(now + delay, reason);
    }

    /// A frame came.
    pub(super) fn handle_frame(&mut self, now: Monotonic, frame: ServerFrame) {
        let taken = match (&mut self.link, frame) {
            (Link::Greeting { .. }, ServerFrame::Welcome(welcome)) => {
                self.welcome(now, *welcome);
                Ok(())
            }
            (Link::Greeting { .. }, ServerFrame::Goodbye { code, message, reconnect_after_ms }) => {
                self.goodbye(now, code, message, reconnect_after_ms.map(Duration::from_millis));
                Ok(())
            }
            (Link::Greeting { .. }, ServerFrame::Error { code, message, .. }) => {
                tracing::warn!(%code, message, "the server answered hello with an error");
                Ok(())
            }
            (Link::Greeting { .. }, _) => Err(Fault("a frame before welcome")),
            (Link::Live(live), frame) => {
                live.heard_at = now;
                self.take(now, frame)
            }
            (Link::Waiting { .. } | Link::Dialling { .. } | Link::Stopped { .. }, _) => Ok(()),
        };
        if let Err(Fault(what)) = taken {
            self.handle_broken(now, what.to_owned());
        }
        self.pump(now);
    }

    /// The server broke the protocol, here or in the bytes of its frames.
    pub(super) fn handle_broken(&mut self, now: Monotonic, what: String) {
        tracing::warn!(what, "the server broke the protocol; connecting anew");
        self.out.act(Action::HangUp);
        self.handle_disconnected(now, format!("the server broke the protocol: {what}"));
        self.backoff.faulted();
    }

    /// Bytes came that are no frame: a sign of life.
    pub(super) const fn handle_sign_of_life(&mut self, now: Monotonic) {
        if let Link::Live(live) = &mut self.link {
            live.heard_at = now;
        }
    }

    /// A subscription takes no more than it was handed.
    pub(super) fn handle_full(&mut self, now: Monotonic, id: SubscriptionId) {
        let is_live = self.is_live();
        self.subscriptions.full(id, is_live, now, &mut self.requests, &mut self.out);
        self.pump(now);
    }

    /// A subscription that was full has taken what it was handed.
    pub(super) fn handle_drained(&mut self, now: Monotonic, id: SubscriptionId) {
        let was_reading = self.is_reading();
        let is_live = self.is_live();
        self.subscriptions.drained(id, is_live, &mut self.requests, &mut self.out);
        self.reads_again(now, was_reading);
        self.pump(now);
    }

    /// Everything up to `write` is durable.
    pub(super) fn handle_saved(&mut self, now: Monotonic, write: u64) {
        self.sending.saved(write, &mut self.out);
        while let Some((_, waiter)) = self.saving.pop_front_if(|(waits_for, _)| *waits_for <= write) {
            self.out.act(Action::Saved(waiter, Ok(())));
        }
        self.pump(now);
    }

    /// [`Machine::poll_deadline`] has come.
    pub(super) fn handle_tick(&mut self, now: Monotonic) {
        self.requests.tick(now, &mut self.out);
        match self.link {
            Link::Waiting { until } if until <= now => {
                self.link = Link::Dialling { late: now + DIAL_WITHIN };
                let attempt = self.backoff.dialled();
                self.out.act(Action::State(ConnectionState::Connecting { attempt }));
                self.out.act(Action::Dial);
            }
            Link::Dialling { late } if late <= now => {
                self.out.act(Action::HangUp);
                self.handle_disconnected(now, "the server cannot be reached in time".to_owned());
            }
            Link::Greeting { late } if late <= now => {
                self.out.act(Action::HangUp);
                self.handle_disconnected(now, "the server does not answer hello".to_owned());
            }
            Link::Live(live) if live.silent_at() <= now && self.is_reading() => {
                self.out.act(Action::HangUp);
                self.handle_disconnected(now, "nothing came from the server".to_owned());
            }
            Link::Live(live) => {
                if live.sent_at + live.heartbeat <= now {
                    self.out.send(ClientFrame::Beat);
                }
                if live.began_at + live.heartbeat <= now {
                    self.backoff.lasted();
                }
                let was_reading = self.is_reading();
                self.subscriptions.tick(now, &mut self.requests, &mut self.out);
                self.reads_again(now, was_reading);
            }
            _ => {}
        }
        self.pump(now);
    }

    /// The outbox cannot be written any more: nothing can be promised, so nothing goes on.
    pub(super) fn handle_outbox_failed(&mut self, message: &str) {
        self.unwritable = Some(message.to_owned());
        self.sending.fail_queued(&PublishError::Outbox(message.to_owned()), &mut self.out);
        for (_, waiter) in std::mem::take(&mut self.saving) {
            self.out.act(Action::Saved(waiter, Err(RequestError::State(message.to_owned()))));
        }
        self.out.act(Action::HangUp);
        self.stop(Code::StoreFailed, format!("the outbox cannot be written: {message}"));
    }

    /// The next thing to do.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.out.poll()
    }

    /// When to call [`Machine::handle_tick`].
    pub(super) fn poll_deadline(&self) -> Option<Monotonic> {
        let (link, parts) = match &self.link {
            Link::Waiting { until } => (Some(*until), None),
            Link::Dialling { late } => (Some(*late), None),
            Link::Greeting { late } => (Some(*late), None),
            Link::Live(live) => {
                let beat = live.sent_at + live.heartbeat;
                let silent = self.is_reading().then(|| live.silent_at());
                let parts = [
                    self.subscriptions.deadline(),
                    self.attending.watches.deadline(),
                    self.attending.cursors.deadline(),
                ];
                let parts = parts.into_iter().flatten().min();
                (Some(silent.map_or(beat, |silent| silent.min(beat))), parts)
            }
            Link::Stopped { .. } => (None, None),
        };
        [link, parts, self.requests.deadline(self.is_live())].into_iter().flatten().min()
    }

    /// Whether to read from the connection: not while what comes could not be handed over.
    pub(super) fn is_reading(&self) -> bool {
        !self.subscriptions.is_blocked()
    }

    /// The position saved under `name` for `room`.
    pub(super) fn cursor(&self, name: String, room: RoomId) -> Option<Position> {
        self.cursors.get(&(name, room)).copied()
    }

    /// What a person must decide, oldest first.
    pub(super) fn undecided(&self) -> Vec<Undecided> {
        self.sending.undecided.values().cloned().collect()
    }

    /// Another copy of this client's state is in use: goes on under a new id.
    fn renew(&mut self, now: Monotonic) {
        let new_id = self.dice.client_id();
        self.sending.become_clone(new_id, &mut self.out);
        self.reconnect(now);
    }

    /// Connects again, to say hello with another id.
    fn reconnect(&mut self, now: Monotonic) {
        self.out.act(Action::HangUp);
        let delay = self.backoff.renewed(self.dice.number());
        self.wait(now + delay, "this client goes on under a new id".to_owned());
    }

    fn save(&mut self, write: u64, waiter: Waiter) {
        match &self.unwritable {
            None => self.saving.push_back((write, waiter)),
            Some(why) => self.out.act(Action::Saved(waiter, Err(RequestError::State(why.clone())))),
        }
    }

    fn wait(&mut self, until: Monotonic, reason: String) {
        self.link = Link::Waiting { until };
        self.drop_session();
        self.out.act(Action::State(ConnectionState::Waiting { until, reason }));
    }

    fn stop(&mut self, code: Code, message: String) {
        self.drop_session();
        let error = PublishError::Stopped { code, message: message.clone() };
        self.sending.fail_all(&error, &mut self.out);
        let error = RequestError::Stopped { code, message: message.clone() };
        self.requests.fail_all(&error, &mut self.out);
        self.attending.watches.fail_all(&error, &mut self.out);
        self.answering.fail_all(&error, &mut self.out);
        self.subscriptions.end_all(code, &message, &mut self.out);
        self.out.act(Action::State(ConnectionState::Stopped { code, message: message.clone() }));
        self.link = Link::Stopped { code, message };
    }

    fn drop_session(&mut self) {
        self.sending.disconnected();
        self.subscriptions.disconnected();
        self.requests.disconnected(&mut self.out);
        self.attending.typing.disconnected();
        self.attending.watches.disconnected();
        self.answering.disconnected();
    }

    /// Sends what can go out now.
    fn pump(&mut self, now: Monotonic) {
        let Link::Live(Live { history_events, .. }) = self.link else { return };
        // An ack names a seq alone: what the one sends waits for what the other has sent.
        if self.answering.gives_way() {
            self.sending.pump(&mut self.out);
        }
        if !self.sending.is_under_way() {
            self.answering.pump(&mut self.out);
        }
        if let Some(request) = self.sending.start_search(history_events) {
            self.requests.search(request);
        }
        self.requests.pump(now, &mut self.out);
        self.attending.watches.pump(now, &mut self.requests, &mut self.out);
        self.attending.cursors.pump(now, &mut self.out);
        if let (true, Link::Live(live)) = (self.out.take_has_sent(), &mut self.link) {
            live.sent_at = now;
        }
    }

    /// Silence up to now was our own if nothing was read.
    fn reads_again(&mut self, now: Monotonic, was_reading: bool) {
        if let (Link::Live(live), false, false) =
            (&mut self.link, was_reading, self.subscriptions.is_blocked())
        {
            live.heard_at = now;
        }
    }

    /// Once the library reads the announcements, those made from here on are told, also by a later process.
    fn begin_announcements(&mut self, learnt: Option<&Learnt>) {
        let Some(Learnt { position, .. }) = learnt.filter(|learnt| learnt.room == RoomId::announcements())
        else {
            return;
        };
        let cursor = announcements_cursor();
        if self.options.reads_announcements && !self.cursors.contains_key(&cursor) {
            self.out.change(Change::Cursor(cursor.0.clone(), cursor.1.clone(), *position));
            self.cursors.insert(cursor, *position);
        }
    }

    fn learn(&mut self, learnt: Option<Learnt>) {
        if let Some(learnt) = learnt {
            self.sending.learn(learnt);
        }
    }

    fn history_events(&self) -> u64 {
        if let Link::Live(live) = &self.link { live.history_events } else { 1 }
    }

    fn stopped(&self) -> Option<PublishError> {
        let Link::Stopped { code, message } = &self.link else { return None };
        Some(PublishError::Stopped { code: *code, message: message.clone() })
    }

    const fn is_live(&self) -> bool {
        matches!(self.link, Link::Live(_))
    }
}

impl Live {
    /// When the silence of the server has lasted too long.
    fn silent_at(&self) -> Monotonic {
        self.heard_at + self.heartbeat * HEARTBEATS_MISSED_MAX
    }
}

/// Under which the position is saved up to which announcements were taken.
fn announcements_cursor() -> (String, RoomId) {
    (ANNOUNCEMENTS_CURSOR.to_owned(), RoomId::announcements())
}

/// The name of the cursor that the library keeps. Source: chosen; no name that an application would think of.
pub(super) const ANNOUNCEMENTS_CURSOR: &str = "anchor.announcements";

/// How long a connection may take to come about. Source: chosen; as long as the server waits for `hello`.
const DIAL_WITHIN: Duration = HELLO_WITHIN;

#[cfg(test)]
mod tests;
