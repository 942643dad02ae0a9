//! Ids of rooms that follow from other ids: nobody chooses them, so that everybody comes to the same.

use crate::id::{RoomId, UserId, length_prefix};

impl RoomId {
    /// The direct room of two users: `@` and 32 hex digits of BLAKE3 over the two ids, sorted, each behind its length.
    /// The same for both; one may be talking to oneself.
    #[must_use]
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let mut hasher = blake3::Hasher::new();
        for user in [first, second] {
            hasher.update(&length_prefix(user.as_str().len()));
            hasher.update(user.as_str().as_bytes());
        }
        Self::derived("@", &hasher.finalize())
    }

    /// The room that holds what was reported of `room`, for its moderators: `@reports.` and 32 hex digits of BLAKE3 over
    /// the id.
    #[must_use]
    pub fn reports_of(room: &Self) -> Self {
        Self::derived("@reports.", &blake3::hash(room.as_str().as_bytes()))
    }

    /// The log of what concerns a user: `@own.` and 32 hex digits of BLAKE3 over the id. Only that user reads it.
    #[must_use]
    pub fn own_log(user: &UserId) -> Self {
        Self::derived(OWN_LOG, &blake3::hash(user.as_str().as_bytes()))
    }

    /// True for an id that a user's own log can have.
    #[must_use]
    pub fn is_own_log(&self) -> bool {
        self.as_str().starts_with(OWN_LOG)
    }

    /// Where an admin speaks to everybody on the server.
    #[must_use]
    pub fn announcements() -> Self {
        Self::made("@announcements".into())
    }

    /// True for an id that a direct room can have.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        let hex = self.as_str().strip_prefix('@').unwrap_or_default();
        hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    fn derived(prefix: &str, hash: &blake3::Hash) -> Self {
        Self::made(format!("{prefix}{}", &hash.to_hex()[..32]))
    }
}

/// With what the id of a user's own log begins.
const OWN_LOG: &str = "@own.";
