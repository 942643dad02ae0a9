//! Who is an admin, where names are believed.

use anchor_core::id::UserId;
use anchor_core::session::{Credentials, Denied, Identify, Identity, OpenIdentify};
use async_trait::async_trait;

/// As [`OpenIdentify`], with some names that are those of admins: a convenience, since anyone may take any name.
#[derive(Clone, Debug)]
pub(crate) struct OpenWithAdmins {
    admins: Vec<UserId>,
}

impl OpenWithAdmins {
    /// Takes these for admins.
    pub(crate) const fn new(admins: Vec<UserId>) -> Self {
        Self { admins }
    }
}

#[async_trait]
impl Identify for OpenWithAdmins {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        let identity = OpenIdentify.identify(credentials).await?;
        let admin = identity.admin || self.admins.contains(&identity.user);
        Ok(Identity { admin, ..identity })
    }
}
