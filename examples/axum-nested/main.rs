//! A host application with pages and a login of its own, and the chat inside of it: under a path of its router, for its
//! users, on its listener, and ended with it.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

mod accounts;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anchor::engine::Drain;
use anchor::server as chat;
use anchor::session::Identity;
use anchor::store::{Readiness, Store};
use anchor::{Anchor, RedbStore, System};
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Router, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::accounts::Accounts;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let data = arguments.next().unwrap_or_else(|| "chat-data".to_owned());
    // Before anybody is told that we are there.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);

    let store = RedbStore::open(data, System)?;
    let anchor = Anchor::builder(store.clone(), System).build();
    let ending = anchor.clone();
    let maintained = tokio::spawn({
        let anchor = anchor.clone();
        async move { anchor.maintain().await }
    });

    let listener = TcpListener::bind(&address).await?;
    let address = listener.local_addr()?;
    let accounts = Accounts::default();
    let nested =
        chat::State::new(anchor.clone(), Arc::new(accounts.clone()), CONNECTIONS_MAX).listening_on(address);
    let app = application(accounts, nested.clone());
    // What is written is whole already: it need not wait for more.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    println!("listening on http://{address}");

    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = anchor.failed() => {}
        }
        // Everybody is told to go, and when to come back; the pages of the host are served meanwhile.
        let drain = Drain { back_in: Duration::from_secs(1), per_second: 1_000 };
        nested.stop(drain, Duration::from_secs(5)).await;
    };
    serve(listener, app).with_graceful_shutdown(shutdown).await?;

    maintained.abort();
    // How far people have read is written once a second, and now. A store that is full or has failed keeps nobody.
    let _ = tokio::time::timeout(FLUSH_WITHIN, ending.flush()).await;
    let has_failed = store.readiness() == Readiness::Failed;
    // Not for what was acknowledged, that is on disk: the next start has nothing to replay.
    tokio::task::spawn_blocking(move || store.close()).await?;
    println!("stopped");
    // A store that failed works again in a new process alone: let the supervisor start one.
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The host's own pages, and the chat below `/chat/`: with the slash, so that its page finds its module beside it.
fn application(accounts: Accounts, nested: chat::State) -> Router {
    let chat = chat::router(nested).layer(middleware::from_fn_with_state(accounts.clone(), who_calls));
    Router::new()
        .route("/", get(front))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .with_state(accounts)
        .route("/chat", get(|| async { Redirect::permanent("/chat/") }))
        .nest("/chat/", chat)
}

/// Whoever comes with a session of the host is that user in the chat.
async fn who_calls(State(accounts): State<Accounts>, mut request: Request, next: Next) -> Response {
    if let Some(user) = accounts.user_of_cookie(request.headers()) {
        request.extensions_mut().insert(chat::Caller::new(Identity { user, admin: false }));
    }
    next.run(request).await
}

async fn front(State(accounts): State<Accounts>, headers: HeaderMap) -> Html<String> {
    Html(match accounts.user_of_cookie(&headers) {
        Some(user) => format!(
            "<p>Hello {user}. <a href=/chat/>To the chat</a>, under this name.<form method=post action=/logout>\
             <button>Log out</button></form>"
        ),
        None => "<form method=post action=/login><input name=login value=ada@example.org>\
                 <input name=password type=password placeholder=lovelace><button>Log in</button></form>"
            .to_owned(),
    })
}

#[derive(serde::Deserialize)]
struct Login {
    login: String,
    password: String,
}

async fn log_in(State(accounts): State<Accounts>, Form(login): Form<Login>) -> Response {
    match accounts.log_in(&login.login, &login.password) {
        // Behind TLS add `Secure`.
        Some(secret) => {
            let cookie = format!("session={secret}; HttpOnly; SameSite=Strict; Path=/");
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        None => (StatusCode::UNAUTHORIZED, "no such login\n").into_response(),
    }
}

async fn log_out(State(accounts): State<Accounts>, headers: HeaderMap) -> Redirect {
    accounts.log_out(&headers);
    Redirect::to("/")
}

/// How long the last of what people have read may take to be written. Source: chosen; a store that is well takes milliseconds.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Chat connections at once. Source: chosen; a host knows how many users it has.
const CONNECTIONS_MAX: usize = 1_000;
