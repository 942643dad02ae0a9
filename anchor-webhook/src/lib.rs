//! Outgoing webhooks: what happens in rooms, as signed POSTs to other programs.
//!
//! What is sent is decided by durable consumers of the engine, one for each webhook; this crate is what stands between them
//! and a stranger's server: which addresses may be reached ([`address`]), one POST and what became of it ([`poster`]), the
//! signature ([`signature`]).
//!
//! ```no_run
//! use anchor_webhook::{Allowed, Message, Poster, PosterOptions, Secret, Target};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Only the public internet is reached, and what is named here.
//! let allowed = Allowed::new(["10.20.0.0/16".parse()?]);
//! let poster = Poster::new(PosterOptions { allowed, ..PosterOptions::default() });
//! let target: Target = "https://hooks.example.org/chat".parse()?;
//! let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
//! let message = Message { id: "lobby/8f1c2d3e4a5b6c7d/1-1".into(), timestamp: 1_766_400_000, body: "{}".into() };
//! poster.post(&target, &secret, message).await?;
//! # Ok(())
//! # }
//! ```

pub mod address;
mod connect;
pub mod poster;
pub mod signature;
mod target;

mod body;
mod changing;
mod consumers;
mod dead;
mod failing;
mod keeping;
mod lanes;
mod options;
mod reading;
mod row;
mod sending;
mod service;
mod status;
mod worker;

pub use address::{Allowance, Allowed};
pub use options::Retry;
pub use poster::{Message, PostError, Poster, PosterOptions};
pub use service::WebhookService;
pub use signature::Secret;
pub use target::Target;
