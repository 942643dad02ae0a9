//! What a client tells without being asked: the state of its connection, and the fate of what earlier processes left.

use anchor_core::code::Code;
use anchor_core::environment::Monotonic;
use anchor_core::event::Draft;
use anchor_core::id::{ClientTag, RoomId, Seq, SessionId, UserId};
use anchor_core::position::Position;
use anchor_core::publish::{Ack, Refusal};
use anchor_core::session::frame::SessionLimits;

/// How the connection stands. See [`super::Client::states`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// A connection is being made.
    Connecting {
        /// Which attempt since the last success, from 1.
        attempt: u32,
    },
    /// The server said welcome.
    Connected {
        /// The name of the session, for logs.
        session: SessionId,
        /// Who the server takes this client for.
        user: UserId,
        /// The name under which others see this client.
        client: ClientTag,
        /// What the server takes.
        limits: SessionLimits,
    },
    /// There is no connection; the next attempt comes by itself.
    Waiting {
        /// When, by the client's environment.
        until: Monotonic,
        /// Why the last one ended or did not come about.
        reason: String,
    },
    /// The client will not connect again by itself.
    Stopped {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
    /// The client was closed.
    Closed,
}

/// Something that concerns no call of this process. See [`super::Client::notices`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A publish that an earlier process left in the outbox stands in the log.
    Settled {
        /// Where it stands.
        ack: Ack,
        /// What was published.
        draft: Draft,
    },
    /// A publish that an earlier process left in the outbox was refused for good. With `unchanged` or `room_exists` it is so
    /// already as it was to become.
    Refused {
        /// Its number.
        seq: Seq,
        /// For which room it was.
        room: RoomId,
        /// What was to be published.
        draft: Draft,
        /// Why not.
        refusal: Refusal,
    },
    /// It cannot be found out whether this publish is in the log: a person decides.
    Unconfirmed {
        /// The publish; told again at every start until it is decided.
        entry: Undecided,
    },
    /// The server no longer has acknowledged publishes of this client: it was restored to an earlier day.
    LostAcks {
        /// Those that are still known here, in the order of their seqs: to be sent anew, or given up.
        offered: Vec<Undecided>,
        /// How many more there may be that are no longer known here.
        older: u64,
    },
    /// Another copy of this client's state is in use: this one goes on under a new `client_id`.
    Cloned {
        /// How many publishes must be settled under older ids first.
        unsettled: usize,
    },
}

/// A publish that only a person can decide about: [`super::Client::resend`] or [`super::Client::discard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// By what to name it.
    pub id: UndecidedId,
    /// For which room.
    pub room: RoomId,
    /// What was published.
    pub draft: Draft,
    /// Its number, under the `client_id` of that time.
    pub seq: Seq,
    /// Why it is undecided.
    pub reason: UndecidedReason,
}

/// Names an [`Undecided`] within one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UndecidedId(pub u64);

/// Why a publish is undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndecidedReason {
    /// Its outcome is forgotten, and the part of the log that would tell cannot be read.
    Unconfirmed,
    /// It was acknowledged at this position, which the server no longer has.
    Lost {
        /// Where it stood.
        position: Position,
    },
}
