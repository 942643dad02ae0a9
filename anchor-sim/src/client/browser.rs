//! The part of an application that pages through history. What it gets is judged as a reader's: contiguous, in the order of
//! the log, gaps told.

use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::{Events, HistoryRange, Page};
use anchor_transport::client::RequestError;

use super::Application;
use crate::kernel::index;

/// Pages through some room now and then, forwards or backwards, for ever.
pub(super) async fn browse(application: Application) {
    let rooms = &application.habits.rooms;
    loop {
        application.world.kernel.sleep(application.clock.between(PAUSE.0, PAUSE.1)).await;
        let room = &rooms[index(application.clock.below(rooms.len() as u64))];
        let pages = match application.clock.below(2) {
            0 => forwards(&application, room).await,
            _ => backwards(&application, room).await,
        };
        take(&application, room, pages);
    }
}

/// All pages from the start on, as far as answers came.
async fn forwards(application: &Application, room: &RoomId) -> (Offset, Vec<Page>) {
    let mut pages = Vec::new();
    let mut range = HistoryRange::After(Position::START);
    while pages.len() < PAGES_MAX
        && let Ok(page) = page(application, room, range).await
    {
        let next = page.next;
        pages.push(page);
        match next {
            Some(next) => range = HistoryRange::After(next),
            None => break,
        }
    }
    (Offset::ZERO, pages)
}

/// All pages from the newest back, as far as answers came, in the order of the log.
async fn backwards(application: &Application, room: &RoomId) -> (Offset, Vec<Page>) {
    let mut pages = Vec::new();
    let mut range = HistoryRange::Newest;
    while pages.len() < PAGES_MAX
        && let Ok(page) = page(application, room, range).await
        // A gap here says that what was paged through so far is no longer in the log.
        && page.gap.is_none()
        && !page.events.is_empty()
    {
        let next = page.next;
        pages.push(page);
        match next {
            Some(next) => range = HistoryRange::Before(next),
            None => break,
        }
    }
    pages.reverse();
    (pages.first().map_or(Offset::ZERO, |page| page.first.previous()), pages)
}

async fn page(application: &Application, room: &RoomId, range: HistoryRange) -> Result<Page, RequestError> {
    let _call =
        application.world.recorder.call(format_args!("{range:?} of {room} for {}", application.process));
    application.client.history(room, range, 1 + application.clock.below(60)).await
}

fn take(application: &Application, room: &RoomId, (begin, pages): (Offset, Vec<Page>)) {
    let recorder = &application.world.recorder;
    let reader = recorder.reader();
    recorder.opened(reader, room, Position { offset: begin, ..Position::START });
    for page in pages {
        if let Some(gap) = page.gap {
            recorder.told(reader, room, gap);
        }
        if let Some(epoch) = page.epoch {
            recorder.seen(
                reader,
                room,
                &Events { room: page.room, epoch, first: page.first, events: page.events },
            );
        }
    }
    recorder.left(reader);
}

/// Time between two walks. Source: chosen; some in each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Pages of one walk, at most. Source: chosen.
const PAGES_MAX: usize = 40;
