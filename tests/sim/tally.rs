//! What has happened in the histories: a simulation in which nothing happens proves nothing.

use std::collections::BTreeMap;

/// How often each thing has happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(pub BTreeMap<String, u64>);

/// Every fault and every event that must have happened in a run of some thousand histories.
pub(crate) const MUST_HAPPEN: &[&str] = &[
    // Faults of daemons.
    "crash before the attempt",
    "crash between attempt and record",
    "crash at rest",
    "crash with the commit's answer",
    "crash in the middle of an import",
    "stall past the lease",
    "lease lapsed",
    "late outcome",
    "duplicate outcome",
    "outcomes out of order",
    "lease refused an attempt",
    // Faults of the world.
    "request refused",
    "request cut before its effect",
    "request cut after its effect",
    "request answered by a lie",
    "clock jumped ahead",
    "clock stepped back",
    "HR file twice",
    "HR file out of order",
    "account opened by hand",
    // What HR and people did.
    "hr departure",
    "hr moved date",
    "hr rescission",
    "hr rehire",
    "hr leave",
    "hr joined",
    "pause",
    "resume",
    "cancel",
    "retry",
    "skip",
    "approve",
    "deny",
    "task done",
    "reschedule",
    "undo",
    "block",
    "unblock",
    "restore",
    "freeze",
    "freeze of everything",
    "unfreeze",
    // What usher did.
    "claim",
    "claim after another",
    "observing claim",
    "effect",
    "account.disable",
    "account.enable",
    "account.create",
    "account.delete",
    "account.purge",
    "account.restore",
    "found done",
    "scheduled run",
    "reminder",
    "held: paused",
    "held: freeze",
    "held: approval",
    "held: person_not_departed",
    "held: hr",
    "held: cut_open",
    "held: cut_needed",
    "held: fresh_read",
    "run completed",
    "run closed_with_exceptions",
    "run cancelled",
];

impl Tally {
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    /// What has never happened, though it should have.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        MUST_HAPPEN.iter().copied().filter(|what| self.of(what) == 0).collect()
    }

    /// A table, for whoever looks.
    pub(crate) fn table(&self) -> String {
        self.0.iter().map(|(what, count)| format!("  {count:>10}  {what}\n")).collect()
    }
}
