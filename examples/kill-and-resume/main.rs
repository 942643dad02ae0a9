//! The promise, shown: a server is killed in the middle of a stream, several times, and nothing is lost or repeated.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

mod server;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anchor::client::{Client, ClientConfig, Delivery, Publishing};
use anchor::{From, RoomId, StreamExt, System, UserId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use server::Server;

/// Messages that are sent. Source: chosen; about a second between two kills.
const MESSAGES: usize = 5_000;

/// How often the server is killed. Source: chosen.
const KILLS: usize = 4;

/// How long everything may take before it counts as lost. Source: chosen; reconnecting takes a second or so each time.
const PATIENCE: Duration = Duration::from_secs(120);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match timeout(PATIENCE, run()).await {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            println!("\nThat went wrong: {error}");
            ExitCode::FAILURE
        }
        Err(_) => {
            println!("\nThat took longer than {} s: something never arrived.", PATIENCE.as_secs());
            ExitCode::FAILURE
        }
    }
}

/// Plays the whole piece; true if the promise was kept.
async fn run() -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(&folder.path().join("data")).await?;
    println!("A server listens on {}; its data are two files in a temporary directory.", server.url());

    let room = RoomId::lobby();
    let ada = ClientConfig::new(server.url()).user(UserId::new("ada")?).directory(folder.path().join("ada"));
    let ada = Client::open(ada, System)?;
    let bob = Client::open(ClientConfig::new(server.url()).user(UserId::new("bob")?), System)?;
    println!("Ada sends {MESSAGES} messages through a durable outbox; Bob reads along.\n");

    let started = Instant::now();
    let (acknowledged, mut progress) = watch::channel(0);
    let reader = read(&bob, &room, MESSAGES).await;
    let sender = send(ada.clone(), room.clone(), acknowledged);
    for kill in 1..=KILLS {
        let moment = MESSAGES * kill / (KILLS + 1);
        let seen = *progress.wait_for(|acks| *acks >= moment).await?;
        server.kill().await?;
        println!("{seen:>6} messages acknowledged. kill -9: the server is dead.");
        server.restart().await?;
        println!("       It is back on the same files.");
    }
    let offsets = sender.await??;
    let live = reader.await??;
    println!(
        "{:>6} messages acknowledged, {KILLS} kills, {:.1} s.\n",
        offsets.len(),
        started.elapsed().as_secs_f64()
    );

    // Somebody who comes only now must find what Bob saw live.
    let late = Client::open(ClientConfig::new(server.url()).user(UserId::new("cy")?), System)?;
    let log = read(&late, &room, MESSAGES).await.await??;
    let sent: Vec<String> = (1..=MESSAGES).map(text).collect();
    let kept = [
        ("Bob, who read along, has every message once, in order", texts(&live) == sent),
        ("a reader who came afterwards has the same", texts(&log) == sent),
        (
            "each offset that was acknowledged holds the message it was acknowledged for",
            offsets.iter().zip(&sent).all(|(offset, text)| log.contains(&(*offset, text.clone()))),
        ),
    ];
    for (claim, holds) in kept {
        println!("{} {claim}", if holds { "yes:" } else { "NO: " });
    }
    for client in [ada, bob, late] {
        client.close().await;
    }
    server.stop().await?;
    let all = kept.iter().all(|(_, holds)| *holds);
    println!("\n{}", if all { "Nothing was lost, nothing was repeated." } else { "The promise is broken." });
    Ok(all)
}

/// Publishes every message, and counts the acks; gives the offsets in the order of the messages.
fn send(
    ada: Client,
    room: RoomId,
    acknowledged: watch::Sender<usize>,
) -> JoinHandle<Result<Vec<u64>, Failure>> {
    let (queue, mut queued) = mpsc::channel::<Publishing>(256);
    let publisher = tokio::spawn(async move {
        for number in 1..=MESSAGES {
            // Returns once the message is in the outbox on disk, whether there is a server or not.
            let publishing = ada.publish(&room, text(number)).await?;
            if queue.send(publishing).await.is_err() {
                break;
            }
        }
        Ok::<(), Failure>(())
    });
    tokio::spawn(async move {
        let mut offsets = Vec::new();
        while let Some(publishing) = queued.recv().await {
            // Resolves once the message is on the server's disk, however many lives of the server that takes.
            offsets.push(publishing.await?.mark.offset.0);
            acknowledged.send_replace(offsets.len());
        }
        publisher.await??;
        Ok(offsets)
    })
}

/// Reads `count` messages of a room from its start, in the background.
async fn read(
    client: &Client,
    room: &RoomId,
    count: usize,
) -> JoinHandle<Result<Vec<(u64, String)>, Failure>> {
    let mut deliveries = client.subscribe(room, From::Start).await;
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while taken.len() < count {
            match deliveries.next().await.ok_or("the subscription ended")? {
                Delivery::Started { .. } | Delivery::Hidden { .. } => {}
                Delivery::Events(events) => taken.extend(events.events.iter().map(|event| {
                    let text = event.body.as_ref().and_then(|body| body.as_text()).unwrap_or_default();
                    (event.offset.0, text.to_owned())
                })),
                Delivery::Gap(gap) => return Err(format!("told of a gap: {gap:?}").into()),
                Delivery::Ended { message, .. } => return Err(message.into()),
            }
        }
        Ok(taken)
    })
}

fn text(number: usize) -> String {
    format!("message {number}")
}

fn texts(taken: &[(u64, String)]) -> Vec<String> {
    taken.iter().map(|(_, text)| text.clone()).collect()
}
