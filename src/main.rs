//! Parses, and hands over.

use std::process::ExitCode;

/// A turn makes and drops thousands of small rows: see docs/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    usher::cli::run(std::env::args_os())
}
