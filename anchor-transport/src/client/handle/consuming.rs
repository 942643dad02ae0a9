//! Work that is taken from the log: consumers, answers to what they take, webhooks, and what is searched for.

use anchor_core::code::Code;
use anchor_core::engine::ConsumerName;
use anchor_core::event::EventKey;
use anchor_core::id::{ClientId, Nonce, RoomId, Seq};
use anchor_core::publish::Ack;
use anchor_core::search::Found;
use anchor_core::session::frame::{ConsumerChange, From, PublishFrame, WebhookChange, Whose};
use tokio::sync::oneshot;

use super::{Client, PublishBody};
use crate::client::answer::{ConsumerPage, DeadLetterPage, WebhookPage};
use crate::client::command::{Answer, Command, Request};
use crate::client::consumer::Consumer;
use crate::client::error::RequestError;

impl Client {
    /// Looks for words in what was said, in all rooms that the user may read: the newest messages first, at most `limit`;
    /// `after` is the `next` of an answer.
    ///
    /// # Errors
    /// As [`Client::history`]; `invalid` for a text that cannot be understood, `unsupported` of a server without search.
    pub async fn search(&self, text: &str, limit: u64, after: Option<String>) -> Result<Found, RequestError> {
        match self.request(Request::Search { text: text.to_owned(), limit, after }).await? {
            Answer::Found(found) => Ok(*found),
            _ => Err(RequestError::Closed),
        }
    }

    /// Takes from the durable consumer `name` of the user: of one room, or, for admins, of all. It comes into being with the
    /// first question, and begins then at [`From::Start`] or [`From::Now`].
    #[must_use]
    pub fn consume(&self, name: ConsumerName, room: Option<RoomId>, from: From) -> Consumer {
        Consumer::new(self.clone(), name, room, from)
    }

    /// Answers an event once, however often this is called for it, by whatever process: the publish is named after the consumer
    /// and the event. `index` tells several answers to one event apart.
    ///
    /// `None`: it was answered before, perhaps with something else, or an answer to a later event was given already. Not kept in
    /// the outbox: whoever takes the event again calls again. Answers of one client go one after the other.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with why it may not be said; [`RequestError::Stopped`], [`RequestError::Closed`].
    pub async fn answer(
        &self,
        consumer: &ConsumerName,
        event: &EventKey,
        index: u8,
        room: &RoomId,
        draft: impl Into<PublishBody>,
    ) -> Result<Option<Ack>, RequestError> {
        let PublishBody(draft) = draft.into();
        let (client_id, nonce) = answer_ids(consumer, event, index);
        let first = event.offset.0.saturating_mul(ANSWERS_OF_EVENT);
        let numbers = Seq::new(first).ok().zip(Seq::new(first.saturating_add(index.into())).ok());
        let Some((waits, seq)) = numbers.filter(|(waits, _)| *waits > Seq::ZERO) else {
            let message = "an answer is to an event of a log".to_owned();
            return Err(RequestError::Refused { code: Code::Invalid, message });
        };
        let publish =
            PublishFrame { seq, nonce, waits, room: room.clone(), draft, client_id: Some(client_id) };
        let (reply, answer) = oneshot::channel();
        self.send(Command::Answer { publish: Box::new(publish), reply }).await?;
        match answer.await.map_err(|_| RequestError::Closed)?? {
            Answer::Answered(ack) => Ok(ack),
            _ => Err(RequestError::Closed),
        }
    }

    /// The durable consumers after `after`, at most `limit`: the user's, or, for admins, the server's own.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn consumers(
        &self,
        whose: Whose,
        after: Option<ConsumerName>,
        limit: u64,
    ) -> Result<ConsumerPage, RequestError> {
        match self.request(Request::Consumers { after, limit, whose }).await? {
            Answer::Consumers(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// Pauses, resumes, replays or removes a durable consumer. Durable on return.
    ///
    /// # Errors
    /// As [`Client::history`]; `name_unknown`, `invalid` for a place from which it cannot go on.
    pub async fn change_consumer(
        &self,
        whose: Whose,
        name: ConsumerName,
        change: ConsumerChange,
    ) -> Result<(), RequestError> {
        self.done(Request::ChangeConsumer { name, change, whose }).await
    }

    /// The webhooks after `after`, at most `limit`. For admins.
    ///
    /// # Errors
    /// As [`Client::history`]; `denied`, `unsupported` of a server without webhooks.
    pub async fn webhooks(
        &self,
        after: Option<ConsumerName>,
        limit: u64,
    ) -> Result<WebhookPage, RequestError> {
        match self.request(Request::Webhooks { after, limit }).await? {
            Answer::Webhooks(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// Changes the webhooks. For admins. Durable on return.
    ///
    /// # Errors
    /// As [`Client::webhooks`]; `name_unknown`, `invalid`, `full`.
    pub async fn change_webhook(&self, change: WebhookChange) -> Result<(), RequestError> {
        self.done(Request::ChangeWebhook(Box::new(change))).await
    }

    /// What the webhook `name` has given up, after `after`, at most `limit`. For admins.
    ///
    /// # Errors
    /// As [`Client::webhooks`]; `name_unknown`.
    pub async fn dead_letters(
        &self,
        name: ConsumerName,
        after: Option<EventKey>,
        limit: u64,
    ) -> Result<DeadLetterPage, RequestError> {
        match self.request(Request::DeadLetters { name, after, limit }).await? {
            Answer::DeadLetters(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    async fn done(&self, request: Request) -> Result<(), RequestError> {
        match self.request(request).await? {
            Answer::Done => Ok(()),
            _ => Err(RequestError::Closed),
        }
    }
}

/// The ids of an answer, which follow from what it answers: the client of a consumer in one history of one room, and a nonce.
fn answer_ids(consumer: &ConsumerName, event: &EventKey, index: u8) -> (ClientId, Nonce) {
    let mut hasher = blake3::Hasher::new_derive_key("anchor.v1 answer");
    for text in [consumer.as_str(), event.room.as_str()] {
        hasher.update(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(event.epoch.as_bytes());
    let of_room = hasher.finalize();
    hasher.update(&event.offset.0.to_be_bytes());
    hasher.update(&[index]);
    let of_event = hasher.finalize();
    let (mut id, mut nonce) = ([0; 16], [0; 4]);
    id.copy_from_slice(&of_room.as_bytes()[..16]);
    nonce.copy_from_slice(&of_event.as_bytes()[..4]);
    (ClientId::from_bytes(id), Nonce(u32::from_be_bytes(nonce)))
}

/// Numbers that are set apart for the answers to one event. Source: `docs/protocol.md`.
const ANSWERS_OF_EVENT: u64 = 512;
