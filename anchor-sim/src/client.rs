//! A client process: the real client library, with an application on top that publishes, reads, and writes down what it
//! did and saw.

mod browser;
mod lineage;
mod listener;
mod member;
mod neighbour;
mod publisher;
mod reader;
mod talker;
mod visitor;
mod watcher;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::promise::{Mark, Reader};
use anchor_core::id::{RoomId, UserId};
use anchor_core::publish::{Ack, Durability};
use anchor_transport::client::{Client, ClientConfig, ConnectionState, Notice, State};
use anchor_transport::codec::Encoding;
use futures::StreamExt;

pub use self::lineage::Lineage;
use self::wire::{Dialler, Place};
use crate::clock::Clock;
use crate::disk::{Disk, Power};
use crate::kernel::{ProcessId, lock};
use crate::network::HostId;
use crate::society::Pair;
use crate::world::World;

/// How a client's application goes about things.
#[derive(Clone, Debug)]
pub struct Habits {
    /// As whom it speaks.
    pub user: UserId,
    /// How its frames are encoded.
    pub encoding: Encoding,
    /// Which rooms it reads and writes.
    pub rooms: Vec<RoomId>,
    /// In which rooms with members it lives.
    pub clubs: Vec<RoomId>,
    /// Everybody who may be in them.
    pub users: Vec<UserId>,
    /// Who talks to whom: it talks in the rooms of its own user, and looks into the others.
    pub pairs: Vec<Pair>,
    /// Publishes in all.
    pub publishes: u64,
    /// Time between two bursts of publishes, at least and at most.
    pub every: (Duration, Duration),
    /// Publishes of one burst, at most.
    pub burst: u64,
    /// Bytes of a body, at most.
    pub body_bytes: u64,
    /// How long it looks at a delivery, at most; zero: not at all.
    pub reading: Duration,
    /// Deliveries between two saved cursors.
    pub save_every: u64,
    /// Walks through history at once.
    pub walks: u64,
    /// Its user keeps from others how far it has read.
    pub hides_receipts: bool,
    /// See [`ClientConfig::subscription_buffer`].
    pub buffer: usize,
    /// See [`ClientConfig::outbox_entries`].
    pub outbox_entries: usize,
    /// See [`ClientConfig::kept_acks`].
    pub kept_acks: usize,
}

impl Habits {
    /// True if it has to do with what users are and say to each other beside the rooms.
    #[must_use]
    pub const fn is_neighbour(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// The rooms with members that it reads, or tries to.
    pub fn societies(&self) -> impl Iterator<Item = &RoomId> {
        self.clubs.iter().chain(self.pairs.iter().map(|pair| &pair.room))
    }
}

/// An installation of a client, running or not.
#[derive(Debug)]
pub struct SimClient {
    world: World,
    host: HostId,
    servers: Arc<[HostId]>,
    clock: Clock,
    habits: Habits,
    disk: Option<Disk>,
    lineage: Arc<Mutex<Lineage>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: ProcessId,
    client: Client,
    reader: Reader,
}

/// What a copy of a client's state has, beside the disk.
#[derive(Debug)]
pub struct Copy {
    disk: Disk,
    lineage: Lineage,
}

impl SimClient {
    /// A client that is not running yet; with `disk` its outbox outlives the process.
    #[must_use]
    pub fn new(
        world: World,
        host: HostId,
        servers: Arc<[HostId]>,
        habits: Habits,
        is_durable: bool,
        dice: &mut SplitMix64,
    ) -> Self {
        let clock = Clock::new(world.kernel.clone(), SplitMix64::new(dice.draw()));
        let lineage = Arc::new(Mutex::new(Lineage::new(world.recorder.author())));
        let disk = is_durable.then(|| Power::new().disk());
        world.society.knows_reader(&habits.user, habits.rooms.iter().chain(habits.societies()));
        Self { world, host, servers, clock, habits, disk, lineage, running: None }
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// Its Unix clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// True between a start and an end.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The machine of its disk.
    #[must_use]
    pub fn power(&self) -> Option<&Power> {
        self.disk.as_ref().map(Disk::power)
    }

    /// The process that runs, for freezing.
    #[must_use]
    pub fn process(&self) -> Option<ProcessId> {
        self.running.as_ref().map(|running| running.process)
    }

    /// True once its power went by an armed fault.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.power().is_some_and(|power| !power.is_on())
    }

    /// True once the library gave up its outbox, whose disk has failed: the application has to start anew.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        let state = self.running.as_ref().map(|running| running.client.state());
        matches!(state, Some(ConnectionState::Stopped { code: Code::StoreFailed, .. }))
    }

    /// Publishes that it has not called for yet, and those in its outbox.
    #[must_use]
    pub fn to_do(&self) -> u64 {
        let left = lock(&self.lineage).left(self.habits.publishes);
        let pending = self.running.as_ref().map_or(0, |running| running.client.pending() as u64);
        left + pending
    }

    /// The client that runs, its user, and its reader.
    #[must_use]
    pub fn running(&self) -> Option<(&Client, &UserId, Reader)> {
        self.running.as_ref().map(|running| (&running.client, &self.habits.user, running.reader))
    }

    /// How it goes about things.
    #[must_use]
    pub const fn habits(&self) -> &Habits {
        &self.habits
    }

    /// The rooms with members that it reads, or tries to.
    pub fn societies(&self) -> impl Iterator<Item = &RoomId> {
        self.habits.societies()
    }

    /// The process of which everything that admins said is to be heard; none where nobody listens.
    #[must_use]
    pub fn listening(&self) -> Option<ProcessId> {
        self.process().filter(|_| self.habits.is_neighbour())
    }

    /// How it stands, for people.
    #[must_use]
    pub fn state(&self) -> String {
        match &self.running {
            Some(running) => format!(
                "{} as {}, {:?}, {} in the outbox, {} to publish",
                self.host,
                running.process,
                running.client.state(),
                running.client.pending(),
                lock(&self.lineage).left(self.habits.publishes)
            ),
            None => format!("{} is not running", self.host),
        }
    }

    /// Starts a process.
    ///
    /// # Errors
    /// Why it could not, for people; it may later.
    pub fn start(&mut self) -> Result<(), String> {
        self.kill();
        let process = self.world.kernel.process();
        let dialler = Dialler::new(self.world.network.clone(), self.host, self.servers.clone(), &self.clock);
        let mut config = ClientConfig::new("ws://anchor:80")
            .user(self.habits.user.clone())
            .encoding(self.habits.encoding)
            .dial(dialler);
        config.subscription_buffer = self.habits.buffer;
        config.outbox_entries = self.habits.outbox_entries;
        config.kept_acks = self.habits.kept_acks;
        match &self.disk {
            Some(disk) => {
                config.state = State::Storage(Arc::new(Place::new(disk.attach(), self.clock.clone())))
            }
            // Each start is a new client.
            None => lock(&self.lineage).renew(self.world.recorder.author()),
        }
        let opened = Client::open_driven(config, Arc::new(self.clock.clone()));
        let (client, driver) = opened.map_err(|error| {
            let what = format!("{error} ({error:?})");
            self.world.trace.note(self.host, format_args!("does not start: {what}"));
            what
        })?;
        let reader = self.world.recorder.reader();
        self.world.trace.note(self.host, format_args!("starts as {process}, with {reader}"));
        self.world.spawn(process, driver);
        let application = Application {
            world: self.world.clone(),
            clock: self.clock.clone(),
            habits: self.habits.clone(),
            lineage: self.lineage.clone(),
            client: client.clone(),
            process,
            is_durable: self.disk.is_some(),
            is_alone: self.servers.len() == 1,
        };
        self.world.spawn(process, publisher::publish(application.clone()));
        self.world.spawn(process, reader::read(application.clone(), reader));
        for _ in 0..self.habits.walks {
            self.world.spawn(process, browser::browse(application.clone()));
        }
        for room in self.habits.societies() {
            self.world.spawn(process, listener::listen(application.clone(), reader, room.clone()));
        }
        self.world.spawn(process, member::mingle(application.clone()));
        talker::start(&application);
        neighbour::start(&application);
        watcher::start(&application);
        self.world.spawn(process, visitor::visit(application.clone()));
        self.world.spawn(process, take_notices(application));
        self.running = Some(Running { process, client, reader });
        Ok(())
    }

    /// Ends the process at once; what it wrote stays.
    pub fn kill(&mut self) {
        self.end("is killed");
        if let Some(disk) = &self.disk {
            disk.power().kill();
        }
    }

    /// Takes its power: unsynced writes are lost, kept or torn, and its peers are not told.
    pub fn lose_power(&mut self, dice: &mut SplitMix64) {
        self.world.network.darken(self.host);
        self.end("loses power");
        if let Some(disk) = &self.disk {
            disk.power().crash(dice);
        }
    }

    /// Ends it in good order.
    pub async fn close(&mut self) {
        if let Some(running) = &self.running {
            running.client.close().await;
        }
        self.kill();
    }

    /// A copy of its state, as somebody makes who restores a phone. The process ends.
    ///
    /// From here on two states may go on from the same numbers, and nobody promises the order of what each publishes.
    pub fn copy(&mut self) -> Option<Copy> {
        self.kill();
        let disk = self.disk.as_ref()?.copy(&Power::new());
        self.world.recorder.copied();
        lock(&self.lineage).fork();
        Some(Copy { disk, lineage: lock(&self.lineage).clone() })
    }

    /// Goes on from an older copy of its state; what was put into the outbox since is lost to it.
    pub fn set_back(&mut self, copy: &Copy) {
        self.kill();
        self.world.trace.note(self.host, "is set back to an older state");
        let author = self.world.recorder.author();
        let mut lineage = lock(&self.lineage);
        // What the copy has it still owes: since it was made, each publish has an author of its own.
        let since: Vec<_> = lineage
            .authors()
            .iter()
            .copied()
            .filter(|author| !copy.lineage.authors().contains(author))
            .collect();
        self.world.recorder.forgive(&since);
        let next = lineage.next();
        *lineage = copy.lineage.clone();
        lineage.branch(author, next);
        self.disk = Some(copy.disk.copy(&Power::new()));
    }

    /// Another installation that goes on from `copy`, beside this one.
    #[must_use]
    pub fn twin(&self, host: HostId, copy: &Copy, dice: &mut SplitMix64) -> Self {
        self.world.trace.note(host, format_args!("is a copy of {}", self.host));
        Self {
            world: self.world.clone(),
            host,
            servers: self.servers.clone(),
            clock: Clock::new(self.world.kernel.clone(), SplitMix64::new(dice.draw())),
            habits: self.habits.clone(),
            disk: Some(copy.disk.copy(&Power::new())),
            lineage: Arc::new(Mutex::new(copy.lineage.clone())),
            running: None,
        }
    }

    fn end(&mut self, how: &str) {
        let Some(running) = self.running.take() else { return };
        self.world.trace.note(self.host, format_args!("{} {how}", running.process));
        self.world.recorder.left(running.reader);
        self.world.kernel.kill(running.process);
    }
}

/// What the tasks of an application share.
#[derive(Clone, Debug)]
struct Application {
    world: World,
    clock: Clock,
    habits: Habits,
    lineage: Arc<Mutex<Lineage>>,
    client: Client,
    process: ProcessId,
    is_durable: bool,
    /// There is one server, which hears of every commit at once.
    is_alone: bool,
}

impl Application {
    /// Waits for a while, somewhere between `least` and `most`; false once nobody begins anything more.
    async fn goes_on(&self, (least, most): (Duration, Duration)) -> bool {
        let Self { world, clock, .. } = self;
        world.kernel.sleep(clock.between(least, most)).await;
        !world.society.is_over()
    }

    /// Notes an ack. One that was looked up in the log, and so tells of no durability, is for copies: whoever has the only
    /// copy of an outbox says what it waits for, and the server forgets nothing of that.
    fn acked(&self, mark: Mark, ack: Ack) {
        let Self { world, lineage, .. } = self;
        if ack.durability == Durability::Memory && lock(lineage).is_ordered() {
            world.recorder.defect(format!("{} was forgotten while its outbox waited for it", mark.publish()));
        }
        world.recorder.acked(mark, ack);
    }
}

/// Hears what became of what earlier processes left, and decides what a person would have to.
async fn take_notices(application: Application) {
    let mut notices = application.client.notices();
    let recorder = &application.world.recorder;
    while let Some(notice) = notices.next().await {
        application.world.trace.note(application.process, format_args!("is told {notice:.0?}"));
        match notice {
            Notice::Settled { ack, draft } => {
                if let Some(mark) = Mark::of(&draft.body) {
                    application.acked(mark, ack);
                }
            }
            Notice::Refused { draft, refusal, .. } => {
                if let Some(mark) = Mark::of(&draft.body) {
                    recorder.refused(mark, refusal.code);
                }
            }
            Notice::Unconfirmed { entry } => {
                if let Some(mark) = Mark::of(&entry.draft.body) {
                    recorder.unconfirmed(mark, &entry.room);
                }
                // It may fail with the process; then it is asked again.
                let _ = application.client.discard(entry.id).await;
            }
            Notice::LostAcks { offered, .. } => {
                for entry in offered {
                    if let Some(mark) = Mark::of(&entry.draft.body) {
                        recorder.offered(mark, &entry.room);
                    }
                    let _ = application.client.discard(entry.id).await;
                }
            }
            Notice::Cloned { .. } => recorder.told_of_a_copy(),
        }
    }
}
