//! What settles, and what is taken back before.

use super::*;

const START: Monotonic = Monotonic(Duration::ZERO);

const COMES: (Presence, Presence) = (Presence::Offline, Presence::Online);
const GOES: (Presence, Presence) = (Presence::Online, Presence::Offline);

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

fn settled(settling: &mut Settling, now: Monotonic, presence: Presence) -> Vec<Settled> {
    settling.settle(now, |_| presence).0
}

#[test]
fn what_is_taken_back_in_time_was_never_so() {
    let mut settling = Settling::default();
    assert_eq!(settling.changed(&ada(), GOES, START, 7), Some(START + PRESENCE_SETTLES));
    assert_eq!(settling.told(&ada(), Presence::Offline), Presence::Online);
    let later = START + PRESENCE_SETTLES / 2;
    assert_eq!(settling.changed(&ada(), COMES, later, 8), None);
    // And goes again: that is another time.
    assert_eq!(settling.changed(&ada(), GOES, later, 9), Some(later + PRESENCE_SETTLES));
    assert_eq!(settled(&mut settling, START + PRESENCE_SETTLES, Presence::Offline), []);
    let all = settled(&mut settling, later + PRESENCE_SETTLES, Presence::Offline);
    assert_eq!(all, [Settled { user: ada(), presence: Presence::Offline, seen: Some(9) }]);
    assert_eq!(settling.told(&ada(), Presence::Offline), Presence::Offline);
}

#[test]
fn what_changes_on_is_told_after_a_while_as_it_is_then() {
    let mut settling = Settling::default();
    settling.changed(&ada(), (Presence::Online, Presence::Away), START, 1);
    let later = START + PRESENCE_SETTLES / 2;
    settling.changed(&ada(), (Presence::Away, Presence::Offline), later, 2);
    let all = settled(&mut settling, START + PRESENCE_SETTLES, Presence::Offline);
    assert_eq!(all, [Settled { user: ada(), presence: Presence::Offline, seen: Some(2) }]);
}

#[test]
fn who_went_is_written_once_in_a_while() {
    let mut settling = Settling::default();
    settling.changed(&ada(), GOES, START, 1);
    let gone = START + PRESENCE_SETTLES;
    settled(&mut settling, gone, Presence::Offline);
    assert_eq!(settling.gone_at(&ada()), Some(1));
    assert_eq!(settling.take_gone(gone), Err(Some(gone + SEEN_EVERY)));
    assert_eq!(settling.take_gone(gone + SEEN_EVERY), Ok(HashMap::from([(ada(), 1)])));
    assert_eq!(settling.take_gone(gone + SEEN_EVERY), Err(None));
}

#[test]
fn where_nobody_looks_no_more_than_so_many_are_kept() {
    let mut settling = Settling::default();
    for n in 0..=PRESENCE_SETTLING_MAX {
        settling.changed(&UserId::new(format!("user {n}")).unwrap(), COMES, START, 1);
    }
    assert_eq!(settling.by_user.len(), PRESENCE_SETTLING_MAX);
}
