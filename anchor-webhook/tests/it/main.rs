//! Integration tests of the webhooks.

mod guide;
mod poster;
mod service;
mod support;
