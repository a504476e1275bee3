//! From an entry to an account, as the inventory keeps it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::entry::{Entry, filetime, generalized};
use super::name;
use super::place::Place;
use super::settings::{LdapSettings, Profile};
use super::{governing::Administrators, lock};
use crate::run::{Account, AccountStatus, Governing};

/// Who governs a directory: an enabled member of the group that administers it must be left.
pub(super) const ADMINISTRATORS: Governing = Governing { title: "administrator", roles: &[ADMINISTRATOR] };

/// The role of that group's members.
pub(super) const ADMINISTRATOR: &str = "administrator";

/// What is read of an account.
pub(super) fn attributes(settings: &LdapSettings) -> Vec<String> {
    let own = [settings.profile.id(), &settings.login, &settings.employee_number, "objectClass"];
    let names = ["mail", "givenName", "sn", "displayName", "cn", "memberOf", "department", "manager"];
    let signs: &[&str] = match settings.profile {
        Profile::OpenLdap | Profile::Posix => &["authTimestamp", "pwdLastSuccess", "pwdChangedTime", "creatorsName"],
        Profile::Ds389 => &["lastLoginTime", "pwdUpdateTime", "creatorsName"],
        Profile::ActiveDirectory => &[
            "lastLogonTimestamp",
            "pwdLastSet",
            "userPrincipalName",
            "proxyAddresses",
            "primaryGroupID",
            "accountExpires",
        ],
        Profile::Lldap => &["pwdChangedTime"],
    };
    // lldap complains in its log of each attribute that it does not know, for each account.
    let locks: &[&str] = if settings.profile == Profile::Lldap { &[] } else { &lock::ATTRIBUTES };
    let hidden = settings.hidden.iter().map(|mark| mark.attribute.as_str());
    let all = own.into_iter().chain(names).chain(signs.iter().copied()).chain(locks.iter().copied()).chain(hidden);
    let all: BTreeSet<String> = all.map(str::to_owned).collect();
    all.into_iter().collect()
}

impl Place<'_> {
    /// Where it stands.
    pub(super) fn status(&self, entry: &Entry) -> AccountStatus {
        let closed = lock::is_closed(self.settings.profile, entry);
        match self.is_put_away(entry) {
            _ if !closed => AccountStatus::Enabled,
            true => AccountStatus::Deleted,
            false => AccountStatus::Disabled,
        }
    }

    /// Whether it is where deleted accounts wait.
    pub(super) fn is_put_away(&self, entry: &Entry) -> bool {
        self.settings.deleted.as_ref().is_some_and(|place| name::is_below(&entry.dn, place))
    }

    /// Whether address lists leave it out.
    pub(super) fn is_hidden(&self, entry: &Entry) -> bool {
        self.settings.hidden.as_ref().is_some_and(|mark| entry.has(&mark.attribute, &mark.value))
    }

    /// The account that an entry is; `None` where its id or its sign-in name cannot be read.
    pub(super) fn account(&self, entry: &Entry, administrators: &Administrators) -> Option<Account> {
        let settings = self.settings;
        Some(Account {
            id: 0,
            system: self.system.to_owned(),
            external_id: entry.id(settings.profile)?,
            login: entry.text(&settings.login)?,
            person_id: None,
            status: self.status(entry),
            attributes: self.told(entry, administrators),
            last_sign_in: last_sign_in(settings.profile, entry),
            purge_due: None,
        })
    }

    fn told(&self, entry: &Entry, administrators: &Administrators) -> BTreeMap<String, Value> {
        let mut told = BTreeMap::new();
        let mut tell = |name: &str, value: Option<String>| {
            told.extend(value.map(|value| (name.to_owned(), Value::String(value))));
        };
        tell("employee_number", entry.text(&self.settings.employee_number));
        tell("email", entry.text("mail"));
        tell("display_name", entry.text("displayName").or_else(|| entry.text("cn")));
        tell("given_name", entry.text("givenName"));
        tell("family_name", entry.text("sn"));
        tell("department", entry.text("department"));
        tell("role", administrators.has(entry, &self.settings.login).then(|| ADMINISTRATOR.to_owned()));
        tell("place", Some(name::split(&entry.dn).1.to_owned()));
        let groups: BTreeSet<String> = entry.texts("memberOf").iter().map(|dn| name::value_of(dn)).collect();
        let aliases = aliases(entry);
        for (name, list) in [("groups", groups.into_iter().collect::<Vec<_>>()), ("aliases", aliases)] {
            if !list.is_empty() {
                told.insert(name.to_owned(), json!(list));
            }
        }
        if self.is_hidden(entry) {
            told.insert("hidden".to_owned(), json!(true));
        }
        if self.settings.profile == Profile::ActiveDirectory && entry.text("lastLogonTimestamp").is_some() {
            // Written at most every 14 days (MS-ADTS 6.1.1.2.4.1.5, msDS-LogonTimeSyncInterval).
            told.insert("last_sign_in_within_days".to_owned(), json!(14));
        }
        told
    }
}

/// Further addresses: the other values of `mail`, and what Active Directory keeps as `smtp:…` beside the first one.
fn aliases(entry: &Entry) -> Vec<String> {
    let first = entry.text("mail").unwrap_or_default();
    let proxies = entry.texts("proxyAddresses");
    let proxies = proxies.iter().filter_map(|proxy| {
        let (kind, address) = proxy.split_once(':')?;
        kind.eq_ignore_ascii_case("smtp").then(|| address.to_owned())
    });
    let all: BTreeSet<String> = entry.texts("mail").into_iter().chain(proxies).collect();
    all.into_iter().filter(|address| !address.eq_ignore_ascii_case(&first)).collect()
}

/// The latest sign-in that the server has written down, epoch milliseconds.
pub(super) fn last_sign_in(profile: Profile, entry: &Entry) -> Option<i64> {
    match profile {
        // The overlay `lastbind` writes the one, the server's own `lastbind on` the other.
        Profile::OpenLdap | Profile::Posix => {
            ["authTimestamp", "pwdLastSuccess"].into_iter().filter_map(|name| generalized(&entry.text(name)?)).max()
        }
        // Written by the Account Policy plugin, where that is told to.
        Profile::Ds389 => generalized(&entry.text("lastLoginTime")?),
        Profile::ActiveDirectory => filetime(&entry.text("lastLogonTimestamp")?),
        Profile::Lldap => None,
    }
}
