//! The frames of a client.

use super::{
    Consume, ConsumerChange, From, HistoryRange, Presence, RequestId, Signal, WebhookChange, Which, Whose,
};
use crate::engine::ConsumerName;
use crate::event::{Draft, EventKey};
use crate::id::{ClientId, Nonce, RoomId, Seq, UserId};
use crate::position::{Epoch, Offset, Position};
use crate::store::Direction;
use crate::user::UserChange;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Opens the session: authenticates, and resumes rooms in the same round trip.
    Hello(Hello),
    /// Resumes more rooms.
    Resume {
        /// Repeated in `resumed`.
        id: RequestId,
        /// Rooms, and from where they go on.
        rooms: Vec<ResumeRoom>,
    },
    /// Subscribes to a room.
    Subscribe {
        /// Repeated in `subscribed`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// From where.
        from: From,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// Repeated in `unsubscribed`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// Appends an event, once.
    Publish(PublishFrame),
    /// Asks for a page of a room's log.
    History {
        /// Repeated in `page`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Around which place.
        range: HistoryRange,
        /// Events wanted, at most.
        limit: u64,
    },
    /// Asks for the rooms there are.
    Rooms {
        /// Repeated in `room_list`.
        id: RequestId,
        /// Those after this one, in the order of ids.
        after: Option<RoomId>,
        /// Rooms wanted, at most.
        limit: u64,
        /// Which.
        which: Which,
    },
    /// Asks what a room is.
    Room {
        /// Repeated in `room_info`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// Asks who belongs to a room.
    Members {
        /// Repeated in `member_list`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Those after this one, in the order of ids.
        after: Option<UserId>,
        /// Members wanted, at most.
        limit: u64,
    },
    /// Asks for the replies to a message.
    Thread {
        /// Repeated in `thread_page`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// The message that began it.
        root: Offset,
        /// The newest before an offset, or the oldest after one.
        from: Direction,
        /// Replies wanted, at most.
        limit: u64,
    },
    /// Asks for what others see of some users.
    Profiles {
        /// Repeated in `profile_list`.
        id: RequestId,
        /// Whose; at most [`crate::limits::PROFILES_MAX`].
        users: Vec<UserId>,
    },
    /// Asks who may talk to the user.
    Contact {
        /// Repeated in `contacts`.
        id: RequestId,
    },
    /// Changes what is kept of the user.
    ChangeUser {
        /// Repeated in `done`.
        id: RequestId,
        /// What.
        change: UserChange,
    },
    /// Says something to those who are there now, in passing.
    Signal(Signal),
    /// Asks who is subscribed to a room now.
    Who {
        /// Repeated in `present`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// How far the user has come in a room. More than one per room and second are merged.
    Cursor(CursorFrame),
    /// How the user is there, as far as this session goes.
    Presence {
        /// Online or away.
        presence: Presence,
    },
    /// The user begins to type, goes on typing, or stops.
    Typing {
        /// In which room.
        room: RoomId,
        /// True while it goes on: said anew within [`crate::limits::TYPING_EXPIRES`].
        typing: bool,
    },
    /// Looks for words in what was said.
    Search {
        /// Repeated in `found`.
        id: RequestId,
        /// The words, and in which rooms, of whom and from when.
        text: String,
        /// Hits wanted, at most.
        limit: u64,
        /// Those after these: the `next` of an answer.
        after: Option<String>,
    },
    /// Asks how many have come to some events.
    Readers {
        /// Repeated in `read_by`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Which events; at most [`crate::limits::READERS_OFFSETS_MAX`].
        offsets: Vec<Offset>,
    },
    /// Begins to follow who has read, is there and types in a room.
    Watch {
        /// Repeated in `watching`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// Ends that.
    Unwatch {
        /// Repeated in `unwatched`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// Takes what comes next for a durable consumer, and says what was done with what came before.
    Consume(Box<Consume>),
    /// Asks what durable consumers there are.
    Consumers {
        /// Repeated in `consumer_list`.
        id: RequestId,
        /// Those after this one, in the order of names.
        after: Option<ConsumerName>,
        /// Consumers wanted, at most.
        limit: u64,
        /// Whose.
        whose: Whose,
    },
    /// Changes a durable consumer.
    ChangeConsumer {
        /// Repeated in `done`.
        id: RequestId,
        /// Which.
        name: ConsumerName,
        /// What.
        change: ConsumerChange,
        /// Whose.
        whose: Whose,
    },
    /// Asks what webhooks there are.
    Webhooks {
        /// Repeated in `webhook_list`.
        id: RequestId,
        /// Those after this one, in the order of names.
        after: Option<ConsumerName>,
        /// Webhooks wanted, at most.
        limit: u64,
    },
    /// Changes the webhooks.
    ChangeWebhook {
        /// Repeated in `done`.
        id: RequestId,
        /// What.
        change: Box<WebhookChange>,
    },
    /// Asks what a webhook could not deliver.
    DeadLetters {
        /// Repeated in `dead_letter_list`.
        id: RequestId,
        /// Which webhook.
        name: ConsumerName,
        /// Those after this one, in the order of keys.
        after: Option<EventKey>,
        /// Letters wanted, at most.
        limit: u64,
    },
    /// A sign of life.
    Beat,
}

/// The first frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// A token, where the server wants one.
    pub token: Option<String>,
    /// The user, where the server believes it.
    pub user: Option<UserId>,
    /// The secret of this installation.
    pub client_id: ClientId,
    /// The lowest seq in the outbox as it stands on the client's disk.
    pub waits: Seq,
    /// What the client can do beyond this version's base.
    pub features: Vec<String>,
    /// Rooms, and from where they go on.
    pub resume: Vec<ResumeRoom>,
}

/// A room in a `hello` or a `resume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRoom {
    /// Which room.
    pub room: RoomId,
    /// The position after which it goes on.
    pub position: Position,
    /// If more messages than so many are missing: the last so many of them alone, behind a gap of reason `skipped`.
    pub last: Option<u64>,
}

impl ResumeRoom {
    /// All that is missing behind a position.
    #[must_use]
    pub const fn after(room: RoomId, position: Position) -> Self {
        Self { room, position, last: None }
    }

    /// Where its stream starts.
    #[must_use]
    pub fn from(&self) -> From {
        match self.last {
            Some(last) => From::Recent { after: self.position, last },
            None => From::After(self.position),
        }
    }
}

/// A publish, as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFrame {
    /// The client's number for it.
    pub seq: Seq,
    /// The client's random bits for it.
    pub nonce: Nonce,
    /// The lowest seq in the outbox as it stands on the client's disk.
    pub waits: Seq,
    /// Into which room.
    pub room: RoomId,
    /// What to append.
    pub draft: Draft,
    /// Only to settle a publish of an older `client_id` of the same user.
    pub client_id: Option<ClientId>,
}

/// How far a user has come in a room, as a client says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorFrame {
    /// Which room.
    pub room: RoomId,
    /// In which history the events were written.
    pub epoch: Epoch,
    /// The newest event that this client has taken, with all before it.
    pub delivered: Option<Offset>,
    /// The newest event that the user has read, with all before it.
    pub read: Option<Offset>,
}
