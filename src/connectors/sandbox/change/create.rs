//! A new account.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::seen;
use crate::connectors::sandbox::account::SandboxAccount;
use crate::connectors::sandbox::digest;
use crate::connectors::sandbox::request::Request;
use crate::connectors::sandbox::state::SystemState;
use crate::connectors::{ActionError, Observation};
use crate::run::AccountStatus;
use crate::secret::Secret;

/// The account asked for. Its own earlier success is recognised by the idempotency key that the account remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct NewAccount {
    key: String,
    email: String,
    login: Option<String>,
    employee_number: Option<String>,
    given_name: String,
    family_name: String,
    display_name: String,
    role: Option<String>,
    groups: BTreeSet<String>,
    aliases: BTreeSet<String>,
    quota_bytes: Option<u64>,
    licence: Option<String>,
    enabled: bool,
    password: String,
    /// Whether a taken address is made free with a number (`ada.keller2@…`) instead of refused.
    number_collisions: bool,
}

impl NewAccount {
    pub(super) fn of(ask: Request<'_>) -> Result<Self, ActionError> {
        let given_name = ask.text(&["given_name", "first_name"]).unwrap_or_default();
        let family_name = ask.text(&["family_name", "last_name"]).unwrap_or_default();
        let full = format!("{given_name} {family_name}").trim().to_owned();
        let quota = ["quota_bytes", "quota", "bytes"];
        let given = quota.iter().any(|name| ask.0.with.get(*name).is_some_and(|value| !value.is_null()));
        Ok(Self {
            key: ask.0.idempotency_key.clone(),
            email: ask.address(&["email", "address"])?,
            login: ask.text(&["login"]),
            employee_number: ask.text(&["employee_number", "number"]),
            display_name: ask.text(&["display_name"]).unwrap_or(full),
            given_name,
            family_name,
            role: ask.text(&["role"]),
            groups: ask.list(&["groups"]).unwrap_or_default(),
            aliases: ask.list(&["aliases"]).unwrap_or_default(),
            quota_bytes: given.then(|| ask.bytes(&quota)).transpose()?,
            licence: ask.text(&["licence"]),
            enabled: ask.flag("enabled").unwrap_or(true),
            password: ask.new_password(),
            number_collisions: ask.text(&["on_collision", "collision"]).is_some_and(|way| way.starts_with("number")),
        })
    }

    /// With a password that was given. The sandbox keeps its name, as of every password.
    pub(super) fn with_password(self, password: &Secret) -> Self {
        Self { password: digest::password(password), ..self }
    }

    pub(super) fn observe(&self, system: &SystemState) -> Observation {
        let made = system.accounts.values().find(|account| account.created_by.as_ref() == Some(&self.key));
        let detail = made.map(|account| format!("created as account `{}`", account.id)).unwrap_or_default();
        seen(made.is_some(), detail, "no account was created by this step")
    }

    pub(super) fn check(&self, system: &SystemState) -> Result<(), ActionError> {
        let number = self.employee_number.as_ref();
        let holder = |account: &&SandboxAccount| number.is_some() && account.employee_number.as_ref() == number;
        if let Some(other) = system.accounts.values().find(holder) {
            return Err(ActionError::fail(format!(
                "`{}` has account `{}` for this employee number already: bind it, or purge it first",
                system.name, other.id
            )));
        }
        let first = if self.number_collisions { None } else { Some(&self.email) };
        let wanted = first.into_iter().chain(&self.aliases).chain(&self.login);
        match wanted.filter_map(|address| system.find(address)).next() {
            Some(other) => Err(ActionError::fail(format!(
                "an address is taken on `{}` by account `{}`: choose another, or `on_collision: number`",
                system.name, other.id
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn apply(&self, system: &mut SystemState, key: &str) {
        let id = unused_id(system);
        let email = if self.number_collisions { free_address(system, &self.email) } else { self.email.clone() };
        let mut account = SandboxAccount {
            login: self.login.clone().unwrap_or_else(|| email.clone()),
            employee_number: self.employee_number.clone(),
            email: Some(email),
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            display_name: self.display_name.clone(),
            status: if self.enabled { AccountStatus::Enabled } else { AccountStatus::Disabled },
            hidden: false,
            password: self.password.clone(),
            id,
            password_set: None,
            sessions: BTreeSet::new(),
            app_passwords: BTreeSet::new(),
            tokens: BTreeSet::new(),
            role: self.role.clone(),
            groups: self.groups.clone(),
            removed: None,
            licence: self.licence.clone(),
            aliases: self.aliases.clone(),
            quota_bytes: self.quota_bytes,
            last_sign_in: None,
            trash: None,
            created_by: Some(key.to_owned()),
            setup_link: None,
            credentials_sent: 0,
            mailbox: None,
            files: None,
            calendars: None,
            archives: BTreeMap::new(),
        };
        system.furnish(&mut account);
        system.put(account);
    }
}

/// An id that no account has or ever had.
fn unused_id(system: &mut SystemState) -> String {
    loop {
        system.created += 1;
        let id = format!("{}-new-{}", system.name, system.created);
        if !system.accounts.contains_key(&id) && !system.gone.contains_key(&id) {
            return id;
        }
    }
}

/// `address`, with the first number behind its local part that makes it free.
fn free_address(system: &SystemState, address: &str) -> String {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let numbered = (2_u32..).map(|number| format!("{local}{number}@{domain}"));
    let mut candidates = std::iter::once(address.to_owned()).chain(numbered);
    candidates.find(|candidate| system.find(candidate).is_none()).unwrap_or_else(|| address.to_owned())
}
