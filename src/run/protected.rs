//! Accounts that nobody deletes, and that no run closes by itself: the one that usher signs in with, those that the
//! configuration names, and the last of those who govern a system.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::Account;

/// What the configuration protects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// By which account usher signs in, by system: its immutable id or its sign-in name.
    pub own: BTreeMap<String, String>,
    /// Accounts by system and immutable id.
    pub accounts: BTreeSet<(String, String)>,
    /// Patterns of sign-in names and addresses.
    pub logins: Vec<LoginPattern>,
    /// Whom a system must not lose the last of, by system.
    pub governing: BTreeMap<String, Vec<Governing>>,
}

/// Roles that govern a system: one account at least must be left that has one of them and can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Governing {
    /// What people call such an account.
    pub title: &'static str,
    /// The roles, as the system calls them.
    pub roles: &'static [&'static str],
}

impl Governing {
    /// Whether an account has one of the roles.
    pub fn has(&self, account: &Account) -> bool {
        account
            .attributes
            .get("role")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|role| self.roles.contains(&role))
    }

    /// What is said of the last account of the kind.
    pub fn last_on(&self, system: &str) -> String {
        format!("it is the last {} of {system}", self.title)
    }
}

/// `SYSTEM:PATTERN`, or `PATTERN` for every system; `*` stands for any signs, `?` for one. Case does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginPattern {
    written: String,
    system: Option<String>,
    pattern: Vec<char>,
}

impl LoginPattern {
    /// Reads one.
    ///
    /// # Errors
    /// When it is empty or would protect everybody.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written = text.trim().to_owned();
        let (system, pattern) = match written.split_once(':') {
            Some((system, pattern)) => (Some(system.trim().to_owned()), pattern.trim()),
            None => (None, written.as_str()),
        };
        if pattern.is_empty() || pattern.chars().all(|sign| sign == '*') || system.as_deref() == Some("") {
            return Err(format!("`{text}` names nobody, or everybody; write for example `break-glass*`"));
        }
        let pattern = pattern.to_lowercase().chars().collect();
        Ok(Self { system, pattern, written })
    }

    /// The system it is for, where it is for one.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    fn covers(&self, account: &Account) -> bool {
        self.system.as_deref().is_none_or(|system| system == account.system)
            && names_of(account).any(|name| fits(&self.pattern, &name.to_lowercase().chars().collect::<Vec<_>>()))
    }
}

impl Protected {
    /// Why the account is protected whoever else there is; the last of those who govern a system is found elsewhere.
    pub fn named(&self, account: &Account) -> Option<String> {
        let is = |name: &String| account.external_id == *name || names_of(account).any(|own| own == name);
        if self.own.get(&account.system).is_some_and(is) {
            return Some(format!("usher signs in to {} with it", account.system));
        }
        if self.accounts.contains(&(account.system.clone(), account.external_id.clone())) {
            return Some(format!("[protected] names {}:{}", account.system, account.external_id));
        }
        let pattern = self.logins.iter().find(|pattern| pattern.covers(account))?;
        Some(format!("[protected] names {}, as {}", pattern.written, account.login))
    }

    /// The kinds of governing account that this one is.
    pub fn governs(&self, account: &Account) -> Vec<&Governing> {
        let kinds = self.governing.get(&account.system).into_iter().flatten();
        kinds.filter(|kind| kind.has(account)).collect()
    }
}

/// What an account is called: its sign-in name, its address, its aliases.
fn names_of(account: &Account) -> impl Iterator<Item = &str> {
    let email = account.attributes.get("email").and_then(serde_json::Value::as_str);
    let aliases = account.attributes.get("aliases").and_then(serde_json::Value::as_array);
    let aliases = aliases.into_iter().flatten().filter_map(serde_json::Value::as_str);
    std::iter::once(account.login.as_str()).chain(email).chain(aliases)
}

/// Whether a name fits a pattern.
fn fits(pattern: &[char], name: &[char]) -> bool {
    // Where the last `*` was, and how much of the name it has taken so far.
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(sign) if *sign == '?' || *sign == name[read] => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((begun, taken)) = star else { return false };
                star = Some((begun, taken + 1));
                (at, read) = (begun + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|sign| *sign == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::account;

    fn called(login: &str) -> Account {
        let mut account = account(11, "ldap");
        account.login = login.into();
        account.attributes.insert("email".into(), "glass@example.test".into());
        account
    }

    fn protected(logins: &[&str]) -> Protected {
        let logins = logins.iter().map(|text| LoginPattern::parse(text).unwrap()).collect();
        Protected { logins, ..Protected::default() }
    }

    #[test]
    fn patterns_fit_names_and_addresses_on_their_system() {
        for (pattern, login, fits) in [
            ("svc-*", "svc-backup", true),
            ("svc-*", "SVC-Backup", true),
            ("svc-*", "my-svc-backup", false),
            ("*-admin", "ada-admin", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("root?", "root1", true),
            ("root?", "root", false),
            ("root", "roots", false),
            ("ldap:root", "root", true),
            ("mailhost:root", "root", false),
            ("glass@*", "whoever", true),
        ] {
            assert_eq!(protected(&[pattern]).named(&called(login)).is_some(), fits, "{pattern} {login}");
        }
        for everybody in ["", "*", "ldap:", "ldap:**", ":root"] {
            assert!(LoginPattern::parse(everybody).is_err(), "{everybody}");
        }
    }

    #[test]
    fn ids_and_ushers_own_account_are_named() {
        let mut ids = Protected::default();
        assert_eq!(ids.named(&called("root")), None);
        ids.accounts.insert(("ldap".into(), "ldap-11".into()));
        assert_eq!(ids.named(&called("root")).unwrap(), "[protected] names ldap:ldap-11");
        for own in ["root", "ldap-11"] {
            let own = Protected { own: [("ldap".to_owned(), own.to_owned())].into(), ..Protected::default() };
            assert_eq!(own.named(&called("root")).unwrap(), "usher signs in to ldap with it");
        }
        let other = Protected { own: [("mailhost".to_owned(), "root".to_owned())].into(), ..Protected::default() };
        assert_eq!(other.named(&called("root")), None);
    }
}
