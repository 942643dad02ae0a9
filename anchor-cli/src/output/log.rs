//! A room's log on standard output: its events and what stands among them, for programs or for people.

use anchor_core::code::Code;
use anchor_core::event::Event;
use anchor_core::position::Epoch;
use anchor_core::resume::Gap;
use anchor_core::room::Changes;
use anchor_core::session::frame::Signal;

use super::people::{self, Style};
use super::{Output, json};
use crate::args::InRoom;
use crate::exit::Failure;
use crate::{connection, say};

/// Prints the log of one room.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    in_room: InRoom,
    style: &'a Style,
    output: Output,
}

impl<'a> Log<'a> {
    /// Nothing is printed yet.
    pub(crate) fn new(in_room: InRoom, style: &'a Style) -> Self {
        Self { in_room, style, output: Output::default() }
    }

    /// An event as it was written.
    ///
    /// # Errors
    /// As [`Output::flush`], as all of these.
    pub(crate) fn event(&mut self, epoch: Epoch, event: &Event) -> Result<(), Failure> {
        let InRoom { room, json } = &self.in_room;
        match json {
            true => self.output.json(&json::event(room, epoch, event)),
            false => self.output.line(&self.style.event(room, event)),
        }
    }

    /// An event and what later ones made of it. Programs get no epoch where none is known.
    pub(crate) fn current(
        &mut self,
        epoch: Option<Epoch>,
        event: &Event,
        changes: Option<&Changes>,
    ) -> Result<(), Failure> {
        let InRoom { room, json } = &self.in_room;
        match json {
            true => self.output.json(&json::current(room, epoch, event, changes)),
            false => self.output.line(&self.style.current(room, event, changes)),
        }
    }

    /// Events that cannot be had; people are told on standard error.
    pub(crate) fn gap(&mut self, gap: &Gap) -> Result<(), Failure> {
        let InRoom { room, json } = &self.in_room;
        if *json {
            return self.output.json(&json::gap(room, gap));
        }
        self.output.flush()?;
        say::note(&people::gap(room, gap));
        Ok(())
    }

    /// What somebody said in passing; people are told on standard error.
    pub(crate) fn signal(&mut self, signal: &Signal) -> Result<(), Failure> {
        match self.in_room.json {
            true => self.output.json(&json::signal(signal))?,
            false => say::note(&people::signal(signal)),
        }
        self.output.flush()
    }

    /// The user may not read the room any further: the failure that the command ends with.
    pub(crate) fn ended(&mut self, code: Code, message: &str) -> Result<Failure, Failure> {
        if self.in_room.json {
            self.output.json(&json::ended(&self.in_room.room, code, message))?;
        }
        self.output.flush()?;
        Ok(connection::ended(message, code))
    }

    /// Writes what was printed.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.output.flush()
    }
}
