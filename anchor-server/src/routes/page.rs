//! The chat page: one HTML file and one module, compiled into the binary.
//!
//! The page may run only its own module and the one style sheet that stands in its HTML; it may talk only to this
//! server.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

/// `GET /`
pub(super) async fn index(headers: HeaderMap) -> Response {
    INDEX.answer(&headers)
}

/// `GET /chat.js`
pub(super) async fn module(headers: HeaderMap) -> Response {
    MODULE.answer(&headers)
}

/// A file with the headers that go with it.
#[derive(Debug)]
struct Asset {
    bytes: &'static [u8],
    content_type: &'static str,
    entity_tag: HeaderValue,
    policy: HeaderValue,
}

impl Asset {
    fn new(bytes: &'static [u8], content_type: &'static str, policy: &str) -> Self {
        let digest = Sha256::digest(bytes);
        let entity_tag = format!("\"{}\"", HEXLOWER.encode(&digest[..ENTITY_TAG_BYTES]));
        Self { bytes, content_type, entity_tag: ascii(&entity_tag), policy: ascii(policy) }
    }

    /// The file, or that the browser has it already. A browser asks each time: another server may answer next time.
    fn answer(&self, request: &HeaderMap) -> Response {
        let known = request.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == self.entity_tag);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.content_type)], self.bytes).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.entity_tag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

static INDEX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(INDEX_HTML.as_bytes(), "text/html; charset=utf-8", &page_policy(INDEX_HTML)));

static MODULE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(CHAT_JS, "text/javascript; charset=utf-8", "default-src 'none'"));

const INDEX_HTML: &str = include_str!("../page/index.html");
const CHAT_JS: &[u8] = include_bytes!("../page/chat.js");

/// What the page may do. The style sheet inside the HTML is named by its digest.
fn page_policy(html: &str) -> String {
    let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).map_or_else(
        || "'none'".to_owned(),
        |(style, _)| format!("'sha256-{}'", BASE64.encode(&Sha256::digest(style))),
    );
    format!(
        "default-src 'none'; script-src 'self'; style-src {style}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hexadecimal, base64 and the policy's words are ASCII")
}

/// Bytes of the digest that tell one version of a file from another. Source: chosen; 128 bits.
const ENTITY_TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use anchor_core::code::{Class, Code};

    use super::CHAT_JS;

    /// An unknown code is one to retry, to the page; so it would knock for ever at what was decided.
    #[test]
    fn the_page_knows_every_code_that_is_not_to_be_tried_again() {
        let page = str::from_utf8(CHAT_JS).expect("text");
        let (_, classes) = page.split_once("const CLASSES = {").expect("the table of classes");
        let (classes, _) = classes.split_once("};").expect("its end");
        for code in Code::ALL {
            let is_named = classes.contains(&format!("\"{}\"", code.name()));
            assert_eq!(is_named, code.class() != Class::Retry, "{}", code.name());
        }
    }
}
