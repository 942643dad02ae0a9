//! Who somebody is: whoever they say, and one of them an admin.

use anchor_core::session::{Credentials, Denied, Identify, Identity, OpenIdentify};
use async_trait::async_trait;

use crate::scenario::ADMIN;

/// Believes every name, and knows which one is the admin's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Believing;

#[async_trait]
impl Identify for Believing {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        let identity = OpenIdentify.identify(credentials).await?;
        Ok(Identity { admin: identity.user.as_str() == ADMIN, ..identity })
    }
}
