//! A client that sends frames, or anything else, over a real socket.

use std::net::SocketAddr;

use anchor_core::event::Draft;
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::publish::Ack;
use anchor_core::session::frame::{ClientFrame, Hello, PublishFrame, ServerFrame};
use anchor_transport::codec::Encoding;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::soon;

/// A WebSocket connection.
pub(crate) struct Wire {
    pub(crate) socket: WebSocketStream<TcpStream>,
    encoding: Encoding,
    next: u64,
}

/// The server's answer to a handshake.
type Answer = Response<Option<Vec<u8>>>;

/// A handshake with a subprotocol and further headers; the server's answer either way.
pub(crate) async fn handshake(
    address: SocketAddr,
    subprotocol: &str,
    headers: &[(&'static str, &str)],
) -> Result<(WebSocketStream<TcpStream>, Answer), Box<Answer>> {
    handshake_at(address, "/v1/ws", subprotocol, headers).await
}

/// As [`handshake`], on another path.
async fn handshake_at(
    address: SocketAddr,
    path: &str,
    subprotocol: &str,
    headers: &[(&'static str, &str)],
) -> Result<(WebSocketStream<TcpStream>, Answer), Box<Answer>> {
    let mut request: Request<()> = format!("ws://{address}{path}").into_client_request().unwrap();
    if !subprotocol.is_empty() {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    }
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    match soon(client_async(request, stream)).await {
        Ok(opened) => Ok(opened),
        Err(Error::Http(refused)) => Err(refused),
        Err(error) => panic!("neither opened nor refused: {error}"),
    }
}

impl Wire {
    /// A connection on which nothing has been said.
    pub(crate) async fn connect(address: SocketAddr, encoding: Encoding) -> Self {
        Self::connect_at(address, "/v1/ws", encoding).await
    }

    /// As [`Wire::connect`], on another path.
    pub(crate) async fn connect_at(address: SocketAddr, path: &str, encoding: Encoding) -> Self {
        Self::opened(handshake_at(address, path, encoding.subprotocol(), &[]).await.unwrap(), encoding)
    }

    /// As [`Wire::connect`], with further headers in the handshake.
    pub(crate) async fn connect_with(
        address: SocketAddr,
        encoding: Encoding,
        headers: &[(&'static str, &str)],
    ) -> Self {
        Self::opened(handshake(address, encoding.subprotocol(), headers).await.unwrap(), encoding)
    }

    fn opened((socket, answer): (WebSocketStream<TcpStream>, Answer), encoding: Encoding) -> Self {
        assert_eq!(answer.headers()["sec-websocket-protocol"], encoding.subprotocol());
        Self { socket, encoding, next: 0 }
    }

    /// A session of a fresh client of `user`.
    pub(crate) async fn session(address: SocketAddr, encoding: Encoding, user: &str) -> Self {
        let mut wire = Self::connect(address, encoding).await;
        wire.send(&hello(user)).await;
        let welcome = wire.frame().await;
        assert!(
            matches!(&welcome, ServerFrame::Welcome(welcome) if welcome.user.as_str() == user),
            "{welcome:?}"
        );
        wire
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        let bytes = self.encoding.encode_client(frame);
        let message = match self.encoding.is_text() {
            true => Message::Text(bytes.try_into().unwrap()),
            false => Message::Binary(bytes),
        };
        soon(self.socket.send(message)).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        loop {
            let message = soon(self.socket.next()).await.expect("the connection is open").unwrap();
            if matches!(message, Message::Text(_) | Message::Binary(_)) {
                return self.encoding.decode_server(&message.into_data()).unwrap();
            }
        }
    }

    /// The goodbye that comes next, after which the connection ends: its code and when to come back.
    pub(crate) async fn goodbye(&mut self) -> (&'static str, Option<u64>) {
        let ServerFrame::Goodbye { code, reconnect_after_ms, .. } = self.frame().await else {
            panic!("a frame that is no goodbye");
        };
        let closed = soon(self.socket.next()).await;
        assert!(matches!(closed, Some(Ok(Message::Close(_))) | None), "{closed:?}");
        (code.name(), reconnect_after_ms)
    }

    /// Publishes a text to a room, and takes the ack.
    pub(crate) async fn publish(&mut self, room: &str, text: &str) -> Ack {
        self.next += 1;
        self.send(&publish(self.next, room, text)).await;
        match self.frame().await {
            ServerFrame::Ack(ack) => ack,
            other => panic!("no ack: {other:?}"),
        }
    }
}

/// A `hello` of a client that nobody has seen before.
pub(crate) fn hello(user: &str) -> ClientFrame {
    ClientFrame::Hello(Hello {
        token: None,
        user: Some(UserId::new(user).unwrap()),
        client_id: ClientId::random(&anchor_system::System),
        waits: Seq::new(1).unwrap(),
        features: Vec::new(),
        resume: Vec::new(),
    })
}

/// The `publish` with this seq.
pub(crate) fn publish(seq: u64, room: &str, text: &str) -> ClientFrame {
    ClientFrame::Publish(PublishFrame {
        seq: Seq::new(seq).unwrap(),
        nonce: Nonce(7),
        waits: Seq::new(seq).unwrap(),
        room: RoomId::new(room).unwrap(),
        draft: Draft::message(text),
        client_id: None,
    })
}
