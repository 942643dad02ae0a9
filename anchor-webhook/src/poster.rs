//! One POST: signed, bounded in bytes and time, to where it may go and nowhere else; and what became of it.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anchor_core::limits::WEBHOOK_POSTS_MAX;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::address::{Allowed, Forbidden};
use crate::connect::{ConnectError, Connector, literal};
use crate::signature::Secret;
use crate::target::Target;

/// Sends messages to receivers. Clones share their connections.
///
/// Redirects are not followed, and no proxy is used, whatever the environment says: what is connected to is what was judged.
#[derive(Clone, Debug)]
pub struct Poster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: PosterOptions,
    /// Made when it is first needed: whom the operating system trusts takes a while to read.
    client: OnceLock<HttpsClient>,
}

type HttpsClient = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// How a [`Poster`] sends.
#[derive(Clone, Debug)]
pub struct PosterOptions {
    /// What may be reached beside the public internet.
    pub allowed: Allowed,
    /// Whether what is sent may go unencrypted (`http`).
    pub http: bool,
    /// For the way from a name to a connection.
    pub connect_within: Duration,
    /// For all of it, up to the last byte of the answer that is read.
    pub within: Duration,
    /// Who vouches for receivers; empty: whom the operating system trusts.
    pub roots: Vec<CertificateDer<'static>>,
}

impl Default for PosterOptions {
    fn default() -> Self {
        let (connect_within, within) = (CONNECT_WITHIN, POST_WITHIN);
        Self { allowed: Allowed::default(), http: false, connect_within, within, roots: Vec::new() }
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `webhook-id`: the same for the same content, however often it is sent. Printable ASCII.
    pub id: String,
    /// `webhook-timestamp`: when it is sent, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// JSON.
    pub body: Bytes,
}

/// Why a message was not taken. None of them says what was sent, nor what the receiver answered with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostError {
    /// The receiver is where webhooks may not go.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// `http`, where that is not allowed.
    #[error("the URL is not https, which the server asks for")]
    NotEncrypted,
    /// There is no connection: no such name, nobody there, a certificate that nobody vouches for.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// Not within the time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection ended, or what came was no HTTP.
    #[error("the connection ended without an answer that could be read")]
    Broken,
    /// An answer that sends us elsewhere, where we do not go.
    #[error("status {0}: redirects are not followed")]
    Redirect(u16),
    /// `410 Gone`: the receiver wants no more.
    #[error("status 410: the receiver wants no more")]
    Gone,
    /// Any other status that is not 2xx.
    #[error("status {status}")]
    Status {
        /// Which.
        status: u16,
        /// How long the receiver asks us to wait.
        retry_after: Option<Duration>,
    },
}

impl Poster {
    /// A poster; needs a tokio runtime when it posts.
    #[must_use]
    pub fn new(options: PosterOptions) -> Self {
        Self(Arc::new(Shared { options, client: OnceLock::new() }))
    }

    /// Whether something may be sent there, as far as that can be said without looking the name up.
    ///
    /// # Errors
    /// [`PostError::NotEncrypted`], [`PostError::Forbidden`].
    pub fn check(&self, target: &Target) -> Result<(), PostError> {
        let PosterOptions { http, allowed, .. } = &self.0.options;
        if !target.is_https() && !http {
            return Err(PostError::NotEncrypted);
        }
        match literal(target.host()) {
            Some(address) => Ok(allowed.check(target.host(), address)?),
            None => Ok(()),
        }
    }

    /// Sends a message, once; `Ok` if the receiver answered 2xx.
    ///
    /// Of the answer nothing but the status is looked at; its body is read up to [`ANSWER_BYTES_MAX`] and thrown away.
    ///
    /// # Errors
    /// [`PostError`]. The receiver may have taken it nonetheless.
    ///
    /// # Cancellation
    /// Dropping the future ends the connection; the receiver may have taken the message.
    ///
    /// # Panics
    /// If the id is no printable ASCII.
    pub async fn post(&self, target: &Target, secret: &Secret, message: Message) -> Result<(), PostError> {
        self.check(target)?;
        let Message { id, timestamp, body } = message;
        let request = Request::post(target.uri())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("anchor-webhook/", env!("CARGO_PKG_VERSION")))
            .header("webhook-signature", secret.sign(&id, timestamp, &body))
            .header("webhook-timestamp", timestamp)
            .header("webhook-id", id)
            .body(Full::new(body))
            .expect("a target is a URL, and an id is printable");
        let within = self.0.options.within;
        let client = self.0.client.get_or_init(|| client(&self.0.options));
        let answered = async {
            let response = client.request(request).await.map_err(|error| failure(&error))?;
            let judged = judge(&response);
            Ok::<_, PostError>((judged, response))
        };
        let begun = tokio::time::Instant::now();
        let (judged, response) =
            tokio::time::timeout(within, answered).await.unwrap_or(Err(PostError::TimedOut(within)))?;
        // So that the connection can be used again; what does not come to an end is cut off, and the answer stands.
        let rest = within.saturating_sub(begun.elapsed());
        let _ =
            tokio::time::timeout(rest, Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect()).await;
        judged
    }
}

fn judge(response: &Response<Incoming>) -> Result<(), PostError> {
    let status = response.status();
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(PostError::Redirect(status.as_u16())),
        StatusCode::GONE => Err(PostError::Gone),
        status => {
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Err(PostError::Status { status: status.as_u16(), retry_after: seconds.map(Duration::from_secs) })
        }
    }
}

/// What went wrong, by the innermost cause that is ours or says something to a person.
fn failure(error: &ClientError) -> PostError {
    let mut cause = error.source();
    let mut innermost = None;
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<ConnectError>() {
            return match ours {
                ConnectError::Forbidden(forbidden) => (*forbidden).into(),
                other => match other.source() {
                    Some(source) => PostError::Unreachable(format!("{other}: {source}")),
                    None => PostError::Unreachable(other.to_string()),
                },
            };
        }
        (innermost, cause) = (Some(error), error.source());
    }
    match (error.is_connect(), innermost) {
        (true, Some(innermost)) => PostError::Unreachable(innermost.to_string()),
        _ => PostError::Broken,
    }
}

fn client(options: &PosterOptions) -> HttpsClient {
    let PosterOptions { allowed, connect_within, roots, .. } = options;
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls(roots)).https_or_http().enable_http1();
    let connector = tls.wrap_connector(Connector { allowed: allowed.clone(), within: *connect_within });
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(WEBHOOK_POSTS_MAX)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http1_max_buf_size(HEADER_BYTES_MAX)
        .build(connector)
}

fn tls(roots: &[CertificateDer<'static>]) -> ClientConfig {
    let mut trusted = RootCertStore::empty();
    match roots {
        [] => {
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        roots => {
            trusted.add_parsable_certificates(roots.iter().cloned());
        }
    }
    if trusted.is_empty() {
        tracing::warn!(
            "nobody vouches for receivers of webhooks: install the certificates that systems trust (ca-certificates)"
        );
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions that are the default")
        .with_root_certificates(trusted)
        .with_no_client_auth()
}

/// For the way from a name to a connection. Source: chosen; a lost SYN is repeated after 1 s and 3 s.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// For a whole POST. Source: chosen; Standard Webhooks asks for 15 to 30 s.
pub const POST_WITHIN: Duration = Duration::from_secs(15);

/// Bytes of an answer that are read before it is cut off. Source: chosen; an answer is a status.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an answer's status line and headers. Source: chosen; common servers send less than 8 KiB.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// How long an idle connection is kept. Source: chosen; below the 60 s and more that common servers keep theirs.
const POOL_IDLE: Duration = Duration::from_secs(30);
