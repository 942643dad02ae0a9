//! The server half over a pipe: real WebSocket frames, a real engine, the store in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use anchor::System;
use anchor_core::code::Code;
use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::faults::{FailingStore, SlowStore};
use anchor_core::engine::{Anchor, Drain};
use anchor_core::event::Draft;
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::limits::{FRAME_IN_BYTES_MAX, HEARTBEAT, HELLO_WITHIN, READS_OPEN_MAX};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Position;
use anchor_core::session::OpenIdentify;
use anchor_core::session::frame::{
    ClientFrame, Hello, HistoryRange, PublishFrame, RequestId, ResumeRoom, ServerFrame,
};
use anchor_transport::codec::Encoding;
use anchor_transport::server::{Ended, NotAccepted, Serving, accept, serve};
use bytes::Bytes;
use futures::task::AtomicWaker;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub(crate) fn anchor() -> Anchor {
    Anchor::builder(MemoryStore::new(System), System).build()
}

fn serve_on(
    io: DuplexStream,
    encoding: Encoding,
    anchor: Anchor,
    identify: Arc<dyn anchor_core::session::Identify>,
) -> JoinHandle<Ended> {
    tokio::spawn(async move { serve(io, &[], encoding, anchor, identify).await })
}

pub(crate) struct Connection {
    socket: WebSocketStream<DuplexStream>,
    encoding: Encoding,
    served: JoinHandle<Ended>,
}

impl Connection {
    pub(crate) async fn open(anchor: &Anchor, encoding: Encoding, pipe_bytes: usize) -> Self {
        let (ours, theirs) = tokio::io::duplex(pipe_bytes);
        let served = serve_on(theirs, encoding, anchor.clone(), Arc::new(OpenIdentify));
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let socket = WebSocketStream::from_raw_socket(ours, Role::Client, Some(config)).await;
        Self { socket, encoding, served }
    }

    async fn hello(anchor: &Anchor, encoding: Encoding, user: &str, rooms: &[&str]) -> Self {
        let mut connection = Self::open(anchor, encoding, 64 * 1024).await;
        connection.send(ClientFrame::Hello(hello(user, rooms))).await;
        assert!(matches!(connection.receive().await, Some(ServerFrame::Welcome(_))));
        connection
    }

    pub(crate) async fn send(&mut self, frame: ClientFrame) {
        let bytes = self.encoding.encode_client(&frame);
        let message = match self.encoding.is_text() {
            true => Message::Text(bytes.try_into().unwrap()),
            false => Message::Binary(bytes),
        };
        self.socket.send(message).await.unwrap();
    }

    /// The next frame; `None` once the connection is closed.
    pub(crate) async fn receive(&mut self) -> Option<ServerFrame> {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.socket.next()).await.expect("a frame comes");
            let bytes: Bytes = match message? {
                Ok(Message::Text(text)) => text.into(),
                Ok(Message::Binary(bytes)) => bytes,
                Ok(_) => continue,
                Err(_) => return None,
            };
            return Some(self.encoding.decode_server(&bytes).unwrap());
        }
    }

    async fn goodbye(&mut self) -> Code {
        loop {
            match self.receive().await {
                Some(ServerFrame::Goodbye { code, .. }) => return code,
                Some(_) => {}
                None => panic!("closed without a goodbye"),
            }
        }
    }

    /// Texts of the lobby, until there are `count`.
    async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            if let Some(ServerFrame::Events(events)) = self.receive().await {
                texts.extend(
                    events
                        .events
                        .iter()
                        .map(|event| event.body.as_ref().unwrap().as_text().unwrap().to_owned()),
                );
            }
        }
        texts
    }
}

pub(crate) fn hello(user: &str, rooms: &[&str]) -> Hello {
    let mut id = [0; 16];
    id[..user.len()].copy_from_slice(user.as_bytes());
    Hello {
        token: None,
        user: Some(UserId::new(user).unwrap()),
        client_id: ClientId::from_bytes(id),
        waits: Seq::FIRST,
        features: Vec::new(),
        resume: rooms
            .iter()
            .map(|room| ResumeRoom::after(RoomId::new(room).unwrap(), Position::START))
            .collect(),
    }
}

fn publish(seq: u64, waits: u64, text: &str) -> ClientFrame {
    ClientFrame::Publish(PublishFrame {
        seq: Seq::new(seq).unwrap(),
        nonce: Nonce(1),
        waits: Seq::new(waits).unwrap(),
        room: RoomId::lobby(),
        draft: Draft::message(text),
        client_id: None,
    })
}

#[tokio::test]
async fn two_clients_talk_in_two_encodings() {
    let anchor = anchor();
    let mut ada = Connection::hello(&anchor, Encoding::MessagePack, "ada", &["lobby"]).await;
    let mut bob = Connection::hello(&anchor, Encoding::Json, "bob", &["lobby"]).await;
    ada.send(publish(1, 1, "hello bob")).await;
    assert!(matches!(ada.receive().await, Some(ServerFrame::Ack(ack)) if ack.mark.offset.0 == 1));
    assert_eq!(bob.texts(1).await, ["hello bob"]);
    bob.send(publish(1, 1, "hello ada")).await;
    assert_eq!(ada.texts(2).await, ["hello bob", "hello ada"]);
    drop((ada.socket, bob.socket));
    assert_eq!(ada.served.await.unwrap(), Ended::Gone);
}

#[tokio::test]
async fn bytes_that_are_no_frame_get_a_named_goodbye_and_hurt_nobody_else() {
    let anchor = anchor();
    let mut other = Connection::hello(&anchor, Encoding::Json, "other", &["lobby"]).await;
    let hostile = [
        (Encoding::Json, Message::Text("not json".into()), Code::Malformed),
        (Encoding::Json, Message::Text("[]".into()), Code::Malformed),
        (Encoding::Json, Message::Binary(Bytes::from_static(b"[]")), Code::Malformed),
        (Encoding::MessagePack, Message::Text("hello".into()), Code::Malformed),
        (
            Encoding::MessagePack,
            Message::Binary(Bytes::from_static(&[0xdd, 0xff, 0xff, 0xff, 0xff])),
            Code::Malformed,
        ),
        (Encoding::MessagePack, Message::Binary(vec![0; FRAME_IN_BYTES_MAX + 1].into()), Code::TooLarge),
    ];
    for (encoding, message, code) in hostile {
        for greeted in [false, true] {
            let mut connection = match greeted {
                true => Connection::hello(&anchor, encoding, "eve", &[]).await,
                false => Connection::open(&anchor, encoding, 1024 * 1024).await,
            };
            // A peer that is cut off while it still sends sees an error here; the goodbye is what counts.
            let _ = connection.socket.send(message.clone()).await;
            assert_eq!(connection.goodbye().await, code, "{encoding:?} {greeted}");
            assert!(connection.receive().await.is_none(), "closed after goodbye");
            assert_eq!(connection.served.await.unwrap(), Ended::Goodbye(code));
        }
    }
    other.send(publish(1, 1, "still here")).await;
    assert_eq!(other.texts(1).await, ["still here"]);
}

#[tokio::test]
async fn a_drain_ends_in_goodbye_and_a_close_frame() {
    let anchor = anchor();
    let mut ada = Connection::hello(&anchor, Encoding::MessagePack, "ada", &[]).await;
    assert_eq!(anchor.sessions(), 1);
    anchor.drain(Drain { back_in: Duration::from_secs(1), per_second: 100 });
    assert!(matches!(
        ada.receive().await,
        Some(ServerFrame::Goodbye { code: Code::Shutdown, reconnect_after_ms: Some(1000), .. })
    ));
    assert!(ada.receive().await.is_none());
    assert_eq!(ada.served.await.unwrap(), Ended::Goodbye(Code::Shutdown));
    assert_eq!(anchor.sessions(), 0);
}

#[tokio::test]
async fn a_reader_that_stops_slows_nobody_and_gets_everything_later() {
    let anchor = anchor();
    let mut slow = Connection::open(&anchor, Encoding::MessagePack, 16 * 1024).await;
    slow.send(ClientFrame::Hello(hello("slow", &["lobby"]))).await;
    let mut quick = Connection::hello(&anchor, Encoding::MessagePack, "quick", &["lobby"]).await;
    let total = 4000;
    let mut read = Vec::new();
    for seq in 1..=total {
        quick.send(publish(seq, seq.saturating_sub(200).max(1), &format!("message {seq}"))).await;
        // The pipe is small: keep reading while writing.
        if seq % 100 == 0 {
            let due = usize::try_from(seq).unwrap() - read.len();
            read.extend(quick.texts(due).await);
        }
    }
    let expected: Vec<_> = (1..=total).map(|seq| format!("message {seq}")).collect();
    assert_eq!(read, expected);
    assert_eq!(slow.texts(expected.len()).await, expected);
}

#[tokio::test]
async fn a_peer_that_takes_its_answers_slowly_is_not_taken_for_silent() {
    let env = TestEnvironment::new(5);
    let anchor = Anchor::builder(MemoryStore::new(env.clone()), env.clone()).build();
    let mut writer = anchor.client(UserId::new("w").unwrap(), ClientId::from_bytes([1; 16])).await.unwrap();
    for _ in 0..100 {
        // Six times as long in JSON: one page alone is more than a connection holds before it stops reading.
        writer.publish(&RoomId::lobby(), "\u{1}".repeat(900)).await.unwrap();
    }
    let mut slow = Connection::open(&anchor, Encoding::Json, 16 * 1024).await;
    slow.send(ClientFrame::Hello(hello("slow", &[]))).await;
    assert!(matches!(slow.receive().await, Some(ServerFrame::Welcome(_))));
    for id in 1..=READS_OPEN_MAX as u64 {
        let (id, room) = (RequestId(id), RoomId::lobby());
        slow.send(ClientFrame::History { id, room, range: HistoryRange::Newest, limit: 200 }).await;
    }
    for _ in 1..=READS_OPEN_MAX {
        loop {
            match slow.receive().await {
                Some(ServerFrame::Page(_)) => break,
                frame => assert!(matches!(frame, Some(ServerFrame::Beat { .. })), "{frame:?}"),
            }
        }
        env.advance(HEARTBEAT * 2);
        slow.send(ClientFrame::Beat).await;
    }
    slow.send(ClientFrame::Who { id: RequestId(9), room: RoomId::lobby() }).await;
    loop {
        match slow.receive().await {
            Some(ServerFrame::Present { .. }) => break,
            frame => assert!(matches!(frame, Some(ServerFrame::Beat { .. })), "{frame:?}"),
        }
    }
}

/// Somebody who always had pages waiting never heard what was new.
#[tokio::test]
async fn what_is_new_does_not_wait_for_every_page_that_was_asked_for() {
    let anchor = anchor();
    let mut writer = anchor.client(UserId::new("w").unwrap(), ClientId::from_bytes([1; 16])).await.unwrap();
    for _ in 0..100 {
        // Pages of which some wait in the socket's buffer and some before it.
        writer.publish(&RoomId::lobby(), "x".repeat(280)).await.unwrap();
    }
    let mut reader = Connection::open(&anchor, Encoding::Json, 16 * 1024).await;
    reader.send(ClientFrame::Hello(hello("reader", &["news"]))).await;
    assert!(matches!(reader.receive().await, Some(ServerFrame::Welcome(_))));
    for id in 1..=READS_OPEN_MAX as u64 {
        let (id, room) = (RequestId(id), RoomId::lobby());
        reader.send(ClientFrame::History { id, room, range: HistoryRange::Newest, limit: 200 }).await;
    }
    // Everything else that can happen has happened: the pages wait for us.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    writer.publish(&RoomId::new("news").unwrap(), "new").await.unwrap();
    let mut pages = 0;
    loop {
        match reader.receive().await {
            Some(ServerFrame::Page(_)) => pages += 1,
            Some(ServerFrame::Events(_)) => break,
            frame => panic!("{frame:?}"),
        }
    }
    assert!(pages < READS_OPEN_MAX, "the news came behind all of {pages} pages");
}

/// How long a test waits for what must come. Source: chosen; thousands of times what it takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// A host whose answer is a defect.
#[derive(Debug)]
struct Defective;

#[async_trait::async_trait]
impl anchor_core::session::Identify for Defective {
    async fn identify(
        &self,
        credentials: anchor_core::session::Credentials,
    ) -> Result<anchor_core::session::Identity, anchor_core::session::Denied> {
        panic!("a defect, on purpose, for {:?}", credentials.user)
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_session_with_internal_and_no_other() {
    let anchor = anchor();
    let mut other = Connection::hello(&anchor, Encoding::Json, "other", &["lobby"]).await;
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let served = serve_on(theirs, Encoding::Json, anchor.clone(), Arc::new(Defective));
    let socket = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    let mut broken = Connection { socket, encoding: Encoding::Json, served };
    broken.send(ClientFrame::Hello(hello("ada", &[]))).await;
    assert_eq!(broken.goodbye().await, Code::Internal);
    assert!(broken.receive().await.is_none());
    assert_eq!(broken.served.await.unwrap(), Ended::Panicked);
    other.send(publish(1, 1, "still here")).await;
    assert_eq!(other.texts(1).await, ["still here"]);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_on_ends_the_session_and_the_connection() {
    let store = FailingStore::new(MemoryStore::new(System));
    let anchor = Anchor::builder(store.clone(), System).build();
    let mut writer = Connection::hello(&anchor, Encoding::MessagePack, "writer", &[]).await;
    writer.send(publish(1, 1, "lost")).await;
    assert!(matches!(writer.receive().await, Some(ServerFrame::Ack(_))));
    store.lose_events();
    let mut reader = Connection::hello(&anchor, Encoding::MessagePack, "reader", &["lobby"]).await;
    assert_eq!(reader.goodbye().await, Code::Internal);
    assert!(reader.receive().await.is_none(), "closed after goodbye");
    assert_eq!(reader.served.await.unwrap(), Ended::Goodbye(Code::Internal));
}

#[tokio::test]
async fn a_client_that_closes_is_answered() {
    let anchor = anchor();
    let mut ada = Connection::hello(&anchor, Encoding::MessagePack, "ada", &[]).await;
    ada.socket.close(None).await.unwrap();
    assert!(matches!(ada.socket.next().await, Some(Ok(Message::Close(_)))));
    assert_eq!(ada.served.await.unwrap(), Ended::Gone);
}

/// Found by the Autobahn test suite (6.3 to 6.21): the server closed with 1002, which says that the *framing* was wrong.
#[tokio::test]
async fn text_that_is_no_utf8_is_closed_as_such() {
    let anchor = anchor();
    let mut ada = Connection::hello(&anchor, Encoding::Json, "ada", &[]).await;
    // A whole text message of one byte, masked with zeros.
    ada.socket.get_mut().write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.unwrap();
    assert_eq!(ada.goodbye().await, Code::Malformed);
    match ada.socket.next().await {
        Some(Ok(Message::Close(Some(close)))) => assert_eq!(close.code, CloseCode::Invalid),
        other => panic!("not closed: {other:?}"),
    }
}

/// Drives a connection as a shard does: listens when it was heard from, and polls it when it is due.
struct InTurns {
    serving: Serving<DuplexStream>,
    heard: Arc<Bell>,
    due: Arc<Bell>,
}

#[derive(Default)]
struct Bell {
    is_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.is_rung.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

impl Future for InTurns {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let Self { serving, heard, due } = &mut *self;
        heard.task.register(cx.waker());
        due.task.register(cx.waker());
        let (reading, working) = (Waker::from(heard.clone()), Waker::from(due.clone()));
        let (mut reading, mut working) = (Context::from_waker(&reading), Context::from_waker(&working));
        loop {
            let polled = if heard.is_rung.swap(false, Ordering::SeqCst) {
                serving.poll_listening(&mut working, &mut reading)
            } else if due.is_rung.swap(false, Ordering::SeqCst) {
                serving.poll_serving(&mut working, &mut reading)
            } else {
                return Poll::Pending;
            };
            if polled.is_ready() {
                return polled;
            }
        }
    }
}

/// What a client asks is begun while the answer to what it asked before is still to come.
#[tokio::test]
async fn who_waits_for_an_ack_is_listened_to() {
    let store = SlowStore::new(MemoryStore::new(System));
    // No beat is to wake it meanwhile.
    let anchor = Anchor::builder(store.clone(), System).heartbeat(10 * DEADLINE).build();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let encoding = Encoding::MessagePack;
    let due = Arc::new(Bell { is_rung: AtomicBool::new(true), task: AtomicWaker::new() });
    let serving = serve(theirs, &[], encoding, anchor, Arc::new(OpenIdentify));
    let served = tokio::spawn(InTurns { serving, heard: Arc::default(), due });
    let socket = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    let mut ada = Connection { socket, encoding, served };
    ada.send(ClientFrame::Hello(hello("ada", &[]))).await;
    assert!(matches!(ada.receive().await, Some(ServerFrame::Welcome(_))));
    store.hold();
    for seq in 1..=3 {
        ada.send(publish(seq, 1, "held")).await;
        let held = async {
            while (store.held() as u64) < seq {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, held).await.expect("the publish is handed over");
        let id = RequestId(seq);
        ada.send(ClientFrame::Who { id, room: RoomId::lobby() }).await;
        match ada.receive().await {
            Some(ServerFrame::Present { id: answered, .. }) => assert_eq!(answered, id),
            other => panic!("not listened to: {other:?}"),
        }
    }
    store.release_all();
    for seq in 1..=3 {
        let acked = ada.receive().await;
        assert!(matches!(&acked, Some(ServerFrame::Ack(ack)) if ack.seq.get() == seq), "{acked:?}");
    }
    drop(ada.socket);
    assert_eq!(ada.served.await.unwrap(), Ended::Gone);
}

/// What is no handshake of ours: no WebSocket, none of our encodings, and nothing at all.
#[tokio::test]
async fn who_shakes_no_hands_is_not_served() {
    const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: here\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for request in
        ["GET / HTTP/1.1\r\n\r\n".to_owned(), format!("{UPGRADE}Sec-WebSocket-Protocol: graphql-ws\r\n\r\n")]
    {
        let (mut ours, theirs) = tokio::io::duplex(4096);
        ours.write_all(request.as_bytes()).await.unwrap();
        let ended = accept(theirs, anchor(), Arc::new(OpenIdentify)).await;
        assert_eq!(ended, Err(NotAccepted::NoHandshake), "{request}");
    }
    let env = TestEnvironment::new(1);
    let anchor = Anchor::builder(MemoryStore::new(env.clone()), env.clone()).build();
    let (_ours, theirs) = tokio::io::duplex(4096);
    let served = tokio::spawn(accept(theirs, anchor, Arc::new(OpenIdentify)));
    tokio::task::yield_now().await;
    env.advance(HELLO_WITHIN);
    assert_eq!(served.await.unwrap(), Err(NotAccepted::TooLate));
}
