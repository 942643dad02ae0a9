//! Where socketioxide hands over: who connects, what is heard, who is gone.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use anchor::Anchor;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{Extension, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use tokio::sync::mpsc::Receiver;

use crate::answer::{Answer, Asker};
use crate::connection::Connection;
use crate::hearing::{Arguments, EVENTS, Greeting};
use crate::line::{Line, Waiting};
use crate::pace::Pace;

/// A client that is let in, until its connection takes it over.
#[derive(Clone)]
struct Arrival(Arc<Mutex<Option<LetIn>>>);

struct LetIn {
    greeting: Greeting,
    line: Receiver<Waiting>,
}

/// Serves all who connect.
pub(crate) fn serve(io: &SocketIo, anchor: &Anchor) {
    let anchor = anchor.clone();
    let connected = async move |socket: SocketRef, Extension(arrival): Extension<Arrival>| {
        let arrival = arrival.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(LetIn { greeting, line }) = arrival {
            Connection::run(anchor, socket, greeting, line).await;
        }
    };
    io.ns("/", connected.with(let_in));
}

/// Runs before the client hears that it is connected: whatever it says then is heard.
async fn let_in(socket: SocketRef, TryData(auth): TryData<Value>) -> Result<(), &'static str> {
    let greeting = Greeting::read(&auth.unwrap_or_default())?;
    let (line, events) = Line::new();
    Pace::begin(&socket);
    for (event, read) in EVENTS {
        let line = line.clone();
        socket.on(event, move |socket: SocketRef, asker: Asker, TryData(said): TryData<Arguments>| {
            // Here events come in the client's order: not so in the future, which gets a task of its own.
            let read = said.map_err(|_| "what belongs to an event is JSON").and_then(|said| read(&said));
            let refused = match read {
                Ok(heard) => {
                    if line.enter(heard, asker).is_err() {
                        // What was not taken must not be missing in the middle.
                        line.end();
                        drop(socket.disconnect());
                    }
                    None
                }
                Err(why) => Some((asker, Answer::invalid(why))),
            };
            async move {
                if let Some((asker, answer)) = refused {
                    asker.answer(answer).await;
                }
            }
        });
    }
    socket.on_disconnect(move || {
        line.end();
        ready(())
    });
    socket.extensions.insert(Arrival(Arc::new(Mutex::new(Some(LetIn { greeting, line: events })))));
    Ok(())
}
