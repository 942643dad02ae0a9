//! The clients of a run: their states, the processes that live in them one after the other, and what those wrote down.

mod fold;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use tokio::time::{Instant, sleep};

pub(super) use self::fold::Folded;
use self::process::{Process, Stage};
use crate::dice::Dice;

/// What all clients have in common.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where everything of theirs lies.
    pub(super) directory: PathBuf,
    /// Where they find the server.
    pub(super) url: String,
    /// The rooms, the busiest first and the quietest last.
    pub(super) rooms: Vec<RoomId>,
    /// Publishes of each, per second.
    pub(super) rate: u32,
    /// The clock of the server is another.
    pub(super) skips_beats: bool,
}

/// All clients.
#[derive(Debug)]
pub(super) struct Crew {
    plan: Plan,
    dice: Dice,
    members: Vec<Member>,
    /// Readers so far: each process is another, for what it took after the last saved cursor is read again by the next.
    readers: u64,
    /// Of processes that have ended.
    counts: Counts,
    /// What went wrong with clients that nobody killed.
    troubles: Vec<String>,
}

/// One state directory, and who lives in it.
#[derive(Debug)]
struct Member {
    state: PathBuf,
    user: String,
    author: u64,
    publishes: bool,
    reads: Vec<RoomId>,
    is_slow: bool,
    /// Its state has a copy, or is one.
    is_copied: bool,
    journals: Vec<Journal>,
    process: Option<Process>,
}

/// What one process wrote down.
#[derive(Clone, Debug)]
struct Journal {
    path: PathBuf,
    reader: u64,
    /// It ended before it had read everything: it does not mean to read any more.
    is_cut_short: bool,
}

/// How far all clients have come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) acked: u64,
    pub(super) seen: u64,
    pub(super) connections: u64,
}

impl Crew {
    pub(super) const fn new(plan: Plan, dice: Dice) -> Self {
        let counts = Counts { acked: 0, seen: 0, connections: 0 };
        Self { plan, dice, members: Vec::new(), readers: 0, counts, troubles: Vec::new() }
    }

    /// Adds a client that publishes to all rooms and reads some, and starts it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn add(&mut self) -> io::Result<()> {
        let kind = self.members.len() % 4;
        let mut reads = self.plan.rooms.clone();
        // One in four reads the quiet room alone, where beats come; the others two rooms in three.
        match kind {
            3 => drop(reads.drain(..reads.len() - 1)),
            _ => reads.retain(|_| self.dice.chance(66)),
        }
        if reads.is_empty() {
            let any = self.dice.index(self.plan.rooms.len());
            reads.push(self.plan.rooms[any].clone());
        }
        let mut member = self.member(reads);
        member.publishes = true;
        member.is_slow = kind == 2;
        self.join(member)
    }

    /// Adds a reader that comes late, and reads every room from its start.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn add_late_reader(&mut self) -> io::Result<()> {
        let member = self.member(self.plan.rooms.clone());
        self.join(member)
    }

    /// `kill -9` of any client that runs; which one, if there is one.
    pub(super) async fn kill_any(&mut self) -> Option<usize> {
        let running: Vec<_> = (0..self.members.len()).filter(|at| self.is_running(*at)).collect();
        let victim = *running.get(self.dice.index(running.len()))?;
        self.end(victim).await;
        Some(victim)
    }

    /// Copies the state of `client`, which is down, and starts the copy.
    ///
    /// From here on each line of both stands once, but not in their order: decision 0006.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn copy(&mut self, client: usize) -> io::Result<()> {
        let mut copy = self.member(self.members[client].reads.clone());
        let original = &mut self.members[client];
        original.is_copied = true;
        copy.is_copied = true;
        copy.user.clone_from(&original.user);
        copy.publishes = original.publishes;
        copy.is_slow = original.is_slow;
        copy_files(&original.state, &copy.state)?;
        self.join(copy)
    }

    /// Starts the process of `client`, unless it runs.
    ///
    /// # Errors
    /// What the operating system says, also of the journal of its last process.
    pub(super) fn start(&mut self, client: usize) -> io::Result<()> {
        let member = &mut self.members[client];
        if member.process.is_some() {
            return Ok(());
        }
        let next = 1 + fold::invoked(&member.journals).map_err(io::Error::other)?;
        self.readers += 1;
        let life = member.journals.len() + 1;
        let path = self.plan.directory.join(format!("client-{client}.{life}.journal"));
        let journal = Journal { path, reader: self.readers, is_cut_short: true };
        let process = Process::start(&self.plan, member, &journal, next, self.dice.next())?;
        member.journals.push(journal);
        member.process = Some(process);
        Ok(())
    }

    /// Starts a client if none runs, so that there is one to kill.
    ///
    /// # Errors
    /// As [`Crew::start`].
    pub(super) fn start_one(&mut self) -> io::Result<()> {
        match (0..self.members.len()).any(|client| self.is_running(client)) {
            true => Ok(()),
            false => self.start(0),
        }
    }

    /// Starts every client that is down.
    ///
    /// # Errors
    /// As [`Crew::start`].
    pub(super) fn start_all(&mut self) -> io::Result<()> {
        (0..self.members.len()).try_for_each(|client| self.start(client))
    }

    /// Notes those that ended though nobody killed them, and starts them again.
    ///
    /// # Errors
    /// As [`Crew::start`].
    pub(super) async fn look_after(&mut self) -> io::Result<()> {
        for client in 0..self.members.len() {
            let Some(process) = &mut self.members[client].process else { continue };
            if let Some(status) = process.has_failed() {
                self.troubles.push(format!("client {client} ended by itself: {status}; see clients.log"));
                self.end(client).await;
                self.start(client)?;
            }
        }
        Ok(())
    }

    /// Tells all to publish no more, and waits until every outbox is empty; false if the time was over before.
    pub(super) async fn settle(&mut self, deadline: Instant) -> bool {
        self.tell_all("settle").await;
        self.wait_for(Stage::Settled, deadline).await
    }

    /// Tells all to read up to `heads`, and waits until they have; false if the time was over before.
    pub(super) async fn reach(&mut self, heads: &BTreeMap<RoomId, Offset>, deadline: Instant) -> bool {
        let heads: Vec<_> = heads.iter().map(|(room, head)| format!("{room}={head}")).collect();
        self.tell_all(&format!("reach {}", heads.join(" "))).await;
        self.wait_for(Stage::Reached, deadline).await
    }

    /// Ends all processes. One that was about to read on means to read on still.
    pub(super) async fn end_all(&mut self) {
        for client in 0..self.members.len() {
            if self.is_running(client) {
                self.end(client).await;
                if let Some(journal) = self.members[client].journals.last_mut() {
                    journal.is_cut_short = false;
                }
            }
        }
    }

    /// How far they have come.
    pub(super) fn counts(&self) -> Counts {
        let live = self.members.iter().filter_map(|member| member.process.as_ref()).map(Process::counts);
        live.fold(self.counts, Counts::plus)
    }

    /// Everything that they wrote down, as one history.
    ///
    /// # Errors
    /// A sentence about a journal that cannot be read.
    pub(super) fn fold(&self) -> Result<Folded, super::history::Unreadable> {
        let mut folded = fold::fold(&self.members)?;
        folded.troubles.extend(self.troubles.iter().cloned());
        Ok(folded)
    }

    fn member(&self, reads: Vec<RoomId>) -> Member {
        let client = self.members.len();
        Member {
            state: self.plan.directory.join(format!("client-{client}")),
            user: format!("torture-{client}"),
            author: client as u64 + 1,
            publishes: false,
            reads,
            is_slow: false,
            is_copied: false,
            journals: Vec::new(),
            process: None,
        }
    }

    fn join(&mut self, member: Member) -> io::Result<()> {
        self.members.push(member);
        self.start(self.members.len() - 1)
    }

    fn is_running(&self, client: usize) -> bool {
        self.members[client].process.is_some()
    }

    /// `kill -9`, and waits until it is gone; whether it ran.
    pub(super) async fn end(&mut self, client: usize) -> bool {
        let Some(process) = self.members[client].process.take() else { return false };
        self.counts = self.counts.plus(process.kill().await);
        true
    }

    async fn tell_all(&mut self, order: &str) {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                process.tell(order).await;
            }
        }
    }

    async fn wait_for(&mut self, stage: Stage, deadline: Instant) -> bool {
        loop {
            let mut are_there = true;
            for (client, member) in self.members.iter_mut().enumerate() {
                let Some(process) = &mut member.process else { continue };
                are_there &= process.stage() >= stage;
                if let Some(status) = process.has_failed() {
                    self.troubles.push(format!("client {client} ended by itself: {status}; see clients.log"));
                    return false;
                }
            }
            if are_there || Instant::now() >= deadline {
                return are_there;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Counts {
    const fn plus(self, other: Self) -> Self {
        Self {
            acked: self.acked + other.acked,
            seen: self.seen + other.seen,
            connections: self.connections + other.connections,
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => copy_files(&entry.path(), &to.join(entry.file_name()))?,
            false => drop(fs::copy(entry.path(), to.join(entry.file_name()))?),
        }
    }
    Ok(())
}

/// Between two looks at whether all are there. Source: chosen.
const LOOK_EVERY: Duration = Duration::from_millis(20);
