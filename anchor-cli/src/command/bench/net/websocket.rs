//! As much of WebSocket (RFC 6455) as a load generator needs: the handshake, frames of a server taken where they lie, and
//! masked frames of a client. Fragmented messages and extensions are refused: Anchor's server sends neither.

/// What opens a connection.
pub(super) fn request(authority: &str, path: &str, subprotocol: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
    .into_bytes()
}

/// Reads the answer to [`request`]: how long it is, once it has come whole.
///
/// # Errors
/// A sentence where the server does not take the connection.
pub(super) fn answer(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the answer is no HTTP: {error}")),
    };
    match response.code {
        Some(101) => {}
        code => return Err(format!("the server answers with HTTP status {}", code.unwrap_or_default())),
    }
    let accept =
        response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sec-websocket-accept"));
    match accept.is_some_and(|header| header.value == ACCEPT.as_bytes()) {
        true => Ok(Some(length)),
        false => Err("the server answers as no WebSocket server does".to_owned()),
    }
}

/// A frame of a server, where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    pub(super) payload: &'a [u8],
}

/// Takes the first frame from `bytes`, with its length; `None` where it has not come whole.
///
/// # Errors
/// A sentence where it is none that this program takes.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, String> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0xf0 != FIN {
        return Err("a message in fragments, or with an extension".to_owned());
    }
    let (length, header) = match second {
        length @ 0..=125 => (u64::from(*length), 2),
        126 => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        _ => return Err("a masked frame".to_owned()),
    };
    let end = usize::try_from(length)
        .ok()
        .filter(|length| *length <= FRAME_BYTES_MAX)
        .map(|length| header + length);
    let end = end.ok_or("a frame longer than any of the protocol")?;
    Ok(bytes.get(header..end).map(|payload| (Frame { opcode: first & 0x0f, payload }, end)))
}

/// Appends a frame of a client to `out`.
pub(super) fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(FIN | opcode);
    if let Ok(length @ 0..=125) = u8::try_from(payload.len()) {
        out.push(MASKED | length);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        out.push(MASKED | 126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(MASKED | 127);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    for chunk in out[start..].chunks_mut(mask.len()) {
        chunk.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Opcodes. Source: RFC 6455 section 5.2.
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// Longest payload that is taken. Source: the protocol's longest frame of a server.
pub(super) const FRAME_BYTES_MAX: usize = anchor_core::limits::FRAME_OUT_BYTES_MAX;

/// The first byte of a frame that is a whole message.
const FIN: u8 = 0x80;

/// In the second byte of a frame of a client.
const MASKED: u8 = 0x80;

/// A key and its answer. Source: RFC 6455 section 1.3; a key protects from caches between, of which there are none here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Headers of an answer. Source: chosen; Anchor sends six.
const HEADERS_MAX: usize = 32;

#[cfg(test)]
mod tests;
