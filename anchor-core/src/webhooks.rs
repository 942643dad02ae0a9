//! Outgoing webhooks: what a host brings that sends what happens in rooms to other programs; `anchor-webhook` has one.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::engine::{Anchor, ConsumerName, ReadError};
use crate::event::EventKey;
use crate::session::frame::{DeadLetter, WebhookChange, WebhookListing};

/// Keeps webhooks and lets admins see and change them. The engine asks for admins alone.
#[async_trait]
pub trait Webhooks: Debug + Send + Sync + 'static {
    /// The webhooks in the order of names, those after `after`, at most `limit`; and the last of them if there are more.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn list(
        &self,
        anchor: &Anchor,
        after: Option<&ConsumerName>,
        limit: usize,
    ) -> Result<(Vec<WebhookListing>, Option<ConsumerName>), ReadError>;

    /// Changes them; durable on return.
    ///
    /// # Errors
    /// [`ReadError`]: nothing has changed where it is refused.
    async fn change(&self, anchor: &Anchor, change: WebhookChange) -> Result<(), ReadError>;

    /// What a webhook could not deliver, in the order of keys, behind `after`, at most `limit`; and the last of them if there
    /// are more.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn dead_letters(
        &self,
        name: &ConsumerName,
        after: Option<&EventKey>,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<EventKey>), ReadError>;
}
