//! Users: what others see of them, and who may begin to talk to this one.

use anchor_core::id::UserId;
use anchor_core::limits::PROFILES_MAX;
use anchor_core::user::{Direct, Profile, UserChange};

use super::Client;
use crate::client::answer::Contacts;
use crate::client::command::{Answer, Request};
use crate::client::error::RequestError;

impl Client {
    /// What others see of `users`, in that order; an empty profile of who has none.
    ///
    /// Events name users by their ids, never by their names: profiles are asked for, and followed with
    /// [`Client::profile_changes`].
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn profiles(&self, users: &[UserId]) -> Result<Vec<(UserId, Profile)>, RequestError> {
        let mut known = Vec::with_capacity(users.len());
        for users in users.chunks(PROFILES_MAX) {
            match self.request(Request::Profiles { users: users.to_vec() }).await? {
                Answer::Profiles(profiles) => known.extend(profiles),
                _ => return Err(RequestError::Closed),
            }
        }
        Ok(known)
    }

    /// From whom the user takes direct messages, and whether others are told what the user has read.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn contact(&self) -> Result<Contacts, RequestError> {
        match self.request(Request::Contact).await? {
            Answer::Contact(contact) => Ok(contact),
            _ => Err(RequestError::Closed),
        }
    }

    /// Changes what the server keeps of the user. It is durable there once this returns; the same change again changes
    /// nothing. Not kept in the outbox: where it fails, nobody makes it later.
    ///
    /// # Errors
    /// As [`Client::history`], of which all but an answer of the server leave open whether it was changed; `full` where more
    /// users are blocked than are kept.
    pub async fn change_user(&self, change: UserChange) -> Result<(), RequestError> {
        match self.request(Request::ChangeUser { change }).await? {
            Answer::Done => Ok(()),
            _ => Err(RequestError::Closed),
        }
    }

    /// Changes what others see of the user, as [`Client::change_user`]: all of it, what `profile` does not have goes away.
    ///
    /// # Errors
    /// As [`Client::change_user`].
    pub async fn set_profile(&self, profile: Profile) -> Result<(), RequestError> {
        self.change_user(UserChange::Profile(profile)).await
    }

    /// Says who may open a direct room with the user, as [`Client::change_user`]. Rooms that there are stay.
    ///
    /// # Errors
    /// As [`Client::change_user`].
    pub async fn allow_direct(&self, direct: Direct) -> Result<(), RequestError> {
        self.change_user(UserChange::Direct(direct)).await
    }

    /// Takes no direct messages of `user` any more, as [`Client::change_user`]. What was said stays.
    ///
    /// # Errors
    /// As [`Client::change_user`].
    pub async fn block(&self, user: &UserId) -> Result<(), RequestError> {
        self.change_user(UserChange::Block(user.clone())).await
    }

    /// Takes direct messages of `user` again, as [`Client::change_user`].
    ///
    /// # Errors
    /// As [`Client::change_user`].
    pub async fn unblock(&self, user: &UserId) -> Result<(), RequestError> {
        self.change_user(UserChange::Unblock(user.clone())).await
    }
}
