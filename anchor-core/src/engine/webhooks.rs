//! Webhooks, as admins ask about them: the host's to keep ([`crate::webhooks`]), an admin's to see and change.

use std::sync::Arc;

use super::listing::refused;
use super::{Anchor, ConsumerName, ReadError};
use crate::code::Code;
use crate::event::EventKey;
use crate::session::Identity;
use crate::session::frame::{DeadLetter, WebhookChange, WebhookListing};
use crate::webhooks::Webhooks;

impl Anchor {
    /// The webhooks in the order of names, those after `after`, at most `limit`; and the last of them if there are more.
    ///
    /// # Errors
    /// [`ReadError`]; refused `denied` to all but admins, and `unsupported` where the host has none.
    pub async fn webhooks(
        &self,
        reader: &Identity,
        after: Option<&ConsumerName>,
        limit: usize,
    ) -> Result<(Vec<WebhookListing>, Option<ConsumerName>), ReadError> {
        self.webhooks_for(reader)?.list(self, after, limit).await
    }

    /// Changes the webhooks; durable on return.
    ///
    /// # Errors
    /// As for [`Anchor::webhooks`].
    pub async fn change_webhook(&self, reader: &Identity, change: WebhookChange) -> Result<(), ReadError> {
        self.webhooks_for(reader)?.change(self, change).await
    }

    /// What a webhook could not deliver, in the order of keys, behind `after`, at most `limit`; and the last of them if there
    /// are more.
    ///
    /// # Errors
    /// As for [`Anchor::webhooks`].
    pub async fn dead_letters(
        &self,
        reader: &Identity,
        name: &ConsumerName,
        after: Option<&EventKey>,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<EventKey>), ReadError> {
        self.webhooks_for(reader)?.dead_letters(name, after, limit).await
    }

    fn webhooks_for(&self, reader: &Identity) -> Result<&Arc<dyn Webhooks>, ReadError> {
        if !reader.admin {
            return Err(refused(Code::Denied, "only an admin of the server sees and changes webhooks"));
        }
        self.0.webhooks.as_ref().ok_or_else(|| refused(Code::Unsupported, "this server has no webhooks"))
    }
}
