//! Scripts: what goes into the machine, and what it then wants done, line by line.

mod announcing;
mod answering;
mod asking;
mod attending;
mod connection;
mod model;
mod publishing;
mod reading;
#[cfg(feature = "sabotage")]
mod sabotage;
mod settling;

use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::environment::Monotonic;
use anchor_core::event::{Body, Draft, Event, EventKind};
use anchor_core::id::{ClientId, ClientKey, ClientTag, Nonce, RoomId, Seq, SessionId, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal, Position};
use anchor_core::publish::{Ack, Durability};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::session::frame::{
    ClientFrame, CursorFrame, Events, From, HistoryRange, Page, RequestId, ServerFrame, SessionLimits,
    Welcome,
};

use super::{Action, Machine, Options};
use crate::client::answer::ReadTo;
use crate::client::command::{Answer, Patience, Request, SubscriptionId, Waiter, WatchId};
use crate::client::error::PublishError;
use crate::client::notice::{ConnectionState, Notice, UndecidedId};
use crate::client::outbox::{Change, EntryKey, Generation, Saved};
use crate::client::subscription::{Delivery, Hide, SubscribeOptions};

/// Runs a script and compares what the machine wants with `expected`, one line an action.
///
/// Left out are the numbers of pending publishes and free places, which the integration tests see.
#[track_caller]
fn check(script: impl FnOnce(&mut Script), expected: &[&str]) {
    let mut running = Script::new(Saved::default());
    script(&mut running);
    assert_eq!(running.lines, expected, "\n{}", running.lines.join("\n"));
}

/// A machine under a clock of milliseconds.
struct Script {
    machine: Machine,
    now: Monotonic,
    /// The newest write that was asked for.
    write: u64,
    /// Ids in the order of their appearance.
    ids: Vec<ClientId>,
    /// Publishes as they were sent, in order, with their nonces.
    sent: Vec<(Seq, Nonce, Option<ClientId>)>,
    waiters: u64,
    lines: Vec<String>,
}

impl Script {
    fn new(saved: Saved) -> Self {
        Self::of_seed(saved, 7)
    }

    fn of_seed(saved: Saved, seed: u8) -> Self {
        Self::with_options(saved, seed, options())
    }

    fn with_options(saved: Saved, seed: u8, options: Options) -> Self {
        let mut script = Self {
            machine: Machine::new(options, saved, [seed; 32]),
            now: Monotonic(Duration::from_secs(1)),
            write: 0,
            ids: Vec::new(),
            sent: Vec::new(),
            waiters: 0,
            lines: Vec::new(),
        };
        script.drain();
        script
    }

    /// Connects, is welcomed, and forgets what that looked like.
    fn live(&mut self) {
        self.live_at(0);
    }

    fn live_at(&mut self, seq: u64) {
        self.greet();
        self.frame(welcome(seq));
        self.save();
        self.lines.clear();
    }

    /// Connects as far as `hello`.
    fn greet(&mut self) {
        self.tick_after(0);
        self.machine.handle_connected(self.now);
        self.drain();
    }

    /// Loses the connection, waits out the back-off, and is welcomed again.
    fn reconnect(&mut self, seq: u64) {
        self.machine.handle_disconnected(self.now, "cut".to_owned());
        self.drain();
        self.tick_after(1_000);
        self.machine.handle_connected(self.now);
        self.drain();
        self.frame(welcome(seq));
    }

    fn tick_after(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.machine.handle_tick(self.now);
        self.drain();
    }

    fn frame(&mut self, frame: ServerFrame) {
        self.machine.handle_frame(self.now, frame);
        self.drain();
    }

    fn disconnect(&mut self) {
        self.machine.handle_disconnected(self.now, "cut".to_owned());
        self.drain();
    }

    /// Everything that was to be saved is durable.
    fn save(&mut self) {
        self.save_up_to(self.write);
    }

    fn save_up_to(&mut self, write: u64) {
        self.machine.handle_saved(self.now, write);
        self.drain();
    }

    fn publish(&mut self, text: &str) {
        let waiter = self.waiter();
        self.machine.handle_publish(lobby(), Draft::message(text), waiter);
        self.drain();
    }

    /// Publishes, and it is durable at once.
    fn publish_saved(&mut self, text: &str) {
        self.publish(text);
        self.save();
    }

    fn subscribe(&mut self, id: u64, options: impl Into<SubscribeOptions>) {
        self.machine.handle_subscribe(self.now, SubscriptionId(id), lobby(), options.into());
        self.drain();
    }

    fn unsubscribe(&mut self, id: u64) {
        self.machine.handle_unsubscribe(self.now, SubscriptionId(id));
        self.drain();
    }

    /// A subscription that has started at the beginning.
    fn subscribed(&mut self) {
        self.subscribe(1, From::Start);
        let id = self.request_id();
        self.frame(subscribed(id, Position::START));
        self.lines.clear();
    }

    fn ask(&mut self, request: Request) {
        let waiter = self.waiter();
        self.machine.handle_request(self.now, request, Patience::Limited, waiter);
        self.drain();
    }

    fn read(&mut self, offset: u64) {
        self.machine.handle_read(self.now, &lobby(), &at(1, offset));
        self.drain();
    }

    fn watch(&mut self, id: u64) {
        self.machine.handle_watch(self.now, WatchId(id), lobby());
        self.drain();
    }

    fn typing(&mut self, typing: bool) {
        self.machine.handle_typing(self.now, lobby(), typing);
        self.drain();
    }

    fn full(&mut self, id: u64) {
        self.machine.handle_full(self.now, SubscriptionId(id));
        self.drain();
    }

    fn drained(&mut self, id: u64) {
        self.machine.handle_drained(self.now, SubscriptionId(id));
        self.drain();
    }

    fn resend(&mut self, id: u64) {
        let waiter = self.waiter();
        self.machine.handle_resend(UndecidedId(id), waiter);
        self.drain();
    }

    fn discard(&mut self, id: u64) {
        let waiter = self.waiter();
        self.machine.handle_discard(UndecidedId(id), waiter);
        self.drain();
    }

    /// The number of the newest request.
    fn request_id(&mut self) -> u64 {
        // The number after it, less one; numbers need not be dense.
        self.machine.requests.number().0 - 1
    }

    /// The event that the publish which was sent as the `at`th, from 0, came to.
    fn event_of(&self, at: usize, offset: u64) -> Event {
        let (seq, nonce, id) = self.sent[at];
        let id = id.unwrap_or(self.ids[0]);
        Event { seq, nonce, client: ClientKey { user: ada(), id }.tag(), ..event(offset, "found") }
    }

    fn waiter(&mut self) -> Waiter {
        self.waiters += 1;
        Waiter(self.waiters)
    }

    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            if let Some(line) = self.line(action) {
                self.lines.push(line);
            }
        }
    }

    fn line(&mut self, action: Action) -> Option<String> {
        Some(match action {
            Action::Pending(_) | Action::Release(_) => return None,
            Action::Dial => "dial".to_owned(),
            Action::HangUp => "hang up".to_owned(),
            Action::Send(frame) => self.sent_line(frame),
            Action::Save { write, changes } => {
                assert_eq!(write, self.write + 1, "writes are numbered without a hole");
                self.write = write;
                let changes: Vec<_> = changes.iter().map(|change| self.change_line(change)).collect();
                format!("save {}", changes.join(", "))
            }
            Action::Deliver(SubscriptionId(id), delivery) => {
                format!("deliver {id} {}", delivery_line(&delivery))
            }
            Action::End(SubscriptionId(id)) => format!("end {id}"),
            Action::Queued(Waiter(waiter), Ok(seq)) => format!("queued {waiter} as {seq}"),
            Action::Queued(Waiter(waiter), Err(error)) => {
                format!("not queued {waiter}: {}", publish_error(&error))
            }
            Action::Settled(Waiter(waiter), Ok(ack)) => {
                format!("acked {waiter} at {}{}", ack.mark.offset, if ack.duplicate { " again" } else { "" })
            }
            Action::Settled(Waiter(waiter), Err(error)) => {
                format!("failed {waiter}: {}", publish_error(&error))
            }
            Action::Answer(Waiter(waiter), Ok(answer)) => match answer {
                Answer::Page(page) => format!("page for {waiter} of {}", page.events.len()),
                Answer::Rooms(page) => format!("rooms for {waiter}: {}", page.rooms.len()),
                Answer::Room(_) => format!("room for {waiter}"),
                Answer::Members(page) => format!("members for {waiter}: {}", page.members.len()),
                Answer::Thread(page) => format!("thread for {waiter} of {}", page.replies.len()),
                Answer::Profiles(profiles) => format!("profiles for {waiter}: {}", profiles.len()),
                Answer::Contact(contact) => {
                    format!("contact for {waiter}: {}, {:?}", contact.direct.name(), contact.receipts)
                }
                Answer::Done => format!("done for {waiter}"),
                Answer::Present(present) => format!("present for {waiter}: {}", present.total),
                Answer::Found(found) => format!("found for {waiter}: {}", found.messages.len()),
                Answer::Readers(readers) => format!("readers for {waiter}: {}", readers.len()),
                Answer::Consumed(consumed) => format!("consumed for {waiter}: {}", consumed.parts.len()),
                Answer::Consumers(page) => format!("consumers for {waiter}: {}", page.consumers.len()),
                Answer::Webhooks(page) => format!("webhooks for {waiter}: {}", page.webhooks.len()),
                Answer::DeadLetters(page) => format!("dead letters for {waiter}: {}", page.letters.len()),
                Answer::Answered(ack) => format!("answered for {waiter}: {}", ack.is_some()),
            },
            Action::Answer(Waiter(waiter), Err(error)) => format!("no answer for {waiter}: {error}"),
            Action::Saved(Waiter(waiter), result) => format!("saved {waiter}: {}", result.is_ok()),
            Action::Current(at) => format!("current as of {at}"),
            Action::State(state) => match state {
                ConnectionState::Connecting { attempt } => format!("connecting {attempt}"),
                ConnectionState::Connected { .. } => "connected".to_owned(),
                ConnectionState::Waiting { until, .. } => match until.since(self.now).as_millis() {
                    0 => "waiting not at all".to_owned(),
                    // How long is drawn; `backoff` has its own test.
                    ms if ms < 1_000 => "waiting".to_owned(),
                    ms => format!("waiting {ms} ms"),
                },
                ConnectionState::Stopped { code, .. } => format!("stopped {code}"),
                ConnectionState::Closed => "closed".to_owned(),
            },
            Action::Notice(notice) => notice_line(&notice),
            Action::Signal(signal) => format!("heard {}", signal.body.as_text().unwrap_or("?")),
            Action::Profile(user, _) => format!("profile of {user}"),
            Action::Reading(ReadTo { room, read, ordinal, unread }) => {
                let ordinal = ordinal.map(|ordinal| ordinal.0);
                format!("read {room} to {read}, ordinal {ordinal:?}, unread {unread:?}")
            }
            Action::Watched(watch, Ok(state)) => format!(
                "watched {}: {:?} receipts, {} online, {} typing",
                watch.0,
                state.receipts.as_ref().map(std::collections::BTreeMap::len),
                state.online,
                state.typing.len()
            ),
            Action::Watched(watch, Err(error)) => format!("watched {}: {error}", watch.0),
        })
    }

    fn sent_line(&mut self, frame: ClientFrame) -> String {
        match frame {
            ClientFrame::Hello(hello) => {
                let rooms: Vec<_> = hello.resume.iter().map(|resume| place(&resume.position)).collect();
                let id = self.id(hello.client_id);
                format!("hello {id} waits {}{}", hello.waits, join(" resume ", &rooms))
            }
            ClientFrame::Publish(publish) => {
                self.sent.push((publish.seq, publish.nonce, publish.client_id));
                let old = publish.client_id.map(|id| format!(" of {}", self.id(id))).unwrap_or_default();
                let text = publish.draft.body.as_text().unwrap_or("?").to_owned();
                format!("publish {}{old} {text}, waits {}", publish.seq, publish.waits)
            }
            ClientFrame::Resume { rooms, .. } => format!("resume {} rooms", rooms.len()),
            ClientFrame::Subscribe { from, .. } => format!("subscribe {}", from_line(from)),
            ClientFrame::Unsubscribe { .. } => "unsubscribe".to_owned(),
            ClientFrame::History { range: HistoryRange::After(position), .. } => {
                format!("history after {}", place(&position))
            }
            ClientFrame::History { .. } => "history".to_owned(),
            ClientFrame::Rooms { .. } => "rooms".to_owned(),
            ClientFrame::Room { .. } => "room".to_owned(),
            ClientFrame::Members { .. } => "members".to_owned(),
            ClientFrame::Thread { .. } => "thread".to_owned(),
            ClientFrame::Profiles { .. } => "profiles".to_owned(),
            ClientFrame::Contact { .. } => "contact".to_owned(),
            ClientFrame::ChangeUser { .. } => "change user".to_owned(),
            ClientFrame::Signal(signal) => format!("signal {}", signal.body.as_text().unwrap_or("?")),
            ClientFrame::Who { .. } => "who".to_owned(),
            ClientFrame::Cursor(CursorFrame { room, delivered, read, .. }) => {
                let offset =
                    |offset: Option<Offset>| offset.map_or("-".to_owned(), |offset| offset.to_string());
                format!("cursor {room} delivered {} read {}", offset(delivered), offset(read))
            }
            ClientFrame::Presence { presence } => format!("presence {}", presence.name()),
            ClientFrame::Typing { room, typing } => format!("typing {room} {typing}"),
            ClientFrame::Search { .. } => "search".to_owned(),
            ClientFrame::Readers { .. } => "readers".to_owned(),
            ClientFrame::Watch { room, .. } => format!("watch {room}"),
            ClientFrame::Unwatch { room, .. } => format!("unwatch {room}"),
            ClientFrame::Consume(consume) => format!("consume {} done {}", consume.name, consume.done.len()),
            ClientFrame::Consumers { .. } => "consumers".to_owned(),
            ClientFrame::ChangeConsumer { name, .. } => format!("change consumer {name}"),
            ClientFrame::Webhooks { .. } => "webhooks".to_owned(),
            ClientFrame::ChangeWebhook { .. } => "change webhook".to_owned(),
            ClientFrame::DeadLetters { .. } => "dead letters".to_owned(),
            ClientFrame::Beat => "beat".to_owned(),
        }
    }

    fn change_line(&mut self, change: &Change) -> String {
        match change {
            Change::User(user) => format!("user {user}"),
            Change::Identity(_, identity) => self.id(identity.id),
            Change::ForgetIdentity(Generation { taken, .. }) => format!("forget id{taken}"),
            Change::Put(key, _) => format!("put {}", key_line(key)),
            Change::Remove(key) => format!("remove {}", key_line(key)),
            Change::Acked(key, _) => format!("acked {}", key_line(key)),
            Change::Unkeep(key) => format!("unkeep {}", key_line(key)),
            Change::Undecided(undecided) => format!("undecided {}", undecided.id.0),
            Change::Decided(id) => format!("decided {}", id.0),
            Change::Cursor(name, ..) => format!("cursor {name}"),
            Change::ForgetCursor(name, _) => format!("forget cursor {name}"),
        }
    }

    fn id(&mut self, id: ClientId) -> String {
        let at = self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        });
        format!("id{at}")
    }
}

fn delivery_line(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Started { position, gap_follows: false, .. } => format!("started {}", place(position)),
        Delivery::Started { position, .. } => format!("started {} behind a gap", place(position)),
        Delivery::Events(events) => {
            let offsets: Vec<_> = events.events.iter().map(|event| event.offset.to_string()).collect();
            assert_eq!(events.first, events.events[0].offset);
            format!("events {}", offsets.join(" "))
        }
        Delivery::Hidden { first, position } => format!("hidden {first} to {}", place(position)),
        Delivery::Gap(gap) => {
            format!("gap {} {}-{}", gap.reason.name(), gap.from, gap.to)
        }
        Delivery::Ended { code, .. } => format!("ended {code}"),
    }
}

fn notice_line(notice: &Notice) -> String {
    match notice {
        Notice::Settled { ack, draft } => {
            format!("notice settled {} at {}", draft.body.as_text().unwrap_or("?"), ack.mark.offset)
        }
        Notice::Refused { seq, refusal, .. } => format!("notice refused {seq} {}", refusal.code),
        Notice::Unconfirmed { entry } => format!("notice unconfirmed {} as {}", entry.seq, entry.id.0),
        Notice::LostAcks { offered, older } => {
            let seqs: Vec<_> = offered.iter().map(|lost| lost.seq.to_string()).collect();
            format!("notice lost {} and {older} older", seqs.join(" "))
        }
        Notice::Cloned { unsettled } => format!("notice cloned, {unsettled} unsettled"),
    }
}

fn publish_error(error: &PublishError) -> String {
    match error {
        PublishError::Refused(refusal) => format!("refused {}", refusal.code),
        PublishError::Stopped { code, .. } => format!("stopped {code}"),
        PublishError::Unconfirmed => "unconfirmed".to_owned(),
        PublishError::Outbox(_) => "outbox".to_owned(),
        PublishError::Closed => "closed".to_owned(),
    }
}

fn key_line(key: &EntryKey) -> String {
    let Generation { taken, derived } = key.generation;
    format!("{taken}{}.{}", "'".repeat(derived as usize), key.seq)
}

fn from_line(from: From) -> String {
    match from {
        From::Start => "start".to_owned(),
        From::After(position) => place(&position),
        From::Offset(offset) => format!("offset {offset}"),
        From::Last(count) => format!("last {count}"),
        From::Now => "now".to_owned(),
        From::Recent { after, last } => format!("{} last {last}", place(&after)),
    }
}

fn join(before: &str, parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!("{before}{}", parts.join(" ")) }
}

/// `e1:3` for offset 3 of epoch 1.
fn place(position: &Position) -> String {
    let epoch = position.epoch.map_or("-".to_owned(), |epoch| format!("e{}", epoch.as_bytes()[0]));
    format!("{epoch}:{}", position.offset)
}

fn options() -> Options {
    Options {
        token: None,
        user: Some(ada()),
        kept_acks: 3,
        request_timeout: Duration::from_secs(30),
        reads_announcements: false,
        tells_receipts: false,
        catch_up_last: None,
    }
}

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

fn lobby() -> RoomId {
    RoomId::lobby()
}

fn epoch(number: u8) -> Epoch {
    Epoch::from_bytes([number; 8])
}

/// The chain of an offset in the one log of these scripts.
fn chain(offset: u64) -> Chain {
    Chain::from_bytes(offset.to_be_bytes())
}

fn at(number: u8, offset: u64) -> Position {
    Position { epoch: Some(epoch(number)), offset: Offset(offset), chain: chain(offset) }
}

fn event(offset: u64, text: &str) -> Event {
    Event {
        offset: Offset(offset),
        ordinal: Ordinal(offset),
        chain: chain(offset),
        ts: 5,
        user: ada(),
        client: ClientTag::from_bytes([9; 8]),
        seq: Seq::FIRST,
        nonce: Nonce(1),
        kind: EventKind::MESSAGE,
        target: None,
        body: Some(Body::text(text)),
    }
}

/// Events of the lobby, from `first` to `last`, in an epoch.
fn events(number: u8, first: u64, last: u64) -> ServerFrame {
    let events = (first..=last).map(|offset| event(offset, "text")).collect();
    ServerFrame::Events(Events { room: lobby(), epoch: epoch(number), first: Offset(first), events })
}

fn gap(reason: GapReason, from: u64, to: u64, position: Option<Position>) -> ServerFrame {
    let gap = Gap { from: Offset(from), to: Offset(to), reason, position, ordinal: Ordinal(0) };
    ServerFrame::Gap { room: lobby(), gap }
}

/// The user may not read the lobby any more.
fn ended(code: Code) -> ServerFrame {
    ServerFrame::Ended { room: lobby(), code, message: "no".to_owned() }
}

fn subscribed(id: u64, position: Position) -> ServerFrame {
    ServerFrame::Subscribed {
        id: RequestId(id),
        room: lobby(),
        position,
        head: position.offset,
        horizon: Offset(1),
    }
}

fn ack(seq: u64, offset: u64) -> ServerFrame {
    ServerFrame::Ack(Ack {
        seq: Seq::new(seq).unwrap(),
        room: lobby(),
        epoch: epoch(1),
        mark: Mark { offset: Offset(offset), ordinal: Ordinal(offset), chain: chain(offset) },
        ts: 5,
        duplicate: false,
        durability: Durability::Disk,
    })
}

fn refused(seq: u64, code: Code) -> ServerFrame {
    ServerFrame::Refused { seq: Seq::new(seq).unwrap(), code, message: "no".to_owned() }
}

fn goodbye(code: Code, reconnect_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Goodbye { code, message: "bye".to_owned(), reconnect_after_ms }
}

fn error(id: u64, code: Code) -> ServerFrame {
    ServerFrame::Error { id: Some(RequestId(id)), code, message: "no".to_owned(), retry_after_ms: None }
}

/// A page of the lobby in epoch 1.
fn page(id: u64, events: Vec<Event>, head: u64, next: Option<Position>) -> Page {
    Page {
        id: RequestId(id),
        room: lobby(),
        epoch: (!events.is_empty()).then(|| epoch(1)),
        first: events.first().map_or(Offset::ZERO, |event| event.offset),
        events,
        head: Offset(head),
        horizon: Offset(1),
        gap: None,
        next,
        changes: Vec::new(),
    }
}

fn welcome(seq: u64) -> ServerFrame {
    welcome_with(seq, 256, 4 * 1024 * 1024)
}

fn welcome_with(seq: u64, window: u64, in_flight_bytes: u64) -> ServerFrame {
    ServerFrame::Welcome(Box::new(Welcome {
        session: SessionId::from_bytes([3; 16]),
        user: ada(),
        client: ClientTag::from_bytes([9; 8]),
        seq: Seq::new(seq).unwrap(),
        heartbeat_ms: 20_000,
        limits: SessionLimits {
            body_bytes: 65_536,
            frame_in_bytes: 524_288,
            frame_out_bytes: 1_048_576,
            rooms: 16_384,
            window,
            in_flight_bytes,
            history_events: 200,
        },
        features: Vec::new(),
        rooms: Vec::new(),
    }))
}
