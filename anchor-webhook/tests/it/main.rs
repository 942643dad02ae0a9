//! Integration tests of the webhooks.

mod poster;
mod support;
