//! Who writes just now: told to the others of the room, never to whoever writes, and taken back after five seconds.

use std::collections::HashMap;
use std::time::Duration;

use anchor::{RoomId, UserId};
use serde_json::json;
use socketioxide::extract::SocketRef;
use tokio::time::{Instant, sleep_until};

use crate::hearing::Sign;

/// Where a connection writes, and until when it is believed.
#[derive(Debug, Default)]
pub(crate) struct Typing(HashMap<RoomId, (UserId, Instant)>);

impl Typing {
    pub(crate) async fn hear(&mut self, socket: &SocketRef, room: RoomId, user: UserId, sign: Sign) {
        match sign {
            Sign::Start => {
                let until = Instant::now() + TYPES_FOR;
                if self.0.insert(room.clone(), (user.clone(), until)).is_none() {
                    tell(socket, "typing:start", &room, &user).await;
                }
            }
            Sign::Stop => {
                if self.0.remove(&room).is_some() {
                    tell(socket, "typing:stop", &room, &user).await;
                }
            }
            Sign::Pulse => tell(socket, "typing", &room, &user).await,
        }
    }

    /// Ends when somebody is no longer believed to write.
    pub(crate) async fn due(&self) {
        match self.0.values().map(|(_, until)| *until).min() {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Takes back what is due by `now`; everything where there is none.
    pub(crate) async fn take_back(&mut self, socket: &SocketRef, now: Option<Instant>) {
        for (room, (user, _)) in self.0.extract_if(|_, (_, until)| now.is_none_or(|now| *until <= now)) {
            tell(socket, "typing:stop", &room, &user).await;
        }
    }
}

async fn tell(socket: &SocketRef, event: &str, room: &RoomId, user: &UserId) {
    let (room, user) = (room.as_str(), user.as_str());
    let sign = json!({ "roomId": room, "room": room, "userId": user, "username": user });
    // Said in passing: who has no room in the buffer misses it.
    drop(socket.to(room.to_owned()).emit(event, &sign).await);
}

/// How long who writes is believed to. Source: chosen; longer than the apps' own pauses between two signs.
const TYPES_FOR: Duration = Duration::from_secs(5);
