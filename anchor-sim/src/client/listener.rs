//! The part of an application that reads rooms with members, whether it may or not, and comes back whenever it was sent out.

use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::conformance::promise::Reader;
use anchor_core::id::RoomId;
use anchor_core::position::Position;
use anchor_core::session::frame::From;
use anchor_transport::client::Delivery;
use futures::StreamExt;

use super::Application;

/// Reads `room` for ever, from its beginning, and after each end from where that was.
pub(super) async fn listen(application: Application, reader: Reader, room: RoomId) {
    let Application { world, clock, client, .. } = &application;
    let mut from = Position::START;
    loop {
        let asked = if from == Position::START { From::Start } else { From::After(from) };
        let asked_at = world.kernel.now();
        let mut subscription = client.subscribe(&room, asked).await;
        while let Some(delivery) = subscription.next().await {
            from = take(&application, reader, &room, asked_at, from, delivery);
            // Whoever leaves now and then asks anew, so that what it is told is held against what was redacted before.
            if clock.below(LEAVE_ONE_IN) == 0 {
                break;
            }
        }
        drop(subscription);
        world.recorder.closed(reader, &room);
        world.kernel.sleep(clock.between(PAUSE.0, PAUSE.1)).await;
    }
}

/// Takes a delivery of a subscription that began at `from`; where the reader stands then.
fn take(
    application: &Application,
    reader: Reader,
    room: &RoomId,
    asked_at: Duration,
    from: Position,
    delivery: Delivery,
) -> Position {
    let Application { world, habits, .. } = application;
    let position = delivery.position();
    match &delivery {
        Delivery::Started { .. } => {
            world.recorder.opened(reader, room, from);
            return from;
        }
        Delivery::Events(events) => {
            world.recorder.seen(reader, room, events);
            world.society.delivered(&habits.user, reader, asked_at, events);
        }
        Delivery::Hidden { .. } => {
            world.recorder.defect(format!("{reader} hides nothing, and misses events"))
        }
        Delivery::Gap(gap) => {
            world.recorder.told(reader, room, *gap);
            world.society.skips(reader, room, gap);
            return gap.position.unwrap_or(Position::START);
        }
        Delivery::Ended { code, message } => {
            world.trace.note(reader, format_args!("is sent out of {room}: {message} ({code})"));
            if !matches!(code, Code::NotAMember | Code::RoomBanned | Code::RoomUnknown | Code::StoreFailed) {
                world.recorder.defect(format!("{reader} was sent out of {room}: {message} ({code})"));
            }
        }
    }
    position.unwrap_or(from)
}

/// Time until somebody who was sent out comes back. Source: chosen; often enough to meet every change.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(20));

/// One in so many deliveries makes the reader leave the room for a moment. Source: chosen.
const LEAVE_ONE_IN: u64 = 24;
