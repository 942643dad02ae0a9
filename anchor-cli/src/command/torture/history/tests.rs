//! What is written is read again, and what is wrong is named with its line.

use anchor_core::code::Code;
use anchor_core::conformance::promise::{Crash, Entry, Log, Mark, Reader, Record, Sample};
use anchor_core::event::Body;
use anchor_core::id::Seq;
use anchor_core::position::{self, Chain, Epoch, Offset, Ordinal, Position};
use anchor_core::publish::{Ack, Durability};
use anchor_core::resume::{Gap, GapReason};

use super::*;

fn room() -> RoomId {
    RoomId::new("lobby").unwrap()
}

fn position(offset: u64) -> Position {
    let chain = Chain::from_bytes(offset.to_be_bytes());
    Position { epoch: Some(Epoch::from_bytes([7; 8])), offset: Offset(offset), chain }
}

fn entry(offset: u64, body: Option<[u8; 16]>) -> Entry {
    let publish = Mark { author: 3, number: Seq::new(offset).unwrap() }.publish();
    let Position { chain, .. } = position(offset);
    Entry { epoch: Epoch::from_bytes([7; 8]), offset: Offset(offset), chain, publish, body }
}

/// One of each.
fn records() -> Vec<Record> {
    let (reader, publish) = (Reader(4), entry(1, None).publish);
    let gap =
        |reason, position| Gap { from: Offset(1), to: Offset(3), reason, position, ordinal: Ordinal(0) };
    let ack = Ack {
        seq: publish.seq,
        room: room(),
        epoch: Epoch::from_bytes([7; 8]),
        mark: position::Mark { offset: Offset(1), ordinal: Ordinal(0), chain: position(1).chain },
        ts: 0,
        duplicate: false,
        durability: Durability::Disk,
    };
    let body = anchor_core::conformance::promise::history::body_digest(&Body::text("hello"));
    vec![
        Record::Invoked { publish, room: room(), body },
        Record::Queued { publish },
        Record::Acked { publish, ack, at_ms: 1_766_400_005_000 },
        Record::Refused { publish, code: Code::BodyTooLarge },
        Record::Unknown { publish },
        Record::Opened { reader, room: room(), position: Position::START },
        Record::Opened { reader, room: room(), position: position(1) },
        Record::Seen { reader, room: room(), entry: entry(2, Some(body)) },
        Record::Seen { reader, room: room(), entry: entry(3, None) },
        Record::Told { reader, room: room(), gap: gap(GapReason::Trimmed, Some(position(3))) },
        Record::Told { reader, room: room(), gap: gap(GapReason::Deleted, None) },
        Record::Beat { reader, at_ms: 5, lag: vec![room()] },
        Record::Disconnected { reader },
        Record::Closed { reader, room: room() },
        Record::Crashed(Crash::Process),
        Record::Crashed(Crash::Node),
        Record::Restored { room: room(), fork: Offset(8) },
        Record::Deleted { room: room(), epoch: Epoch::from_bytes([7; 8]) },
        Record::FaultsStopped,
        Record::Memory(Sample { process: 1, events: 2, bytes: 3, bound_bytes: 4 }),
    ]
}

fn told() -> Told {
    let about = About { version: VERSION, by: Some("a test".to_owned()), seed: Some(u64::MAX) };
    let mut told = Told { about, history: History::new() };
    records().into_iter().for_each(|record| told.history.push(record));
    let log = |entries| Log { epoch: Epoch::from_bytes([7; 8]), before: Offset(1), entries };
    told.history.set_log(room(), log(vec![entry(2, Some([1; 16])), entry(3, None)]));
    told.history.set_log(RoomId::new("empty").unwrap(), log(Vec::new()));
    told
}

fn written() -> String {
    let mut text = Vec::new();
    told().write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn complaint(text: &str) -> String {
    Told::read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_again() {
    let read = Told::read(written().as_bytes()).unwrap();
    assert_eq!(read.history.records(), told().history.records());
    assert_eq!(read.history.logs(), told().history.logs());
    assert_eq!(read.about.seed, Some(u64::MAX));
}

/// The page for strangers shows what is written here.
#[test]
fn the_document_shows_every_kind_of_line() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/history.md")).unwrap();
    for line in written().lines().skip(1) {
        let kind = line.split('"').nth(1).unwrap();
        assert!(document.contains(&format!("{{\"{kind}\":")), "docs/history.md has no example of {kind}");
    }
    let blocks = document.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let examples: String = blocks.collect();
    let read = Told::read(examples.as_bytes()).unwrap();
    assert!(read.history.records().len() >= 16, "{} examples", read.history.records().len());
    assert_eq!(anchor_core::conformance::promise::check_all(&read.history), []);
}

#[test]
fn empty_lines_are_passed_over() {
    let text = written().replace('\n', "\n\n  \n");
    assert_eq!(Told::read(text.as_bytes()).unwrap().history.records().len(), records().len());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let begin = "{\"history\":{\"version\":1}}\n";
    let opened =
        r#"{"opened":{"reader":1,"room":"lobby","epoch":null,"offset":0,"chain":"0000000000000000"}}"#;
    let cases = [
        ("", "line 1 of the history is wrong: a history begins with"),
        ("{}\n", "line 1"),
        ("[1]\n", "line 1"),
        ("not json\n", "line 1 of the history is wrong: expected value, at column 1"),
        ("{\"history\":{\"version\":2}}\n", "it has version 2, and this program reads 1"),
        (&format!("{begin}{begin}"), "line 2 of the history is wrong: a second beginning"),
        (&format!("{begin}{{\"seeen\":{{}}}}\n"), "line 2 of the history is wrong: unknown variant `seeen`"),
        (
            &format!("{begin}\n{{\"closed\":{{\"reader\":1}}}}\n"),
            "line 3 of the history is wrong: missing field",
        ),
        (&format!("{begin}{}\n", opened.replace("offset", "ofset")), "unknown field `ofset`"),
        (&format!("{begin}{}\n", opened.replace("00\"", "0\"")), "is not 16 of 0-9 a-f"),
        (&format!("{begin}{}\n", opened.replace("lobby", "Lobby")), "a room id consists of"),
        (&format!("{begin}{opened}"), "line 2 of the history is wrong: it has no end"),
        (
            &format!(
                "{begin}{{\"refused\":{{\"client\":\"0000000000000000\",\"seq\":1,\"code\":\"no\"}}}}\n"
            ),
            "\"no\" is no code",
        ),
        (
            &format!("{begin}{{\"queued\":{{\"client\":\"0000000000000000\",\"seq\":9007199254740992}}}}\n"),
            "2^53",
        ),
        (&format!("{begin}{{\"saved\":{}\n", &opened[10..]), "a note of a client"),
        (&format!("{begin}{{\"crashed\":\"nobody\"}}\n"), "unknown variant `nobody`"),
    ];
    for (text, what) in cases {
        let complaint = complaint(text);
        assert!(complaint.contains(what), "{text}: {complaint}");
    }
    let text = written();
    let stands = text.lines().find(|line| line.starts_with("{\"stands\"")).unwrap();
    assert!(complaint(&format!("{begin}{stands}\n")).contains("stands behind the line of that log"));
    let log = text.lines().find(|line| line.starts_with("{\"log\"")).unwrap();
    assert!(complaint(&format!("{begin}{log}\n{log}\n")).contains("a second log of room"));
    let long = format!("{begin}{}\n", " ".repeat(2 * 1024 * 1024));
    assert!(complaint(&long).contains("it has more than"));
}

/// A line that a killed writer left half done counts as none; one in the middle is damage.
#[test]
fn half_a_line_at_the_end_of_a_journal_is_ignored() {
    let text = written();
    for cut in (0..text.len()).step_by(7) {
        let mut lines = Lines::new(&text.as_bytes()[..cut]);
        let mut whole = 0;
        while lines.next_of_killed().unwrap().is_some() {
            whole += 1;
        }
        assert_eq!(whole, text[..cut].matches('\n').count());
    }
    let mut lines = Lines::new(&b"{\"queued\":{\"cli\n{}\n"[..]);
    assert!(lines.next_of_killed().is_err());
}
