//! `direct`, `receipts`, `block`, `unblock`: what a user lets others do and know.

use anchor_core::user::ReadReceipts;
use serde_json::json;

use crate::args::person::{Block, DirectArguments, ReceiptsArguments};
use crate::context::Context;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Says who may open a direct room; or prints that, and who is blocked.
///
/// # Errors
/// A sentence.
pub(super) async fn direct(context: &Context, arguments: DirectArguments) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let contact = client.contact().await?;
    if let Some(who) = arguments.who {
        let direct = who.into();
        client.allow_direct(direct).await?;
        return changed("direct", direct.name(), contact.direct == direct, arguments.json);
    }
    let mut output = Output::default();
    if arguments.json {
        let blocked: Vec<_> = contact.blocked.iter().map(ToString::to_string).collect();
        output.json(&json!({ "direct": contact.direct.name(), "blocked": blocked }))?;
    } else {
        output.line(&format!("direct: {}", contact.direct.name()))?;
        for user in &contact.blocked {
            output.line(&format!("blocked: {}", escape::name(user.as_str())))?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Says whether others are told how far the user has read; or prints that.
///
/// # Errors
/// A sentence.
pub(super) async fn receipts(context: &Context, arguments: ReceiptsArguments) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let known = client.contact().await?.receipts;
    if let Some(whether) = arguments.whether {
        let receipts = whether.into();
        client.show_read_receipts(receipts).await?;
        return changed("receipts", name(receipts), known == receipts, arguments.json);
    }
    changed("receipts", name(known), false, arguments.json)
}

/// Takes no direct messages from a user any more.
///
/// # Errors
/// A sentence.
pub(super) async fn block(context: &Context, arguments: Block) -> Result<Exit, Failure> {
    let Block { subject, json } = arguments;
    let client = context.reader().await?;
    let is_so = client.contact().await?.blocked.contains(&subject);
    client.block(&subject).await?;
    changed("blocked", subject.as_str(), is_so, json)
}

/// Lets a user talk again.
///
/// # Errors
/// A sentence.
pub(super) async fn unblock(context: &Context, arguments: Block) -> Result<Exit, Failure> {
    let Block { subject, json } = arguments;
    let client = context.reader().await?;
    let is_so = !client.contact().await?.blocked.contains(&subject);
    client.unblock(&subject).await?;
    changed("unblocked", subject.as_str(), is_so, json)
}

const fn name(receipts: ReadReceipts) -> &'static str {
    match receipts {
        ReadReceipts::Shown => "shown",
        ReadReceipts::Hidden => "hidden",
    }
}

/// Prints `blocked: bob`, or `{"blocked":"bob"}`; where it was so already, with `unchanged`.
fn changed(what: &str, value: &str, is_so: bool, json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        let mut line = json!({ what: value });
        if is_so {
            line["unchanged"] = true.into();
        }
        output.json(&line)?;
    } else {
        let unchanged = if is_so { " (unchanged)" } else { "" };
        output.line(&format!("{what}: {}{unchanged}", escape::name(value)))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
