//! What a session asks of its driver, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use super::frame::{
    Consume, Consumed, ConsumerChange, From, HistoryRange, RequestId, ServerFrame, Signal, StoredPage,
    Unread, Watching, WebhookChange, Which, Whose,
};
use super::identify::{Credentials, Denied, Identity};
use super::note::Note;
use crate::code::Code;
use crate::engine::{ConsumerError, ConsumerName, News, Opened, ReadError, RoomWatch, Slot, Verified};
use crate::event::EventKey;
use crate::id::{ClientKey, RoomId, Seq, UserId};
use crate::position::{Offset, Position};
use crate::publish::{Outcome, Publish, Refusal};
use crate::run::Run;
use crate::store::{ClientState, Direction, Read, StoreError};
use crate::user::{TooManyBlocked, UserChange};

/// Which batch of publishes an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// Something the driver does.
#[derive(Debug)]
pub enum Action {
    /// Encode and send.
    Send(ServerFrame),
    /// Encode and send, after what is more urgent: a page is large, and in nobody's way.
    SendPage(Box<StoredPage>),
    /// Send the run's `events` frame.
    Deliver(Run),
    /// Have [`super::Desk`] answer, and hand the answer to [`super::Session::handle_reply`].
    Ask(Ask),
    /// Flush what was sent, close the connection, and drop the session.
    Close(Goodbye),
}

/// Something a session must know or have done before it can go on.
#[derive(Debug)]
pub enum Ask {
    /// Who this is. Answer: [`Reply::Identified`].
    Identify(Credentials),
    /// To open the client in the store. Answer: [`Reply::ClientOpened`].
    OpenClient(ClientKey, Seq),
    /// What a store must know of a publish before it is handed over. Answer: [`Reply::Prepared`].
    Prepare(Box<Publish>),
    /// To hand publishes to the store, in the order in which this is asked. Answer: [`Reply::Appended`].
    Append(BatchId, Vec<Publish>),
    /// To open a feed. Answer: [`Reply::Opened`].
    Open(Slot, RoomId, From),
    /// To verify a cursor anew. Answer: [`Reply::Verified`].
    Verify(Slot, RoomId, Position),
    /// To read runs for a feed. Answer: [`Reply::Read`].
    Read(Slot, Read),
    /// A page of a room's log. Answer: [`Reply::Page`].
    History {
        /// The request.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Around which place.
        range: HistoryRange,
        /// Events wanted.
        limit: usize,
    },
    /// To look something up, once. Answer: [`Reply::Answered`].
    Request(RequestId, Box<Request>),
    /// To change what is kept of the user. Answer: [`Reply::UserChanged`].
    ChangeUser(RequestId, Box<UserChange>),
    /// To take what comes next for a durable consumer. Answer: [`Reply::Consumed`].
    Consume(Box<Consume>),
    /// To say something to those who are subscribed. Answer: [`Reply::Signalled`].
    Signal(Box<Signal>),
    /// What is unread in rooms, for an answer that names them. Answer: [`Reply::Unread`].
    Unread(u64, Vec<RoomId>),
    /// To watch a room. Answer: [`Reply::Watching`].
    Watch(RequestId, Slot, RoomId),
    /// What is new in a watched room to which the session is not subscribed. Answer: [`Reply::Looked`].
    Look(Slot, Arc<RoomWatch>),
    /// To tell the engine something, in turn. Answer: [`Reply::Noted`].
    Note(Box<Note>),
}

/// What a client wants to know, or to have changed, and is answered once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The rooms there are.
    Rooms {
        /// Which.
        which: Which,
        /// Those after this one.
        after: Option<RoomId>,
        /// Rooms wanted.
        limit: usize,
    },
    /// What a room is.
    Room(RoomId),
    /// Who belongs to a room.
    Members {
        /// Which room.
        room: RoomId,
        /// Those after this one.
        after: Option<UserId>,
        /// Members wanted.
        limit: usize,
    },
    /// The replies to a message.
    Thread {
        /// Which room.
        room: RoomId,
        /// The message.
        root: Offset,
        /// From where.
        from: Direction,
        /// Replies wanted.
        limit: usize,
    },
    /// What others see of some users.
    Profiles(Vec<UserId>),
    /// Who may talk to the user.
    Contact,
    /// Who is subscribed to a room.
    Who(RoomId),
    /// Words in what was said.
    Search {
        /// The words, and in which rooms, of whom and from when.
        text: String,
        /// Hits wanted.
        limit: usize,
        /// Those after these.
        after: Option<String>,
    },
    /// How many have come to some events.
    Readers {
        /// Which room.
        room: RoomId,
        /// Which events.
        offsets: Vec<Offset>,
    },
    /// The durable consumers there are.
    Consumers {
        /// Those after this one.
        after: Option<ConsumerName>,
        /// Consumers wanted.
        limit: usize,
        /// Whose.
        whose: Whose,
    },
    /// To change a durable consumer.
    ChangeConsumer {
        /// Which.
        name: ConsumerName,
        /// What.
        change: ConsumerChange,
        /// Whose.
        whose: Whose,
    },
    /// The webhooks there are.
    Webhooks {
        /// Those after this one.
        after: Option<ConsumerName>,
        /// Webhooks wanted.
        limit: usize,
    },
    /// To change the webhooks.
    ChangeWebhook(Box<WebhookChange>),
    /// What a webhook could not deliver.
    DeadLetters {
        /// Which webhook.
        name: ConsumerName,
        /// Those after this one.
        after: Option<EventKey>,
        /// Letters wanted.
        limit: usize,
    },
}

/// The answer to an [`Ask`].
#[derive(Debug)]
pub enum Reply {
    /// To `Identify`.
    Identified(Result<Identity, Denied>),
    /// To `OpenClient`.
    ClientOpened(Result<ClientState, StoreError>),
    /// To `Prepare`: the publish, to be handed over. One at a time is asked about.
    Prepared(Box<Result<Publish, StoreError>>),
    /// To `Append`.
    Appended(BatchId, Result<Vec<Outcome>, StoreError>),
    /// To `Open`.
    Opened(Slot, Result<Opened, ReadError>),
    /// To `Verify`.
    Verified(Slot, Result<Verified, ReadError>),
    /// To `Read`.
    Read(Slot, Result<Vec<Run>, StoreError>),
    /// To `History`.
    Page(RequestId, Result<StoredPage, ReadError>),
    /// To `Request`.
    Answered(RequestId, Result<ServerFrame, ReadError>),
    /// To `ChangeUser`.
    UserChanged(RequestId, Result<Result<(), TooManyBlocked>, StoreError>),
    /// To `Consume`.
    Consumed(RequestId, ConsumerName, Result<Consumed, ConsumerError>),
    /// To `Signal`.
    Signalled(Result<Result<(), Refusal>, StoreError>),
    /// To `Unread`: of each room, in their order.
    Unread(u64, Result<Vec<Option<Unread>>, StoreError>),
    /// To `Watch`: how things stand, and what changes from then on.
    Watching(RequestId, Slot, Result<Box<(RoomWatch, Watching)>, ReadError>),
    /// To `Look`.
    Looked(Slot, Result<News, ReadError>),
    /// To `Note`.
    Noted,
}

/// Bytes that were no frame, or a frame with a fault in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong: `malformed` and `too_large` end the session, others answer the request.
    pub code: Code,
    /// The request's id, if it was read before the fault.
    pub id: Option<RequestId>,
    /// One sentence for a person.
    pub message: String,
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// The reason on the wire.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
    /// When the client is expected back.
    pub reconnect_after: Option<Duration>,
}

impl Goodbye {
    /// A goodbye without a time to return.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reconnect_after: None }
    }

    /// The goodbye that a store's error comes to.
    #[must_use]
    pub fn store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => {
                Self::new(Code::StoreUnavailable, "the store is not available now")
            }
            StoreError::Unknown { .. } => {
                Self::new(Code::StoreUnknown, "a write is of unknown outcome; resend")
            }
            StoreError::Failed { .. } | StoreError::Closed => {
                Self::new(Code::StoreFailed, "the store has failed; resend when the server is back")
            }
            StoreError::Corrupt(_) => {
                Self::new(Code::Internal, "stored data is damaged; the server's log says more")
            }
        }
    }
}
