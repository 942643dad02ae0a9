//! What is kept of users beside the logs.

use futures::future::join_all;

use super::{Author, Factory, Reopen, ack_of, append_one, refusal_of, start, user};
use crate::code::Code;
use crate::id::RoomId;
use crate::limits::BLOCKED_MAX;
use crate::room::RoomKind;
use crate::room::change::{RoomChange, Settings};
use crate::store::Store;
use crate::user::{Direct, Profile, ProfileText, TooManyBlocked, UserChange, UserRow};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    a_change_is_told_and_kept(factory).await;
    a_user_blocks_so_many_and_no_more(factory).await;
    a_change_takes_its_place_in_line(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    users_are_kept(factory).await;
}

/// The same change again changes nothing; users do not touch each other.
pub async fn a_change_is_told_and_kept(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (ada, ad) = (user("ada"), user("ad"));
    assert_eq!(store.user(&ada).await.expect("the user is read"), UserRow::default());
    let mut expected = UserRow::default();
    for change in changes() {
        for _ in 0..2 {
            expected.apply(change.clone()).expect("few users are blocked");
            let row = store.change_user(&ada, change.clone()).await.expect("the user is changed");
            assert_eq!(row, Ok(expected.clone()), "{change:?}");
            assert_eq!(store.user(&ada).await.expect("the user is read"), expected);
        }
    }
    assert_eq!(store.user(&ad).await.expect("the user is read"), UserRow::default());
}

/// One more than that is refused and changes nothing; one that is blocked already is no more.
pub async fn a_user_blocks_so_many_and_no_more(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let ada = user("ada");
    let block = |n: usize| UserChange::Block(user(&format!("user {n}")));
    let mut row = UserRow::default();
    for n in 0..BLOCKED_MAX {
        row.apply(block(n)).expect("no more than there may be");
    }
    let blocking = join_all((0..BLOCKED_MAX).map(|n| store.change_user(&ada, block(n)))).await;
    assert!(blocking.into_iter().all(|blocked| blocked.expect("the user is changed").is_ok()));
    let more = store.change_user(&ada, block(BLOCKED_MAX)).await.expect("the store answers");
    assert_eq!(more, Err(TooManyBlocked));
    assert_eq!(store.user(&ada).await.expect("the user is read"), row);
    assert_eq!(store.change_user(&ada, block(0)).await.expect("the store answers"), Ok(row.clone()));
    let unblock = UserChange::Unblock(user("user 0"));
    row.apply(unblock.clone()).expect("one less");
    assert_eq!(store.change_user(&ada, unblock).await.expect("the store answers"), Ok(row));
    assert!(store.change_user(&ada, block(BLOCKED_MAX)).await.expect("the store answers").is_ok());
}

/// What is appended behind it is decided by it.
pub async fn a_change_takes_its_place_in_line(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    let bob = user("bob");
    let create = |other: &str| RoomChange::Create {
        kind: RoomKind::Direct,
        settings: Settings::default(),
        user: Some(user(other)),
    };
    let room = RoomId::direct(ada.user(), &bob);
    let early = ada.room(&room, &create("bob"));
    assert_eq!(refusal_of(append_one(&store, early).await).code, Code::Denied, "the two share no room");
    let open = UserChange::Direct(Direct::Everyone);
    assert!(store.change_user(&bob, open).await.expect("the user is changed").is_ok());
    drop(ack_of(append_one(&store, ada.room(&room, &create("bob"))).await));
    drop(ack_of(append_one(&store, ada.message(&room, "hello")).await));
    let block = UserChange::Block(ada.user().clone());
    assert!(store.change_user(&bob, block).await.expect("the user is changed").is_ok());
    let blocked = append_one(&store, ada.message(&room, "are you there?")).await;
    assert_eq!(refusal_of(blocked).code, Code::Denied);
}

/// Profile, contact and those blocked.
pub async fn users_are_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let ada = user("ada");
    let mut expected = UserRow::default();
    for change in changes() {
        expected.apply(change.clone()).expect("few users are blocked");
        let row = store.change_user(&ada, change).await.expect("the user is changed");
        assert_eq!(row, Ok(expected.clone()));
        store = factory.reopen(store, &env).await;
        assert_eq!(store.user(&ada).await.expect("the user is read"), expected);
    }
}

/// One change of each kind, and some that take another back.
fn changes() -> Vec<UserChange> {
    let text = |text| ProfileText::new(text).ok();
    let named = Profile { name: text("Ada L."), avatar: None, status: text("away") };
    let renamed = Profile { name: text("Ada"), avatar: text("https://example.org/ada.png"), status: None };
    vec![
        UserChange::Profile(named),
        UserChange::Block(user("eve")),
        UserChange::Direct(Direct::Nobody),
        UserChange::Block(user("bob")),
        UserChange::Profile(renamed),
        UserChange::Unblock(user("eve")),
        UserChange::Unblock(user("nobody")),
        UserChange::Direct(Direct::Shared),
    ]
}
