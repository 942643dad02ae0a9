//! Few or many, a subscription is found by its slot and by its room, until it is removed.

use super::super::rooms::Subscription;
use super::*;

fn room(n: usize) -> RoomId {
    RoomId::new(format!("room-{n}")).unwrap()
}

#[test]
fn few_and_many_are_found_by_slot_and_by_room_until_they_are_removed() {
    for count in [1, LOOKED_THROUGH_MAX, LOOKED_THROUGH_MAX + 1, 100] {
        let mut subscriptions = Subscriptions::default();
        let slots: Vec<_> =
            (0..count).map(|n| subscriptions.insert(Subscription::opening(room(n)))).collect();
        assert_eq!(subscriptions.len(), count);
        assert!(subscriptions.iter().map(|(slot, _)| slot).eq(slots.iter().copied()), "in their order");
        assert_eq!(subscriptions.slot_of(&room(count)), None);
        for (n, slot) in slots.iter().enumerate() {
            assert_eq!(subscriptions.slot_of(&room(n)), Some(*slot));
            assert_eq!(subscriptions.get(*slot).unwrap().room, room(n));
        }
        for (n, slot) in slots.iter().enumerate().rev() {
            assert_eq!(subscriptions.remove(*slot).unwrap().room, room(n));
            assert!(subscriptions.remove(*slot).is_none() && subscriptions.get_mut(*slot).is_none());
            assert_eq!(subscriptions.slot_of(&room(n)), None);
        }
        let again = subscriptions.insert(Subscription::opening(room(0)));
        assert!(!slots.contains(&again), "a slot is never used twice");
        assert_eq!(subscriptions.slot_of(&room(0)), Some(again));
    }
}
