//! A whole run: everybody starts, things go wrong for a while, everybody catches up, and what was seen is judged.

mod memory;
mod report;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anchor::System;
use anchor_core::conformance::promise::{Crash, Record};
use anchor_core::id::{RoomId, UserId};
use anchor_transport::client::{Client, ClientConfig, ServerAddress};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use self::memory::Samples;
use self::report::Report;
use super::crew::{self, Crew};
use super::history::{About, Told, VERSION};
use super::plan::{Action, Frame, Plan};
use super::proxy::Proxy;
use super::verdict::Verdict;
use super::{finish, interrupt};
use crate::args::torture::Run;
use crate::connection;
use crate::context::Context;
use crate::dice::Dice;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};
use crate::server::{self, Server};

/// Runs, judges and prints.
///
/// # Errors
/// A sentence where the run cannot be made; what was done until then is kept.
pub(super) async fn run(context: &Context, run: Run) -> Result<Exit, Failure> {
    let mut torture = Torture::begin(context, run).await?;
    let judged = match torture.go_wrong().await {
        Ok(()) => torture.judge().await,
        Err(failure) => Err(failure),
    };
    if judged.as_ref().is_ok_and(|exit| *exit == Exit::Done) {
        return judged;
    }
    torture.crew.end_all().await;
    torture.keep();
    judged
}

/// A run under way.
struct Torture {
    run: Run,
    seed: u64,
    directory: Option<TempDir>,
    /// Ours; `None` where a running one was named.
    server: Option<Server>,
    /// Where the server is found without the proxy.
    url: String,
    proxy: Proxy,
    rooms: Vec<RoomId>,
    crew: Crew,
    plan: Plan,
    dice: Dice,
    started: Instant,
    samples: Samples,
    done: Done,
    /// What must not happen, and has no promise of its own.
    troubles: Vec<String>,
}

/// What was done to them.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    server_kills: u64,
    server_stops: u64,
    starts_in_vain: u64,
    client_starts_in_vain: u64,
    client_kills: u64,
    copies: u64,
    late_readers: u64,
    is_stopped_early: bool,
}

impl Torture {
    /// Starts the server, the proxy and the clients.
    async fn begin(context: &Context, run: Run) -> Result<Self, Failure> {
        let named = context.named_server();
        let program = match named {
            Some(_) => None,
            None => Some(server::find(run.server_bin.as_deref())?),
        };
        let seed = run.seed.unwrap_or_else(|| Dice::new(super::now_nanos(), 0).next());
        let directory = tempfile::Builder::new()
            .prefix("anchor-torture-")
            .tempdir()
            .map_err(|error| trouble("cannot make a temporary directory", &error))?;
        let proxy =
            Proxy::start(seed).await.map_err(|error| trouble("cannot listen on 127.0.0.1", &error))?;

        let (server, url, path, is_far) = match (named, program) {
            (Some(named), _) => {
                let address = reachable(named).await?;
                proxy.lead_to(Some(address.0));
                (None, named.to_owned(), address.1, !address.0.ip().is_loopback())
            }
            (None, program) => {
                let mut server =
                    Server::new(program.unwrap_or_default(), directory.path(), &["--heartbeat", HEARTBEAT]);
                let address = server.start().await?;
                proxy.lead_to(Some(address));
                (Some(server), format!("ws://{address}"), String::new(), false)
            }
        };
        say::note(&format!(
            "-- torture --seed {seed}: {} s, {} clients, {} rooms, {} kills; working in {}",
            run.duration.as_secs_f64(),
            run.clients,
            run.rooms,
            run.kills,
            escape::line(&directory.path().display().to_string()),
        ));
        if is_far {
            say::note("-- the server has another clock: its beats are not judged");
        }
        if server.is_none() {
            say::note("-- the server is not ours: only clients are killed, and its memory is not measured");
        } else if server.as_ref().and_then(Server::resident_bytes).is_none() {
            say::note(
                "-- the system does not tell the memory of a process as Linux does: it is not measured",
            );
        }

        // Rooms of a server that is not ours must be new, for they are read from their start.
        let name = Dice::new(super::now_nanos(), 1).next();
        let room = |number| RoomId::new(format!("torture-{name:016x}-{number}")).expect("of a-z 0-9 -");
        let rooms: Vec<_> = (1..=run.rooms).map(room).collect();
        let plan = crew::Plan {
            directory: directory.path().to_owned(),
            url: format!("ws://{}{path}", proxy.address()),
            rooms: rooms.clone(),
            rate: run.rate,
            skips_beats: is_far,
        };
        let frame = Frame {
            duration: run.duration,
            kills: run.kills,
            clients: run.clients,
            has_server: server.is_some(),
        };
        let mut torture = Self {
            seed,
            directory: Some(directory),
            server,
            url,
            proxy,
            rooms,
            crew: Crew::new(plan, Dice::new(seed, CREW)),
            plan: Plan::draw(&mut Dice::new(seed, PLAN), &frame),
            dice: Dice::new(seed, MOMENTS),
            started: Instant::now(),
            samples: Samples::default(),
            done: Done::default(),
            troubles: Vec::new(),
            run,
        };
        for _ in 0..torture.run.clients {
            torture.crew.add().map_err(|error| trouble("cannot start a client", &error))?;
        }
        torture.started = Instant::now();
        Ok(torture)
    }

    /// Follows the plan to its end, or until Ctrl-C.
    async fn go_wrong(&mut self) -> Result<(), Failure> {
        let mut progress = Progress::always();
        let mut interrupted = std::pin::pin!(interrupt());
        loop {
            let now = self.started.elapsed();
            while let Some(action) = self.plan.due(now) {
                self.act(action, now).await?;
            }
            if self.plan.is_done() && now >= self.run.duration {
                return Ok(());
            }
            self.crew.look_after().await.map_err(|error| trouble("cannot start a client", &error))?;
            self.look_after_server().await?;
            self.measure();
            progress.show(|| self.progress());
            tokio::select! {
                () = sleep(TICK) => {}
                () = &mut interrupted => {
                    say::note("-- stopped early: judging what there is; Ctrl-C again stops that too");
                    self.done.is_stopped_early = true;
                    return Ok(());
                }
            }
        }
    }

    async fn act(&mut self, action: Action, now: Duration) -> Result<(), Failure> {
        let no_client = |error: io::Error| trouble("cannot start a client", &error);
        match action {
            Action::KillServer | Action::StopServer => {
                // A plan that is late may end a server that has not come back.
                self.look_after_server().await?;
                self.start_server().await?;
                self.measure();
                let Some(server) = &mut self.server else { return Ok(()) };
                if action == Action::KillServer {
                    if self.dice.chance(50) {
                        // In the moment of an answer: what it says must be on disk by then.
                        let _ = timeout(ANSWER_WITHIN, self.proxy.answer()).await;
                    }
                    server.kill().await?;
                    self.done.server_kills += 1;
                } else {
                    server.stop().await?;
                    self.done.server_stops += 1;
                }
                self.proxy.lead_to(None);
            }
            Action::StartServer => self.start_server().await?,
            Action::KillClient | Action::CopyClient => {
                self.crew.start_one().map_err(no_client)?;
                let Some(client) = self.crew.kill_any().await else { return Ok(()) };
                self.done.client_kills += 1;
                if action == Action::CopyClient {
                    self.crew.copy(client).map_err(no_client)?;
                    self.done.copies += 1;
                }
                let away = self.dice.time(Duration::ZERO, AWAY_MAX);
                self.plan.add(now + away, Action::StartClient(client));
            }
            Action::StartClient(client) => {
                self.crew.start(client).map_err(no_client)?;
                if self.dice.chance(STARTS_IN_VAIN) {
                    let after = self.dice.time(Duration::ZERO, VAIN_WITHIN);
                    self.plan.add(self.started.elapsed() + after, Action::KillStarting(client));
                }
            }
            Action::KillStarting(client) => {
                self.done.client_starts_in_vain += u64::from(self.crew.end(client).await);
                self.plan.add(now, Action::StartClient(client));
            }
            Action::LateReader => {
                self.crew.add_late_reader().map_err(no_client)?;
                self.done.late_readers += 1;
            }
        }
        Ok(())
    }

    /// Notes that the server ended though nobody told it to, and starts it again.
    async fn look_after_server(&mut self) -> Result<(), Failure> {
        match self.server.as_mut().and_then(Server::has_failed) {
            Some(what) => {
                self.troubles.push(what);
                self.start_server().await
            }
            None => Ok(()),
        }
    }

    async fn start_server(&mut self) -> Result<(), Failure> {
        if let Some(server) = self.server.as_mut().filter(|server| !server.is_running()) {
            if self.dice.chance(STARTS_IN_VAIN) {
                server.start_in_vain(self.dice.time(Duration::ZERO, VAIN_WITHIN)).await?;
                self.done.starts_in_vain += 1;
            }
            let address = server.start().await?;
            self.url = format!("ws://{address}");
            self.proxy.lead_to(Some(address));
        }
        Ok(())
    }

    /// Lets everybody catch up, reads everything, and judges.
    async fn judge(&mut self) -> Result<Exit, Failure> {
        tokio::select! {
            judged = self.catch_up_and_judge() => judged,
            () = interrupt() => Err(Failure::Interrupted),
        }
    }

    async fn catch_up_and_judge(&mut self) -> Result<Exit, Failure> {
        let went_wrong = self.started.elapsed();
        self.start_server().await?;
        self.proxy.heal();
        self.crew.start_all().map_err(|error| trouble("cannot start a client", &error))?;
        let mut progress = Progress::always();
        progress.show(|| "the faults have stopped: everybody catches up".to_owned());

        let deadline = Instant::now() + CATCH_UP_WITHIN;
        let is_settled = self.crew.settle(deadline).await;
        self.measure();
        let user = UserId::new("torture-judge").expect("a user id");
        let reader = Client::open(ClientConfig::new(&self.url).user(user), System)
            .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        let logs = finish::read(&reader, &self.rooms).await?;
        let heads = logs.iter().map(|(room, log)| (room.clone(), log.head())).collect();
        let is_reached = self.crew.reach(&heads, deadline).await;
        let counts = self.crew.counts();
        self.crew.end_all().await;
        if let Some(server) = &mut self.server {
            server.stop().await?;
        }
        let took = self.started.elapsed();

        let folded = self.crew.fold().map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        let about = About {
            version: VERSION,
            by: Some(format!("anchor-cli {}", env!("CARGO_PKG_VERSION"))),
            seed: Some(self.seed),
        };
        let mut told = Told { about, history: folded.history };
        let crashes = self.done.server_kills;
        (0..crashes).for_each(|_| told.history.push(Record::Crashed(Crash::Process)));
        told.history.push(Record::FaultsStopped);
        for sample in self.samples.take() {
            told.history.push(Record::Memory(sample));
        }
        let events: usize = logs.values().map(|log| log.entries.len()).sum();
        for (room, log) in logs {
            told.history.set_log(room, log);
        }
        let mut troubles = std::mem::take(&mut self.troubles);
        troubles.extend(folded.troubles);
        let refused = told.history.records().iter().filter(|record| matches!(record, Record::Refused { .. }));
        if let Some(refused) = Some(refused.count()).filter(|refused| *refused > 0 && self.server.is_some()) {
            troubles.push(format!("{refused} publishes were refused, and nothing was wrong with them"));
        }
        let unknown = told.history.records().iter().filter(|record| matches!(record, Record::Unknown { .. }));
        if let Some(unknown) = Some(unknown.count()).filter(|unknown| *unknown > 0 && self.server.is_some()) {
            troubles.push(format!(
                "clients could not tell whether {unknown} publishes stand, though nothing was trimmed"
            ));
        }
        if counts.acked == 0 {
            troubles.push("nothing was acknowledged: there is nothing to judge".to_owned());
        }
        if !is_settled {
            troubles.push(format!("not every outbox was empty after {} s", CATCH_UP_WITHIN.as_secs()));
        }
        if !is_reached {
            troubles.push(format!("not every reader was at the head after {} s", CATCH_UP_WITHIN.as_secs()));
        }
        self.save(&told)?;
        say::clear();
        let report = Report {
            verdict: Verdict::of(&told.history),
            seed: self.seed,
            events,
            counts,
            proxied: self.proxy.counts(),
            done: self.done,
            went_wrong,
            caught_up: took.saturating_sub(went_wrong),
            troubles,
        };
        match self.run.json {
            true => report.print_json()?,
            false => report.print()?,
        }
        Ok(report.exit())
    }

    /// Writes the history where it was asked for, and always into the directory of the run.
    fn save(&self, told: &Told) -> Result<(), Failure> {
        let directory = self.directory.as_ref().map(|directory| directory.path().join(HISTORY));
        for path in self.run.save.iter().chain(&directory) {
            told.save(path).map_err(|error| trouble(&format!("cannot write {}", path.display()), &error))?;
        }
        Ok(())
    }

    /// Leaves everything where it lies, and says where.
    fn keep(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        let kept = directory.keep();
        let shown = |path: &Path| escape::line(&path.display().to_string()).to_string();
        say::note(&format!(
            "-- kept in {}: the data of the server, its log, the state and the journals of each client",
            shown(&kept)
        ));
        let history: PathBuf = kept.join(HISTORY);
        if history.exists() {
            say::note(&format!("-- check again: anchor-cli torture check {}", shown(&history)));
        }
        say::note(&format!(
            "-- the same plan again: anchor-cli torture --seed {} --duration {} --kills {} --clients {} --rooms {} --rate {}",
            self.seed,
            self.run.duration.as_secs_f64(),
            self.run.kills,
            self.run.clients,
            self.run.rooms,
            self.run.rate,
        ));
    }

    /// Notes the memory of the server, now and then.
    fn measure(&mut self) {
        let Some(server) = &self.server else { return };
        let counts = self.crew.counts();
        if let Some(bytes) = server.resident_bytes() {
            self.samples.add(server.life(), counts.acked + counts.seen, bytes);
        }
    }

    fn progress(&self) -> String {
        let (now, all) = (self.started.elapsed().as_secs_f64(), self.run.duration.as_secs_f64());
        let Done { server_kills, client_kills, .. } = self.done;
        let counts = self.crew.counts();
        format!(
            "{} {:.0} of {all:.0} s, {} acked, {} read, {} kills",
            say::bar(now / all),
            now.min(all),
            counts.acked,
            counts.seen,
            server_kills + client_kills,
        )
    }
}

/// The address and the path of a server that somebody else runs, once it has answered.
async fn reachable(url: &str) -> Result<(std::net::SocketAddr, String), Failure> {
    let usage = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error.to_string());
    let parsed = ServerAddress::parse(url).map_err(|error| usage(&error))?;
    let user = UserId::new("torture-judge").expect("a user id");
    let client = Client::open(ClientConfig::new(url).user(user), System).map_err(|error| usage(&error))?;
    connection::first(&client, url).await?;
    client.close().await;
    let mut addresses = tokio::net::lookup_host((parsed.host(), parsed.port()))
        .await
        .map_err(|error| trouble(&format!("cannot find {}", parsed.host()), &error))?;
    let address = addresses
        .next()
        .ok_or_else(|| Failure::new(Exit::Unreachable, format!("{} has no address", parsed.host())))?;
    let url = parsed.url();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    Ok((address, format!("/{path}")))
}

fn trouble(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Failure, format!("{what}: {error}"))
}

/// The name of the history in the directory of a run.
const HISTORY: &str = "history.jsonl";

/// Name the dice of the run.
const CREW: u64 = 1;
const PLAN: u64 = 2;
const MOMENTS: u64 = 3;

/// Between two looks at what is due. Source: chosen.
const TICK: Duration = Duration::from_millis(20);

/// How long a kill waits for an answer. Source: chosen; a few heartbeats.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How often, of a hundred, a server or a client is killed once more while it starts.
const STARTS_IN_VAIN: u64 = 20;

/// How long it had for starting then at most. Source: chosen; what a start takes, with the replay of a server's journal.
const VAIN_WITHIN: Duration = Duration::from_millis(80);

/// How long a client that was killed stays away at most. Source: chosen.
const AWAY_MAX: Duration = Duration::from_millis(1_500);

/// How long everybody may take to deliver and read everything once the faults have stopped. Source: chosen; back-offs end
/// after 30 s, and what follows takes seconds.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(60);

/// Silence after which either side says that it is there. Source: chosen; a stalled connection is noticed, and a quiet room
/// told to be complete, many times in a short run.
const HEARTBEAT: &str = "300ms";
