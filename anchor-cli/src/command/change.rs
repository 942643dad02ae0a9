//! One change of a room: an event that goes through the outbox, and its answer.
//!
//! Invariant: a command that was killed and is run again does not do it twice. What the killed process left in the outbox is
//! delivered first, and if the change is among it, that answer is printed; and [`crate::once`] knows a change that was
//! answered in the moment of the kill.

use std::pin::Pin;

use anchor_core::code::Code;
use anchor_core::event::Draft;
use anchor_core::id::RoomId;
use anchor_core::publish::{Ack, Refusal};
use anchor_transport::client::{Client, Notice, PublishError};
use futures::{FutureExt, Stream, StreamExt};

use crate::args::InRoom;
use crate::connection::{self, Changes};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::once::Once;
use crate::output::{Output, json};
use crate::{escape, say};

/// What to publish, and into which room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) room: RoomId,
    pub(crate) draft: Draft,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It stands in the log.
    Acked(Ack),
    /// It is so already, for this reason.
    Unchanged(String),
    /// It never will be.
    Refused(Refusal),
}

/// Makes one change of a room, and prints what became of it.
///
/// # Errors
/// As [`Writer::change`] and [`Answer::print`].
pub(crate) async fn run(context: &Context, in_room: InRoom, draft: Draft) -> Result<Exit, Failure> {
    let change = Change { room: in_room.room.clone(), draft };
    Writer::open(context)?.change(change).await?.print(&in_room)
}

/// Makes changes, one after the other.
pub(crate) struct Writer {
    client: Client,
    notices: Pin<Box<dyn Stream<Item = Notice> + Send>>,
    connection: Changes,
    once: Once,
    /// What an earlier process left, once it was answered; `None` before.
    left: Option<Vec<(Change, Answer)>>,
}

impl Writer {
    /// Takes the outbox.
    ///
    /// # Errors
    /// As [`Context::writer`].
    pub(crate) fn open(context: &Context) -> Result<Self, Failure> {
        let client = context.writer()?;
        let left = client.pending();
        if left > 0 {
            say::note(&format!("-- left by an earlier run and delivered first: {left}"));
        }
        Ok(Self {
            notices: Box::pin(client.notices()),
            connection: Changes::new(&client, context.server()),
            once: Once::open(context.state()?),
            left: (left == 0).then(Vec::new),
            client,
        })
    }

    /// The client, for questions.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a change and waits for its answer, however long the server is away.
    ///
    /// # Errors
    /// A sentence. What was taken into the outbox stays there, and the same command goes on with it.
    pub(crate) async fn change(&mut self, change: Change) -> Result<Answer, Failure> {
        if let Some(answer) = self.answered_before(&change).await? {
            return Ok(answer);
        }
        let publishing = match self.client.publish(&change.room, change.draft.clone()).await {
            Err(PublishError::Refused(refusal)) => return Ok(Answer::of(refusal)),
            queued => queued?,
        };
        self.once.begin(&change)?;
        let answer = self.wait_for(publishing).await?;
        match answer {
            Ok(ack) => Ok(Answer::Acked(ack)),
            Err(PublishError::Refused(refusal)) => Ok(Answer::of(refusal)),
            Err(error) => Err(error.into()),
        }
    }

    /// The answer to the same change of a process that did not live to print it.
    async fn answered_before(&mut self, change: &Change) -> Result<Option<Answer>, Failure> {
        if self.left.is_none() {
            self.settle().await?;
        }
        let left = self.left.get_or_insert_default();
        if let Some(at) = left.iter().position(|(left, _)| left == change) {
            return Ok(Some(left.swap_remove(at).1));
        }
        match self.once.take_begun(change) {
            false => Ok(None),
            true => Err(Failure::new(
                Exit::Unconfirmed,
                "an earlier run of this command was killed in the moment of its answer: look whether it is done, and run it \
                 again if not",
            )),
        }
    }

    /// Waits until what an earlier process left is answered.
    async fn settle(&mut self) -> Result<(), Failure> {
        let client = self.client.clone();
        self.wait_for(async move { client.flushed().await }).await??;
        // The driver answers this after it has told everything that came before.
        self.client.undecided().await?;
        let mut settled = Vec::new();
        while let Some(Some(notice)) = self.notices.next().now_or_never() {
            match notice {
                Notice::Settled { ack, draft } => {
                    let room = ack.room.clone();
                    say::note(&format!(
                        "-- left by an earlier run, now in {}: #{}",
                        escape::line(room.as_str()),
                        ack.mark.offset
                    ));
                    settled.push((Change { room, draft }, Answer::Acked(ack)));
                }
                Notice::Refused { room, draft, refusal, .. } => {
                    let (code, message) = (refusal.code, escape::line(&refusal.message).to_string());
                    say::note(&match code {
                        Code::Unchanged => format!("-- left by an earlier run, and so already: {message}"),
                        code => format!("-- left by an earlier run and refused ({code}): {message}"),
                    });
                    settled.push((Change { room, draft }, Answer::of(refusal)));
                }
                Notice::Unconfirmed { .. } | Notice::LostAcks { .. } => {
                    say::note("-- there are messages that only you can decide about: see `send --undecided`");
                }
                _ => {}
            }
        }
        self.left = Some(settled);
        Ok(())
    }

    /// Waits, and says meanwhile how the connection stands.
    async fn wait_for<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                change = self.connection.next() => say::note(&change),
                failure = connection::stopped(&self.client) => return Err(failure),
            }
        }
    }
}

impl Answer {
    fn of(refusal: Refusal) -> Self {
        match refusal.code {
            Code::Unchanged => Self::Unchanged(refusal.message),
            _ => Self::Refused(refusal),
        }
    }

    /// Prints it: what stands in the log or is so already to standard output, a refusal to standard error (with `--json`,
    /// to both).
    ///
    /// # Errors
    /// [`Exit::Refused`] with its code and sentence; else as [`Output::flush`].
    pub(crate) fn print(&self, in_room: &InRoom) -> Result<Exit, Failure> {
        let InRoom { ref room, json: is_json } = *in_room;
        let mut output = Output::default();
        let shown = escape::line(room.as_str());
        match self {
            Self::Acked(ack) if is_json => output.json(&json::ack(None, ack))?,
            Self::Acked(ack) => output.line(&format!("{shown} {}", ack.mark.offset))?,
            Self::Unchanged(message) if is_json => output.json(&json::unchanged(room, message))?,
            Self::Unchanged(_) => output.line(&format!("{shown} unchanged"))?,
            Self::Refused(refusal) if is_json => output.json(&json::refused(None, room, refusal))?,
            Self::Refused(_) => {}
        }
        output.flush()?;
        match self {
            Self::Refused(Refusal { code, message }) => {
                Err(Failure::new(Exit::Refused, format!("refused ({code}): {message}")))
            }
            _ => Ok(Exit::Done),
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("client", &self.client).finish_non_exhaustive()
    }
}
