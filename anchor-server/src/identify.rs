//! Who somebody is: by what a host knows of a request, or by the name that is claimed.

use std::sync::Arc;

use anchor_core::id::UserId;
use anchor_core::session::{Credentials, Denied, Identify, Identity, OpenIdentify};
use async_trait::async_trait;

/// Who opens the connection of one request, where the host knows: by its own cookie, a certificate, a header of its proxy.
///
/// A middleware of the host puts it into the extensions of the request; the connection that comes of it then asks this one
/// instead of the [`Identify`] of the [`State`](crate::State). An [`Identity`] is one: that user, whatever `hello` says.
///
/// A browser sends its cookies with the handshake of any page's script. Which pages may connect is checked before: see
/// [`State::allow_origins`](crate::State::allow_origins).
#[derive(Clone, Debug)]
pub struct Caller(Arc<dyn Identify>);

impl Caller {
    /// Has `identify` say who it is.
    #[must_use]
    pub fn new(identify: impl Identify) -> Self {
        Self(Arc::new(identify))
    }

    pub(crate) fn identify(&self) -> Arc<dyn Identify> {
        self.0.clone()
    }
}

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
