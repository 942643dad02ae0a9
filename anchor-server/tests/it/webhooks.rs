//! Webhooks of the real server: set up over the wire, by admins alone; at least once through `kill -9`, and once by their keys.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::engine::ConsumerName;
use anchor_core::event::Body;
use anchor_core::session::frame::{
    ClientFrame, DeadLetter, RequestId, ServerFrame, WebhookChange, WebhookListing,
};
use anchor_transport::codec::Encoding;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Process, Wire, dead_letter, put, soon};

const LOCAL: &[&str] = &["--admin=root", "--webhook-allow=127.0.0.1", "--webhook-http"];

#[tokio::test]
async fn every_event_is_told_at_least_once_through_kills_and_once_by_its_key() {
    let directory = tempfile::tempdir().unwrap();
    // Takes nothing at first; then it takes, but some answers get lost; later it is well.
    let receiver = Receiver::start(|count| match count {
        0..4 => Answer::Status(500),
        4..30 if count % 3 == 0 => Answer::Nothing,
        _ => Answer::Status(200),
    })
    .await;
    let mut server = Process::start(directory.path(), LOCAL).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    admin.put("hook", &receiver.url()).await;
    let mut expected = BTreeSet::new();
    for round in 0..3 {
        let mut ada = Wire::session(server.address, Encoding::Json, "ada").await;
        for number in 0..10 {
            for room in ["lobby", "garden"] {
                let position = ada.publish(room, &format!("{round} {number}")).await.position();
                expected.insert(format!("{room}/{}/{}", position.epoch.unwrap(), position.offset));
            }
        }
        // Some are on their way, some wait for their next attempt, some were taken and are not noted yet.
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.signal(Signal::KILL);
        server.ended().await;
        server = Process::start(directory.path(), LOCAL).await;
    }
    receiver.until(|keys| keys.iter().collect::<BTreeSet<_>>().len() == expected.len()).await;
    let keys = receiver.taken();
    assert_eq!(keys.iter().cloned().collect::<BTreeSet<_>>(), expected, "all, and nothing else");
    for room in ["lobby/", "garden/"] {
        let mut known = BTreeSet::new();
        let first = keys.iter().filter(|key| key.starts_with(room) && known.insert((*key).clone()));
        let offsets: Vec<u64> = first.map(|key| key.rsplit('/').next().unwrap().parse().unwrap()).collect();
        assert!(
            offsets.is_sorted(),
            "{room}: who passes over known keys sees the room in its order: {offsets:?}"
        );
    }
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    assert!(admin.dead("hook").await.is_empty());
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn dead_letters_are_seen_and_sent_again_over_the_wire() {
    let directory = tempfile::tempdir().unwrap();
    // Takes nothing at first; then it is well.
    let receiver = Receiver::start(|count| Answer::Status(if count < 2 { 500 } else { 200 })).await;
    let said = dead_letter(directory.path(), "hook", &receiver.url(), Body::text("hello")).await;
    let server = Process::start(directory.path(), LOCAL).await;
    let mut admin = Wire::session(server.address, Encoding::MessagePack, "root").await;
    let letters = admin.dead("hook").await;
    let position = said.position();
    let key = format!("lobby/{}/{}", position.epoch.unwrap(), position.offset);
    assert_eq!((letters.len(), letters[0].key.to_string(), letters[0].attempts), (1, key.clone(), 2));
    assert!(letters[0].error.contains("500"), "{letters:?}");
    assert_eq!(admin.webhooks().await[0].dead, 1);
    let name = || ConsumerName::new("hook").unwrap();
    assert_eq!(admin.change(WebhookChange::Pause(name())).await, Ok(()));
    assert!(admin.webhooks().await[0].paused);
    assert_eq!(
        admin.change(WebhookChange::RetryDead(name(), None)).await,
        Err(Code::Invalid),
        "it is paused"
    );
    assert_eq!(admin.change(WebhookChange::Resume(name())).await, Ok(()));
    let one = Some(letters[0].key.clone());
    assert_eq!(admin.change(WebhookChange::RetryDead(name(), one.clone())).await, Ok(()));
    receiver.until(|keys| keys.contains(&key)).await;
    soon(async {
        while !admin.dead("hook").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(receiver.taken().iter().all(|taken| *taken == key), "by the same key");
    assert_eq!(admin.change(WebhookChange::DropDead(name(), one)).await, Err(Code::NameUnknown));
    assert_eq!(admin.change(WebhookChange::DropDead(name(), None)).await, Ok(()));
    assert_eq!(admin.change(WebhookChange::Remove(name())).await, Ok(()));
    assert!(admin.webhooks().await.is_empty());
    assert_eq!(admin.change(WebhookChange::Remove(name())).await, Err(Code::NameUnknown));
}

#[tokio::test]
async fn only_admins_see_and_change_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), LOCAL).await;
    let mut ada = Wire::session(server.address, Encoding::Json, "ada").await;
    let id = RequestId(1);
    let name = ConsumerName::new("hook").unwrap();
    for frame in [
        ClientFrame::Webhooks { id, after: None, limit: 10 },
        ClientFrame::ChangeWebhook { id, change: Box::new(WebhookChange::Remove(name.clone())) },
        ClientFrame::DeadLetters { id, name, after: None, limit: 10 },
    ] {
        ada.send(&frame).await;
        let answer = ada.frame().await;
        assert!(matches!(answer, ServerFrame::Error { code: Code::Denied, .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn nothing_of_this_machine_is_reached_unless_it_is_configured() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Answer::Status(200)).await;
    let server = Process::start(directory.path(), &["--admin=root", "--webhook-http"]).await;
    let mut admin = Wire::session(server.address, Encoding::Json, "root").await;
    // An address is refused at once, a name when it has led there.
    assert_eq!(admin.change(put("hook", &receiver.url())).await, Err(Code::Invalid));
    admin.put("hook", &receiver.url().replace("127.0.0.1", "localhost")).await;
    admin.publish("lobby", "hello").await;
    let error = loop {
        if let Some(error) = admin.webhooks().await.into_iter().next().unwrap().error {
            break error;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(error.contains("loopback"), "{error}");
    assert!(receiver.taken().is_empty());
    server.signal(Signal::TERM);
    let log = server.says("stopped").await;
    assert!(!log.contains("hello") && !log.contains("whsec_"), "{log}");
}

impl Wire {
    async fn put(&mut self, name: &str, url: &str) {
        assert_eq!(self.change(put(name, url)).await, Ok(()));
    }

    pub(crate) async fn change(&mut self, change: WebhookChange) -> Result<(), Code> {
        self.send(&ClientFrame::ChangeWebhook { id: RequestId(1), change: Box::new(change) }).await;
        match self.frame().await {
            ServerFrame::Done { .. } => Ok(()),
            ServerFrame::Error { code, .. } => Err(code),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn webhooks(&mut self) -> Vec<WebhookListing> {
        self.send(&ClientFrame::Webhooks { id: RequestId(2), after: None, limit: 10 }).await;
        match self.frame().await {
            ServerFrame::WebhookList { webhooks, next: None, .. } => webhooks,
            other => panic!("{other:?}"),
        }
    }

    async fn dead(&mut self, name: &str) -> Vec<DeadLetter> {
        let name = ConsumerName::new(name).unwrap();
        self.send(&ClientFrame::DeadLetters { id: RequestId(3), name, after: None, limit: 10 }).await;
        match self.frame().await {
            ServerFrame::DeadLetterList { letters, next: None, .. } => letters,
            other => panic!("{other:?}"),
        }
    }
}

/// What a receiver answers.
enum Answer {
    Status(u16),
    /// It takes it, and its answer is lost.
    Nothing,
}

/// A receiver in this process, which outlives the server.
struct Receiver {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Answers each POST as `answer` says of its number.
    async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (answer, count) = (Arc::new(answer), Arc::new(Mutex::new(0)));
        tokio::spawn({
            let taken = taken.clone();
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (taken, answer, count) = (taken.clone(), answer.clone(), count.clone());
                    tokio::spawn(async move {
                        while let Some(body) = request(&mut stream).await {
                            let number = {
                                let mut count = count.lock().unwrap();
                                *count += 1;
                                *count - 1
                            };
                            let answer = answer(number);
                            if !matches!(answer, Answer::Status(500)) {
                                let events = body["events"].as_array().cloned().unwrap_or_default();
                                let keys =
                                    events.iter().map(|event| event["key"].as_str().unwrap().to_owned());
                                taken.lock().unwrap().extend(keys);
                            }
                            let Answer::Status(status) = answer else { return };
                            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                            if stream.write_all(head.as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        Self { address, taken }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The keys of what was taken, in the order of its coming.
    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    async fn until(&self, is_so: impl Fn(&[String]) -> bool) {
        for _ in 0..600 {
            if is_so(&self.taken()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("only these were taken: {:?}", self.taken());
    }
}

/// The body of the next request on a connection.
async fn request(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap();
            if bytes.len() >= end + 4 + length {
                return serde_json::from_slice(&bytes[end + 4..end + 4 + length]).ok();
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
