//! The half of an application that publishes.

use anchor_core::conformance::promise::Mark;
use anchor_transport::client::{PublishError, Publishing};
use futures::future::join_all;

use super::Application;
use crate::kernel::{index, lock};

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
    match client.publish(room, body).await {
        Ok(publishing) => {
            if application.is_durable {
                world.recorder.queued(mark);
            }
            world.spawn(application.process, settle(application.clone(), mark, publishing));
        }
        Err(error) => failed(application, mark, error),
    }
}

async fn settle(application: Application, mark: Mark, publishing: Publishing) {
    match publishing.await {
        Ok(ack) => application.acked(mark, ack),
        Err(error) => failed(&application, mark, error),
    }
}

fn failed(application: &Application, mark: Mark, error: PublishError) {
    let recorder = &application.world.recorder;
    match error {
        PublishError::Refused(refusal) => recorder.refused(mark, refusal.code),
        PublishError::Unconfirmed => recorder.unknown(mark),
        // It is in the outbox, or it is not; the next process will tell.
        error => application.world.trace.note(mark.publish(), format_args!("not answered: {error}")),
    }
}
