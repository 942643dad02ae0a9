//! Values as JSON: bytes as lower-case hex, bodies that are no text as `{"b64": …}`.

mod reader;
mod writer;

pub(super) use self::reader::FrameReader;
pub(super) use self::writer::FrameWriter;
