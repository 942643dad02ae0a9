//! A server as a child process, plain HTTP requests, and a client that speaks frames.

mod dead;
mod http;
mod process;
mod wire;

use std::future::Future;
use std::time::Duration;

pub(crate) use self::dead::{dead_letter, put};
pub(crate) use self::http::{exchange, get, get_with};
pub(crate) use self::process::{Process, fails, prepare, runs};
pub(crate) use self::wire::{Wire, handshake, hello, publish};

/// The result of what must happen soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("this takes far less time when it works")
}

/// Source: chosen; a hundred times what the slowest step takes on two busy cores.
const DEADLINE: Duration = Duration::from_secs(30);
