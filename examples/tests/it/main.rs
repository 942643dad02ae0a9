//! The examples that need nothing around them, from end to end.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod axum_nested;
mod bot;
mod hello_embedded;
mod moderation;
