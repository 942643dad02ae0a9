//! Questions about rooms: which there are, what they are, who belongs to them, who is there.

use anchor_core::id::{RoomId, UserId};
use anchor_core::session::frame::{RoomListing, Which};

use super::Client;
use crate::client::answer::{MemberPage, Present, RoomPage};
use crate::client::command::{Answer, Request};
use crate::client::error::RequestError;

impl Client {
    /// The rooms after `after` in the order of their ids, at most `limit`, and after which one more follow: ask until `next`
    /// is `None`, a page may have fewer than there are.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn rooms(
        &self,
        which: Which,
        after: Option<&RoomId>,
        limit: u64,
    ) -> Result<RoomPage, RequestError> {
        match self.request(Request::Rooms { which, after: after.cloned(), limit }).await? {
            Answer::Rooms(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// What a room is, how far its log reaches for the user, and the user's own place in it. Who is invited may ask, too.
    ///
    /// # Errors
    /// As [`Client::history`]; `room_unknown` where there is none, or none that this user may know of.
    pub async fn room(&self, room: &RoomId) -> Result<RoomListing, RequestError> {
        match self.request(Request::Room { room: room.clone() }).await? {
            Answer::Room(listing) => Ok(*listing),
            _ => Err(RequestError::Closed),
        }
    }

    /// Users and their places in a room: those after `after` in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// As [`Client::room`]; `not_a_member` or `room_banned` where the user may know of the room, and not of its members.
    pub async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u64,
    ) -> Result<MemberPage, RequestError> {
        match self.request(Request::Members { room: room.clone(), after: after.cloned(), limit }).await? {
            Answer::Members(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// Who is subscribed to a room now.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn who(&self, room: &RoomId) -> Result<Present, RequestError> {
        match self.request(Request::Who { room: room.clone() }).await? {
            Answer::Present(present) => Ok(present),
            _ => Err(RequestError::Closed),
        }
    }
}
