//! Look, act, look again: what the looks before and behind a change mean, wherever a system shows what it holds.

use super::{ActionError, Observation, Reach};
use crate::run::{Capability, Evidence};
use crate::workflow::ActionKind;

/// How it is known that something was applied.
pub(super) enum Applied {
    /// A look shows it.
    Shows,
    /// A look shows it, and this belongs to it.
    With(String),
    /// By this.
    Known(Evidence),
}

impl Applied {
    /// The evidence of a change: what it is known by, or what a look at the system shows now.
    pub(super) async fn evidence(
        self,
        system: &str,
        look: impl Future<Output = Result<Observation, ActionError>>,
    ) -> Result<Evidence, ActionError> {
        let more = match self {
            Self::Known(evidence) => return Ok(evidence),
            Self::Shows => None,
            Self::With(more) => Some(more),
        };
        let evidence = behind(system, look.await)?;
        Ok(match more {
            Some(more) => Evidence { detail: format!("{}; {more}", evidence.detail), ..evidence },
            None => evidence,
        })
    }
}

impl Observation {
    /// Before a change: the evidence, where nothing is left to do.
    ///
    /// # Errors
    /// A look has nothing to apply, so what it finds open is its answer.
    pub(super) fn before(self, action: ActionKind) -> Result<Option<Evidence>, ActionError> {
        match self {
            Self::Reached(evidence) => Ok(Some(evidence)),
            Self::NotReached(open) if action == ActionKind::VerifyNoAccess => Err(ActionError::fail(open)),
            Self::NotReached(_) | Self::Unobservable => Ok(None),
        }
    }
}

/// Behind a change: the evidence, from what a look at `system` shows by now.
///
/// # Errors
/// Where it does not show the goal, nobody knows whether there was an effect: what shows late is looked at later, before
/// anything is done again.
pub(super) fn behind(system: &str, looked: Result<Observation, ActionError>) -> Result<Evidence, ActionError> {
    match looked.map_err(in_doubt)? {
        Observation::Reached(evidence) => Ok(evidence),
        Observation::NotReached(seen) => {
            Err(ActionError::unknown(format!("{system} said it is done, but shows: {seen}")))
        }
        Observation::Unobservable => {
            Err(ActionError::unknown(format!("{system} said it is done, and shows nothing of it")))
        }
    }
}

/// A look that fails behind a change leaves it open how that ended.
pub(super) fn in_doubt(error: ActionError) -> ActionError {
    ActionError::unknown(format!("it was asked for, and could not be looked at afterwards: {error}"))
}

/// What `usher systems test` has found, one line each.
#[derive(Default)]
pub(super) struct Findings {
    lines: Vec<String>,
    bad: bool,
}

impl Findings {
    pub(super) fn good(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    pub(super) fn bad(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
        self.bad = true;
    }

    /// What is done with limits, and what is left to people.
    pub(super) fn limits(&mut self, of: impl Fn(ActionKind) -> Capability) {
        for action in ActionKind::ALL {
            match of(*action) {
                Capability::Degraded(limit) => self.good(format!("{action} with a limit: {limit}")),
                Capability::Manual(instruction) => self.good(format!("{action} by hand: {instruction}")),
                Capability::Supported | Capability::Unsupported(_) => {}
            }
        }
    }

    pub(super) fn reach(self) -> Reach {
        Reach { ok: !self.bad, findings: self.lines }
    }
}
