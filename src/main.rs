//! Parses, and hands over.

use std::process::ExitCode;

/// A turn makes and drops thousands of small rows: see docs/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // With pages of 2 MiB, of which the allocator uses a little each, the daemon had twice the memory and was no faster
    // (docs/PERFORMANCE.md). Some kernels give them to whoever does not ask (`no_thp` in Cargo.toml), so they are declined.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).ok();
    usher::cli::run(std::env::args_os())
}
