//! Lets the other futures of a task go on, without a runtime.

use std::future::poll_fn;
use std::task::Poll;

/// Ends at its second poll, which it asks for at once: what was joined with it has its turn in between.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
