//! Parses, and hands over.

use std::process::ExitCode;

/// A turn makes and drops thousands of small rows: see docs/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks the kernel for pages of 2 MiB and uses a little of each: the daemon had twice the memory, and was no
    // faster (docs/PERFORMANCE.md). Only Linux has them.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).ok();
    usher::cli::run(std::env::args_os())
}
