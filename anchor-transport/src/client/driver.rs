//! The dull half of a client: moves bytes, changes and deliveries, and calls the machine. It decides nothing.
//!
//! One task owns everything. Between two events it drains the machine's actions; then it waits for whatever comes first:
//! a command, the socket, the outbox, room in a subscription, or the machine's deadline. Where a delivery finds its
//! subscription full, the machine decides whether more is read from the socket: that is what bounds the memory.

mod outlets;
mod replies;
mod wire;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use anchor_core::environment::{Environment, Monotonic};
use anchor_core::id::UserId;
use anchor_core::limits::SIGNALS_WAITING_MAX;
use anchor_core::session::frame::Signal;
use anchor_core::user::Profile;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, Semaphore, broadcast, mpsc, oneshot, watch};

use super::announcements::Announcements;
use super::answer::ReadTo;
use super::command::{Command, SubscriptionId, WatchId};
use super::config::{ClientConfig, ServerAddress, State};
use super::error::OpenError;
use super::handle::{Current, Shared};
use super::machine::{Action, Machine, Options};
use super::notice::ConnectionState;
use super::notices::Notices;
use super::outbox::Saved;
use super::outbox::directory::Directory;
use super::outbox::keeper::Keeper;
use super::outbox::storage::Stored;
use super::subscription::Delivery;
use super::watched::Told;
use outlets::{Handed, Outlets};
use replies::Replies;
use wire::{Wire, WireEvent};

/// Drives a [`super::Client`]: ends when that does. A client whose driver is dropped is closed as by `kill -9`.
#[must_use = "a client that nobody drives does nothing"]
pub struct ClientDriver(BoxFuture<'static, ()>);

impl Future for ClientDriver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_unpin(context)
    }
}

impl std::fmt::Debug for ClientDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientDriver").finish_non_exhaustive()
    }
}

/// Opens the state: what handles share, where their commands go, and what is to be driven.
pub(super) fn open(
    config: ClientConfig,
    env: Arc<dyn Environment>,
) -> Result<(Shared, mpsc::Sender<Command>, ClientDriver), OpenError> {
    let server = ServerAddress::parse(&config.server)?;
    let (keeper, saved) = match &config.state {
        State::Memory => (Keeper::memory(), Saved::default()),
        State::Directory(path) => {
            let (directory, saved) = Directory::open(path, &server.url(), config.user.as_ref())?;
            let keeper = Keeper::directory(directory)
                .map_err(|error| OpenError::Directory { directory: path.clone(), source: error.into() })?;
            (keeper, saved)
        }
        State::Storage(storage) => {
            let (stored, saved) = Stored::open(storage.clone(), &server.url(), config.user.as_ref())?;
            (Keeper::storage(stored), saved)
        }
    };
    let left_over = saved.entries.len();
    let places = Arc::new(Semaphore::new(config.outbox_entries.saturating_sub(left_over)));
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let (pending, pending_seen) = watch::channel(left_over);
    let (current, current_seen) = watch::channel(None);
    let (states, states_seen) = watch::channel(ConnectionState::Connecting { attempt: 1 });
    let (user, user_seen) = watch::channel(config.user.clone().or_else(|| saved.user.clone()));
    let (signals, signals_heard) = broadcast::channel(SIGNALS_WAITING_MAX);
    let (profiles, profiles_heard) = broadcast::channel(PROFILES_WAITING_MAX);
    let (reading, reading_heard) = broadcast::channel(READING_WAITING_MAX);
    let (announcing, announced) = mpsc::channel(ANNOUNCEMENTS_BUFFER);
    let mut outlets = Outlets::default();
    if config.reads_announcements {
        outlets.open(SubscriptionId::LIBRARY, announcing);
    }
    let notices = Arc::new(Notices::default());
    let mut seed = [0; 32];
    env.fill_random(&mut seed);
    let options = Options {
        token: config.token.clone(),
        user: config.user.clone(),
        kept_acks: config.kept_acks,
        request_timeout: config.request_timeout,
        reads_announcements: config.reads_announcements,
        tells_receipts: config.tells_receipts,
        catch_up_last: config.catch_up_last,
    };
    let driver = Driver {
        machine: Machine::new(options, saved, seed),
        wire: Wire::new(config.dial.clone(), server, config.encoding),
        keeper,
        commands: received,
        replies: Replies::default(),
        outlets,
        places: places.clone(),
        places_owed: left_over.saturating_sub(config.outbox_entries),
        pending,
        current,
        subscriptions: 0,
        states,
        user,
        signals,
        profiles,
        reading,
        watchers: BTreeMap::new(),
        notices: notices.clone(),
        alarm: Alarm::new(env.clone()),
        env,
        first: 0,
    };
    let shared = Shared {
        places,
        pending: pending_seen,
        current: current_seen,
        states: states_seen,
        user: user_seen,
        notices,
        announcements: Arc::new(Mutex::new(Announcements::new(announced))),
        signals: signals_heard,
        profiles: profiles_heard,
        reading: reading_heard,
        watches: AtomicU64::new(0),
        subscription_buffer: config.subscription_buffer,
        subscriptions: AtomicU64::new(0),
        line: Mutex::new(()),
    };
    Ok((shared, commands, ClientDriver(driver.run().boxed())))
}

#[derive(Debug)]
struct Driver {
    machine: Machine,
    wire: Wire,
    keeper: Keeper,
    commands: mpsc::Receiver<Command>,
    replies: Replies,
    outlets: Outlets,
    places: Arc<Semaphore>,
    /// Entries of earlier processes beyond the places there are.
    places_owed: usize,
    pending: watch::Sender<usize>,
    current: watch::Sender<Option<Current>>,
    /// How many subscriptions were asked for.
    subscriptions: u64,
    states: watch::Sender<ConnectionState>,
    user: watch::Sender<Option<UserId>>,
    signals: broadcast::Sender<Signal>,
    profiles: broadcast::Sender<(UserId, Profile)>,
    reading: broadcast::Sender<ReadTo>,
    watchers: BTreeMap<WatchId, watch::Sender<Option<Told>>>,
    notices: Arc<Notices>,
    alarm: Alarm,
    env: Arc<dyn Environment>,
    /// Which of the sources of events is asked first, next time.
    first: usize,
}

/// What the driver waited for.
enum Event {
    Command(Option<Command>),
    Wire(WireEvent),
    Saved(Result<u64, String>),
    Room(SubscriptionId),
    Alarm,
}

impl Driver {
    async fn run(mut self) {
        let closed = loop {
            self.drain();
            let event = self.next().await;
            let now = self.env.now();
            match event {
                Event::Command(None) => break None,
                Event::Command(Some(Command::Close { closed })) => break Some(closed),
                Event::Command(Some(command)) => self.command(now, command),
                Event::Wire(WireEvent::Connected) => self.machine.handle_connected(now),
                Event::Wire(WireEvent::Disconnected(reason)) => self.machine.handle_disconnected(now, reason),
                Event::Wire(WireEvent::Frame(frame)) => self.machine.handle_frame(now, frame),
                Event::Wire(WireEvent::Broken(what)) => self.machine.handle_broken(now, what),
                Event::Wire(WireEvent::SignOfLife) => self.machine.handle_sign_of_life(now),
                Event::Saved(Ok(write)) => self.machine.handle_saved(now, write),
                Event::Saved(Err(message)) => self.machine.handle_outbox_failed(&message),
                Event::Room(subscription) => match self.outlets.hand_kept(subscription) {
                    Handed::All => self.machine.handle_drained(now, subscription),
                    Handed::Kept => {}
                    Handed::ToNobody => self.machine.handle_unsubscribe(now, subscription),
                },
                Event::Alarm => self.machine.handle_tick(now),
            }
        };
        self.close(closed).await;
    }

    /// Waits for whatever comes first. The sources are asked in a circle, beginning each time with another one: none
    /// starves behind one that always has something, and no dice are thrown for it.
    async fn next(&mut self) -> Event {
        const SOURCES: usize = 5;
        let first = self.first;
        self.first = (first + 1) % SOURCES;
        let mut command = pin!(self.commands.recv());
        let mut wire = pin!(self.wire.next(self.machine.is_reading()));
        let mut saved = pin!(self.keeper.committed());
        let mut room = pin!(self.outlets.next());
        let mut alarm = pin!(self.alarm.wait(self.machine.poll_deadline()));
        poll_fn(|context| {
            let mut ask = |source| match source {
                0 => command.as_mut().poll(context).map(Event::Command),
                1 => wire.as_mut().poll(context).map(Event::Wire),
                2 => saved.as_mut().poll(context).map(Event::Saved),
                3 => room.as_mut().poll(context).map(Event::Room),
                _ => alarm.as_mut().poll(context).map(|()| Event::Alarm),
            };
            let ready = (first..first + SOURCES).map(|source| ask(source % SOURCES)).find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        })
        .await
    }

    fn command(&mut self, now: Monotonic, command: Command) {
        match command {
            Command::Publish { room, draft, place, queued, settled } => {
                place.forget();
                let waiter = self.replies.publish(queued, settled);
                self.machine.handle_publish(room, draft, waiter);
            }
            Command::Resend { id, place, queued, settled } => {
                place.forget();
                let waiter = self.replies.publish(queued, settled);
                self.machine.handle_resend(id, waiter);
            }
            Command::Subscribe { subscription, room, options, deliveries } => {
                self.subscriptions += 1;
                self.outlets.open(subscription, deliveries);
                self.machine.handle_subscribe(now, subscription, room, options);
            }
            Command::Unsubscribe { subscription } => self.machine.handle_unsubscribe(now, subscription),
            Command::Request { request, patience, reply } => {
                let waiter = self.replies.request(reply);
                self.machine.handle_request(now, request, patience, waiter);
            }
            Command::SaveCursor { name, room, position, saved } => {
                let waiter = self.replies.save(saved);
                self.machine.handle_cursor(name, room, position, waiter);
            }
            Command::ForgetCursor { name, room, forgotten } => {
                let waiter = self.replies.save(forgotten);
                self.machine.handle_forget_cursor(name, room, waiter);
            }
            Command::Signal(signal) => self.machine.handle_signal(now, signal),
            Command::Read { room, position } => self.machine.handle_read(now, &room, &position),
            Command::Watch { watch, room, told } => {
                self.watchers.insert(watch, told);
                self.machine.handle_watch(now, watch, room);
            }
            Command::Unwatch { watch } => {
                self.watchers.remove(&watch);
                self.machine.handle_unwatch(now, watch);
            }
            Command::Presence(presence) => self.machine.handle_presence(now, presence),
            Command::Typing { room, typing } => self.machine.handle_typing(now, room, typing),
            Command::Answer { publish, reply } => {
                let waiter = self.replies.request(reply);
                self.machine.handle_answer(now, *publish, waiter);
            }
            Command::Discard { id, done } => {
                let waiter = self.replies.save(done);
                self.machine.handle_discard(id, waiter);
            }
            // Who asked may have gone away since.
            Command::SavedCursor { name, room, reply } => drop(reply.send(self.machine.cursor(name, room))),
            Command::Undecided { reply } => drop(reply.send(self.machine.undecided())),
            Command::Close { closed } => drop(closed),
        }
    }

    /// Does what the machine wants until it wants nothing more.
    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial => self.wire.dial(),
            Action::HangUp => self.wire.hang_up(),
            Action::Send(frame) => self.wire.send(&frame),
            Action::Save { write, changes } => {
                let before = self.keeper.durable();
                self.keeper.save(write, changes);
                if self.keeper.durable() > before {
                    self.machine.handle_saved(self.env.now(), self.keeper.durable());
                }
            }
            Action::Deliver(subscription, delivery) => self.deliver(subscription, delivery),
            Action::End(subscription) => self.outlets.end(subscription),
            Action::Queued(waiter, result) => {
                if result.is_err() {
                    self.places.add_permits(1);
                }
                self.replies.queued(waiter, result);
            }
            Action::Settled(waiter, result) => self.replies.settled(waiter, result),
            Action::Answer(waiter, result) => self.replies.answer(waiter, result),
            Action::Saved(waiter, result) => self.replies.saved(waiter, result),
            Action::Pending(count) => {
                self.pending.send_if_modified(|pending| std::mem::replace(pending, count) != count);
            }
            Action::Release(count) => {
                let owed = count.min(self.places_owed);
                self.places_owed -= owed;
                self.places.add_permits(count - owed);
            }
            Action::Current(as_of) => {
                let current = Current { as_of, subscriptions: self.subscriptions };
                self.current.send_replace(Some(current));
            }
            Action::State(state) => {
                tracing::debug!(?state, "the connection changed");
                if let ConnectionState::Connected { user, .. } = &state {
                    self.user.send_replace(Some(user.clone()));
                }
                self.states.send_replace(state);
            }
            Action::Notice(notice) => self.notices.push(notice),
            // Nobody need be listening.
            Action::Signal(signal) => drop(self.signals.send(signal)),
            Action::Profile(user, profile) => drop(self.profiles.send((user, profile))),
            Action::Reading(read) => drop(self.reading.send(read)),
            Action::Watched(watch, told) => self.tell(watch, told),
        }
    }

    fn tell(&mut self, watch: WatchId, told: Told) {
        let Some(watcher) = self.watchers.get(&watch) else { return };
        let is_over = told.is_err();
        if watcher.send(Some(told)).is_err() {
            // Who watched has gone, and could not say so.
            self.watchers.remove(&watch);
            self.machine.handle_unwatch(self.env.now(), watch);
        } else if is_over {
            self.watchers.remove(&watch);
        }
    }

    fn deliver(&mut self, subscription: SubscriptionId, delivery: Delivery) {
        let now = self.env.now();
        match self.outlets.hand(subscription, delivery) {
            Handed::All => {}
            Handed::Kept => self.machine.handle_full(now, subscription),
            Handed::ToNobody => self.machine.handle_unsubscribe(now, subscription),
        }
    }

    async fn close(mut self, closed: Option<oneshot::Sender<()>>) {
        self.commands.close();
        self.drain();
        let farewell = self.env.sleep_until(self.env.now() + CLOSE_WITHIN);
        tokio::select! {
            biased;
            () = self.wire.close() => {}
            () = farewell => {}
        }
        self.places.close();
        self.keeper.close().await;
        self.notices.close();
        self.states.send_replace(ConnectionState::Closed);
        if let Some(closed) = closed {
            // Who closed may not be waiting.
            let _ = closed.send(());
        }
    }
}

/// Wakes at the machine's deadline; keeps one timer as long as that stays.
struct Alarm {
    env: Arc<dyn Environment>,
    set: Option<(Monotonic, BoxFuture<'static, ()>)>,
}

impl Alarm {
    fn new(env: Arc<dyn Environment>) -> Self {
        Self { env, set: None }
    }

    async fn wait(&mut self, deadline: Option<Monotonic>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        let timer = match self.set.take() {
            Some((set, timer)) if set == deadline => timer,
            _ => self.env.sleep_until(deadline),
        };
        let (_, timer) = self.set.insert((deadline, timer));
        timer.await;
        self.set = None;
    }
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").field("deadline", &self.set.as_ref().map(|(deadline, _)| deadline)).finish()
    }
}

/// Commands that wait for the driver; more callers wait for room. Source: chosen.
const COMMANDS_MAX: usize = 64;

/// Deliveries of announcements that wait to be taken; beyond it the client leaves that room until half are. Source: chosen.
const ANNOUNCEMENTS_BUFFER: usize = 4;

/// New profiles that wait for a listener; beyond it the oldest is missed. Source: chosen; as signals.
const PROFILES_WAITING_MAX: usize = SIGNALS_WAITING_MAX;

/// Words of how far the user has read that wait for whoever listens; the oldest goes. Source: chosen; the rooms of a `hello`.
const READING_WAITING_MAX: usize = 1_024;

/// How long the end of a connection may take. Source: chosen; a courtesy to the server.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
