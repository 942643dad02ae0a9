//! The line in which the events of a connection stand, from where they are read to where they are done.
//!
//! socketioxide runs every handler in a task of its own, so that two events of a client may overtake each other. What
//! enters the line does so before, where the socket is read: in the order in which the client sent it.

use std::sync::{Arc, Mutex, PoisonError};

use anchor::core::limits::IN_FLIGHT_BYTES_MAX;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::Asker;
use crate::hearing::Heard;

/// The end of the line that is added to. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    sender: Arc<Mutex<Option<Sender<Waiting>>>>,
    room: Arc<Semaphore>,
}

/// An event in line.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) heard: Heard,
    pub(crate) asker: Asker,
    /// Its place in the line, until this is dropped.
    _place: OwnedSemaphorePermit,
}

/// The line is full, or has ended.
#[derive(Debug)]
pub(crate) struct Full;

impl Line {
    pub(crate) fn new() -> (Self, Receiver<Waiting>) {
        let (sender, receiver) = channel(IN_FLIGHT_BYTES_MAX / EVENT_BYTES);
        let room = Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX));
        (Self { sender: Arc::new(Mutex::new(Some(sender))), room }, receiver)
    }

    /// Puts an event at the end of the line.
    pub(crate) fn enter(&self, heard: Heard, asker: Asker) -> Result<(), Full> {
        let text = if let Heard::Say { text, .. } = &heard { text.len() } else { 0 };
        let bytes = u32::try_from(EVENT_BYTES + text).map_err(|_| Full)?;
        let place = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| Full)?;
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(Full)?;
        sender.try_send(Waiting { heard, asker, _place: place }).map_err(|_| Full)
    }

    /// Takes nothing more. What stands in line is done.
    pub(crate) fn end(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What an event weighs beside its text, in bytes. Source: names, the client's offset and who waits for the answer, about.
const EVENT_BYTES: usize = 512;
