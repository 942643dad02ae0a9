//! A bot that repeats what it hears and reminds people, and that never answers twice, whenever it is killed.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use anchor::client::{Client, ClientConfig, RequestError, Work};
use anchor::engine::ConsumerName;
use anchor::environment::Environment;
use anchor::event::EventKey;
use anchor::session::frame::HistoryRange;
use anchor::{Draft, Event, EventKind, From, RoomId, System, UserId};

/// How far back reminders are looked for after a start, in milliseconds: their day, and six in which the bot may be away.
const REMEMBERED_MS: u64 = 7 * 24 * 3600 * 1000;

struct Bot {
    client: Client,
    room: RoomId,
    /// By when they are due and their offset: which message asks, after how many seconds, and for what.
    reminders: BTreeMap<(u64, u64), (EventKey, u64, String)>,
}

impl Bot {
    /// Finds the reminders in the room's own log: the bot needs no other memory.
    async fn remember(&mut self) -> Result<(), RequestError> {
        let oldest = System.unix_ms().saturating_sub(REMEMBERED_MS);
        let mut range = HistoryRange::Newest;
        loop {
            let page = self.client.history(&self.room, range, 100).await?;
            for (epoch, event) in page.epoch.into_iter().cycle().zip(&page.events) {
                self.note(&EventKey { room: self.room.clone(), epoch, offset: event.offset }, event);
            }
            let is_over = page.events.first().is_some_and(|event| event.ts < oldest);
            let Some(next) = page.next.filter(|_| !is_over) else { return Ok(()) };
            range = HistoryRange::Before(next);
        }
    }

    /// Notes what is to be said later, unless it was redacted; returns what is to be repeated now.
    fn note<'e>(&mut self, key: &EventKey, event: &'e Event) -> Option<&'e str> {
        let redacted = event.target.filter(|_| event.kind == EventKind::REDACTION);
        self.reminders.retain(|(_, offset), _| redacted.is_none_or(|redacted| redacted.0 != *offset));
        let is_asked = event.kind == EventKind::MESSAGE && event.target.is_none();
        let body = event.body.as_ref().filter(|_| is_asked && event.user.as_str() != "bot")?;
        let Some((seconds, what)) = reminder(body.as_text()?) else { return body.as_text() };
        let reminder = (key.clone(), seconds, what.to_owned());
        self.reminders.insert((event.ts + seconds * 1000, event.offset.0), reminder);
        None
    }

    /// Replies to an event, once. Of the replies under one `name`, each must be to a later event than the one before.
    async fn reply(&self, name: &str, key: &EventKey, text: &str) -> Result<(), Box<dyn Error>> {
        let draft = Draft { kind: EventKind::MESSAGE, target: Some(key.offset), body: text.into() };
        match self.client.answer(&ConsumerName::new(name)?, key, 0, &self.room, draft).await {
            // It may not be said, and never will be: muted, say, or the message is gone.
            Ok(_) | Err(RequestError::Refused { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// `remind me in 5s: tea` is 5 and `tea`, up to a day.
fn reminder(text: &str) -> Option<(u64, &str)> {
    let (seconds, what) = text.strip_prefix("remind me in ")?.split_once("s: ")?;
    Some((seconds.parse().ok().filter(|seconds| *seconds <= 24 * 3600)?, what))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:3000".to_owned());
    let room = RoomId::new(std::env::args().nth(2).unwrap_or_else(|| "lobby".to_owned()))?;
    let client = Client::open(ClientConfig::new(server).user(UserId::new("bot")?), System)?;
    let mut consumer = client.consume(ConsumerName::new("bot")?, Some(room.clone()), From::Now);
    let mut bot = Bot { client, room, reminders: BTreeMap::new() };
    bot.remember().await?;
    loop {
        let due = bot.reminders.keys().next().map_or(u64::MAX, |(due, _)| *due);
        // What is due comes first: in a busy room there is always more to hear.
        let wait = Duration::from_millis(due.saturating_sub(System.unix_ms()));
        let heard = match wait.is_zero() {
            true => None,
            false => tokio::time::timeout(wait, consumer.next()).await.ok(),
        };
        if let Some(work) = heard {
            let work = work?;
            if let Work::Events(events) = &work {
                for (key, event) in work.keys().zip(&events.events) {
                    if let Some(text) = bot.note(&key, event) {
                        bot.reply("bot", &key, text).await?;
                    }
                }
            }
            work.position().into_iter().for_each(|position| consumer.done(work.room(), position));
        } else if let Some((_, (key, seconds, what))) = bot.reminders.pop_first() {
            // Those of one delay are due in the order of the log: each delay has a name of its own.
            bot.reply(&format!("bot.{seconds}s"), &key, &format!("reminder: {what}")).await?;
        }
    }
}
