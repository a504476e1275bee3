//! What an account is: names, groups, role, addresses, limits.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::seen;
use crate::connectors::sandbox::account::SandboxAccount;
use crate::connectors::sandbox::request::Request;
use crate::connectors::sandbox::state::SystemState;
use crate::connectors::{ActionError, Observation};
use crate::workflow::ActionKind;

/// A change of what an account is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Profile {
    /// In these groups too.
    AddGroups(BTreeSet<String>),
    /// In these groups, and in none of the others that are managed; without a list of those, in no others at all.
    SyncGroups {
        /// Those to be in.
        groups: BTreeSet<String>,
        /// Those that are given and taken; all others are let be.
        managed: Option<BTreeSet<String>>,
    },
    /// This role.
    SetRole(String),
    /// One address more.
    AddAlias(String),
    /// One address less.
    RemoveAlias(String),
    /// This storage limit, in bytes.
    SetQuota(u64),
    /// No licence used.
    ReleaseLicence,
    /// Other names.
    Rename(Names),
}

/// Names to correct; those not given stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Names {
    given_name: Option<String>,
    family_name: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    login: Option<String>,
}

impl Profile {
    pub(super) fn of(ask: Request<'_>) -> Result<Self, ActionError> {
        Ok(match ask.0.action {
            ActionKind::GroupsAdd => Self::AddGroups(ask.required_list(&["groups", "add"])?),
            ActionKind::GroupsSync => {
                Self::SyncGroups { groups: ask.required_list(&["groups"])?, managed: ask.list(&["managed"]) }
            }
            ActionKind::RoleSet => Self::SetRole(ask.required(&["role"])?),
            ActionKind::AliasAdd => Self::AddAlias(ask.required(&["alias", "address"])?),
            ActionKind::AliasRemove => Self::RemoveAlias(ask.required(&["alias", "address"])?),
            ActionKind::QuotaSet => Self::SetQuota(ask.bytes(&["bytes", "quota", "quota_bytes", "limit", "size"])?),
            ActionKind::LicenceRelease => Self::ReleaseLicence,
            _ => Self::Rename(Names::of(ask)?),
        })
    }

    pub(super) fn check(&self, system: &SystemState, account: &SandboxAccount) -> Result<(), ActionError> {
        match self {
            Self::AddAlias(alias) => free(system, account, &complete(account, alias)),
            Self::Rename(names) => {
                let address = names.email.iter().map(|address| complete(account, address));
                address.chain(names.login.clone()).try_for_each(|address| free(system, account, &address))
            }
            Self::RemoveAlias(address) if is_first(account, address) => Err(ActionError::fail(format!(
                "that address is the first one of account `{}`: give the account another before removing it",
                account.id
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn observe(&self, account: &SandboxAccount) -> Observation {
        match self {
            Self::AddGroups(groups) => {
                let missing = groups.difference(&account.groups).count();
                seen(missing == 0, format!("in {} groups", account.groups.len()), format!("{missing} groups missing"))
            }
            Self::SyncGroups { groups, managed } => {
                let wanted = synced(account, groups, managed.as_ref());
                let differ = wanted.symmetric_difference(&account.groups).count();
                seen(differ == 0, format!("in {} groups", wanted.len()), format!("{differ} groups differ"))
            }
            Self::SetRole(role) => {
                let present = account.role.as_deref().unwrap_or("none");
                seen(present == role, format!("role {present}"), format!("role {present}"))
            }
            Self::AddAlias(alias) => seen(has_alias(account, alias), "alias there", "alias not there"),
            Self::RemoveAlias(alias) => {
                let there = has_alias(account, alias) || is_first(account, alias);
                seen(!there, "alias not there", "alias there")
            }
            Self::SetQuota(bytes) => {
                let present = account.quota_bytes.map_or("no limit".to_owned(), |bytes| format!("limit {bytes} bytes"));
                seen(account.quota_bytes == Some(*bytes), present.clone(), present)
            }
            Self::ReleaseLicence => seen(account.licence.is_none(), "no licence used", "a licence is used"),
            Self::Rename(names) => seen(names.are_those_of(account), "names as asked", "other names"),
        }
    }

    pub(super) fn apply(&self, account: &mut SandboxAccount) {
        match self {
            Self::AddGroups(groups) => account.groups.extend(groups.iter().cloned()),
            Self::SyncGroups { groups, managed } => account.groups = synced(account, groups, managed.as_ref()),
            Self::SetRole(role) => account.role = Some(role.clone()),
            Self::AddAlias(alias) => {
                let alias = complete(account, alias);
                account.aliases.insert(alias);
            }
            Self::RemoveAlias(alias) => {
                let alias = complete(account, alias);
                account.aliases.retain(|own| !same(own, &alias));
            }
            Self::SetQuota(bytes) => account.quota_bytes = Some(*bytes),
            Self::ReleaseLicence => account.licence = None,
            Self::Rename(names) => names.give_to(account),
        }
    }
}

impl Names {
    fn of(ask: Request<'_>) -> Result<Self, ActionError> {
        let names = Self {
            given_name: ask.text(&["given_name", "first_name"]),
            family_name: ask.text(&["family_name", "last_name"]),
            display_name: ask.text(&["display_name"]),
            email: ask.text(&["email", "address"]),
            login: ask.text(&["login"]),
        };
        let given = [&names.given_name, &names.family_name, &names.display_name, &names.email, &names.login];
        if given.into_iter().all(Option::is_none) {
            return Err(ActionError::fail(
                "`account.update` needs one of `given_name`, `family_name`, `display_name`, `address`, `login`",
            ));
        }
        Ok(names)
    }

    fn are_those_of(&self, account: &SandboxAccount) -> bool {
        let text = |wanted: &Option<String>, present: &str| wanted.as_deref().is_none_or(|wanted| wanted == present);
        text(&self.given_name, &account.given_name)
            && text(&self.family_name, &account.family_name)
            && text(&self.display_name, &account.display_name)
            && text(&self.login, &account.login)
            && self.email.as_ref().is_none_or(|wanted| is_first(account, wanted))
    }

    fn give_to(&self, account: &mut SandboxAccount) {
        let put = |wanted: &Option<String>, present: &mut String| {
            if let Some(wanted) = wanted {
                present.clone_from(wanted);
            }
        };
        put(&self.given_name, &mut account.given_name);
        put(&self.family_name, &mut account.family_name);
        put(&self.display_name, &mut account.display_name);
        put(&self.login, &mut account.login);
        let Some(address) = self.email.as_ref().map(|address| complete(account, address)) else { return };
        let Some(old) = account.email.replace(address.clone()).filter(|old| !same(old, &address)) else { return };
        // Who signs in with the address signs in with the new one; mail to the old one goes on arriving.
        if same(&account.login, &old) {
            account.login.clone_from(&address);
        }
        if account.mailbox.is_some() {
            account.aliases.retain(|alias| !same(alias, &address));
            account.aliases.insert(old);
        }
    }
}

/// The groups of an account once it is synced: those asked for, and those that nobody manages.
fn synced(account: &SandboxAccount, groups: &BTreeSet<String>, managed: Option<&BTreeSet<String>>) -> BTreeSet<String> {
    let unmanaged = |group: &&String| managed.is_some_and(|managed| !managed.contains(*group));
    account.groups.iter().filter(unmanaged).chain(groups).cloned().collect()
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The address that `alias` means: itself, or the part before the `@` of the account's own domain.
fn complete(account: &SandboxAccount, alias: &str) -> String {
    match account.email.as_deref().and_then(|first| first.split_once('@')) {
        Some((_, domain)) if !alias.contains('@') => format!("{alias}@{domain}"),
        _ => alias.to_owned(),
    }
}

fn has_alias(account: &SandboxAccount, alias: &str) -> bool {
    let alias = &complete(account, alias);
    account.aliases.iter().any(|own| same(own, alias))
}

fn is_first(account: &SandboxAccount, address: &str) -> bool {
    let address = complete(account, address);
    account.email.as_deref().is_some_and(|first| same(first, &address))
}

/// Refuses an address that another account has.
fn free(system: &SystemState, account: &SandboxAccount, address: &str) -> Result<(), ActionError> {
    match system.find(address).filter(|other| other.id != account.id) {
        Some(other) => Err(ActionError::fail(format!(
            "the address is taken on `{}` by account `{}`: choose another, or free it there",
            system.name, other.id
        ))),
        None => Ok(()),
    }
}
