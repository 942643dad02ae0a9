//! A store of one's own: everything in memory, and one append-only file of what was asked for, from which the next process
//! makes it again.
//!
//! The trick is old: the same questions in the same order give the same answers, if time and dice are the same. So each
//! line of the file is one step with the clock and the random bits it was given; it is on disk before the step is made.
//! What decides and what is read is core's `MemoryStore`.
//!
//! **What it promises**: what was acknowledged survives `kill -9` and the loss of power. **What it does not**: the file
//! grows for ever and is read whole at the start; every step waits for a sync of its own, in the thread that asks; and what
//! was redacted is read no more, but stands in the file. A store for people has an answer to all three.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use anchor::code::Code;
use anchor::core::cursor::{CursorMove, Cursors, ReadMark, Readers};
use anchor::core::memory::MemoryStore;
use anchor::core::record::{RecordKey, RecordWrite, Written};
use anchor::core::run::Run;
use anchor::environment::{Environment, Monotonic};
use anchor::id::{ClientKey, Seq, SessionNumber};
use anchor::position::{Epoch, Mark, Offset, Ordinal};
use anchor::publish::{
    Ack, Durability, Grounds, MissingRoom, Outcome, Publish, Refusal, Source, Target, Verdict,
};
use anchor::room::{Amendment, Member, Standing, Thread};
use anchor::session::frame::{ClientFrame, PublishFrame, RequestId};
use anchor::store::{
    ClientState, CommitObserver, Direction, Place, Read, Readiness, RoomState, Store, StoreError, StoredRoom,
};
use anchor::transport::codec::Encoding;
use anchor::user::{TooManyBlocked, UserChange, UserRow};
use anchor::{Body, BoxFuture, ClientId, Draft, EventKind, RoomId, UserId, async_trait};
use serde::{Deserialize, Serialize};

/// See the top of this file. Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct FileStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    memory: MemoryStore,
    tape: Tape,
    env: Box<dyn Environment>,
    journal: Mutex<Journal>,
}

/// Held from the writing of a step until it is made, so that the file has the order of the memory.
#[derive(Debug)]
struct Journal {
    file: File,
    /// What a write or sync that failed said: the file is not known any more, and nothing more is taken.
    failed: Option<Arc<Failure>>,
    observer: Option<Arc<dyn CommitObserver>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl FileStore {
    /// Opens the file, or makes it, and makes every step in it again.
    pub(crate) fn open(path: &Path, env: impl Environment) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        // Two processes would each believe to have the order of the other.
        file.try_lock()?;
        // The name of a new file is durable once its directory is.
        File::open(path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")))?
            .sync_all()?;
        let tape = Tape::default();
        let memory = MemoryStore::new(tape.clone());
        let mut whole = 0;
        let mut lines = BufReader::new(&mut file);
        // Bytes: what was cut off may end within a character.
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let Line { unix_ms, random, step } = serde_json::from_slice(&line)?;
            tape.wind(unix_ms, random);
            step.make(&memory)?;
            whole += line.len() as u64;
            line.clear();
        }
        // What has no end was being written when the process ended, and never acknowledged.
        file.set_len(whole)?;
        file.seek(io::SeekFrom::End(0))?;
        let journal = Mutex::new(Journal { file, failed: None, observer: None });
        Ok(Self(Arc::new(Inner { memory, tape, env: Box::new(env), journal })))
    }

    /// Makes a step durable, and then makes it.
    fn step<T>(&self, step: Step, make: impl FnOnce(&MemoryStore) -> T) -> Result<T, StoreError> {
        let Inner { memory, tape, env, journal } = &*self.0;
        let mut journal = lock(journal);
        let mut random = vec![0; step.random_bytes()];
        env.fill_random(&mut random);
        let line = Line { unix_ms: env.unix_ms(), random, step };
        journal.write(&line)?;
        tape.wind(line.unix_ms, line.random);
        Ok(make(memory))
    }
}

impl Journal {
    fn write(&mut self, line: &Line) -> Result<(), StoreError> {
        if self.failed.is_none() {
            let mut bytes = serde_json::to_vec(line).expect("numbers, texts and lists of them are JSON");
            bytes.push(b'\n');
            let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
            self.failed = written.err().map(|error| Arc::new(error.into()));
            if let (Some(_), Some(observer)) = (&self.failed, &self.observer) {
                observer.failed();
            }
        }
        match &self.failed {
            Some(source) => Err(StoreError::Failed { backend: "file", source: source.clone() }),
            None => Ok(()),
        }
    }
}

// --- the trait: what changes something is a step, what reads asks the memory -----------------------------------------

#[async_trait]
impl Store for FileStore {
    fn durability(&self) -> Durability {
        Durability::Disk
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        lock(&self.0.journal).observer = Some(observer.clone());
        self.0.memory.observe(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        let (user, id) = (client.user.as_str().to_owned(), *client.id.as_bytes());
        self.step(Step::Open { user, id, waits: waits.get() }, |memory| {
            now(memory.open_client(client, waits))
        })?
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let step = Step::Append(batch.iter().map(PublishRow::of).collect());
        let outcomes = self.step(step, |memory| now(memory.append(batch))).and_then(|outcomes| outcomes);
        let durable = |outcome| match outcome {
            Outcome::Acked(ack) => Outcome::Acked(Ack { durability: Durability::Disk, ..ack }),
            other => other,
        };
        Box::pin(std::future::ready(outcomes.map(|all| all.into_iter().map(durable).collect())))
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        let step = Step::User { user: user.as_str().to_owned(), change: change_to_text(change.clone()) };
        self.step(step, |memory| now(memory.change_user(user, change)))?
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        let step =
            Step::Trim { room: room.as_str().to_owned(), epoch: *epoch.as_bytes(), horizon: horizon.0 };
        self.step(step, |memory| now(memory.trim(room, epoch, horizon)))?
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        let step = Step::Move(moves.iter().map(MoveRow::of).collect());
        let moved = self.step(step, |memory| now(memory.move_cursors(moves))).and_then(|moved| moved);
        Box::pin(std::future::ready(moved))
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        let text = |(key, value): &(RecordKey, Option<Vec<u8>>)| (key.as_str().to_owned(), value.clone());
        let step = Step::Write {
            guard: write.guard.as_ref().map(text),
            puts: write.puts.iter().map(text).collect(),
        };
        let written = self.step(step, |memory| now(memory.write_records(write))).and_then(|written| written);
        Box::pin(std::future::ready(written))
    }

    fn readiness(&self) -> Readiness {
        match lock(&self.0.journal).failed {
            Some(_) => Readiness::Failed,
            None => Readiness::Ready,
        }
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        self.0.memory.room(room).await
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        self.0.memory.locate(room, place).await
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        self.0.memory.read(read).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        self.0.memory.heads(rooms).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        self.0.memory.rooms(after, limit).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        self.0.memory.standing(room, user).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        self.0.memory.members(room, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        self.0.memory.rooms_of(user, after, limit).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        self.0.memory.amendments(room, targets, limit).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        self.0.memory.edits(room, targets).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        self.0.memory.threads(room, roots).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        self.0.memory.replies(room, root, from, limit).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        self.0.memory.user(user).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        self.0.memory.is_decided(client, seq).await
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        self.0.memory.cursors(user, rooms).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        self.0.memory.room_cursors(room, after, limit).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        self.0.memory.count_readers(room, offsets).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.memory.record(key).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        self.0.memory.records(prefix, after, limit).await
    }
}

// --- the file: a step on each line -----------------------------------------------------------------------------------

#[derive(Serialize, Deserialize)]
struct Line {
    unix_ms: u64,
    random: Vec<u8>,
    step: Step,
}

#[derive(Serialize, Deserialize)]
enum Step {
    Open { user: String, id: [u8; 16], waits: u64 },
    Append(Vec<PublishRow>),
    User { user: String, change: String },
    Trim { room: String, epoch: [u8; 8], horizon: u64 },
    Move(Vec<MoveRow>),
    Write { guard: Option<RecordRow>, puts: Vec<RecordRow> },
}

type RecordRow = (String, Option<Vec<u8>>);

/// A publish: the frame of the protocol, and what a session adds to it.
#[derive(Serialize, Deserialize)]
struct PublishRow {
    user: String,
    frame: String,
    session: Option<u64>,
    /// Whether the room may come into being; or the code and the sentence of a refusal.
    verdict: Result<bool, (String, String)>,
    grounds: Option<GroundsRow>,
}

#[derive(Serialize, Deserialize)]
struct GroundsRow {
    admin: bool,
    /// Room and epoch.
    derived: Option<(String, [u8; 8])>,
    /// Epoch, kind, author and root.
    target: Option<([u8; 8], u16, String, Option<u64>)>,
    /// A message with that body, as a frame.
    body: Option<String>,
}

/// Delivered, read (offset and ordinal) and shown.
#[derive(Serialize, Deserialize)]
struct MoveRow {
    room: String,
    epoch: [u8; 8],
    user: String,
    to: (u64, (u64, u64), u64),
}

impl Step {
    /// How many random bytes the memory may ask for: a salt for each event, and an epoch for each room that begins.
    fn random_bytes(&self) -> usize {
        match self {
            Self::Append(batch) => batch.len() * (16 + 8),
            _ => 0,
        }
    }

    /// Makes it again.
    fn make(self, memory: &MemoryStore) -> Result<(), Failed> {
        match self {
            Self::Open { user, id, waits } => {
                let client = ClientKey { user: UserId::new(user)?, id: ClientId::from_bytes(id) };
                now(memory.open_client(&client, Seq::new(waits)?))?;
            }
            Self::Append(batch) => {
                let batch = batch.into_iter().map(PublishRow::publish).collect::<Result<_, _>>()?;
                now(memory.append(batch))?;
            }
            Self::User { user, change } => {
                let changed = now(memory.change_user(&UserId::new(user)?, change_from_text(&change)?))?;
                // That it was refused is the same again.
                drop(changed);
            }
            Self::Trim { room, epoch, horizon } => {
                now(memory.trim(&RoomId::new(room)?, Epoch::from_bytes(epoch), Offset(horizon)))?;
            }
            Self::Move(moves) => {
                let moves = moves.into_iter().map(MoveRow::cursors).collect::<Result<_, _>>()?;
                now(memory.move_cursors(moves))?;
            }
            Self::Write { guard, puts } => {
                let record = |(key, value)| Ok::<_, Failed>((RecordKey::new(key)?, value));
                let guard = guard.map(record).transpose()?;
                let puts = puts.into_iter().map(record).collect::<Result<_, _>>()?;
                let _ = now(memory.write_records(RecordWrite { guard, puts }))?;
            }
        }
        Ok(())
    }
}

impl PublishRow {
    fn of(publish: &Publish) -> Self {
        let Publish { client, session, seq, nonce, waits, room, draft, verdict, grounds } = publish.clone();
        let frame = PublishFrame { seq, nonce, waits, room, draft, client_id: Some(client.id) };
        let body_frame = |body| {
            text_of(&ClientFrame::Publish(PublishFrame { draft: Draft::message(body), ..frame.clone() }))
        };
        let grounds = grounds.map(|grounds| GroundsRow {
            admin: grounds.admin,
            derived: grounds.derived.map(|from| (from.room.as_str().to_owned(), *from.epoch.as_bytes())),
            target: grounds.target.map(|target| {
                let root = target.root.map(|root| root.0);
                (*target.epoch.as_bytes(), target.kind.0, target.user.as_str().to_owned(), root)
            }),
            body: grounds.body.map(body_frame),
        });
        let verdict = match verdict {
            Verdict::Append { room } => Ok(room == MissingRoom::Create),
            Verdict::Refuse(Refusal { code, message }) => Err((code.name().to_owned(), message)),
        };
        Self {
            user: client.user.as_str().to_owned(),
            frame: text_of(&ClientFrame::Publish(frame.clone())),
            session: session.map(|session| session.0),
            verdict,
            grounds,
        }
    }

    fn publish(self) -> Result<Publish, Failed> {
        let PublishFrame { seq, nonce, waits, room, draft, client_id } = publish_of(&self.frame)?;
        let id = client_id.ok_or("a publish without its client")?;
        let target = |(epoch, kind, user, root): ([u8; 8], u16, String, Option<u64>)| {
            let (epoch, user) = (Epoch::from_bytes(epoch), UserId::new(user)?);
            Ok::<_, Failed>(Target { epoch, kind: EventKind(kind), user, root: root.map(Offset) })
        };
        let body = |frame: String| Ok::<Body, Failed>(publish_of(&frame)?.draft.body);
        let grounds = |row: GroundsRow| {
            let (target, body) = (row.target.map(target).transpose()?, row.body.map(body).transpose()?);
            let source = |(room, epoch): (String, [u8; 8])| {
                Ok::<_, Failed>(Source { room: RoomId::new(room)?, epoch: Epoch::from_bytes(epoch) })
            };
            let derived = row.derived.map(source).transpose()?;
            Ok::<_, Failed>(Box::new(Grounds { admin: row.admin, derived, target, body }))
        };
        let verdict = match self.verdict {
            Ok(true) => Verdict::Append { room: MissingRoom::Create },
            Ok(false) => Verdict::Append { room: MissingRoom::Refuse },
            Err((code, message)) => {
                Verdict::Refuse(Refusal::new(Code::from_name(&code).ok_or("an unknown code")?, message))
            }
        };
        Ok(Publish {
            client: ClientKey { user: UserId::new(self.user)?, id },
            session: self.session.map(SessionNumber),
            seq,
            nonce,
            waits,
            room,
            draft,
            verdict,
            grounds: self.grounds.map(grounds).transpose()?,
        })
    }
}

impl MoveRow {
    fn of(CursorMove { room, epoch, user, to }: &CursorMove) -> Self {
        Self {
            room: room.as_str().to_owned(),
            epoch: *epoch.as_bytes(),
            user: user.as_str().to_owned(),
            to: (to.delivered.0, (to.read.offset.0, to.read.ordinal.0), to.shown.0),
        }
    }

    fn cursors(self) -> Result<CursorMove, Failed> {
        let (delivered, (offset, ordinal), shown) = self.to;
        let read = ReadMark { offset: Offset(offset), ordinal: Ordinal(ordinal) };
        let to = Cursors { delivered: Offset(delivered), read, shown: Offset(shown) };
        let (room, user) = (RoomId::new(self.room)?, UserId::new(self.user)?);
        Ok(CursorMove { room, epoch: Epoch::from_bytes(self.epoch), user, to })
    }
}

/// The protocol has a text for what comes from clients: no need for another one.
fn text_of(frame: &ClientFrame) -> String {
    String::from_utf8_lossy(&Encoding::Json.encode_client(frame)).into_owned()
}

fn publish_of(text: &str) -> Result<PublishFrame, Failed> {
    match Encoding::Json.decode_client(&text.to_owned().into())? {
        ClientFrame::Publish(frame) => Ok(frame),
        _ => Err("another frame than a publish".into()),
    }
}

fn change_to_text(change: UserChange) -> String {
    text_of(&ClientFrame::ChangeUser { id: RequestId(0), change })
}

fn change_from_text(text: &str) -> Result<UserChange, Failed> {
    match Encoding::Json.decode_client(&text.to_owned().into())? {
        ClientFrame::ChangeUser { change, .. } => Ok(change),
        _ => Err("another frame than a change of a user".into()),
    }
}

/// A line that cannot be what was written.
struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Failed> for io::Error {
    fn from(Failed(error): Failed) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

// --- time and dice, as a step was given them -------------------------------------------------------------------------

/// The environment of the memory: what the line of this step says.
#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<(u64, VecDeque<u8>)>>);

impl Tape {
    fn wind(&self, unix_ms: u64, random: Vec<u8>) {
        *lock(&self.0) = (unix_ms, random.into());
    }
}

impl Environment for Tape {
    fn now(&self) -> Monotonic {
        Monotonic::default()
    }

    fn unix_ms(&self) -> u64 {
        lock(&self.0).0
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        let mut tape = lock(&self.0);
        bytes.fill_with(|| tape.1.pop_front().expect("a step brings as many random bytes as it may need"));
    }

    fn sleep_until(&self, _: Monotonic) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// What the memory answers: it waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("the store in memory answers at once"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
