//! Deliveries: in order, once, at the reader's pace; beats that do not lie.

use futures::executor::block_on;

use super::peer::{House, Sent, numbers, position, room_id};
use crate::conformance::faults::FailingStore;
use crate::engine::{Mailbox, Slot, Watcher};
use crate::environment::Environment;
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, UserId};
use crate::limits::{HEARTBEAT, TAIL_BYTES_MAX};
use crate::position::{Offset, Position};
use crate::resume::GapReason;
use crate::room::change::MembershipChange;
use crate::session::frame::{ClientFrame, From, HistoryRange, RequestId, ResumeRoom, ServerFrame, Which};
use crate::session::{Action, Ask, Reply};

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
fn who_asks_for_as_many_messages_as_there_are_gets_what_stands_before_them_too() {
    let house = House::new();
    let join = Draft { kind: EventKind::MEMBERSHIP, target: None, body: MembershipChange::Join.to_body() };
    block_on(async {
        let id = ClientId::from_bytes([9; 16]);
        let mut ada = house.anchor.client(UserId::new("ada").unwrap(), id).await.unwrap();
        ada.publish(&room_id("lobby"), join).await.unwrap();
    });
    house.write("lobby", numbers(1..=2));
    for (messages, position) in [(1, 2), (2, 0), (3, 0)] {
        let mut peer = house.session("eve", &[]);
        peer.subscribe(1, "lobby", From::Last(messages));
        let starts = peer.settle().frames().into_iter().find_map(|frame| match frame {
            ServerFrame::Subscribed { position, .. } => Some(position.offset),
            _ => None,
        });
        assert_eq!(starts, Some(Offset(position)), "the last {messages}");
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
    assert!(block_on(house.anchor.who(&room_id("lobby"), None)).unwrap().len() == 2 && TAIL_BYTES_MAX > 0);
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
    assert!(block_on(house.anchor.who(&room_id("lobby"), None)).unwrap().is_empty());
}

#[test]
pub(super) fn a_beat_names_every_room_of_which_something_is_missing() {
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
    peer.send(ClientFrame::Beat).advance(HEARTBEAT);
    peer.writable = true;
    peer.settle();
    assert_eq!(peer.texts("a", 0), numbers(1..=3));
    assert!(peer.frames().contains(&ServerFrame::Beat {
        at: house.anchor.heads_known_at(),
        lag: vec![(room_id("a"), Offset(3))]
    }));
    peer.send(ClientFrame::Beat);
    assert_eq!(beat(&mut peer), Some((house.anchor.heads_known_at(), vec![])));
}

#[test]
fn a_beat_names_rooms_that_were_resumed_and_wait_for_another_group() {
    let house = House::new();
    let mut peer = house.session("ada", &[]);
    let now = house.env.now();
    let mut open = |id, room: &str| {
        let rooms = vec![ResumeRoom::after(room_id(room), Position::START)];
        peer.session.handle_frame(now, Ok(ClientFrame::Resume { id: RequestId(id), rooms }));
        let Some(Action::Ask(Ask::Open(slot, room, from))) = peer.session.poll_action(now) else {
            panic!("no open")
        };
        (slot, room, from)
    };
    let ((slot, room, from), _other) = (open(1, "a"), open(2, "b"));
    house.write("a", numbers(1..=1));
    let opened = block_on(house.anchor.open(&room, from, Watcher::new(Mailbox::new(), slot, None)));
    peer.session.handle_reply(Reply::Opened(slot, opened));
    peer.advance(HEARTBEAT);
    let frames = peer.frames();
    let [.., ServerFrame::Resumed { .. }, ServerFrame::Beat { lag, .. }] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(lag, &[(room_id("a"), Offset(1))]);
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
    peer.writable = true;
    assert_eq!(peer.settle().frames(), [ServerFrame::Beat { at: 0, lag: vec![] }]);
}

#[test]
fn a_reader_that_is_ahead_of_its_node_waits_for_it() {
    let house = House::new();
    house.write("lobby", numbers(1..=3));
    let behind = house.node();
    let mut early = behind.session("early", &[("lobby", Position::START)]);
    house.write("lobby", numbers(4..=8));
    let mut resumed = behind.session("resumed", &[("lobby", position(&house, "lobby", 8))]);
    let mut caught_up = behind.session("caught up", &[("lobby", Position::START)]);
    assert_eq!(caught_up.texts("lobby", 0), numbers(1..=8));
    house.write("lobby", numbers(9..=10));
    block_on(behind.anchor.poll_heads()).unwrap();
    assert_eq!(early.settle().texts("lobby", 0), numbers(1..=10));
    assert_eq!(resumed.settle().texts("lobby", 8), numbers(9..=10));
    assert_eq!(caught_up.settle().texts("lobby", 0), numbers(1..=10));
    for peer in [early, resumed, caught_up] {
        assert_eq!(peer.goodbye, None);
    }
}

#[test]
fn a_slow_reader_of_many_rooms_holds_few_reads() {
    let house = House::new();
    let names: Vec<_> = (0..50).map(|n| format!("room-{n}")).collect();
    names.iter().for_each(|room| house.write(room, numbers(1..=320)));
    let rooms: Vec<_> = names.iter().map(|room| (room.as_str(), Position::START)).collect();
    let mut slow = house.connect();
    slow.writable = false;
    slow.send(ClientFrame::Hello(super::peer::hello("slow", &rooms)));
    for taken in 1..=50 {
        slow.take_one();
        assert!(slow.reads <= taken / 5 + 3, "{} reads for {taken} runs taken", slow.reads);
    }
    slow.writable = true;
    slow.settle();
    names.iter().for_each(|room| assert_eq!(slow.texts(room, 0), numbers(1..=320)));
    // What was read for a room that was left is let go of, too.
    let mut fickle = house.connect();
    fickle.writable = false;
    fickle.send(ClientFrame::Hello(super::peer::hello("fickle", &rooms)));
    for room in &names {
        fickle.take_one();
        fickle.send(ClientFrame::Unsubscribe { id: RequestId(1), room: room_id(room) });
    }
    fickle.subscribe(2, "room-0", From::Start).sent.clear();
    fickle.writable = true;
    assert_eq!(fickle.settle().texts("room-0", 0), numbers(1..=320));
}

#[test]
fn beats_do_not_pile_up_for_a_peer_that_does_not_read() {
    let house = House::new();
    let mut peer = house.session("ada", &[("lobby", Position::START)]);
    peer.writable = false;
    peer.sent.clear();
    for _ in 0..10 {
        peer.advance(HEARTBEAT);
        peer.send(ClientFrame::Beat);
    }
    assert_eq!(peer.sent.len(), 0);
    house.write("lobby", numbers(1..=1));
    peer.writable = true;
    let sent = &peer.settle().sent;
    assert!(
        matches!(&sent[..], [Sent::Frame(ServerFrame::Beat { lag, .. }), Sent::Run(_)] if lag.len() == 1),
        "{sent:?}"
    );
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
            let page =
                block_on(house.anchor.history(RequestId(1), &room_id("lobby"), range, 50, None)).unwrap();
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
fn a_page_that_is_trimmed_under_way_says_so() {
    let mut failing = None;
    let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
    let failing = failing.expect("the house was built");
    house.write("lobby", numbers(1..=200));
    let lobby = room_id("lobby");
    let [at_80, at_120] = [80, 120].map(|offset| position(&house, "lobby", offset));
    for (range, horizon, from) in [
        (HistoryRange::After(Position::START), 51, 1),
        (HistoryRange::After(at_80), 101, 81),
        (HistoryRange::Before(at_120), 150, 121),
    ] {
        failing.trim_before_next_read(&lobby, Offset(horizon));
        let page = block_on(house.anchor.history(RequestId(1), &lobby, range, 50, None)).unwrap();
        let gap = page.gap.expect("what is gone is told");
        assert_eq!((gap.from.0, gap.to.0, gap.reason), (from, horizon - 1, GapReason::Trimmed));
    }
    failing.lose_events();
    block_on(house.anchor.history(RequestId(1), &lobby, HistoryRange::Newest, 50, None)).unwrap_err();
}

/// A page that was read of a log which was set back in that moment once left out what the asker had behind it, and told no gap.
#[test]
fn a_page_of_a_log_that_is_set_back_under_way_follows_what_the_asker_has() {
    for (backwards, reads) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let mut failing = None;
        let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
        let failing = failing.expect("the house was built");
        house.write("lobby", numbers(1..=50));
        let (store, kept) = (house.store.clone(), house.store.snapshot());
        house.write("lobby", numbers(51..=100));
        let lobby = room_id("lobby");
        let at_64 = position(&house, "lobby", 64);
        failing.change_after_reads(reads, move || store.restore_from(kept));
        let range = if backwards { HistoryRange::Before(at_64) } else { HistoryRange::After(at_64) };
        let page = block_on(house.anchor.history(RequestId(1), &lobby, range, 20, None)).unwrap();
        let gap = page.gap.expect("what was lost is told");
        assert_eq!((gap.from, gap.to, gap.reason), (Offset(51), Offset(64), GapReason::Restored));
        assert_eq!(page.head, Offset(50));
    }
}

/// A reader that asked to go on after 30 was once told that 11 to 50 are gone, by the horizon of a moment before.
#[test]
fn a_gap_that_opens_under_way_begins_where_the_reader_stands() {
    let mut failing = None;
    let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
    let failing = failing.expect("the house was built");
    house.write("lobby", numbers(1..=200));
    let lobby = room_id("lobby");
    block_on(house.anchor.trim(&lobby, Offset(11))).unwrap();
    failing.trim_before_next_read(&lobby, Offset(51));
    let watcher = Watcher::new(Mailbox::new(), Slot(1), None);
    let opened = block_on(house.anchor.open(&lobby, From::Offset(Offset(30)), watcher)).unwrap();
    let gaps: Vec<_> = opened.gaps.iter().map(|gap| (gap.from.0, gap.to.0, gap.reason)).collect();
    assert_eq!(gaps, [(31, 50, GapReason::Trimmed)]);
}

#[test]
fn the_newest_of_what_there_is_lacks_nothing_that_is_trimmed_under_way() {
    let mut failing = None;
    let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
    let failing = failing.expect("the house was built");
    house.write("lobby", numbers(1..=200));
    let lobby = room_id("lobby");
    failing.trim_before_next_read(&lobby, Offset(151));
    let watcher = Watcher::new(Mailbox::new(), Slot(1), None);
    let opened = block_on(house.anchor.open(&lobby, From::Last(100), watcher)).unwrap();
    assert_eq!(opened.gaps, []);
    assert_eq!(opened.feed.cursor().offset, Offset(150));
}

#[test]
fn a_page_of_a_room_that_is_gone_leads_to_its_start() {
    let house = House::new();
    house.write("lobby", numbers(1..=3));
    let at = position(&house, "lobby", 3);
    let page = block_on(House::new().anchor.history(
        RequestId(1),
        &room_id("lobby"),
        HistoryRange::After(at),
        50,
        None,
    ))
    .unwrap();
    assert_eq!(page.gap.map(|gap| gap.reason), Some(GapReason::History));
    assert_eq!(page.next, Some(Position::START));
}

#[test]
fn rooms_and_who_answer_lists() {
    let house = House::new();
    ["c", "a", "b"].iter().for_each(|room| house.write(room, numbers(1..=1)));
    let _other = house.session("bob", &[("a", Position::START)]);
    let mut peer = house.session("ada", &[("a", Position::START)]);
    peer.frames();
    peer.send(ClientFrame::Rooms { id: RequestId(1), after: None, limit: 2, which: Which::Readable });
    peer.send(ClientFrame::Rooms {
        id: RequestId(2),
        after: Some(room_id("b")),
        limit: 2,
        which: Which::Readable,
    });
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
    let names = |rooms: &[crate::session::frame::RoomListing]| {
        rooms.iter().map(|listing| listing.entry.room.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(first), next.as_str(), names(second)),
        (vec!["a".into(), "b".into()], "b", vec!["c".into()])
    );
    assert_eq!(users.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ada", "bob"]);
}
