//! The half of an application that reads.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::conformance::promise::Reader;
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::From;
use anchor_transport::client::{Delivery, Subscription};
use futures::Stream;

use super::{Application, watcher};
use crate::kernel::lock;
use crate::recorder::Call;

/// Reads every room of the application for ever, from where the last process saved that it was.
pub(super) async fn read(application: Application, reader: Reader) {
    watcher::choose_receipts(&application).await;
    let mut subscriptions = Vec::new();
    let mut asked = BTreeMap::new();
    for room in &application.habits.rooms {
        let from = begin(&application, room).await;
        asked.insert(room.clone(), ask(&application, reader, room, from));
        subscriptions.push(application.client.subscribe(room, from).await);
    }
    let mut unsaved: BTreeMap<RoomId, (u64, Position)> = BTreeMap::new();
    let mut told_at = None;
    loop {
        let Some((room, delivery)) = next(&application, &mut subscriptions, told_at).await else {
            // Everything that was handed over is taken: what the library says of itself holds for this reader.
            let current = application.client.current_as_of();
            if current != told_at
                && let Some(at_ms) = current
            {
                application.world.recorder.beat(reader, at_ms);
            }
            told_at = current;
            continue;
        };
        if let Some(asked) = asked.get_mut(&room) {
            note(&application, reader, asked, &room, &delivery);
        }
        if let Some(position) = delivery.position() {
            let (taken, newest) = unsaved.entry(room.clone()).or_insert((0, position));
            (*taken, *newest) = (*taken + 1, position);
            if *taken >= application.habits.save_every {
                *taken = 0;
                save(&application, &room, position).await;
            }
            if application.clock.below(READ_ONE_IN) == 0 {
                application.world.marked.asks(&application.habits.user, &room, position.offset);
                // An error is the end of the process.
                let _ = application.client.read(&room, position).await;
            }
        }
        if let Some(position) = delivery.position()
            && application.clock.below(LEAVE_ONE_IN) == 0
        {
            asked.insert(room.clone(), ask(&application, reader, &room, From::After(position)));
            leave_and_come_back(&application, reader, &room, position, &mut subscriptions).await;
        }
        if !application.habits.reading.is_zero() {
            let longest = application.habits.reading;
            application.world.kernel.sleep(application.clock.between(longest / 100, longest)).await;
        }
    }
}

/// From where a reader asked to read a room.
struct Asked {
    from: From,
    /// Until it is answered.
    call: Option<Call>,
}

fn ask(application: &Application, reader: Reader, room: &RoomId, from: From) -> Asked {
    let call = application.world.recorder.call(format_args!("{reader}, who asked for {room}"));
    Asked { from, call: Some(call) }
}

/// Reads a room no more, then again from where it was.
async fn leave_and_come_back(
    application: &Application,
    reader: Reader,
    room: &RoomId,
    position: Position,
    subscriptions: &mut Vec<Subscription>,
) {
    subscriptions.retain(|subscription| subscription.room() != room);
    application.world.recorder.closed(reader, room);
    if application.clock.below(2) == 0 {
        application.world.kernel.sleep(application.clock.between(LOOK / 1000, LOOK)).await;
    }
    subscriptions.push(application.client.subscribe(room, From::After(position)).await);
}

/// Where to begin: where the last process was, or anywhere.
async fn begin(application: &Application, room: &RoomId) -> From {
    let Ok(saved) = application.client.saved_cursor(CURSOR, room).await else {
        // The process is about to end.
        return std::future::pending().await;
    };
    if let Err(what) = lock(&application.lineage).found(room, saved) {
        application.world.recorder.defect(what);
    }
    match saved {
        Some(position) => From::After(position),
        None => match application.clock.below(8) {
            0 => From::Now,
            1 => From::Last(1 + application.clock.below(40)),
            2 => From::Offset(Offset(application.clock.below(30))),
            _ => From::Start,
        },
    }
}

async fn save(application: &Application, room: &RoomId, position: Position) {
    let _call = application.world.recorder.call(format_args!("{}, who saves a cursor", application.process));
    lock(&application.lineage).give(room, position);
    if application.client.save_cursor(CURSOR, room, position).await.is_ok() {
        lock(&application.lineage).kept(room, position);
    }
}

/// The next delivery of any room; `None` when everything that was handed over is taken, and the library says since when it
/// is current, other than `told_at`, and now and then.
async fn next(
    application: &Application,
    subscriptions: &mut [Subscription],
    told_at: Option<u64>,
) -> Option<(RoomId, Delivery)> {
    let look = application.clock.between(LOOK / 200, LOOK);
    let mut look = Box::pin(application.world.kernel.sleep(look));
    poll_fn(|cx| {
        for subscription in &mut *subscriptions {
            if let Poll::Ready(Some(delivery)) = Pin::new(&mut *subscription).poll_next(cx) {
                return Poll::Ready(Some((subscription.room().clone(), delivery)));
            }
        }
        if application.client.current_as_of() != told_at {
            return Poll::Ready(None);
        }
        look.as_mut().poll(cx).map(|()| None)
    })
    .await
}

fn note(application: &Application, reader: Reader, asked: &mut Asked, room: &RoomId, delivery: &Delivery) {
    let recorder = &application.world.recorder;
    asked.call = None;
    match delivery {
        Delivery::Started { position, .. } => {
            // What lies between what was asked for and where it starts is told as a gap.
            let position = match asked.from {
                From::Start => Position::START,
                From::After(position) | From::Recent { after: position, .. } => position,
                From::Offset(offset) => Position { offset, ..Position::START },
                From::Last(_) | From::Now => *position,
            };
            recorder.opened(reader, room, position);
        }
        Delivery::Events(events) => recorder.seen(reader, room, events),
        Delivery::Gap(gap) => recorder.told(reader, room, *gap),
        Delivery::Hidden { first, .. } => {
            recorder.defect(format!("{reader} did not ask that {first} of {room} be hidden"));
        }
        // Its own disk: the process is about to end.
        Delivery::Ended { code: Code::StoreFailed, .. } => {}
        Delivery::Ended { code, message } => {
            recorder.defect(format!("{reader} was sent out of {room}: {message} ({code})"));
        }
    }
}

/// How often the reader looks whether it is told to be current, at most. Source: chosen, a fraction of the heartbeat: what
/// it is told must hold at that very moment, not only once what followed has come.
const LOOK: Duration = Duration::from_secs(3);

/// One in so many deliveries makes the reader leave the room for a moment. Source: chosen.
const LEAVE_ONE_IN: u64 = 64;

/// After one in so many deliveries the user has read what was taken. Source: chosen.
const READ_ONE_IN: u64 = 4;

/// Under which name cursors are saved.
const CURSOR: &str = "reader";
