//! What a host said of publishes: what stands as it said passes, and anything else is found.

use anchor_core::engine::Proposal;
use anchor_core::id::{ClientTag, Seq};

use super::*;

/// A club whose host was asked about each event, before it stood, by a server that has run since the beginning.
fn scene() -> Scene {
    let scene = Scene::new(HistoryAccess::All);
    scene.society.is_moderated(false);
    for event in scene.log() {
        let body = event.body.clone().expect("nothing was redacted");
        scene.asked(&event, Draft { kind: event.kind, target: event.target, body: body.clone() }, body);
    }
    scene
}

impl Scene {
    /// The host is asked about what became an event, and allows that body.
    fn asked(&self, event: &Event, draft: Draft, body: anchor_core::event::Body) {
        self.ruled(event, draft, Ruled::Allowed(body), Duration::ZERO);
    }

    fn ruled(&self, event: &Event, draft: Draft, ruled: Ruled, started_at: Duration) {
        let proposal = Proposal {
            user: &event.user,
            client: event.client,
            seq: event.seq,
            admin: false,
            room: &self.room,
            draft: &draft,
            target: None,
        };
        self.society.ruled(self.kernel.process(), started_at, &proposal, ruled);
    }

    /// Forgets what was said of the event at `offset`.
    fn forget(&self, offset: u64) -> Event {
        let event = self.log()[usize::try_from(offset - 1).expect("a short log")].clone();
        self.society.inner().rulings.forget(event.client, event.seq);
        event
    }
}

impl Rulings {
    fn forget(&mut self, client: ClientTag, seq: Seq) {
        self.by_publish.remove(&(client, seq));
    }
}

fn draft_of(event: &Event) -> Draft {
    Draft { kind: event.kind, target: event.target, body: event.body.clone().expect("nothing was redacted") }
}

#[test]
fn what_stands_as_the_host_said_is_right() {
    assert_eq!(scene().verdict(), [""; 0]);
    let scene = scene();
    let event = scene.forget(2);
    let sent = Draft { body: "something else".into(), ..draft_of(&event) };
    scene.asked(&event, sent, "before".into());
    assert_eq!(scene.verdict(), [""; 0]);
}

#[test]
fn what_the_host_changed_and_stands_as_it_was_sent_is_found() {
    let scene = scene();
    let event = scene.forget(2);
    scene.asked(&event, draft_of(&event), "changed".into());
    assert_found(&scene.verdict(), "2 of club-0 is");
}

#[test]
fn what_the_host_refused_and_stands_is_found() {
    let scene = scene();
    let event = scene.forget(2);
    scene.ruled(&event, draft_of(&event), Ruled::Refused, Duration::ZERO);
    assert_found(&scene.verdict(), "2 of club-0 is");
}

#[test]
fn what_the_host_was_not_asked_about_is_found() {
    let scene = scene();
    drop(scene.forget(5));
    assert_found(&scene.verdict(), "5 of club-0 is");
}

#[test]
fn a_host_that_is_asked_about_what_stands_is_found() {
    let scene = scene();
    let event = scene.forget(2);
    scene.ruled(&event, draft_of(&event), Ruled::Allowed("before".into()), scene.kernel.now());
    assert_found(&scene.verdict(), "which stood before the server started");
}

#[test]
fn a_host_that_is_asked_twice_by_one_server_is_found() {
    let scene = scene();
    let event = scene.forget(2);
    let (draft, process) = (draft_of(&event), scene.kernel.process());
    let proposal = Proposal {
        user: &event.user,
        client: event.client,
        seq: event.seq,
        admin: false,
        room: &scene.room,
        draft: &draft,
        target: None,
    };
    for _ in 0..2 {
        scene.society.ruled(process, Duration::ZERO, &proposal, Ruled::Allowed("before".into()));
    }
    assert_found(&scene.verdict(), "in club-0 again by");
}

#[test]
fn what_overtakes_another_of_its_client_is_found() {
    let scene = scene();
    let mut inner = scene.society.inner();
    let events = inner.ledger.events_of(&scene.room);
    let (one, other) = (events[&Offset(2)].event.seq, events[&Offset(5)].event.seq);
    events.get_mut(&Offset(2)).expect("it is there").event.seq = other;
    events.get_mut(&Offset(5)).expect("it is there").event.seq = one;
    drop(inner);
    assert!(scene.verdict().iter().any(|line| line.contains("overtook")));
}
