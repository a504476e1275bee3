//! Accounts that nobody deletes, and that no run closes or deprives of its power by itself: the one that usher signs in with, those that the
//! configuration names, and the last of those who govern a system.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::Account;
use crate::workflow::ActionKind;

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
    /// Whether it has one of the roles now, and would have none any more. Without another role it is closed.
    pub fn gives_up(&self, account: &Account, becomes: Option<&str>) -> bool {
        self.has(account) && !becomes.is_some_and(|role| self.roles.contains(&role))
    }

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

/// What protects an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protects<'a> {
    /// Nothing.
    Nothing,
    /// It is protected whoever else there is, for this reason.
    Always(String),
    /// It is protected where it is the last of one of these kinds.
    LastOf(Vec<&'a Governing>),
}

/// The role that an account would have instead of its own, where an action gives it another one.
pub fn another_role(action: ActionKind, with: &serde_json::Map<String, serde_json::Value>) -> Option<&str> {
    with.get("role").filter(|_| action == ActionKind::RoleSet)?.as_str()
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

    /// What protects an account from being closed, or from another role that it is to have instead.
    pub fn of(&self, account: &Account, becomes: Option<&str>) -> Protects<'_> {
        let kinds = self.governing.get(&account.system).into_iter().flatten();
        let kinds: Vec<&Governing> = kinds.filter(|kind| kind.gives_up(account, becomes)).collect();
        // Another role takes nothing away from whoever governs nothing, or goes on doing so.
        if becomes.is_some() && kinds.is_empty() {
            return Protects::Nothing;
        }
        match self.named(account) {
            Some(why) => Protects::Always(why),
            None if kinds.is_empty() => Protects::Nothing,
            None => Protects::LastOf(kinds),
        }
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
    fn another_role_is_a_matter_for_those_who_govern_only() {
        let admins = Governing { title: "administrator", roles: &["administrator", "owner"] };
        let mut house = protected(&["ada*"]);
        house.governing.insert("ldap".into(), vec![admins.clone()]);
        let with_role = |login: &str, role: &str| {
            let mut account = called(login);
            account.attributes.insert("role".into(), role.into());
            account
        };
        let last = Protects::LastOf(vec![&admins]);
        assert_eq!(house.of(&with_role("grace", "administrator"), None), last);
        assert_eq!(house.of(&with_role("grace", "administrator"), Some("user")), last);
        assert_eq!(house.of(&with_role("grace", "administrator"), Some("owner")), Protects::Nothing);
        assert_eq!(house.of(&with_role("grace", "user"), Some("owner")), Protects::Nothing);
        assert_eq!(house.of(&with_role("grace", "user"), None), Protects::Nothing);
        assert!(matches!(house.of(&with_role("ada", "owner"), Some("user")), Protects::Always(_)));
        assert_eq!(house.of(&with_role("ada", "user"), Some("guest")), Protects::Nothing, "it loses no power");
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
