//! What must hold for any bytes in place of a stored value.
//!
//! [`stored_values`] is the body of a `cargo fuzz` target in `fuzz/` and of the property tests in `tests`. Not a part of the
//! API: here only under the feature `fuzzing`, and in tests of this crate.

use std::fmt::Debug;
use std::sync::Arc;

use anchor_core::chain::Link;
use anchor_core::code::Code;
use anchor_core::cursor::Cursors;
use anchor_core::event::{Body, EventKind};
use anchor_core::id::{ClientId, ClientKey, NUMBER_MAX, Nonce, RoomId, Seq, UserId};
use anchor_core::limits::WINDOW;
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::publish::{Fingerprint, Refusal};
use anchor_core::room::{
    Amendment, Member, Membership, Retention, Role, RoomInfo, RoomKind, Sign, Title, Topic,
};
use anchor_core::run::{Run, RunBuilder};
use anchor_core::store::{EpochStart, RoomState};
use anchor_core::user::{Contact, Direct, Profile, ProfileText, ReadReceipts, UserRow};
use anchor_core::window::{Verdict, Window};
use bytes::Bytes;

use crate::codec::Encoder;
use crate::journal::{
    Changed, ChangedUser, Changes, Commit, Ended, Recorded, RecordedOutcome, SIDE_BYTES, Stored, Trimmed,
};
use crate::pages::{Filling, Page, Row};
use crate::rows::{read_member, read_user_row, write_member, write_user};
use crate::targets::SignsRow;
use crate::{cursors, targets, windows};

/// Reads the bytes behind the first as a value of the kind that the first chooses: a commit of the journal, a page, a room's
/// row, a client's window, a member, a user, an amendment, the signs of a user, cursors. What is one has every number within its bound, is the same value
/// after it was written and read again, and can be used as the store uses it: events that are none are errors, and nothing else is.
///
/// # Panics
/// Where that does not hold.
pub fn stored_values(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 9 {
        0 => commit(bytes),
        1 => page(bytes),
        2 => row(bytes),
        3 => window(bytes),
        4 => of_user(bytes, read_member, write_member),
        5 => of_user(bytes, read_user_row, write_user),
        6 => amendment(bytes),
        7 => of_user(bytes, SignsRow::read, |out, row: &SignsRow| row.encode(out)),
        _ => of_user(bytes, cursors::read, cursors::write),
    }
}

/// A value of each kind.
///
/// # Panics
/// Never: the values are sound.
#[must_use]
pub fn stored_value_samples() -> Vec<(String, Vec<u8>)> {
    let commit = sample();
    let (stored, second) = (&commit.runs[0], &commit.runs[1]);
    let (mut page, mut longer, mut row, mut kept) =
        (Encoder::default(), Encoder::default(), Encoder::default(), Encoder::default());
    Filling::begin(stored).encode(&mut page);
    let mut filling = Filling::begin(stored);
    filling.push(second);
    filling.encode(&mut longer);
    let epochs = vec![EpochStart { epoch: stored.run.epoch(), before: Mark::START }];
    let (head, before_horizon) = (second.run.tip(), stored.run.tip());
    let state = RoomState { epochs, head, horizon: before_horizon.offset.next(), before_horizon };
    let plain = Row { number: 1, state, ts: 1_003, open_page: Some(Offset(1)), info: None };
    plain.encode(&mut row);
    let (changes, (_, user)) = (&commit.changes[0].changes, &commit.users[0]);
    let (mut told, mut member, mut of_user) = (Encoder::default(), Encoder::default(), Encoder::default());
    Row { info: changes.info.clone(), ..plain }.encode(&mut told);
    changes.members.values().take(1).for_each(|place| write_member(&mut member, place));
    write_user(&mut of_user, user);
    let mut set = Encoder::default();
    let (target, offset) = (Offset(1), Offset(2));
    let sign = Sign::new("👍").ok();
    let user = UserId::new("ada").expect("a user id");
    targets::encode(&Amendment { target, offset, kind: EventKind::REACTION, user, sign }, &mut set);
    let reaction = targets::decode(target, offset, set.as_bytes()).expect("it was encoded");
    let (mut signs, mut of_signs) = (SignsRow::default(), Encoder::default());
    signs.take(&reaction);
    signs.encode(&mut of_signs);
    let mut moved = Encoder::default();
    cursors::write(&mut moved, &Cursors::written(second.run.tip()));
    let entries = commit.outcomes.iter().map(|recorded| commit.entry(recorded));
    windows::encode(&Window::restore(Seq::FIRST, seq(7), entries), &mut kept);
    let samples = [
        ("commit", 0, commit.encoded()),
        ("commit-empty", 0, Commit::default().encoded()),
        ("page", 1, page.into_bytes()),
        ("page-longer", 1, longer.into_bytes()),
        ("row", 2, row.into_bytes()),
        ("row-told", 2, told.into_bytes()),
        ("member", 4, member.into_bytes()),
        ("user", 5, of_user.into_bytes()),
        ("window", 3, kept.into_bytes()),
        ("amendment", 6, set.into_bytes()),
        ("signs", 7, of_signs.into_bytes()),
        ("cursors", 8, moved.into_bytes()),
    ];
    samples.map(|(name, kind, bytes)| (name.to_owned(), [vec![kind], bytes].concat())).into()
}

fn commit(bytes: &[u8]) {
    let Ok(commit) = Commit::decode(&Bytes::copy_from_slice(bytes)) else { return };
    for stored in &commit.runs {
        assert_eq!(stored.sides.len(), stored.run.len() * SIDE_BYTES);
        number(stored.ts);
        run(&stored.run);
    }
    commit.clients.iter().for_each(|(_, floor)| number(floor.get()));
    for recorded in &commit.outcomes {
        if let RecordedOutcome::Appended { mark: at, ts, .. } = &recorded.outcome {
            mark(*at);
            number(*ts);
        }
        assert_eq!(commit.entry(recorded).seq, recorded.seq);
    }
    for trimmed in &commit.trims {
        number(trimmed.horizon.0);
        mark(trimmed.before);
    }
    for Changed { changes, .. } in &commit.changes {
        changes.info.iter().for_each(|told| info(told));
        changes.redacts.iter().for_each(|offset| number(offset.0));
    }
    let written = Bytes::from(commit.encoded());
    let again = Commit::decode(&written).expect("it was written from a value");
    assert_eq!(again.encoded(), written);
    let parts = |commit: &Commit| -> Vec<_> {
        commit
            .runs
            .iter()
            .map(|stored| (stored.run.parts().clone(), stored.ts, stored.sides.clone()))
            .collect()
    };
    assert_eq!(parts(&again), parts(&commit));
    let entries = |commit: &Commit| -> Vec<_> {
        commit.outcomes.iter().map(|recorded| commit.entry(recorded)).collect()
    };
    assert_eq!(entries(&again), entries(&commit));
    assert_eq!(again.clients, commit.clients);
    assert_eq!((again.ended, again.changes, again.users), (commit.ended, commit.changes, commit.users));
}

fn page(bytes: &[u8]) {
    let Ok(page) = Page::decode(bytes) else { return };
    let events = page.tip.offset.0 - page.before.offset.0;
    assert_eq!(page.sides.len() as u64, events * SIDE_BYTES as u64);
    run(&page.run(&RoomId::lobby()));
    let mut written = Encoder::default();
    Filling::open(page).encode(&mut written);
    let again = Page::decode(written.as_bytes()).expect("it was written from a value");
    let parts = |page: &Page<'_>| page.run(&RoomId::lobby()).parts().clone();
    assert_eq!((parts(&again), again.sides), (parts(&page), page.sides));
}

fn row(bytes: &[u8]) {
    let Ok(row) = Row::decode(bytes) else { return };
    let RoomState { epochs, head, horizon, before_horizon } = &row.state;
    [*head, *before_horizon].into_iter().chain(epochs.iter().map(|start| start.before)).for_each(mark);
    [horizon.0, row.ts, row.open_page.unwrap_or_default().0].into_iter().for_each(number);
    assert_eq!(horizon.previous(), before_horizon.offset, "the horizon does not follow what is before it");
    let (mut written, mut twice) = (Encoder::default(), Encoder::default());
    row.encode(&mut written);
    row.info.iter().for_each(|told| info(told));
    let again = Row::decode(written.as_bytes()).expect("it was written from a value");
    assert_eq!((again.number, &again.state), (row.number, &row.state));
    assert_eq!(again.info, row.info);
    assert_eq!((again.ts, again.open_page), (row.ts, row.open_page));
    again.encode(&mut twice);
    assert_eq!(twice.as_bytes(), written.as_bytes());
}

fn window(bytes: &[u8]) {
    let Ok(window) = windows::decode(bytes) else { return };
    assert!(window.entries().len() <= WINDOW);
    let mut previous = Seq::ZERO;
    for entry in window.entries() {
        assert!(previous < entry.seq && window.floor() <= entry.seq && entry.seq <= window.highest());
        previous = entry.seq;
        let verdict = window.look_up(entry.seq, entry.fingerprint);
        assert_eq!(verdict, Verdict::Repeat(entry.decision.clone()));
    }
    let mut written = Encoder::default();
    windows::encode(&window, &mut written);
    assert_eq!(windows::decode(written.as_bytes()).as_ref(), Ok(&window));
}

/// A value of a user: in a room, or by itself.
fn of_user<T: PartialEq + Debug>(
    bytes: &[u8],
    read: fn(&mut Reader<'_>) -> Result<T, Malformed>,
    write: fn(&mut Encoder, &T),
) {
    let Ok(value) = read(&mut Reader::from_slice(bytes)) else { return };
    let mut written = Encoder::default();
    write(&mut written, &value);
    assert_eq!(read(&mut Reader::from_slice(written.as_bytes())).as_ref(), Ok(&value));
}

fn amendment(bytes: &[u8]) {
    let (target, offset) = (Offset(1), Offset(2));
    let Ok(amendment) = targets::decode(target, offset, bytes) else { return };
    let mut written = Encoder::default();
    targets::encode(&amendment, &mut written);
    assert_eq!(targets::decode(target, offset, written.as_bytes()).as_ref(), Ok(&amendment));
}

fn info(info: &RoomInfo) {
    [info.members, info.owners, info.changed.0].into_iter().for_each(number);
    info.pins.iter().for_each(|pin| number(pin.0));
    assert!(info.owners <= info.members, "more owners than members");
}

/// Uses a run as readers do. Its events were not looked at when it was read, so they may be anything.
fn run(run: &Run) {
    let (before, tip) = (run.before(), run.tip());
    mark(before);
    mark(tip);
    assert!(run.first() <= run.last());
    let decoded = run.events().take_while(Result::is_ok).count();
    assert!(decoded <= run.encoded().len());
    for offset in [before.offset, run.first(), Offset(before.offset.0 + 2), tip.offset, tip.offset.next()] {
        if let Ok(Some(mark)) = run.mark_at(offset) {
            assert_eq!(mark.offset, offset);
        }
        if let Ok(Some(rest)) = run.from_offset(offset) {
            assert!(rest.first() == offset.max(run.first()) && rest.tip() == tip);
            // What is passed over need only stand in its place: more may decode behind it than before.
            assert!(rest.events().count() <= rest.encoded().len());
        }
        if let Ok(Some(part)) = run.up_to(offset) {
            assert!(part.before() == before && part.last() == offset.min(run.last()));
            assert!(part.events().count() <= part.encoded().len());
        }
        if let Ok(redacted) = run.redacted(&[offset]) {
            assert_eq!((redacted.before(), redacted.tip()), (before, tip));
        }
    }
}

fn mark(mark: Mark) {
    number(mark.offset.0);
    number(mark.ordinal.0);
}

fn number(number: u64) {
    assert!(number <= NUMBER_MAX, "a number above 2^53 - 1: {number}");
}

/// Two runs of one room, one after the other, their publishes and a refused one, and a raised horizon.
fn sample() -> Commit {
    let user = UserId::new("ada").expect("a user id");
    let client = ClientKey { user, id: ClientId::from_bytes([7; 16]) };
    let (mut runs, mut outcomes, mut before) = (Vec::new(), Vec::new(), Mark::START);
    for (index, numbers) in [1..=3_u64, 4..=6].into_iter().enumerate() {
        let mut builder = RunBuilder::new(RoomId::lobby(), Epoch::from_bytes([3; 8]), before);
        for number in numbers {
            let (kind, nonce) = (EventKind::MESSAGE, Nonce(5));
            let (user, tag, ts) = (&client.user, client.tag(), 1_000 + number);
            let link = Link { kind, user, client: tag, seq: seq(number), nonce, ts, target: None };
            let mark = builder.push(&link, &Body::text("text"), &[9; SIDE_BYTES]);
            let outcome = RecordedOutcome::Appended { run: index, mark, ts };
            outcomes.push(Recorded {
                client: 0,
                seq: seq(number),
                fingerprint: Fingerprint([1; 16]),
                outcome,
            });
        }
        let run = builder.finish().expect("it has events");
        before = run.tip();
        runs.push(Stored { sides: vec![9; run.len() * SIDE_BYTES].into(), ts: 1_000 + before.offset.0, run });
    }
    let outcome = RecordedOutcome::Refused(Refusal::new(Code::Denied, "no"));
    outcomes.push(Recorded { client: 0, seq: seq(7), fingerprint: Fingerprint([2; 16]), outcome });
    let trims = vec![Trimmed { room: RoomId::lobby(), horizon: Offset(7), before }];
    let (changes, users) = (vec![Changed { run: 1, changes: changes() }], vec![sample_user()]);
    let ended = vec![Ended { room: RoomId::lobby(), epoch: Epoch::from_bytes([4; 8]) }];
    let clients = vec![(client, Seq::FIRST)];
    Commit { runs, clients, outcomes, trims, ended, changes, users }
}

/// What events change of a room beside its log, with a value for everything that may be absent.
fn changes() -> Changes {
    let [ada, bob] = ["ada", "bob"].map(|name| UserId::new(name).expect("a user id"));
    let info = RoomInfo {
        title: Title::new("Tea").ok(),
        topic: Topic::new("What to drink").ok(),
        retention: Retention::Age(86_400_000),
        members: 2,
        owners: 1,
        pins: vec![Offset(2)],
        changed: Offset(6),
        pair: Some(Box::new([ada.clone(), bob.clone()])),
        parent: Some(RoomId::lobby()),
        ..RoomInfo::new(RoomKind::Group)
    };
    let member = |role| Member {
        membership: Membership::Joined,
        role,
        muted: role == Role::Member,
        joined_at: Offset(6),
        ended_at: Offset::ZERO,
    };
    let members = [(ada, member(Role::Owner)), (bob, member(Role::Member))].into();
    Changes { info: Some(Arc::new(info)), members, redacts: vec![Offset(1), Offset(5)] }
}

fn sample_user() -> ChangedUser {
    let [ada, bob] = ["ada", "bob"].map(|name| UserId::new(name).expect("a user id"));
    let line = |text| ProfileText::new(text).ok();
    let profile = Profile { name: line("Ada L."), avatar: line("https://example.org/ada"), status: None };
    (
        ada,
        Arc::new(UserRow {
            profile,
            contact: Contact { direct: Direct::Everyone, blocked: [bob].into() },
            receipts: ReadReceipts::Hidden,
        }),
    )
}

fn seq(number: u64) -> Seq {
    Seq::new(number).expect("far below the largest")
}

#[cfg(test)]
mod tests;
