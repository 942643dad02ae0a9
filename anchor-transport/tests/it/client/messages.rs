//! What is said, and what is done to it: replies, edits, redactions, reactions, pins; and the timeline that shows it.

use anchor_core::code::Code;
use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::room::change::{Report, Settings};
use anchor_core::room::{RoomKind, Sign};
use anchor_core::session::frame::{From, HistoryRange};
use anchor_core::store::Direction;
use anchor_transport::client::{Changed, Client, PublishError, Root, Timeline};

use super::world::{World, answered, next, room, soon, text, user};

fn sign(sign: &str) -> Sign {
    Sign::new(sign).unwrap()
}

async fn say(client: &Client, text: &str) -> Offset {
    answered(client.publish(&RoomId::lobby(), text)).await.unwrap().mark.offset
}

#[tokio::test]
async fn a_thread_is_answered_from_wherever_one_reads_it() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    let root = say(&ada, "where do we meet?").await;
    let first = answered(bob.reply(&lobby, root, "here")).await.unwrap().mark.offset;
    let page = soon(ada.history(&lobby, HistoryRange::Newest, 1)).await.unwrap();
    let second = answered(ada.reply(&lobby, &page.events[0], "when?")).await.unwrap().mark.offset;
    assert_eq!(soon(bob.root_of(&lobby, second)).await.unwrap(), Root::from(root));
    assert_eq!(soon(bob.root_of(&lobby, root)).await.unwrap(), Root::from(root));
    assert!(soon(bob.root_of(&lobby, Offset(99))).await.is_err());
    let direct = answered(bob.reply(&lobby, first, "to a reply")).await;
    assert!(matches!(direct, Err(PublishError::Refused(refusal)) if refusal.code == Code::Invalid));

    let thread = soon(bob.thread(&lobby, root, Direction::After(Offset::ZERO), 1)).await.unwrap();
    assert_eq!(thread.root.as_ref().map(text).as_deref(), Some("where do we meet?"));
    assert_eq!(
        (thread.replies.iter().map(text).collect::<Vec<_>>(), thread.total),
        (vec!["here".to_owned()], 2)
    );
    let from = Direction::After(thread.next.unwrap());
    let thread = soon(bob.thread(&lobby, root, from, 10)).await.unwrap();
    assert_eq!(
        (thread.replies.iter().map(text).collect::<Vec<_>>(), thread.next),
        (vec!["when?".to_owned()], None)
    );
}

#[tokio::test]
async fn what_is_done_to_a_message_is_done_once() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    let message = say(&ada, "helo").await;
    answered(ada.edit(&lobby, message, "hello")).await.unwrap();
    let denied = answered(bob.edit(&lobby, message, "goodbye")).await;
    assert!(matches!(denied, Err(PublishError::Refused(refusal)) if refusal.code == Code::Denied));
    answered(bob.react(&lobby, message, &sign("👍"))).await.unwrap();
    answered(bob.unreact(&lobby, message, &sign("👍"))).await.unwrap();
    answered(bob.react(&lobby, message, &sign("🎉"))).await.unwrap();
    assert!(matches!(answered(bob.pin(&lobby, message)).await.unwrap(), Changed::Now(_)));
    assert_eq!(answered(ada.pin(&lobby, message)).await.unwrap(), Changed::Already);
    let page = soon(bob.history(&lobby, HistoryRange::BeforeOffset(Offset(2)), 1)).await.unwrap();
    let changes = &page.changes[0];
    let edit = changes.edit.as_ref().unwrap();
    assert_eq!(edit.body.as_ref().and_then(Body::as_text), Some("hello"));
    let reactions =
        changes.reactions.iter().map(|reaction| (reaction.sign.as_str(), reaction.count, reaction.mine));
    assert_eq!((reactions.collect::<Vec<_>>(), changes.pinned), (vec![("🎉", 1, true)], true));

    assert!(matches!(answered(ada.unpin(&lobby, message)).await.unwrap(), Changed::Now(_)));
    assert_eq!(answered(ada.unpin(&lobby, message)).await.unwrap(), Changed::Already);
    assert!(matches!(answered(ada.redact(&lobby, message)).await.unwrap(), Changed::Now(_)));
    assert_eq!(answered(ada.redact(&lobby, message)).await.unwrap(), Changed::Already);
    let page = soon(bob.history(&lobby, HistoryRange::Newest, 50)).await.unwrap();
    assert!(
        page.events.iter().filter(|event| event.kind == EventKind::EDIT).all(|event| event.body.is_none())
    );
    assert_eq!((page.events[0].body.as_ref(), page.changes[0].edit.as_ref()), (None, None));
    assert!(page.changes[0].redacted_by.is_some());
}

#[tokio::test]
async fn mentions_travel_with_what_mentions() {
    let world = World::new();
    let ada = world.client("ada");
    let mentions = Mentions::new(true, [user("bob")]).unwrap();
    let body = Body::text("you, and everybody").mentioning(mentions.clone());
    answered(ada.publish(&RoomId::lobby(), body.clone())).await.unwrap();
    answered(ada.publish(&RoomId::lobby(), Draft::message(body))).await.unwrap();
    for event in world.log().await {
        assert_eq!(event.body.unwrap().mentions(), Some(&mentions));
    }
}

#[tokio::test]
async fn a_report_reaches_the_moderators() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let club = room("club");
    answered(ada.create_room(&club, RoomKind::Public, Settings::default())).await.unwrap();
    let said = answered(ada.publish(&club, "something")).await.unwrap().mark.offset;
    answered(bob.report(&club, said, Some("that hurts".to_owned()))).await.unwrap();
    let reports = RoomId::reports_of(&club);
    let page = soon(ada.history(&reports, HistoryRange::Newest, 10)).await.unwrap();
    let report = Report::from_body(page.events[0].body.as_ref().unwrap()).unwrap();
    assert_eq!((report.room, report.offset, report.reason.as_deref()), (club, said, Some("that hurts")));
    assert!(soon(bob.history(&reports, HistoryRange::Newest, 10)).await.is_err());
}

/// Begins with the newest page while others write, follows through cuts, and shows what the whole log shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_timeline_of_the_newest_page_shows_what_the_whole_log_shows() {
    const ROUNDS: u64 = 60;
    let world = World::new();
    let lobby = RoomId::lobby();
    let (ada, bob, reader) = (world.client("ada"), world.client("bob"), world.client("cyd"));
    for line in 0..30 {
        say(&ada, &format!("line {line}")).await;
    }
    let writing = {
        let (ada, bob, world, lobby) = (ada.clone(), bob.clone(), world.clone(), lobby.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let target = Offset(1 + round % 30);
                drop(ada.edit(&lobby, target, format!("edit {round}")).await.unwrap());
                // Each sign once: a page tells how many set it, not who.
                match round < ROUNDS / 2 {
                    true => drop(bob.react(&lobby, target, &sign("👍")).await.unwrap()),
                    false if round % 6 != 1 => drop(bob.unreact(&lobby, target, &sign("👍")).await.unwrap()),
                    false => {}
                }
                drop(ada.reply(&lobby, target, format!("reply {round}")).await.unwrap());
                match round % 6 {
                    0 => drop(bob.pin(&lobby, target).await.unwrap()),
                    1 if round < ROUNDS / 2 => drop(bob.unreact(&lobby, target, &sign("👍")).await.unwrap()),
                    2 => drop(ada.redact(&lobby, Offset(1 + round % 7)).await.unwrap()),
                    _ => {}
                }
                if round % 20 == 13 {
                    world.cut();
                }
            }
            ada.flushed().await.unwrap();
            bob.flushed().await.unwrap();
        })
    };
    let mut timeline = Timeline::new(reader.user());
    let newest = soon(reader.history(&lobby, HistoryRange::Newest, 20)).await.unwrap();
    let older = newest.next;
    timeline.add(newest).unwrap();
    let mut live = reader.subscribe(&lobby, From::After(timeline.position())).await;
    if let Some(older) = older {
        let page = soon(reader.history(&lobby, HistoryRange::Before(older), 50)).await.unwrap();
        timeline.add(page).unwrap();
    }
    soon(writing).await.unwrap();
    let head = soon(reader.history(&lobby, HistoryRange::Newest, 1)).await.unwrap().head;
    while timeline.position().offset < head {
        let _ = timeline.apply(&next(&mut live).await);
    }
    drop(live);

    let mut whole = Timeline::new(reader.user());
    let mut read = reader.subscribe(&lobby, From::Start).await;
    while whole.position().offset < head {
        let _ = whole.apply(&next(&mut read).await);
    }
    let shown = |timeline: &Timeline| {
        timeline.posts().map(|post| (post.event().clone(), post.changes().clone())).collect::<Vec<_>>()
    };
    assert!(shown(&whole).len() >= 30 + usize::try_from(ROUNDS).unwrap());
    assert_eq!(shown(&timeline), shown(&whole));
}
