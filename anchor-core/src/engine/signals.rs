//! Signals: what is said to those who are there now, and to nobody else.

use std::sync::Arc;

use super::Anchor;
use crate::code::Code;
use crate::error::BoxError;
use crate::event::Draft;
use crate::id::{ClientKey, RoomId, UserId};
use crate::limits::SIGNAL_BYTES_MAX;
use crate::position::{Epoch, Offset};
use crate::publish::{MissingRoom, Refusal};
use crate::room::rules::{self, Asked, Facts};
use crate::room::{Amendment, Member, RoomInfo, Standing, UserSigns};
use crate::sabotage::{self, Sabotage};
use crate::session::frame::{ServerFrame, Signal};
use crate::store::StoreError;
use crate::user::Contact;

impl Anchor {
    /// Says something in passing to the sessions that are subscribed to a room on this node: to all, to those of one user, or
    /// to one client; never to the client that says it. It is not stored, and dropped where a session takes too little of it.
    ///
    /// Who may send a message to the room may send a signal. One to a user who has blocked the sender is refused.
    ///
    /// # Errors
    /// [`StoreError`] if the room could not be looked up: nobody was told. Inside, the refusal.
    pub async fn signal(
        &self,
        from: &ClientKey,
        admin: bool,
        signal: Signal,
    ) -> Result<Result<(), Refusal>, StoreError> {
        if signal.body.bytes().len() > SIGNAL_BYTES_MAX {
            return Ok(Err(Refusal::new(Code::Invalid, "the body of a signal has at most 4,096 bytes")));
        }
        let tail = self.0.tails.get(&signal.room);
        // Who means a client means its user, and is refused as if it had said so.
        let whose = signal.client.and_then(|client| tail.as_ref()?.user_of(client));
        let to = signal.user.clone().or_else(|| whose.clone());
        if let Err(refusal) = self.may_signal(&from.user, admin, &signal, to.as_ref()).await?
            && !sabotage::is(Sabotage::SignalUnasked)
        {
            return Ok(Err(refusal));
        }
        let is_nobody = signal.client.is_some() && whose.is_none();
        let Some(tail) = tail.filter(|_| !is_nobody) else { return Ok(Ok(())) };
        let Signal { room, client, body, .. } = signal;
        let sender = from.tag();
        // It may wait in many mailboxes: not with all that came beside it.
        let body = body.copied();
        let to = to.filter(|_| !sabotage::is(Sabotage::SignalForOneToldToAll));
        let said = Signal { room, user: Some(from.user.clone()), client: Some(sender), body };
        tail.say(&Arc::new(ServerFrame::Signal(Box::new(said))), |to_user, to_client| {
            to_client != sender
                && to.as_ref().is_none_or(|user| user == to_user)
                && client.is_none_or(|client| client == to_client)
        });
        Ok(Ok(()))
    }

    /// Asks the rules as for a message.
    pub(super) async fn may_signal(
        &self,
        user: &UserId,
        admin: bool,
        signal: &Signal,
        to: Option<&UserId>,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let standing = self.store().standing(&signal.room, user).await?;
        let other = standing.info.as_ref().and_then(|info| info.other_than(user));
        let contact = match to.or(other) {
            Some(other) => self.store().user(other).await?.contact,
            None => Contact::default(),
        };
        if contact.blocked.contains(user) && !admin {
            return Ok(Err(Refusal::new(Code::Denied, "this user does not take messages from you")));
        }
        let asked = Asked {
            room: &signal.room,
            // Whether it has events does not matter: nothing comes into being.
            exists: true,
            missing: MissingRoom::Create,
            offset: Offset::ZERO,
            user,
            admin,
            derived: false,
            draft: &Draft::message(signal.body.clone()),
            target: None,
        };
        let decided = rules::decide(&asked, &mut Known { standing, contact });
        Ok(decided.map_err(|error| StoreError::Corrupt(error.to_string()))?.map(|_| ()))
    }
}

/// What the rules ask about a message that is about no other.
struct Known {
    standing: Standing,
    /// Of whom it is for.
    contact: Contact,
}

impl Facts for Known {
    fn info(&mut self, _: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError> {
        Ok(self.standing.info.clone())
    }

    fn was_deleted(&mut self, _: &RoomId) -> Result<bool, BoxError> {
        Ok(false)
    }

    fn member(&mut self, _: &RoomId, _: &UserId) -> Result<Option<Member>, BoxError> {
        Ok(self.standing.member)
    }

    fn contact(&mut self, _: &UserId) -> Result<Contact, BoxError> {
        Ok(self.contact.clone())
    }

    fn share_a_room(&mut self, _: &UserId, _: &UserId) -> Result<bool, BoxError> {
        Err("a message does not depend on it".into())
    }

    fn edits(&mut self, _: &RoomId, _: Offset) -> Result<Vec<Amendment>, BoxError> {
        Err("a message does not depend on it".into())
    }

    fn signs(&mut self, _: &RoomId, _: Offset, _: &UserId) -> Result<UserSigns, BoxError> {
        Err("a message does not depend on it".into())
    }

    fn epoch_at(&mut self, _: &RoomId, _: Offset) -> Result<Option<Epoch>, BoxError> {
        Err("a message does not depend on it".into())
    }
}
