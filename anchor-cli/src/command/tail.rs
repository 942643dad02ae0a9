//! `tail`: a room's log from some place on, to its head or for ever. (The design calls something else a tail.)

use std::future::pending;
use std::pin::Pin;

use anchor_core::event::EventKind;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::{Events, From, HistoryRange, Signal};
use anchor_transport::client::{Client, Delivery, Hide, SubscribeOptions, Subscription};
use futures::{FutureExt, Stream, StreamExt};

use crate::args::Tail;
use crate::connection::{self, Changes};
use crate::context::Context;
use crate::cursor::Cursor;
use crate::exit::{Exit, Failure};
use crate::output::closed::closed;
use crate::output::log::Log;
use crate::say::{self, Progress};

/// Prints what the range asks for, then ends at the head, after `--count`, or never.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(crate) async fn run(context: &Context, arguments: Tail) -> Result<Exit, Failure> {
    let cursor = match arguments.resume {
        true => Some(Cursor::open(&context.state()?, &arguments.in_room.room)?),
        false => None,
    };
    let saved = cursor.as_ref().map_or(Ok(None), Cursor::load)?;
    let client = context.reader().await?;
    let from = match saved {
        Some(position) => From::After(position),
        None => range(&client, &arguments).await?,
    };
    let follows = arguments.follow;
    let hide = if arguments.hide_own { Hide::ThisUser } else { Hide::Nothing };
    let subscription =
        client.subscribe(&arguments.in_room.room, SubscribeOptions::from(from).hide(hide)).await;
    let reader = Reader {
        changes: Changes::new(&client, context.server()),
        signals: Box::pin(client.signals()),
        client,
        subscription,
        log: Log::new(arguments.in_room.clone(), context.style()),
        progress: Progress::new(),
        cursor,
        position: None,
        is_first: saved.is_none(),
        end: None,
        printed: 0,
        arguments,
    };
    // A tail that follows would not notice before the next message.
    let closed = async { if follows { closed().await } else { pending().await } };
    tokio::select! {
        ended = reader.run() => ended,
        () = closed => Err(Failure::OutputClosed),
    }
}

/// Where to begin, as the protocol says it.
async fn range(client: &Client, arguments: &Tail) -> Result<From, Failure> {
    if let Some(offset) = arguments.after {
        return Ok(From::Offset(offset));
    }
    if arguments.from_start || (arguments.resume && arguments.last.is_none()) {
        return Ok(From::Start);
    }
    let last = match arguments.last.unwrap_or(LAST) {
        0 => return Ok(From::Now),
        last => last,
    };
    // The protocol would begin at the first message, where there are no more: behind the room's making and the first joins.
    let page = client.history(&arguments.in_room.room, HistoryRange::Newest, 1).await?;
    Ok(match page.events.last() {
        Some(event) if event.ordinal.0 < last => From::Offset(page.horizon.previous()),
        _ => From::Last(last),
    })
}

async fn head(client: &Client, arguments: &Tail) -> Result<Offset, Failure> {
    Ok(client.history(&arguments.in_room.room, HistoryRange::Newest, 1).await?.head)
}

struct Reader<'a> {
    arguments: Tail,
    client: Client,
    changes: Changes,
    subscription: Subscription,
    signals: Pin<Box<dyn Stream<Item = Signal> + Send>>,
    log: Log<'a>,
    progress: Progress,
    cursor: Option<Cursor>,
    /// Up to where everything was printed; `None` once it is saved, or where none is kept.
    position: Option<Position>,
    /// No position was saved before.
    is_first: bool,
    /// Where to end; `None` while that is not known, and with `--follow`.
    end: Option<Offset>,
    printed: u64,
}

impl Reader<'_> {
    async fn run(mut self) -> Result<Exit, Failure> {
        while !self.has_enough() {
            let Some(delivery) = self.next().await? else {
                return Err(connection::stopped(&self.client).await);
            };
            // A gap that comes first is told even where nothing follows it.
            let reached = delivery.position();
            match delivery {
                Delivery::Started { head, .. } => {
                    if !self.arguments.follow {
                        self.end = Some(head);
                    }
                    if self.is_first && reached.is_some() {
                        // The same range begins elsewhere once the log has grown.
                        self.position = reached;
                    }
                }
                Delivery::Events(events) => self.print(&events)?,
                Delivery::Hidden { position, .. } => self.position = Some(position),
                Delivery::Gap(gap) => {
                    self.log.gap(&gap)?;
                    self.position = gap.position;
                    if gap.position.is_none() {
                        self.forget()?;
                        break;
                    }
                    if self.end.is_some() {
                        // The log that follows may be shorter than the one that was asked for.
                        self.end = Some(head(&self.client, &self.arguments).await?);
                    }
                }
                Delivery::Ended { code, message } => {
                    let failure = self.log.ended(code, &message)?;
                    self.settle()?;
                    return Err(failure);
                }
            }
            if let (Some(end), Some(reached)) = (self.end, reached)
                && reached.offset >= end
            {
                break;
            }
        }
        self.settle()?;
        Ok(Exit::Done)
    }

    /// The next delivery. What was printed is written out before a wait, and before the position of it is saved.
    async fn next(&mut self) -> Result<Option<Delivery>, Failure> {
        if self.cursor.is_some() {
            self.settle()?;
        }
        if let Some(delivery) = self.subscription.next().now_or_never() {
            return Ok(delivery);
        }
        self.settle()?;
        loop {
            tokio::select! {
                biased;
                delivery = self.subscription.next() => return Ok(delivery),
                change = self.changes.next() => say::note(&change),
                Some(signal) = self.signals.next(), if self.arguments.signals => self.log.signal(&signal)?,
                failure = connection::stopped(&self.client) => return Err(failure),
            }
        }
    }

    fn print(&mut self, events: &Events) -> Result<(), Failure> {
        for event in &events.events {
            if !self.arguments.messages || event.kind == EventKind::MESSAGE {
                self.log.event(events.epoch, event)?;
                self.printed += 1;
            }
            self.position = Some(Position::at(events.epoch, event.mark()));
            if self.has_enough() {
                break;
            }
        }
        let printed = self.printed;
        let end = self.end;
        self.progress.show(|| match (events.events.last(), end) {
            (Some(event), Some(end)) => format!("{printed} printed, at {} of {end}", event.offset),
            _ => format!("{printed} printed"),
        });
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.arguments.count.is_some_and(|count| self.printed >= count)
    }

    /// Writes out what was printed, and then saves the position.
    fn settle(&mut self) -> Result<(), Failure> {
        self.log.flush()?;
        match (&self.cursor, self.position.take()) {
            (Some(cursor), Some(position)) => cursor.save(&position),
            _ => Ok(()),
        }
    }

    /// Writes out what was printed, and keeps no position: none is left in a room that was deleted.
    fn forget(&mut self) -> Result<(), Failure> {
        self.log.flush()?;
        self.cursor.as_ref().map_or(Ok(()), Cursor::forget)
    }
}

/// Printed where no range is given. Source: as Unix `tail`.
const LAST: u64 = 10;
