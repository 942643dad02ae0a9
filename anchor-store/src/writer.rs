//! The writer: decides what waits, journals it in one commit, and only then lets anybody know.
//!
//! ```text
//! queue -> decide (against windows and tips that nobody else sees) -> one journal value, durable
//!       -> visible to readers -> observer -> answers -> a cut for the pager, now and then
//! ```
//!
//! A step runs on one thread at a time. What it has decided lives in the writer alone until the commit has returned; a
//! commit that fails is final for the store, so there is nothing to take back.

mod answer;
mod decide;
mod facts;
mod growing;
#[cfg(feature = "sabotage")]
mod late;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anchor_core::error::BoxError;
use anchor_core::id::{ClientKey, ClientTag, RoomId, Seq, UserId};
use anchor_core::position::{Epoch, Offset};
use anchor_core::publish::{Outcome, Publish};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::store::ClientState;
use anchor_core::user::UserRow;
use anchor_core::window::{Entry, Window};
use redb::Durability;

use self::answer::Answer;
use self::decide::Deciding;
use self::random::Random;
use crate::cache::Cache;
use crate::codec::Encoder;
use crate::hash::{Map, Seed};
use crate::journal::{Changed, Changes, Commit, Ended, Stored, Trimmed};
use crate::options::{BATCH_BYTES_MAX, BATCH_PUBLISHES_MAX, Options, TRIMMED_COMMITS, VALUE_BYTES_KEPT};
use crate::queue::Request;
use crate::reader::Reach;
use crate::sessions::{Sessions, Standing};
use crate::shared::{Cut, Shared};
use crate::tables::COMMITS;
use crate::visible::Found;
use crate::{targets, windows};

/// The writer's own state.
#[derive(Debug)]
pub(crate) struct Writer {
    clients: Cache<ClientKey, Client>,
    sessions: Sessions,
    /// The number of the next commit.
    next: u64,
    /// The oldest value that may still be in the journal.
    oldest: u64,
    cut: Collecting,
    steps: u64,
    random: Random,
    disk_is_full: bool,
    seed: Seed,
    /// Where the values of the journal are written, one after another.
    value: Encoder,
    #[cfg(feature = "sabotage")]
    late: Option<late::Late>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// Something was done; there may be more.
    Worked,
    /// There is something to do, but it must wait: for room on the disk, or for the pager.
    Waiting,
}

/// A client's window and what goes with it.
#[derive(Debug)]
struct Client {
    window: Arc<Window>,
    tag: ClientTag,
    /// The last cut in which the window changed; zero if it is as the pages have it.
    cut: u64,
    /// Its place among the clients of the commit that step `step` makes.
    step: u64,
    index: usize,
}

/// What the next cut will move.
#[derive(Debug, Default)]
struct Collecting {
    number: u64,
    runs: Vec<Stored>,
    trims: Vec<Trimmed>,
    ended: Vec<Ended>,
    changes: BTreeMap<RoomId, Changes>,
    users: BTreeMap<UserId, Arc<UserRow>>,
    changed: Vec<ClientKey>,
    events: usize,
    bytes: usize,
    window_bytes: usize,
    /// Pages that are written again for it: see [`Cut::rewritten`].
    rewritten: usize,
    /// The newest commit that an earlier cut has.
    since: u64,
}

impl Writer {
    /// A writer whose next commit is `next`, on a journal that begins at `oldest`.
    pub(crate) fn new(options: &Options, next: u64, oldest: u64, seed: Seed) -> Self {
        Self {
            clients: Cache::new(options.clients_cached, seed.clone()),
            sessions: Sessions::new(options.sessions_cached, seed.clone()),
            seed,
            value: Encoder::default(),
            next,
            oldest,
            cut: Collecting { number: 1, ..Collecting::default() },
            steps: 0,
            random: Random::default(),
            disk_is_full: false,
            #[cfg(feature = "sabotage")]
            late: None,
        }
    }

    /// Takes everything that waits, up to a bound, and makes one commit of it.
    ///
    /// While the disk is full, openings of clients are answered nevertheless, for reading goes on: what such a client
    /// has in the line belongs to older sessions and is fenced by the opening, so its `highest` stands.
    pub(crate) fn step(&mut self, shared: &Shared) -> Result<Step, BoxError> {
        #[cfg(feature = "sabotage")]
        if self.commit_late(shared)? {
            return Ok(Step::Worked);
        }
        if shared.queue.is_empty() {
            return Ok(Step::Idle);
        }
        let disk_is_full = self.waits_for_disk(shared);
        if !disk_is_full && self.waits_for_pager(shared) {
            return Ok(Step::Waiting);
        }
        let requests = match disk_is_full {
            true => shared.queue.take_openings(),
            // Each publish may be into another room, and a cut does not split a commit.
            false => shared.queue.take(BATCH_PUBLISHES_MAX.min(shared.step_rewrites()), BATCH_BYTES_MAX),
        };
        self.steps += 1;
        let (unix_ms, count) = (shared.env.unix_ms(), requests.len());
        let mut deciding = Deciding::new(shared, unix_ms, self.steps, count, self.seed.clone());
        let mut answers = Vec::with_capacity(count);
        for request in requests {
            answers.push(match request {
                Request::Append { batch, reply } if self.is_forgotten(&batch) => Answer::Forgotten(reply),
                Request::Append { batch, reply } => {
                    let decide = |publish| self.decide(publish, &mut deciding);
                    Answer::Append(reply, batch.into_iter().map(decide).collect::<Result<_, _>>()?)
                }
                Request::Open { client, waits, reply } => {
                    // The pager waits for the disk too: a floor that is not noted now comes again with a publish.
                    let waits = if disk_is_full { Seq::ZERO } else { waits };
                    Answer::Open(reply, self.open(shared, &client, waits)?)
                }
                Request::Trim { room, epoch, horizon, reply } => {
                    // What it was of may go with this very commit, and another come.
                    let is_there = deciding
                        .room(&room)
                        .is_none_or(|growing| growing.epoch == epoch && !growing.is_ended);
                    if is_there {
                        deciding.trim(trimmed(shared, room, epoch, horizon)?);
                    }
                    Answer::Trim(reply)
                }
                Request::ChangeUser { user, change, reply } => {
                    Answer::ChangeUser(reply, deciding.change_user(user, change)?)
                }
                Request::IsDecided { client: key, seq, reply } => {
                    let client = client(&mut self.clients, shared, &key)?;
                    Answer::IsDecided(reply, client.window.is_decided(seq))
                }
            });
        }
        if disk_is_full && !answers.is_empty() {
            answers.extend(self.take_fenced(shared));
        }
        let commit = deciding.finish()?;
        #[cfg(feature = "sabotage")]
        let Some((commit, answers)) = self.let_out(shared, commit, answers)? else {
            return Ok(Step::Worked);
        };
        if !commit.is_empty() {
            self.commit(shared, commit)?;
        }
        answers.into_iter().for_each(Answer::send);
        self.cut_if_due(shared);
        let paged = shared.cuts.paged.load(Ordering::Acquire);
        self.clients.sweep(|client| client.cut <= paged);
        Ok(if disk_is_full { Step::Waiting } else { Step::Worked })
    }

    /// Hands what was committed since the last cut to the pager.
    pub(crate) fn cut(&mut self, shared: &Shared) {
        if !self.has_uncut() {
            return;
        }
        #[cfg(feature = "sabotage")]
        if self.late.is_some() {
            return;
        }
        let Collecting {
            number, runs, trims, ended, changes, users, changed, events, bytes, rewritten, ..
        } = std::mem::take(&mut self.cut);
        self.cut.number = number + 1;
        self.cut.since = self.next - 1;
        let window = |client: ClientKey| {
            let window = Arc::clone(&self.clients.get_mut(&client).expect("a changed window is kept").window);
            (client, window)
        };
        let windows = changed.into_iter().map(window).collect();
        let upto = self.next - 1;
        shared.cuts.push(Cut {
            number,
            upto,
            runs,
            trims,
            ended,
            changes,
            users,
            windows,
            events,
            bytes,
            rewritten,
        });
    }

    /// True if a cut would hand something to the pager.
    pub(crate) fn has_uncut(&self) -> bool {
        let Collecting { runs, trims, ended, users, changed, .. } = &self.cut;
        !(runs.is_empty() && trims.is_empty() && ended.is_empty() && users.is_empty() && changed.is_empty())
    }

    /// Takes over a commit that an earlier process made.
    pub(crate) fn replay(
        &mut self,
        shared: &Shared,
        number: u64,
        mut commit: Commit,
    ) -> Result<(), BoxError> {
        let mut entries: Vec<Vec<Entry>> = vec![Vec::new(); commit.clients.len()];
        for recorded in &commit.outcomes {
            entries[recorded.client].push(commit.entry(recorded));
        }
        for ((key, floor), entries) in commit.clients.iter().zip(entries) {
            let entries = if sabotage::is(Sabotage::WindowLostOnReopen) { Vec::new() } else { entries };
            let client = client(&mut self.clients, shared, key)?;
            let known = client.window.entries().cloned();
            let highest = entries.last().map_or(Seq::ZERO, |entry| entry.seq).max(client.window.highest());
            let floor = client.window.floor().max(*floor);
            client.window = Arc::new(Window::restore(floor, highest, known.chain(entries)));
            self.cut.touch(key, client);
        }
        if sabotage::is(Sabotage::AuthorsLostOnReopen) {
            commit.outcomes.clear();
        }
        self.show(shared, number, &commit)?;
        self.set_aside(commit);
        self.next = number + 1;
        self.cut_if_due(shared);
        Ok(())
    }

    fn open(&mut self, shared: &Shared, key: &ClientKey, waits: Seq) -> Result<ClientState, BoxError> {
        let client = client(&mut self.clients, shared, key)?;
        if waits > client.window.floor() || sabotage::is(Sabotage::FloorFalls) {
            Arc::make_mut(&mut client.window).raise_floor(waits);
            self.cut.touch(key, client);
        }
        Ok(ClientState { session: self.sessions.open(key), highest: client.window.highest() })
    }

    /// True if a session of `batch` was forgotten. Then nothing of the batch is decided, and nothing that was handed over
    /// behind it will be.
    fn is_forgotten(&mut self, batch: &[Publish]) -> bool {
        let sessions = &mut self.sessions;
        let numbered = || batch.iter().filter_map(|publish| Some((&publish.client, publish.session?)));
        let is_forgotten =
            numbered().any(|(client, number)| sessions.standing(client, number) == Standing::Forgotten);
        if is_forgotten {
            numbered().for_each(|(client, number)| sessions.fence(client, number));
        }
        is_forgotten
    }

    /// Answers the appends that can only be fenced, lest they pile up while clients come and go and nothing is written.
    fn take_fenced(&mut self, shared: &Shared) -> Vec<Answer> {
        let sessions = &mut self.sessions;
        let mut is_fenced = |publish: &Publish| {
            let standing = publish.session.map(|number| sessions.standing(&publish.client, number));
            standing == Some(Standing::Fenced)
        };
        let fenced = shared.queue.take_where(|request| match request {
            Request::Append { batch, .. } => batch.iter().all(&mut is_fenced),
            Request::Open { .. }
            | Request::Trim { .. }
            | Request::ChangeUser { .. }
            | Request::IsDecided { .. } => false,
        });
        let answer = |request| match request {
            Request::Append { batch, reply } => {
                Some(Answer::Append(reply, vec![Outcome::Fenced; batch.len()]))
            }
            Request::Open { .. }
            | Request::Trim { .. }
            | Request::ChangeUser { .. }
            | Request::IsDecided { .. } => None,
        };
        fenced.into_iter().filter_map(answer).collect()
    }

    fn commit(&mut self, shared: &Shared, commit: Commit) -> Result<(), BoxError> {
        let number = self.next;
        commit.encode(self.value.clear());
        let databases = shared.databases()?;
        let applied = match sabotage::is(Sabotage::JournalTrimmedEarly) {
            true => number - 1,
            false => shared.applied.load(Ordering::Acquire),
        };
        let trimmed = (applied + 1).min(self.oldest + TRIMMED_COMMITS);
        let mut transaction = databases.journal.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut commits = transaction.open_table(COMMITS)?;
            commits.insert(number, self.value.as_bytes())?;
            for old in self.oldest..trimmed {
                commits.remove(old)?;
            }
        }
        transaction.commit()?;
        self.value.shrink_to(VALUE_BYTES_KEPT);
        self.oldest = self.oldest.max(trimmed);
        self.next = number + 1;
        if !sabotage::is(Sabotage::OverlayVisible) {
            self.show(shared, number, &commit)?;
        }
        self.set_aside(commit);
        Ok(())
    }

    /// Lets readers and the observer see a commit that is durable.
    fn show(&mut self, shared: &Shared, number: u64, commit: &Commit) -> Result<(), BoxError> {
        self.cut.rewritten += show(shared, number, commit, self.cut.since, self.seed.clone())?;
        Ok(())
    }

    /// Keeps what was committed for the next cut.
    fn set_aside(&mut self, commit: Commit) {
        self.cut.events += commit.events();
        self.cut.bytes += commit.bytes();
        if !commit.ended.is_empty() {
            self.cut.end(&commit.ended);
        }
        for Changed { run, changes } in commit.changes {
            let room = commit.runs[run].run.room().clone();
            self.cut.changes.entry(room).or_default().merge(changes);
        }
        self.cut.runs.extend(commit.runs);
        self.cut.trims.extend(commit.trims);
        self.cut.ended.extend(commit.ended);
        self.cut.users.extend(commit.users);
    }

    fn cut_if_due(&mut self, shared: &Shared) {
        let Collecting { events, bytes, window_bytes, rewritten, .. } = self.cut;
        let is_large =
            events >= shared.options.step_events || bytes + window_bytes >= shared.options.step_bytes;
        if is_large || rewritten >= shared.step_rewrites() {
            self.cut(shared);
        }
    }

    fn waits_for_pager(&mut self, shared: &Shared) -> bool {
        let (events, bytes) = shared.visible().unpaged();
        let full = events >= shared.options.unpaged_events_max
            || bytes >= shared.options.unpaged_bytes_max
            || shared.cuts.len() >= CUTS_WAITING_MAX;
        if full && shared.cuts.is_empty() {
            self.cut(shared);
        }
        full
    }

    fn waits_for_disk(&mut self, shared: &Shared) -> bool {
        let is_full = shared.disk_is_full();
        if is_full != self.disk_is_full {
            self.disk_is_full = is_full;
            match is_full {
                true => tracing::warn!("the disk is nearly full: appends wait until there is room"),
                false => tracing::info!("there is room on the disk again: appends go on"),
            }
        }
        is_full
    }
}

impl Collecting {
    /// Leaves out what it has of rooms that were deleted. It goes on counting it, as readers' memory does.
    fn end(&mut self, ended: &[Ended]) {
        let ended: BTreeSet<&RoomId> = ended.iter().map(|ended| &ended.room).collect();
        self.runs.retain(|stored| !ended.contains(stored.run.room()));
        self.trims.retain(|trim| !ended.contains(&trim.room));
        self.changes.retain(|room, _| !ended.contains(room));
    }

    /// Notes that the window of `client` changed.
    fn touch(&mut self, key: &ClientKey, client: &mut Client) {
        if client.cut != self.number {
            client.cut = self.number;
            self.window_bytes += windows::bytes(&client.window);
            self.changed.push(key.clone());
        }
    }
}

/// Lets readers and the observer see a commit that is durable. How many pages are written again for it: those of rooms that
/// grow and did not since commit `since`, and those of bodies that it takes away.
fn show(shared: &Shared, number: u64, commit: &Commit, since: u64, seed: Seed) -> Result<usize, BoxError> {
    // What only the pages know is looked up before readers are kept waiting.
    let trimmed = commit.trims.iter().map(|trim| &trim.room);
    let rooms = commit.runs.iter().map(|stored| stored.run.room()).chain(trimmed);
    let paged: Vec<&RoomId> = {
        let visible = shared.visible();
        rooms.filter(|room| matches!(visible.find(room), Found::Paged)).collect()
    };
    let mut rows = Map::with_capacity_and_hasher(paged.len(), seed);
    for room in paged {
        if !rows.contains_key(room) {
            rows.insert(room, shared.row(room, Reach::Disk)?);
        }
    }
    let known = |room: &RoomId| {
        // A room that the pager has just finished is not among them.
        rows.remove(room).map_or_else(|| shared.row(room, Reach::Disk), Ok)
    };
    let about = targets::of_runs(commit.runs.iter().map(|stored| &stored.run))?;
    let mut rewritten = {
        let mut visible = shared.visible_mut();
        let grown = visible.add(number, commit, since, known)?;
        visible.index(about);
        grown
    };
    for Changed { run, changes } in
        commit.changes.iter().filter(|changed| !changed.changes.redacts.is_empty())
    {
        let room = commit.runs[*run].run.room();
        let number = match shared.visible().find(room) {
            Found::Live(live) => live.number,
            Found::Gone(_) | Found::Paged => None,
        };
        shared.forget_bodies(room, number, &changes.redacts);
        rewritten += changes.redacts.len();
    }
    if let Some(observer) = shared.observer() {
        commit.ended.iter().for_each(|ended| observer.deleted(&ended.room));
        if !commit.runs.is_empty() {
            let runs: Vec<_> = commit.runs.iter().map(|stored| stored.run.clone()).collect();
            observer.committed(&runs);
        }
    }
    Ok(rewritten)
}

/// The window of a client, from memory or the pages.
fn client<'a>(
    clients: &'a mut Cache<ClientKey, Client>,
    shared: &Shared,
    key: &ClientKey,
) -> Result<&'a mut Client, BoxError> {
    clients.get_or_insert(key, || {
        let known = if sabotage::is(Sabotage::WindowLostOnReopen) { None } else { shared.window(key)? };
        let window = Arc::new(known.unwrap_or_default());
        Ok(Client { window, tag: key.tag(), cut: 0, step: 0, index: 0 })
    })
}

/// The horizon that a room gets, if it rises.
fn trimmed(
    shared: &Shared,
    room: RoomId,
    epoch: Epoch,
    horizon: Offset,
) -> Result<Option<Trimmed>, BoxError> {
    let state = shared.look().room_state(&room)?.filter(|state| state.epoch() == epoch);
    let Some(state) = state else { return Ok(None) };
    let horizon = horizon.min(state.head.offset.next());
    if horizon <= state.horizon {
        return Ok(None);
    }
    let before = shared.look().mark_at(&room, horizon.previous())?.ok_or("an event of the log is missing")?;
    Ok(Some(Trimmed { room, horizon, before }))
}

/// Cuts that may wait for the pager; each holds windows beside its events. Source: chosen; as many as the bound of
/// unpaged events makes.
const CUTS_WAITING_MAX: usize = 8;
