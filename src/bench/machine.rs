//! What the machine itself shows.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{BenchError, rate};

/// How long the disk is watched.
const WATCH: Duration = Duration::from_millis(500);

/// How often a second a page can be appended to a file in `folder` so that it survives a power cut: what every commit costs
/// at least.
pub(super) fn durable_writes(folder: &Path) -> Result<f64, BenchError> {
    let path = folder.join(format!("usher-bench-{:08x}.probe", rand::random::<u32>()));
    let failed = |error: std::io::Error| BenchError::file(&path, &error);
    let probe = || -> std::io::Result<f64> {
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let (began, mut writes) = (Instant::now(), 0);
        while began.elapsed() < WATCH {
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
            writes += 1;
        }
        Ok(rate(writes, began.elapsed()))
    };
    let measured = probe();
    std::fs::remove_file(&path).ok();
    measured.map_err(failed)
}

/// Processor time of this process so far, over all its threads; `None` where the system does not tell it as Linux does.
pub(super) fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // proc_pid_stat(5): the name of the program, in brackets, may hold spaces; utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // A tick is a hundredth of a second wherever Linux runs programs like this one (USER_HZ).
    Some(Duration::from_millis(ticks * 10))
}

/// How often the threads of this process have gone to sleep and were woken, so far; `None` where the system does not tell it
/// as Linux does. Threads that are gone are not counted.
pub(super) fn wake_ups() -> Option<u64> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let of = |status: String| number(&status, "voluntary_ctxt_switches:");
    let one = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("status")).ok().and_then(of);
    Some(threads.flatten().filter_map(one).sum())
}

/// The memory of this process that is in use now, in bytes; `None` where the system does not tell it as Linux does.
pub(super) fn resident() -> Option<u64> {
    status("VmRSS:").map(|kib| kib * 1024)
}

/// From here on [`peak`] counts anew; `None` where that is not allowed or not known.
pub(super) fn forget_peak() -> Option<()> {
    // proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
    std::fs::write("/proc/self/clear_refs", "5").ok()
}

/// The most memory that this process has had in use, in bytes.
pub(super) fn peak() -> Option<u64> {
    status("VmHWM:").map(|kib| kib * 1024)
}

fn status(field: &str) -> Option<u64> {
    number(&std::fs::read_to_string("/proc/self/status").ok()?, field)
}

/// The number behind `field` at the beginning of a line (proc_pid_status(5)).
fn number(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
