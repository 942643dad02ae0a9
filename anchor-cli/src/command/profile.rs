//! `profile`: what others see of users.

use anchor_core::id::UserId;
use anchor_core::limits::PROFILES_MAX;
use anchor_core::user::{Profile, ProfileText, UserChange};
use anchor_transport::client::Client;

use crate::args::person::{MaybeLine, ProfileCommand, ProfileSet, ProfileShow};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, rooms};
use crate::{connection, escape};

/// Shows or changes profiles.
///
/// # Errors
/// A sentence.
pub(super) async fn run(context: &Context, command: ProfileCommand) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
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
    for users in users.chunks(PROFILES_MAX) {
        for (user, profile) in client.profiles(users).await? {
            match json {
                true => output.json(&rooms::profile(&user, &profile))?,
                false => output.line(&line(&user, &profile))?,
            }
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
    client.change_user(UserChange::Profile(profile.clone())).await?;
    let mut output = Output::default();
    let mut value = rooms::profile(user, &profile);
    if profile == known {
        value["unchanged"] = true.into();
    }
    match json {
        true => output.json(&value)?,
        false => output.line(&line(user, &profile))?,
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// `ada [Ada Lovelace] [https://example.org/ada.png]: back at noon`
fn line(user: &UserId, profile: &Profile) -> String {
    let Profile { name, avatar, status } = profile;
    let mut line = escape::name(user.as_str()).to_string();
    for text in [name, avatar].into_iter().flatten() {
        line += &format!(" [{}]", escape::line(text.as_str()));
    }
    status.as_ref().map_or(line.clone(), |status| format!("{line}: {}", escape::line(status.as_str())))
}
