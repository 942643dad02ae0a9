//! What is shown of hits: messages as they are now, to those who may read them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::executor::block_on;

use crate::code::Code;
use crate::conformance::environment::TestEnvironment;
use crate::engine::{Anchor, Publisher, ReadError};
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, RoomId, UserId};
use crate::limits::{PAGE_BYTES_MAX, SEARCH_TEXT_BYTES_MAX};
use crate::memory::MemoryStore;
use crate::position::{Epoch, Offset};
use crate::room::RoomKind;
use crate::room::change::{RoomChange, Settings};
use crate::search::{Asked, Found, Hit, Hits, Search, SearchError};
use crate::session::Identity;

/// An index that finds what it was told to find, whoever asks.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Hit>>);

#[async_trait]
impl Search for Told {
    async fn search(&self, _: &Anchor, _: &Identity, asked: &Asked) -> Result<Hits, SearchError> {
        match asked.text.as_str() {
            "" => Err(SearchError::Invalid("nothing to look for".to_owned())),
            _ => Ok(Hits { hits: self.0.lock().unwrap().clone(), next: None, lag: 7 }),
        }
    }
}

fn identity(user: &str) -> Identity {
    Identity { user: UserId::new(user).unwrap(), admin: false }
}

fn asked(text: &str) -> Asked {
    Asked { text: text.to_owned(), limit: 10, after: None }
}

async fn ada(anchor: &Anchor) -> Publisher {
    anchor.client(identity("ada").user, ClientId::from_bytes([1; 16])).await.unwrap()
}

fn texts(found: &Found) -> Vec<&str> {
    let text = |message: &crate::search::FoundMessage| message.event.offset;
    assert!(found.messages.is_sorted_by_key(text));
    found.messages.iter().map(|message| message.event.body.as_ref().unwrap().as_text().unwrap()).collect()
}

fn edit(kind: EventKind, target: u64, text: &str) -> Draft {
    Draft { kind, target: Some(Offset(target)), ..Draft::message(text) }
}

#[test]
fn messages_that_were_found_are_shown_as_they_are_now() {
    block_on(async {
        let (env, index) = (TestEnvironment::new(3), Arc::new(Told::default()));
        let anchor = Anchor::builder(MemoryStore::new(env.clone()), env).search(index.clone()).build();
        let (room, mut ada) = (RoomId::lobby(), ada(&anchor).await);
        for text in ["one", "two", "three"] {
            ada.publish(&room, text).await.unwrap();
        }
        let epoch = ada.publish(&room, edit(EventKind::EDIT, 2, "zwei")).await.unwrap().epoch;
        ada.publish(&room, edit(EventKind::REDACTION, 1, "")).await.unwrap();
        let hit = |epoch, offset: u64| Hit {
            room: room.clone(),
            epoch,
            offset: Offset(offset),
            place: offset.to_string(),
        };
        let another = Epoch::from_bytes([9; 8]);
        *index.0.lock().unwrap() =
            vec![hit(epoch, 1), hit(epoch, 2), hit(another, 3), hit(epoch, 3), hit(epoch, 99)];
        let found = anchor.search(&identity("bob"), &asked("one")).await.unwrap();
        assert_eq!(
            texts(&found),
            ["zwei", "three"],
            "no redacted one, none of another history, none beyond the head"
        );
        assert_eq!((found.next, found.lag), (None, 7));
    });
}

#[test]
fn what_may_not_be_read_is_not_shown_whatever_the_index_says() {
    block_on(async {
        let (env, index) = (TestEnvironment::new(3), Arc::new(Told::default()));
        let anchor = Anchor::builder(MemoryStore::new(env.clone()), env).search(index.clone()).build();
        let (room, mut ada) = (RoomId::new("plans").unwrap(), ada(&anchor).await);
        let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
        let create = Draft { kind: EventKind::ROOM, target: None, body: create.to_body() };
        ada.publish(&room, create).await.unwrap();
        let ack = ada.publish(&room, "a secret").await.unwrap();
        let hit = Hit { room, epoch: ack.epoch, offset: ack.mark.offset, place: String::new() };
        *index.0.lock().unwrap() = vec![hit];
        assert_eq!(texts(&anchor.search(&identity("ada"), &asked("secret")).await.unwrap()), ["a secret"]);
        assert_eq!(texts(&anchor.search(&identity("bob"), &asked("secret")).await.unwrap()), [""; 0]);
        assert_eq!(anchor.permit(&RoomId::new("plans").unwrap(), &identity("bob")).await.unwrap(), None);
    });
}

#[test]
fn an_answer_with_large_messages_ends_early_and_says_where() {
    block_on(async {
        let (env, index) = (TestEnvironment::new(3), Arc::new(Told::default()));
        let anchor = Anchor::builder(MemoryStore::new(env.clone()), env).search(index.clone()).build();
        let (room, mut ada) = (RoomId::lobby(), ada(&anchor).await);
        for _ in 0..5 {
            let ack = ada.publish(&room, "x".repeat(PAGE_BYTES_MAX / 3)).await.unwrap();
            let (epoch, offset) = (ack.epoch, ack.mark.offset);
            let hit = Hit { room: room.clone(), epoch, offset, place: offset.to_string() };
            index.0.lock().unwrap().push(hit);
        }
        let found = anchor.search(&identity("bob"), &asked("x")).await.unwrap();
        assert_eq!((found.messages.len(), found.next.as_deref()), (2, Some("2")));
    });
}

#[test]
fn what_cannot_be_looked_for_is_refused_by_name() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let bare = Anchor::builder(MemoryStore::new(env.clone()), env.clone()).build();
        let with =
            Anchor::builder(MemoryStore::new(env.clone()), env).search(Arc::new(Told::default())).build();
        let long = "x".repeat(SEARCH_TEXT_BYTES_MAX + 1);
        for (anchor, text, code) in
            [(&bare, "x", Code::Unsupported), (&with, "", Code::Invalid), (&with, &long, Code::Invalid)]
        {
            let refused = anchor.search(&identity("bob"), &asked(text)).await;
            let Err(ReadError::Refused(refusal)) = refused else { panic!("{refused:?}") };
            assert_eq!(refusal.code, code);
        }
    });
}
