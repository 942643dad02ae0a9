//! Who may read what: every event that the permit allows, once, in order, with named gaps; and nothing else, whatever a
//! node has heard of.

use futures::executor::block_on;
use proptest::prelude::*;

use super::peer::{House, Peer, Sent, membership, position, room_change, room_id, settings, user_id};
use crate::code::Code;
use crate::event::Draft;
use crate::id::RoomId;
use crate::position::{Offset, Position};
use crate::resume::GapReason;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{HistoryAccess, Permit, RoomKind, Topic};
use crate::session::frame::{ClientFrame, From, HistoryRange, Page, RequestId, ServerFrame};
use crate::store::{RoomState, Store};

/// What a reader was told, in order: offsets, gaps, and the end of it.
fn told(peer: &Peer, room: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut cursor = 0;
    for sent in &peer.sent {
        match sent {
            Sent::Run(run) if run.room().as_str() == room => {
                let offsets = run.events().map(|event| event.unwrap().offset.0);
                let new: Vec<_> = offsets.filter(|offset| *offset > cursor).collect();
                cursor = run.last().0;
                told.push(format!("{}..{}", new[0], cursor));
            }
            Sent::Frame(ServerFrame::Gap { room: other, gap }) if other.as_str() == room => {
                cursor = gap.position.map_or(0, |position| position.offset.0);
                told.push(format!("{} {}..{}", gap.reason.name(), gap.from, gap.to));
            }
            Sent::Frame(ServerFrame::Ended { room: other, code, .. }) if other.as_str() == room => {
                told.push(format!("ended {code}"));
            }
            Sent::Frame(ServerFrame::Error { code, .. }) => told.push(format!("error {code}")),
            Sent::Frame(ServerFrame::Subscribed { room: other, position, head, horizon, .. })
                if other.as_str() == room =>
            {
                cursor = position.offset.0;
                told.push(format!("subscribed at {} of {horizon}..{head}", position.offset));
            }
            _ => {}
        }
    }
    told
}

/// A room of olga's, in which she has said so much.
fn room(house: &House, kind: RoomKind, history: HistoryAccess, messages: u64) {
    let settings = Settings { history: Some(history), ..Settings::default() };
    house.act("olga", "plans", created(kind, settings));
    house.say("olga", "plans", messages);
}

fn created(kind: RoomKind, settings: Settings) -> crate::event::Draft {
    super::peer::room_change(&RoomChange::Create { kind, settings, user: None })
}

fn invited(house: &House, user: &str) {
    house.act("olga", "plans", membership(&MembershipChange::Invite { user: user_id(user), role: None }));
    house.act(user, "plans", membership(&MembershipChange::Accept));
}

fn kicked(house: &House, user: &str) {
    house.act("olga", "plans", membership(&MembershipChange::Kick { user: user_id(user) }));
}

#[test]
fn a_stranger_reads_nothing_of_a_group() {
    let house = House::new();
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    let mut rita = house.visit("rita");
    rita.subscribe(1, "plans", From::Start);
    rita.send(ClientFrame::History {
        id: RequestId(2),
        room: room_id("plans"),
        range: HistoryRange::Newest,
        limit: 9,
    });
    rita.send(ClientFrame::Who { id: RequestId(3), room: room_id("plans") });
    assert_eq!(told(&rita, "plans"), ["error not_a_member"; 3]);
    assert_eq!(house.session("rita", &[("plans", Position::START)]).goodbye, None);
}

#[test]
pub(super) fn a_removed_member_gets_what_removed_it_and_nothing_behind_that() {
    let house = House::new();
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    invited(&house, "rita");
    let mut live = house.visit("rita");
    live.writable = false;
    live.subscribe(1, "plans", From::Start);
    house.say("olga", "plans", 2);
    kicked(&house, "rita");
    house.say("olga", "plans", 5);
    live.writable = true;
    live.settle();
    assert_eq!(told(&live, "plans"), ["subscribed at 0 of 1..6", "1..8", "9..9", "ended not_a_member"]);
    house.say("olga", "plans", 1);
    assert_eq!(told(live.settle(), "plans").len(), 4, "nothing follows");
    let mut late = house.visit("rita");
    late.subscribe(1, "plans", From::Last(2));
    assert_eq!(told(&late, "plans"), ["subscribed at 6 of 1..9", "7..9", "ended not_a_member"]);
    let mut later = house.visit("rita");
    later.subscribe(1, "plans", From::Now);
    assert_eq!(told(&later, "plans"), ["error not_a_member"]);
}

#[test]
fn one_room_that_may_not_be_read_does_not_keep_others_from_being_resumed() {
    let house = House::new();
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    house.write("lobby", ["hello".to_owned()]);
    let mut rita = house.session("rita", &[("plans", Position::START), ("lobby", Position::START)]);
    assert_eq!(rita.texts("lobby", 0), ["hello"]);
    let frames = rita.frames();
    let ServerFrame::Welcome(welcome) = &frames[0] else { panic!("{frames:?}") };
    let plans = &welcome.rooms[0];
    assert_eq!((plans.epoch, plans.head, plans.horizon), (None, Offset(0), Offset(1)));
    assert!(matches!(&frames[1..], [ServerFrame::Ended { code: Code::NotAMember, .. }]), "{frames:?}");
    invited(&house, "rita");
    rita.subscribe(5, "plans", From::Start);
    assert_eq!(told(&rita, "plans"), ["subscribed at 0 of 1..6", "1..6"]);
}

#[test]
pub(super) fn a_newcomer_sees_what_follows_its_joining_and_is_told_what_is_hidden() {
    let house = House::new();
    room(&house, RoomKind::Group, HistoryAccess::SinceJoin, 3);
    invited(&house, "rita");
    house.say("olga", "plans", 2);
    let mut rita = house.visit("rita");
    rita.subscribe(1, "plans", From::Start);
    assert_eq!(told(&rita, "plans"), ["subscribed at 5 of 6..8", "hidden 1..5", "6..8"]);
    let mut rita = house.visit("rita");
    rita.subscribe(1, "plans", From::Last(50));
    assert_eq!(told(&rita, "plans"), ["subscribed at 5 of 6..8", "6..8"]);
    let pages = |range| page(&house, "rita", range);
    let newest = pages(HistoryRange::Newest).unwrap();
    assert_eq!((newest.first, newest.events.len(), newest.next), (Offset(6), 3, None));
    let from_start = pages(HistoryRange::After(Position::START)).unwrap();
    assert_eq!(from_start.gap.map(|gap| (gap.reason, gap.from.0, gap.to.0)), Some((GapReason::Hidden, 1, 5)));
    assert_eq!(from_start.next, from_start.gap.and_then(|gap| gap.position));
    let next = pages(HistoryRange::After(from_start.next.unwrap())).unwrap();
    assert_eq!((next.first, next.events.len(), next.horizon), (Offset(6), 3, Offset(6)));
}

fn page(house: &House, user: &str, range: HistoryRange) -> Result<Page, Code> {
    let mut peer = house.visit(user);
    peer.frames();
    peer.send(ClientFrame::History { id: RequestId(1), room: room_id("plans"), range, limit: 200 });
    match peer.frames().pop() {
        Some(ServerFrame::Page(page)) => Ok(*page),
        Some(ServerFrame::Error { code, .. }) => Err(code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_end_where_the_permit_does() {
    let house = House::new();
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    invited(&house, "rita");
    kicked(&house, "rita");
    house.say("olga", "plans", 5);
    for range in [
        HistoryRange::Newest,
        HistoryRange::BeforeOffset(Offset(99)),
        HistoryRange::Before(position(&house, "plans", 9)),
        HistoryRange::After(Position::START),
    ] {
        let page = page(&house, "rita", range).unwrap();
        assert_eq!((page.first, page.events.len(), page.head, page.next), (Offset(1), 7, Offset(7), None));
    }
    let behind = page(&house, "rita", HistoryRange::After(position(&house, "plans", 8))).unwrap();
    assert!(behind.events.is_empty() && behind.next.is_none());
}

#[test]
fn what_the_room_shows_to_whom_may_change_under_its_readers() {
    let house = House::new();
    room(&house, RoomKind::Public, HistoryAccess::All, 3);
    let mut stranger = house.visit("rita");
    stranger.subscribe(1, "plans", From::Start);
    let mut olga = house.visit("olga");
    olga.subscribe(1, "plans", From::Start);
    let since_join = Settings { history: Some(HistoryAccess::SinceJoin), ..Settings::default() };
    house.act("olga", "plans", settings(since_join));
    house.say("olga", "plans", 1);
    let ended = ["subscribed at 0 of 1..4", "1..4", "ended not_a_member"];
    assert_eq!(told(stranger.settle(), "plans"), ended);
    assert_eq!(told(olga.settle(), "plans"), ["subscribed at 0 of 1..4", "1..4", "5..6"]);
}

#[test]
fn a_room_that_becomes_a_group_shows_nothing_to_those_who_waited_for_it() {
    let house = House::new();
    let mut rita = house.visit("rita");
    rita.subscribe(1, "plans", From::Start);
    room(&house, RoomKind::Group, HistoryAccess::All, 1);
    assert_eq!(told(rita.settle(), "plans"), ["subscribed at 0 of 1..0", "ended not_a_member"]);
}

#[test]
fn a_node_that_has_not_heard_of_a_removal_shows_nothing_behind_it() {
    let house = House::new();
    room(&house, RoomKind::Public, HistoryAccess::All, 3);
    let behind = house.node();
    let mut live = behind.visit("rita");
    live.subscribe(1, "plans", From::Start);
    house.act("olga", "plans", membership(&MembershipChange::Ban { user: user_id("rita") }));
    house.say("olga", "plans", 3);
    let mut late = behind.visit("rita");
    late.subscribe(1, "plans", From::Last(2));
    assert_eq!(told(live.settle(), "plans"), ["subscribed at 0 of 1..4", "1..4"]);
    block_on(behind.anchor.poll_heads()).unwrap();
    assert_eq!(told(live.settle(), "plans")[2..], ["5..5", "ended room_banned"]);
    assert_eq!(told(late.settle(), "plans")[1..], ["3..5", "ended room_banned"]);
}

#[test]
fn a_room_that_begins_anew_is_not_shown_to_the_readers_of_the_old_one_on_any_node() {
    for kind in [RoomKind::Public, RoomKind::Group] {
        let house = House::new();
        room(&house, RoomKind::Public, HistoryAccess::All, 3);
        let behind = house.node();
        let (mut here, mut there) = (house.visit("rita"), behind.visit("rita"));
        here.subscribe(1, "plans", From::Start);
        there.subscribe(1, "plans", From::Start);
        house.act("olga", "plans", super::peer::room_change(&RoomChange::Delete));
        room(&house, kind, HistoryAccess::All, 5);
        let mut early = behind.visit("sue");
        early.subscribe(1, "plans", From::Start);
        block_on(behind.anchor.poll_heads()).unwrap();
        let then = match kind {
            RoomKind::Public => vec!["history 1..4", "1..6"],
            _ => vec!["ended not_a_member"],
        };
        assert_eq!(told(here.settle(), "plans")[2..], then);
        assert_eq!(told(there.settle(), "plans")[2..], then);
        // Of a log that this node did not know to be gone it had shown nothing yet: it began in the new one.
        let early = told(early.settle(), "plans");
        let only = if kind == RoomKind::Public { &["1..6"] } else { &["error not_a_member"] };
        assert_eq!(early[early.len() - 1..], only[..], "{early:?}");
    }
}

/// A reader that had nothing of a room yet was taken for one who knows of its turns, up to those of a log that was gone.
#[test]
fn who_waits_for_a_room_that_was_deleted_knows_nothing_of_the_next() {
    let house = House::new();
    room(&house, RoomKind::Public, HistoryAccess::All, 20);
    house.act("olga", "plans", settings(topic()));
    let mut rita = house.visit("rita");
    rita.writable = false;
    rita.subscribe(1, "plans", From::Start);
    house.act("olga", "plans", super::peer::room_change(&RoomChange::Delete));
    rita.writable = true;
    assert_eq!(told(rita.settle(), "plans"), ["subscribed at 0 of 1..22"], "it waits for the next");
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    assert_eq!(told(rita.settle(), "plans")[1..], ["ended not_a_member"]);
}

fn topic() -> Settings {
    Settings { topic: Some(Topic::new("what we do").ok()), ..Settings::default() }
}

/// A node that takes a room for plain asks nobody, and must not take what the store holds now for that room.
#[test]
fn a_group_in_the_place_of_a_plain_room_is_not_read_for_it_from_the_store() {
    let house = House::new();
    house.say("olga", "plans", 3);
    let behind = house.node();
    behind.visit("sue").subscribe(1, "plans", From::Now);
    house.act_as_admin("plans", super::peer::room_change(&RoomChange::Delete));
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    let mut rita = behind.visit("rita");
    rita.subscribe(1, "plans", From::Start);
    assert_eq!(told(&rita, "plans"), ["subscribed at 0 of 1..3", "ended not_a_member"]);
}

/// What ada says to herself.
fn diary(house: &House) -> RoomId {
    let room = RoomId::direct(&user_id("ada"), &user_id("ada"));
    let (kind, settings) = (RoomKind::Direct, Settings::default());
    let create = RoomChange::Create { kind, settings, user: Some(user_id("ada")) };
    house.act("ada", room.as_str(), room_change(&create));
    house.act("ada", room.as_str(), Draft::message("dear diary"));
    room
}

#[test]
pub(super) fn what_two_say_to_each_other_is_not_an_admins_to_read() {
    let house = House::new();
    let room = diary(&house);
    let mut root = house.admin("root");
    root.settle().subscribe(1, room.as_str(), From::Start);
    let answer = root.settle().frames().pop();
    assert!(matches!(answer, Some(ServerFrame::Error { code: Code::NotAMember, .. })), "{answer:?}");
    assert_eq!(root.events(room.as_str(), 0), []);
}

/// An admin who waited for the room of two others was taken for a reader of everything once it began.
#[test]
fn an_admin_does_not_wait_for_what_two_will_say_to_each_other() {
    let house = House::new();
    let room = RoomId::direct(&user_id("ada"), &user_id("ada"));
    let mut root = house.admin("root");
    root.settle().subscribe(1, room.as_str(), From::Start);
    diary(&house);
    root.settle();
    assert_eq!(told(&root, room.as_str()), ["error not_a_member"]);
}

#[test]
fn a_deleted_room_ends_every_subscription_with_a_gap_and_so_does_a_later_resume() {
    let house = House::new();
    room(&house, RoomKind::Public, HistoryAccess::All, 3);
    let behind = house.node();
    let at = position(&house, "plans", 2);
    let (mut here, mut there) = (house.visit("rita"), behind.visit("rita"));
    here.subscribe(1, "plans", From::Start);
    there.subscribe(1, "plans", From::Start);
    house.act("olga", "plans", super::peer::room_change(&RoomChange::Delete));
    block_on(behind.anchor.poll_heads()).unwrap();
    for peer in [&mut here, &mut there] {
        assert_eq!(told(peer.settle(), "plans")[2..], ["deleted 1..4"]);
        peer.send(ClientFrame::Unsubscribe { id: RequestId(2), room: room_id("plans") });
        assert_eq!(told(peer, "plans")[3..], ["error not_subscribed"]);
    }
    let mut late = house.session("rita", &[("plans", at)]);
    assert_eq!(told(&late, "plans"), ["deleted 1..2"]);
    late.sent.clear();
    late.subscribe(3, "plans", From::After(at));
    assert_eq!(told(&late, "plans"), ["subscribed at 0 of 1..0", "deleted 1..2"]);
    let deleted = page(&house, "rita", HistoryRange::After(at)).unwrap();
    assert_eq!(deleted.gap.map(|gap| (gap.reason, gap.position)), Some((GapReason::Deleted, None)));
    let create = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    house.act("rita", "plans", super::peer::room_change(&create));
    let anew = house.session("rita", &[("plans", at)]);
    assert_eq!(told(&anew, "plans"), ["history 1..2", "1..1"]);
}

/// A removed reader is told the same of every offset behind its end, whether the room has come as far or not.
#[test]
fn an_offset_behind_the_end_of_a_permit_does_not_tell_how_far_the_room_has_come() {
    let house = House::new();
    room(&house, RoomKind::Group, HistoryAccess::All, 3);
    invited(&house, "rita");
    kicked(&house, "rita");
    house.say("olga", "plans", 5);
    for offset in [8, 12, 13, 99] {
        let mut rita = house.visit("rita");
        rita.subscribe(1, "plans", From::Offset(Offset(offset)));
        let told = told(&rita, "plans");
        let gap = format!("history 1..{offset}");
        assert_eq!(told, ["subscribed at 0 of 1..7", &gap, "1..7", "ended not_a_member"]);
    }
}

/// A node that takes a room for plain asks nobody, and must not let a place go by which the node has not come to yet.
#[test]
fn a_place_beyond_what_a_node_knows_is_not_read_on_from_as_if_the_room_were_plain() {
    let house = House::new();
    house.say("olga", "plans", 3);
    let behind = house.node();
    behind.visit("sue").subscribe(1, "plans", From::Now);
    house.act("olga", "plans", membership(&MembershipChange::Join));
    house.act_as_admin("plans", membership(&MembershipChange::Ban { user: user_id("rita") }));
    house.say("olga", "plans", 3);
    let at = position(&house, "plans", 6);
    let mut rita = behind.visit("rita");
    rita.subscribe(1, "plans", From::After(at));
    block_on(behind.anchor.poll_heads()).unwrap();
    assert_eq!(told(rita.settle(), "plans"), ["error room_banned"]);
}

/// What was read ahead of a room is not delivered once the room is gone.
#[test]
fn what_was_read_ahead_of_a_room_goes_with_it() {
    let house = House::new();
    room(&house, RoomKind::Public, HistoryAccess::All, 320);
    let house = house.restarted();
    let mut slow = house.visit("rita");
    slow.writable = false;
    slow.subscribe(1, "plans", From::Start).take_one().take_one();
    house.act("olga", "plans", super::peer::room_change(&RoomChange::Delete));
    slow.writable = true;
    assert_eq!(told(slow.settle(), "plans"), ["subscribed at 0 of 1..321", "1..64", "deleted 1..64"]);
}

/// What happens to a room and its reader.
#[derive(Clone, Copy, Debug)]
enum Step {
    Say(u64),
    Invite,
    Join,
    Leave,
    Kick,
    Ban,
    Unban,
    Mute,
    History(HistoryAccess),
    Trim,
    /// Drops the connection and comes back, here or at the other node.
    Resume(bool),
    /// The socket takes nothing, or something again.
    Stall,
    /// The other node looks at the heads.
    Poll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..70_u64).prop_map(Step::Say),
        2 => Just(Step::Invite),
        4 => Just(Step::Join),
        1 => Just(Step::Leave),
        2 => Just(Step::Kick),
        1 => Just(Step::Ban),
        1 => Just(Step::Unban),
        1 => Just(Step::Mute),
        1 => prop_oneof![Just(HistoryAccess::All), Just(HistoryAccess::SinceJoin)].prop_map(Step::History),
        1 => Just(Step::Trim),
        4 => any::<bool>().prop_map(Step::Resume),
        1 => Just(Step::Stall),
        3 => Just(Step::Poll),
    ];
    prop::collection::vec(step, 1..40)
}

/// A reader that keeps what it is sent, as a client does, and holds every frame against what the room allows at that time.
struct Reader<'a> {
    house: &'a House,
    peer: Peer,
    cursor: Position,
    subscribed: bool,
    taken: u64,
    /// How far the room had come in this session, and what could be read then.
    earlier: Vec<(Offset, Permit)>,
}

impl Reader<'_> {
    fn state(&self) -> RoomState {
        block_on(self.house.store.room(&room_id("plans"))).unwrap().unwrap()
    }

    fn head(&self) -> Offset {
        self.state().head.offset
    }

    fn permit(&self) -> Result<Permit, Code> {
        let standing = block_on(self.house.store.standing(&room_id("plans"), &user_id("rita"))).unwrap();
        standing.permit(&room_id("plans"), false, None).map_err(|refusal| refusal.code)
    }

    /// True if the event may be read, or could be in this session once it was there: what came before a turn is not kept
    /// back for what came behind it.
    fn allows(&self, permit: Permit, offset: Offset) -> bool {
        let could = |(head, permit): &(Offset, Permit)| offset <= *head && permit.allows(offset);
        permit.allows(offset) || self.earlier.iter().any(could)
    }

    fn take(&mut self) {
        if let Ok(permit) = self.permit() {
            self.earlier.push((self.head(), permit));
        }
        self.peer.settle();
        for sent in std::mem::take(&mut self.peer.sent) {
            match sent {
                Sent::Run(run) => {
                    let permit = self.permit().expect("nothing is sent to who may read nothing");
                    for event in run.events().map(Result::unwrap) {
                        if event.offset <= self.cursor.offset {
                            continue;
                        }
                        assert_eq!(event.offset, self.cursor.offset.next(), "a hole that nobody named");
                        assert!(
                            self.allows(permit, event.offset),
                            "{} is not allowed by {permit:?}",
                            event.offset
                        );
                        let epoch = Some(run.epoch());
                        self.cursor = Position { epoch, offset: event.offset, chain: event.chain };
                        self.taken += 1;
                    }
                }
                Sent::Frame(ServerFrame::Gap { gap, .. }) => {
                    assert!(matches!(gap.reason, GapReason::Hidden | GapReason::Trimmed), "{gap:?}");
                    assert_eq!(gap.from, self.cursor.offset.next());
                    self.cursor = gap.position.unwrap();
                    assert_eq!(gap.to, self.cursor.offset);
                }
                Sent::Frame(ServerFrame::Ended { code, .. }) => {
                    self.subscribed = false;
                    match self.permit() {
                        Ok(permit) => assert!(
                            permit.until.is_some_and(|until| {
                                let horizon = self.state().horizon;
                                self.cursor.offset >= until || horizon > until
                            }),
                            "{permit:?} lets {} go on",
                            self.cursor.offset
                        ),
                        Err(refused) => assert_eq!(code, refused),
                    }
                }
                Sent::Frame(_) => {}
            }
        }
        assert_eq!(self.peer.goodbye, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens to a membership, and wherever and whenever its user reads: what is sent is exactly what may be read.
    #[test]
    fn what_is_sent_is_what_may_be_read(
        kind in prop_oneof![Just(RoomKind::Public), Just(RoomKind::Group)],
        history in prop_oneof![Just(HistoryAccess::All), Just(HistoryAccess::SinceJoin)],
        steps in steps(),
    ) {
        let house = House::new();
        let other = house.node();
        room(&house, kind, history, 2);
        let rita = || user_id("rita");
        let peer = house.session("rita", &[("plans", Position::START)]);
        let mut reader = Reader { house: &house, peer, cursor: Position::START, subscribed: true, taken: 0, earlier: Vec::new() };
        let mut is_here = true;
        reader.take();
        for step in steps.into_iter().chain([Step::Poll, Step::Resume(true)]) {
            let change = match step {
                Step::Say(messages) => {
                    house.say("olga", "plans", messages);
                    None
                }
                Step::Invite => Some(("olga", membership(&MembershipChange::Invite { user: rita(), role: None }))),
                Step::Join => Some(("rita", membership(&MembershipChange::Join))),
                Step::Leave => Some(("rita", membership(&MembershipChange::Leave))),
                Step::Kick => Some(("olga", membership(&MembershipChange::Kick { user: rita() }))),
                Step::Ban => Some(("olga", membership(&MembershipChange::Ban { user: rita() }))),
                Step::Unban => Some(("olga", membership(&MembershipChange::Unban { user: rita() }))),
                Step::Mute => Some(("olga", membership(&MembershipChange::Mute { user: rita() }))),
                Step::History(history) => {
                    Some(("olga", settings(Settings { history: Some(history), ..Settings::default() })))
                }
                Step::Trim => {
                    let horizon = Offset(reader.head().0 / 2);
                    block_on(house.anchor.trim(&room_id("plans"), horizon)).unwrap();
                    None
                }
                Step::Resume(here) => {
                    is_here = here;
                    let at = if here { &house } else { &other };
                    reader.peer = at.session("rita", &[("plans", reader.cursor)]);
                    reader.subscribed = true;
                    reader.earlier.clear();
                    None
                }
                Step::Stall => {
                    reader.peer.writable = !reader.peer.writable;
                    None
                }
                Step::Poll => {
                    block_on(other.anchor.poll_heads()).unwrap();
                    None
                }
            };
            if let Some((user, draft)) = change {
                // Many make no sense now, and are refused.
                drop(house.try_act(user, "plans", draft));
            }
            reader.take();
            let is_current = is_here || matches!(step, Step::Poll);
            if reader.subscribed && reader.peer.writable && is_current {
                let permit = reader.permit().expect("who may read nothing is told");
                prop_assert_eq!(permit.until, None, "who may read no further is told");
                prop_assert_eq!(reader.cursor.offset, reader.head());
            }
        }
    }
}
