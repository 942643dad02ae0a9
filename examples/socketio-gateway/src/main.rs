//! Socket.IO beside Anchor in one process: unmodified `socket.io-client`s talk in rooms that are logs on disk.
//!
//! ```text
//! socket.io-client ── socketioxide ──▶ hearing ──▶ line ──▶ connection ──▶ writer ──▶ Publisher::publish_numbered
//!                          ▲                                                               (on disk, once)
//!                          └── words ◀── following ◀── Anchor::subscribe_as: one cursor for each client and room
//! ```

mod answer;
mod connection;
mod following;
mod hearing;
mod line;
mod offset;
mod pace;
mod socket;
mod typing;
mod words;
mod writer;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anchor::core::limits::FRAME_IN_BYTES_MAX;
use anchor::{Anchor, RedbStore, System};
use axum::Router;
use axum::serve::ListenerExt;
use clap::Parser;
use socketioxide::SocketIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves Socket.IO clients from rooms that are logs on disk.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen. Anyone may take any name, so keep it to loopback.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The directory of the store; made if it is not there.
    #[arg(long, default_value = "chat-data")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let store = RedbStore::open(&options.data, System)?;
    let anchor = Anchor::builder(store.clone(), System).build();

    // What is longer closes the connection; every text that is not too long fits, whatever its characters take in JSON.
    let (layer, io) = SocketIo::builder()
        .max_payload(FRAME_IN_BYTES_MAX as u64)
        .ws_max_message_size(FRAME_IN_BYTES_MAX)
        .ws_max_frame_size(FRAME_IN_BYTES_MAX)
        .build_layer();
    socket::serve(&io, &anchor);

    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(options.listen).await?;
    writeln!(std::io::stdout(), "socketio-gateway listening on http://{}", listener.local_addr()?)?;
    // An answer is smaller than a packet: it is not to wait for the next.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let ended = tokio::select! {
        served = axum::serve(listener, Router::new().layer(layer)) => served.map_err(Into::into),
        () = anchor.maintain() => Ok(()),
        () = anchor.failed() => Err("the store has failed; start again over the same directory".into()),
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    io.close().await;
    // What is written once a second, now. A store that is full or has failed keeps nobody.
    let _ = tokio::time::timeout(Duration::from_secs(2), anchor.flush()).await;
    store.close();
    ended
}
