//! Who somebody is: the host's answer to the credentials of a `hello`.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::code::Code;
use crate::id::UserId;

/// Tells who presents some credentials. The host's: a fixed user, a token, its own accounts.
#[async_trait]
pub trait Identify: Debug + Send + Sync + 'static {
    /// Who it is, or why not.
    ///
    /// # Errors
    /// [`Denied`], whose code goes out in a `goodbye`: `auth` for a missing or wrong token, `banned` for a banned user.
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied>;
}

/// What a `hello` says of its sender.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// A token.
    pub token: Option<String>,
    /// A user id that is claimed.
    pub user: Option<UserId>,
}

impl Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("token", &self.token.is_some()).field("user", &self.user).finish()
    }
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// May do everything in every room of this server, and speak to everybody on it.
    pub admin: bool,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The reason on the wire.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
}

/// For a host that knows already who it is, by a login of its own say: whoever presents anything is this one. Who claims to
/// be somebody else is denied, so that what a client has kept for one user never goes out as another's.
#[async_trait]
impl Identify for Identity {
    async fn identify(&self, credentials: Credentials) -> Result<Self, Denied> {
        match credentials.user {
            Some(claimed) if claimed != self.user => Err(Denied {
                code: Code::Auth,
                message: format!("you are {} here, not {claimed}", self.user),
            }),
            _ => Ok(self.clone()),
        }
    }
}

/// Believes whatever name is given: for one machine, for development, for a host that has checked before.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenIdentify;

#[async_trait]
impl Identify for OpenIdentify {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        let denied =
            || Denied { code: Code::Auth, message: "say who you are: hello needs a user".to_owned() };
        credentials.user.map(|user| Identity { user, admin: false }).ok_or_else(denied)
    }
}
