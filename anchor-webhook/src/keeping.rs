//! Keeps a webhook at work: what ends by an error or a panic begins anew after a rest, and the list tells why.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::Consumer;
use anchor_core::error::ErrorKind;
use futures::FutureExt;

use crate::consumers::{consumer_id, open, read_error};
use crate::row::{Row, encode, row_key, write};
use crate::sending::Job;
use crate::worker::{self, Ended};

/// Works until it is stopped, the consumer is another's or no more, or the receiver wants no more: why, if that is it. Opens the
/// consumer itself where it is given none.
pub(crate) async fn keep_working(job: Arc<Job>, given: Option<Consumer>) -> Option<String> {
    let mut given = given;
    loop {
        let consumer = begun(&job, given.take()).await?;
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
        rest(&job).await?;
    }
}

/// What a webhook begins with: its consumer, opened if it is not, and what is kept of the rooms that fail. None if the webhook is
/// stopped before.
async fn begun(job: &Job, mut consumer: Option<Consumer>) -> Option<Consumer> {
    loop {
        let beginning = async {
            job.failing.load().await?;
            match consumer.take() {
                Some(consumer) => Ok(consumer),
                None => open(&job.anchor, &job.name, &job.row).await,
            }
        };
        let begun = tokio::select! {
            biased;
            () = job.stop.notified() => return None,
            begun = beginning => begun,
        };
        match begun {
            Ok(consumer) => return Some(consumer),
            Err(error) => {
                tracing::warn!(webhook = %job.name, %error, "the webhook cannot begin; again in a moment");
                job.status.troubled(error.to_string());
            }
        }
        rest(job).await?;
    }
}

/// Rests before beginning anew; none if the webhook is stopped meanwhile.
async fn rest(job: &Job) -> Option<()> {
    tokio::select! {
        () = job.stop.notified() => None,
        () = job.anchor.env().sleep_until(job.anchor.now() + RESTART_REST) => Some(()),
    }
}

/// The receiver wants no more: pauses the webhook, and keeps why.
async fn stop_for_good(job: &Job) -> String {
    tracing::warn!(webhook = %job.name, "the receiver has answered 410: the webhook is paused");
    let why = "the receiver has answered 410: it wants no more".to_owned();
    let row = Row { stopped: Some(why.clone()), ..job.row.clone() };
    let pausing = async {
        write(&**job.anchor.store(), vec![(row_key(&job.name), Some(encode(&row)))]).await?;
        job.anchor.pause_consumer(&consumer_id(&job.name)?).await.map_err(read_error)
    };
    let paused = tokio::select! {
        paused = pausing => paused.map_err(|error| error.to_string()),
        () = job.anchor.env().sleep_until(job.anchor.now() + PAUSE_WITHIN) => Err("it takes too long".to_owned()),
    };
    if let Err(error) = paused {
        tracing::warn!(webhook = %job.name, error, "the webhook will ask the receiver again at the next start");
    }
    why
}

/// How long a webhook that has ended rests before it begins anew. Source: chosen; longer than most of what passes by itself.
const RESTART_REST: Duration = Duration::from_secs(5);

/// How long a webhook that its receiver does not want may take to be paused. Source: chosen; a store that is well takes
/// milliseconds, and a stop waits for it.
const PAUSE_WITHIN: Duration = Duration::from_secs(1);
