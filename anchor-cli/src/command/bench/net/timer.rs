//! Wakes the loop at a time of the clock. An open loop sends many times in a millisecond, and `epoll` counts in those.

use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
pub(super) use self::linux::Timer;
#[cfg(not(target_os = "linux"))]
pub(super) use self::rough::Timer;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsRawFd, OwnedFd};

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    use super::{Duration, io};

    /// A timer of the system, as precise as it is.
    #[derive(Debug)]
    pub(in super::super) struct Timer(OwnedFd);

    impl Timer {
        /// A timer that makes `token` ready.
        pub(in super::super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let timer =
                timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// How long the loop may wait, of `left` until it is due.
        pub(in super::super) fn wait(&self, left: Duration) -> io::Result<Duration> {
            // Zero would switch it off.
            let nanos = left.subsec_nanos().max(1);
            let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
            let it_value = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
            let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
            Ok(left + Duration::from_millis(2))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod rough {
    use mio::{Registry, Token};

    use super::{Duration, io};

    /// Without a timer: the last millisecond is waited for by asking.
    #[derive(Debug)]
    pub(in super::super) struct Timer;

    impl Timer {
        pub(in super::super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
            Ok(Self)
        }

        pub(in super::super) fn wait(&self, left: Duration) -> io::Result<Duration> {
            Ok(Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))
        }
    }
}
