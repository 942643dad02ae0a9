//! A client whose machine loses power at every write and every sync of its disk, or whose disk fails there: whatever it had
//! said was queued is in the log once or asks a person, what was decided stays decided, cursors stand, and its state opens.
//!
//! Each life is a script that runs until the fault strikes; then the process dies, what was not synced is lost, kept or
//! torn, and the next process goes on where a user would find it.

mod copied;
mod drawn;
mod lived;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::id::RoomId;
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_sim::disk::{At, Disk, Fault, Power};
use anchor_transport::client::{Client, Publishing, Undecided};

/// What the user of a client knows: asked for, and answered.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The newest line of this user and of whoever has a copy of their state.
    newest: Rc<Cell<u64>>,
    /// Lines for which publish was called.
    asked: BTreeSet<u64>,
    /// Lines for which publish returned.
    queued: BTreeSet<u64>,
    /// Lines of which the acks came.
    acked: BTreeSet<u64>,
    /// Lines that were undecided, and for which discard was called.
    discarding: BTreeSet<u64>,
    /// Lines for which discard returned.
    discarded: BTreeSet<u64>,
    /// Lines that were undecided and were sent again: they stand behind younger ones.
    resent: BTreeSet<u64>,
    /// The newest cursor for which save was called, and for which it returned.
    cursor_asked: u64,
    cursor_saved: u64,
}

/// The fault struck: the script is over.
#[derive(Debug)]
struct Struck;

impl Known {
    /// Publishes the next line.
    async fn publish(&mut self, client: &Client) -> Result<Publishing, Struck> {
        let line = self.next_line();
        let publishing = client.publish(&RoomId::lobby(), line.to_string()).await.map_err(|_| Struck)?;
        self.queued.insert(line);
        Ok(publishing)
    }

    /// Publishes the next `count` lines by calls that run at once.
    async fn publish_at_once(&mut self, client: &Client, count: u64) -> Result<Vec<Publishing>, Struck> {
        let lines: Vec<_> = (0..count).map(|_| self.next_line()).collect();
        let lobby = RoomId::lobby();
        let calls = lines.iter().map(|line| client.publish(&lobby, line.to_string()));
        let mut publishings = Vec::new();
        let results = futures::future::join_all(calls).await;
        for (line, result) in lines.into_iter().zip(results) {
            if let Ok(publishing) = result {
                self.queued.insert(line);
                publishings.push(publishing);
            }
        }
        if publishings.len() as u64 == count { Ok(publishings) } else { Err(Struck) }
    }

    fn next_line(&mut self) -> u64 {
        self.newest.update(|newest| newest + 1);
        self.asked.insert(self.newest.get());
        self.newest.get()
    }

    /// Moves the cursor on.
    async fn save_cursor(&mut self, client: &Client) -> Result<(), Struck> {
        self.cursor_asked += 1;
        let position = position(self.cursor_asked);
        client.save_cursor("tail", &RoomId::lobby(), position).await.map_err(|_| Struck)?;
        self.cursor_saved = self.cursor_asked;
        Ok(())
    }

    async fn discard(&mut self, client: &Client, undecided: &Undecided) -> Result<(), Struck> {
        self.discarding.insert(line(undecided));
        client.discard(undecided.id).await.map_err(|_| Struck)?;
        self.discarded.insert(line(undecided));
        Ok(())
    }

    async fn resend(&mut self, client: &Client, undecided: &Undecided) -> Result<Publishing, Struck> {
        self.resent.insert(line(undecided));
        client.resend(undecided.id).await.map_err(|_| Struck)
    }

    /// Every ack has come.
    fn all_acked(&mut self) {
        self.acked.extend(&self.queued);
    }

    /// Compares what a client has just found on its disk with what was said.
    async fn check_opened(&self, client: &Client, log: &[u64]) {
        let undecided = self.check_undecided(client).await;
        let decided = |line: &u64| {
            [&self.acked, &self.discarding].iter().any(|lines| lines.contains(line))
                || log.contains(line)
                || undecided.contains(line)
        };
        let missing = self.queued.iter().filter(|line| !decided(line)).count();
        assert!(client.pending() >= missing, "{} pending, {missing} missing", client.pending());
        let cursor = client.saved_cursor("tail", &RoomId::lobby()).await.unwrap();
        let cursor = cursor.map_or(0, |found| {
            assert_eq!(found, position(found.offset.0));
            found.offset.0
        });
        assert!((self.cursor_saved..=self.cursor_asked).contains(&cursor), "cursor {cursor}: {self:?}");
    }

    /// Compares the end with what was said.
    async fn check_end(&self, client: &Client, log: &[u64]) {
        let undecided = self.check_undecided(client).await;
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        log.iter().chain(&undecided).for_each(|line| *counts.entry(*line).or_default() += 1);
        assert!(counts.values().all(|count| *count == 1), "once, or undecided: {log:?}, {undecided:?}");
        assert!(counts.keys().all(|line| self.asked.contains(line)));
        let lost =
            self.queued.iter().find(|line| !counts.contains_key(line) && !self.discarding.contains(line));
        assert_eq!(lost, None, "queued and lost: {log:?}, {undecided:?}");
        assert!(!log.iter().any(|line| self.discarded.contains(line)), "given up and sent: {log:?}");
    }

    async fn check_undecided(&self, client: &Client) -> Vec<u64> {
        let undecided: Vec<_> = client.undecided().await.unwrap().iter().map(line).collect();
        assert!(!undecided.iter().any(|line| self.discarded.contains(line)), "decided, and asked again");
        undecided
    }
}

/// Where a life is struck, and how.
#[derive(Clone, Copy, Debug)]
enum Strike {
    PowerAtWrite(u64),
    PowerAtSync(u64),
    FailedWrite(u64),
    FailedSync(u64),
}

impl Strike {
    fn arm(self, power: &Power, seed: u64) {
        match self {
            Self::PowerAtWrite(number) => power.arm(At::Write(number), Fault::PowerOff),
            Self::PowerAtSync(number) => power.arm(At::Sync(number), Fault::PowerOff),
            Self::FailedWrite(number) => power.arm(At::Write(number), Fault::Error(SplitMix64::new(seed))),
            Self::FailedSync(number) => power.arm(At::Sync(number), Fault::Error(SplitMix64::new(seed))),
        }
    }

    /// Ends the process that was struck.
    fn end(self, power: &Power, seed: u64) {
        power.disarm();
        match self {
            Self::PowerAtWrite(_) | Self::PowerAtSync(_) => power.crash(&mut SplitMix64::new(seed)),
            Self::FailedWrite(_) | Self::FailedSync(_) => power.kill(),
        }
    }
}

/// Lives a life to its end without a fault, then once for every moment at which one can strike it.
fn at_every_moment(life: impl Fn(Option<Strike>, u64) -> Disk) {
    let counts = life(None, 0).power().counts();
    assert!(counts.writes > 50 && counts.syncs > 20, "{counts:?}");
    for (seed, write) in (0..).zip(1..=counts.writes) {
        life(Some(Strike::PowerAtWrite(write)), seed);
        life(Some(Strike::PowerAtWrite(write)), seed + 1_000_000);
    }
    for (seed, sync) in (0..).zip(1..=counts.syncs) {
        life(Some(Strike::PowerAtSync(sync)), seed);
        life(Some(Strike::PowerAtSync(sync)), seed + 1_000_000);
        life(Some(Strike::FailedSync(sync)), seed);
    }
    for (seed, write) in (0..).zip((1..=counts.writes).step_by(7)) {
        life(Some(Strike::FailedWrite(write)), seed);
    }
}

fn line(undecided: &Undecided) -> u64 {
    undecided.draft.body.as_text().unwrap().parse().unwrap()
}

fn lines(texts: &[String]) -> Vec<u64> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The cursor of a number.
fn position(number: u64) -> Position {
    let bytes = number.to_be_bytes();
    Position {
        epoch: Some(Epoch::from_bytes(bytes)),
        offset: Offset(number),
        chain: Chain::from_bytes(bytes),
    }
}
