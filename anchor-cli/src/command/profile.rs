//! `profile`: what others see of users.

use anchor_core::user::{Profile, ProfileText};
use anchor_transport::client::Client;

use crate::args::person::{MaybeLine, ProfileCommand, ProfileSet, ProfileShow};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, profile};

/// Shows or changes profiles.
///
/// # Errors
/// A sentence.
pub(super) async fn run(context: &Context, command: ProfileCommand) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    match command {
        ProfileCommand::Show(show) => print(context, &client, show).await,
        ProfileCommand::Set(set) => change(context, &client, set).await,
    }
}

async fn print(context: &Context, client: &Client, arguments: ProfileShow) -> Result<Exit, Failure> {
    let ProfileShow { mut users, json } = arguments;
    if users.is_empty() {
        users.push(context.user().clone());
    }
    let mut output = Output::default();
    for (user, known) in client.profiles(&users).await? {
        match json {
            true => output.json(&profile::json(&user, &known))?,
            false => output.line(&profile::line(&user, &known))?,
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn change(context: &Context, client: &Client, arguments: ProfileSet) -> Result<Exit, Failure> {
    let ProfileSet { name, avatar, status, json } = arguments;
    let user = context.user();
    let known = client.profiles(std::slice::from_ref(user)).await?.pop().map(|(_, profile)| profile);
    let known = known.unwrap_or_default();
    let given = |given: Option<MaybeLine>, known: &Option<ProfileText>| {
        given.map_or_else(|| known.clone(), |MaybeLine(text)| text)
    };
    let profile = Profile {
        name: given(name, &known.name),
        avatar: given(avatar, &known.avatar),
        status: given(status, &known.status),
    };
    client.set_profile(profile.clone()).await?;
    let mut output = Output::default();
    let mut value = profile::json(user, &profile);
    if profile == known {
        value["unchanged"] = true.into();
    }
    match json {
        true => output.json(&value)?,
        false => output.line(&profile::line(user, &profile))?,
    }
    output.flush()?;
    Ok(Exit::Done)
}
