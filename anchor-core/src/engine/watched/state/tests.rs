//! What a watched room tells whom, version by version.

use std::time::Duration;

use super::*;
use crate::cursor::ReadMark;
use crate::limits::TYPING_EXPIRES;
use crate::position::Ordinal;

const START: Monotonic = Monotonic(Duration::ZERO);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn cursors(delivered: u64, read: u64) -> Cursors {
    let (delivered, shown) = (Offset(delivered), Offset(read));
    Cursors { delivered, read: ReadMark { offset: shown, ordinal: Ordinal(read) }, shown }
}

fn loaded(company: Company, of: &[(&str, u64)]) -> Loaded {
    let cursors = of.iter().map(|(name, read)| (user(name), cursors(*read, *read))).collect();
    Loaded { epoch: Some(Epoch::from_bytes([1; 8])), company, cursors }
}

fn joined(names: &[&str]) -> Company {
    Company::Joined(names.iter().map(|name| user(name)).collect())
}

fn sighting(name: &str, presence: Presence) -> Sighting {
    Sighting { user: user(name), presence, seen: None }
}

/// A room that is known, and the version up to which everybody was told.
fn known(company: Company, of: &[(&str, u64)]) -> (State, u64) {
    let mut state = State::default();
    state.load(state.turns(), loaded(company, of));
    let version = state.version();
    (state, version)
}

fn read(changes: &Changes) -> Vec<(String, u64)> {
    let read = |receipt: &Receipt| (receipt.user.as_str().to_owned(), receipt.read.0);
    changes.receipts.iter().map(read).collect()
}

#[test]
fn each_watcher_is_told_what_changed_since_it_was_told() {
    let (mut state, start) = known(Company::Anybody, &[("ada", 1), ("bob", 2)]);
    let quiet = state.changes(start, &user("eve")).unwrap();
    assert!(quiet.receipts.is_empty() && quiet.counted.is_none() && quiet.typing.is_none());
    state.moved(&user("ada"), &cursors(3, 3));
    let between = state.version();
    state.moved(&user("bob"), &cursors(4, 4));
    state.moved(&user("bob"), &cursors(5, 5));
    assert_eq!(read(&state.changes(start, &user("eve")).unwrap()), [("ada".into(), 3), ("bob".into(), 5)]);
    assert_eq!(read(&state.changes(between, &user("eve")).unwrap()), [("bob".into(), 5)]);
    assert!(state.changes(state.version(), &user("eve")).unwrap().receipts.is_empty());
}

#[test]
fn what_the_log_tells_is_loaded_in_silence_and_what_was_moved_is_told_whoever_loaded_it_before() {
    let (mut state, start) = known(Company::Anybody, &[("ada", 1)]);
    state.load(state.turns(), loaded(Company::Anybody, &[("ada", 7)]));
    assert!(state.changes(start, &user("eve")).unwrap().receipts.is_empty(), "ada has written");
    state.moved(&user("ada"), &cursors(7, 7));
    assert_eq!(read(&state.changes(start, &user("eve")).unwrap()), [("ada".into(), 7)]);
    state.moved(&user("ada"), &cursors(6, 6));
    assert_eq!(read(&state.changes(start, &user("eve")).unwrap()), [("ada".into(), 7)], "cursors only rise");
}

#[test]
fn nothing_is_told_while_the_room_may_be_another() {
    let (mut state, start) = known(joined(&["ada", "bob"]), &[("ada", 1), ("bob", 2)]);
    state.turn();
    let turns = state.turns();
    state.moved(&user("bob"), &cursors(3, 3));
    assert!(state.changes(start, &user("ada")).unwrap().receipts.is_empty());
    state.turn();
    state.load(turns, loaded(joined(&["ada"]), &[("ada", 1)]));
    assert!(!state.is_known(), "it was read before the last turn");
    state.load(state.turns(), loaded(joined(&["ada"]), &[("ada", 1)]));
    let changes = state.changes(start, &user("ada")).unwrap();
    assert!(changes.receipts.is_empty(), "bob does not belong to it any more");
    state.moved(&user("bob"), &cursors(4, 4));
    assert!(state.changes(start, &user("ada")).unwrap().receipts.is_empty());
}

#[test]
fn who_watched_what_became_large_or_began_anew_is_told_no_more() {
    let (mut state, start) = known(Company::Anybody, &[("ada", 1)]);
    state.load(state.turns(), loaded(Company::Large, &[]));
    assert!(state.changes(start, &user("eve")).is_none());
    let later = state.version();
    assert!(state.changes(later, &user("eve")).is_some());
    let other = Loaded { epoch: Some(Epoch::from_bytes([2; 8])), ..loaded(Company::Large, &[]) };
    state.load(state.turns(), other);
    assert!(state.changes(later, &user("eve")).is_none());
}

#[test]
fn typing_is_news_to_everybody_but_its_user() {
    let (mut state, start) = known(Company::Anybody, &[]);
    let typing = |state: &State, told, name: &str| state.changes(told, &user(name)).unwrap().typing;
    state.typing(&user("ada"), Some(START + TYPING_EXPIRES));
    assert_eq!(typing(&state, start, "ada"), None);
    assert_eq!(typing(&state, start, "bob"), Some(vec![user("ada")]));
    let told = state.version();
    state.typing(&user("bob"), Some(START + TYPING_EXPIRES * 2));
    assert_eq!(typing(&state, told, "ada"), Some(vec![user("bob")]));
    assert_eq!(typing(&state, told, "bob"), None);
    assert_eq!(state.expire(START + TYPING_EXPIRES), Some(START + TYPING_EXPIRES * 2));
    assert_eq!(typing(&state, told, "bob"), Some(Vec::new()));
    assert_eq!(typing(&state, told, "ada"), Some(vec![user("bob")]));
    assert_eq!(state.expire(START + TYPING_EXPIRES * 2), None);
    for n in 0..2 * TYPISTS_MAX {
        state.typing(&user(&format!("user {n}")), Some(START + TYPING_EXPIRES * 3));
    }
    assert_eq!(typing(&state, told, "ada").map(|users| users.len()), Some(TYPING_USERS_MAX));
}

#[test]
fn who_is_gone_is_told_as_offline_until_all_know_it() {
    let (mut state, _) = known(Company::Anybody, &[]);
    state.people(vec![sighting("ada", Presence::Online), sighting("bob", Presence::Away)], None);
    let told = state.version();
    assert_eq!(state.counted(), Side { online: 1, away: 1 });
    state.people(vec![sighting("ada", Presence::Online)], None);
    let changes = state.changes(told, &user("ada")).unwrap();
    assert_eq!(changes.sightings, [sighting("bob", Presence::Offline)]);
    assert_eq!(changes.counted, Some(Side { online: 1, away: 0 }));
    state.purge(told);
    assert_eq!(state.changes(told, &user("ada")).unwrap().sightings.len(), 1);
    state.purge(changes.version);
    assert!(state.changes(told, &user("ada")).unwrap().sightings.is_empty());
}

#[test]
fn too_many_who_are_gone_end_the_watching_of_those_who_do_not_look() {
    let (mut state, start) = known(Company::Anybody, &[]);
    for round in 0..3 {
        let people =
            (0..RECEIPTS_MEMBERS_MAX).map(|n| sighting(&format!("user {round} {n}"), Presence::Online));
        state.people(people.collect(), None);
        state.purge(start);
    }
    assert!(state.changes(start, &user("ada")).is_none());
    assert!(state.people.len() <= 2 * RECEIPTS_MEMBERS_MAX, "memory is bounded");
    let told = state.version();
    assert!(state.changes(told, &user("ada")).is_some());
}
