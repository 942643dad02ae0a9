//! The host's own login: accounts, one session each, and the cookie that shows it. A real host has a database and hashed
//! passwords here; what matters is that Anchor knows nothing of it but [`Accounts::identify`] and the user of a cookie.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anchor::code::Code;
use anchor::environment::Environment;
use anchor::session::{Credentials, Denied, Identify, Identity};
use anchor::{System, UserId, async_trait};
use axum::http::{HeaderMap, header};

/// Login, password, and the user in the chat: an id that never changes and is never given out twice, as a login may.
const ACCOUNTS: [(&str, &str, &str); 2] =
    [("ada@example.org", "lovelace", "ada"), ("bob@example.org", "builder", "bob")];

/// Who is logged in. Clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts(Arc<Mutex<BTreeMap<UserId, String>>>);

impl Accounts {
    /// The secret of a new session, which takes the place of an older one; `None` for a wrong login.
    pub(crate) fn log_in(&self, login: &str, password: &str) -> Option<String> {
        let (_, _, user) =
            ACCOUNTS.into_iter().find(|(name, secret, _)| *name == login && *secret == password)?;
        let mut random = [0; 16];
        System.fill_random(&mut random);
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.sessions(|sessions| sessions.insert(UserId::new(user).ok()?, secret.clone()));
        Some(secret)
    }

    /// Ends the session that the cookie of a request shows.
    pub(crate) fn log_out(&self, headers: &HeaderMap) {
        if let Some(user) = self.user_of_cookie(headers) {
            self.sessions(|sessions| sessions.remove(&user));
        }
    }

    /// Who the cookie of a request says that it is.
    pub(crate) fn user_of_cookie(&self, headers: &HeaderMap) -> Option<UserId> {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        let secret = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))?;
        self.user_of(secret)
    }

    fn user_of(&self, secret: &str) -> Option<UserId> {
        self.sessions(|sessions| {
            sessions.iter().find(|(_, known)| *known == secret).map(|(user, _)| user.clone())
        })
    }

    fn sessions<T>(&self, with: impl FnOnce(&mut BTreeMap<UserId, String>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Programs have no cookies: they show the secret of their session as the token of `hello`.
#[async_trait]
impl Identify for Accounts {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        match credentials.token.as_deref().and_then(|token| self.user_of(token)) {
            // Denies who claims to be somebody else beside it.
            Some(user) => Identity { user, admin: false }.identify(credentials).await,
            None => Err(Denied { code: Code::Auth, message: "log in first".to_owned() }),
        }
    }
}
