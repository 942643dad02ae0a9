//! The end of a connection: what is left is said, and the peer is given time to hear it.

use anchor_core::code::Code;
use anchor_core::limits::GOODBYE_WITHIN;
use anchor_core::session::Goodbye;
use anchor_core::session::frame::ServerFrame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Ended;
use super::connection::{Connection, End};

/// Ends a connection, within [`GOODBYE_WITHIN`].
pub(super) async fn close<IO>(mut connection: Connection, mut io: IO, end: End) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let by = connection.anchor().env().sleep_until(connection.anchor().now() + GOODBYE_WITHIN);
    let (ended, goodbye) = match end {
        End::Gone => return Ended::Gone,
        End::Closed => {
            connection.websocket.answer_close(&mut connection.unwritten);
            (Ended::Gone, None)
        }
        End::Goodbye(goodbye) => (Ended::Goodbye(goodbye.code), Some(goodbye)),
        // In the middle of a message nothing can be said any more.
        End::Panicked if connection.is_mid_message => return Ended::Panicked,
        End::Panicked => {
            let goodbye =
                Goodbye::new(Code::Internal, "a defect of the server ended this session; come back");
            // What else was to be written may be what it panicked over.
            connection.unwritten.clear();
            let frame = ServerFrame::Goodbye {
                code: goodbye.code,
                message: goodbye.message.clone(),
                reconnect_after_ms: None,
            };
            connection.encoding.write_server_message(&frame, &mut connection.unwritten);
            (Ended::Panicked, Some(goodbye))
        }
    };
    let last = async {
        match goodbye {
            Some(goodbye) => say(&mut connection, &mut io, &goodbye).await,
            None => drop(flush(&mut io, &connection.unwritten).await),
        }
    };
    tokio::select! {
        biased;
        () = by => {}
        () = last => {}
    }
    ended
}

/// Sends what is left and the close frame, and waits for the peer to close: what it has not read yet would be lost
/// with the connection otherwise. Where its bytes cannot be told apart any more, they are dropped: a socket that is
/// closed with bytes unread resets the connection, and the goodbye is lost with it.
async fn say<IO>(connection: &mut Connection, io: &mut IO, goodbye: &Goodbye)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut output = std::mem::take(&mut connection.unwritten);
    let frame = CloseFrame {
        code: match connection.unreadable {
            Some(code) if goodbye.code == Code::Malformed => code,
            _ => close_code(goodbye.code),
        },
        reason: Utf8Bytes::from_static(goodbye.code.name()),
    };
    connection.websocket.close(frame, &mut output);
    if flush(io, &output).await.is_err() {
        return;
    }
    output.clear();
    let mut input = vec![0; DRAIN_BYTES];
    let mut is_readable = connection.unreadable.is_none();
    while is_readable {
        let Ok(received @ 1..) = io.read(&mut input).await else { return };
        let mut bytes = &input[..received];
        // Whatever it says now is not heard, but for its close frame.
        is_readable = loop {
            match connection.websocket.receive(&mut bytes, &mut output) {
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(tokio_tungstenite::tungstenite::Error::ConnectionClosed) => return,
                Err(_) => break false,
            }
        };
    }
    if io.shutdown().await.is_ok() {
        // Ends by the peer, or by the time that it was given.
        let _ = tokio::io::copy(io, &mut tokio::io::sink()).await;
    }
}

async fn flush<IO: AsyncWrite + Unpin>(io: &mut IO, bytes: &[u8]) -> std::io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

/// The WebSocket close code that goes with a goodbye. Source: RFC 6455 section 7.4.1.
fn close_code(code: Code) -> CloseCode {
    match code {
        Code::Malformed | Code::OutOfOrder => CloseCode::Protocol,
        Code::TooLarge => CloseCode::Size,
        Code::Internal | Code::StoreFailed => CloseCode::Error,
        Code::Shutdown => CloseCode::Away,
        _ => CloseCode::Normal,
    }
}

/// Bytes that are read at once from a peer that is to close. Source: chosen.
const DRAIN_BYTES: usize = 4096;
