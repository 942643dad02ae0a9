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
                script.extend([Op::Publish as u8, 1, 0, 0, 3, Op::Write as u8, 0, 1, Op::Wait as u8, 3]);
                samples.push((format!("{file}-{number:03}.{}", extension(encoding)), script));
            }
        }
    }
    samples.extend(LIVES.iter().map(|(name, script)| ((*name).to_owned(), script.to_vec())));
    samples
}

/// Sessions that hold many things up, lag behind, come back, and are pushed out.
const LIVES: &[(&str, &[u8])] = &[
    (
        "held-back",
        &[
            0,
            Op::Hello as u8,
            1,
            0,
            Op::Hold as u8,
            Op::Subscribe as u8,
            0,
            0,
            0,
            Op::Publish as u8,
            1,
            0,
            0,
            5,
            Op::Unsubscribe as u8,
            0,
            Op::Resume as u8,
            2,
            1,
            0,
            2,
            0,
            Op::Hold as u8,
            Op::Wait as u8,
            1,
        ],
    ),
    (
        "slow",
        &[
            1,
            Op::Hello as u8,
            1,
            1,
            0,
            0,
            Op::Deaf as u8,
            Op::Write as u8,
            0,
            9,
            Op::Publish as u8,
            1,
            0,
            0,
            5,
            Op::Wait as u8,
            2,
            Op::Deaf as u8,
            Op::Trim as u8,
            0,
            4,
            Op::Write as u8,
            0,
            2,
        ],
    ),
    (
        "other-history",
        &[
            0,
            Op::Write as u8,
            0,
            9,
            Op::Write as u8,
            1,
            9,
            Op::Hello as u8,
            1,
            3,
            0,
            3,
            1,
            4,
            2,
            5,
            Op::Subscribe as u8,
            3,
            1,
            7,
            Op::History as u8,
            0,
            3,
            9,
            Op::Rooms as u8,
            0,
            4,
            Op::Who as u8,
            0,
        ],
    ),
    ("replaced", &[0, Op::Hello as u8, 1, 1, 0, 0, Op::Intrude as u8, Op::Publish as u8, 1, 0, 0, 3]),
    ("silent", &[0, Op::Hello as u8, 1, 0, Op::Wait as u8, 5, Op::Beat as u8, Op::Wait as u8, 7]),
    ("late", &[1, Op::Wait as u8, 4]),
    (
        "together",
        &[
            0,
            Op::Hello as u8,
            1,
            0,
            Op::Hold as u8,
            Op::Publish as u8,
            1,
            4,
            0,
            3,
            Op::Publish as u8,
            1,
            4,
            0,
            3,
            Op::Hold as u8,
        ],
    ),
    (
        "lagging",
        &[
            0,
            Op::Hello as u8,
            1,
            1,
            0,
            0,
            Op::Write as u8,
            0,
            5,
            Op::Deaf as u8,
            Op::Write as u8,
            0,
            9,
            Op::Wait as u8,
            5,
            Op::Deaf as u8,
            Op::Wait as u8,
            5,
        ],
    ),
    (
        "elsewhere",
        &[
            1,
            Op::Hello as u8,
            1,
            1,
            0,
            0,
            Op::Write as u8,
            0,
            5,
            Op::Write as u8,
            0,
            8,
            Op::Write as u8,
            0,
            3,
            Op::Wait as u8,
            1,
            Op::Write as u8,
            0,
            8,
            Op::Publish as u8,
            1,
            1,
            1,
            3,
        ],
    ),
    (
        "trimmed",
        &[
            0,
            Op::Write as u8,
            0,
            9,
            Op::Hello as u8,
            1,
            1,
            0,
            6,
            Op::Deaf as u8,
            Op::Write as u8,
            1,
            99,
            Op::Unsubscribe as u8,
            0,
            Op::Deaf as u8,
            Op::Trim as u8,
            0,
            5,
            Op::Subscribe as u8,
            0,
            0,
            Op::Subscribe as u8,
            1,
            1,
            2,
        ],
    ),
    (
        "repeated",
        &[
            1,
            Op::Hello as u8,
            1,
            0,
            Op::Publish as u8,
            1,
            4,
            0,
            3,
            Op::Publish as u8,
            0,
            4,
            0,
            3,
            Op::Publish as u8,
            2,
            1,
            0,
            3,
            Op::Publish as u8,
            0,
            4,
            0,
            3,
        ],
    ),
];

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
