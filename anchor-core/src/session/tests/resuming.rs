//! Resuming: for every cut point, dropping and coming back yields what never dropping yields; and every gap is named.

use proptest::prelude::*;

use super::peer::{House, Sent, numbers, position, room_id};
use crate::position::{Offset, Position};
use crate::resume::GapReason;
use crate::session::frame::{ClientFrame, From, ServerFrame};

/// The gaps that a peer was told: reason, first and last offset.
fn gaps(peer: &super::peer::Peer) -> Vec<(GapReason, u64, u64)> {
    let gap = |sent: &Sent| match sent {
        Sent::Frame(ServerFrame::Gap { gap, .. }) => Some((gap.reason, gap.from.0, gap.to.0)),
        _ => None,
    };
    peer.sent.iter().filter_map(gap).collect()
}

#[test]
fn every_cut_point_resumes_without_loss_or_repeat() {
    let house = House::new();
    house.write("lobby", numbers(1..=130));
    for cut in 0..=130 {
        let at = position(&house, "lobby", cut);
        let peer = house.restarted().session("ada", &[("lobby", at)]);
        assert_eq!(peer.texts("lobby", cut), numbers(cut + 1..=130), "cut at {cut}");
        assert_eq!(gaps(&peer), []);
    }
}

#[test]
fn a_log_put_back_and_grown_since_is_another_history() {
    let house = House::new();
    house.write("lobby", numbers(1..=10));
    let old = house.store.snapshot();
    house.write("lobby", numbers(11..=20));
    let at = position(&house, "lobby", 20);
    house.store.revert_to(old);
    let house = house.restarted();
    let too_far = house.session("ada", &[("lobby", at)]);
    assert_eq!(gaps(&too_far), [(GapReason::History, 1, 20)]);
    assert_eq!(too_far.texts("lobby", 0), numbers(1..=10));
    house.write("lobby", (11..=30).map(|n| format!("other {n}")));
    let other = house.session("ada", &[("lobby", at)]);
    assert_eq!(gaps(&other), [(GapReason::History, 1, 20)], "another chain at the same offset");
    assert_eq!(other.texts("lobby", 0).len(), 30);
}

#[test]
pub(super) fn after_a_proper_restore_only_what_was_lost_is_dropped() {
    let house = House::new();
    house.write("lobby", numbers(1..=10));
    let (old, early) = (house.store.snapshot(), position(&house, "lobby", 7));
    house.write("lobby", numbers(11..=20));
    let late = position(&house, "lobby", 20);
    house.store.restore_from(old);
    let house = house.restarted();
    house.write("lobby", ["new".to_owned()]);
    let peer = house.session("ada", &[("lobby", late)]);
    assert_eq!(gaps(&peer), [(GapReason::Restored, 11, 20)]);
    assert_eq!(peer.texts("lobby", 10), ["new"]);
    let peer = house.session("bob", &[("lobby", early)]);
    assert_eq!(gaps(&peer), []);
    assert_eq!(peer.texts("lobby", 7), ["8", "9", "10", "new"]);
}

#[test]
pub(super) fn what_was_trimmed_is_a_gap_with_its_range() {
    let house = House::new();
    house.write("lobby", numbers(1..=200));
    let at = position(&house, "lobby", 20);
    futures::executor::block_on(house.anchor.trim(&room_id("lobby"), Offset(101))).unwrap();
    let peer = house.session("ada", &[("lobby", at)]);
    assert_eq!(gaps(&peer), [(GapReason::Trimmed, 21, 100)]);
    assert_eq!(peer.texts("lobby", 20).last().map(String::as_str), Some("200"));
    let mut peer = house.session("bob", &[]);
    peer.subscribe(1, "lobby", From::Offset(Offset(50)));
    assert_eq!(gaps(&peer), [(GapReason::Trimmed, 51, 100)]);
    let mut peer = house.session("cy", &[]);
    peer.subscribe(1, "lobby", From::Offset(Offset(500)));
    assert_eq!(gaps(&peer), [(GapReason::History, 1, 500)]);
}

#[test]
fn a_history_that_changes_under_a_live_reader_is_told() {
    let house = House::new();
    house.write("lobby", numbers(1..=10));
    let old = house.store.snapshot();
    let mut peer = house.session("ada", &[("lobby", Position::START)]);
    house.write("lobby", numbers(11..=20));
    peer.settle();
    house.store.restore_from(old);
    futures::executor::block_on(house.anchor.poll_heads()).unwrap();
    assert_eq!(gaps(peer.settle()), [(GapReason::Restored, 11, 20)]);
    house.write("lobby", ["new".to_owned()]);
    peer.settle();
    assert_eq!(peer.events("lobby", 0).last().map(|event| event.offset), Some(Offset(11)));
}

#[test]
fn a_node_that_has_not_heard_of_a_restore_believes_the_store() {
    let house = House::new();
    house.write("lobby", numbers(1..=10));
    let (old, behind) = (house.store.snapshot(), house.node());
    let mut live = behind.session("live", &[("lobby", Position::START)]);
    behind.write("lobby", numbers(11..=20));
    live.settle();
    house.store.restore_from(old);
    house.write("lobby", ["new 11".to_owned(), "new 12".to_owned()]);
    let peer = behind.session("ada", &[("lobby", position(&house, "lobby", 11))]);
    assert_eq!((gaps(&peer), peer.texts("lobby", 11)), (vec![], vec!["new 12".to_owned()]));
    assert_eq!(peer.goodbye, None);
    assert_eq!(gaps(live.settle()), [(GapReason::Restored, 11, 20)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A reader that stops, drops and resumes at random, while others write, takes what one takes that never dropped.
    #[test]
    fn dropping_at_random_yields_what_never_dropping_yields(
        steps in prop::collection::vec((0..40u64, 0..4u8), 1..60)
    ) {
        let mut house = House::new();
        let mut written = 0;
        let mut taken: Vec<String> = Vec::new();
        let mut at = Position::START;
        let mut peer = house.session("ada", &[("lobby", at)]);
        for (count, step) in steps {
            house.write("lobby", numbers(written + 1..=written + count));
            written += count;
            match step {
                0 => peer.writable = !peer.writable,
                1 | 2 => {
                    taken.extend(peer.texts("lobby", at.offset.0));
                    at = position(&house, "lobby", taken.len() as u64);
                    if step == 2 {
                        house = house.restarted();
                    }
                    peer = house.session("ada", &[("lobby", at)]);
                }
                _ => {}
            }
            peer.settle();
        }
        peer.writable = true;
        peer.settle();
        taken.extend(peer.texts("lobby", at.offset.0));
        prop_assert_eq!(taken, numbers(1..=written));
        prop_assert_eq!(gaps(&peer), vec![]);
    }
}

#[test]
fn who_was_away_for_long_gets_the_last_messages_and_is_told_what_is_left_out() {
    let house = House::new();
    house.write("lobby", numbers(1..=100));
    let at = position(&house, "lobby", 40);
    for (last, first) in [(10, 91), (59, 42), (60, 41), (1000, 41), (0, 100)] {
        let mut peer = house.session("ada", &[]);
        let from = From::Recent { after: at, last };
        peer.subscribe(1, "lobby", from);
        let left_out = if first > 41 { vec![(GapReason::Skipped, 41, first - 1)] } else { Vec::new() };
        assert_eq!(gaps(&peer), left_out, "the last {last}");
        assert_eq!(peer.texts("lobby", first - 1), numbers(first..=100), "the last {last}");
    }
    let mut hello = super::peer::hello("ada", &[("lobby", at), ("other", Position::START)]);
    hello.resume[0].last = Some(10);
    let mut peer = house.connect();
    peer.send(ClientFrame::Hello(hello)).settle();
    assert_eq!(gaps(&peer), [(GapReason::Skipped, 41, 90)]);
    assert_eq!(peer.texts("lobby", 90), numbers(91..=100));
}

#[test]
fn what_was_trimmed_is_told_before_what_is_left_out() {
    let house = House::new();
    house.write("lobby", numbers(1..=100));
    let at = position(&house, "lobby", 5);
    futures::executor::block_on(house.anchor.trim(&room_id("lobby"), Offset(50))).unwrap();
    let mut peer = house.session("ada", &[]);
    peer.subscribe(1, "lobby", From::Recent { after: at, last: 10 });
    let [(GapReason::Trimmed, 6, before), (GapReason::Skipped, from, 90)] = gaps(&peer)[..] else {
        panic!("{:?}", gaps(&peer))
    };
    assert_eq!(from, before + 1);
}
