//! What became of each message: acks to standard output, everything else to standard error, and the exit code.

use anchor_core::code::Code;
use anchor_core::id::RoomId;
use anchor_core::publish::{Ack, Refusal};
use anchor_transport::client::{Notice, PublishError, Undecided, UndecidedReason};

use crate::args::Send;
use crate::exit::{Exit, Failure};
use crate::output::{Output, json};
use crate::say::Progress;
use crate::{escape, say};

pub(super) struct Report {
    room: RoomId,
    is_json: bool,
    /// True where lines have numbers worth telling.
    is_numbered: bool,
    /// True once nobody reads standard output any more.
    is_unread: bool,
    output: Output,
    progress: Progress,
    acked: u64,
    exit: Exit,
}

impl Report {
    pub(super) fn new(arguments: &Send) -> Self {
        Self {
            room: arguments.room.clone(),
            is_json: arguments.json,
            is_numbered: arguments.text.is_none(),
            is_unread: false,
            output: Output::default(),
            progress: Progress::new(),
            acked: 0,
            exit: Exit::Done,
        }
    }

    /// True once the server has acknowledged anything.
    pub(super) const fn has_answers(&self) -> bool {
        self.acked > 0
    }

    /// The code of the worst that happened.
    pub(super) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Writes out what was acknowledged. Where nobody reads it any more, the sending goes on nevertheless.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let written = self.output.flush();
        self.unless_closed(written)
    }

    /// The answer to a line of this process, or to a message that was sent again.
    pub(super) fn answer(
        &mut self,
        line: Option<u64>,
        answer: Result<Ack, PublishError>,
    ) -> Result<(), Failure> {
        match answer {
            Ok(ack) => self.acked(line, &ack),
            Err(PublishError::Refused(refusal)) => {
                let room = self.room.clone();
                self.refused(line, &room, &refusal)
            }
            Err(PublishError::Unconfirmed) => {
                // The end of the run says how to go on.
                say::note(&format!(
                    "-- {}: it cannot be told whether it stands in the log",
                    self.which(line)
                ));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The fate of a message that an earlier process left.
    pub(super) fn notice(&mut self, notice: Notice) -> Result<(), Failure> {
        match notice {
            Notice::Settled { ack, .. } => self.acked(None, &ack)?,
            Notice::Refused { room, refusal, .. } if is_so_already(&refusal) => {
                let (room, message) = (escape::line(room.as_str()), escape::line(&refusal.message));
                say::note(&format!("-- left by an earlier run, and so already in {room}: {message}"));
            }
            Notice::Refused { room, refusal, .. } => self.refused(None, &room, &refusal)?,
            // Counted at the end, with what else is undecided.
            Notice::Unconfirmed { .. } => {}
            Notice::LostAcks { offered, older } => say::note(&format!(
                "-- the server was restored to an earlier day: it lost messages of yours, of which {} are kept here; \
                 older ones that it may have lost too: {older}",
                offered.len()
            )),
            Notice::Cloned { unsettled } => say::note(&format!(
                "-- another copy of this state directory is in use: this one goes on under a new id; messages to settle \
                 first: {unsettled}"
            )),
        }
        Ok(())
    }

    /// Tells of messages that only a person can decide about.
    pub(super) fn undecided(&mut self, undecided: &[Undecided]) {
        let (lost, unknown): (Vec<_>, Vec<_>) =
            undecided.iter().partition(|entry| matches!(entry.reason, UndecidedReason::Lost { .. }));
        for (what, entries) in [
            ("messages that the server acknowledged and lost", lost),
            ("messages that may or may not stand in the log", unknown),
        ] {
            if !entries.is_empty() {
                let sentence = format!(
                    "{what}: {}; send them again with --undecided resend or give them up with --undecided discard",
                    entries.len()
                );
                self.trouble(&sentence, Exit::Unconfirmed);
            }
        }
    }

    /// Says what went wrong, while the rest goes on.
    pub(super) fn trouble(&mut self, sentence: &str, exit: Exit) {
        say::note(&format!("anchor-cli: {}", escape::line(sentence)));
        if matches!(self.exit, Exit::Done | Exit::Refused) {
            self.exit = exit;
        }
    }

    fn acked(&mut self, line: Option<u64>, ack: &Ack) -> Result<(), Failure> {
        if !self.is_unread {
            let written = match self.is_json {
                true => self.output.json(&json::ack(line, ack)),
                false => {
                    self.output.line(&format!("{} {}", escape::line(ack.room.as_str()), ack.mark.offset))
                }
            };
            self.unless_closed(written)?;
        }
        self.acked += 1;
        let acked = self.acked;
        self.progress.show(|| format!("{acked} acknowledged"));
        Ok(())
    }

    fn refused(&mut self, line: Option<u64>, room: &RoomId, refusal: &Refusal) -> Result<(), Failure> {
        if self.is_json && !self.is_unread {
            let written = self.output.json(&json::refused(line, room, refusal));
            self.unless_closed(written)?;
        }
        let which = self.which(line);
        let Refusal { code, message } = refusal;
        self.trouble(&format!("{which} was refused ({code}): {message}"), Exit::Refused);
        Ok(())
    }

    fn unless_closed(&mut self, written: Result<(), Failure>) -> Result<(), Failure> {
        match written {
            Err(Failure::OutputClosed) => {
                self.is_unread = true;
                Ok(())
            }
            written => written,
        }
    }

    fn which(&self, line: Option<u64>) -> String {
        match line {
            Some(number) if self.is_numbered => format!("line {number}"),
            Some(_) => "the message".to_owned(),
            None => "a message of an earlier run".to_owned(),
        }
    }
}

/// True for the answer to a change that another command left, where nothing was to be changed.
fn is_so_already(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::Unchanged | Code::RoomExists)
}
