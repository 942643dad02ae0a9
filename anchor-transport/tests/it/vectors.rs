//! `docs/vectors/`: every sample, in both encodings and both directions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anchor_core::chain::{Link, Salt, digest, extend};
use anchor_core::code::Code;
use anchor_core::event::{Body, Draft, EventKind, Mentions, encoding};
use anchor_core::id::{ClientId, ClientKey, ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::msgpack::Reader;
use anchor_core::position::{Chain, Mark, Offset, Ordinal};
use anchor_core::publish::{MissingRoom, Publish, Verdict};
use anchor_core::room::{Sign, Title};
use anchor_core::session::frame::{ClientFrame, Events, RequestId, ServerFrame};
use anchor_transport::codec::{DecodeError, Encoding, FrameKind};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::Value;

/// A frame of either side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Client(ClientFrame),
    Server(ServerFrame),
}

/// Who sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sender {
    Client,
    Server,
}

impl Sender {
    pub(crate) fn decode(self, encoding: Encoding, bytes: &Bytes) -> Result<Frame, DecodeError> {
        match self {
            Self::Client => encoding.decode_client(bytes).map(Frame::Client),
            Self::Server => encoding.decode_server(bytes).map(Frame::Server),
        }
    }
}

impl Frame {
    pub(crate) fn encode(&self, encoding: Encoding) -> Bytes {
        match self {
            Self::Client(frame) => encoding.encode_client(frame),
            Self::Server(frame) => encoding.encode_server(frame),
        }
    }
}

/// A sample frame.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) sender: Sender,
    pub(crate) msgpack: Bytes,
    pub(crate) json: Bytes,
}

impl Sample {
    pub(crate) fn bytes(&self) -> [(Encoding, &Bytes); 2] {
        [(Encoding::MessagePack, &self.msgpack), (Encoding::Json, &self.json)]
    }
}

/// The sample frames.
pub(crate) fn frames() -> Vec<Sample> {
    let sample = |entry: &Value| Sample {
        name: text(&entry["name"]),
        sender: sender(entry),
        msgpack: hex(&entry["msgpack"]).into(),
        json: text(&entry["json"]).into(),
    };
    list(&load("frames.json")).iter().map(sample).collect()
}

#[test]
fn frames_are_written_and_read_as_the_samples_are() {
    for Sample { name, sender, msgpack, json } in frames() {
        let read = |encoding, bytes| {
            sender.decode(encoding, bytes).unwrap_or_else(|error| panic!("{name}, {encoding:?}: {error}"))
        };
        let frame = read(Encoding::MessagePack, &msgpack);
        assert_eq!(frame, read(Encoding::Json, &json), "{name}: the encodings differ");
        assert_eq!(frame.encode(Encoding::MessagePack), msgpack, "{name}, MessagePack");
        assert_eq!(frame.encode(Encoding::Json), json, "{name}, JSON");
    }
}

#[test]
fn every_type_of_frame_has_a_sample() {
    let sampled: BTreeSet<_> = frames().iter().map(|sample| (sample.sender, kind_of(&sample.json))).collect();
    for kind in FrameKind::ALL {
        let bytes = Bytes::from(format!("[\"{}\"]", kind.name()));
        for sender in [Sender::Client, Sender::Server] {
            let unsupported = |error: DecodeError| error.code == Code::Unsupported;
            let sends = !sender.decode(Encoding::Json, &bytes).is_err_and(unsupported);
            let is_sampled = sampled.contains(&(sender, kind.name().to_owned()));
            assert_eq!(sends, is_sampled, "{sender:?} {}", kind.name());
        }
    }
}

#[test]
fn events_are_written_and_read_as_the_samples_are() {
    for entry in list(&load("events.json")) {
        let name = text(&entry["name"]);
        let bytes = Bytes::from(hex(&entry["msgpack"]));
        let mut reader = Reader::new(&bytes);
        let event = encoding::read(&mut reader).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(reader.is_empty(), "{name}: bytes are left");
        let mut written = Vec::new();
        encoding::write_event(&mut written, &event);
        assert_eq!(written, bytes, "{name}");
        let json = format!(
            r#"["events","lobby","8f1c2d3e4a5b6c7d",{},[{}]]"#,
            event.offset,
            entry["json"].as_str().expect("a text")
        );
        let frame = Encoding::Json.decode_server(&Bytes::from(json.clone()));
        let Ok(ServerFrame::Events(Events { events, .. })) = &frame else { panic!("{name}: {frame:?}") };
        assert_eq!(*events, [event], "{name}: the encodings differ");
        assert_eq!(Encoding::Json.encode_server(&frame.expect("checked above")), json, "{name}");
    }
}

#[test]
fn what_is_written_otherwise_is_read_all_the_same() {
    for entry in list(&load("lenient.json")) {
        let (name, sender) = (text(&entry["name"]), sender(&entry));
        let meant =
            sender.decode(Encoding::Json, &Bytes::from(text(&entry["means"]))).expect("a frame is meant");
        for (encoding, bytes) in samples(&entry) {
            assert_eq!(sender.decode(encoding, &bytes), Ok(meant.clone()), "{name}, {encoding:?}");
        }
    }
}

#[test]
fn bad_input_gets_its_code() {
    for entry in list(&load("bad.json")) {
        let (name, sender) = (text(&entry["name"]), sender(&entry));
        let expected = (text(&entry["code"]), entry["id"].as_u64().map(RequestId));
        let samples = samples(&entry);
        assert!(!samples.is_empty(), "{name}: no bytes");
        for (encoding, bytes) in samples {
            match sender.decode(encoding, &bytes) {
                Ok(frame) => panic!("{name}, {encoding:?}: read as {frame:?}"),
                Err(error) => {
                    assert_eq!(
                        (error.code.name().to_owned(), error.id),
                        expected,
                        "{name}, {encoding:?}: {error}"
                    );
                    assert!(!error.message.is_empty(), "{name}: no message");
                }
            }
        }
    }
}

#[test]
fn ids_follow_their_rules() {
    let ids = load("ids.json");
    for (validity, expected) in [("valid", true), ("invalid", false)] {
        for id in list(&ids["rooms"][validity]) {
            assert_eq!(RoomId::new(text(&id)).is_ok(), expected, "room {id}");
        }
        for id in list(&ids["users"][validity]) {
            assert_eq!(UserId::new(text(&id)).is_ok(), expected, "user {id}");
        }
    }
}

#[test]
fn digests_and_chains_come_out_as_the_samples_do() {
    let computed = load("chain.json");
    for entry in list(&computed["digests"]) {
        let salt: Salt = fixed(&entry["salt"]);
        assert_eq!(HEXLOWER.encode(&digest(&salt, &body(&entry))), text(&entry["digest"]));
    }
    let mut at = Mark::START;
    for entry in list(&computed["chains"]) {
        assert_eq!(mark(&entry["before"]), at, "one log");
        let user = UserId::new(text(&entry["user"])).expect("a user id");
        let link = Link {
            kind: kind(&entry),
            user: &user,
            client: ClientTag::from_bytes(fixed(&entry["client"])),
            seq: Seq::new(number(&entry["seq"])).expect("a seq"),
            nonce: nonce(&entry),
            ts: number(&entry["ts"]),
            target: entry["target"].as_u64().map(Offset),
        };
        at = extend(at, &link, &fixed(&entry["digest"]));
        assert_eq!(at, mark(&entry["after"]));
    }
}

#[test]
fn fingerprints_and_clients_come_out_as_the_samples_do() {
    let computed = load("chain.json");
    for entry in list(&computed["fingerprints"]) {
        let publish = Publish {
            client: ClientKey { user: UserId::new("ada").expect("a user id"), id: client_id(&entry) },
            session: None,
            seq: Seq::FIRST,
            nonce: nonce(&entry),
            waits: Seq::FIRST,
            room: RoomId::new(text(&entry["room"])).expect("a room id"),
            draft: Draft {
                kind: kind(&entry),
                target: entry["target"].as_u64().map(Offset),
                body: body(&entry),
            },
            verdict: Verdict::Append { room: MissingRoom::Create },
            grounds: None,
        };
        assert_eq!(HEXLOWER.encode(&publish.fingerprint().0), text(&entry["fingerprint"]));
    }
    for entry in list(&computed["clients"]) {
        let user = UserId::new(text(&entry["user"])).expect("a user id");
        let key = ClientKey { user, id: client_id(&entry) };
        assert_eq!(key.tag().to_string(), text(&entry["client"]));
    }
}

#[test]
fn rooms_that_follow_from_ids_come_out_as_the_samples_do() {
    let computed = load("rooms.json");
    let user = |id: &Value| UserId::new(text(id)).expect("a user id");
    let room = |id: &Value| RoomId::new(text(id)).expect("a room id");
    for entry in list(&computed["direct"]) {
        let direct = RoomId::direct(&user(&entry["users"][0]), &user(&entry["users"][1]));
        assert_eq!(direct, room(&entry["room"]));
        assert!(direct.is_direct());
    }
    for entry in list(&computed["own"]) {
        let own = RoomId::own_log(&user(&entry["user"]));
        assert_eq!(own, room(&entry["own"]));
        assert!(own.is_own_log() && !own.is_direct());
    }
    for entry in list(&computed["reports"]) {
        assert_eq!(RoomId::reports_of(&room(&entry["room"])), room(&entry["reports"]));
    }
}

#[test]
fn titles_and_signs_are_normalised_as_the_samples_are() {
    let computed = load("rooms.json");
    for entry in list(&computed["titles"]) {
        let title = Title::new(&text(&entry["text"]));
        assert_eq!(title.as_ref().ok().map(Title::as_str), entry["title"].as_str(), "{entry}");
        let again = title.map(|title| Title::new(title.as_str()) == Ok(title));
        assert!(again.unwrap_or(true), "{entry}: another one the second time");
    }
    for entry in list(&computed["signs"]) {
        let sign = Sign::new(&text(&entry["text"]));
        assert_eq!(sign.as_ref().ok().map(Sign::as_str), entry["sign"].as_str(), "{entry}");
    }
}

fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The bytes of an entry, MessagePack first.
fn samples(entry: &Value) -> Vec<(Encoding, Bytes)> {
    let msgpack =
        entry["msgpack"].is_string().then(|| (Encoding::MessagePack, hex(&entry["msgpack"]).into()));
    let json = entry["json"].is_string().then(|| (Encoding::Json, text(&entry["json"]).into()));
    let json_hex = entry["json_hex"].is_string().then(|| (Encoding::Json, hex(&entry["json_hex"]).into()));
    [msgpack, json, json_hex].into_iter().flatten().collect()
}

fn kind_of(json: &Bytes) -> String {
    text(&serde_json::from_slice::<Value>(json).expect("a sample is JSON")[0])
}

fn sender(entry: &Value) -> Sender {
    match entry["sender"].as_str() {
        Some("client") => Sender::Client,
        Some("server") => Sender::Server,
        other => panic!("sender {other:?}"),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).expect("hex")
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().expect("bytes of that length")
}

fn mark(value: &Value) -> Mark {
    Mark {
        offset: Offset(number(&value["offset"])),
        ordinal: Ordinal(number(&value["ordinal"])),
        chain: Chain::from_bytes(fixed(&value["chain"])),
    }
}

fn kind(entry: &Value) -> EventKind {
    EventKind(number(&entry["kind"]).try_into().expect("16 bits"))
}

fn nonce(entry: &Value) -> Nonce {
    Nonce(number(&entry["nonce"]).try_into().expect("32 bits"))
}

fn client_id(entry: &Value) -> ClientId {
    ClientId::from_bytes(fixed(&entry["client_id"]))
}

fn body(entry: &Value) -> Body {
    let body = Body::new(entry["content_type"].as_str(), hex(&entry["body"]).into()).expect("a body");
    body.mentioning(if entry["mentions"].is_null() {
        Mentions::default()
    } else {
        mentions(&entry["mentions"])
    })
}

fn mentions(value: &Value) -> Mentions {
    let users =
        list(&value[1]).iter().map(|id| UserId::new(text(id)).expect("a user id")).collect::<Vec<_>>();
    Mentions::new(value[0].as_bool().expect("a flag"), users).expect("few enough")
}
