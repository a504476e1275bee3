//! The description of a sandbox company: one TOML file, typed and checked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::account::{Calendar, Rule};
use super::error::SandboxError;
use super::knobs::Knobs;
use super::{digest, size};
use crate::run::AccountStatus;
use crate::workflow::{ActionKind, Facet};

/// A company: its systems, and who has which accounts there.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Company {
    /// Its name.
    pub name: String,
    /// Misbehaviour of all systems that have no knobs of their own.
    #[serde(default, skip_serializing)]
    pub knobs: Knobs,
    /// The simulated systems, by name.
    pub systems: BTreeMap<String, SystemSpec>,
    /// Those who have accounts.
    #[serde(default)]
    pub people: Vec<Holder>,
}

/// A simulated system.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSpec {
    /// What people call it.
    pub title: String,
    /// What it offers; nothing for systems that are kept by hand.
    #[serde(default)]
    pub facets: Vec<Facet>,
    /// Whether deleted accounts go into a trash. Without one, `account.delete` disables and hides.
    #[serde(default = "yes")]
    pub trash: bool,
    /// Days in the trash.
    #[serde(default = "thirty")]
    pub grace_days: u16,
    /// Actions a person must do there, with the instruction.
    #[serde(default, skip_serializing)]
    pub manual: BTreeMap<ActionKind, String>,
    /// Actions it does with a limit, with the limit.
    #[serde(default, skip_serializing)]
    pub degraded: BTreeMap<ActionKind, String>,
    /// Actions it cannot do.
    #[serde(default, skip_serializing)]
    pub unsupported: BTreeSet<ActionKind>,
    /// Its own misbehaviour, in place of the company's.
    #[serde(default, skip_serializing)]
    pub knobs: Option<Knobs>,
}

/// A person, a service or a shared mailbox with accounts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Number in the books of HR; none for services and shared mailboxes.
    pub number: Option<String>,
    /// First name.
    pub given_name: String,
    /// Last name.
    #[serde(default)]
    pub family_name: String,
    /// Work address.
    pub email: Option<String>,
    /// Accounts, by system.
    pub on: BTreeMap<String, AccountSpec>,
}

/// An account as the story begins. What a system does not offer must not be given.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSpec {
    /// Immutable id.
    pub id: String,
    /// Sign-in name; the work address unless given.
    pub login: Option<String>,
    /// `enabled` or `disabled`.
    #[serde(default = "enabled")]
    pub status: AccountStatus,
    /// When the password was set.
    pub password_set: Option<Timestamp>,
    /// Last sign-in.
    pub last_sign_in: Option<Timestamp>,
    /// Open sessions.
    #[serde(default)]
    pub sessions: BTreeSet<String>,
    /// Application passwords.
    #[serde(default)]
    pub app_passwords: BTreeSet<String>,
    /// OAuth grants and second factors.
    #[serde(default)]
    pub tokens: BTreeSet<String>,
    /// Role.
    pub role: Option<String>,
    /// Groups.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Licence.
    pub licence: Option<String>,
    /// Further addresses.
    #[serde(default)]
    pub aliases: BTreeSet<String>,
    /// Storage limit, `5 GB`.
    pub quota: Option<String>,
    /// Mails in the inbox (systems with mail).
    #[serde(default)]
    pub mails: u64,
    /// Their size, `1.2 GB`.
    pub mail_size: Option<String>,
    /// The holder's own rules (systems with mail).
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Files owned (systems with files).
    #[serde(default)]
    pub files: u64,
    /// Their size.
    pub file_size: Option<String>,
    /// Calendars (systems with calendars).
    #[serde(default)]
    pub calendars: Vec<Calendar>,
    /// Contacts (systems with calendars).
    #[serde(default)]
    pub contacts: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

fn thirty() -> u16 {
    30
}

fn enabled() -> AccountStatus {
    AccountStatus::Enabled
}

impl Company {
    /// Reads a description.
    ///
    /// # Errors
    /// [`SandboxError::Company`] with every mistake found.
    pub fn parse(text: &str) -> Result<Self, SandboxError> {
        let company: Self = toml::from_str(text).map_err(|error| SandboxError::Company(error.to_string()))?;
        let mistakes = company.mistakes();
        if mistakes.is_empty() { Ok(company) } else { Err(SandboxError::Company(mistakes.join("; "))) }
    }

    /// A fingerprint of everything the ledger builds on. Knobs and capabilities may change; people and accounts may not.
    pub fn fingerprint(&self) -> String {
        digest::sha256(&serde_json::to_vec(self).unwrap_or_default())
    }

    fn mistakes(&self) -> Vec<String> {
        let mut found: Vec<String> = self.knobs.mistake().into_iter().collect();
        for (name, system) in &self.systems {
            found.extend(
                system.knobs.iter().filter_map(Knobs::mistake).map(|wrong| format!("system `{name}`: {wrong}")),
            );
        }
        let mut ids = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for holder in &self.people {
            for (name, account) in &holder.on {
                let Some(system) = self.systems.get(name) else {
                    found.push(self.unknown_system(name, &account.id));
                    continue;
                };
                if !ids.insert((name, &account.id)) {
                    found.push(format!("system `{name}` has two accounts with the id `{}`", account.id));
                }
                let own = account.aliases.iter().chain(&holder.email).chain(&account.login);
                for address in own.map(|address| address.to_ascii_lowercase()).collect::<BTreeSet<_>>() {
                    if !addresses.insert((name, address.clone())) {
                        found.push(format!("system `{name}` has two accounts that answer to `{address}`"));
                    }
                }
                found.extend(account.mistakes(name, &system.facets));
            }
        }
        found
    }

    fn unknown_system(&self, name: &str, account: &str) -> String {
        let near = self.systems.keys().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let hint = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
        format!("account `{account}` is on `{name}`, which is not among the systems{hint}")
    }
}

impl AccountSpec {
    fn mistakes(&self, system: &str, facets: &[Facet]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lacks = |facet: Facet, given: bool| {
            if given && !facets.contains(&facet) {
                found.push(format!(
                    "account `{}` has {facet} contents, but `{system}` has no {facet}",
                    self.id,
                    facet = facet.as_str()
                ));
            }
        };
        lacks(Facet::Mail, self.mails > 0 || self.mail_size.is_some() || !self.rules.is_empty());
        lacks(Facet::Files, self.files > 0 || self.file_size.is_some());
        lacks(Facet::Calendars, !self.calendars.is_empty() || !self.contacts.is_empty());
        for text in [&self.quota, &self.mail_size, &self.file_size].into_iter().flatten() {
            if size::parse(text).is_none() {
                found.push(format!("account `{}` on `{system}`: `{text}` is not a size such as `5 GB`", self.id));
            }
        }
        if !matches!(self.status, AccountStatus::Enabled | AccountStatus::Disabled) {
            found.push(format!("account `{}` on `{system}` may begin as `enabled` or `disabled`", self.id));
        }
        found
    }
}
