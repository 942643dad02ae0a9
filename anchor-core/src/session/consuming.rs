//! What a session takes for durable consumers: which names it holds, and one question at a time for each.

use std::collections::{BTreeSet, VecDeque};

use super::action::{Action, Ask};
use super::frame::{Consume, Consumed, ConsumerChange, ConsumerListing, From, RequestId, ServerFrame, Whose};
use super::identify::Identity;
use super::machine::error_frame;
use crate::code::Code;
use crate::engine::{Anchor, ConsumerError, ConsumerId, ConsumerName, ReadError, Scope, Whose as Of};
use crate::error::ErrorKind;
use crate::id::UserId;
use crate::limits::{CONSUME_DONE_MAX, CONSUMERS_OF_SESSION_MAX};
use crate::publish::Refusal;

/// The consumers that a session takes for.
#[derive(Debug, Default)]
pub(super) struct Consuming {
    names: BTreeSet<ConsumerName>,
    /// Those of which a `consume` is not answered yet.
    open: BTreeSet<ConsumerName>,
}

impl Consuming {
    /// Takes a `consume`.
    pub(super) fn ask(&mut self, consume: Consume, out: &mut VecDeque<Action>) {
        let Consume { id, ref name, ref done, series, from, .. } = consume;
        let is_held = self.names.contains(name);
        let refusal = if done.len() > CONSUME_DONE_MAX {
            Refusal::new(Code::Invalid, "at most 200 positions are said to be done at once")
        } else if series.is_none() && !done.is_empty() {
            Refusal::new(Code::Invalid, "what is done is done in a series: say in which")
        } else if !matches!(from, From::Start | From::Now) {
            Refusal::new(Code::Invalid, "a consumer begins at the start or now; replay it from another place")
        } else if self.open.contains(name) {
            Refusal::new(Code::TooManyReads, "wait for what this consumer was asked for before")
        } else if !is_held && self.names.len() >= CONSUMERS_OF_SESSION_MAX {
            Refusal::new(Code::Full, "a session takes for at most 16 consumers")
        } else {
            self.names.insert(name.clone());
            self.open.insert(name.clone());
            return out.push_back(Action::Ask(Ask::Consume(Box::new(consume))));
        };
        out.push_back(Action::Send(error_frame(Some(id), refusal)));
    }

    /// Answers a `consume`.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        name: &ConsumerName,
        consumed: Result<Consumed, ConsumerError>,
        out: &mut VecDeque<Action>,
    ) {
        self.open.remove(name);
        out.push_back(Action::Send(match consumed {
            Ok(consumed) => ServerFrame::Consumed(Box::new(consumed)),
            Err(error) => {
                if is_over(&error) {
                    self.names.remove(name);
                }
                error_frame(Some(id), refusal(error))
            }
        }));
    }
}

/// True if the session does not hold the consumer behind that.
pub(super) const fn is_over(error: &ConsumerError) -> bool {
    !matches!(error, ConsumerError::TooManyOpen) && !matches!(error.kind(), ErrorKind::Retry)
}

fn refusal(error: ConsumerError) -> Refusal {
    let code = match &error {
        ConsumerError::Refused(refusal) => return refusal.clone(),
        ConsumerError::Store(_) => {
            return Refusal::new(Code::StoreUnavailable, "the store could not be read or written; ask again");
        }
        ConsumerError::Replaced => Code::Replaced,
        ConsumerError::Removed => Code::NameUnknown,
        ConsumerError::OtherScope | ConsumerError::NoPlace => Code::Invalid,
        ConsumerError::TooMany | ConsumerError::TooManyOpen => Code::Full,
    };
    Refusal::new(code, error.to_string())
}

fn to_read_error(error: ConsumerError) -> ReadError {
    match error {
        ConsumerError::Store(error) => ReadError::Store(error),
        error => ReadError::Refused(refusal(error)),
    }
}

/// The consumers there are, after one and at most so many, and after which more follow.
pub(super) async fn list(
    anchor: &Anchor,
    reader: Option<&Identity>,
    (whose, after, limit): (Whose, Option<ConsumerName>, usize),
) -> Result<(Vec<ConsumerListing>, Option<ConsumerName>), ReadError> {
    let owner = owner(reader, whose)?;
    let of = owner.clone().map_or(Of::Host, Of::User);
    let after = after.map(|name| ConsumerId { owner, name });
    let infos = anchor.consumers(&of, after.as_ref(), limit).await.map_err(to_read_error)?;
    let next = infos.last().filter(|_| infos.len() == limit).map(|info| info.id.name.clone());
    let listings = infos.into_iter().map(|info| ConsumerListing {
        name: info.id.name,
        room: match info.scope {
            Scope::Room(room) => Some(room),
            Scope::All => None,
        },
        paused: info.paused,
        lag: info.lag,
    });
    Ok((listings.collect(), next))
}

/// Makes a change of a consumer.
pub(super) async fn change(
    anchor: &Anchor,
    reader: Option<&Identity>,
    (whose, name): (Whose, ConsumerName),
    change: ConsumerChange,
) -> Result<(), ReadError> {
    let id = ConsumerId { owner: owner(reader, whose)?, name };
    let changed = match change {
        ConsumerChange::Pause => anchor.pause_consumer(&id).await,
        ConsumerChange::Resume => anchor.resume_consumer(&id).await,
        ConsumerChange::Replay(from) => anchor.replay_consumer(&id, from).await,
        ConsumerChange::Remove => anchor.remove_consumer(&id).await,
    };
    changed.map_err(to_read_error)
}

/// Whose consumers `reader` means, none being the server's, which are the admins' to see and to change.
fn owner(reader: Option<&Identity>, whose: Whose) -> Result<Option<UserId>, ReadError> {
    match (reader, whose) {
        (Some(reader), Whose::Mine) => Ok(Some(reader.user.clone())),
        (Some(Identity { admin: true, .. }), Whose::Server) => Ok(None),
        _ => Err(ReadError::Refused(Refusal::new(
            Code::Denied,
            "only an admin sees the consumers of the server",
        ))),
    }
}
