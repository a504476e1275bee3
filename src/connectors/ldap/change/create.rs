//! A new account. It is recognised by what it was to be: its sign-in name, and its holder's number.

use std::collections::HashSet;

use super::membership;
use super::password::unicode_bytes;
use crate::connectors::ldap::directory::Attributes;
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::place::Place;
use crate::connectors::ldap::settings::Profile;
use crate::connectors::ldap::{capability, error, lock, name};
use crate::connectors::looking::in_doubt;
use crate::connectors::wording::Newcomer;
use crate::connectors::{ActionError, Call, Observation};
use crate::secret::Secret;

/// What a new account is to be.
#[derive(Clone, Debug)]
pub(in crate::connectors::ldap) struct NewAccount(Newcomer);

/// The longest sign-in name of Active Directory (`sAMAccountName`, MS-ADA3 2.222: 20 signs for users).
const LONGEST: usize = 20;

impl NewAccount {
    pub(in crate::connectors::ldap) fn of(call: &Call) -> Result<Self, ActionError> {
        Newcomer::of(call).map(Self)
    }

    /// The entry that this account is, as far as it is made.
    ///
    /// # Errors
    /// A final failure where the sign-in name is somebody else's, or the holder has another account.
    pub(in crate::connectors::ldap) async fn find(&self, at: &Place<'_>) -> Result<Option<Entry>, ActionError> {
        let login = name::equals(&at.settings.login, &self.0.login);
        let number = self.0.employee_number.as_ref().map(|number| name::equals(&at.settings.employee_number, number));
        let filter = format!("(|{login}{})", number.unwrap_or_default());
        let found = at.accounts(&filter, 10).await?;
        let is_it = |entry: &Entry| {
            let number = self.0.employee_number.as_ref();
            entry.has(&at.settings.login, &self.0.login)
                && number == entry.text(&at.settings.employee_number).as_ref()
                && (self.0.employee_number.is_some() || entry.text("mail") == self.0.email)
        };
        match found.iter().find(|entry| !is_it(entry)) {
            None => Ok(found.into_iter().next()),
            Some(other) => {
                let id = other.id(at.settings.profile).unwrap_or_default();
                let what = match other.has(&at.settings.login, &self.0.login) {
                    true => "the sign-in name is taken",
                    false => "the employee number has an account already",
                };
                Err(ActionError::fail(format!("{what} on {} by account {id}: bind it, or choose another", at.system)))
            }
        }
    }

    pub(super) async fn observe(&self, at: &Place<'_>) -> Result<Observation, ActionError> {
        let Some(entry) = self.find(at).await? else {
            return Ok(Observation::NotReached("there is no such account yet".to_owned()));
        };
        let mut open = Vec::new();
        if !has_password(at, &entry) {
            open.push("it has no password yet".to_owned());
        }
        if lock::is_closed(at.settings.profile, &entry) == self.0.enabled {
            open.push(if self.0.enabled { "it is closed" } else { "it is open" }.to_owned());
        }
        if let Some(groups) = &self.0.groups
            && let Observation::NotReached(why) = membership::observe(groups, &entry, at).await?
        {
            open.push(why);
        }
        let id = entry.id(at.settings.profile).unwrap_or_default();
        Ok(Observation::seen(open.is_empty(), format!("created as account {id}"), open.join("; ")))
    }

    /// Makes the account, or what is missing of it: it gets its password before anybody could sign in without one.
    pub(super) async fn apply(&self, at: &Place<'_>, password: Option<&Secret>) -> Result<(), ActionError> {
        let password = password.ok_or_else(|| ActionError::fail("`account.create` came without a password"))?;
        let entry = match self.find(at).await? {
            Some(entry) => self.ours(entry, at)?,
            None => self.make(at, password).await?,
        };
        if !has_password(at, &entry) {
            at.set_password(&entry, password).await?;
        }
        let entry = self.find(at).await?.unwrap_or(entry);
        match lock::is_closed(at.settings.profile, &entry) {
            true if self.0.enabled => at.change(&entry, lock::changes(at.settings.profile, &entry, false)?).await?,
            false if !self.0.enabled => at.close(&entry).await?,
            _ => {}
        }
        match &self.0.groups {
            Some(groups) => membership::apply(groups, &entry, at).await.map(drop),
            None => Ok(()),
        }
    }

    /// What an earlier attempt has begun is gone on with; what others have made is left alone.
    fn ours(&self, entry: Entry, at: &Place<'_>) -> Result<Entry, ActionError> {
        let maker = entry.text("creatorsName");
        if at.settings.profile == Profile::ActiveDirectory
            || maker.is_some_and(|maker| name::same(&maker, &at.settings.user))
        {
            return Ok(entry);
        }
        let id = entry.id(at.settings.profile).unwrap_or_default();
        Err(ActionError::fail(format!(
            "account {id} on {} is there already, made by somebody else: bind it",
            at.system
        )))
    }

    async fn make(&self, at: &Place<'_>, password: &Secret) -> Result<Entry, ActionError> {
        let mut tried = Vec::new();
        for dn in self.names(at) {
            let answer = at.directory.insert(&dn, self.attributes(at, password)?).await?;
            if answer.rc == error::SUCCESS {
                let lost = || ActionError::unknown("the account was made, and is not to be seen among the accounts");
                return self.find(at).await.map_err(in_doubt)?.ok_or_else(lost);
            }
            tried.push(name::split(&dn).0.to_owned());
        }
        Err(ActionError::fail(format!("{} is taken in {}", tried.join(" and "), at.settings.people)))
    }

    /// What the entry may be called. Two people with one name are told apart by what they sign in with.
    fn names(&self, at: &Place<'_>) -> Vec<String> {
        let people = &at.settings.people;
        match at.settings.profile {
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix | Profile::Lldap => {
                vec![name::below(&at.settings.login, &self.0.login, people)]
            }
            Profile::ActiveDirectory => {
                let apart = format!("{} ({})", self.0.display_name, self.0.login);
                [&self.0.display_name, &apart].map(|name| name::below("CN", name, people)).to_vec()
            }
        }
    }

    fn attributes(&self, at: &Place<'_>, password: &Secret) -> Result<Attributes, ActionError> {
        let mut texts: Vec<(&str, &str)> =
            vec![(&at.settings.login, &self.0.login), ("displayName", &self.0.display_name)];
        let number = at.settings.employee_number.as_str();
        let may = [(number, &self.0.employee_number), ("givenName", &self.0.given_name), ("mail", &self.0.email)];
        texts.extend(may.iter().filter_map(|(attribute, value)| Some((*attribute, value.as_deref()?))));
        let mut attributes = Attributes::new();
        let mut put = |attribute: &str, value: Vec<u8>| attributes.push((attribute.into(), HashSet::from([value])));
        match at.settings.profile {
            Profile::Posix => return Err(ActionError::fail(capability::NO_NUMBERS)),
            Profile::Lldap => return Err(ActionError::fail(capability::ON_ITS_PAGES)),
            Profile::OpenLdap | Profile::Ds389 => {
                put("objectClass", b"inetOrgPerson".to_vec());
                if at.settings.profile == Profile::Ds389 {
                    // The server hashes it, and holds it against its policy.
                    put("userPassword", password.expose().as_bytes().to_vec());
                }
                texts.push(("cn", &self.0.display_name));
                // RFC 4519, 3.12: a person has a family name.
                texts.push(("sn", self.0.family_name.as_ref().unwrap_or(&self.0.display_name)));
            }
            Profile::ActiveDirectory => {
                if self.0.login.chars().count() > LONGEST || self.0.login.contains('@') {
                    return Err(ActionError::fail(format!(
                        "a sign-in name of Active Directory has at most {LONGEST} signs and no `@`: say with `sign_in` how \
                         they are made there"
                    )));
                }
                put("objectClass", b"user".to_vec());
                put("userPrincipalName", format!("{}@{}", self.0.login, at.settings.domain).into_bytes());
                put("userAccountControl", lock::new_control(self.0.enabled).to_string().into_bytes());
                put("unicodePwd", unicode_bytes(password));
                texts.extend(self.0.family_name.as_deref().map(|name| ("sn", name)));
            }
        }
        for (attribute, value) in texts {
            put(attribute, value.as_bytes().to_vec());
        }
        Ok(attributes)
    }
}

/// Whether it has been given a password. The others make the account with its password, in one.
fn has_password(at: &Place<'_>, entry: &Entry) -> bool {
    at.settings.profile != Profile::OpenLdap || entry.text("pwdChangedTime").is_some()
}
