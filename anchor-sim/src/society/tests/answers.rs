//! Pages and threads: what the engine gives is right at once, and each thing that may be wrong with one is found.

use anchor_core::code::Code;
use anchor_core::engine::Anchor;
use anchor_core::position::Position;
use anchor_core::session::Identity;
use anchor_core::session::frame::{HistoryRange, Page, RequestId, ThreadPage};
use anchor_core::store::Direction;

use super::*;

/// 8 replies to 5, 9 edits it, 10 sets a sign on it, 11 pins it; everything is known to ada.
fn scene() -> Scene {
    let mut scene = Scene::new(HistoryAccess::All);
    for (kind, body) in [
        (EventKind::MESSAGE, "reply"),
        (EventKind::EDIT, "edited"),
        (EventKind::REACTION, "👍"),
        (EventKind::PIN, ""),
    ] {
        scene.about(kind, body);
    }
    scene.wait();
    scene
}

impl Scene {
    /// Ada does something about the message at 5.
    fn about(&mut self, kind: EventKind, body: &str) {
        let draft = Draft { kind, target: Some(Offset(5)), body: body.into() };
        let publish = self.ada.next(&self.room, draft);
        self.append(publish);
    }

    fn identity(&self, author: &Author) -> Identity {
        Identity { user: author.user().clone(), admin: false }
    }

    /// What an engine on the store answers; the ledger goes on watching.
    fn answer<T>(&self, ask: impl AsyncFnOnce(&Anchor) -> T) -> T {
        let answer = block_on(ask(&Anchor::builder(self.store.clone(), TestEnvironment::new(1)).build()));
        self.store.observe(Arc::new(Tap::new(self.society.clone(), Arc::new(Nobody))));
        answer
    }

    fn page(&self, author: &Author, range: HistoryRange) -> Page {
        let identity = self.identity(author);
        let page = self.answer(async |anchor| {
            anchor.history(RequestId(1), &self.room, range, 50, Some(&identity)).await
        });
        page.expect("a memory is read")
    }

    fn thread(&self) -> ThreadPage {
        let identity = self.identity(&self.ada);
        let from = Direction::After(Offset::ZERO);
        let page = self.answer(async |anchor| {
            anchor.thread(RequestId(1), &self.room, Offset(5), from, 50, Some(&identity)).await
        });
        page.expect("a memory is read")
    }

    /// The verdict, where `author` asks just now and gets that page.
    fn verdict_of_page(&self, author: &Author, range: HistoryRange, page: Page) -> Vec<String> {
        self.society.inner().answers.clear();
        let question = self.society.asks(author.user(), &self.room);
        self.society.leafed(&question, range, 50, page);
        self.verdict()
    }

    fn verdict_of_thread(&self, page: ThreadPage) -> Vec<String> {
        self.society.inner().answers.clear();
        let question = self.society.asks(self.ada.user(), &self.room);
        self.society.threaded(&question, Offset(5), Direction::After(Offset::ZERO), 50, Box::new(page));
        self.verdict()
    }
}

/// What is wrong with an answer, and how it came to be.
type Spoilt<A> = (&'static str, fn(&mut A));

const NEWEST: HistoryRange = HistoryRange::Newest;

#[test]
fn what_the_engine_answers_is_right() {
    let scene = scene();
    assert_eq!(scene.verdict_of_page(&scene.ada, NEWEST, scene.page(&scene.ada, NEWEST)), [""; 0]);
    let start = HistoryRange::After(Position::START);
    assert_eq!(scene.verdict_of_page(&scene.ada, start, scene.page(&scene.ada, start)), [""; 0]);
    let before = HistoryRange::BeforeOffset(Offset(4));
    assert_eq!(scene.verdict_of_page(&scene.bob, before, scene.page(&scene.bob, before)), [""; 0]);
    assert_eq!(scene.verdict_of_thread(scene.thread()), [""; 0]);
}

#[test]
fn a_page_for_somebody_else_is_found() {
    let scene = scene();
    let broken = scene.verdict_of_page(&scene.bob, NEWEST, scene.page(&scene.ada, NEWEST));
    assert_found(&broken, "11 is the newest, and could read up to Some(Offset(6))");
}

#[test]
fn a_page_as_of_long_ago_is_found() {
    let mut scene = scene();
    let page = scene.page(&scene.ada, NEWEST);
    scene.ada_says("more");
    scene.ada_says("and more");
    scene.wait();
    assert_found(&scene.verdict_of_page(&scene.ada, NEWEST, page), "11 is the newest");
}

#[test]
fn a_page_with_something_wrong_is_found() {
    let scene = scene();
    let wrong: [Spoilt<Page>; 8] = [
        ("Some(Reaction", |page| page.changes[0].reactions[0].count = 2),
        ("edit: None", |page| page.changes[0].edit = None),
        ("redacted_by: Some", |page| page.changes[0].redacted_by = Some(Offset(9))),
        ("replies: 0", |page| page.changes[0].replies = 0),
        ("pinned: false", |page| page.changes[0].pinned = false),
        ("and the log has", |page| page.events[1].body = None),
        ("asked for 50 events", |page| drop(page.events.remove(3))),
        ("is the oldest", |page| page.horizon = Offset(3)),
    ];
    for (what, spoil) in wrong {
        let mut page = scene.page(&scene.ada, NEWEST);
        spoil(&mut page);
        let broken = scene.verdict_of_page(&scene.ada, NEWEST, page);
        assert!(broken.len() == 1, "{what}: {broken:?}");
    }
}

#[test]
fn a_thread_with_something_wrong_is_found() {
    let scene = scene();
    let wrong: [Spoilt<ThreadPage>; 4] = [
        ("another total", |page| page.total = 2),
        ("a reply is missing", |page| page.replies.clear()),
        ("no root", |page| page.root = None),
        ("nothing became of it", |page| page.changes.clear()),
    ];
    for (what, spoil) in wrong {
        let mut page = scene.thread();
        spoil(&mut page);
        let broken = scene.verdict_of_thread(page);
        assert!(broken.len() == 1, "{what}: {broken:?}");
    }
}

#[test]
fn a_page_or_thread_with_a_body_that_was_redacted_is_found() {
    let mut scene = scene();
    let (page, thread) = (scene.page(&scene.ada, NEWEST), scene.thread());
    let asked = scene.society.asks(scene.ada.user(), &scene.room);
    scene.about(EventKind::REDACTION, "");
    // They were on their way already.
    scene.society.leafed(&asked, NEWEST, 50, page.clone());
    assert_eq!(scene.verdict(), [""; 0]);
    scene.wait();
    for broken in [scene.verdict_of_page(&scene.ada, NEWEST, page), scene.verdict_of_thread(thread)] {
        for what in ["got the body of 5", "got the body of 9"] {
            assert!(broken.iter().any(|line| line.contains(what)), "{what}: {broken:?}");
        }
        scene.society.inner().broken.clear();
    }
    let page = scene.page(&scene.ada, NEWEST);
    assert_eq!(scene.verdict_of_page(&scene.ada, NEWEST, page), [""; 0]);
}

#[test]
fn a_member_who_is_sent_away_is_found() {
    let scene = scene();
    for (author, is_right) in [(&scene.ada, false), (&scene.bob, true)] {
        scene.society.inner().answers.clear();
        let question = scene.society.asks(author.user(), &scene.room);
        scene.society.denied(&question, Code::NotAMember);
        assert_eq!(scene.verdict().is_empty(), is_right, "{}", author.user());
    }
}

#[test]
fn a_page_without_a_room_is_right_only_where_nobody_saw_it_begin() {
    let scene = scene();
    let mut page = scene.page(&scene.ada, NEWEST);
    (page.epoch, page.next, page.first, page.head) = (None, None, Offset::ZERO, Offset::ZERO);
    (page.events, page.changes) = (Vec::new(), Vec::new());
    assert_found(&scene.verdict_of_page(&scene.ada, NEWEST, page.clone()), "0 is the newest");
    let mut inner = scene.society.inner();
    inner.ledger.events_of(&scene.room).values_mut().for_each(|known| known.committed_at = None);
    drop(inner);
    assert_eq!(scene.verdict_of_page(&scene.ada, NEWEST, page), [""; 0]);
}
