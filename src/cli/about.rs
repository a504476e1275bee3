//! Who or what a run is about, and its inputs, as the command line gives them.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::finding::system_and_id;
use crate::engine::trigger::SubjectRef;

/// `--person`, `--account`, `--set`.
#[derive(Debug, Args)]
pub(super) struct About {
    /// The person, by employee number
    #[arg(long, value_name = "KEY")]
    person: Option<String>,
    /// The account, by system and immutable id or sign-in name
    #[arg(long, value_name = "SYSTEM:ID", conflicts_with = "person")]
    account: Option<String>,
    /// An input of the workflow; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
}

impl About {
    /// The subject; without one the organisation.
    pub(super) fn subject(&self) -> Result<SubjectRef, CliError> {
        Ok(match (&self.person, &self.account) {
            (Some(person), _) => SubjectRef::Person(person.clone()),
            (None, Some(account)) => {
                let (system, id) = system_and_id(account)?;
                SubjectRef::Account { system: system.to_owned(), id: id.to_owned() }
            }
            (None, None) => SubjectRef::Organisation,
        })
    }

    /// The inputs, as text.
    pub(super) fn inputs(&self) -> Result<BTreeMap<String, Value>, CliError> {
        inputs(&self.inputs)
    }
}

/// `--set NAME=VALUE …`
///
/// # Errors
/// When one is not of that form, or is given twice.
pub(super) fn inputs(given: &[String]) -> Result<BTreeMap<String, Value>, CliError> {
    let mut inputs = BTreeMap::new();
    for text in given {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            CliError::usage(format!("--set {text}: NAME=VALUE is expected")).help("as in --set last_day=2027-01-29")
        })?;
        if inputs.insert(name.trim().to_owned(), Value::String(value.to_owned())).is_some() {
            return Err(CliError::usage(format!("--set {} is given twice", name.trim())));
        }
    }
    Ok(inputs)
}
