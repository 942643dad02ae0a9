//! Frames as bytes: the two encodings of the protocol, MessagePack and JSON.
//!
//! ```text
//! ClientFrame, ServerFrame ── layout (one definition of each frame) ──┬── msgpack ── binary messages
//!                                                                     └── json ───── text messages
//! ```
//! `layout` alone knows the order of fields and is written against the traits of `value`, so the encodings cannot drift
//! apart. Nothing here panics on input, and nothing is allocated by an announced length.

mod json;
mod kind;
mod layout;
mod msgpack;
mod value;

use anchor_core::code::Code;
use anchor_core::error::ErrorKind;
use anchor_core::msgpack::Malformed;
use anchor_core::run::Run;
use anchor_core::session::frame::{ClientFrame, RequestId, ServerFrame, StoredPage};
use bytes::Bytes;
use thiserror::Error;

pub use self::kind::FrameKind;
use self::layout::Fault;
use self::value::Reader;
use crate::websocket;

/// How frames are written on a connection, chosen by its WebSocket subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `anchor.v1.msgpack`: compact, in binary messages. The default.
    MessagePack,
    /// `anchor.v1.json`: for browsers and people, in text messages.
    Json,
}

impl Encoding {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::MessagePack, Self::Json];

    /// The name of the WebSocket subprotocol.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::MessagePack => "anchor.v1.msgpack",
            Self::Json => "anchor.v1.json",
        }
    }

    /// The encoding of a subprotocol; `None` for one that this version does not speak.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.subprotocol() == name)
    }

    /// True if its frames travel in text messages, else in binary ones.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Json)
    }

    /// The bytes of a client's frame.
    #[must_use]
    pub fn encode_client(self, frame: &ClientFrame) -> Bytes {
        let output = Vec::with_capacity(layout::client_size_hint(frame));
        match self {
            Self::MessagePack => {
                let mut writer = msgpack::FrameWriter::new(output);
                layout::write_client(&mut writer, frame);
                writer.finish().into()
            }
            Self::Json => {
                let mut writer = json::FrameWriter::new(output);
                layout::write_client(&mut writer, frame);
                writer.finish().into()
            }
        }
    }

    /// The frame of a client. A body shares `bytes` where it stands in it as it is and makes up most of it.
    ///
    /// # Errors
    /// [`DecodeError`] says in what the bytes are no frame of a client, and which answer is due.
    pub fn decode_client(self, bytes: &Bytes) -> Result<ClientFrame, DecodeError> {
        let mut frame = match self {
            Self::MessagePack => decode::<msgpack::FrameReader<'_>, _>(bytes, layout::read_client),
            Self::Json => decode::<json::FrameReader<'_>, _>(bytes, layout::read_client),
        }?;
        if let ClientFrame::Publish(publish) = &mut frame {
            let body = &mut publish.draft.body;
            if body.bytes().len() + PADDING_BYTES_MAX < bytes.len() {
                *body = body.copied();
            }
        }
        Ok(frame)
    }

    /// The bytes of a server's frame.
    #[must_use]
    pub fn encode_server(self, frame: &ServerFrame) -> Bytes {
        let mut output = Vec::with_capacity(layout::server_size_hint(frame));
        self.write_server(frame, &mut output);
        output.into()
    }

    /// Appends the WebSocket message of a server's frame to `output`, header and all.
    pub fn write_server_message(self, frame: &ServerFrame, output: &mut Vec<u8>) {
        let bytes = match frame {
            // The most frequent one, and nearly always short.
            ServerFrame::Ack(_) => 0,
            frame => layout::server_size_hint(frame),
        };
        websocket::write_message(output, self.is_text(), bytes, |output| self.write_server(frame, output));
    }

    /// Appends the bytes of a server's frame to `output`.
    pub fn write_server(self, frame: &ServerFrame, output: &mut Vec<u8>) {
        match self {
            Self::MessagePack => {
                let mut writer = msgpack::FrameWriter::new(std::mem::take(output));
                layout::write_server(&mut writer, frame);
                *output = writer.finish();
            }
            Self::Json => {
                let mut writer = json::FrameWriter::new(std::mem::take(output));
                layout::write_server(&mut writer, frame);
                *output = writer.finish();
            }
        }
    }

    /// The frame of a server. Bodies share `bytes` where they stand in it as they are.
    ///
    /// A code, gap reason or durability that this version does not know is read as `docs/protocol.md` says: as
    /// [`Code::Internal`] with the name in the message, as `history`, as `memory`.
    ///
    /// # Errors
    /// [`DecodeError`] says in what the bytes are no frame of a server. A client passes over `unsupported` ones.
    pub fn decode_server(self, bytes: &Bytes) -> Result<ServerFrame, DecodeError> {
        match self {
            Self::MessagePack => decode::<msgpack::FrameReader<'_>, _>(bytes, layout::read_server),
            Self::Json => decode::<json::FrameReader<'_>, _>(bytes, layout::read_server),
        }
    }

    /// The `events` frame of a run, made once and kept in the run. MessagePack copies the encoded events as they are.
    ///
    /// Events that do not decode (a damaged store) are logged, and they and all behind them are missing in the JSON
    /// frame: what follows does not fit then, and no reader takes it.
    #[must_use]
    pub fn encode_run(self, run: &Run) -> Bytes {
        websocket::payload(&self.encode_run_message(run))
    }

    /// The WebSocket message that carries [`Encoding::encode_run`], header and all: what every reader of the run is sent.
    #[must_use]
    pub fn encode_run_message(self, run: &Run) -> Bytes {
        let slot = match self {
            Self::MessagePack => SLOT_MSGPACK,
            Self::Json => SLOT_JSON,
        };
        run.frame(slot, |run| {
            let bytes = RUN_HEADER_BYTES + run.encoded().len();
            let mut output = Vec::with_capacity(bytes);
            websocket::write_message(&mut output, self.is_text(), bytes, |output| {
                self.write_run(run, output)
            });
            output.into()
        })
    }

    /// Appends the WebSocket message of a page to `output`, header and all. MessagePack copies the encoded events as they
    /// are.
    ///
    /// # Errors
    /// [`Malformed`] where an event does not decode, in JSON (a damaged store): a reader would go on behind what is missing.
    /// Nothing was appended.
    pub fn write_page_message(self, page: &StoredPage, output: &mut Vec<u8>) -> Result<(), Malformed> {
        if self == Self::Json {
            self.write_server_message(&ServerFrame::Page(Box::new(page.clone().decode()?)), output);
            return Ok(());
        }
        let events = page.events.iter().map(|run| run.encoded().len()).sum::<usize>();
        let bytes = PAGE_HEADER_BYTES + events;
        output.reserve(bytes);
        websocket::write_message(output, self.is_text(), bytes, |output| {
            let mut writer = msgpack::FrameWriter::new(std::mem::take(output));
            layout::write_page(&mut writer, page);
            *output = writer.finish();
        });
        Ok(())
    }

    fn write_run(self, run: &Run, output: &mut Vec<u8>) {
        match self {
            Self::MessagePack => {
                let mut writer = msgpack::FrameWriter::new(std::mem::take(output));
                layout::write_run(&mut writer, run);
                *output = writer.finish();
            }
            Self::Json => {
                let mut writer = json::FrameWriter::new(std::mem::take(output));
                layout::write_run(&mut writer, run);
                *output = writer.finish();
            }
        }
    }
}

/// Why bytes are no frame, and which answer is due.
///
/// - [`Code::Malformed`]: no frame at all, or one without an id that breaks a rule. The session ends.
/// - [`Code::Unsupported`]: a frame of a type that this version does not know. `error`, and the session goes on.
/// - any other, with an id: a request of which a later field breaks a rule. `error`, and the session goes on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The code of the answer.
    pub code: Code,
    /// The request's id, if it could be read and an answer is due.
    pub id: Option<RequestId>,
    /// One sentence for a person: frame, field and rule.
    pub message: String,
}

impl DecodeError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// What a fault leaves behind: how far reading came.
#[derive(Debug, Default)]
struct Seen {
    kind: Option<FrameKind>,
    id: Option<RequestId>,
}

type Read<R, F> = fn(&mut R, FrameKind, &mut Option<RequestId>) -> Result<Option<F>, Fault>;

fn decode<'a, R: Reader<'a>, F>(bytes: &'a Bytes, read: Read<R, F>) -> Result<F, DecodeError> {
    let mut seen = Seen::default();
    attempt(bytes, read, &mut seen).map_err(|fault| judge::<R>(bytes, &seen, fault))
}

fn attempt<'a, R: Reader<'a>, F>(bytes: &'a Bytes, read: Read<R, F>, seen: &mut Seen) -> Result<F, Fault> {
    let mut reader = R::new(bytes)?;
    let outer = reader.open()?;
    seen.kind = reader.kind()?;
    let known = match seen.kind {
        Some(kind) => read(&mut reader, kind, &mut seen.id)?,
        None => None,
    };
    let Some(frame) = known else {
        seen.id = reader.number().ok().map(RequestId);
        return Err(Fault::UNSUPPORTED);
    };
    reader.close(outer)?;
    reader.finish()?;
    Ok(frame)
}

/// A fault of one field is worth an answer only if the bytes are one whole value.
#[cold]
fn judge<'a, R: Reader<'a>>(bytes: &'a Bytes, seen: &Seen, fault: Fault) -> DecodeError {
    let (code, fault) = match R::whole(bytes) {
        Err(malformed) => (Code::Malformed, malformed.into()),
        Ok(()) if fault.code == Code::Unsupported => (Code::Unsupported, fault),
        Ok(()) if seen.id.is_none() => (Code::Malformed, fault),
        Ok(()) => (fault.code, fault),
    };
    let frame = seen.kind.map_or("frame", FrameKind::name);
    let message = match fault.field {
        "" => format!("{frame}: {}", fault.why),
        field => format!("{frame}: {field}: {}", fault.why),
    };
    let id = seen.id.filter(|_| code != Code::Malformed);
    DecodeError { code, id, message }
}

/// Bytes of a `publish` that its body may keep in memory beside its own. Source: chosen; ids, content type and numbers
/// have less than 400, more is padding, and a client may have a window full of such bodies on their way.
const PADDING_BYTES_MAX: usize = 1024;

/// Where a [`Run`] keeps its frame in MessagePack.
const SLOT_MSGPACK: usize = 0;

/// Where a [`Run`] keeps its frame in JSON.
const SLOT_JSON: usize = 1;

/// Bytes of an `events` message before its events, about. Source: a room id of 64 bytes, the fixed fields, and the header.
const RUN_HEADER_BYTES: usize = 128;

/// Bytes of a `page` message beside its events, about. Source: as for a run, and two positions.
const PAGE_HEADER_BYTES: usize = 192;
