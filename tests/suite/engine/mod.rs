//! Whole stories: from a fact about a person to the end state on every system.

mod accidents;
mod departure;
mod joiners;
mod movers;
mod notices;
mod other_runs;
pub mod schedules;
mod shipped;
mod versions;
