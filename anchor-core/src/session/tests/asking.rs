//! What a client may ask for: rooms, members, threads, what became of messages; and what a stranger is not told.

use futures::executor::block_on;

use super::peer::{House, Peer, membership, room_change, room_id, settings, user_id};
use crate::code::Code;
use crate::conformance::faults::FailingStore;
use crate::engine::ReadError;
use crate::environment::Environment;
use crate::event::{Body, Draft, EventKind};
use crate::limits::{
    AMENDMENTS_MAX, HISTORY_EVENTS_MAX, PAGE_BYTES_MAX, PROFILES_MAX, READS_OPEN_MAX, SIGN_CHANGES_MAX,
    USER_SIGNS_MAX,
};
use crate::position::{Offset, Position};
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{Changes, HistoryAccess, Role, RoomKind, Title};
use crate::session::Identity;
use crate::session::frame::{
    ClientFrame, HistoryRange, Page, RequestId, RoomListing, ServerFrame, ThreadPage, Which,
};
use crate::store::Direction;
use crate::user::{Profile, ProfileText, UserChange};

const ID: RequestId = RequestId(7);

fn ask(peer: &mut Peer, frame: ClientFrame) -> Result<ServerFrame, Code> {
    peer.frames();
    peer.send(frame);
    match peer.frames().pop().expect("every request is answered") {
        ServerFrame::Error { id, code, .. } => {
            assert_eq!(id, Some(ID));
            Err(code)
        }
        frame => Ok(frame),
    }
}

fn rooms(peer: &mut Peer, which: Which) -> Vec<RoomListing> {
    let (mut rooms, mut after) = (Vec::new(), None);
    loop {
        let Ok(ServerFrame::RoomList { rooms: some, next, .. }) =
            ask(peer, ClientFrame::Rooms { id: ID, after, limit: 2, which: which.clone() })
        else {
            panic!("no list")
        };
        assert!(some.len() <= 2);
        rooms.extend(some);
        match next {
            Some(next) => after = Some(next),
            None => return rooms,
        }
    }
}

fn ids(listings: &[RoomListing]) -> Vec<&str> {
    listings.iter().map(|listing| listing.entry.room.as_str()).collect()
}

fn about(peer: &mut Peer, room: &str) -> Result<RoomListing, Code> {
    match ask(peer, ClientFrame::Room { id: ID, room: room_id(room) })? {
        ServerFrame::RoomInfo { room, .. } => Ok(*room),
        other => panic!("{other:?}"),
    }
}

fn members(peer: &mut Peer, room: &str) -> Result<Vec<String>, Code> {
    let (mut members, mut after) = (Vec::new(), None);
    loop {
        match ask(peer, ClientFrame::Members { id: ID, room: room_id(room), after, limit: 1 })? {
            ServerFrame::MemberList { members: some, next, .. } => {
                assert!(some.len() <= 1);
                members.extend(
                    some.into_iter().map(|(user, member)| format!("{user} {}", member.membership.name())),
                );
                match next {
                    Some(next) => after = Some(next),
                    None => return Ok(members),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn page(peer: &mut Peer, range: HistoryRange, limit: u64) -> Page {
    match ask(peer, ClientFrame::History { id: ID, room: room_id("plans"), range, limit }) {
        Ok(ServerFrame::Page(page)) => *page,
        other => panic!("{other:?}"),
    }
}

fn thread(peer: &mut Peer, root: u64, from: Direction, limit: u64) -> Result<ThreadPage, Code> {
    let frame = ClientFrame::Thread { id: ID, room: room_id("plans"), root: Offset(root), from, limit };
    match ask(peer, frame)? {
        ServerFrame::ThreadPage(page) => Ok(*page),
        other => panic!("{other:?}"),
    }
}

fn create(house: &House, user: &str, room: &str, kind: RoomKind, title: &str, history: HistoryAccess) {
    let title = Some(Some(Title::new(title).unwrap()));
    let settings = Settings { title, history: Some(history), ..Settings::default() };
    house.act(user, room, room_change(&RoomChange::Create { kind, settings, user: None }));
}

fn invite(house: &House, user: &str, room: &str) {
    house.act("olga", room, membership(&MembershipChange::Invite { user: user_id(user), role: None }));
}

fn join(house: &House, user: &str, room: &str) {
    invite(house, user, room);
    house.act(user, room, membership(&MembershipChange::Accept));
}

fn kick(house: &House, user: &str, room: &str) {
    house.act("olga", room, membership(&MembershipChange::Kick { user: user_id(user) }));
}

fn draft(kind: EventKind, target: u64, text: &str) -> Draft {
    Draft { kind, target: Some(Offset(target)), body: Body::text(text) }
}

/// Rooms of every kind.
fn town() -> House {
    let house = House::new();
    house.say("olga", "lobby", 1);
    create(&house, "olga", "garden", RoomKind::Public, "Die Gärtner", HistoryAccess::All);
    create(&house, "olga", "late", RoomKind::Public, "Latecomers", HistoryAccess::SinceJoin);
    create(&house, "olga", "plans", RoomKind::Group, "Plans", HistoryAccess::All);
    create(&house, "olga", "old", RoomKind::Public, "Old garden", HistoryAccess::All);
    house.act("olga", "old", room_change(&RoomChange::Archive));
    house
}

#[test]
fn a_list_has_what_its_reader_may_know_of() {
    let house = town();
    let (mut rita, mut olga) = (house.visit("rita"), house.visit("olga"));
    assert_eq!(ids(&rooms(&mut rita, Which::Readable)), ["garden", "lobby", "old"]);
    assert_eq!(ids(&rooms(&mut olga, Which::Readable)), ["garden", "late", "lobby", "old", "plans"]);
    assert_eq!(ids(&rooms(&mut rita, Which::Mine)), Vec::<&str>::new());
    assert_eq!(ids(&rooms(&mut olga, Which::Mine)), ["garden", "late", "old", "plans"]);
    assert_eq!(ids(&rooms(&mut rita, Which::Public(String::new()))), ["garden", "late", "lobby"]);
    assert_eq!(ids(&rooms(&mut rita, Which::Public(" GÄRT".to_owned()))), ["garden"]);
    assert_eq!(ids(&rooms(&mut rita, Which::Public("LOB".to_owned()))), ["lobby"]);
    invite(&house, "rita", "plans");
    for which in [Which::Readable, Which::Mine] {
        let listed = rooms(&mut rita, which);
        let plans = listed.iter().find(|listing| listing.entry.room.as_str() == "plans").unwrap();
        assert_eq!((plans.entry.epoch, plans.entry.head), (None, Offset(0)), "not to be read yet");
        assert_eq!(plans.info.as_ref().unwrap().title.as_ref().unwrap().as_str(), "Plans");
    }
    house.act("rita", "plans", membership(&MembershipChange::Accept));
    let listed = rooms(&mut rita, Which::Mine);
    assert_eq!((listed[0].entry.head, listed[0].member.unwrap().role), (Offset(3), Role::Member));
}

#[test]
fn a_group_is_no_room_to_a_stranger_and_hides_what_it_became_from_who_left_it() {
    let house = town();
    let mut rita = house.visit("rita");
    assert_eq!(about(&mut rita, "plans"), about(&mut rita, "nowhere"));
    assert_eq!(about(&mut rita, "plans"), Err(Code::RoomUnknown));
    assert_eq!(members(&mut rita, "plans"), Err(Code::RoomUnknown));
    assert_eq!(members(&mut rita, "nowhere"), Err(Code::RoomUnknown));
    join(&house, "rita", "plans");
    let plans = about(&mut rita, "plans").unwrap();
    assert_eq!((plans.entry.head, plans.info.unwrap().members), (Offset(3), 2));
    kick(&house, "rita", "plans");
    house.act("olga", "plans", settings(Settings { title: Some(None), ..Settings::default() }));
    let plans = about(&mut rita, "plans").unwrap();
    assert_eq!((plans.entry.head, plans.info, plans.member.unwrap().ended_at), (Offset(4), None, Offset(4)));
    assert_eq!(members(&mut rita, "plans"), Err(Code::NotAMember));
    assert_eq!(ids(&rooms(&mut rita, Which::Readable)), ["garden", "lobby", "old"]);
}

#[test]
fn members_are_listed_to_those_who_may_know_them() {
    let house = town();
    let (mut rita, mut olga) = (house.visit("rita"), house.visit("olga"));
    assert_eq!(members(&mut rita, "garden"), Ok(vec!["olga joined".to_owned()]));
    assert_eq!(members(&mut rita, "lobby"), Ok(Vec::new()));
    invite(&house, "rita", "plans");
    assert_eq!(members(&mut rita, "plans"), Err(Code::NotAMember));
    house.act("rita", "plans", membership(&MembershipChange::Accept));
    join(&house, "max", "plans");
    kick(&house, "max", "plans");
    invite(&house, "sue", "plans");
    assert_eq!(members(&mut rita, "plans").unwrap(), ["olga joined", "rita joined", "sue invited"]);
    let all = ["max removed", "olga joined", "rita joined", "sue invited"];
    assert_eq!(members(&mut olga, "plans").unwrap(), all);
    house.act("olga", "garden", membership(&MembershipChange::Ban { user: user_id("rita") }));
    assert_eq!(members(&mut rita, "garden"), Err(Code::RoomBanned));
}

#[test]
fn who_is_there_is_told_to_who_may_read_now() {
    let house = town();
    let mut olga = house.visit("olga");
    olga.subscribe(1, "plans", crate::session::frame::From::Now);
    let mut rita = house.visit("rita");
    let who = |peer: &mut Peer| ask(peer, ClientFrame::Who { id: ID, room: room_id("plans") });
    assert_eq!(who(&mut rita), Err(Code::NotAMember));
    join(&house, "rita", "plans");
    assert!(matches!(who(&mut rita), Ok(ServerFrame::Present { total: 1, .. })));
    kick(&house, "rita", "plans");
    assert_eq!(who(&mut rita), Err(Code::NotAMember));
}

/// What became of each message of a page.
fn told(changes: &[Changes]) -> Vec<String> {
    let one = |changes: &Changes| {
        let mut told = format!("{}:", changes.target);
        if let Some(edit) = &changes.edit {
            let body = edit.body.as_ref().and_then(Body::as_text);
            told += &format!(" edit {} {}", edit.offset, body.unwrap_or("-"));
        }
        changes.redacted_by.iter().for_each(|by| told += &format!(" redacted {by}"));
        for reaction in &changes.reactions {
            let mine = if reaction.mine { " mine" } else { "" };
            told += &format!(" {} {}{mine}", reaction.sign, reaction.count);
        }
        if let Some(last) = changes.last_reply {
            told += &format!(" replies {} last {last}", changes.replies);
        }
        if changes.pinned {
            told += " pinned";
        }
        told
    };
    changes.iter().map(one).collect()
}

#[test]
fn what_is_said_about_one_message_hides_no_edit_of_another() {
    let house = House::new();
    house.say("ada", "plans", 2);
    let about =
        |kind, target, text: &str| Draft { kind, target: Some(Offset(target)), body: Body::text(text) };
    let per_user = usize::try_from(SIGN_CHANGES_MAX).unwrap();
    for round in 0..=AMENDMENTS_MAX {
        let kind = if round % 2 == 0 { EventKind::REACTION } else { EventKind::REACTION_REMOVED };
        house.act(&format!("eve{}", round / per_user), "plans", about(kind, 1, "👍"));
    }
    house.act("ada", "plans", about(EventKind::EDIT, 1, "the first, better"));
    house.act("ada", "plans", about(EventKind::EDIT, 2, "the second, better"));
    let mut bob = house.session("bob", &[]);
    let page = page(&mut bob, HistoryRange::BeforeOffset(Offset(3)), 50);
    let said = page.changes.iter().map(|changes| {
        let edit = changes.edit.as_ref().and_then(|edit| edit.body.as_ref()).and_then(Body::as_text);
        (changes.target.0, edit.unwrap_or("nothing new").to_owned())
    });
    assert_eq!(
        said.collect::<Vec<_>>(),
        [(1, "the first, better".to_owned()), (2, "the second, better".to_owned())]
    );
}

/// However often they change their mind about each message of the largest page.
#[test]
fn one_user_alone_hides_no_reaction_of_another() {
    let house = House::new();
    let last = HISTORY_EVENTS_MAX as u64;
    house.say("ada", "plans", last);
    let (set, take_back) = (EventKind::REACTION, EventKind::REACTION_REMOVED);
    let about = |kind, target, sign: &str| Draft { kind, target: Some(Offset(target)), body: sign.into() };
    for target in 1..=last {
        for sign in 0..USER_SIGNS_MAX {
            house.act("eve", "plans", about(set, target, &sign.to_string()));
        }
        let changes = USER_SIGNS_MAX as u64..SIGN_CHANGES_MAX;
        for (_, kind) in changes.zip([take_back, set].into_iter().cycle()) {
            house.act("eve", "plans", about(kind, target, "0"));
        }
        for sign in 0..USER_SIGNS_MAX {
            house.act("eve", "plans", about(take_back, target, &sign.to_string()));
        }
    }
    house.act("bob", "plans", about(set, last, "👍"));
    let mut bob = house.session("bob", &[]);
    let page = page(&mut bob, HistoryRange::BeforeOffset(Offset(last + 1)), last);
    assert_eq!(told(&page.changes), [format!("{last}: 👍 1 mine")]);
}

#[test]
fn a_page_comes_with_what_became_of_its_messages() {
    let house = town();
    join(&house, "rita", "plans");
    house.say("olga", "plans", 3);
    let mut rita = house.visit("rita");
    assert_eq!(page(&mut rita, HistoryRange::Newest, 3).changes, []);
    house.act("olga", "plans", draft(EventKind::EDIT, 4, "once"));
    house.act("olga", "plans", draft(EventKind::EDIT, 4, "twice"));
    house.act("olga", "plans", draft(EventKind::REACTION, 5, "+"));
    house.act("rita", "plans", draft(EventKind::REACTION, 5, "+"));
    house.act("olga", "plans", draft(EventKind::MESSAGE, 5, "reply"));
    house.act("olga", "plans", draft(EventKind::PIN, 5, ""));
    house.act("olga", "plans", draft(EventKind::EDIT, 6, "gone"));
    house.act("olga", "plans", draft(EventKind::REDACTION, 6, ""));
    let all = ["4: edit 8 twice", "5: + 2 mine replies 1 last 11 pinned", "6: redacted 14"];
    let range = HistoryRange::BeforeOffset(Offset(7));
    let before = page(&mut rita, range, 3);
    assert_eq!((before.first, told(&before.changes)), (Offset(4), all.map(str::to_owned).to_vec()));
    assert_eq!(told(&page(&mut rita, range, 1).changes), [all[2]]);
    let mut olga = house.visit("olga");
    assert_eq!(told(&page(&mut olga, range, 2).changes)[0], all[1], "hers, too");
    assert!(page(&mut rita, HistoryRange::Newest, 1).changes.is_empty());
}

#[test]
fn who_was_removed_is_told_no_change_behind_that() {
    let house = town();
    join(&house, "rita", "plans");
    house.say("olga", "plans", 1);
    house.act("olga", "plans", draft(EventKind::EDIT, 4, "seen"));
    house.act("olga", "plans", draft(EventKind::MESSAGE, 4, "reply"));
    kick(&house, "rita", "plans");
    house.act("olga", "plans", draft(EventKind::EDIT, 4, "not seen"));
    house.act("olga", "plans", draft(EventKind::MESSAGE, 4, "reply"));
    house.act("olga", "plans", draft(EventKind::REACTION, 4, "+"));
    house.act("olga", "plans", draft(EventKind::PIN, 4, ""));
    let (mut rita, mut olga) = (house.visit("rita"), house.visit("olga"));
    let range = HistoryRange::BeforeOffset(Offset(5));
    assert_eq!(told(&page(&mut rita, range, 1).changes), ["4: edit 5 seen replies 1 last 6"]);
    let now = ["4: edit 8 not seen + 1 mine replies 2 last 9 pinned"];
    assert_eq!(told(&page(&mut olga, range, 1).changes), now);
    let seen = thread(&mut rita, 4, Direction::After(Offset(0)), 9).unwrap();
    assert_eq!(
        (seen.replies.len(), seen.total, told(&seen.changes)[0].as_str()),
        (1, 1, "4: edit 5 seen replies 1 last 6")
    );
    assert_eq!(thread(&mut rita, 8, Direction::After(Offset(0)), 9), Err(Code::TargetUnknown));
}

#[test]
fn a_page_of_large_edits_has_fewer_events_and_goes_on() {
    let house = town();
    house.say("olga", "plans", 6);
    for target in 2..=7 {
        house.act("olga", "plans", draft(EventKind::EDIT, target, &"x".repeat(60_000)));
    }
    let mut olga = house.visit("olga");
    let mut seen = Vec::new();
    let mut range = HistoryRange::BeforeOffset(Offset(8));
    loop {
        let page = page(&mut olga, range, 200);
        let bodies = page.changes.iter().map(|changes| changes.edit.as_ref().unwrap().body.as_ref().unwrap());
        assert!(bodies.map(|body| body.bytes().len()).sum::<usize>() <= PAGE_BYTES_MAX);
        seen.splice(0..0, page.events.iter().map(|event| event.offset.0));
        match page.next {
            Some(next) => range = HistoryRange::Before(next),
            None => break,
        }
    }
    assert_eq!(seen, (1..=7).collect::<Vec<_>>());
    let first = page(&mut olga, HistoryRange::After(Position::START), 200);
    assert_eq!((first.first, first.events.len(), first.changes.len()), (Offset(1), 3, 2));
}

#[test]
fn a_thread_is_read_by_itself_in_both_directions() {
    let house = town();
    house.say("olga", "plans", 2);
    for n in 1..=5 {
        house.act("olga", "plans", draft(EventKind::MESSAGE, 2, &n.to_string()));
        house.say("olga", "plans", 1);
    }
    house.act("olga", "plans", draft(EventKind::REACTION, 6, "+"));
    let mut olga = house.visit("olga");
    let newest = thread(&mut olga, 2, Direction::Before(Offset(99)), 2).unwrap();
    let offsets = |page: &ThreadPage| page.replies.iter().map(|event| event.offset.0).collect::<Vec<_>>();
    assert_eq!((offsets(&newest), newest.next, newest.total), (vec![10, 12], Some(Offset(10)), 5));
    assert_eq!(newest.root.as_ref().map(|root| root.offset), Some(Offset(2)));
    // What a page does not have comes live behind this.
    let plans = about(&mut olga, "plans").unwrap().entry;
    assert_eq!((newest.head, Some(newest.epoch)), (plans.head, plans.epoch));
    let older = thread(&mut olga, 2, Direction::Before(Offset(10)), 9).unwrap();
    assert_eq!((offsets(&older), older.next), (vec![4, 6, 8], None));
    assert_eq!(told(&older.changes), ["2: replies 5 last 12", "6: + 1 mine"]);
    let oldest = thread(&mut olga, 2, Direction::After(Offset(0)), 2).unwrap();
    assert_eq!((offsets(&oldest), oldest.next), (vec![4, 6], Some(Offset(6))));
    let rest = thread(&mut olga, 2, Direction::After(Offset(6)), 3).unwrap();
    assert_eq!((offsets(&rest), rest.next), (vec![8, 10, 12], None));
    assert_eq!(thread(&mut olga, 99, Direction::After(Offset(0)), 2), Err(Code::TargetUnknown));
    let mut rita = house.visit("rita");
    assert_eq!(thread(&mut rita, 2, Direction::After(Offset(0)), 2), Err(Code::NotAMember));
}

#[test]
fn a_newcomer_sees_of_a_thread_what_follows_its_joining() {
    let house = House::new();
    create(&house, "olga", "plans", RoomKind::Group, "Plans", HistoryAccess::SinceJoin);
    house.say("olga", "plans", 1);
    house.act("olga", "plans", draft(EventKind::MESSAGE, 2, "before"));
    join(&house, "rita", "plans");
    house.act("olga", "plans", draft(EventKind::MESSAGE, 2, "after"));
    let mut rita = house.visit("rita");
    for from in [Direction::After(Offset(0)), Direction::Before(Offset(99))] {
        let page = thread(&mut rita, 2, from, 9).unwrap();
        assert_eq!((page.root, page.total, page.changes), (None, 1, Vec::new()));
        assert_eq!(page.replies.iter().map(|event| event.offset.0).collect::<Vec<_>>(), [6]);
    }
}

#[test]
fn what_others_see_of_a_user_is_looked_up_and_bounded() {
    let house = House::new();
    let mut rita = house.visit("rita");
    let profile = Profile { name: Some(ProfileText::new("Rita").unwrap()), ..Profile::default() };
    let change = UserChange::Profile(profile.clone());
    ask(&mut rita, ClientFrame::ChangeUser { id: ID, change }).unwrap();
    ask(&mut rita, ClientFrame::ChangeUser { id: ID, change: UserChange::Block(user_id("max")) }).unwrap();
    let mut olga = house.visit("olga");
    let users = vec![user_id("rita"), user_id("max")];
    let Ok(ServerFrame::ProfileList { profiles, .. }) =
        ask(&mut olga, ClientFrame::Profiles { id: ID, users })
    else {
        panic!("no profiles")
    };
    assert_eq!(profiles, [(user_id("rita"), profile), (user_id("max"), Profile::default())]);
    let users = vec![user_id("rita"); PROFILES_MAX + 1];
    assert_eq!(ask(&mut olga, ClientFrame::Profiles { id: ID, users }), Err(Code::Invalid));
    for (peer, blocked) in [(&mut rita, vec![user_id("max")]), (&mut olga, Vec::new())] {
        let Ok(ServerFrame::Contacts { blocked: told, .. }) = ask(peer, ClientFrame::Contact { id: ID })
        else {
            panic!("no contacts")
        };
        assert_eq!(told, blocked);
    }
}

#[test]
fn more_requests_at_once_than_a_session_may_have_open_are_refused() {
    let house = town();
    let mut rita = house.visit("rita");
    rita.frames();
    for n in 0..=READS_OPEN_MAX as u64 {
        let frame = ClientFrame::Room { id: RequestId(n), room: room_id("lobby") };
        rita.session.handle_frame(house.env.now(), Ok(frame));
    }
    let refused = |frame: &ServerFrame| match frame {
        ServerFrame::Error { id, code: Code::TooManyReads, .. } => *id,
        _ => None,
    };
    let frames = rita.settle().frames();
    assert_eq!(frames.len(), READS_OPEN_MAX + 1);
    let late = RequestId(READS_OPEN_MAX as u64);
    assert_eq!(frames.iter().filter_map(refused).collect::<Vec<_>>(), [late]);
    assert!(about(&mut rita, "lobby").is_ok(), "there is room again");
}

/// Who is removed while its members are read sees none of them.
#[test]
fn who_may_see_the_members_is_asked_behind_them() {
    let mut failing = None;
    let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
    let failing = failing.expect("the house was built");
    let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
    house.act("olga", "den", room_change(&create));
    house.act("olga", "den", membership(&MembershipChange::Invite { user: user_id("rita"), role: None }));
    house.act("rita", "den", membership(&MembershipChange::Accept));
    let rita = Identity { user: user_id("rita"), admin: false };
    let members = || block_on(house.anchor.members(&room_id("den"), None, 9, Some(&rita)));
    assert_eq!(members().unwrap().0.len(), 2);
    let kick = membership(&MembershipChange::Kick { user: user_id("rita") });
    failing.change_after_reads(0, house.later("olga", "den", kick));
    let refused = members().unwrap_err();
    assert!(matches!(&refused, ReadError::Refused(refusal) if refusal.code == Code::NotAMember), "{refused}");
}
