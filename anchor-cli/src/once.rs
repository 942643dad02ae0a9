//! Remembers the change that a command has put into the outbox, until its answer was printed: one small file in the state
//! directory.
//!
//! With the outbox it makes a killed command repeatable. While the change waits, the outbox has it; once the server has
//! answered, the outbox has let go of it, and only this file tells that it was asked for. It is taken away by whichever
//! command ends in good order with nothing waiting.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anchor_core::event::{Body, Mentions};
use data_encoding::BASE64;
use serde_json::json;

use crate::command::change::Change;
use crate::exit::{Exit, Failure};
use crate::output::json::to_line;

/// The change that was begun last, as an earlier process left it.
#[derive(Debug)]
pub(crate) struct Once {
    directory: PathBuf,
    begun: Option<Vec<u8>>,
}

impl Once {
    /// Reads what an earlier process left in the state directory; the caller holds the outbox there.
    pub(crate) fn open(directory: PathBuf) -> Self {
        let begun = fs::read(directory.join(FILE)).ok();
        Self { directory, begun }
    }

    /// True, and only the first time, if this is the change that an earlier process began.
    pub(crate) fn take_begun(&mut self, change: &Change) -> bool {
        self.begun.take_if(|begun| *begun == line(change)).is_some()
    }

    /// This change is in the outbox.
    ///
    /// # Errors
    /// A sentence where the file cannot be written.
    pub(crate) fn begin(&self, change: &Change) -> Result<(), Failure> {
        let next = self.directory.join("change.next");
        let written =
            fs::write(&next, line(change)).and_then(|()| fs::rename(&next, self.directory.join(FILE)));
        written.map_err(|error| {
            let shown = self.directory.display();
            Failure::new(
                Exit::Failure,
                format!("cannot write to {shown}: {error}; make room and run the command again: it is not done twice"),
            )
        })
    }
}

/// Nothing waits any more, and whoever waited was told.
pub(crate) fn forget(directory: &Path) {
    match fs::remove_file(directory.join(FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            crate::say::note(&format!("-- cannot take {FILE} out of {}: {error}", directory.display()));
        }
        _ => {}
    }
}

fn line(change: &Change) -> Vec<u8> {
    let Change { room, draft } = change;
    let Mentions { room: calls_room, users } = draft.body.mentions().cloned().unwrap_or_default();
    to_line(&json!({
        "room": room.as_str(),
        "kind": draft.kind.0,
        "target": draft.target.map(|target| target.0),
        "content_type": Body::content_type(&draft.body),
        "body": BASE64.encode(draft.body.bytes()),
        "mentions_room": calls_room,
        "mentions": users.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

const FILE: &str = "change.json";
