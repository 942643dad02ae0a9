//! The signals that end the process: the first ends it well, the second at once.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::server::{Ended, Server};

/// Listens for SIGTERM and Ctrl-C from its making on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Stream,
    interrupt: Stream,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM: a supervisor.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
}

impl Signals {
    /// Needs a tokio runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }

    /// Lets `server` serve until a signal or its store ends it, well; a second signal says [`Err`].
    pub(crate) async fn stop(mut self, server: Server) -> Result<Ended, Signal> {
        let stopper = server.stopper();
        let mut ended = std::pin::pin!(server.wait());
        tokio::select! {
            ended = &mut ended => return Ok(ended),
            signal = self.next() => tracing::info!(?signal, "asked to stop; a second signal ends the process at once"),
        }
        stopper.stop();
        tokio::select! {
            ended = &mut ended => Ok(ended),
            signal = self.next() => Err(signal),
        }
    }
}

impl Signal {
    /// Ends the process at once, with the code that shells use for a signal.
    pub(crate) fn end_process(self) -> ! {
        std::process::exit(match self {
            Self::Terminate => 128 + 15,
            Self::Interrupt => 128 + 2,
        })
    }
}
