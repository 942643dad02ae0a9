//! What becomes of a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::dice::Dice;

/// What becomes of a connection. Bytes are counted in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Clean,
    /// It is ended before anything is said.
    TurnedAway,
    /// It is ended after so many bytes, wherever in a frame that is.
    Cut {
        /// Which way they go.
        way: Way,
        /// How many.
        bytes: u64,
    },
    /// After so many bytes nothing goes through for a while, in one direction or both, and nobody is told. Then it is cut,
    /// or goes on.
    Stalled {
        /// Which way they go.
        way: Way,
        /// How many.
        bytes: u64,
        /// How long nothing goes through.
        pause: Duration,
        /// Whether it is cut then.
        is_cut: bool,
    },
    /// Everything is late by up to this.
    Delayed {
        /// How late.
        most: Duration,
    },
    /// Few bytes at a time, in both directions.
    Dripped {
        /// How many.
        bytes: usize,
    },
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

impl Fate {
    /// Draws one: two in five connections are clean.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let way = if dice.chance(50) { Way::Up } else { Way::Down };
        match dice.below(100) {
            0..40 => Self::Clean,
            40..46 => Self::TurnedAway,
            46..66 => Self::Cut { way, bytes: dice.magnitude(CUT_WITHIN) },
            66..80 => Self::Stalled {
                way,
                bytes: dice.magnitude(CUT_WITHIN),
                pause: dice.time(PAUSE, STALL_MAX),
                is_cut: dice.chance(70),
            },
            80..92 => Self::Delayed { most: dice.time(Duration::ZERO, DELAY_MAX) },
            _ => Self::Dripped { bytes: DRIP_MIN + usize::try_from(dice.magnitude(DRIP_MAX)).unwrap_or(0) },
        }
    }

    /// What of it concerns bytes that go `way`.
    const fn flow(self, way: Way) -> Flow {
        match self {
            Self::Cut { way: its, bytes } if its as u8 == way as u8 => Flow::Until { bytes, pause: None },
            Self::Stalled { way: its, bytes, pause, is_cut } if its as u8 == way as u8 => {
                Flow::Until { bytes, pause: Some((pause, is_cut)) }
            }
            Self::Delayed { most } => Flow::Late { most },
            Self::Dripped { bytes } => Flow::Few { bytes },
            _ => Flow::Free,
        }
    }
}

/// How bytes go in one direction.
#[derive(Clone, Copy, Debug)]
enum Flow {
    Free,
    Until { bytes: u64, pause: Option<(Duration, bool)> },
    Late { most: Duration },
    Few { bytes: usize },
}

/// Carries bytes in both directions until one of them is at its end, or the connection at that of its fate.
///
/// `answers` is told of whatever comes from the server, before that goes on.
pub(super) async fn carry(
    client: TcpStream,
    server: TcpStream,
    fate: Fate,
    mut dice: Dice,
    answers: Arc<Notify>,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let down = Dice::new(dice.next(), 0);
    tokio::select! {
        () = copy(from_client, to_server, fate.flow(Way::Up), dice, None) => {}
        () = copy(from_server, to_client, fate.flow(Way::Down), down, Some(&answers)) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut flow: Flow,
    mut dice: Dice,
    answers: Option<&Notify>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let most = match flow {
            Flow::Free | Flow::Late { .. } => BUFFER_BYTES,
            Flow::Until { bytes, .. } => usize::try_from(bytes).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES),
            Flow::Few { bytes } => bytes,
        };
        let Ok(read @ 1..) = from.read(&mut buffer[..most]).await else { return };
        if let Some(answers) = answers {
            answers.notify_waiters();
        }
        match flow {
            Flow::Late { most } => sleep(dice.time(Duration::ZERO, most)).await,
            Flow::Few { .. } => sleep(DRIP_EVERY).await,
            Flow::Free | Flow::Until { .. } => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if let Flow::Until { bytes, pause } = &mut flow {
            *bytes -= read as u64;
            if *bytes > 0 {
                continue;
            }
            match *pause {
                None => return,
                Some((pause, is_cut)) => {
                    sleep(pause).await;
                    if is_cut {
                        return;
                    }
                    flow = Flow::Free;
                }
            }
        }
    }
}

/// Bytes carried at a time. Source: chosen.
const BUFFER_BYTES: usize = 16 * 1024;

/// Within how many bytes a connection is cut or stalled. Source: chosen; within the handshake as well as within a frame far
/// behind it, since small numbers are drawn as often as large ones.
const CUT_WITHIN: u64 = 256 * 1024;

/// The shortest stall. Source: chosen.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// The longest stall. Source: chosen; several may follow each other in a run of a minute.
const STALL_MAX: Duration = Duration::from_secs(8);

/// Source: chosen; a poor mobile network.
const DELAY_MAX: Duration = Duration::from_millis(150);

/// Bytes at a time on a connection that drips, at least, and at most in addition. Source: chosen; 6 KB/s, below which a
/// client of the default rate would never come to its end.
const DRIP_MIN: usize = 64;
const DRIP_MAX: u64 = 2_000;

/// Between two drops. Source: chosen.
const DRIP_EVERY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
