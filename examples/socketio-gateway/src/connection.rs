//! One client's connection: does what it asks for, one event after another.

use anchor::engine::ReadError;
use anchor::position::Offset;
use anchor::{Anchor, RoomId, UserId};
use socketioxide::extract::SocketRef;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use crate::answer::{Answer, Asker};
use crate::following::{Following, tell_refused};
use crate::hearing::{Greeting, Heard, ROOMS_MAX, Sign};
use crate::line::Waiting;
use crate::offset::Key;
use crate::typing::Typing;
use crate::words::Words;
use crate::writer::{NotAppended, Writer};

/// A connection, as long as there is something to do.
#[derive(Debug)]
pub(crate) struct Connection {
    anchor: Anchor,
    socket: SocketRef,
    /// Who it said it is when it connected.
    named: Option<UserId>,
    /// Who it said it is when it joined, and the room that it joined last.
    joined: Option<(UserId, RoomId)>,
    /// Messages for the room that it will join, in their order.
    unaddressed: Vec<Waiting>,
    writer: Writer,
    following: Following,
    typing: Typing,
}

impl Connection {
    /// Does all that comes down the line; ends with it.
    pub(crate) async fn run(
        anchor: Anchor,
        socket: SocketRef,
        greeting: Greeting,
        mut line: Receiver<Waiting>,
    ) {
        let mut this = Self {
            writer: Writer::new(&anchor),
            anchor,
            socket,
            named: greeting.user,
            joined: None,
            unaddressed: Vec::new(),
            following: Following::default(),
            typing: Typing::default(),
        };
        for (words, room, after) in greeting.rooms {
            if let Err(error) = this.follow(words, room.clone(), after).await {
                drop(tell_refused(&this.socket, &room, &error).await);
            }
        }
        loop {
            tokio::select! {
                waiting = line.recv() => match waiting {
                    Some(waiting) => this.take(waiting).await,
                    None => break,
                },
                () = this.typing.due() => this.typing.take_back(&this.socket, Some(Instant::now())).await,
            }
        }
        this.typing.take_back(&this.socket, None).await;
    }

    async fn take(&mut self, waiting: Waiting) {
        if self.must_wait(&waiting.heard) {
            self.unaddressed.push(waiting);
            return;
        }
        let Waiting { heard, asker, .. } = waiting;
        match heard {
            Heard::Say { words, room, text, offset } => self.say(words, room, text, offset, asker).await,
            Heard::Join { words, room, user, after } => self.join(words, room, user, after, asker).await,
            Heard::Leave { words, room } => {
                self.following.end(&self.socket, words, &room);
                asker.answer(Answer::done()).await;
            }
            Heard::Typing { room, sign } => self.tell_typing(room, sign, asker).await,
        }
    }

    /// A `message` says neither who sends it nor, most often, where: `join` does, and a client that comes back sends what it
    /// had not sent before it joins again.
    fn must_wait(&self, heard: &Heard) -> bool {
        let Heard::Say { words: Words::Message, room, .. } = heard else { return false };
        self.joined.is_none() && (room.is_none() || self.named.is_none())
    }

    async fn say(
        &mut self,
        words: Words,
        room: Option<RoomId>,
        text: String,
        offset: Option<String>,
        asker: Asker,
    ) {
        // The names under which a message is sent once do not depend on when the client joins.
        let joined = self.joined.as_ref().filter(|_| words == Words::Message);
        let room = room.or_else(|| Some(joined?.1.clone())).unwrap_or_else(RoomId::lobby);
        let user = self.named.clone().or_else(|| Some(joined?.0.clone())).unwrap_or_else(guest);
        let key = offset.map_or_else(Key::unrepeated, |offset| Key::of(&offset, &room, &text));
        match self.writer.append(&user, key, &room, &text).await {
            Ok(ack) => asker.answer(Answer::acked(&ack)).await,
            Err(NotAppended::Refused(refusal)) => asker.answer(Answer::refused(&refusal)).await,
            // No answer: the client sends it again, to the next process.
            Err(NotAppended::Failed) => {}
        }
    }

    async fn join(
        &mut self,
        words: Words,
        room: RoomId,
        user: Option<UserId>,
        after: Option<u64>,
        asker: Asker,
    ) {
        if words == Words::Message {
            let known = self.joined.as_ref().map(|(user, _)| user.clone());
            if known.as_ref().is_some_and(|known| user.as_ref().is_some_and(|user| user != known)) {
                return asker
                    .answer(Answer::invalid("who joins as somebody else does so in a new connection"))
                    .await;
            }
            self.joined = Some((known.or(user).unwrap_or_else(guest), room.clone()));
        }
        if self.following.len() >= ROOMS_MAX {
            return asker.answer(Answer::invalid("a connection hears at most 256 rooms")).await;
        }
        match self.follow(words, room.clone(), after).await {
            Ok(after) => asker.answer(Answer::joined(&room, after)).await,
            Err(ReadError::Refused(refusal)) => return asker.answer(Answer::refused(&refusal)).await,
            Err(error) => return asker.answer(Answer::invalid(&error.to_string())).await,
        }
        for waiting in std::mem::take(&mut self.unaddressed) {
            Box::pin(self.take(waiting)).await;
        }
    }

    /// Hears a room, from behind the offset that this gives.
    async fn follow(&mut self, words: Words, room: RoomId, after: Option<u64>) -> Result<Offset, ReadError> {
        let user = self.speaker();
        self.following.begin(&self.anchor, &self.socket, &user, (words, room), after).await
    }

    async fn tell_typing(&mut self, room: Option<RoomId>, sign: Sign, asker: Asker) {
        let joined = self.joined.as_ref().map(|(_, room)| room.clone());
        let room = room.or(joined).unwrap_or_else(RoomId::lobby);
        if !self.following.hears(&room) {
            return asker.answer(Answer::invalid("join the room first")).await;
        }
        let user = self.speaker();
        self.typing.hear(&self.socket, room, user, sign).await;
        asker.answer(Answer::done()).await;
    }

    fn speaker(&self) -> UserId {
        let joined = self.joined.as_ref().map(|(user, _)| user);
        self.named.as_ref().or(joined).cloned().unwrap_or_else(guest)
    }
}

/// Who does not say who they are.
fn guest() -> UserId {
    UserId::new("guest").expect("a plain id")
}
