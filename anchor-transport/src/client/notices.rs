//! Notices on their way from the driver to whoever takes them: kept from the opening on, within bounds.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::notice::Notice;

/// Notices until somebody takes them, at most [`NOTICES_MAX`]: beyond, the oldest goes.
#[derive(Debug, Default)]
pub(super) struct Notices {
    queue: Mutex<NoticeQueue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct NoticeQueue {
    notices: VecDeque<Notice>,
    is_closed: bool,
}

impl Notices {
    /// Adds one.
    pub(super) fn push(&self, notice: Notice) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.notices.len() >= NOTICES_MAX {
            queue.notices.pop_front();
            tracing::warn!("nobody takes this client's notices; the oldest was dropped");
        }
        queue.notices.push_back(notice);
        drop(queue);
        self.arrived.notify_one();
    }

    /// Ends the streams once they are empty.
    pub(super) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }

    /// The next one; `None` once closed and empty. Cancel-safe.
    pub(super) async fn next(&self) -> Option<Notice> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(notice) = queue.notices.pop_front() {
                    if !queue.notices.is_empty() {
                        self.arrived.notify_one();
                    }
                    return Some(notice);
                }
                if queue.is_closed {
                    self.arrived.notify_one();
                    return None;
                }
            }
            arrived.await;
        }
    }
}

/// Notices that wait to be taken. Source: chosen; above the entries that an earlier process can leave (twice `WINDOW`
/// by default).
const NOTICES_MAX: usize = 4_096;
