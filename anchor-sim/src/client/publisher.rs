//! The half of an application that publishes.

use anchor_core::conformance::promise::Mark;
use anchor_core::id::RoomId;
use anchor_transport::client::{PublishError, Publishing};
use futures::future::join_all;

use super::Application;
use crate::kernel::{index, lock};
use crate::recorder::Call;

/// Publishes in bursts until everything is said.
pub(super) async fn publish(application: Application) {
    let habits = &application.habits;
    while lock(&application.lineage).left(habits.publishes) > 0 {
        let (least, most) = habits.every;
        application.world.kernel.sleep(application.clock.between(least, most)).await;
        let left = lock(&application.lineage).left(habits.publishes);
        let burst = (1 + application.clock.below(habits.burst)).min(left);
        // The library takes calls that run at once in the order in which they are first polled.
        join_all((0..burst).map(|_| one(&application))).await;
    }
}

async fn one(application: &Application) {
    let Application { world, clock, habits, client, .. } = application;
    let mark = lock(&application.lineage).name(|| world.recorder.author());
    let room = &habits.rooms[index(clock.below(habits.rooms.len() as u64))];
    // Small bodies more often.
    let bytes = clock.below(habits.body_bytes >> (3 * clock.below(3)));
    let body = mark.body(index(bytes));
    world.recorder.invoked(mark, room, &body);
    let call = world.recorder.call(format_args!("{} of {}", mark.publish(), application.process));
    match client.publish(room, body).await {
        Ok(publishing) => {
            if application.is_durable {
                world.recorder.queued(mark);
            }
            world.spawn(
                application.process,
                settle(application.clone(), mark, room.clone(), publishing, call),
            );
        }
        Err(error) => failed(application, mark, room, error),
    }
}

/// `_call` ends with it.
async fn settle(application: Application, mark: Mark, room: RoomId, publishing: Publishing, _call: Call) {
    match publishing.await {
        Ok(ack) => application.acked(mark, ack),
        Err(error) => failed(&application, mark, &room, error),
    }
}

fn failed(application: &Application, mark: Mark, room: &RoomId, error: PublishError) {
    let recorder = &application.world.recorder;
    match error {
        PublishError::Refused(refusal) => recorder.refused(mark, refusal.code),
        PublishError::Unconfirmed => recorder.unconfirmed(mark, room),
        // It is in the outbox, or it is not; the next process will tell.
        error => application.world.trace.note(mark.publish(), format_args!("not answered: {error}")),
    }
}
