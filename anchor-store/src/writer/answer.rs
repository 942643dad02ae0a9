//! What a step answers, once its commit is durable and seen.

use std::sync::Arc;

use anchor_core::publish::Outcome;
use anchor_core::store::{ClientState, StoreError};
use anchor_core::user::{TooManyBlocked, UserRow};

use crate::queue::Reply;
use crate::shared::BACKEND;

/// The answer to one request.
#[derive(Debug)]
pub(super) enum Answer {
    Append(Reply<Vec<Outcome>>, Vec<Outcome>),
    /// A session of the batch was forgotten: nothing of it was decided.
    Forgotten(Reply<Vec<Outcome>>),
    Open(Reply<ClientState>, ClientState),
    Trim(Reply<()>),
    ChangeUser(Reply<Result<UserRow, TooManyBlocked>>, Result<UserRow, TooManyBlocked>),
    IsDecided(Reply<bool>, bool),
}

impl Answer {
    pub(super) fn send(self) {
        // Somebody who no longer waits for the answer dropped the other end.
        match self {
            Self::Append(reply, outcomes) => drop(reply.send(Ok(outcomes))),
            Self::Forgotten(reply) => drop(reply.send(Err(StoreError::Unavailable {
                backend: BACKEND,
                source: Arc::new(
                    "the session was idle for so long that it was forgotten; open another".into(),
                ),
            }))),
            Self::Open(reply, state) => drop(reply.send(Ok(state))),
            Self::Trim(reply) => drop(reply.send(Ok(()))),
            Self::ChangeUser(reply, changed) => drop(reply.send(Ok(changed))),
            Self::IsDecided(reply, is_decided) => drop(reply.send(Ok(is_decided))),
        }
    }
}
