//! A directory at hand, with what is configured of it.

use ldap3::Scope;

use super::account::attributes;
use super::connection::Door;
use super::directory::Directory;
use super::entry::{self, Entry};
use super::name;
use super::settings::{LdapSettings, Profile};
use crate::connectors::{ActionError, Call};

/// Where an action takes place.
pub(super) struct Place<'a> {
    pub(super) system: &'a str,
    pub(super) settings: &'a LdapSettings,
    pub(super) directory: Directory<'a>,
}

impl<'a> Place<'a> {
    pub(super) async fn enter(
        system: &'a str,
        settings: &'a LdapSettings,
        door: &'a Door,
    ) -> Result<Self, ActionError> {
        Ok(Self { system, settings, directory: Directory::enter(door, settings.profile).await? })
    }

    /// The entry of the account with this immutable id; `None` where there is none, or it is no account.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Entry>, ActionError> {
        let profile = self.settings.profile;
        let wrong = || ActionError::fail(format!("`{id}` is no id of an account on {}", self.system));
        let bytes = entry::id_bytes(profile, id).ok_or_else(wrong)?;
        let own = match profile {
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix | Profile::Lldap => name::equals(profile.id(), id),
            Profile::ActiveDirectory => name::equals_bytes(profile.id(), &entry::swapped(bytes)),
        };
        let found = self.accounts(&own, 2).await?;
        Ok(found.into_iter().find(|entry| entry.id(profile).is_some_and(|own| own.eq_ignore_ascii_case(id))))
    }

    /// The account that a call is about.
    pub(super) async fn subject(&self, call: &Call) -> Result<Entry, ActionError> {
        let id =
            call.account.as_deref().ok_or_else(|| ActionError::fail(format!("`{}` needs an account", call.action)))?;
        let none = || ActionError::fail(format!("there is no account with the id {id} on {}", self.system));
        self.find(id).await?.ok_or_else(none)
    }

    /// Accounts that fit a filter besides.
    pub(super) async fn accounts(&self, filter: &str, most: i32) -> Result<Vec<Entry>, ActionError> {
        let filter = format!("(&{}{filter})", self.settings.filter);
        let wanted = attributes(self.settings);
        let found = self.directory.find(&self.settings.base, Scope::Subtree, &filter, &wanted, most).await?;
        Ok(found.into_iter().filter(|entry| self.is_ours(&entry.dn)).collect())
    }

    /// Whether accounts are kept there.
    pub(super) fn is_ours(&self, dn: &str) -> bool {
        name::is_below(dn, &self.settings.people)
            || self.settings.deleted.as_ref().is_some_and(|place| name::is_below(dn, place))
    }

    /// Whether usher signs in with it.
    pub(super) fn is_own(&self, entry: &Entry) -> bool {
        signs_in_with(self.settings, entry)
    }

    /// Refuses to shut usher itself out.
    ///
    /// # Errors
    /// A final failure when usher signs in with it.
    pub(super) fn not_own(&self, entry: &Entry) -> Result<(), ActionError> {
        match self.is_own(entry) {
            true => Err(ActionError::fail(format!("usher signs in to {} with this account", self.system))),
            false => Ok(()),
        }
    }
}

fn signs_in_with(settings: &LdapSettings, entry: &Entry) -> bool {
    let LdapSettings { user, base, login, .. } = settings;
    // Active Directory lets everybody in by `LOGIN@DOMAIN`, whatever their entry says (MS-ADTS 5.1.1.1.1).
    let here = |domain: &str| domain.eq_ignore_ascii_case(&name::domain_of(base));
    let by_domain = user.split_once('@').filter(|(_, domain)| here(domain)).map(|(name, _)| name);
    let by_short = user.split_once('\\').map(|(_, name)| name);
    name::same(&entry.dn, user)
        || entry.has("userPrincipalName", user)
        || by_domain.into_iter().chain(by_short).any(|name| entry.has(login, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::ldap::settings::Security;
    use crate::secret::SecretRef;

    fn signing_in_as(user: &str) -> LdapSettings {
        let base = "OU=Staff,DC=corp,DC=example,DC=org".to_owned();
        LdapSettings {
            profile: Profile::ActiveDirectory,
            url: "ldaps://dc1".to_owned(),
            security: Security::Tls,
            ca: None,
            user: user.to_owned(),
            password: SecretRef::Env("X".to_owned()),
            people: base.clone(),
            groups: base.clone(),
            deleted: None,
            filter: Profile::ActiveDirectory.filter().to_owned(),
            login: "sAMAccountName".to_owned(),
            employee_number: "employeeNumber".to_owned(),
            hidden: None,
            policy: None,
            administrators: None,
            placeholder: None,
            domain: "corp.example.org".to_owned(),
            base,
            page: 500,
            timeout: LdapSettings::TIMEOUT,
        }
    }

    #[test]
    fn ushers_own_account_is_known_by_whatever_it_signs_in_with() {
        let own = Entry::sample(
            "CN=usher,OU=Staff,DC=corp,DC=example,DC=org",
            &[("sAMAccountName", "svc-usher"), ("userPrincipalName", "usher@sign-in.example")],
        );
        let other =
            Entry::sample("CN=Ada,OU=Staff,DC=corp", &[("sAMAccountName", "ada"), ("userPrincipalName", "ada@x")]);
        for user in [
            "cn=usher, ou=staff,dc=corp,dc=example,dc=org",
            "Usher@sign-in.example",
            "svc-usher@CORP.example.org",
            "CORP\\svc-usher",
        ] {
            assert!(signs_in_with(&signing_in_as(user), &own), "{user}");
            assert!(!signs_in_with(&signing_in_as(user), &other), "{user}");
        }
        assert!(!signs_in_with(&signing_in_as("svc-usher@elsewhere.example"), &own), "another domain's");
    }
}
