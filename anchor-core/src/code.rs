//! Every code on the wire, in one table that says what the client does next.
//!
//! `docs/protocol.md` holds the same table; a test compares the two.

use std::fmt;

/// What a client does on a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// This request or seq is decided; the session goes on.
    Final,
    /// Reconnect with the same state, or ask again later.
    Retry,
    /// Reconnect only with something new: another `client_id`, another token. Without one, stop.
    Renew,
    /// Do not reconnect by itself.
    Stop,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $class:ident;)+) => {
        /// The reason of a `refused`, `error` or `goodbye`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the client does next.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)+ }
            }

            /// The code of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    /// The same seq was used for something else; this publish was not appended.
    SeqConflict = "seq_conflict", Final;
    /// The seq lies below the client's floor: its outcome is no longer known, the log settles it.
    SeqForgotten = "seq_forgotten", Final;
    /// A higher seq was decided and this one never was: certainly not appended, and never will be.
    SeqSkipped = "seq_skipped", Final;
    /// The user may not do this.
    Denied = "denied", Final;
    /// The room does not exist and may not be made by its first publish.
    RoomUnknown = "room_unknown", Final;
    /// A room of this id exists already.
    RoomExists = "room_exists", Final;
    /// The room is archived: nothing more is said in it.
    RoomArchived = "room_archived", Final;
    /// The user is banned from this room.
    RoomBanned = "room_banned", Final;
    /// Only members of the room may do this.
    NotAMember = "not_a_member", Final;
    /// A moderator has muted the user in this room.
    Muted = "muted", Final;
    /// The message that it is about does not exist, cannot be read by the user, or was redacted.
    TargetUnknown = "target_unknown", Final;
    /// There is nothing of that name.
    NameUnknown = "name_unknown", Final;
    /// It is so already: nothing was appended.
    Unchanged = "unchanged", Final;
    /// As many as there can be: members, pins, edits, signs, blocked users, consumers, webhooks.
    Full = "full", Final;
    /// The host application does not want this said.
    Moderated = "moderated", Final;
    /// Events of this kind cannot be published.
    KindUnsupported = "kind_unsupported", Final;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", Final;
    /// The frame has a type that this version does not know, or asks for what this server does not do: search, webhooks.
    Unsupported = "unsupported", Final;
    /// A field of the request breaks a rule.
    Invalid = "invalid", Final;
    /// The session is not subscribed to that room, or does not watch it.
    NotSubscribed = "not_subscribed", Final;
    /// The session is subscribed to that room already, or watches it already.
    AlreadySubscribed = "already_subscribed", Final;
    /// More rooms than one session may have.
    TooManyRooms = "too_many_rooms", Final;
    /// More requests at once than one session may have open.
    TooManyReads = "too_many_reads", Retry;
    /// The store cannot answer now.
    StoreUnavailable = "store_unavailable", Retry;
    /// The server stops; come back in the given time.
    Shutdown = "shutdown", Retry;
    /// More publishes than the window has room for.
    WindowFull = "window_full", Retry;
    /// More bytes unacknowledged than allowed.
    TooManyInFlight = "too_many_in_flight", Retry;
    /// More than the server takes now; come back in the given time.
    RateLimited = "rate_limited", Retry;
    /// A write of unknown outcome: resend what was not acknowledged.
    StoreUnknown = "store_unknown", Retry;
    /// The store failed for good in this process; resend what was not acknowledged once it is back.
    StoreFailed = "store_failed", Retry;
    /// Nothing came for three heartbeats.
    Silent = "silent", Retry;
    /// No `hello` within its time.
    HelloLate = "hello_late", Retry;
    /// A defect of the server ended this session.
    Internal = "internal", Retry;
    /// Another took its place: of a session one of the same client, go on with a new `client_id`; of a consumer whoever takes from it now.
    Replaced = "replaced", Renew;
    /// The token is missing, wrong or expired.
    Auth = "auth", Renew;
    /// The bytes are no frame, or a frame of impossible content.
    Malformed = "malformed", Stop;
    /// The frame is larger than the limit.
    TooLarge = "too_large", Stop;
    /// A frame came before `hello`, or `hello` came twice.
    OutOfOrder = "out_of_order", Stop;
    /// No common version or encoding.
    Version = "version", Stop;
    /// The user is banned from this server.
    Banned = "banned", Stop;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
