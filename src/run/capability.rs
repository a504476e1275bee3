//! What a system says it can do, before anything is asked of it.

use serde::{Deserialize, Serialize};

/// A connector's answer for one action on one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "capability", content = "detail", rename_all = "snake_case")]
pub enum Capability {
    /// Does it and can be read back.
    Supported,
    /// Does it with a limit, which is said.
    Degraded(String),
    /// Cannot do it; a person can, with this instruction. Becomes a tracked task, never a silent success.
    Manual(String),
    /// Cannot be done there, and why.
    Unsupported(String),
}

/// How we know that a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The kind of knowledge.
    pub kind: EvidenceKind,
    /// What was seen, in words without personal data (`disabled since …`, `sha256:…`).
    pub detail: String,
}

/// The kind of knowledge behind a finished step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The target was read afterwards and shows it.
    ReadBack,
    /// The target said so and cannot be read.
    Acknowledged,
    /// A person says so.
    Person,
}

impl EvidenceKind {
    /// The word used in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadBack => "read_back",
            Self::Acknowledged => "acknowledged",
            Self::Person => "person",
        }
    }
}
