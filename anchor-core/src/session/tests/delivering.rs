//! Deliveries: in order, once, at the reader's pace; beats that do not lie.

use futures::executor::block_on;

use super::peer::{House, Sent, numbers, position, room_id};
use crate::limits::{HEARTBEAT, TAIL_BYTES_MAX};
use crate::position::{Offset, Position};
use crate::session::frame::{ClientFrame, From, HistoryRange, RequestId, ServerFrame};

#[test]
fn a_subscription_starts_where_it_says() {
    let house = House::new();
    house.write("lobby", numbers(1..=100));
    let at = position(&house, "lobby", 40);
    for (from, first) in [
        (From::Start, 1),
        (From::After(at), 41),
        (From::Offset(Offset(40)), 41),
        (From::Last(10), 91),
        (From::Last(1000), 1),
        (From::Now, 101),
    ] {
        let mut peer = house.session("ada", &[]);
        peer.subscribe(1, "lobby", from);
        assert_eq!(peer.texts("lobby", first - 1), numbers(first..=100), "{from:?}");
        let subscribed = peer.frames().into_iter().find_map(|frame| match frame {
            ServerFrame::Subscribed { position, head, .. } => Some((position.offset, head)),
            _ => None,
        });
        assert_eq!(subscribed, Some((Offset(first - 1), Offset(100))), "{from:?}");
    }
}

#[test]
fn live_events_and_backlog_are_one_stream() {
    let house = House::new();
    house.write("lobby", numbers(1..=500));
    let mut peer = house.session("ada", &[("lobby", Position::START)]);
    house.write("lobby", numbers(501..=600));
    assert_eq!(peer.settle().texts("lobby", 0), numbers(1..=600));
}

#[test]
fn a_reader_that_does_not_read_holds_nothing_and_gets_everything_later() {
    let house = House::new();
    let mut slow = house.session("slow", &[("lobby", Position::START)]);
    let mut quick = house.session("quick", &[("lobby", Position::START)]);
    slow.writable = false;
    for round in 0..20 {
        house.write("lobby", numbers(round * 500 + 1..=round * 500 + 500));
        slow.settle();
        quick.settle();
    }
    assert_eq!(quick.texts("lobby", 0), numbers(1..=10_000));
    assert_eq!(slow.sent.len(), 1, "only the welcome");
    // What it lacks is in the log, be it in the tail or not.
    assert!(house.anchor.who(&room_id("lobby")).len() == 2 && TAIL_BYTES_MAX > 0);
    slow.writable = true;
    assert_eq!(slow.settle().texts("lobby", 0), numbers(1..=10_000));
}

#[test]
fn many_rooms_are_served_in_turn() {
    let house = House::new();
    let names: Vec<_> = (0..100).map(|n| format!("room-{n}")).collect();
    names.iter().for_each(|room| house.write(room, numbers(1..=70)));
    let rooms: Vec<_> = names.iter().map(|room| (room.as_str(), Position::START)).collect();
    let peer = house.session("ada", &rooms);
    names.iter().for_each(|room| assert_eq!(peer.texts(room, 0), numbers(1..=70)));
    let runs: Vec<_> = peer
        .sent
        .iter()
        .filter_map(|sent| match sent {
            Sent::Run(run) => Some(run.room().clone()),
            Sent::Frame(_) => None,
        })
        .collect();
    assert!(
        runs[..3].iter().collect::<std::collections::BTreeSet<_>>().len() > 1,
        "no room is sent whole first"
    );
}

#[test]
fn nothing_follows_unsubscribed() {
    let house = House::new();
    let mut peer = house.session("ada", &[("lobby", Position::START)]);
    house.write("lobby", numbers(1..=3));
    peer.send(ClientFrame::Unsubscribe { id: RequestId(1), room: room_id("lobby") });
    let runs_before = peer.sent.len();
    house.write("lobby", numbers(4..=6));
    assert_eq!(peer.settle().sent.len(), runs_before);
    assert!(house.anchor.who(&room_id("lobby")).is_empty());
}

#[test]
fn a_beat_names_every_room_of_which_something_is_missing() {
    let house = House::new();
    let mut peer = house.session("ada", &[("a", Position::START), ("b", Position::START)]);
    let beat = |peer: &mut super::peer::Peer| {
        peer.frames();
        peer.advance(HEARTBEAT);
        peer.frames().into_iter().find_map(|frame| match frame {
            ServerFrame::Beat { at, lag } => Some((at, lag)),
            _ => None,
        })
    };
    assert_eq!(beat(&mut peer), Some((house.anchor.heads_known_at(), vec![])));
    peer.writable = false;
    house.write("a", numbers(1..=3));
    peer.send(ClientFrame::Beat);
    assert_eq!(beat(&mut peer), Some((house.anchor.heads_known_at(), vec![(room_id("a"), Offset(3))])));
    peer.writable = true;
    peer.settle();
    assert_eq!(peer.texts("a", 0), numbers(1..=3));
    peer.send(ClientFrame::Beat);
    assert_eq!(beat(&mut peer), Some((house.anchor.heads_known_at(), vec![])));
}

#[test]
fn a_beat_that_cannot_name_every_room_claims_nothing() {
    let house = House::new();
    let names: Vec<_> = (0..1001).map(|n| format!("room-{n}")).collect();
    let mut peer = house.session("ada", &[]);
    peer.writable = false;
    for (id, room) in names.iter().enumerate() {
        peer.subscribe(id as u64, room, From::Start);
        house.write(room, numbers(1..=1));
    }
    peer.frames();
    peer.advance(HEARTBEAT);
    assert_eq!(peer.frames(), [ServerFrame::Beat { at: 0, lag: vec![] }]);
}

#[test]
fn history_pages_backwards_and_forwards_without_a_hole() {
    let house = House::new();
    house.write("lobby", numbers(1..=230));
    for (mut range, backwards) in
        [(HistoryRange::Newest, true), (HistoryRange::After(Position::START), false)]
    {
        let mut offsets = Vec::new();
        let mut pages = 0;
        loop {
            let page = block_on(house.anchor.history(RequestId(1), &room_id("lobby"), range, 50)).unwrap();
            let page_offsets: Vec<_> = page.events.iter().map(|event| event.offset.0).collect();
            assert!(page_offsets.len() <= 50);
            if backwards {
                offsets.splice(0..0, page_offsets)
            } else {
                offsets.splice(offsets.len().., page_offsets)
            };
            pages += 1;
            match page.next {
                Some(next) if backwards => range = HistoryRange::Before(next),
                Some(next) => range = HistoryRange::After(next),
                None => break,
            }
        }
        assert_eq!(offsets, (1..=230).collect::<Vec<_>>());
        assert_eq!(pages, 5);
    }
}

#[test]
fn rooms_and_who_answer_lists() {
    let house = House::new();
    ["c", "a", "b"].iter().for_each(|room| house.write(room, numbers(1..=1)));
    let _other = house.session("bob", &[("a", Position::START)]);
    let mut peer = house.session("ada", &[("a", Position::START)]);
    peer.frames();
    peer.send(ClientFrame::Rooms { id: RequestId(1), after: None, limit: 2 });
    peer.send(ClientFrame::Rooms { id: RequestId(2), after: Some(room_id("b")), limit: 2 });
    peer.send(ClientFrame::Who { id: RequestId(3), room: room_id("a") });
    let frames = peer.frames();
    let [
        ServerFrame::RoomList { rooms: first, next: Some(next), .. },
        ServerFrame::RoomList { rooms: second, next: None, .. },
        ServerFrame::Present { users, total: 2, .. },
    ] = &frames[..]
    else {
        panic!("{frames:?}")
    };
    let names = |rooms: &[crate::session::frame::RoomEntry]| {
        rooms.iter().map(|entry| entry.room.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(first), next.as_str(), names(second)),
        (vec!["a".into(), "b".into()], "b", vec!["c".into()])
    );
    assert_eq!(users.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ada", "bob"]);
}
