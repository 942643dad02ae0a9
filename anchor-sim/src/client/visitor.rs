//! The part of an application that looks into rooms with members, page by page and thread by thread, while they go on, and
//! whether it may or not.

use std::time::Duration;

use anchor_core::event::EventKind;
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::HistoryRange;
use anchor_core::store::Direction;
use anchor_transport::client::RequestError;

use super::Application;
use crate::kernel::index;
use crate::society::Question;

/// Looks into one room after another until it is time to end.
pub(super) async fn visit(application: Application) {
    let Application { clock, habits, .. } = &application;
    if habits.clubs.is_empty() {
        return;
    }
    while application.goes_on(PAUSE).await {
        let room = &habits.clubs[index(clock.below(habits.clubs.len() as u64))];
        match clock.below(2) {
            0 => leaf(&application, room).await,
            _ => follow(&application, room).await,
        }
    }
}

/// Leafs through the history from anywhere, in either direction.
async fn leaf(application: &Application, room: &RoomId) {
    let Application { world, clock, client, process, .. } = application;
    let head = world.society.look(room, |life| life.head()).unwrap_or_default();
    let mut range = match clock.below(4) {
        0 => HistoryRange::Newest,
        1 => HistoryRange::BeforeOffset(Offset(clock.below(head.0 + 3))),
        _ => HistoryRange::After(Position::START),
    };
    for _ in 0..PAGES_MAX {
        let limit = 1 + clock.below(30);
        let _call = world.recorder.call(format_args!("{range:?} of {room} for {process}"));
        let question = world.society.asks(&application.habits.user, room);
        let page = match client.history(room, range, limit).await {
            Ok(page) => page,
            Err(error) => return failed(application, &question, &error),
        };
        let next = page.next;
        world.society.leafed(&question, range, limit, page);
        range = match (range, next) {
            (_, None) => return,
            (HistoryRange::After(_), Some(next)) => HistoryRange::After(next),
            (_, Some(next)) => HistoryRange::Before(next),
        };
    }
}

/// Leafs through the replies to some message.
async fn follow(application: &Application, room: &RoomId) {
    let Application { world, clock, client, process, .. } = application;
    let roots = world.society.look(room, |life| {
        let replies = life.events().rev().filter(|event| event.kind == EventKind::MESSAGE);
        replies.filter_map(|event| event.target).take(ROOTS).collect::<Vec<_>>()
    });
    let Some(roots) = roots.filter(|roots| !roots.is_empty()) else { return };
    let root = roots[index(clock.below(roots.len() as u64))];
    let is_forward = clock.below(2) == 0;
    let mut from =
        if is_forward { Direction::After(Offset::ZERO) } else { Direction::Before(Offset(u64::MAX >> 12)) };
    for _ in 0..PAGES_MAX {
        let limit = 1 + clock.below(4);
        let _call = world.recorder.call(format_args!("{from:?} of {root} of {room} for {process}"));
        let question = world.society.asks(&application.habits.user, room);
        let page = match client.thread(room, root, from, limit).await {
            Ok(page) => page,
            Err(error) => return failed(application, &question, &error),
        };
        let next = page.next;
        world.society.threaded(&question, root, from, limit, Box::new(page));
        from = match next {
            None => return,
            Some(next) if is_forward => Direction::After(next),
            Some(next) => Direction::Before(next),
        };
    }
}

fn failed(application: &Application, question: &Question, error: &RequestError) {
    if let RequestError::Refused { code, .. } = error {
        application.world.society.denied(question, *code);
    }
    application.world.trace.note(application.process, format_args!("is told nothing: {error}"));
}

/// Time between two looks. Source: chosen; some in each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(8));

/// Pages of one look, at most. Source: chosen.
const PAGES_MAX: usize = 4;

/// Newest replies of which one is drawn to follow its thread. Source: chosen.
const ROOTS: usize = 6;
