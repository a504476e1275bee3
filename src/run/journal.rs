//! The journal's form: what an entry says, how personal words are kept apart, how entries are chained, and how a run
//! is replayed from them.
//!
//! An entry holds what one commit says about a run in one actor's name: one fact, or several in their order ([`facts`]
//! reads both). Each run has one chain. An entry's hash is SHA-256 over the previous entry's hash and the canonical form of the
//! entry: its fields in a fixed order, each with its length in front, so that no two different entries have the same
//! form. Words that may be about a person (reasons, notes, inputs, evidence) are taken out of the body and sealed under
//! that person's key before the entry is hashed: erasing the key erases the words and keeps the chain whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::plan::{LocalInstant, PlannedStep};
use super::state::{RunState, StepEvent, StepState};
use crate::workflow::Span;

mod begun;
mod planned;
pub use begun::{Begun, tell_with_the_plan};

/// The hash before the first entry of a run.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What one entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A run was accepted, with its whole plan.
    Started {
        /// The workflow's name.
        workflow: String,
        /// Its version.
        version: String,
        /// What kind of subject, and its key.
        subject: String,
        /// What started it (`cli`, `hr:…`, `schedule:…`).
        trigger: String,
        /// The start, by the store's clock.
        start: Timestamp,
        /// Zone of its local times.
        zone: String,
        /// The frozen inputs.
        inputs: Value,
        /// The steps, by ordinal.
        #[serde(with = "planned")]
        steps: Vec<PlannedStep>,
        /// What becomes of them at once.
        #[serde(skip_serializing_if = "Begun::is_empty", default)]
        begun: Begun,
    },
    /// Something happened to a step.
    Step {
        /// What.
        change: StepEvent,
    },
    /// An attempt starts: what is about to be asked of whom.
    Intent {
        /// The attempt's number.
        fence: i64,
        /// The target.
        system: Option<String>,
        /// The account's immutable id there.
        account: Option<String>,
        /// SHA-256 of the secret-free parameters.
        digest: String,
    },
    /// A step that was planned without an account has one now.
    Bound {
        /// Its immutable id.
        account: String,
    },
    /// A step was added while the run was under way.
    Added {
        /// The step.
        step: PlannedStep,
        /// Why.
        why: String,
    },
    /// The run has new inputs, and the steps that have not started new times.
    Rescheduled {
        /// The inputs, complete and frozen again.
        inputs: Value,
        /// The steps that count from them.
        moved: Vec<Retimed>,
        /// Why, where somebody said so.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// The run's state changed.
    Run {
        /// To what.
        state: RunState,
        /// Why, where a person said so.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// A person approved a step's deletion plan.
    Approved {
        /// SHA-256 of what was approved.
        plan_hash: String,
        /// Until when it holds.
        valid_until: Timestamp,
        /// The batch it was given with.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        batch: Option<String>,
    },
    /// A person ordered something whose effect is told by another entry.
    Ordered {
        /// What.
        order: String,
        /// Why.
        reason: String,
    },
    /// A point of a checklist was ticked.
    Ticked {
        /// Which, from 1.
        item: usize,
        /// What the person added.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
    },
}

/// The times that a step has from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retimed {
    /// Which, by ordinal.
    pub ordinal: u16,
    /// Not before this instant.
    pub at: Option<LocalInstant>,
    /// Time between the end of what it needs and this step.
    pub delay: Option<Span>,
}

/// An entry as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The run.
    pub run: i64,
    /// Position in the run's chain, from 1.
    pub seq: i64,
    /// When, by the store's clock (epoch milliseconds).
    pub at: i64,
    /// The step, by ordinal; none where the entry is about the run as a whole, or says several things.
    pub step: Option<i64>,
    /// Who: `usher`, `os:alice`, …
    pub actor: String,
    /// The fact as JSON, or several as an array of `[step, fact]`; personal words taken out.
    pub body: String,
    /// The words taken out, sealed; empty where there are none.
    pub sealed: String,
    /// The chain's hash up to and with this entry, hex.
    pub hash: String,
}

impl Entry {
    /// The hash this entry must have behind `previous`.
    pub fn chain(&self, previous: &str) -> String {
        let mut sha = Sha256::new();
        let step = self.step.map_or_else(|| "-".to_owned(), |step| step.to_string());
        let numbers = [self.run.to_string(), self.seq.to_string(), self.at.to_string(), step];
        let texts = [previous, "usher.journal.v1", &self.actor, &self.body, &self.sealed];
        for field in texts.into_iter().chain(numbers.iter().map(String::as_str)) {
            sha.update((field.len() as u64).to_be_bytes());
            sha.update(field.as_bytes());
        }
        hex::encode(sha.finalize())
    }
}

/// Why a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is missing or out of order.
    #[error("entry {expected} is missing: the next one there is numbered {found}")]
    Gap {
        /// The number that should come.
        expected: i64,
        /// The number that comes.
        found: i64,
    },
    /// An entry was changed, or one before it.
    #[error("entry {seq} does not match its hash: it, or the entry before it, was changed")]
    Changed {
        /// Its number.
        seq: i64,
    },
    /// The chain does not end where the run says it ends.
    #[error(
        "the run's record ends with entry {expected}, its journal with entry {found}: entries were cut off or added"
    )]
    End {
        /// The run's last entry.
        expected: i64,
        /// The journal's last entry.
        found: i64,
    },
}

/// Checks a run's whole chain against the number and hash that the run's own row holds.
///
/// # Errors
/// The first entry that breaks it.
pub fn verify(entries: &[Entry], last_seq: i64, head: &str) -> Result<(), Broken> {
    let mut previous = GENESIS.to_owned();
    for (index, entry) in entries.iter().enumerate() {
        let expected = i64::try_from(index).unwrap_or(i64::MAX) + 1;
        if entry.seq != expected {
            return Err(Broken::Gap { expected, found: entry.seq });
        }
        if entry.chain(&previous) != entry.hash {
            return Err(Broken::Changed { seq: entry.seq });
        }
        previous.clone_from(&entry.hash);
    }
    let found = entries.last().map_or(0, |entry| entry.seq);
    if found == last_seq && previous == head { Ok(()) } else { Err(Broken::End { expected: last_seq, found }) }
}

/// Fields whose words may be about a person.
const PERSONAL: [&str; 6] = ["reason", "detail", "instruction", "inputs", "note", "account"];

/// Takes the personal words out of a fact, or of several with their steps: the body with numbered gaps, and the words.
pub fn split(said: &impl Serialize) -> (Value, Vec<Value>) {
    let mut words = Vec::new();
    let mut body = serde_json::to_value(said).unwrap_or(Value::Null);
    take_out(&mut body, &mut words);
    (body, words)
}

fn take_out(value: &mut Value, words: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let holds_words = match field {
                    Value::String(text) => !text.is_empty(),
                    Value::Object(_) => name == "inputs" || name == "detail",
                    _ => false,
                };
                if holds_words && PERSONAL.contains(&name.as_str()) {
                    let gap = serde_json::json!({ "sealed": words.len() });
                    words.push(std::mem::replace(field, gap));
                } else {
                    take_out(field, words);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_out(item, words)),
        _ => {}
    }
}

/// What stands in the place of words whose key is gone.
pub const ERASED: &str = "[erased]";

/// Puts the words back; without them (erased, or no key at hand) each gap reads [`ERASED`].
pub fn join(mut body: Value, words: Option<&[Value]>) -> Value {
    put_back(&mut body, words);
    body
}

fn put_back(value: &mut Value, words: Option<&[Value]>) {
    let gap = match &*value {
        Value::Object(fields) if fields.len() == 1 => fields.get("sealed").and_then(Value::as_u64),
        _ => None,
    };
    if let Some(index) = gap {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        *value = words.and_then(|words| words.get(index)).cloned().unwrap_or_else(|| Value::String(ERASED.into()));
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| put_back(field, words)),
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, words)),
        _ => {}
    }
}

/// What an entry's body says, with the words put back or not: each fact, and the step it is about. `step` is the entry's
/// own, for a body that is one fact.
pub fn facts(body: Value, step: Option<i64>) -> Vec<(Option<i64>, Value)> {
    let Value::Array(said) = body else { return vec![(step, body)] };
    let told = said.into_iter().map(|mut pair| (pair[0].as_i64(), pair[1].take()));
    told.collect()
}

/// A run as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The run's state.
    pub run: RunState,
    /// Its inputs.
    pub inputs: Value,
    /// Each step's state, by ordinal.
    pub steps: Vec<StepState>,
    /// Each step's own times, by ordinal.
    pub times: Vec<(Option<LocalInstant>, Option<Span>)>,
}

/// Why a journal cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq}: {why}")]
pub struct ReplayError {
    /// The entry's number.
    pub seq: i64,
    /// What is wrong with it.
    pub why: String,
}

/// Replays facts (with their entry number and step) through the transition table.
///
/// # Errors
/// The first entry that the table does not allow.
pub fn replay<'a>(facts: impl IntoIterator<Item = (i64, Option<usize>, &'a Fact)>) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { run: RunState::Open, inputs: Value::Null, steps: Vec::new(), times: Vec::new() };
    for (seq, step, fact) in facts {
        match fact {
            Fact::Started { steps, inputs, begun, .. } => {
                replayed.steps = vec![StepState::Blocked; steps.len()];
                begun.happen(seq, steps, &mut replayed.steps)?;
                replayed.times = steps.iter().map(|step| (step.at.clone(), step.delay.clone())).collect();
                replayed.inputs = inputs.clone();
            }
            Fact::Added { step, .. } => {
                replayed.steps.push(StepState::Blocked);
                replayed.times.push((step.at.clone(), step.delay.clone()));
            }
            Fact::Rescheduled { inputs, moved, .. } => {
                replayed.inputs = inputs.clone();
                for step in moved {
                    let slot = replayed
                        .times
                        .get_mut(usize::from(step.ordinal))
                        .ok_or_else(|| ReplayError { seq, why: "it moves a step that the run does not have".into() })?;
                    *slot = (step.at.clone(), step.delay.clone());
                }
            }
            Fact::Run { state, .. } => replayed.run = *state,
            Fact::Step { change } => {
                let slot = step
                    .and_then(|index| replayed.steps.get_mut(index))
                    .ok_or_else(|| ReplayError { seq, why: "it speaks of a step that the run does not have".into() })?;
                *slot = slot.next(change).map_err(|illegal| ReplayError { seq, why: illegal.to_string() })?;
            }
            Fact::Intent { .. }
            | Fact::Bound { .. }
            | Fact::Approved { .. }
            | Fact::Ordered { .. }
            | Fact::Ticked { .. } => {}
        }
    }
    Ok(replayed)
}

#[cfg(test)]
mod tests;
