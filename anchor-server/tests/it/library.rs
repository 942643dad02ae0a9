//! The server inside another program: started, stopped, nested, and with a part that panics.

use std::sync::Arc;
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::engine::{Anchor, Drain};
use anchor_core::id::UserId;
use anchor_core::memory::MemoryStore;
use anchor_core::session::frame::ServerFrame;
use anchor_core::session::{Credentials, Denied, Identify, Identity, OpenIdentify};
use anchor_server::{Caller, Config, Ended, Server, State};
use anchor_system::System;
use anchor_transport::codec::Encoding;
use async_trait::async_trait;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use tempfile::tempdir;
use tokio::net::TcpListener;

use crate::support::{Wire, get, hello, soon};

fn config(data: impl Into<std::path::PathBuf>) -> Config {
    Config { listen: ([127, 0, 0, 1], 0).into(), data: data.into(), ..Config::default() }
}

/// Believes any name, but for one that it trips over.
#[derive(Debug)]
struct Tripping;

#[async_trait]
impl Identify for Tripping {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        assert!(credentials.user.as_ref().is_none_or(|user| user.as_str() != "mallory"), "tripped");
        OpenIdentify.identify(credentials).await
    }
}

#[tokio::test]
async fn a_stopped_server_frees_its_directory() {
    let directory = tempdir().unwrap();
    for offset in 1..=3 {
        let server = Server::start(config(directory.path())).await.unwrap();
        let mut wire = Wire::session(server.local_addr(), Encoding::MessagePack, "ada").await;
        assert_eq!(wire.publish("lobby", "once more").await.mark.offset.0, offset);
        server.stop();
        assert_eq!(wire.goodbye().await.0, "shutdown");
        drop(wire);
        assert_eq!(soon(server.wait()).await, Ended::Stopped);
    }
}

#[tokio::test]
async fn a_dropped_server_ends_its_sessions() {
    let directory = tempdir().unwrap();
    let server = Server::start(config(directory.path())).await.unwrap();
    let mut wire = Wire::session(server.local_addr(), Encoding::MessagePack, "ada").await;
    drop(server);
    while let Some(Ok(_)) = soon(wire.socket.next()).await {}
}

#[tokio::test]
async fn a_panic_ends_one_session_and_is_counted() {
    let anchor = Anchor::builder(MemoryStore::new(System), System).build();
    let server = Server::start_with(config("unused"), anchor, Arc::new(Tripping)).unwrap();
    let mut witness = Wire::session(server.local_addr(), Encoding::MessagePack, "witness").await;
    for panics in 1..=2 {
        let mut mallory = Wire::connect(server.local_addr(), Encoding::MessagePack).await;
        mallory.send(&hello("mallory")).await;
        assert_eq!(mallory.goodbye().await.0, "internal");
        // Nothing more comes: the connection ends.
        while let Some(Ok(_)) = soon(mallory.socket.next()).await {}
        drop(mallory);
        witness.publish("lobby", "unhurt").await;
        soon(async {
            while server.panics() < panics {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(server.panics(), 2);
    server.stop();
    drop(witness);
    assert_eq!(soon(server.wait()).await, Ended::Stopped);
}

#[tokio::test]
async fn a_host_nests_the_router_in_its_own() {
    let anchor = Anchor::builder(MemoryStore::new(System), System).build();
    let state = State::new(anchor, Arc::new(OpenIdentify), 10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().nest("/chat", anchor_server::router(state));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    assert_eq!(get(address, "/chat/readyz").await.status, 200);
    let mut wire = Wire::connect_at(address, "/chat/v1/ws", Encoding::Json).await;
    wire.send(&hello("ada")).await;
    wire.frame().await;
    assert_eq!(wire.publish("lobby", "through the host").await.mark.offset.0, 1);
    serving.abort();
}

/// The host's login stands in a header here; a request without it falls to what the state was given.
async fn by_header(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user").map(|user| UserId::new(user.to_str().unwrap()).unwrap());
    if let Some(user) = user {
        request.extensions_mut().insert(Caller::new(Identity { user, admin: false }));
    }
    next.run(request).await
}

#[tokio::test]
async fn a_host_says_who_calls() {
    let anchor = Anchor::builder(MemoryStore::new(System), System).build();
    let state = State::new(anchor, Arc::new(Nobody), 10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = anchor_server::router(state).layer(axum::middleware::from_fn(by_header));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let mut ada = Wire::connect_with(address, Encoding::Json, &[("x-user", "ada")]).await;
    ada.send(&hello("ada")).await;
    let welcome = ada.frame().await;
    assert!(
        matches!(&welcome, ServerFrame::Welcome(welcome) if welcome.user.as_str() == "ada"),
        "{welcome:?}"
    );
    let mut other = Wire::connect_with(address, Encoding::Json, &[("x-user", "ada")]).await;
    other.send(&hello("bob")).await;
    assert_eq!(other.goodbye().await.0, "auth");
    let mut stranger = Wire::connect(address, Encoding::Json).await;
    stranger.send(&hello("ada")).await;
    assert_eq!(stranger.goodbye().await.0, "auth");
    serving.abort();
}

/// Lets nobody in.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Identify for Nobody {
    async fn identify(&self, _: Credentials) -> Result<Identity, Denied> {
        Err(Denied { code: Code::Auth, message: "log in first".to_owned() })
    }
}

#[tokio::test]
async fn a_host_stops_what_it_nests() {
    let anchor = Anchor::builder(MemoryStore::new(System), System).build();
    let state = State::new(anchor, Arc::new(OpenIdentify), 10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = anchor_server::router(state.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut wire = Wire::session(address, Encoding::MessagePack, "ada").await;
    let silent = Wire::connect(address, Encoding::MessagePack).await;

    let drain = Drain { back_in: Duration::from_secs(3), per_second: 1 };
    let stopping = tokio::spawn({
        let state = state.clone();
        async move { state.stop(drain, Duration::from_millis(500)).await }
    });
    let (code, back_in_ms) = wire.goodbye().await;
    assert_eq!(code, "shutdown");
    assert!(back_in_ms.is_some_and(|ms| ms >= 3_000), "{back_in_ms:?}");
    drop(wire);
    assert_eq!(get(address, "/readyz").await.status, 503);
    // Who never said hello is not waited for longer than that.
    assert_eq!(soon(stopping).await.unwrap(), 1);
    drop(silent);
    assert_eq!(soon(state.stop(drain, Duration::ZERO)).await, 0);
    serving.abort();
}

#[tokio::test]
async fn the_world_is_refused_in_a_library_too() {
    let directory = tempdir().unwrap();
    let config = Config { listen: ([0, 0, 0, 0], 0).into(), ..config(directory.path()) };
    let error = Server::start(config).await.unwrap_err();
    assert!(matches!(error, anchor_server::StartError::AuthNotChosen(_)), "{error:?}");
}
