//! What is unread: never counted, only subtracted, so that it is right after any crash.

use super::Anchor;
use super::permit::{Grant, ReadError};
use crate::cursor::{Cursors, ReadMark};
use crate::id::RoomId;
use crate::position::Offset;
use crate::room::Permit;
use crate::sabotage::{self, Sabotage};
use crate::session::Identity;
use crate::session::frame::Unread;
use crate::store::{Place, RoomState, StoreError};

impl Anchor {
    /// How far a user has read in each of `rooms`, and how many messages lie behind that for the user to read: none of the
    /// user's own, none from before the user joined, none that was trimmed away. None for a room that the user may not read, and
    /// for one in which the user neither is a member nor has read anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unread(
        &self,
        reader: &Identity,
        rooms: &[RoomId],
    ) -> Result<Vec<Option<Unread>>, StoreError> {
        let cursors = self.store().cursors(&reader.user, rooms).await?;
        let mut unread = Vec::with_capacity(rooms.len());
        for (room, cursors) in rooms.iter().zip(cursors) {
            unread.push(self.unread_in(reader, room, cursors).await?);
        }
        Ok(unread)
    }

    async fn unread_in(
        &self,
        reader: &Identity,
        room: &RoomId,
        cursors: Cursors,
    ) -> Result<Option<Unread>, StoreError> {
        let known = self.0.tails.get(room).and_then(|tail| tail.state_and_plain());
        let (state, grant) = match known {
            // Nothing was decided about the room: nobody is a member, everybody reads.
            Some((Some(state), _, true)) => (Some(state), None),
            _ => {
                let state = self.store().room(room).await?;
                let standing = self.store().standing(room, &reader.user).await?;
                match self.grant_by(room, standing, Some(reader)).await {
                    Ok(grant) => (state, Some(grant)),
                    Err(ReadError::Store(error)) => return Err(error),
                    Err(_) => return Ok(None),
                }
            }
        };
        let Some(state) = state else { return Ok(None) };
        let permit = grant.as_ref().map_or(Permit::ALL, |grant| grant.permit);
        let joined_at = joined_at(grant.as_ref());
        let is_own = *room == RoomId::own_log(&reader.user);
        if joined_at == Offset::ZERO && cursors.is_nowhere() && !is_own {
            return Ok(None);
        }
        let head = match permit.until.filter(|until| *until < state.head.offset) {
            Some(until) => {
                self.store().locate(room, Place::Offset(until)).await?.unwrap_or(state.before_horizon)
            }
            None => state.head,
        };
        let read = self.read_since(room, &state, cursors.read, joined_at).await?;
        Ok(Some(Unread { read: read.offset, messages: read.unread(head.ordinal) }))
    }

    /// How far somebody has read who joined with the event at `joined_at`: what was before that, or trimmed away, is no more
    /// there to be read.
    async fn read_since(
        &self,
        room: &RoomId,
        state: &RoomState,
        read: ReadMark,
        joined_at: Offset,
    ) -> Result<ReadMark, StoreError> {
        let joined = match joined_at > read.offset && !sabotage::is(Sabotage::UnreadBeforeJoin) {
            true => self.mark_at(room, state, joined_at).await?.map_or(read, ReadMark::from),
            false => read,
        };
        Ok(read.max(joined).max(state.before_horizon.into()))
    }
}

/// The event with which somebody joined; zero for who did not.
fn joined_at(grant: Option<&Grant>) -> Offset {
    let member = grant.and_then(|grant| grant.standing.as_ref()).and_then(|standing| standing.member);
    member.map_or(Offset::ZERO, |member| member.joined_at)
}
