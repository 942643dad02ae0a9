//! `webhook …`: webhooks, and what they have given up.

use anchor_core::limits::{CONSUMERS_PAGE_MAX, DEAD_LETTERS_PAGE_MAX};
use anchor_core::session::frame::{DeadLetter, Webhook, WebhookChange, WebhookListing};
use serde_json::json;

use super::consumer::changed;
use crate::args::work::{
    OneWebhook, WebhookAdd, WebhookCommand, WebhookDead, WebhookLetter, WebhookList, WebhookReplay,
};
use crate::context::Context;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Runs a command of webhooks.
///
/// # Errors
/// A sentence.
pub(super) async fn run(context: &Context, command: WebhookCommand) -> Result<Exit, Failure> {
    match command {
        WebhookCommand::List(arguments) => list(context, arguments).await,
        WebhookCommand::Add(WebhookAdd { of, url, room, secret, kinds }) => {
            let webhook = Webhook { name: of.name.clone(), url, room, secret, kinds };
            change(context, of, |_| WebhookChange::Put(webhook), "added").await
        }
        WebhookCommand::Remove(of) => change(context, of, WebhookChange::Remove, "removed").await,
        WebhookCommand::Pause(of) => change(context, of, WebhookChange::Pause, "paused").await,
        WebhookCommand::Resume(of) => change(context, of, WebhookChange::Resume, "resumed").await,
        WebhookCommand::Replay(WebhookReplay { of, place }) => {
            change(context, of, |name| WebhookChange::Replay(name, place.from()), "replayed").await
        }
        WebhookCommand::Dead(arguments) => dead(context, arguments).await,
        WebhookCommand::Retry(WebhookLetter { of, key }) => {
            change(context, of, |name| WebhookChange::RetryDead(name, key), "retried").await
        }
        WebhookCommand::Drop(WebhookLetter { of, key }) => {
            change(context, of, |name| WebhookChange::DropDead(name, key), "dropped").await
        }
    }
}

/// Prints `NAME URL ROOM LAG`, and what is wrong behind it.
async fn list(context: &Context, arguments: WebhookList) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let mut output = Output::default();
    let mut after = None;
    loop {
        let page = client.webhooks(after, CONSUMERS_PAGE_MAX as u64).await?;
        for webhook in &page.webhooks {
            match arguments.json {
                true => output.json(&as_json(webhook))?,
                false => output.line(&as_line(webhook))?,
            }
        }
        output.flush()?;
        after = page.next;
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}

fn as_json(webhook: &WebhookListing) -> serde_json::Value {
    let WebhookListing { name, url, room, kinds, paused, lag, dead, dropped, failures, error } = webhook;
    let kinds: Vec<_> =
        kinds.iter().map(|kind| kind.name().map_or_else(|| kind.0.to_string(), str::to_owned)).collect();
    json!({
        "name": name.as_str(),
        "url": url,
        "room": room.as_ref().map(|room| room.as_str()),
        "kinds": kinds,
        "paused": paused,
        "lag": lag,
        "dead": dead,
        "dropped": dropped,
        "failures": failures,
        "error": error,
    })
}

fn as_line(webhook: &WebhookListing) -> String {
    let WebhookListing { name, url, room, paused, lag, dead, error, .. } = webhook;
    let (url, room) = (escape::line(url), room.as_ref().map_or("*", |room| room.as_str()));
    let lag = lag.map_or("?".to_owned(), |lag| lag.to_string());
    let paused = if *paused { " (paused)" } else { "" };
    let dead = if *dead > 0 { format!(" ({dead} dead)") } else { String::new() };
    let error = error.as_ref().map(|error| format!(": {}", escape::line(error))).unwrap_or_default();
    format!("{name} {url} {room} {lag}{paused}{dead}{error}")
}

/// Prints `TIME KEY (ATTEMPTS): ERROR` for each letter.
async fn dead(context: &Context, arguments: WebhookDead) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let mut output = Output::default();
    let mut after = None;
    loop {
        let name = arguments.name.clone();
        let page = client.dead_letters(name, after, DEAD_LETTERS_PAGE_MAX as u64).await?;
        for DeadLetter { key, at, attempts, error } in &page.letters {
            if arguments.json {
                output.json(&json!({
                    "key": key.to_string(),
                    "room": key.room.as_str(),
                    "epoch": key.epoch.to_string(),
                    "offset": key.offset.0,
                    "at": at,
                    "attempts": attempts,
                    "error": error,
                }))?;
            } else {
                let at = context.style().moment(*at);
                output.line(&format!("{at} {key} ({attempts}): {}", escape::line(error)))?;
            }
        }
        output.flush()?;
        after = page.next;
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}

async fn change(
    context: &Context,
    of: OneWebhook,
    change: impl FnOnce(anchor_core::engine::ConsumerName) -> WebhookChange,
    what: &str,
) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    client.change_webhook(change(of.name.clone())).await?;
    changed(&of.name, what, of.json)
}
