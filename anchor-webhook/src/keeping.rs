//! Keeps a webhook at work: what ends by an error or a panic begins anew after a rest, and the list tells why.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::Consumer;
use anchor_core::error::ErrorKind;
use futures::FutureExt;

use crate::row::{Row, encode, row_key};
use crate::service::{consumer_id, open, read_error, write};
use crate::worker::{self, Ended, Job};

/// Works until it is stopped, the consumer is another's or no more, or the receiver wants no more: why, if that is it.
pub(crate) async fn keep_working(job: Arc<Job>, mut consumer: Consumer) -> Option<String> {
    loop {
        // What the worker knew goes with it; what was not done comes again.
        let worked = AssertUnwindSafe(worker::work(job.clone(), consumer)).catch_unwind().await;
        match worked {
            Ok(Ended::Stopped) => return None,
            Ok(Ended::Gone) => return Some(stop_for_good(&job).await),
            Ok(Ended::Failed(error)) => {
                tracing::warn!(webhook = %job.name, %error, "the webhook has ended");
                job.status.troubled(error.to_string());
                if error.kind() == ErrorKind::Closed {
                    return None;
                }
            }
            Err(_) => {
                tracing::error!(webhook = %job.name, "the webhook has ended in a panic");
                job.status.troubled("it ended in a panic, of which the log of the server tells".to_owned());
            }
        }
        consumer = reopened(&job).await?;
    }
}

/// The consumer of a webhook, opened anew after a rest; none if the webhook is stopped before.
async fn reopened(job: &Job) -> Option<Consumer> {
    loop {
        let rest = job.anchor.env().sleep_until(job.anchor.now() + RESTART_REST);
        tokio::select! {
            () = job.stop.notified() => return None,
            () = rest => {}
        }
        match open(&job.anchor, &job.name, &job.row).await {
            Ok(consumer) => return Some(consumer),
            Err(error) => {
                tracing::warn!(webhook = %job.name, %error, "the webhook cannot begin anew; again in a moment");
                job.status.troubled(error.to_string());
            }
        }
    }
}

/// The receiver wants no more: pauses the webhook, and keeps why.
async fn stop_for_good(job: &Job) -> String {
    tracing::warn!(webhook = %job.name, "the receiver has answered 410: the webhook is paused");
    let why = "the receiver has answered 410: it wants no more".to_owned();
    let row = Row { stopped: Some(why.clone()), ..job.row.clone() };
    let kept = write(&job.anchor, vec![(row_key(&job.name), Some(encode(&row)))]).await;
    let paused = match consumer_id(&job.name) {
        Ok(id) => job.anchor.pause_consumer(&id).await.map_err(read_error),
        Err(error) => Err(error),
    };
    if let Err(error) = kept.and(paused) {
        tracing::warn!(webhook = %job.name, %error, "the webhook will ask the receiver again at the next start");
    }
    why
}

/// How long a webhook that has ended rests before it begins anew. Source: chosen; longer than most of what passes by itself.
const RESTART_REST: Duration = Duration::from_secs(5);
