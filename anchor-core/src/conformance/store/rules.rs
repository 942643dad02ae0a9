//! The rules decide at the very offset at which an event will stand, once for a publish.

use super::check::{check_event_of_body, check_log};
use super::club::{Club, ban, invite, kick};
use super::{Author, Factory, Reopen, ack_of, append_one, by_admin, informed, refusal_of, room, start};
use crate::code::Code;
use crate::event::{Body, Draft, EventKind};
use crate::position::Offset;
use crate::publish::{Ack, Grounds, Outcome, Publish, Refusal, Verdict};
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{RoomKind, Title};
use crate::store::Store;

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    who_is_removed_in_a_batch_says_nothing_behind_it(factory).await;
    who_comes_in_a_batch_speaks_behind_it(factory).await;
    a_batch_reads_the_settings_that_it_makes(factory).await;
    a_refusal_by_the_rules_is_repeated_whatever_changes(factory).await;
    what_was_appended_is_acked_again_after_a_ban(factory).await;
    a_verdict_of_the_session_comes_before_the_rules(factory).await;
    the_body_that_the_rules_or_the_host_give_is_appended(factory).await;
    a_target_of_another_history_is_unknown(factory).await;
    an_admin_may_what_an_owner_may(factory).await;
}

/// What is there of them after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    refusals_by_the_rules_are_kept(factory).await;
}

/// Of two publishes in one batch the first removes the author of the second: that one is refused.
pub async fn who_is_removed_in_a_batch_says_nothing_behind_it(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    for (removal, code) in [(kick("eve"), Code::NotAMember), (ban("eve"), Code::RoomBanned)] {
        let mut club = Club::found(&store, removal.action()).await;
        let before = club.eve.message(&club.room, "before");
        let removal = club.ada.membership(&club.room, &removal);
        let behind = club.eve.message(&club.room, "behind");
        let batch = vec![before.clone(), removal, behind.clone()];
        let outcomes = store.append(batch).await.expect("the append goes through");
        let [said, removed, refused] = outcomes.try_into().expect("three outcomes");
        assert_eq!((ack_of(said).mark.offset, ack_of(removed).mark.offset), (Offset(6), Offset(7)));
        let refusal = refusal_of(refused);
        assert_eq!(refusal.code, code);
        assert_eq!(refusal_of(append_one(&store, behind).await), refusal, "and again");
        assert!(ack_of(append_one(&store, before).await).duplicate, "what stood before it stands");
        assert_eq!(check_log(&store, &club.room).await.len(), 7);
    }
}

/// Creation, invitation, joining and speaking, all in one batch.
pub async fn who_comes_in_a_batch_speaks_behind_it(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("new");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut bob = Author::open(&store, "bob", 2).await;
    let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
    let batch = vec![
        bob.message(&room, "there is no such room, so I make it"),
        ada.room(&room, &create),
        ada.room(&super::room("other"), &create),
        bob.message(&super::room("other"), "I am no member"),
        ada.membership(&super::room("other"), &invite("bob")),
        bob.membership(&super::room("other"), &MembershipChange::Accept),
        bob.message(&super::room("other"), "now I am"),
    ];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let code = |outcome: &Outcome| match outcome {
        Outcome::Refused(refusal) => Some(refusal.code),
        _ => None,
    };
    let codes: Vec<_> = outcomes.iter().map(code).collect();
    let expected = [None, Some(Code::RoomExists), None, Some(Code::NotAMember), None, None, None];
    assert_eq!(codes, expected);
}

/// A title that is set twice is unchanged the second time, in one batch as in two.
pub async fn a_batch_reads_the_settings_that_it_makes(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let title = Some(Some(Title::new("Plans").expect("a title")));
    let set = RoomChange::Set(Settings { title, ..Settings::default() });
    let batch = vec![
        club.ada.room(&club.room, &set),
        club.ada.room(&club.room, &set),
        club.ada.room(&club.room, &RoomChange::Archive),
        club.bob.message(&club.room, "too late"),
    ];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let [set, again, archived, late] = outcomes.try_into().expect("four outcomes");
    assert_eq!(ack_of(set).mark.offset, Offset(6));
    assert_eq!(refusal_of(again).code, Code::Unchanged);
    assert_eq!(ack_of(archived).mark.offset, Offset(7));
    assert_eq!(refusal_of(late).code, Code::RoomArchived);
}

/// A refused seq stays refused, though the same would be allowed by now.
pub async fn a_refusal_by_the_rules_is_repeated_whatever_changes(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let mut zoe = Author::open(&store, "zoe", 4).await;
    let early = zoe.message(&club.room, "am I in?");
    let refusal = refusal_of(append_one(&store, early.clone()).await);
    assert_eq!(refusal.code, Code::NotAMember);
    club.change(&store, &invite("zoe")).await;
    drop(ack_of(append_one(&store, zoe.membership(&club.room, &MembershipChange::Accept)).await));
    assert_eq!(refusal_of(append_one(&store, early).await), refusal);
    drop(ack_of(append_one(&store, zoe.message(&club.room, "I am")).await));
}

/// The window is looked up first: a ban changes nothing of what stands in the log.
pub async fn what_was_appended_is_acked_again_after_a_ban(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let said = club.eve.message(&club.room, "said");
    let ack = ack_of(append_one(&store, said.clone()).await);
    club.change(&store, &ban("eve")).await;
    assert_eq!(ack_of(append_one(&store, said).await), Ack { duplicate: true, ..ack });
    let refused = append_one(&store, club.eve.message(&club.room, "more")).await;
    assert_eq!(refusal_of(refused).code, Code::RoomBanned);
}

/// Who was refused by a session is told that, and not what the rules would say.
pub async fn a_verdict_of_the_session_comes_before_the_rules(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let club = Club::found(&store, "club").await;
    let mut zoe = Author::open(&store, "zoe", 4).await;
    let refusal = Refusal::new(Code::Moderated, "not in these words");
    let verdict = Verdict::Refuse(refusal.clone());
    let publish = Publish { verdict, ..zoe.message(&club.room, "words") };
    assert_eq!(refusal_of(append_one(&store, publish).await), refusal);
}

/// The rules' body goes before the host's, and that before the one that was sent; a repeat of what was sent is a repeat.
pub async fn the_body_that_the_rules_or_the_host_give_is_appended(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let changed = |publish: Publish, body: &str| {
        let grounds = publish.grounds.clone().unwrap_or_default();
        let body = Some(Body::text(body));
        Publish { grounds: Some(Box::new(Grounds { body, ..*grounds })), ..publish }
    };
    let sent = ada.message(&room, "darn");
    let said = changed(sent.clone(), "****");
    let ack = ack_of(append_one(&store, said.clone()).await);
    assert_eq!(ack_of(append_one(&store, sent).await), Ack { duplicate: true, ..ack.clone() });
    let spaced = ada.about(&store, &room, EventKind::REACTION, 1, " 👍 ").await;
    let reacted = ack_of(append_one(&store, changed(spaced.clone(), "👎")).await);
    let join = Draft { kind: EventKind::MEMBERSHIP, ..Draft::message(" { \"action\" : \"join\" } ") };
    let joined = ada.next(&room, join);
    // Of who comes and goes the host changes nothing.
    let joined_ack = ack_of(append_one(&store, changed(joined.clone(), "left")).await);
    let events = check_log(&store, &room).await;
    check_event_of_body(&events, &said, &ack, Some(&"****".into()));
    check_event_of_body(&events, &spaced, &reacted, Some(&"👍".into()));
    check_event_of_body(&events, &joined, &joined_ack, Some(&joined.draft.body));
}

/// What was found out of a target before the room was deleted does not hold for the room that has its id now.
pub async fn a_target_of_another_history_is_unknown(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    for text in ["before", "before, too"] {
        drop(ack_of(append_one(&store, ada.message(&room, text)).await));
    }
    let edit = ada.about(&store, &room, EventKind::EDIT, 2, "edited").await;
    let delete = by_admin(ada.room(&room, &RoomChange::Delete));
    let create = ada.begins(&room);
    let anew = ada.message(&room, "another room");
    // The edit was handed over last, though its number is the first of the four.
    let edit = Publish { seq: ada.message(&room, "").seq, ..edit };
    let outcomes = store.append(vec![delete, create, anew, edit]).await.expect("the append goes through");
    let [deleted, _, anew, edited] = outcomes.try_into().expect("four outcomes");
    assert_eq!((ack_of(deleted).mark.offset, ack_of(anew).mark.offset), (Offset(3), Offset(2)));
    assert_eq!(refusal_of(edited).code, Code::TargetUnknown);
    let mut later = ada.about(&store, &room, EventKind::EDIT, 2, "edited").await;
    drop(ack_of(append_one(&store, later.clone()).await));
    later = informed(&store, ada.next(&room, Draft { target: Some(Offset(3)), ..later.draft })).await;
    assert_eq!(refusal_of(append_one(&store, later).await).code, Code::TargetUnknown);
}

/// In every room, though no member; but nobody speaks for another.
pub async fn an_admin_may_what_an_owner_may(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let mut root = Author::open(&store, "root", 9).await;
    drop(ack_of(append_one(&store, club.eve.message(&club.room, "text")).await));
    for admin in [false, true] {
        let attempts = [
            root.message(&club.room, "hello"),
            root.about(&store, &club.room, EventKind::REDACTION, 6, "").await,
            root.room(&club.room, &RoomChange::Archive),
        ];
        for publish in attempts {
            match admin {
                true => drop(ack_of(append_one(&store, by_admin(publish)).await)),
                false => drop(refusal_of(append_one(&store, publish).await)),
            }
        }
    }
    let edit = root.about(&store, &club.room, EventKind::EDIT, 6, "other words").await;
    drop(refusal_of(append_one(&store, by_admin(edit)).await));
}

/// Refusals by the rules are as durable as acks.
pub async fn refusals_by_the_rules_are_kept(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let removal = club.ada.membership(&club.room, &kick("eve"));
    let behind = club.eve.message(&club.room, "behind");
    let outcomes = store.append(vec![removal, behind.clone()]).await.expect("the append goes through");
    let refusal = refusal_of(outcomes.into_iter().next_back().expect("two outcomes"));
    let store = factory.reopen(store, &env).await;
    let again = Publish { session: None, ..behind };
    assert_eq!(refusal_of(append_one(&store, again).await), refusal);
    assert_eq!(check_log(&store, &club.room).await.len(), 6);
}
