//! A server process: the real engine, store and sessions, on simulated disks or a simulated database, behind a
//! simulated network.

mod backing;
mod bot;
mod follower;
mod identify;
mod marker;
mod warden;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::promise::Reader;
use anchor_core::engine::{Anchor, Drain, HookFailure};
use anchor_core::environment::Environment;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_transport::codec::Encoding;
use anchor_transport::server::{Ended, serve};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use self::backing::Opened;
pub use self::backing::{Backing, Database, Disks};
use self::bot::Bot;
use self::follower::Follower;
use self::identify::Believing;
use self::marker::Marker;
use self::warden::{WITHIN, Warden};
use crate::clock::Clock;
use crate::kernel::{ProcessId, lock};
use crate::network::{HostId, Pipe};
use crate::scenario::Scenario;
use crate::world::World;

/// A server, running or not.
#[derive(Debug)]
pub struct Node {
    world: World,
    host: HostId,
    clock: Clock,
    backing: Backing,
    /// In which rooms its bot talks.
    rooms: Vec<RoomId>,
    /// Whom it mentions there.
    users: Vec<UserId>,
    has_bot: bool,
    /// A durable consumer follows everything, and users say how far they have read.
    is_followed: bool,
    /// What becomes of that on which the host does not rule; none where it is not asked.
    hook: Option<HookFailure>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: ProcessId,
    anchor: Anchor,
    opened: Opened,
    /// The store has failed for good; a real server exits.
    has_failed: Arc<AtomicBool>,
    readers: Arc<Mutex<Vec<Reader>>>,
}

impl Node {
    /// A server that is not running yet.
    #[must_use]
    pub fn new(
        world: World,
        host: HostId,
        backing: Backing,
        scenario: &Scenario,
        dice: &mut SplitMix64,
    ) -> Self {
        let clock = Clock::new(world.kernel.clone(), SplitMix64::new(dice.draw()));
        let Scenario { rooms, hook, is_followed, .. } = scenario;
        let (rooms, users) = (rooms.clone(), scenario.users());
        let (hook, is_followed) = (*hook, *is_followed);
        Self { world, host, clock, backing, rooms, users, has_bot: true, is_followed, hook, running: None }
    }

    /// Where it listens.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// Its Unix clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What it stores its logs on.
    pub const fn backing(&mut self) -> &mut Backing {
        &mut self.backing
    }

    /// From the next start on nobody talks, follows or marks there.
    pub const fn retire_programs(&mut self) {
        (self.has_bot, self.is_followed) = (false, false);
    }

    /// True between a start and an end.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// True if it has to be started anew: its store has failed, or its power is gone.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let failed = self.running.as_ref().is_some_and(|running| running.has_failed.load(Ordering::Relaxed));
        failed || self.backing.is_dark()
    }

    /// The process that runs, for freezing.
    #[must_use]
    pub fn process(&self) -> Option<ProcessId> {
        self.running.as_ref().map(|running| running.process)
    }

    /// The engine that runs.
    #[must_use]
    pub fn anchor(&self) -> Option<&Anchor> {
        self.running.as_ref().map(|running| &running.anchor)
    }

    /// Starts a process.
    ///
    /// # Errors
    /// Why it could not, for people; it may later.
    pub fn start(&mut self) -> Result<(), String> {
        self.kill();
        let process = self.world.kernel.process();
        let opened = match self.backing.open(&self.world, process, &self.clock) {
            Ok(opened) => opened,
            Err(error) => {
                self.world.kernel.kill(process);
                self.world.trace.note(self.host, format_args!("does not start: {error}"));
                return Err(error);
            }
        };
        let env: Arc<dyn Environment> = Arc::new(self.clock.clone());
        let heartbeat = self.clock.between(HEARTBEAT.0, HEARTBEAT.1);
        let mut builder = Anchor::builder_shared(opened.store(), env).heartbeat(heartbeat);
        if let Some(bus) = self.backing.bus() {
            builder = builder.bus(bus);
        }
        if let Some(on_failure) = self.hook {
            let (society, clock) = (self.world.society.clone(), self.clock.clone());
            let started_at = clock.kernel().now();
            let warden = Warden { society, clock, process, started_at, on_failure };
            builder = builder.hook(warden).hook_within(WITHIN).hook_failure(on_failure);
        }
        let anchor = builder.build();
        let has_failed = Arc::new(AtomicBool::new(false));
        self.world.trace.note(self.host, format_args!("starts as {process}"));
        let spawn = |future| self.world.kernel.spawn(process, future);
        spawn(maintain(anchor.clone()));
        spawn(watch(anchor.clone(), has_failed.clone()));
        self.world.spawn(process, listen(self.world.clone(), self.host, process, anchor.clone()));
        let readers = Arc::default();
        let bot = Bot {
            world: self.world.clone(),
            clock: self.clock.clone(),
            anchor: anchor.clone(),
            rooms: self.rooms.clone(),
            users: self.users.clone(),
            readers: Arc::clone(&readers),
        };
        if self.has_bot {
            self.world.spawn(process, bot.clone().publish());
            self.world.spawn(process, bot.read());
        }
        if self.is_followed {
            let (world, clock) = (self.world.clone(), self.clock.clone());
            let follower = Follower { world, clock, anchor: anchor.clone() };
            self.world.spawn(process, follower.follow());
            let (world, clock, rooms) = (self.world.clone(), self.clock.clone(), self.rooms.clone());
            let marker = Marker { world, clock, anchor: anchor.clone(), rooms };
            self.world.spawn(process, marker.mark());
        }
        self.running = Some(Running { process, anchor, opened, has_failed, readers });
        Ok(())
    }

    /// Ends the process at once; what it wrote stays.
    pub fn kill(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.world.trace.note(self.host, format_args!("{} is killed", running.process));
        self.backing.killed();
        self.end(&running);
    }

    /// Takes its power: unsynced writes are lost, kept or torn, and its peers are not told. Brings the power back, too.
    pub fn lose_power(&mut self, dice: &mut SplitMix64) {
        self.world.trace.note(self.host, "loses power");
        self.world.network.darken(self.host);
        self.backing.lose_power(dice);
        if let Some(running) = self.running.take() {
            self.end(&running);
        }
    }

    /// Ends its tasks, and with them its readers.
    fn end(&self, running: &Running) {
        self.world.kernel.kill(running.process);
        lock(&running.readers).iter().for_each(|reader| self.world.recorder.left(*reader));
    }

    /// Tells every session to go, and ends in good order after `within`.
    pub async fn drain(&mut self, within: Duration) {
        let Some(running) = &self.running else { return };
        self.world.trace.note(self.host, "drains");
        running.anchor.drain(Drain { back_in: within, per_second: 10 });
        self.world.kernel.sleep(within).await;
        self.close();
    }

    /// Ends in good order.
    pub fn close(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.world.trace.note(self.host, format_args!("{} ends", running.process));
        self.end(&running);
        drop(running.anchor);
        running.opened.close();
        self.backing.killed();
    }

    /// Trims a room, as retention does; nothing where the store cannot now.
    pub fn trim(&self, room: RoomId, horizon: Offset) {
        let Some(running) = &self.running else { return };
        self.world.trace.note(self.host, format_args!("trims {room} below {horizon}"));
        let anchor = running.anchor.clone();
        let trace = self.world.trace.clone();
        let host = self.host;
        self.world.spawn(running.process, async move {
            if let Err(error) = anchor.trim(&room, horizon).await {
                trace.note(host, format_args!("{room} was not trimmed: {error}"));
            }
        });
    }
}

fn maintain(anchor: Anchor) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move { anchor.maintain().await })
}

fn watch(anchor: Anchor, has_failed: Arc<AtomicBool>) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        anchor.failed().await;
        has_failed.store(true, Ordering::Relaxed);
    })
}

/// Accepts connections for ever.
async fn listen(world: World, host: HostId, process: ProcessId, anchor: Anchor) {
    let listener = world.network.listen(host);
    loop {
        let pipe = listener.accept().await;
        let session = session(world.clone(), host, pipe, anchor.clone());
        world.spawn(process, session);
    }
}

/// A connection from its handshake to its end.
async fn session(world: World, host: HostId, pipe: Pipe, anchor: Anchor) {
    let number = pipe.number();
    let mut encoding = None;
    let choice = Choice(&mut encoding);
    let socket = match accept_hdr_async(pipe, choice).await {
        Ok(socket) => socket,
        Err(error) => {
            return world.trace.note(host, format_args!("no handshake on connection {number}: {error}"));
        }
    };
    let encoding = encoding.expect("the handshake chose one");
    // Clients wait for the answer to their handshake: nothing came behind it.
    let ended = serve(socket.into_inner(), &[], encoding, anchor, Arc::new(Believing)).await;
    world.trace.note(host, format_args!("the session on connection {number} ended: {ended:?}"));
    // Nothing that simulated disks do damages what a store has verified.
    if matches!(ended, Ended::Panicked | Ended::Goodbye(Code::Internal)) {
        world.recorder.defect(format!("the session on connection {number} ended by a defect: {ended:?}"));
    }
}

/// Takes the first subprotocol that is offered and spoken.
struct Choice<'a>(&'a mut Option<Encoding>);

impl Callback for Choice<'_> {
    fn on_request(self, request: &Request, mut answer: Response) -> Result<Response, ErrorResponse> {
        let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
        let encoding = offered.and_then(Encoding::from_subprotocol).ok_or(ErrorResponse::new(None))?;
        *self.0 = Some(encoding);
        let subprotocol = HeaderValue::from_static(encoding.subprotocol());
        answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        Ok(answer)
    }
}

/// Silence after which a session is sent a beat. Source: chosen; up to the usual one, and short enough for many in a run.
const HEARTBEAT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(25));
