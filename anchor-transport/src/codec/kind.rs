//! The types of frames: a number in MessagePack, a name in JSON, the first element of each frame.
//!
//! `docs/protocol.md` holds the same table; a test compares the two.

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// The type of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FrameKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FrameKind {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The first element in MessagePack.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The first element in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The type of that number.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// The type of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// Opens a session.
    Hello = 1, "hello";
    /// Resumes more rooms.
    Resume = 2, "resume";
    /// Subscribes to a room.
    Subscribe = 3, "subscribe";
    /// Ends a subscription.
    Unsubscribe = 4, "unsubscribe";
    /// Appends an event, once.
    Publish = 5, "publish";
    /// Asks for a page of a log.
    History = 6, "history";
    /// Asks for the rooms there are.
    Rooms = 7, "rooms";
    /// Asks who is in a room.
    Who = 8, "who";
    /// A sign of life, from either side.
    Beat = 9, "beat";
    /// How far a user has come in a room.
    Cursor = 10, "cursor";
    /// How users are there, from either side.
    Presence = 11, "presence";
    /// Who types, from either side.
    Typing = 12, "typing";
    /// Something said in passing, from either side.
    Signal = 13, "signal";
    /// Asks what a room is.
    Room = 15, "room";
    /// Asks who belongs to a room.
    Members = 16, "members";
    /// Asks for the replies to a message.
    Thread = 17, "thread";
    /// Asks for profiles.
    Profiles = 18, "profiles";
    /// Asks who may talk to the user.
    Contact = 19, "contact";
    /// Changes what is kept of the user.
    ChangeUser = 20, "change_user";
    /// Looks for words in what was said.
    Search = 21, "search";
    /// Asks how many have come to some events.
    Readers = 22, "readers";
    /// Begins to follow who reads, is there and types in a room.
    Watch = 23, "watch";
    /// Ends that.
    Unwatch = 24, "unwatch";
    /// Takes what comes next for a durable consumer.
    Consume = 25, "consume";
    /// Asks what durable consumers there are.
    Consumers = 26, "consumers";
    /// Changes a durable consumer.
    ChangeConsumer = 27, "change_consumer";
    /// Asks what webhooks there are.
    Webhooks = 28, "webhooks";
    /// Changes the webhooks.
    ChangeWebhook = 29, "change_webhook";
    /// Asks what a webhook could not deliver.
    DeadLetters = 30, "dead_letters";
    /// Answers `hello`.
    Welcome = 33, "welcome";
    /// Answers `resume`.
    Resumed = 34, "resumed";
    /// Answers `subscribe`.
    Subscribed = 35, "subscribed";
    /// Answers `unsubscribe`.
    Unsubscribed = 36, "unsubscribed";
    /// Answers `publish`: it stands in the log.
    Ack = 37, "ack";
    /// Answers `history`.
    Page = 38, "page";
    /// Answers `rooms`.
    RoomList = 39, "room_list";
    /// Answers `who`.
    Present = 40, "present";
    /// How far users have come in a room.
    Receipts = 42, "receipts";
    /// Answers `publish`: it never will stand in the log.
    Refused = 48, "refused";
    /// Contiguous events of a room.
    Events = 49, "events";
    /// Events that the reader will not get, or must drop.
    Gap = 50, "gap";
    /// Answers a request that failed.
    Error = 51, "error";
    /// The last frame of a session.
    Goodbye = 52, "goodbye";
    /// Answers `room`.
    RoomInfo = 53, "room_info";
    /// Answers `members`.
    MemberList = 54, "member_list";
    /// Answers `thread`.
    ThreadPage = 55, "thread_page";
    /// Answers `profiles`.
    ProfileList = 56, "profile_list";
    /// Answers `contact`.
    Contacts = 57, "contacts";
    /// Answers what changes something.
    Done = 58, "done";
    /// Another profile of somebody.
    Profile = 59, "profile";
    /// A subscription that the server ended.
    Ended = 60, "ended";
    /// Answers `search`.
    Found = 61, "found";
    /// Answers `readers`.
    ReadBy = 62, "read_by";
    /// Answers `watch`.
    Watching = 63, "watching";
    /// Answers `unwatch`, or ends the watching by itself.
    Unwatched = 64, "unwatched";
    /// Answers `consume`.
    Consumed = 65, "consumed";
    /// Answers `consumers`.
    ConsumerList = 66, "consumer_list";
    /// Answers `webhooks`.
    WebhookList = 67, "webhook_list";
    /// Answers `dead_letters`.
    DeadLetterList = 68, "dead_letter_list";
}
