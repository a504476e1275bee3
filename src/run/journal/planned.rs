//! Planned steps as the journal keeps them: what goes without saying is left out. Whoever reads plans elsewhere gets
//! every field (`usher plan --json`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::run::capability::Capability;
use crate::run::plan::{Fold, Lateness, LocalInstant, PlannedStep};
use crate::run::state::SkipReason;
use crate::workflow::{ActionKind, Span};

/// A planned step without what goes without saying: its place among the others, what it does not have, what is usual.
#[derive(Serialize)]
struct Brief<'a> {
    name: &'a str,
    action: ActionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<i64>,
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    needs: &'a [u16],
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<BriefInstant<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<&'a Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<Lateness>,
    #[serde(skip_serializing_if = "is_supported")]
    capability: &'a Capability,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<&'a SkipReason>,
}

#[derive(Serialize)]
struct BriefInstant<'a> {
    at: &'a jiff::Timestamp,
    local: &'a jiff::civil::DateTime,
    #[serde(skip_serializing_if = "is_ordinary")]
    fold: Fold,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_ordinary(fold: &Fold) -> bool {
    *fold == Fold::None
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference to the field, which is one")]
fn is_supported(capability: &&Capability) -> bool {
    **capability == Capability::Supported
}

impl<'a> Brief<'a> {
    fn of(step: &'a PlannedStep) -> Self {
        Self {
            name: &step.name,
            action: step.action,
            system: step.system.as_deref(),
            account: step.account,
            needs: &step.needs,
            at: step.at.as_ref().map(|LocalInstant { at, local, fold }| BriefInstant { at, local, fold: *fold }),
            delay: step.delay.as_ref(),
            of: step.of,
            undoes: step.undoes,
            late: step.late,
            capability: &step.capability,
            when: step.when.as_deref(),
            skip: step.skip.as_ref(),
        }
    }
}

/// What [`Brief`] leaves out is put back; older entries have every field.
#[derive(Deserialize)]
struct Kept {
    name: String,
    action: ActionKind,
    system: Option<String>,
    account: Option<i64>,
    #[serde(default)]
    needs: Vec<u16>,
    at: Option<KeptInstant>,
    delay: Option<Span>,
    of: Option<u16>,
    undoes: Option<u16>,
    late: Option<Lateness>,
    #[serde(default = "supported")]
    capability: Capability,
    when: Option<String>,
    skip: Option<SkipReason>,
}

#[derive(Deserialize)]
struct KeptInstant {
    at: jiff::Timestamp,
    local: jiff::civil::DateTime,
    #[serde(default = "ordinary")]
    fold: Fold,
}

const fn ordinary() -> Fold {
    Fold::None
}

const fn supported() -> Capability {
    Capability::Supported
}

impl Kept {
    fn at_place(self, ordinal: u16) -> PlannedStep {
        PlannedStep {
            ordinal,
            name: self.name,
            action: self.action,
            system: self.system,
            account: self.account,
            needs: self.needs,
            at: self.at.map(|KeptInstant { at, local, fold }| LocalInstant { at, local, fold }),
            delay: self.delay,
            of: self.of,
            undoes: self.undoes,
            late: self.late,
            capability: self.capability,
            when: self.when,
            skip: self.skip,
        }
    }
}

/// For serde: the steps of a plan, whose place in the list is their ordinal.
pub(super) fn serialize<S: Serializer>(steps: &[PlannedStep], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(steps.iter().map(Brief::of))
}

/// For serde: see [`serialize`].
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PlannedStep>, D::Error> {
    let kept = Vec::<Kept>::deserialize(deserializer)?;
    Ok((0..=u16::MAX).zip(kept).map(|(ordinal, step)| step.at_place(ordinal)).collect())
}
