//! What every command needs: the server, who speaks, how things are shown, and the client.

use std::error::Error;
use std::path::PathBuf;
use std::sync::OnceLock;

use anchor::System;
use anchor_core::code::Class;
use anchor_core::id::UserId;
use anchor_transport::client::{Client, ClientConfig, OpenError, PublishError, RequestError};

use crate::args::Arguments;
use crate::exit::{Exit, Failure};
use crate::output::people::{Style, Zone};
use crate::{connection, escape, once, say, state};

/// What the options in front of the command say, and the client that the command opened.
#[derive(Debug)]
pub(crate) struct Context {
    server: String,
    /// The command line names it.
    is_server_named: bool,
    user: UserId,
    state: Option<PathBuf>,
    style: Style,
    outbox: OnceLock<Outbox>,
}

#[derive(Debug)]
struct Outbox {
    client: Client,
    directory: PathBuf,
}

impl Context {
    /// Takes the options; opens nothing yet. `is_server_named`: the command line names the server, not a variable or
    /// nobody.
    pub(crate) fn new(arguments: &Arguments, is_server_named: bool) -> Self {
        let zone = if arguments.utc { Zone::Utc } else { Zone::Local };
        Self {
            server: arguments.server.clone(),
            is_server_named,
            user: arguments.user(),
            state: arguments.state.clone(),
            style: Style::new(zone),
            outbox: OnceLock::new(),
        }
    }

    /// The address of the server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The address of the server, if the command line names it.
    pub(crate) fn named_server(&self) -> Option<&str> {
        self.is_server_named.then_some(&self.server)
    }

    /// Who speaks.
    pub(crate) const fn user(&self) -> &UserId {
        &self.user
    }

    /// How people see events.
    pub(crate) const fn style(&self) -> &Style {
        &self.style
    }

    /// The state directory, made if it is not there.
    ///
    /// # Errors
    /// See [`state::directory`].
    pub(crate) fn state(&self) -> Result<PathBuf, Failure> {
        state::directory(self.state.as_deref(), &self.server, &self.user)
    }

    /// A client without a state directory, once it is connected: what it asks for is done or fails while it runs, nothing is left of
    /// it on this machine, and any number of them may run.
    ///
    /// # Errors
    /// A sentence about the address; else as [`connection::first`].
    pub(crate) async fn reader(&self) -> Result<Client, Failure> {
        let client =
            Client::open(self.config().without_announcements(), System).map_err(|error| unopened(&error))?;
        connection::first(&client, &self.server).await?;
        Ok(client)
    }

    /// The client whose outbox lies in the state directory; one process at a time.
    ///
    /// # Errors
    /// [`Exit::StateHeld`] if another process has it; else a sentence about the address or the directory.
    pub(crate) fn writer(&self) -> Result<Client, Failure> {
        self.open(self.config().without_announcements())
    }

    /// As [`Context::writer`], for a person who wants to hear what is announced to everybody.
    ///
    /// # Errors
    /// As [`Context::writer`].
    pub(crate) fn talker(&self) -> Result<Client, Failure> {
        self.open(self.config())
    }

    fn open(&self, config: ClientConfig) -> Result<Client, Failure> {
        let directory = self.state()?;
        let config = config.directory(&directory);
        let client = Client::open(config, System).map_err(|error| unopened(&error))?;
        // A command opens it once; were it twice, the lock of the directory would have refused the second.
        let _ = self.outbox.set(Outbox { client: client.clone(), directory });
        Ok(client)
    }

    /// Where the writer's messages wait, in words.
    pub(crate) fn waiting_place(&self) -> Option<String> {
        self.outbox.get().map(|outbox| outbox.directory.display().to_string())
    }

    /// Says how many messages wait and how they go on, if some do.
    pub(crate) fn tell_what_waits(&self) {
        if let Some(Outbox { client, directory }) = self.outbox.get()
            && client.pending() > 0
        {
            let place = directory.display().to_string();
            say::note(&format!(
                "anchor-cli: unacknowledged messages: {}; they are kept in {}, and the next command with this state that \
                 sends or changes something in a room delivers them first",
                client.pending(),
                escape::line(&place),
            ));
        }
    }

    /// Leaves the state directory.
    pub(crate) async fn close(&self) {
        if let Some(outbox) = self.outbox.get() {
            let is_done = outbox.client.pending() == 0;
            outbox.client.close().await;
            if is_done {
                once::forget(&outbox.directory);
            }
        }
    }

    fn config(&self) -> ClientConfig {
        ClientConfig::new(&self.server).user(self.user.clone())
    }
}

/// A request that was not answered as it should be.
impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::TimedOut => {
                Self::new(Exit::TimedOut, "the server did not answer; look whether it is well and try again")
            }
            RequestError::Stopped { .. } => Self::new(Exit::TurnedAway, chain(&error)),
            RequestError::Refused { code, message }
                if matches!(code.class(), Class::Final | Class::Renew) =>
            {
                Self::new(Exit::Refused, format!("refused ({code}): {message}"))
            }
            error => Self::new(Exit::Failure, chain(&error)),
        }
    }
}

/// A publish that came to no end.
impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(refusal) => {
                Self::new(Exit::Refused, format!("refused ({}): {}", refusal.code, refusal.message))
            }
            PublishError::Unconfirmed => Self::new(Exit::Unconfirmed, error.to_string()),
            PublishError::Stopped { code, message } => connection::turned_away(&message, code.name()),
            PublishError::Closed => Self::new(Exit::Failure, "the connection was closed; try again"),
            error => Self::new(Exit::Failure, error.to_string()),
        }
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}

fn unopened(error: &OpenError) -> Failure {
    let exit = match error {
        OpenError::Address { .. } => Exit::Usage,
        OpenError::Held { .. } => Exit::StateHeld,
        _ => Exit::Failure,
    };
    Failure::new(exit, chain(error))
}
