//! What the fuzzing begins with: the messages of `docs/vectors/`, and sessions made of them.

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::session::Op;
use crate::codec::Encoding;

/// Every message of the vectors, good and bad, each with a name.
///
/// # Panics
/// If a file of the vectors is not as its README says.
#[must_use]
pub fn frame_samples() -> Vec<(String, Vec<u8>)> {
    let files = [("frames", FRAMES), ("lenient", LENIENT), ("bad", BAD)];
    let mut samples = Vec::new();
    for (file, text) in files {
        for (number, entry) in entries(text).iter().enumerate() {
            for (encoding, bytes) in messages(entry) {
                samples.push((format!("{file}-{number:03}.{}", extension(encoding)), bytes));
            }
        }
    }
    samples
}

/// A session in each encoding for each message of a client in the vectors: a hello, the message, and some life around it.
///
/// # Panics
/// If a file of the vectors is not as its README says.
#[must_use]
pub fn session_samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for (file, text) in [("frames", FRAMES), ("bad", BAD)] {
        let of_clients = |entry: &&Value| entry["sender"] == "client";
        for (number, entry) in entries(text).iter().enumerate().filter(|(_, entry)| of_clients(entry)) {
            for (encoding, message) in messages(entry) {
                let is_hello = entry["name"].as_str().is_some_and(|name| name.starts_with("hello"));
                let mut script = vec![u8::from(encoding == Encoding::Json)];
                script.extend([Op::Write as u8, 0, 3, Op::Write as u8, 1, 1]);
                if !is_hello {
                    script.extend([Op::Hello as u8, 1, 2, 0, 1, 1, 2]);
                }
                script.push(Op::Message as u8);
                script.extend((u16::try_from(message.len()).unwrap_or(0)).to_le_bytes());
                script.extend(message);
                script.extend([Op::Publish as u8, 1, 4, 0, 3, Op::Write as u8, 0, 1, Op::Wait as u8, 3]);
                samples.push((format!("{file}-{number:03}.{}", extension(encoding)), script));
            }
        }
    }
    samples.extend(LIVES.iter().map(|(name, text)| ((*name).to_owned(), script(text))));
    samples
}

/// Sessions that hold many things up, lag behind, come back, and are pushed out: the encoding, then the steps of the script.
const LIVES: &[(&str, &str)] = &[
    (
        "held-back",
        "msgpack; hello 1 0; hold; subscribe 0 0; publish 1 4 0 5; unsubscribe 0; resume 2 1 0 2 0; hold; wait 1",
    ),
    ("slow", "json; hello 1 1 0 0; deaf; write 0 9; publish 1 4 0 5; wait 2; deaf; trim 0 4; write 0 2"),
    (
        "other-history",
        "msgpack; write 0 9; write 1 9; hello 1 3 0 3 1 4 2 5; subscribe 3 1 7; history 0 3 1 9; rooms 0 4; who 0",
    ),
    ("replaced", "msgpack; hello 1 1 0 0; intrude; publish 1 4 0 3"),
    ("silent", "msgpack; hello 1 0; wait 5; beat; wait 7"),
    ("late", "json; wait 4"),
    ("together", "msgpack; hello 1 0; hold; publish 1 4 0 3; publish 1 4 0 3; hold"),
    ("lagging", "msgpack; hello 1 1 0 0; write 0 5; deaf; write 0 9; wait 5; deaf; wait 5"),
    ("elsewhere", "json; hello 1 1 0 0; write 0 5; write 0 8; write 0 3; wait 1; write 0 8; publish 1 1 1 3"),
    (
        "trimmed",
        "msgpack; write 0 9; hello 1 1 0 6; deaf; write 1 99; unsubscribe 0; deaf; trim 0 5; subscribe 0 0; subscribe 1 1 2",
    ),
    (
        "removed",
        "msgpack; other 0 1 0; other 12 1 1; hello 1 0; do 11 1 0; subscribe 1 0; write 1 9; other 13 1 0; write 1 9; question 2 1 9; history 1 0 9",
    ),
    (
        "newcomer",
        "json; other 1 1 0; write 1 9; other 12 1 1; hello 1 0; subscribe 1 0; do 9 1 0; subscribe 1 0; write 1 8; unsubscribe 1; subscribe 1 1 0; other 14 1 4; wait 2",
    ),
    (
        "deleted",
        "msgpack; hello 1 1 0 0; do 2 2 0; subscribe 2 0; publish 1 4 2 3; do 8 2 0; publish 1 4 2 3; subscribe 2 1 1; history 2 3 1 9",
    ),
    (
        "deleted-elsewhere",
        "json; other 2 2 1; hello 1 1 2 0; write 2 9; deaf; other 8 2 4; write 2 8; deaf; wait 2; resume 1 2 1",
    ),
    (
        "changed",
        "json; hello 1 1 0 0; publish 1 4 0 3; do 18 0 1; do 20 0 1; do 21 0 1; do 22 0 1; history 0 0 9; do 19 0 1; question 2 0 0; history 0 0 9",
    ),
    (
        "two-alone",
        "msgpack; hello 1 0; question 9 0 0; other 3 5 1; subscribe 5 0; publish 1 4 5 3; other 23 5 1; question 10 0 0; other 23 5 1; signal 5 2",
    ),
    (
        "asking",
        "json; hello 1 0; do 2 1 0; do 5 1 3; question 0 1 0; question 1 1 9; question 4 0 0; question 5 0 0; question 6 0 9; question 7 0 9; question 8 0 1; question 11 0 0; do 18 1 255",
    ),
    (
        "away-for-long",
        "json; write 0 9; write 1 40; hello 1 4 0 0 1 0 2 0 5 0; subscribe 6 5 0 3; wait 1; question 14 0 1; question 13 0 3; question 18 1 9",
    ),
    ("repeated", "json; hello 1 0; publish 1 4 0 3; publish 0 4 0 3; publish 2 1 0 3; publish 0 4 0 3"),
];

/// A session as it is written in [`LIVES`].
fn script(text: &str) -> Vec<u8> {
    let mut script = Vec::new();
    for word in text.split([' ', ';']).filter(|word| !word.is_empty()) {
        script.push(match (word, Op::from_name(word)) {
            ("msgpack", _) => 0,
            ("json", _) => 1,
            (_, Some(op)) => op as u8,
            (number, None) => number.parse().expect("a step or a number of eight bits"),
        });
    }
    script
}

fn entries(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a file of the vectors is a list")
}

/// The bytes of an entry in each encoding that it has.
fn messages(entry: &Value) -> Vec<(Encoding, Vec<u8>)> {
    let text = |name: &str| entry[name].as_str();
    let hex = |digits: &str| HEXLOWER.decode(digits.as_bytes()).expect("bytes stand as lower-case hex");
    let msgpack = text("msgpack").map(|digits| (Encoding::MessagePack, hex(digits)));
    let json = text("json").map(|json| (Encoding::Json, json.as_bytes().to_vec()));
    let json_hex = text("json_hex").map(|digits| (Encoding::Json, hex(digits)));
    [msgpack, json, json_hex].into_iter().flatten().collect()
}

const fn extension(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::MessagePack => "msgpack",
        Encoding::Json => "json",
    }
}

const FRAMES: &str = include_str!("../../../docs/vectors/frames.json");
const LENIENT: &str = include_str!("../../../docs/vectors/lenient.json");
const BAD: &str = include_str!("../../../docs/vectors/bad.json");
