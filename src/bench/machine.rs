//! What the machine itself shows.

use std::time::Duration;

/// Processor time of this process so far, over all its threads; `None` where the system does not tell it as Linux does.
pub(super) fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // proc_pid_stat(5): the name of the program, in brackets, may hold spaces; utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // A tick is a hundredth of a second wherever Linux runs programs like this one (USER_HZ).
    Some(Duration::from_millis(ticks * 10))
}
