//! The list of rooms, and many heads at once.

use super::check::check_log;
use super::{Author, Factory, ack_of, append_one, by_admin, room, start};
use crate::id::RoomId;
use crate::store::{Store, StoredRoom};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    rooms_are_listed_in_order_and_by_pages(factory).await;
    heads_are_told_in_the_order_asked(factory).await;
}

/// In rising order of the ids as bytes, after any id, be it a room's or not, and no more than asked for.
pub async fn rooms_are_listed_in_order_and_by_pages(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    assert_eq!(store.rooms(None, 10).await.expect("the rooms are read"), []);
    for name in ["b", "a.b", "a", "a-b", "ab", "9", "@announcements", "a_b"] {
        let publish = by_admin(ada.message(&room(name), "text"));
        drop(ack_of(append_one(&store, publish).await));
    }
    let sorted: Vec<RoomId> = ["9", "@announcements", "a", "a-b", "a.b", "a_b", "ab", "b"].map(room).to_vec();
    assert_eq!(list(&store, None, 100).await, sorted);
    for limit in 1..=sorted.len() + 1 {
        let mut paged = Vec::new();
        loop {
            let page = list(&store, paged.last(), limit).await;
            assert!(page.len() <= limit);
            assert!(
                page.first() > paged.last() || page.is_empty(),
                "a page begins behind the id it was asked after"
            );
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, sorted, "pages of {limit}");
    }
    assert_eq!(list(&store, None, 0).await, []);
    assert_eq!(
        list(&store, Some(&room("a0")), 2).await,
        [room("a_b"), room("ab")],
        "after an id that is no room"
    );
    assert_eq!(list(&store, Some(&room("b")), 100).await, []);
    for StoredRoom { room: id, state, .. } in store.rooms(None, 100).await.expect("the rooms are read") {
        assert_eq!(store.room(&id).await.expect("the state is read"), Some(state), "list and room agree");
        assert_eq!(check_log(&store, &id).await.len(), 1);
    }
}

/// An answer for each room asked, also for those without events and those asked twice.
pub async fn heads_are_told_in_the_order_asked(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    let (a, b, nowhere) = (room("a"), room("b"), room("nowhere"));
    let in_a = ack_of(append_one(&store, ada.message(&a, "text")).await);
    drop(ack_of(append_one(&store, ada.message(&b, "text")).await));
    let in_b = ack_of(append_one(&store, ada.message(&b, "text")).await);
    let heads = store.heads(&[b.clone(), nowhere, a, b]).await.expect("the heads are read");
    let head = |ack: &crate::publish::Ack| Some((ack.epoch, ack.mark));
    assert_eq!(heads, [head(&in_b), None, head(&in_a), head(&in_b)]);
    assert_eq!(store.heads(&[]).await.expect("the heads are read"), []);
}

async fn list(store: &dyn Store, after: Option<&RoomId>, limit: usize) -> Vec<RoomId> {
    let rooms = store.rooms(after, limit).await.expect("the rooms are read");
    rooms.into_iter().map(|stored| stored.room).collect()
}
