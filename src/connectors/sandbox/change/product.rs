//! A system as a whole: its management blocked, its mail in maintenance.

use serde::{Deserialize, Serialize};

use super::seen;
use crate::connectors::Observation;
use crate::connectors::sandbox::state::SystemState;

/// A change of a system as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Product {
    /// Only administrators and the legal representative manage it from now on.
    Block,
    /// Everybody with the right to manages it.
    Unblock,
    /// Reception goes on, reading does not.
    BeginMaintenance,
    /// Reading again.
    EndMaintenance,
}

impl Product {
    pub(super) fn observe(self, system: &SystemState) -> Observation {
        let management = if system.blocked { "management blocked" } else { "management open" };
        let service = if system.maintenance { "in maintenance" } else { "in service" };
        match self {
            Self::Block => seen(system.blocked, management, management),
            Self::Unblock => seen(!system.blocked, management, management),
            Self::BeginMaintenance => seen(system.maintenance, service, service),
            Self::EndMaintenance => seen(!system.maintenance, service, service),
        }
    }

    pub(super) fn apply(self, system: &mut SystemState) {
        match self {
            Self::Block => system.blocked = true,
            Self::Unblock => system.blocked = false,
            Self::BeginMaintenance => system.maintenance = true,
            Self::EndMaintenance => system.maintenance = false,
        }
    }
}
