//! One client of a torture run: a process of its own, so that it can be killed.
//!
//! It publishes and reads by the same library as everybody, with its state in a directory, and writes a [`journal`] of what
//! it does and sees. The run talks to it over standard input and output, a line each:
//!
//! ```text
//! settle               -> publish no more; `settled` once everything has its answer
//! reach ROOM=HEAD …    -> read up to there; `reached` once that is done and saved, and the end
//! (end of input)       -> the end, at once: whoever started it is gone
//!                      <- at ACKED SEEN CONNECTIONS, now and then
//! ```

mod journal;
mod publishing;
mod reading;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_transport::client::{Client, ConnectionState};
use futures::StreamExt;
use tokio::sync::watch;

use self::journal::Journal;
use self::publishing::{Progress, Publisher};
use self::reading::{Heads, Reading};
use crate::args::torture;
use crate::connection;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::input;

/// Runs until it is told to end.
///
/// # Errors
/// A sentence: something happened that must not, or the one who started it is gone.
pub(super) async fn run(context: &Context, arguments: torture::Client) -> Result<Exit, Failure> {
    let journal = Journal::create(&arguments.journal).map_err(|error| {
        let shown = arguments.journal.display();
        Failure::new(Exit::Failure, format!("cannot write {shown}: {error}"))
    })?;
    let journal = Arc::new(journal);
    let client = context.writer()?;
    let progress = Arc::new(Progress::default());
    let seen = Arc::new(AtomicU64::new(0));
    let (heads, heads_seen) = watch::channel(None);

    let reading = Reading::begin(&arguments, &client, &journal, heads_seen, seen.clone()).await?;
    let mut reading = tokio::spawn(reading.run());
    let publisher = Publisher::new(&arguments, &client, &journal, &progress);
    let mut publishing = tokio::spawn(async move {
        match publisher {
            Some(publisher) => publisher.run().await,
            None => Ok(()),
        }
    });
    let mut notices =
        tokio::spawn(publishing::take_notices(client.clone(), journal.clone(), progress.clone()));
    let mut telling = tokio::spawn(tell(client.clone(), progress.clone(), seen));

    let mut orders = input::lines();
    let (mut is_published, mut is_settled) = (false, false);
    loop {
        let settles = progress.stops.load(Ordering::Relaxed) && is_published && !is_settled;
        tokio::select! {
            order = orders.recv() => {
                let Some(Ok(input::Line { text: Ok(order), .. })) = order else { return Ok(Exit::Failure) };
                match order.split_once(' ') {
                    Some(("reach", rooms)) => {
                        let _ = heads.send(parse(rooms));
                    }
                    _ => progress.stops.store(true, Ordering::Relaxed),
                }
            }
            ended = &mut publishing, if !is_published => {
                ended.unwrap_or_else(panicked)?;
                is_published = true;
            }
            flushed = client.flushed(), if settles => {
                flushed.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
                is_settled = true;
                say("settled")?;
            }
            ended = &mut reading => {
                ended.unwrap_or_else(panicked)?;
                say("reached")?;
                return Ok(Exit::Done);
            }
            ended = &mut notices => return ended.unwrap_or_else(panicked).map(|()| Exit::Failure),
            ended = &mut telling => return ended.unwrap_or_else(panicked).map(|()| Exit::Failure),
            failure = connection::stopped(&client) => return Err(failure),
        }
    }
}

/// Tells now and then how far it has come.
async fn tell(client: Client, progress: Arc<Progress>, seen: Arc<AtomicU64>) -> Result<(), Failure> {
    let mut states = client.states();
    let mut connections = 0;
    let mut tick = tokio::time::interval(TELL_EVERY);
    let mut told = String::new();
    loop {
        tokio::select! {
            state = states.next() => match state {
                Some(ConnectionState::Connected { .. }) => connections += 1,
                Some(_) => {}
                None => return Ok(()),
            },
            _ = tick.tick() => {
                let acked = progress.acked.load(Ordering::Relaxed);
                let line = format!("at {acked} {} {connections}", seen.load(Ordering::Relaxed));
                if line != told {
                    say(&line)?;
                    told = line;
                }
            }
        }
    }
}

/// `ROOM=HEAD ROOM=HEAD …`
fn parse(rooms: &str) -> Heads {
    let head = |pair: &str| -> Option<(RoomId, Offset)> {
        let (room, head) = pair.split_once('=')?;
        Some((RoomId::new(room).ok()?, Offset(head.parse().ok()?)))
    };
    Some(rooms.split(' ').filter_map(head).collect::<BTreeMap<_, _>>())
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|_| Failure::OutputClosed)
}

fn panicked<T>(_: tokio::task::JoinError) -> Result<T, Failure> {
    Err(Failure::new(Exit::Failure, "this is a defect; report it"))
}

/// How often it tells how far it has come. Source: chosen; as often as the progress is shown.
const TELL_EVERY: Duration = Duration::from_millis(200);
