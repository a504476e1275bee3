//! Micro-benchmarks of what every run passes through, measured by statistics: how long one of it takes, and whether that
//! has changed since the last time. docs/PERFORMANCE.md says how to run them; `usher bench` measures the whole.

mod claiming;
mod rules;
mod sealing;

use std::error::Error;

use criterion::Criterion;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    rules::planning(&mut criterion)?;
    rules::templates(&mut criterion)?;
    sealing::entries(&mut criterion)?;
    claiming::turns(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
