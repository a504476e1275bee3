//! What a program says, and what it means.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::process::Ended;
use crate::connectors::ActionError;
use crate::connectors::declared::{Opened, attributes, one_line};
use crate::run::{Account, AccountStatus};

/// `EX_TEMPFAIL` of sysexits(3): nothing was done, try again later.
const TRY_AGAIN: i32 = 75;

/// One answer: a JSON document on the standard output.
#[derive(Debug, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    /// The action is done.
    Done {
        evidence: Option<String>,
        /// A link that was made.
        link: Option<String>,
    },
    /// The goal is reached.
    Reached { evidence: String },
    /// It is not; what was seen.
    NotReached { seen: String },
    /// Certainly nothing was done; try again.
    Retry { reason: String, after: Option<u64> },
    /// Certainly nothing was done; trying again does not help.
    Fail { reason: String },
    /// Perhaps.
    Unknown { reason: String },
    /// A page of accounts.
    Accounts { accounts: Vec<ShownAccount>, next: Option<String> },
    /// One account, or none.
    Account { account: Option<ShownAccount> },
    /// What was found out.
    Tested { findings: Vec<String>, ok: bool },
}

/// An account as a program shows it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownAccount {
    id: String,
    login: Option<String>,
    status: AccountStatus,
    /// RFC 3339.
    last_sign_in: Option<jiff::Timestamp>,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

impl ShownAccount {
    pub(super) fn is(&self, id: &str) -> bool {
        self.id == id
    }

    pub(super) fn into_account(self, system: &str) -> Result<Account, ActionError> {
        if self.id.is_empty() {
            return Err(ActionError::fail(format!("`{system}` shows an account without an id")));
        }
        let found = self.attributes.iter().map(|(name, value)| (name.as_str(), value.clone()));
        Ok(Account {
            id: 0,
            system: system.to_owned(),
            login: self.login.unwrap_or_else(|| self.id.clone()),
            external_id: self.id,
            person_id: None,
            status: self.status,
            attributes: attributes(found),
            last_sign_in: self.last_sign_in.map(jiff::Timestamp::as_millisecond),
            purge_due: None,
        })
    }
}

/// Whether what was asked could have changed something: then silence means that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    Change,
    Look,
}

impl Meant {
    fn lost(self, why: String) -> ActionError {
        match self {
            Self::Change => ActionError::unknown(why),
            Self::Look => ActionError::retry(why),
        }
    }
}

/// The answer, where it is one that does not speak of failure.
pub(super) fn judge(ended: Ended, meant: Meant, secrets: &Opened) -> Result<Answer, ActionError> {
    let words = |text: &str| one_line(&secrets.hide(text));
    let (status, answer, complaint) = match ended {
        Ended::NotStarted { why, passing: true } => return Err(ActionError::retry(words(&why))),
        Ended::NotStarted { why, passing: false } => return Err(ActionError::fail(words(&why))),
        Ended::Killed(why) => return Err(meant.lost(format!("the program was killed: {}", words(&why)))),
        Ended::Done { status, answer, complaint } => (status, answer, complaint),
    };
    let said = match words(&complaint) {
        nothing if nothing.is_empty() => String::new(),
        complaint => format!(": {complaint}"),
    };
    match status.code() {
        Some(0) => {}
        Some(TRY_AGAIN) => return Err(ActionError::retry(format!("the program asks to try again{said}"))),
        _ => return Err(meant.lost(format!("the program ended with {status}{said}"))),
    }
    let parsed: Answer = serde_json::from_slice(&answer).map_err(|why| {
        let text = words(&String::from_utf8_lossy(&answer));
        meant.lost(format!("the program's answer is none ({why}): `{text}`{said}"))
    })?;
    match parsed {
        Answer::Retry { reason, after } => {
            Err(ActionError::Retry { reason: words(&reason), after: after.map(Duration::from_secs) })
        }
        Answer::Fail { reason } => Err(ActionError::fail(words(&reason))),
        Answer::Unknown { reason } => Err(meant.lost(words(&reason))),
        Answer::Done { evidence, link } => Ok(Answer::Done { evidence: evidence.map(|it| words(&it)), link }),
        Answer::Reached { evidence } => Ok(Answer::Reached { evidence: words(&evidence) }),
        Answer::NotReached { seen } => Ok(Answer::NotReached { seen: words(&seen) }),
        Answer::Tested { findings, ok } => {
            Ok(Answer::Tested { findings: findings.iter().map(|found| words(found)).collect(), ok })
        }
        other => Ok(other),
    }
}

impl Answer {
    /// An answer to another question.
    pub(super) fn unexpected(&self, meant: Meant, asked: &str) -> ActionError {
        let said = match self {
            Self::Done { .. } => "done",
            Self::Reached { .. } => "reached",
            Self::NotReached { .. } => "not_reached",
            Self::Accounts { .. } => "accounts",
            Self::Account { .. } => "account",
            Self::Tested { .. } => "tested",
            Self::Retry { .. } => "retry",
            Self::Fail { .. } => "fail",
            Self::Unknown { .. } => "unknown",
        };
        meant.lost(format!("the program was asked for `{asked}` and answered `{said}`"))
    }
}
