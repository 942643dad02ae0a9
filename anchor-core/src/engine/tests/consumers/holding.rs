//! Rooms that are held: nothing of them is given, and what was given and not done is given again.

use futures::executor::block_on;

use super::{Node, done, given, room};
use crate::engine::{Delivery, Scope};
use crate::position::Position;

#[test]
fn a_room_that_is_held_keeps_nothing_and_goes_on_behind_what_is_done() {
    block_on(async {
        let (node, poison) = (Node::new(), room("poison"));
        node.say("poison", &["one", "two", "three"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        let parts = given(&mut consumer).await;
        let Delivery::Events(events) = &parts[0].delivery else { panic!("{:?}", parts[0]) };
        let first = events.iter().next().unwrap().unwrap();
        let first = Position { epoch: Some(events.epoch()), offset: first.offset, chain: first.chain };
        consumer.done(&poison, &first);
        consumer.hold(&poison);
        assert_eq!(consumer.open(), 0);

        node.say("poison", &["four"]).await;
        node.say("lobby", &["hello"]).await;
        assert_eq!(done(&mut consumer).await, ["lobby hello"]);
        assert_ne!(consumer.lag(), Some(0), "what is held is not done");

        consumer.release(&poison);
        assert_eq!(done(&mut consumer).await, ["poison two", "poison three", "poison four"]);
        assert_eq!(done(&mut consumer).await, [""; 0]);
        assert_eq!(consumer.lag(), Some(0));
    });
}

#[test]
fn rooms_that_are_held_hold_up_no_others_however_many_they_are() {
    block_on(async {
        let node = Node::new();
        let names: Vec<_> = (0..300).map(|number| format!("room-{number}")).collect();
        for name in &names {
            node.say(name, &["poison"]).await;
        }
        let mut consumer = node.consumer(Scope::All).await;
        for _ in &names {
            let taken = consumer.next().await.unwrap();
            consumer.hold(&taken.room);
        }
        node.say("lobby", &["hello"]).await;
        assert_eq!(done(&mut consumer).await, ["lobby hello"]);
        names.iter().for_each(|name| consumer.release(&room(name)));
        for _ in &names {
            let taken = consumer.next().await.unwrap();
            consumer.done(&taken.room, &taken.position());
        }
        assert_eq!(done(&mut consumer).await, [""; 0]);
    });
}
