//! What a watcher should not have been told, and what it should have, is found.

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::session::frame::{Receipt, Sighting};

use super::*;
use crate::kernel::Kernel;

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn process() -> ProcessId {
    Kernel::new(SplitMix64::new(1)).process()
}

fn receipt(id: &str, read: u64) -> (UserId, Receipt) {
    let receipt = Receipt { user: user(id), delivered: None, read: Offset(read), ordinal: None };
    (user(id), receipt)
}

fn online(id: &str) -> (UserId, Sighting) {
    (user(id), Sighting { user: user(id), presence: Presence::Online, seen: None })
}

/// Bob, who sees that ada is there and has read up to 5; but for what `change` makes of it.
fn seen(change: impl FnOnce(&mut Watched)) -> Watched {
    let mut state = Watched {
        receipts: Some(BTreeMap::from([receipt("ada", 5)])),
        present: BTreeMap::from([online("ada"), online("bob")]),
        online: 2,
        ..Watched::default()
    };
    change(&mut state);
    state
}

/// What is wrong with `state` in the end, where ada has read up to 5.
fn wrong(state: Watched) -> Option<String> {
    let (attended, room, process) = (Attended::default(), RoomId::lobby(), process());
    assert_eq!(attended.shows(process, &user("bob"), &room, Arc::new(state)), None);
    let there = BTreeSet::from([user("ada"), user("bob")]);
    attended.verdict(process, &room, &there, &BTreeMap::from([(user("ada"), Offset(5))]))
}

#[test]
fn who_sees_how_things_are_sees_well() {
    assert_eq!(wrong(seen(|_| {})), None);
}

#[test]
fn who_sees_things_as_they_were_is_found() {
    assert!(wrong(seen(|state| drop(state.present.remove(&user("ada"))))).unwrap().contains("where"));
    assert!(wrong(seen(|state| state.online = 1)).unwrap().contains("where"));
    assert!(wrong(seen(|state| state.typing.push(user("ada")))).unwrap().contains("type in"));
    assert!(
        wrong(seen(|state| state.receipts = Some(BTreeMap::from([receipt("ada", 4)]))))
            .unwrap()
            .contains("up to 5")
    );
}

#[test]
fn an_echo_is_found_and_who_looks_away_sees_nothing() {
    let (attended, room, process) = (Attended::default(), RoomId::lobby(), process());
    let state = Arc::new(seen(|state| state.typing.push(user("bob"))));
    assert!(attended.shows(process, &user("bob"), &room, state).unwrap().contains("by itself"));
    assert_eq!(attended.told(&user("ada"), &room), Offset(5));
    attended.looks_away(process, &room);
    assert_eq!(attended.verdict(process, &room, &BTreeSet::new(), &BTreeMap::new()), None);
}
