//! What is served, and where.
//!
//! | path | |
//! | --- | --- |
//! | `/` , `/chat.js` | the chat page |
//! | `/v1/ws` | the protocol, over WebSocket |
//! | `/healthz` | whether the process answers |
//! | `/readyz` | whether publishes go through |

mod health;
pub(crate) mod origin;
mod page;
mod refusal;
mod ws;

use axum::Router;
use axum::routing::get;

pub(crate) use self::refusal::Refusal;
pub(crate) use self::ws::Connection;
use crate::state::State;

/// The routes of a server, to be served or nested by a host: with a slash at the end (`nest("/chat/", …)`), where people
/// shall use the page, which looks for its parts beside itself.
///
/// The WebSocket route needs a server that supports upgrades: `axum::serve` does. Served by [`crate::Server`], a
/// session has its TCP socket for itself; elsewhere it goes through what the host has put around it, and the host sets
/// `TCP_NODELAY` and the sizes of kernel buffers.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/chat.js", get(page::module))
        .route("/v1/ws", get(ws::upgrade))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(state)
}

/// The answer to any other path.
pub(crate) async fn nothing_here() -> Refusal {
    Refusal::not_found(
        "there is nothing here: / is the chat page, /v1/ws the protocol, /healthz and /readyz the probes",
    )
}
