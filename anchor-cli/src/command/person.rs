//! `direct`, `block`, `unblock`: from whom a user takes direct messages.

use anchor_core::user::UserChange;
use anchor_transport::client::Client;
use serde_json::json;

use crate::args::person::{Block, DirectArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::{connection, escape};

/// Says who may open a direct room; or prints that, and who is blocked.
///
/// # Errors
/// A sentence.
pub(super) async fn direct(context: &Context, arguments: DirectArguments) -> Result<Exit, Failure> {
    let client = connected(context).await?;
    let contact = client.contact().await?;
    let mut output = Output::default();
    match arguments.who {
        None if arguments.json => {
            let blocked: Vec<_> = contact.blocked.iter().map(ToString::to_string).collect();
            output.json(&json!({ "direct": contact.direct.name(), "blocked": blocked }))?;
        }
        None => {
            output.line(&format!("direct: {}", contact.direct.name()))?;
            for user in &contact.blocked {
                output.line(&format!("blocked: {}", escape::name(user.as_str())))?;
            }
        }
        Some(who) => {
            let direct = who.into();
            client.change_user(UserChange::Direct(direct)).await?;
            changed(&mut output, "direct", direct.name(), contact.direct == direct, arguments.json)?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Takes no direct messages from a user any more.
///
/// # Errors
/// A sentence.
pub(super) async fn block(context: &Context, arguments: Block) -> Result<Exit, Failure> {
    let Block { subject, json } = arguments;
    let client = connected(context).await?;
    let is_so = client.contact().await?.blocked.contains(&subject);
    client.change_user(UserChange::Block(subject.clone())).await?;
    let mut output = Output::default();
    changed(&mut output, "blocked", subject.as_str(), is_so, json)?;
    output.flush()?;
    Ok(Exit::Done)
}

/// Lets a user talk again.
///
/// # Errors
/// A sentence.
pub(super) async fn unblock(context: &Context, arguments: Block) -> Result<Exit, Failure> {
    let Block { subject, json } = arguments;
    let client = connected(context).await?;
    let is_so = !client.contact().await?.blocked.contains(&subject);
    client.change_user(UserChange::Unblock(subject.clone())).await?;
    let mut output = Output::default();
    changed(&mut output, "unblocked", subject.as_str(), is_so, json)?;
    output.flush()?;
    Ok(Exit::Done)
}

async fn connected(context: &Context) -> Result<Client, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    Ok(client)
}

/// `blocked: bob`, or `{"blocked":"bob"}`; where it was so already, with `unchanged`.
fn changed(output: &mut Output, what: &str, value: &str, is_so: bool, json: bool) -> Result<(), Failure> {
    if !json {
        let unchanged = if is_so { " (unchanged)" } else { "" };
        return output.line(&format!("{what}: {}{unchanged}", escape::name(value)));
    }
    let mut line = json!({ what: value });
    if is_so {
        line["unchanged"] = true.into();
    }
    output.json(&line)
}
