//! Whole stories: from a fact about a person to the end state on every system.

mod accidents;
mod alerts;
mod boundaries;
mod declared;
pub mod departure;
mod guarded;
mod hands;
mod histories;
mod in_bulk;
mod joiners;
mod late;
pub mod limits;
pub mod moved;
mod movers;
mod notices;
mod orders_of_events;
mod other_runs;
pub mod schedules;
mod shipped;
mod taken_back;
mod undone;
mod versions;
