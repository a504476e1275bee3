//! The workflows that are measured: plain steps on one account, each of which changes something.

use std::fmt::Write as _;

/// Steps of a run of [`FLOW`].
pub(super) const FLOW_STEPS: usize = 8;

/// Eight steps, one after the other.
pub(super) const FLOW: &str = "bench-flow";

/// One step, at once.
pub(super) const SINGLE: &str = "bench-single";

/// The text of [`FLOW`].
pub(super) fn flow() -> String {
    let mut text = head(FLOW);
    for step in 1..=FLOW_STEPS {
        let action = match step % 4 {
            1 => format!("quota.set\n    with: {{ quota: {step} GB }}"),
            2 => "directory.hide".to_owned(),
            3 => format!("quota.set\n    with: {{ quota: {step} GB }}"),
            _ => "directory.show".to_owned(),
        };
        let after = if step == 1 { "[]".to_owned() } else { format!("step-{}", step - 1) };
        // Writing into a string does not fail.
        let _ = write!(text, "  - id: step-{step}\n    systems: all\n    after: {after}\n    action: {action}\n");
    }
    text
}

/// The text of [`SINGLE`].
pub(super) fn single() -> String {
    format!("{}  - id: step\n    systems: all\n    action: quota.set\n    with: {{ quota: 1 GB }}\n", head(SINGLE))
}

/// Steps of a run of [`WAITING`].
pub(super) const WAITING_STEPS: usize = 50;

/// Steps that all wait for a day.
pub(super) const WAITING: &str = "bench-waiting";

/// The text of [`WAITING`].
pub(super) fn waiting() -> String {
    let mut text = format!(
        "workflow: {WAITING}\ntitle: Measures\nfor: person\non:\n  manual: true\ninputs:\n  day:\n    type: date\n    \
         required: true\nsteps:\n"
    );
    for step in 1..=WAITING_STEPS {
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "  - id: step-{step}\n    systems: all\n    after: []\n    at: day + {step} days 09:00\n    \
             action: quota.set\n    with: {{ quota: {step} GB }}\n"
        );
    }
    text
}

fn head(name: &str) -> String {
    format!("workflow: {name}\ntitle: Measures\nfor: person\non:\n  manual: true\nsteps:\n")
}
