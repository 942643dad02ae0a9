//! A chat inside of somebody's tests: no port, no file, no clock but the test's, and the same again with every run.

use std::error::Error;
use std::io;
use std::sync::Arc;

use anchor::client::{Client, ClientConfig, Delivery as Delivered, Dial, Io, ServerAddress};
use anchor::core::conformance::environment::TestEnvironment;
use anchor::core::memory::MemoryStore;
use anchor::server::accept;
use anchor::session::OpenIdentify;
use anchor::store::StoreExt;
use anchor::{Anchor, BoxFuture, ClientId, Delivery, Event, From, RoomId, StreamExt, UserId};

type Failure = Box<dyn Error + Send + Sync>;

/// What is tested, somebody's own: a helper who answers every question that is asked in a room.
async fn help(anchor: Anchor, room: RoomId) -> Result<(), Failure> {
    let id = ClientId::random(anchor.env());
    let mut helper = anchor.client(UserId::new("helper")?, id).await?;
    let mut deliveries = anchor.subscribe(&room, From::Start).await?;
    while let Some(delivery) = deliveries.next().await.transpose()? {
        let Delivery::Events(events) = delivery else { continue };
        for event in events.iter() {
            if text(&event?).ends_with('?') {
                helper.publish(&room, "Have you tried it?!").await?;
            }
        }
    }
    Ok(())
}

fn text(event: &Event) -> &str {
    event.body.as_ref().and_then(|body| body.as_text()).unwrap_or_default()
}

/// The library alone: what the helper reads and writes is a log in memory.
#[tokio::test]
async fn questions_are_answered() -> Result<(), Failure> {
    let env = TestEnvironment::new(1);
    let anchor = Anchor::builder(MemoryStore::new(env.clone()), env.clone()).build();
    let lobby = RoomId::lobby();
    let helping = tokio::spawn(help(anchor.clone(), lobby.clone()));

    let mut ada = anchor.client(UserId::new("ada")?, ClientId::random(&env)).await?;
    ada.publish(&lobby, "Good morning.").await?;
    let asked = ada.publish(&lobby, "Does it work?").await?;
    // What comes behind the question: no waiting and no polling, the stream yields it when it is there.
    let mut answers = anchor.subscribe(&lobby, From::After(asked.position())).await?;
    let Some(Delivery::Events(events)) = answers.next().await.transpose()? else { panic!("no gap") };
    let answer = events.iter().next().ok_or("events are never empty")??;
    assert_eq!((answer.user.as_str(), text(&answer)), ("helper", "Have you tried it?!"));
    helping.abort();
    Ok(())
}

/// Whole clients, with their reconnecting, outbox and protocol, over pipes in memory: the server half at the other end.
#[derive(Clone, Debug)]
struct Pipe(Anchor);

impl Dial for Pipe {
    fn dial(&self, _: &ServerAddress) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(accept(theirs, self.0.clone(), Arc::new(OpenIdentify)));
        Box::pin(std::future::ready(Ok(Box::new(ours) as Box<dyn Io>)))
    }
}

#[tokio::test]
async fn a_client_gets_its_answer() -> Result<(), Failure> {
    let env = TestEnvironment::new(2);
    let anchor = Anchor::builder(MemoryStore::new(env.clone()), env.clone()).build();
    let lobby = RoomId::lobby();
    let helping = tokio::spawn(help(anchor.clone(), lobby.clone()));

    let config = ClientConfig::new("ws://in-memory").user(UserId::new("ada")?).dial(Pipe(anchor));
    let ada = Client::open(config, env)?;
    ada.publish(&lobby, "Does it work?").await?.await?;
    let mut room = ada.subscribe(&lobby, From::Start).await;
    let mut said = Vec::new();
    while said.len() < 2 {
        if let Some(Delivered::Events(events)) = room.next().await {
            said.extend(events.events.iter().map(|event| text(event).to_owned()));
        }
    }
    assert_eq!(said, ["Does it work?", "Have you tried it?!"]);
    helping.abort();
    Ok(())
}

/// One thread, one seed, a clock that stands: ids, times and chains are those of the run before.
#[tokio::test]
async fn every_run_is_the_same() -> Result<(), Failure> {
    let run = || async {
        let env = TestEnvironment::new(3);
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env.clone()).build();
        let mut ada = anchor.client(UserId::new("ada")?, ClientId::random(&env)).await?;
        ada.publish(&RoomId::lobby(), "the same again").await?;
        Ok::<_, Failure>(store.read_all(&RoomId::lobby()).await?)
    };
    assert_eq!(run().await?, run().await?);
    Ok(())
}
