//! Which colour a state has.

use super::table::{Cell, Tone};
use crate::run::{AccountStatus, PersonStatus, RunState};

/// A step's state.
pub(super) fn step(state: &str) -> Cell {
    let tone = match state {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        "held" | "unknown" | "awaiting_approval" | "awaiting_person" => Tone::Warn,
        "leased" => Tone::Strong,
        _ => Tone::Faint,
    };
    Cell::toned(state, tone)
}

/// A run's state.
pub(super) fn run(state: RunState) -> Tone {
    match state {
        RunState::Open => Tone::Plain,
        RunState::Completed => Tone::Good,
        RunState::NeedsAttention => Tone::Bad,
        RunState::Paused | RunState::ClosedWithExceptions => Tone::Warn,
        RunState::Cancelled => Tone::Faint,
    }
}

/// A person's status.
pub(super) fn person(status: PersonStatus) -> Cell {
    let tone = match status {
        PersonStatus::Active => Tone::Plain,
        PersonStatus::Leaving => Tone::Warn,
        PersonStatus::Prehire | PersonStatus::OnLeave | PersonStatus::Left => Tone::Faint,
    };
    Cell::toned(status.as_str(), tone)
}

/// An account's status.
pub(super) fn account(status: AccountStatus) -> Cell {
    let tone = match status {
        AccountStatus::Enabled => Tone::Plain,
        AccountStatus::Disabled | AccountStatus::Deleted => Tone::Warn,
        AccountStatus::Purged => Tone::Faint,
    };
    Cell::toned(status.as_str(), tone)
}
