//! One POST: what is sent, where it may go, and what is made of an answer.

mod answers;
mod reach;
mod tls;

use std::time::Duration;

use anchor_webhook::{Allowed, Message, PostError, Poster, PosterOptions, Secret};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Options of a server whose receivers stand on this machine, and that has no time to waste.
pub(crate) fn local() -> PosterOptions {
    PosterOptions {
        allowed: Allowed::new(["127.0.0.1".parse().expect("an address")]),
        http: true,
        within: Duration::from_secs(5),
        ..PosterOptions::default()
    }
}

pub(crate) async fn post(options: PosterOptions, url: &str) -> Result<(), PostError> {
    post_with(&Poster::new(options), url).await
}

pub(crate) async fn post_with(poster: &Poster, url: &str) -> Result<(), PostError> {
    let secret: Secret = SECRET.parse().expect("a secret");
    let message = Message {
        id: "lobby/0011223344556677/5-5".into(),
        timestamp: 1_766_400_000,
        body: r#"{"a":1}"#.into(),
    };
    poster.post(&url.parse().expect("a target"), &secret, message).await
}
