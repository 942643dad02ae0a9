//! Notices that nobody reads standard output any more, also while there is nothing to write.

use std::io;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

/// Ends when the reader of standard output has gone, as `head -1` does; never where that cannot be.
pub(crate) async fn closed() {
    let (gone, is_gone) = oneshot::channel();
    // Not joined: it waits as long as somebody reads, and ends with the process.
    thread::spawn(move || {
        let stdout = io::stdout();
        loop {
            // Asks for nothing, so that only errors and hang-ups are told.
            let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut ends, None) {
                Err(Errno::INTR) => {}
                Ok(_) if ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => {
                    let _ = gone.send(());
                    return;
                }
                _ => return,
            }
        }
    });
    if is_gone.await.is_err() {
        std::future::pending().await
    }
}
