//! The server's half of a WebSocket after its handshake, without I/O: bytes come in, messages come out, and what is to be
//! sent is appended to a buffer of the caller's.
//!
//! tungstenite reads: masks, fragments, control frames, UTF-8 and the closing handshake are its business. What is sent is
//! framed here: a server's frame is its payload behind a header of two to ten bytes, and the frames of a run are made once
//! for all its readers, which tungstenite would copy for each. `scripts/autobahn` holds both against RFC 6455.

use std::io::{self, ErrorKind, Read, Write};

use anchor_core::limits::FRAME_IN_BYTES_MAX;
use bytes::Bytes;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// One connection's WebSocket, on the server's side.
///
/// It sends nothing by itself: pongs and the answer to a close frame are appended to `output` by the next call.
#[derive(Debug)]
pub struct WebSocket(Box<WebSocketContext>);

impl WebSocket {
    /// A WebSocket whose handshake is done.
    #[must_use]
    pub fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(CONTROL_BYTES_MAX)
            .max_message_size(Some(FRAME_IN_BYTES_MAX))
            .max_frame_size(Some(FRAME_IN_BYTES_MAX))
            .accept_unmasked_frames(false);
        Self(Box::new(WebSocketContext::new(Role::Server, Some(config))))
    }

    /// The next message in `input`, of which what was read is taken away; `None` once it needs more bytes.
    ///
    /// # Errors
    /// Those of tungstenite, for bytes that are no WebSocket; see [`close_code_of`]. [`Error::ConnectionClosed`] once both
    /// sides have closed.
    pub fn receive(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Option<Message>, Error> {
        match self.0.read(&mut Pipe { input, output }) {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Appends what is due by itself: the answer to a close frame that was received.
    pub fn answer_close(&mut self, output: &mut Vec<u8>) {
        // Ends in an error that says the connection is closed, which is what is being answered.
        let _ = self.0.flush(&mut Pipe { input: &mut &[][..], output });
    }

    /// Appends a close frame, unless one was sent or received before.
    pub fn close(&mut self, frame: CloseFrame, output: &mut Vec<u8>) {
        // The buffer takes everything; what else can go wrong is that the connection is closed.
        let _ = self.0.close(&mut Pipe { input: &mut &[][..], output }, Some(frame));
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends a data message in one frame; `write` appends its payload, of about `bytes` bytes: a good guess saves moving it.
pub fn write_message(output: &mut Vec<u8>, is_text: bool, bytes: usize, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = output.len();
    let guessed = header_bytes(bytes);
    output.resize(begin + guessed, 0);
    write(output);
    let (header, needed) = header(is_text, output.len() - begin - guessed);
    if needed != guessed {
        output.splice(begin..begin + guessed, std::iter::repeat_n(0, needed));
    }
    output[begin..begin + needed].copy_from_slice(&header[..needed]);
}

/// Bytes of the header in front of an unmasked payload (RFC 6455, section 5.2).
const fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => HEADER_BYTES_MIN,
        126..=0xffff => 4,
        _ => HEADER_BYTES_MAX,
    }
}

/// The payload of a message that [`write_message`] has written.
#[must_use]
pub fn payload(message: &Bytes) -> Bytes {
    message.slice(
        match message[1] {
            LENGTH_IN_2_BYTES => 4,
            LENGTH_IN_8_BYTES => HEADER_BYTES_MAX,
            _ => HEADER_BYTES_MIN,
        }..,
    )
}

/// The header of an unmasked, unfragmented data frame, and its length.
fn header(is_text: bool, payload_bytes: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = FINAL | if is_text { OPCODE_TEXT } else { OPCODE_BINARY };
    let bytes = header_bytes(payload_bytes);
    let length = (payload_bytes as u64).to_be_bytes();
    match bytes {
        HEADER_BYTES_MIN => header[1] = length[7],
        4 => {
            header[1] = LENGTH_IN_2_BYTES;
            header[2..4].copy_from_slice(&length[6..]);
        }
        _ => {
            header[1] = LENGTH_IN_8_BYTES;
            header[2..].copy_from_slice(&length);
        }
    }
    (header, bytes)
}

/// The code to close a WebSocket with whose bytes cannot be read on; `None` where nobody is there any more.
///
/// Source: RFC 6455, sections 7.4.1 and 8.1.
#[must_use]
pub const fn close_code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// What tungstenite takes for a stream.
struct Pipe<'a, 'b> {
    input: &'a mut &'b [u8],
    output: &'a mut Vec<u8>,
}

impl Read for Pipe<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An empty input is not the end of the connection.
        if self.input.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.input.read(buffer) }
    }
}

impl Write for Pipe<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Source: RFC 6455, section 5.2.
const FINAL: u8 = 0x80;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const LENGTH_IN_2_BYTES: u8 = 126;
const LENGTH_IN_8_BYTES: u8 = 127;

/// Bytes of a frame's header without a mask: for a payload of at most 125 bytes, and at most.
const HEADER_BYTES_MIN: usize = 2;
const HEADER_BYTES_MAX: usize = 10;

/// What tungstenite begins to keep of a connection's input with, in bytes: a frame that has not come whole, and the rest of
/// what it was read with. It grows to the largest frame that came, and never shrinks. Source: chosen; it reads from memory,
/// so that a small buffer costs no system calls, and an idle connection keeps it.
const READ_BUFFER_BYTES: usize = 512;

/// Bound of what tungstenite buffers to send: control frames alone. Source: RFC 6455 section 5.5, 125 bytes and a header,
/// a pong and a close frame.
const CONTROL_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests;
