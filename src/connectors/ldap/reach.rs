//! `usher systems test`: what works, which rights are missing, what is done with limits.

use ldap3::Scope;

use super::account::{attributes, last_sign_in};
use super::capability;
use super::connection::Door;
use super::directory::{self, Target};
use super::entry::Entry;
use super::place::Place;
use super::settings::{LdapSettings, Profile, Security};
use super::{error, lock, name};
use crate::connectors::looking::Findings;
use crate::connectors::{ActionError, Reach};

/// Tries everything that can be tried without changing anything.
pub(super) async fn test(system: &str, settings: &LdapSettings, door: &Door) -> Reach {
    let mut findings = Findings::default();
    let place = match Place::enter(system, settings, door).await {
        Ok(place) => place,
        Err(error) => return Reach { findings: vec![error.to_string()], ok: false },
    };
    let secured = match settings.security {
        Security::Tls | Security::StartTls => "the server's certificate is verified",
        Security::None => "in the clear, on this machine",
    };
    findings.good(format!("{} answers to {} ({}, {secured})", settings.url, settings.user, settings.security.as_str()));
    if settings.profile == Profile::Ds389 && settings.security == Security::None {
        findings.bad("passwords are changed over TLS only: 389 Directory Server refuses it in the clear");
    }
    if let Err(error) = place.look(&mut findings).await {
        findings.bad(error.to_string());
    }
    findings.limits(|action| capability::of(system, settings, action));
    findings.reach()
}

impl Place<'_> {
    async fn look(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let settings = self.settings;
        let places = [
            ("people", Some(&settings.people)),
            ("groups", Some(&settings.groups)),
            ("deleted", settings.deleted.as_ref()),
        ];
        for (key, dn) in places {
            let Some(dn) = dn else { continue };
            if self.directory.named(dn, &["objectClass".to_owned()]).await?.is_none() {
                findings.bad(format!("`{key}` is not there, or may not be read: {dn}"));
            }
        }
        let found =
            self.directory.find(&settings.people, Scope::Subtree, &settings.filter, &attributes(settings), 20).await?;
        let sample = found.iter().find(|entry| !self.is_own(entry) && entry.id(settings.profile).is_some());
        match (found.first(), sample) {
            (None, _) => findings.bad(format!("no accounts below {} fit {}", settings.people, settings.filter)),
            (Some(_), None) => findings.bad(format!("`{}` of accounts may not be read", settings.profile.id())),
            (Some(_), Some(account)) => self.look_at(account, findings).await?,
        }
        self.look_at_sign_ins(&found, findings);
        self.look_at_administrators(findings).await
    }

    /// Whether the server writes down who signs in. Nothing else shows which accounts are unused.
    fn look_at_sign_ins(&self, found: &[Entry], findings: &mut Findings) {
        let profile = self.settings.profile;
        if found.iter().any(|entry| !self.is_own(entry) && last_sign_in(profile, entry).is_some()) {
            return;
        }
        let by = match profile {
            Profile::Lldap => "lldap does not write it down",
            Profile::OpenLdap | Profile::Posix => "the overlay lastbind, or `lastbind on`, writes it down",
            Profile::Ds389 => "the Account Policy plugin writes it down, with `alwaysRecordLogin: yes`",
            Profile::ActiveDirectory => "the domain writes `lastLogonTimestamp`",
        };
        findings.good(format!("of {} accounts that were looked at, none shows a last sign-in: {by}", found.len()));
    }

    async fn look_at(&self, account: &Entry, findings: &mut Findings) -> Result<(), ActionError> {
        findings.good("accounts can be read");
        if account.text(&self.settings.login).is_none() {
            findings.bad(format!("accounts without `{}` are left out, and this one has none", self.settings.login));
        }
        match self.why_no_lock(account).await? {
            None if self.settings.profile == Profile::OpenLdap => {
                findings.good("locks have an effect (`pwdLockout: TRUE`)");
            }
            None => {}
            Some(why) => findings.bad(why),
        }
        let missing = match self.settings.profile {
            Profile::Lldap => return self.look_at_own_groups(findings).await,
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix => self.refused_by_trial(account).await?,
            Profile::ActiveDirectory => self.not_effective(account).await?,
        };
        match missing.as_slice() {
            [] => findings.good("accounts can be closed, renamed and given passwords"),
            missing => findings.bad(format!("usher's user has no right to write {}", missing.join(", "))),
        }
        self.look_at_groups(findings).await
    }

    /// Deletes values that are not there: who has the right is told so, and nothing changes either way.
    async fn refused_by_trial(&self, account: &Entry) -> Result<Vec<String>, ActionError> {
        let mut missing = Vec::new();
        let names = [("mail", "nobody@usher.invalid"), ("displayName", "no such name")];
        let never = lock::never(self.settings.profile).into_iter().chain(names);
        let mark = self.settings.hidden.iter().map(|mark| (mark.attribute.as_str(), mark.value.as_str()));
        let mark = mark.filter(|(attribute, value)| !account.has(attribute, value));
        for (attribute, value) in never.chain(mark) {
            if self.is_refused(&account.dn, attribute, value).await? {
                missing.push(attribute.to_owned());
            }
        }
        Ok(missing)
    }

    async fn is_refused(&self, dn: &str, attribute: &str, value: &str) -> Result<bool, ActionError> {
        let trial = vec![directory::delete(attribute, value)];
        let known = [error::NO_SUCH_ATTRIBUTE, error::NO_RIGHT, error::OBJECT_CLASS_VIOLATION];
        let answer = self.directory.modify(&Target::named(dn), trial, &known).await?;
        Ok(answer.rc == error::NO_RIGHT)
    }

    /// Active Directory says itself what one may write (MS-ADTS 3.1.1.4.5.19).
    async fn not_effective(&self, account: &Entry) -> Result<Vec<String>, ActionError> {
        let effective = "allowedAttributesEffective".to_owned();
        let found = self.directory.named(&account.dn, std::slice::from_ref(&effective)).await?.unwrap_or_default();
        let wanted = ["userAccountControl", "displayName", "mail", "givenName", "sn"];
        let mark = self.settings.hidden.iter().map(|mark| mark.attribute.as_str());
        let missing = wanted.into_iter().chain(mark).filter(|attribute| !found.has(&effective, attribute));
        Ok(missing.map(str::to_owned).collect())
    }

    async fn look_at_groups(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let wanted = ["member", "allowedAttributesEffective"].map(str::to_owned);
        let filter = self.settings.profile.groups();
        let found = self.directory.find(&self.settings.groups, Scope::Subtree, filter, &wanted, 1).await?;
        let Some(group) = found.first() else {
            findings.good(format!("there are no groups below {}", self.settings.groups));
            return Ok(());
        };
        let refused = match self.settings.profile {
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix | Profile::Lldap => {
                let nobody = name::below("cn", "no such member", &self.settings.base);
                self.is_refused(&group.dn, "member", &nobody).await?
            }
            Profile::ActiveDirectory => !group.has("allowedAttributesEffective", "member"),
        };
        match refused {
            true => findings.bad("usher's user has no right to write the members of groups"),
            false => findings.good("members of groups can be changed"),
        }
        Ok(())
    }

    /// What one may do in lldap follows from one's own groups.
    async fn look_at_own_groups(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let wanted = ["memberOf".to_owned()];
        let own = self.directory.named(&self.settings.user, &wanted).await?.unwrap_or_default();
        let groups = own.texts("memberOf");
        let is_in = |group: &str| groups.iter().any(|dn| name::value_of(dn) == group);
        match () {
            () if is_in("lldap_admin") => findings.good("passwords can be changed, those of administrators too"),
            () if is_in("lldap_password_manager") => {
                findings.good("passwords can be changed, except those of administrators");
            }
            () => findings.bad("usher's user has no right to change passwords: put it into `lldap_password_manager`"),
        }
        Ok(())
    }

    async fn look_at_administrators(&self, findings: &mut Findings) -> Result<(), ActionError> {
        if self.settings.governing().is_empty() {
            findings.good("nothing says who administers the directory: `administrators` names their group");
            return Ok(());
        }
        self.administrators().await?;
        findings.good("the last administrator that can sign in is protected");
        Ok(())
    }
}
