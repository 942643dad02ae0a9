//! Stored values come back as they were, and broken ones are errors.

use anchor_core::chain::Link;
use anchor_core::code::Code;
use anchor_core::event::{Body, EventKind};
use anchor_core::id::{ClientId, ClientKey, Nonce, RoomId, Seq, UserId};
use anchor_core::msgpack::Reader;
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::publish::{Fingerprint, Refusal};
use anchor_core::run::RunBuilder;
use bytes::Bytes;

use super::{Commit, Recorded, RecordedOutcome, Stored, Trimmed};
use crate::pages::{Page, Row};
use crate::rows::{read_member, read_user_row};
use crate::targets::{self, SignsRow};
use crate::{cursors, windows};

fn commit() -> Commit {
    let user = UserId::new("ada").expect("a user id");
    let client = ClientKey { user, id: ClientId::from_bytes([7; 16]) };
    let room = RoomId::lobby();
    let mut builder = RunBuilder::new(room.clone(), Epoch::from_bytes([3; 8]), Mark::START);
    let mut sides = Vec::new();
    let mut outcomes = Vec::new();
    for number in 1..=3 {
        let seq = Seq::new(number).expect("a seq");
        let link = Link {
            kind: EventKind::MESSAGE,
            user: &client.user,
            client: client.tag(),
            seq,
            nonce: Nonce(5),
            ts: 1_000 + number,
            target: None,
        };
        let mark = builder.push(&link, &Body::text("text"), &[9; 16]);
        sides.extend_from_slice(&[9; 16]);
        let outcome = RecordedOutcome::Appended { run: 0, mark, ts: link.ts };
        outcomes.push(Recorded { client: 0, seq, fingerprint: Fingerprint([1; 16]), outcome });
    }
    let refused = RecordedOutcome::Refused(Refusal::new(Code::Denied, "no"));
    let seq = Seq::new(4).expect("a seq");
    outcomes.push(Recorded { client: 0, seq, fingerprint: Fingerprint([2; 16]), outcome: refused });
    let run = builder.finish().expect("it has events");
    let before = run.tip();
    Commit {
        runs: vec![Stored { run, ts: 1_003, sides: sides.into() }],
        clients: vec![(client, Seq::FIRST)],
        outcomes,
        trims: vec![Trimmed { room, horizon: Offset(4), before }],
        ..Commit::default()
    }
}

/// True if bytes are a value of some kind.
type Decodes = fn(&[u8]) -> bool;

/// Every value that is stored, each with its decoder.
fn values() -> Vec<(Vec<u8>, Decodes)> {
    let samples = crate::fuzzing::stored_value_samples().into_iter();
    samples.map(|(_, sample)| (sample[1..].to_vec(), decoder(sample[0]))).collect()
}

/// What decodes a sample of that kind.
fn decoder(kind: u8) -> Decodes {
    match kind {
        0 => |bytes| Commit::decode(&Bytes::copy_from_slice(bytes)).is_ok(),
        1 => |bytes| Page::decode(bytes).is_ok(),
        2 => |bytes| Row::decode(bytes).is_ok(),
        3 => |bytes| windows::decode(bytes).is_ok(),
        4 => |bytes| read_member(&mut Reader::from_slice(bytes)).is_ok(),
        5 => |bytes| read_user_row(&mut Reader::from_slice(bytes)).is_ok(),
        6 => |bytes| targets::decode(Offset(1), Offset(2), bytes).is_ok(),
        7 => |bytes| SignsRow::read(&mut Reader::from_slice(bytes)).is_ok(),
        _ => |bytes| cursors::read(&mut Reader::from_slice(bytes)).is_ok(),
    }
}

#[test]
fn a_commit_comes_back_as_it_was() {
    let written = commit();
    let bytes = Bytes::from(written.encoded());
    let read = Commit::decode(&bytes).expect("it was encoded");
    assert_eq!(read.encoded(), bytes);
    assert_eq!(read.runs[0].run.parts(), written.runs[0].run.parts());
    let entries = |commit: &Commit| -> Vec<_> {
        commit.outcomes.iter().map(|recorded| commit.entry(recorded)).collect()
    };
    assert_eq!(entries(&read), entries(&written));
}

#[test]
fn a_value_that_was_cut_is_an_error() {
    for (value, decodes) in values() {
        assert!(decodes(&value));
        for length in 0..value.len() {
            assert!(!decodes(&value[..length]), "{length} of {} bytes", value.len());
        }
    }
}

#[test]
fn a_changed_byte_never_makes_a_panic() {
    for (value, decodes) in values() {
        for at in 0..value.len() {
            for byte in [0x00, 0x7f, 0x90, 0xc0, 0xc6, 0xdb, 0xdd, 0xff] {
                let mut changed = value.clone();
                changed[at] = byte;
                decodes(&changed);
            }
        }
    }
}
