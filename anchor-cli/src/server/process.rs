//! What a process uses of the machine, by its number, as Linux tells in `/proc`; `None` elsewhere.

use std::fs;
use std::time::Duration;

/// Memory that the process holds now, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Time that all threads of the process, also ended ones, have had a processor: user and system. In steps of 10 ms.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name of the program, in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(UTIME_BEHIND_NAME);
    let ticks = times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?;
    Some(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
}

/// Fields between the name and `utime`, which `stime` follows. Source: proc_pid_stat(5), fields 3 to 13.
const UTIME_BEHIND_NAME: usize = 11;
