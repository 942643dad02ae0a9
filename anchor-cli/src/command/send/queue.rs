//! Messages on their way into the outbox, several at a time so that they share a commit of it, but in order.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use anchor_transport::client::{PublishError, Publishing};
use futures::future::{BoxFuture, poll_fn};

/// The number of a line, and its message once that is in the outbox.
pub(super) type Queued = (u64, Result<Publishing, PublishError>);

/// Calls of [`anchor_transport::client::Client::publish`] that have not returned yet.
///
/// The outbox takes messages in the order in which the calls come to it, through semaphores and channels that are fair.
/// So all calls are polled from the oldest to the newest, every time; `FuturesUnordered` would poll them in any order.
#[derive(Default)]
pub(super) struct Queue {
    calls: VecDeque<Call>,
}

struct Call {
    line: u64,
    state: State,
}

enum State {
    Called(BoxFuture<'static, Result<Publishing, PublishError>>),
    Returned(Result<Publishing, PublishError>),
}

impl Queue {
    /// Adds the call for a line. It is made when the queue is polled next.
    pub(super) fn push(&mut self, line: u64, call: BoxFuture<'static, Result<Publishing, PublishError>>) {
        self.calls.push_back(Call { line, state: State::Called(call) });
    }

    /// True while another call may be added.
    pub(super) fn has_room(&self) -> bool {
        self.calls.len() < CALLS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Waits for the oldest call; `None` if there is none.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Queued> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Queued>> {
        for call in &mut self.calls {
            if let State::Called(future) = &mut call.state
                && let Poll::Ready(returned) = future.as_mut().poll(context)
            {
                call.state = State::Returned(returned);
            }
        }
        match self.calls.pop_front() {
            None => Poll::Ready(None),
            Some(Call { line, state: State::Returned(returned) }) => Poll::Ready(Some((line, returned))),
            Some(waits) => {
                self.calls.push_front(waits);
                Poll::Pending
            }
        }
    }
}

/// Calls at a time. Source: chosen; as many messages share a commit of the outbox.
const CALLS_MAX: usize = 64;
