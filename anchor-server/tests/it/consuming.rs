//! A durable consumer over real sockets: two clients, one of which is cut off, and a server that is killed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::engine::ConsumerName;
use anchor_core::id::{RoomId, UserId};
use anchor_core::session::frame::From;
use anchor_system::System;
use anchor_transport::client::{Client, ClientConfig, Consumer, RequestError, Work};
use rustix::process::Signal;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::support::{Process, soon};

/// Passes connections on, while it is told where to.
#[derive(Clone)]
struct Way(Arc<Mutex<Inner>>, SocketAddr);

struct Inner {
    to: Option<SocketAddr>,
    connections: JoinSet<()>,
}

impl Way {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let inner = Inner { to: Some(server), connections: JoinSet::new() };
        let way = Self(Arc::new(Mutex::new(inner)), listener.local_addr().unwrap());
        let passing = way.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut inner = passing.0.lock().unwrap();
                if let Some(to) = inner.to {
                    inner.connections.spawn(async move {
                        if let Ok(mut server) = TcpStream::connect(to).await {
                            let _ = copy_bidirectional(&mut client, &mut server).await;
                        }
                    });
                }
            }
        });
        way
    }

    /// Cuts what there is, and passes on what comes to `server`, or nothing.
    fn lead(&self, server: Option<SocketAddr>) {
        let mut inner = self.0.lock().unwrap();
        inner.to = server;
        inner.connections.abort_all();
    }

    fn client(&self) -> Client {
        let config = ClientConfig::new(format!("ws://{}", self.1)).user(UserId::new("bot").unwrap());
        Client::open(config, System).unwrap()
    }
}

fn consume(client: &Client) -> Consumer {
    client.consume(ConsumerName::new("work").unwrap(), Some(RoomId::lobby()), From::Start)
}

async fn say(client: &Client, text: &str) {
    soon(client.publish(&RoomId::lobby(), text).await.unwrap()).await.unwrap();
}

/// The text that comes next, alone; done.
async fn done(consumer: &mut Consumer) -> String {
    let work = soon(consumer.next()).await.unwrap();
    let Work::Events(events) = &work else { panic!("{work:?}") };
    consumer.done(work.room(), work.position().unwrap());
    events.events[0].body.as_ref().unwrap().as_text().unwrap().to_owned()
}

#[tokio::test]
async fn a_consumer_stays_with_its_holder_and_changes_hands_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &[]).await;
    let [first_way, second_way] = [Way::to(server.address).await, Way::to(server.address).await];
    let (first, second) = (first_way.client(), second_way.client());
    let (mut former, mut latter) = (consume(&first), consume(&second));
    say(&first, "one").await;
    assert_eq!(done(&mut former).await, "one");
    former.flush().await.unwrap();

    // Cut off for a moment: it goes on.
    first_way.lead(Some(server.address));
    say(&second, "two").await;
    assert_eq!(done(&mut former).await, "two");
    soon(former.flush()).await.unwrap();

    // Cut off for long: another has it by then, and keeps it, through a crash of the server.
    first_way.lead(None);
    say(&second, "three").await;
    assert_eq!(done(&mut latter).await, "three");
    soon(latter.flush()).await.unwrap();
    server.signal(Signal::KILL);
    server.ended().await;
    let server = Process::start(directory.path(), &[]).await;
    second_way.lead(Some(server.address));
    first_way.lead(Some(server.address));
    for _ in 0..2 {
        let refused = soon(former.next()).await;
        assert!(matches!(refused, Err(RequestError::Refused { code: Code::Replaced, .. })), "{refused:?}");
    }
    say(&first, "four").await;
    assert_eq!(done(&mut latter).await, "four");
    assert!(tokio::time::timeout(Duration::from_millis(300), latter.next()).await.is_err(), "undisturbed");
}
