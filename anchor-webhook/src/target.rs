//! Where a webhook is sent: a URL of which only what is needed is allowed.

use std::fmt;
use std::str::FromStr;

use anchor_core::limits::WEBHOOK_URL_BYTES_MAX;
use hyper::Uri;
use hyper::http::uri::Scheme;
use thiserror::Error;

/// The URL of a receiver: `https` or `http`, a host, a path; no user name, password or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Uri);

impl Target {
    /// True if what is sent is encrypted on its way, and the receiver shows that it is who it is.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host, as it stands in the URL.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if text.len() > WEBHOOK_URL_BYTES_MAX {
            return Err(InvalidTarget::TooLong);
        }
        if text.contains('#') {
            return Err(InvalidTarget::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidTarget::NotAUrl)?;
        if uri.scheme() != Some(&Scheme::HTTPS) && uri.scheme() != Some(&Scheme::HTTP) {
            return Err(InvalidTarget::Scheme);
        }
        let authority = uri.authority().ok_or(InvalidTarget::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(InvalidTarget::Credentials);
        }
        match authority.host().is_empty() {
            true => Err(InvalidTarget::NotAUrl),
            false => Ok(Self(uri)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not where a webhook may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// Longer than a receiver's URL is.
    #[error("the URL of a webhook has at most {WEBHOOK_URL_BYTES_MAX} bytes")]
    TooLong,
    /// No URL with a host.
    #[error("give a URL with a host, such as https://hooks.example.org/chat")]
    NotAUrl,
    /// Neither `https` nor `http`.
    #[error("the URL of a webhook begins with https://")]
    Scheme,
    /// A name or a password before the host: they would stand in lists and logs.
    #[error("the URL of a webhook has no user name or password in it")]
    Credentials,
    /// What stands behind a `#` is never sent.
    #[error("the URL of a webhook has no fragment")]
    Fragment,
}
