//! Opens many connections, some at a time, as fast as the server takes them.

use std::ops::Range;
use std::time::Duration;

use anchor_core::session::frame::ClientFrame;

use super::net::{Handler, Net};
use crate::exit::{Exit, Failure};
use crate::say::{self, Progress};

/// Opens the connections of `clients`, each with its `hello`, and returns once all of them are welcome.
///
/// # Errors
/// Where not all of them could be opened in time.
pub(super) fn all<H: Handler>(
    net: &mut Net,
    handler: &mut H,
    clients: Range<usize>,
    hello: impl Fn(&H, usize) -> ClientFrame,
) -> Result<(), Failure> {
    let give_up = net.now().plus(OPEN_WITHIN);
    let (before, count) = (net.links.live(), clients.len());
    let mut clients = clients.into_iter().peekable();
    let mut dialled = 0;
    let mut progress = Progress::always();
    loop {
        let live = net.links.live() - before;
        if live == count {
            return Ok(());
        }
        while dialled < live + DIALLING_MAX
            && let Some(who) = clients.next()
        {
            dial(net, who, &hello(handler, who))?;
            dialled += 1;
        }
        progress.show(|| format!("connecting {} {live} of {count}", say::bar(live as f64 / count as f64)));
        net.turn(handler, give_up).map_err(|failure| unreached(failure, net.links.live()))?;
        if net.now() >= give_up {
            let sentence =
                format!("{live} of {count} connections were open after {} s", OPEN_WITHIN.as_secs());
            return Err(Failure::new(Exit::TimedOut, sentence));
        }
    }
}

/// A failure before anybody was welcome says that the server is not to be reached.
fn unreached(failure: Failure, live: usize) -> Failure {
    match failure {
        Failure::Said { sentence, .. } if live == 0 => Failure::new(Exit::Unreachable, sentence),
        failure => failure,
    }
}

/// Begins to open a connection.
///
/// # Errors
/// A sentence where the system has no more sockets.
pub(super) fn dial(net: &mut Net, who: usize, hello: &ClientFrame) -> Result<(), Failure> {
    net.links.dial(who, hello).map_err(|error| {
        Failure::new(Exit::Failure, format!("cannot open connection {who}: {error}; see `ulimit -n`"))
    })
}

/// How long opening all connections may take. Source: chosen; 15,000 take seconds.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Connections that are being opened at once. Source: chosen; a listener's backlog takes more.
const DIALLING_MAX: usize = 128;
