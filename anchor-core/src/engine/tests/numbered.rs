//! Publishing under the numbers of somebody else's clients.

use futures::executor::block_on;

use super::censor::Censor;
use crate::code::Code;
use crate::conformance::environment::TestEnvironment;
use crate::engine::{Anchor, PublishError, Publisher};
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, RoomId, Seq, UserId};
use crate::limits::WINDOW;
use crate::memory::MemoryStore;
use crate::position::Offset;
use crate::publish::Ack;
use crate::store::StoreExt;

struct House {
    anchor: Anchor,
    store: MemoryStore,
    censor: Censor,
}

impl House {
    fn new() -> Self {
        let (env, censor) = (TestEnvironment::new(3), Censor::default());
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env).hook(censor.clone()).build();
        Self { anchor, store, censor }
    }

    /// The client opened anew, as after a crash.
    async fn client(&self) -> Publisher {
        self.anchor.client(UserId::new("ada").unwrap(), ClientId::from_bytes([1; 16])).await.unwrap()
    }

    async fn events(&self) -> usize {
        self.store.read_all(&RoomId::lobby()).await.unwrap().len()
    }
}

async fn put(client: &mut Publisher, seq: u64, text: &str) -> Result<Ack, PublishError> {
    client.publish_numbered(Seq::new(seq).unwrap(), &RoomId::lobby(), text).await
}

fn code(result: Result<Ack, PublishError>) -> Code {
    match result {
        Err(PublishError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_number_again_is_answered_as_before_and_appends_nothing() {
    block_on(async {
        let house = House::new();
        let mut ada = house.client().await;
        for seq in [1, 2, 5] {
            assert!(!put(&mut ada, seq, "hello").await.unwrap().duplicate);
        }
        assert_eq!(code(put(&mut ada, 6, "bad").await), Code::Moderated);
        assert_eq!(house.censor.asked(), ["ada 1", "ada 2", "ada 5", "ada 6"]);
        house.censor.ban("ada");
        let mut anew = house.client().await;
        assert!(matches!(put(&mut ada, 2, "hello").await, Err(PublishError::Replaced)));
        let ack = put(&mut anew, 5, "hello").await.unwrap();
        assert_eq!((ack.mark.offset, ack.duplicate), (Offset(3), true));
        assert_eq!(code(put(&mut anew, 6, "bad").await), Code::Moderated);
        assert_eq!(code(put(&mut anew, 2, "something else").await), Code::SeqConflict);
        assert_eq!(code(put(&mut anew, 3, "passed over").await), Code::SeqSkipped);
        assert_eq!(code(put(&mut anew, 0, "no seq").await), Code::SeqForgotten);
        assert_eq!((house.events().await, house.censor.asked().len()), (3, 0));
    });
}

#[test]
fn as_many_are_remembered_as_the_window_holds() {
    block_on(async {
        let house = House::new();
        let mut ada = house.client().await;
        let last = 3 * WINDOW as u64;
        for seq in 1..=last {
            put(&mut ada, seq, "x").await.unwrap();
        }
        let oldest = last - WINDOW as u64 + 1;
        assert!(put(&mut ada, last, "x").await.unwrap().duplicate);
        assert!(put(&mut ada, oldest, "x").await.unwrap().duplicate);
        assert_eq!(code(put(&mut ada, oldest - 1, "x").await), Code::SeqForgotten);
        assert_eq!(house.events().await as u64, last);
    });
}

#[test]
fn a_repeat_stands_in_line_behind_what_came_before_it() {
    block_on(async {
        let house = House::new();
        let mut ada = house.client().await;
        put(&mut ada, 1, "first").await.unwrap();
        house.censor.hold("ada");
        let first = ada.publish_numbered(Seq::new(2).unwrap(), &RoomId::lobby(), "second");
        let again = ada.publish_numbered(Seq::new(2).unwrap(), &RoomId::lobby(), "second");
        house.censor.release();
        assert!(again.await.unwrap().duplicate);
        assert!(!first.await.unwrap().duplicate);
        let reaction = Draft { kind: EventKind::REACTION, target: Some(Offset(1)), ..Draft::message("+1") };
        for duplicate in [false, true] {
            let ack = ada.publish_numbered(Seq::new(3).unwrap(), &RoomId::lobby(), reaction.clone()).await;
            assert_eq!(ack.unwrap().duplicate, duplicate);
        }
        assert_eq!(house.events().await, 3);
    });
}
