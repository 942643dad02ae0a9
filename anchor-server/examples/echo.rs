//! An echo on the server's own socket layer: what `scripts/autobahn` holds against RFC 6455.
//!
//! The handshake's answer, the WebSocket and its configuration are the server's (its very file is included here); only what
//! sits on top is another: whatever comes is sent back, and where a connection ends badly it is closed with the code that
//! the server uses. Prints the address that it listens on, and serves until its input ends.

use std::convert::Infallible;
use std::io::Write;

use anchor_transport::websocket::{WebSocket, close_code_of, write_message};
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::SEC_WEBSOCKET_KEY;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use self::socket::Socket;

#[path = "../src/routes/ws/socket.rs"]
mod socket;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                tokio::spawn(http(accepted?.0));
            }
            read = input.read(&mut ignored) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// HTTP on one connection, as the server's `listener.rs` does it.
async fn http(stream: TcpStream) {
    if stream.set_nodelay(true).is_ok() {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(upgrade));
        // A connection that ends badly is the test suite's business, which made it.
        let _ = connection.with_upgrades().await;
    }
}

async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (Some(upgrade), Some(key)) = (upgrade, request.headers().get(SEC_WEBSOCKET_KEY)) else {
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return Ok(refusal);
    };
    tokio::spawn(async move {
        match Socket::take(upgrade).await {
            Ok(Socket::Own(socket, early)) => drop(echo(socket, &early).await),
            Ok(Socket::Hosted(socket)) => drop(echo(socket, &[]).await),
            Err(_) => {}
        }
    });
    Ok(socket::switching(key, "anchor.v1.msgpack"))
}

async fn echo<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO, early: &[u8]) -> std::io::Result<()> {
    let mut websocket = WebSocket::new();
    let (mut input, mut output) = (vec![0; 16 * 1024], Vec::new());
    let mut received = early.to_vec();
    loop {
        let mut bytes = &received[..];
        loop {
            match websocket.receive(&mut bytes, &mut output) {
                Ok(Some(Message::Text(text))) => {
                    write_message(&mut output, true, text.len(), |output| {
                        output.extend_from_slice(text.as_bytes())
                    });
                }
                Ok(Some(Message::Binary(data))) => {
                    write_message(&mut output, false, data.len(), |output| output.extend_from_slice(&data));
                }
                Ok(Some(Message::Close(_))) => {
                    websocket.answer_close(&mut output);
                    return io.write_all(&output).await;
                }
                Ok(Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Ok(None) => break,
                // Bytes that cannot be told apart any more.
                Err(error) => {
                    let Some(code) = close_code_of(&error) else { return Ok(()) };
                    websocket.close(CloseFrame { code, reason: Utf8Bytes::default() }, &mut output);
                    io.write_all(&output).await?;
                    io.shutdown().await?;
                    return tokio::io::copy(&mut io, &mut tokio::io::sink()).await.map(drop);
                }
            }
        }
        io.write_all(&output).await?;
        output.clear();
        let bytes = io.read(&mut input).await?;
        if bytes == 0 {
            return Ok(());
        }
        received.clear();
        received.extend_from_slice(&input[..bytes]);
    }
}
