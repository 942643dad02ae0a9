//! `send`: one message, or one for each line of standard input, each until it is acknowledged.
//!
//! ```text
//! standard input -> Queue (on its way into the outbox, in order) -> waiting (for its ack, in order) -> printed
//! ```
//! Invariant: lines enter the outbox in their order, and acks are printed in that order.

mod queue;
mod report;

use std::io::{self, IsTerminal};
use std::pin::Pin;

use anchor_core::code::Code;
use anchor_core::event::Draft;
use anchor_core::publish::{Ack, Refusal};
use anchor_transport::client::{Client, Notice, PublishError, Undecided};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;

use self::queue::Queue;
use self::report::Report;
use crate::args::{self, WithUndecided};
use crate::connection::{self, Changes};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::input::{self, Line};
use crate::say;

/// Sends until the input ends and everything has its answer, also what an earlier process left in the outbox.
///
/// # Errors
/// A sentence. What was taken into the outbox stays there.
pub(crate) async fn run(context: &Context, arguments: args::Send) -> Result<Exit, Failure> {
    let client = context.writer()?;
    let left = client.pending();
    if left > 0 {
        say::note(&format!("-- left by an earlier run and delivered first: {left}"));
    }
    if arguments.text.is_none() && io::stdin().is_terminal() {
        say::note("-- each line is a message; Ctrl-D ends");
    }
    let lines = match &arguments.text {
        Some(text) => one_line(text.clone()),
        None => input::lines(),
    };
    let sender = Sender {
        changes: Changes::new(&client, context.server()),
        report: Report::new(&arguments),
        queue: Queue::default(),
        waiting: FuturesOrdered::new(),
        client,
        arguments,
    };
    sender.run(lines).await
}

/// The answer to the message of a line; `None` for a message of an earlier process.
type Answer = (Option<u64>, Result<Ack, PublishError>);

struct Sender {
    arguments: args::Send,
    client: Client,
    changes: Changes,
    report: Report,
    queue: Queue,
    waiting: FuturesOrdered<BoxFuture<'static, Answer>>,
}

impl Sender {
    async fn run(mut self, lines: mpsc::Receiver<io::Result<Line>>) -> Result<Exit, Failure> {
        let mut notices: Notices = Box::pin(self.client.notices());
        self.deliver(lines, &mut notices).await?;
        // The driver answers this after it has told everything that came before.
        let undecided = self.client.undecided().await?;
        while let Some(Some(notice)) = notices.next().now_or_never() {
            self.report.notice(notice)?;
        }
        match self.arguments.undecided {
            None => self.report.undecided(&undecided),
            Some(decision) => {
                self.decide(decision, undecided).await?;
                self.report.undecided(&self.client.undecided().await?);
            }
        }
        self.report.flush()?;
        Ok(self.report.exit())
    }

    /// Takes all lines, and ends when nothing waits for an answer.
    async fn deliver(
        &mut self,
        lines: mpsc::Receiver<io::Result<Line>>,
        notices: &mut Notices,
    ) -> Result<(), Failure> {
        let mut incoming = Incoming { lines: Some(lines), notices };
        loop {
            let happened = match self.happens(&mut incoming).now_or_never() {
                Some(happened) => happened,
                None => {
                    self.report.flush()?;
                    self.happens(&mut incoming).await
                }
            };
            match happened {
                Happened::Notice(notice) => self.report.notice(*notice)?,
                Happened::Answer((line, answer)) => self.report.answer(line, answer)?,
                Happened::Queued((line, Ok(publishing))) => {
                    self.waiting.push_back(async move { (Some(line), publishing.await) }.boxed());
                }
                Happened::Queued((line, Err(error))) => {
                    self.waiting.push_back(async move { (Some(line), Err(error)) }.boxed());
                }
                Happened::Line(Some(Ok(line))) => self.publish(line),
                Happened::Line(Some(Err(error))) => {
                    let sentence =
                        format!("cannot read standard input: {error}; what was read before is delivered");
                    self.report.trouble(&sentence, Exit::Failure);
                    incoming.lines = None;
                }
                Happened::Line(None) => incoming.lines = None,
                Happened::Flushed(flushed) => return flushed.map_err(Failure::from),
                Happened::Change(change) => say::note(&change),
                Happened::Stopped(failure) => return Err(failure),
            }
        }
    }

    /// The next thing that happens; answers go before new lines, so that the output never lags behind.
    ///
    /// # Cancellation
    /// Nothing is lost.
    async fn happens(&mut self, incoming: &mut Incoming<'_>) -> Happened {
        let is_done = incoming.lines.is_none() && self.queue.is_empty() && self.waiting.is_empty();
        let takes_more = self.queue.has_room() && self.waiting.len() < WAITING_MAX;
        let line = async {
            match &mut incoming.lines {
                Some(lines) if takes_more => lines.recv().await,
                _ => std::future::pending().await,
            }
        };
        let has_answers = self.report.has_answers();
        let flushed = async {
            if !has_answers {
                // Also with nothing to send: the server may have lost what it acknowledged before.
                connection::welcome(&self.client).await;
            }
            self.client.flushed().await
        };
        tokio::select! {
            biased;
            Some(notice) = incoming.notices.next() => Happened::Notice(Box::new(notice)),
            Some(answer) = self.waiting.next() => Happened::Answer(answer),
            Some(queued) = self.queue.next() => Happened::Queued(queued),
            line = line => Happened::Line(line),
            flushed = flushed, if is_done => Happened::Flushed(flushed),
            change = self.changes.next() => Happened::Change(change),
            failure = connection::stopped(&self.client) => Happened::Stopped(failure),
        }
    }

    fn publish(&mut self, line: Line) {
        let (client, room) = (self.client.clone(), self.arguments.room.clone());
        let call = match line.text {
            Ok(text) => {
                let body = self.arguments.extras.body(text);
                async move {
                    let body = body.map_err(|error| {
                        PublishError::Refused(Refusal::new(Code::Invalid, error.to_string()))
                    });
                    client.publish(&room, Draft::message(body?)).await
                }
                .boxed()
            }
            // It takes its place among the others, so that answers come in the order of the lines.
            Err(refusal) => async move { Err(PublishError::Refused(refusal)) }.boxed(),
        };
        self.queue.push(line.number, call);
    }

    async fn decide(&mut self, decision: WithUndecided, undecided: Vec<Undecided>) -> Result<(), Failure> {
        for entry in undecided {
            match decision {
                WithUndecided::Discard => self.client.discard(entry.id).await?,
                WithUndecided::Resend => {
                    let publishing = self.client.resend(entry.id).await?;
                    let answer = publishing.await;
                    self.report.answer(None, answer)?;
                    self.report.flush()?;
                }
            }
        }
        Ok(())
    }
}

type Notices = Pin<Box<dyn Stream<Item = Notice> + Send>>;

/// What comes in from outside.
struct Incoming<'a> {
    /// `None` at their end.
    lines: Option<mpsc::Receiver<io::Result<Line>>>,
    notices: &'a mut Notices,
}

enum Happened {
    Notice(Box<Notice>),
    Answer(Answer),
    Queued(queue::Queued),
    Line(Option<io::Result<Line>>),
    Flushed(Result<(), PublishError>),
    Change(String),
    Stopped(Failure),
}

fn one_line(text: String) -> mpsc::Receiver<io::Result<Line>> {
    let (sender, receiver) = mpsc::channel(1);
    let sent = sender.try_send(Ok(Line { number: 1, text: Ok(text) }));
    debug_assert!(sent.is_ok(), "the channel has room for one line");
    receiver
}

/// Messages that wait for their answer. Source: chosen; above what the outbox takes, which is the bound for all but
/// lines that are refused here.
const WAITING_MAX: usize = 1024;
