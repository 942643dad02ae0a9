//! Frames of both sides in both encodings.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anchor_core::code::Code;
use anchor_core::event::{Body, MENTIONS_MAX, encoding};
use anchor_core::id::NUMBER_MAX;
use anchor_core::limits::{
    CONSUME_DONE_MAX, FEATURES_MAX, MESSAGE_BYTES_MAX, PROFILES_MAX, READERS_OFFSETS_MAX, RESUME_ROOMS_MAX,
    SEARCH_TEXT_BYTES_MAX, TITLE_BYTES_MAX, WEBHOOK_KINDS_MAX, WEBHOOK_SECRET_BYTES_MAX,
    WEBHOOK_URL_BYTES_MAX,
};
use anchor_core::position::{Mark, Offset};
use anchor_core::run::{Contents, Run, RunParts};
use anchor_core::session::frame::{ClientFrame, Events, Presence, ServerFrame, WebhookChange, Which};
use bytes::Bytes;

use crate::codec::{DecodeError, Encoding};

/// Reads `message` as a frame of either side in either encoding. What is no frame is refused with an answer that can be
/// sent; what is one is the same frame after it was written and read again, in its own encoding and in the other, and
/// keeps the limits.
///
/// # Panics
/// Where that does not hold.
pub fn frames(message: &[u8]) {
    let message = Bytes::copy_from_slice(message);
    for encoding in Encoding::ALL {
        read::<ClientFrame>(encoding, &message);
        read::<ServerFrame>(encoding, &message);
    }
}

fn read<F: Frame>(encoding: Encoding, message: &Bytes) {
    match F::decode(encoding, message) {
        Err(error) => check_error(encoding, message, &error),
        Ok(frame) => {
            frame.check();
            for other in Encoding::ALL {
                let written = frame.encode(other);
                let again = F::decode(other, &written);
                assert_eq!(again.as_ref(), Ok(&frame), "{encoding:?} -> {other:?}");
                assert_eq!(frame.encode(other), written, "written otherwise the second time");
            }
        }
    }
}

/// What both kinds of frames can do.
trait Frame: Sized + Debug + PartialEq {
    fn decode(encoding: Encoding, message: &Bytes) -> Result<Self, DecodeError>;
    fn encode(&self, encoding: Encoding) -> Bytes;
    /// What holds beyond the round trip, which shows that numbers and ids are within their bounds.
    fn check(&self);
}

impl Frame for ClientFrame {
    fn decode(encoding: Encoding, message: &Bytes) -> Result<Self, DecodeError> {
        encoding.decode_client(message)
    }

    fn encode(&self, encoding: Encoding) -> Bytes {
        encoding.encode_client(self)
    }

    fn check(&self) {
        match self {
            Self::Hello(hello) => {
                assert!(hello.resume.len() <= RESUME_ROOMS_MAX && hello.features.len() <= FEATURES_MAX);
            }
            Self::Resume { rooms, .. } => assert!(rooms.len() <= RESUME_ROOMS_MAX),
            Self::Publish(publish) => {
                assert!(publish.seq.get() >= 1 && publish.draft.target != Some(Offset::ZERO));
                check_body(&publish.draft.body);
            }
            Self::Rooms { which: Which::Public(text), .. } => assert!(text.len() <= TITLE_BYTES_MAX),
            Self::Thread { root, .. } => assert_ne!(*root, Offset::ZERO),
            Self::Profiles { users, .. } => assert!(users.len() <= PROFILES_MAX),
            Self::Readers { offsets, .. } => assert!(offsets.len() <= READERS_OFFSETS_MAX),
            Self::Search { text, .. } => assert!(text.len() <= SEARCH_TEXT_BYTES_MAX),
            Self::Presence { presence } => assert_ne!(*presence, Presence::Offline),
            Self::Consume(consume) => assert!(consume.done.len() <= CONSUME_DONE_MAX),
            Self::ChangeWebhook { change, .. } => {
                if let WebhookChange::Put(webhook) = &**change {
                    let secret = webhook.secret.as_ref().map_or(0, |secret| secret.0.len());
                    assert!(webhook.url.len() <= WEBHOOK_URL_BYTES_MAX && secret <= WEBHOOK_SECRET_BYTES_MAX);
                    assert!(webhook.kinds.len() <= WEBHOOK_KINDS_MAX);
                }
            }
            _ => {}
        }
    }
}

impl Frame for ServerFrame {
    fn decode(encoding: Encoding, message: &Bytes) -> Result<Self, DecodeError> {
        encoding.decode_server(message)
    }

    fn encode(&self, encoding: Encoding) -> Bytes {
        encoding.encode_server(self)
    }

    fn check(&self) {
        if let Self::Events(events) = self {
            check_events(events);
        }
    }
}

/// Events follow each other, and a run of them goes out as the frame that they came in.
fn check_events(frame: &Events) {
    let Events { room, epoch, first, events } = frame;
    for (event, offset) in events.iter().zip(first.0..) {
        assert_eq!(event.offset.0, offset);
        assert!(event.ts <= NUMBER_MAX);
        event.body.iter().for_each(check_body);
    }
    let (Some(last), Some(before)) = (events.last(), first.0.checked_sub(1)) else { return };
    let mut encoded = Vec::new();
    events.iter().for_each(|event| encoding::write_event(&mut encoded, event));
    let run = Run::from_parts(RunParts {
        room: room.clone(),
        epoch: *epoch,
        before: Mark { offset: Offset(before), ..Mark::START },
        tip: last.mark(),
        events: encoded.into(),
        contents: Contents::PLAIN,
    });
    let frame = ServerFrame::Events(frame.clone());
    for encoding in Encoding::ALL {
        assert_eq!(encoding.encode_run(&run), encoding.encode_server(&frame), "{encoding:?}");
    }
}

/// Mentions are few, and somebody's; each user is called once.
fn check_body(body: &Body) {
    let Some(mentions) = body.mentions() else { return };
    let users: BTreeSet<_> = mentions.users.iter().collect();
    assert!(
        !mentions.is_empty() && mentions.users.len() <= MENTIONS_MAX && users.len() == mentions.users.len()
    );
}

fn check_error(encoding: Encoding, message: &Bytes, error: &DecodeError) {
    let DecodeError { code, id, message: text } = error.clone();
    assert!(!text.is_empty() && text.len() <= MESSAGE_BYTES_MAX, "{text:?}");
    assert!(code != Code::Malformed || id.is_none(), "a malformed message has no id that one could trust");
    assert!(
        matches!(code, Code::Malformed | Code::Unsupported | Code::Invalid | Code::TooManyRooms),
        "{code:?} for {encoding:?} {message:?}"
    );
    let answer = ServerFrame::Error { id, code, message: text, retry_after_ms: None };
    let sent = encoding.encode_server(&answer);
    assert_eq!(encoding.decode_server(&sent), Ok(answer), "the answer to what is no frame");
}
