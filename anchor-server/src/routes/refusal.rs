//! An HTTP answer that says in one sentence what is wrong and what to do.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request is not served.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    sentence: &'static str,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, sentence: &'static str) -> Self {
        Self { status, sentence, header: None }
    }

    pub(crate) const fn bad_request(sentence: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub(crate) const fn forbidden(sentence: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, sentence)
    }

    pub(crate) const fn not_found(sentence: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    /// For now only: the client may come back after some seconds.
    pub(crate) fn unavailable(sentence: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
            .with(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S))
    }

    /// With a header that helps the client.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(crate) const fn sentence(&self) -> &'static str {
        self.sentence
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.sentence)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Seconds after which a refused client may come back. Source: chosen; the first step of the clients' own back-off.
const RETRY_AFTER_S: &str = "1";
