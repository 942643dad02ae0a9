//! `chat`: a room line by line. What is typed goes into the outbox; what stands in the log is printed, own lines too:
//! a line that appears with its time is on the server's disk.

mod screen;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;

use anchor_core::code::Code;
use anchor_core::event::{Draft, Event};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::publish::{Ack, Refusal};
use anchor_core::resume::GapReason;
use anchor_core::session::frame::{From, Signal};
use anchor_transport::client::{
    Announcement, Client, ConnectionState, Delivery, Notice, PublishError, Publishing, Subscription,
    UndecidedId,
};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;

use self::screen::Screen;
use crate::args::Chat;
use crate::connection::{self, Changes};
use crate::context::Context;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::input::{self, Line};
use crate::output::people;

/// Talks until `/quit` or the end of the input, and then until everything typed has its answer.
///
/// # Errors
/// A sentence. What was typed and not yet acknowledged stays in the outbox.
pub(crate) async fn run(context: &Context, arguments: Chat) -> Result<Exit, Failure> {
    let room = arguments.room;
    let client = match room == RoomId::announcements() {
        // They are the room itself.
        true => context.writer()?,
        false => context.talker()?,
    };
    let mut screen = Screen::new();
    let who = escape::name(context.user().as_str());
    screen.note(&format!("-- {} as {who}; /help tells the commands", escape::line(room.as_str())))?;
    if client.pending() > 0 {
        screen.note(&format!("-- left by an earlier run and delivered first: {}", client.pending()))?;
    }
    let talk = Talk {
        subscription: client.subscribe(&room, From::Last(LAST)).await,
        lines: Some(input::lines()),
        notices: Box::pin(client.notices()),
        signals: Box::pin(client.signals()),
        announcements: Box::pin(client.announcements()),
        changes: Changes::new(&client, context.server()),
        resending: VecDeque::new(),
        queueing: None,
        answers: FuturesOrdered::new(),
        head: None,
        shown: Offset::ZERO,
        sent: Offset::ZERO,
        exit: Exit::Done,
        context,
        client,
        room,
        screen,
    };
    talk.run().await
}

struct Talk<'a> {
    context: &'a Context,
    client: Client,
    room: RoomId,
    screen: Screen,
    subscription: Subscription,
    /// `None` once nothing more will be typed.
    lines: Option<mpsc::Receiver<io::Result<Line>>>,
    notices: Pin<Box<dyn Stream<Item = Notice> + Send>>,
    signals: Pin<Box<dyn Stream<Item = Signal> + Send>>,
    announcements: Pin<Box<dyn Stream<Item = Announcement> + Send>>,
    changes: Changes,
    /// Undecided messages to be sent again.
    resending: VecDeque<UndecidedId>,
    /// A message on its way into the outbox; the next line is not read before it is there.
    queueing: Option<BoxFuture<'static, Result<Publishing, PublishError>>>,
    answers: FuturesOrdered<Publishing>,
    /// What the screen must show before the end of a pipe ends the chat; `None` while that is not known.
    head: Option<Offset>,
    /// The newest offset on the screen.
    shown: Offset,
    /// The newest offset of an own message.
    sent: Offset,
    exit: Exit,
}

enum Happened {
    Notice(Box<Notice>),
    Answer(Result<Ack, PublishError>),
    Delivery(Delivery),
    Announced(Box<Event>),
    Signal(Box<Signal>),
    Queued(Result<Publishing, PublishError>),
    Line(Option<io::Result<Line>>),
    Stopped(Failure),
    Flushed,
    Change(String),
}

impl Talk<'_> {
    async fn run(mut self) -> Result<Exit, Failure> {
        while !self.is_over() {
            if self.queueing.is_none()
                && let Some(id) = self.resending.pop_front()
            {
                let client = self.client.clone();
                self.queueing = Some(async move { client.resend(id).await }.boxed());
            }
            let happened = match self.happens().now_or_never() {
                Some(happened) => happened,
                None => {
                    self.screen.flush()?;
                    self.happens().await
                }
            };
            match happened {
                Happened::Notice(notice) => self.notice(*notice)?,
                Happened::Answer(answer) => self.answered(answer)?,
                Happened::Delivery(delivery) => self.delivered(delivery)?,
                Happened::Announced(event) => {
                    self.screen.line(&self.context.style().chat(&RoomId::announcements(), &event))?;
                }
                Happened::Signal(signal) if signal.room == self.room => {
                    self.screen.note(&people::signal(&signal))?;
                }
                Happened::Signal(_) => {}
                Happened::Queued(queued) => {
                    self.queueing = None;
                    match queued {
                        Ok(publishing) => self.queued(publishing)?,
                        Err(error) => self.answered(Err(error))?,
                    }
                }
                Happened::Line(Some(Ok(line))) => self.typed(line).await?,
                Happened::Line(Some(Err(error))) => {
                    self.screen.note(&format!("-- cannot read standard input: {error}"))?;
                    self.leave()?;
                }
                Happened::Line(None) if self.screen.is_terminal() => self.quit()?,
                Happened::Line(None) => self.leave()?,
                Happened::Stopped(failure) => return Err(failure),
                Happened::Flushed => {}
                Happened::Change(change) => self.screen.note(&change)?,
            }
        }
        while let Some(Some(notice)) = self.notices.next().now_or_never() {
            self.notice(notice)?;
        }
        self.screen.flush()?;
        Ok(self.exit)
    }

    /// The next thing that happens.
    ///
    /// # Cancellation
    /// Nothing is lost.
    async fn happens(&mut self) -> Happened {
        let is_flushing = self.lines.is_none() && self.client.pending() > 0;
        let is_queueing = self.queueing.is_some();
        let queued = async {
            match &mut self.queueing {
                Some(queueing) => queueing.await,
                None => std::future::pending().await,
            }
        };
        let line = async {
            match &mut self.lines {
                Some(lines) if !is_queueing => lines.recv().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(notice) = self.notices.next() => Happened::Notice(Box::new(notice)),
            Some(answer) = self.answers.next() => Happened::Answer(answer),
            Some(delivery) = self.subscription.next() => Happened::Delivery(delivery),
            Some(announcement) = self.announcements.next() => Happened::Announced(Box::new(announcement.event)),
            Some(signal) = self.signals.next() => Happened::Signal(Box::new(signal)),
            queued = queued => Happened::Queued(queued),
            line = line => Happened::Line(line),
            failure = connection::stopped(&self.client) => Happened::Stopped(failure),
            _ = self.client.flushed(), if is_flushing => Happened::Flushed,
            change = self.changes.next() => Happened::Change(change),
        }
    }

    /// True once nothing more will be typed, and everything typed has its answer and its place on the screen.
    fn is_over(&self) -> bool {
        self.lines.is_none()
            && self.resending.is_empty()
            && self.queueing.is_none()
            && self.answers.is_empty()
            && self.client.pending() == 0
            && self.head.is_some_and(|head| self.shown >= head.max(self.sent))
    }

    async fn typed(&mut self, line: Line) -> Result<(), Failure> {
        self.screen.typed();
        let text = match line.text {
            Ok(text) => text,
            Err(refusal) => return self.refused(&refusal),
        };
        let said = match text.strip_prefix('/') {
            None => text.as_str(),
            Some(said) if said.starts_with('/') => said,
            Some(command) => return self.command(command.trim_end()).await,
        };
        if !said.is_empty() {
            let (client, room, draft) = (self.client.clone(), self.room.clone(), Draft::message(said));
            self.queueing = Some(async move { client.publish(&room, draft).await }.boxed());
        }
        Ok(())
    }

    async fn command(&mut self, command: &str) -> Result<(), Failure> {
        match command {
            "quit" => self.quit(),
            "help" => HELP.iter().try_for_each(|line| self.screen.note(line)),
            "resend" => {
                let undecided = self.client.undecided().await?;
                self.resending.extend(undecided.iter().map(|entry| entry.id));
                self.screen.note(&format!("-- sent again: {}", undecided.len()))
            }
            "discard" => {
                let undecided = self.client.undecided().await?;
                for entry in &undecided {
                    self.client.discard(entry.id).await?;
                }
                self.screen.note(&format!("-- given up: {}", undecided.len()))
            }
            _ => self
                .screen
                .note("-- there is no such command: /help tells those there are, // says a line with a /"),
        }
    }

    fn queued(&mut self, publishing: Publishing) -> Result<(), Failure> {
        self.answers.push_back(publishing);
        self.tell_what_waits()
    }

    fn answered(&mut self, answer: Result<Ack, PublishError>) -> Result<(), Failure> {
        match answer {
            Ok(ack) => {
                if ack.room == self.room {
                    self.sent = ack.mark.offset;
                }
                Ok(())
            }
            Err(PublishError::Refused(refusal)) => self.refused(&refusal),
            Err(PublishError::Unconfirmed) => self.unconfirmed(),
            Err(PublishError::Stopped { code, message }) => {
                Err(connection::turned_away(&message, code.name()))
            }
            Err(error) => Err(Failure::new(Exit::Failure, error.to_string())),
        }
    }

    fn delivered(&mut self, delivery: Delivery) -> Result<(), Failure> {
        match delivery {
            Delivery::Started { position, head, .. } => {
                self.shown = position.offset;
                self.head.get_or_insert(head);
            }
            Delivery::Events(events) => {
                for event in &events.events {
                    self.screen.line(&self.context.style().chat(&self.room, event))?;
                    self.shown = event.offset;
                }
            }
            Delivery::Hidden { position, .. } => self.shown = position.offset,
            Delivery::Gap(gap) => {
                self.screen.note(&people::gap(&self.room, &gap))?;
                self.shown = gap.position.unwrap_or_default().offset;
                if !matches!(gap.reason, GapReason::Trimmed | GapReason::Skipped) {
                    // What was known of another log says nothing of this one.
                    self.sent = Offset::ZERO;
                    self.head = Some(Offset::ZERO);
                }
            }
            Delivery::Ended { code, message } => {
                return Err(connection::ended(&message, code));
            }
        }
        Ok(())
    }

    fn notice(&mut self, notice: Notice) -> Result<(), Failure> {
        match notice {
            // It appears among the others, like everything in this room.
            Notice::Settled { ack, .. } if ack.room == self.room => Ok(()),
            Notice::Settled { ack, .. } => {
                let room = escape::line(ack.room.as_str()).to_string();
                self.screen.note(&format!("-- left by an earlier run, now in {room}: #{}", ack.mark.offset))
            }
            Notice::Refused { refusal, .. } if matches!(refusal.code, Code::Unchanged | Code::RoomExists) => {
                self.screen.note(&format!("-- left by an earlier run: {}", escape::line(&refusal.message)))
            }
            Notice::Refused { refusal, .. } => self.refused(&refusal),
            Notice::Unconfirmed { .. } => self.unconfirmed(),
            Notice::LostAcks { offered, older } => self.screen.note(&format!(
                "-- the server was restored to an earlier day and lost messages of yours: {} are kept here (/resend \
                 sends them again, /discard gives them up), up to {older} older ones are not",
                offered.len()
            )),
            Notice::Cloned { .. } => {
                self.screen.note("-- another copy of this state directory is in use: this one goes on under a new id")
            }
        }
    }

    fn refused(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        self.exit = Exit::Refused;
        self.screen.note(&format!("-- refused: {} ({})", escape::line(&refusal.message), refusal.code))
    }

    fn unconfirmed(&mut self) -> Result<(), Failure> {
        self.exit = Exit::Unconfirmed;
        self.screen.note(
            "-- it cannot be told whether a message of yours stands in the log: look for it; /resend sends it again, \
             /discard gives it up",
        )
    }

    /// Leaves without a look at the room, should that not have been shown yet.
    fn quit(&mut self) -> Result<(), Failure> {
        self.head = Some(Offset::ZERO);
        self.leave()
    }

    fn leave(&mut self) -> Result<(), Failure> {
        self.lines = None;
        self.screen.end_prompt();
        self.tell_what_waits()
    }

    /// Says what waits while there is no connection.
    fn tell_what_waits(&mut self) -> Result<(), Failure> {
        let waiting = self.client.pending();
        if waiting == 0 || matches!(self.client.state(), ConnectionState::Connected { .. }) {
            return Ok(());
        }
        let place = self.context.waiting_place().unwrap_or_default();
        let place = escape::line(&place);
        let how = if self.lines.is_none() { "; Ctrl-C leaves now" } else { "" };
        self.screen.note(&format!("-- waiting for the server: {waiting}, kept in {place}{how}"))
    }
}

/// Messages shown at the beginning. Source: chosen; what fits most terminals.
const LAST: u64 = 20;

const HELP: [&str; 6] = [
    "-- Each line is a message. It appears with its time once it is on the server's disk.",
    "-- /quit      leave; so does the end of the input (Ctrl-D)",
    "-- /resend    send messages again of which it cannot be told whether they stand in the log",
    "-- /discard   give such messages up",
    "-- /help      this",
    "-- //text     say /text",
];
