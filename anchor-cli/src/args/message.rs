//! What is said about messages: replies, edits, redactions, reactions, pins, threads.

use anchor_core::event::{Body, InvalidBody, Mentions};
use anchor_core::id::UserId;
use anchor_core::position::Offset;
use anchor_core::room::Sign;
use bytes::Bytes;
use clap::Args;

use super::{InRoom, offset, user};
use crate::exit::{Exit, Failure};

/// What goes with a text.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Extras {
    /// Call a user; may be given again
    #[arg(long, value_name = "USER", value_parser = user)]
    mention: Vec<UserId>,

    /// Call everybody in the room; for its moderators
    #[arg(long)]
    mention_room: bool,

    /// What the text is, such as text/markdown; plain text unless given
    #[arg(long, value_name = "TYPE", value_parser = content_type)]
    content_type: Option<String>,
}

impl Extras {
    /// What to publish of a text.
    ///
    /// # Errors
    /// [`InvalidBody`]: more mentions than a message has.
    pub(crate) fn body(&self, text: String) -> Result<Body, InvalidBody> {
        let mentions = Mentions::new(self.mention_room, self.mention.iter().cloned())?;
        Ok(Body::new(self.content_type.as_deref(), text.into())?.mentioning(mentions))
    }
}

impl From<InvalidBody> for Failure {
    fn from(error: InvalidBody) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

/// Answer a message: its thread is where the first one stands, so name that one
///
/// Prints `ROOM OFFSET`.
#[derive(Args, Debug)]
pub(crate) struct Reply {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// The message that began the thread
    #[arg(value_parser = offset)]
    pub(crate) root: Offset,

    /// The answer
    pub(crate) text: String,

    #[command(flatten)]
    pub(crate) extras: Extras,
}

/// A message of a room.
#[derive(Args, Debug)]
pub(crate) struct OnMessage {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Which message
    #[arg(value_parser = offset)]
    pub(crate) offset: Offset,
}

/// Give a message of yours another text
#[derive(Args, Debug)]
pub(crate) struct Edit {
    #[command(flatten)]
    pub(crate) on: OnMessage,

    /// What it says from now on
    pub(crate) text: String,

    #[command(flatten)]
    pub(crate) extras: Extras,
}

/// Take a message's text away, for everybody and for good
#[derive(Args, Debug)]
pub(crate) struct Redact {
    #[command(flatten)]
    pub(crate) on: OnMessage,

    /// Why; everybody sees it
    pub(crate) reason: Option<String>,
}

/// A sign on a message.
#[derive(Args, Debug)]
pub(crate) struct React {
    #[command(flatten)]
    pub(crate) on: OnMessage,

    /// The sign, an emoji as a rule
    #[arg(value_parser = sign)]
    pub(crate) sign: Sign,
}

/// Print a message and the replies to it
#[derive(Args, Debug)]
pub(crate) struct Thread {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// The message that began the thread
    #[arg(value_parser = offset)]
    pub(crate) root: Offset,

    /// Go on with the replies that come
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// Say something to everybody on the server; for its admins
///
/// It stands in the room `@announcements`, which everybody may read.
#[derive(Args, Debug)]
pub(crate) struct Announce {
    /// What
    pub(crate) text: String,

    #[command(flatten)]
    pub(crate) extras: Extras,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn sign(text: &str) -> Result<Sign, String> {
    Sign::new(text).map_err(|error| error.to_string())
}

pub(crate) fn content_type(text: &str) -> Result<String, String> {
    Body::new(Some(text), Bytes::new()).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
