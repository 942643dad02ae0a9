//! What must hold for any bytes where a client keeps its state: in one record, or in place of the whole file.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::msgpack::Malformed;
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_core::session::frame::{ClientFrame, From, PublishFrame, RequestId};
use bytes::Bytes;

use super::directory::Directory;
use super::{Change, Entry, EntryKey, Generation, Identity, Kept, Saved, record};
use crate::client::error::OpenError;
use crate::client::notice::{Undecided, UndecidedId, UndecidedReason};
use crate::codec::Encoding;

/// Reads the bytes behind the first as a record of the kind that the first chooses. What is one is the same record after it
/// was written and read again, and what it holds can be sent: the server reads what the client meant.
///
/// # Panics
/// Where that does not hold.
pub fn outbox_records(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % KINDS {
        0 => {
            let entry = same_again(bytes, record::read_entry, record::write_entry);
            if let Some(Entry { nonce, room, draft, known }) = entry {
                publish(room.clone(), nonce, draft);
                subscribe(room, known);
            }
        }
        1 => drop(same_again(bytes, record::read_identity, record::write_identity)),
        2 => {
            if let Some(Kept { room, draft, position }) =
                same_again(bytes, record::read_kept, record::write_kept)
            {
                publish(room.clone(), Nonce(1), draft);
                subscribe(room, position);
            }
        }
        3 => {
            let read = |bytes: &[u8]| record::read_undecided(UndecidedId(7), bytes);
            if let Some(Undecided { room, draft, .. }) = same_again(bytes, read, record::write_undecided) {
                publish(room, Nonce(1), draft);
            }
        }
        _ => {
            let position = same_again(bytes, record::read_position, record::write_position);
            position.into_iter().for_each(|position| subscribe(RoomId::lobby(), position));
        }
    }
}

/// Lays an input where the file of a client's state was and opens the state in `home`, an existing directory that is used
/// for nothing else. The first byte says what the rest is: a file; changes of a sound file, or of one as a `kill -9` leaves
/// it. The state is refused, or it is one that was committed, and goes on from there. Never is it empty where it was not.
///
/// # Panics
/// Where that does not hold, and if `home` cannot be written.
pub fn outbox_file(home: &Path, input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let file = home.join(FILE_NAME);
    let base = BASE.get_or_init(|| Base::build(home));
    let image = match kind % 3 {
        0 => rest.to_vec(),
        1 => base.changed(&base.closed, rest),
        _ => base.changed(&base.killed, rest),
    };
    fs::write(&file, &image).expect("the directory can be written");
    match Directory::open(home, SERVER, None) {
        Err(OpenError::Damaged { what, .. }) => assert!(!what.is_empty()),
        Err(OpenError::Directory { .. } | OpenError::NewerFormat { .. } | OpenError::OtherServer { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok((directory, saved)) => {
            assert!(kind % 3 == 0 || base.states.contains(&saved), "a state that never was: {saved:?}");
            go_on(home, directory, saved);
        }
    }
}

/// One record of each kind.
#[must_use]
pub fn outbox_record_samples() -> Vec<(String, Vec<u8>)> {
    let [entry, image] = [1, 2].map(entry);
    let lost = UndecidedReason::Lost { position: position(9) };
    let undecided = |reason| {
        let Entry { room, draft, .. } = self::entry(3);
        Undecided { id: UndecidedId(7), room, draft, seq: Seq::FIRST, reason }
    };
    let start = record::write_position(&Position::START);
    let samples = [
        ("entry", 0, record::write_entry(&entry)),
        ("entry-image", 0, record::write_entry(&image)),
        ("identity", 1, record::write_identity(&identity())),
        ("kept", 2, record::write_kept(&kept(4))),
        ("undecided", 3, record::write_undecided(&undecided(UndecidedReason::Unconfirmed))),
        ("undecided-lost", 3, record::write_undecided(&undecided(lost))),
        ("position", 4, record::write_position(&position(5))),
        ("position-start", 4, start),
    ];
    samples.map(|(name, kind, bytes)| (name.to_owned(), [vec![kind], bytes].concat())).into()
}

/// A file that is none, sound files, and some changes of them.
#[must_use]
pub fn outbox_file_samples() -> Vec<(String, Vec<u8>)> {
    let samples: [(&str, &[u8]); 9] = [
        ("nothing", b"\0"),
        ("text", b"\0not a database"),
        ("magic", b"\0redb\x1a\x0a\xa9\x0d\x0a\0\0\0"),
        ("closed", b"\x01"),
        ("killed", b"\x02"),
        ("header", b"\x02\0\x09\x01\0\0\x0d\xff\0"),
        ("page", b"\x01\x01\x02\x40\x01"),
        ("cut", b"\x01\x05\0\x03\0"),
        ("moved", b"\x02\x03\x01\x02\0\x04\x02\x03\0"),
    ];
    samples.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).into()
}

/// Reads, writes and reads again.
fn same_again<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, Malformed>,
    write: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = read(bytes).ok()?;
    let written = write(&value);
    assert_eq!(read(&written).as_ref(), Ok(&value));
    Some(value)
}

/// What waits in an outbox is read by the server as it is meant.
fn publish(room: RoomId, nonce: Nonce, draft: Draft) {
    let (seq, waits) = (Seq::FIRST, Seq::FIRST);
    reaches_the_server(&ClientFrame::Publish(PublishFrame {
        seq,
        nonce,
        waits,
        room,
        draft,
        client_id: None,
    }));
}

fn subscribe(room: RoomId, position: Position) {
    let from = From::After(position);
    reaches_the_server(&ClientFrame::Subscribe { id: RequestId(1), room, from });
}

fn reaches_the_server(frame: &ClientFrame) {
    for encoding in Encoding::ALL {
        assert_eq!(
            encoding.decode_client(&encoding.encode_client(frame)).as_ref(),
            Ok(frame),
            "{encoding:?}"
        );
    }
}

/// A state that could be opened takes what comes next, and has it when it is opened again; or it says that it cannot.
fn go_on(home: &Path, mut directory: Directory, mut saved: Saved) {
    if !saved.identities.contains_key(&Generation::FIRST) {
        return;
    }
    let key = key(1_000);
    let committed = directory.commit(&[Change::Put(key, entry(1_000))]);
    drop(directory);
    if committed.is_err() {
        return;
    }
    let (_directory, found) = Directory::open(home, SERVER, None).expect("it was committed to");
    let identity = saved.identities.entry(Generation::FIRST).or_insert_with(identity);
    identity.highest = identity.highest.max(key.seq);
    saved.entries.insert(key, entry(1_000));
    assert_eq!(found, saved);
}

/// Sound files, and every state that was ever committed to them.
struct Base {
    closed: Vec<u8>,
    killed: Vec<u8>,
    states: Vec<Saved>,
    /// Pages of either file that hold something.
    used: Vec<usize>,
}

static BASE: OnceLock<Base> = OnceLock::new();

impl Base {
    fn build(home: &Path) -> Self {
        let file = home.join(FILE_NAME);
        let mut states = Vec::new();
        let first = [Change::Identity(Generation::FIRST, identity()), Change::Put(key(1), entry(1))];
        let user = UserId::new("ada").expect("a user id");
        let steps = [
            first.into(),
            (2..40).map(|number| Change::Put(key(number), entry(number))).collect::<Vec<_>>(),
            vec![Change::User(user), Change::Acked(key(1), kept(1)), Change::Acked(key(2), kept(2))],
            vec![Change::Cursor("reader".to_owned(), RoomId::lobby(), position(3)), Change::Remove(key(3))],
        ];
        let mut killed = Vec::new();
        for changes in steps {
            let (mut directory, _) = Directory::open(home, SERVER, None).expect("a state that is ours");
            directory.commit(&changes).expect("the directory can be written");
            killed = fs::read(&file).expect("a file that is ours");
            drop(directory);
            let (directory, saved) = Directory::open(home, SERVER, None).expect("a state that is ours");
            drop(directory);
            states.push(saved);
        }
        let closed = fs::read(&file).expect("a file that is ours");
        let is_used = |image: &[u8], page: usize| {
            image.chunks(PAGE_BYTES).nth(page).is_some_and(|page| page.iter().any(|byte| *byte != 0))
        };
        let pages = 0..closed.len().max(killed.len()).div_ceil(PAGE_BYTES);
        let used = pages.filter(|page| is_used(&closed, *page) || is_used(&killed, *page)).collect();
        Self { closed, killed, states, used }
    }

    /// Changes of four bytes each: of a byte in the header or in a page, of a whole page, or of the length.
    fn changed(&self, image: &[u8], changes: &[u8]) -> Vec<u8> {
        let mut image = image.to_vec();
        for change in changes.chunks_exact(4).take(CHANGES_MAX) {
            let [kind, a, b, c] = [0, 1, 2, 3].map(|index| usize::from(change[index]));
            let page = |number: usize| self.used[number % self.used.len()] * PAGE_BYTES;
            match kind % 7 {
                0 => flip(&mut image, a % HEADER_BYTES, b),
                1 => flip(&mut image, page(a) + 16 * b + c % 16, 1 << (c / 16 % 8)),
                2 => fill(&mut image, page(a), &[0; PAGE_BYTES]),
                3 => {
                    let start = page(a).min(image.len());
                    let from = image[start..image.len().min(start + PAGE_BYTES)].to_vec();
                    fill(&mut image, page(b), &from);
                }
                4 => {
                    let other = if c % 2 == 0 { &self.closed } else { &self.killed };
                    let start = page(a).min(other.len());
                    fill(&mut image, page(a), &other[start..other.len().min(start + PAGE_BYTES)]);
                }
                5 => image.truncate((a * 256 + b) % (image.len() / 512 + 1) * 512),
                _ => image.resize(image.len() + 512 * (a + 1), u8::try_from(b).unwrap_or(0)),
            }
        }
        image
    }
}

fn flip(image: &mut [u8], at: usize, bits: usize) {
    if let Some(byte) = image.get_mut(at) {
        *byte ^= u8::try_from(bits).unwrap_or(1);
    }
}

fn fill(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn key(number: u64) -> EntryKey {
    EntryKey { generation: Generation::FIRST, seq: Seq::new(number).expect("far below the largest") }
}

fn identity() -> Identity {
    Identity::new(ClientId::from_bytes([1; 16]))
}

fn position(offset: u64) -> Position {
    Position {
        epoch: Some(Epoch::from_bytes([4; 8])),
        offset: Offset(offset),
        chain: Chain::from_bytes([5; 8]),
    }
}

fn entry(number: u64) -> Entry {
    let body = match number % 2 {
        0 => Body::new(Some("image/png"), Bytes::from_static(&[0, 255, 7])).expect("any bytes"),
        _ => {
            let users = [UserId::new("bob").expect("a user id")];
            let mentions = Mentions::new(number.is_multiple_of(5), users).expect("few");
            Body::text(format!("text {number}")).mentioning(mentions)
        }
    };
    let target = number.is_multiple_of(3).then_some(Offset(number));
    Entry {
        nonce: Nonce(7),
        room: RoomId::lobby(),
        draft: Draft { kind: EventKind::MESSAGE, target, body },
        known: position(number),
    }
}

fn kept(number: u64) -> Kept {
    let Entry { room, draft, known: position, .. } = entry(number);
    Kept { room, draft, position }
}

const SERVER: &str = "ws://server:80/v1/ws";
const FILE_NAME: &str = "client.redb";

/// Kinds of records: entry, identity, kept, undecided, position.
const KINDS: u8 = 5;

/// Most changes of one file. Source: chosen; one or two are what a disk does.
const CHANGES_MAX: usize = 16;

/// In which pieces a file is changed. Source: redb's page size.
const PAGE_BYTES: usize = 4096;

/// The bytes of a file before its first page. Source: redb's `docs/design.md`.
const HEADER_BYTES: usize = 512;
