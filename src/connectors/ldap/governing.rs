//! Who administers a directory.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::Scope;

use super::account::ADMINISTRATORS;
use super::entry::Entry;
use super::place::Place;
use super::settings::Profile;
use super::{lock, name};
use crate::connectors::ActionError;

/// The relative id of the domain's administrators (MS-DTYP 2.4.2.4): the group's name depends on the language.
const DOMAIN_ADMINS: u32 = 512;

/// So many administrators are looked at, at most.
const MOST: i32 = 1000;

/// Members of the group that administers a directory, by their names and by what they sign in with.
#[derive(Clone, Debug, Default)]
pub(super) struct Administrators {
    /// As they are compared, and as they are written.
    names: BTreeMap<String, String>,
    logins: BTreeSet<String>,
}

impl Administrators {
    /// Whether the entry is one of them.
    pub(super) fn has(&self, entry: &Entry, login: &str) -> bool {
        self.names.contains_key(&name::plain(&entry.dn))
            || entry.text(login).is_some_and(|login| self.logins.contains(&login))
    }
}

impl Place<'_> {
    /// Who administers the directory; nobody where nothing says so.
    pub(super) async fn administrators(&self) -> Result<Administrators, ActionError> {
        match (self.settings.profile, &self.settings.administrators) {
            (Profile::ActiveDirectory, configured) => self.domain_administrators(configured.as_deref()).await,
            (_, None) => Ok(Administrators::default()),
            (_, Some(dn)) => {
                let wanted = ["member", "uniqueMember", "memberUid"].map(str::to_owned);
                let missing = || ActionError::fail(format!("the group of administrators is not there: {dn}"));
                let group = self.directory.named(dn, &wanted).await?.ok_or_else(missing)?;
                let names = ["member", "uniqueMember"].into_iter().flat_map(|attribute| group.texts(attribute));
                Ok(Administrators { names: by_name(names), logins: group.texts("memberUid").into_iter().collect() })
            }
        }
    }

    /// Groups within the group count too (LDAP_MATCHING_RULE_TRANSITIVE_EVAL, MS-ADTS 3.1.1.3.4.4.3), and so does the primary one.
    async fn domain_administrators(&self, configured: Option<&str>) -> Result<Administrators, ActionError> {
        let (dn, primary) = match configured {
            Some(dn) => (dn.to_owned(), String::new()),
            None => (self.domain_admins().await?, format!("(primaryGroupID={DOMAIN_ADMINS})")),
        };
        let within = name::equals("memberOf:1.2.840.113556.1.4.1941:", &dn);
        let found = self.accounts(&format!("(|{within}{primary})"), MOST).await?;
        Ok(Administrators { names: by_name(found.into_iter().map(|entry| entry.dn)), logins: BTreeSet::new() })
    }

    async fn domain_admins(&self) -> Result<String, ActionError> {
        let base = &self.settings.base;
        let domain = name::domain_root(base);
        let missing = |what: &str| {
            ActionError::fail(format!("{what} of {domain} is not to be seen: name the group in `administrators`"))
        };
        let root = self.directory.named(&domain, &["objectSid".to_owned()]).await?;
        let sid = root.as_ref().and_then(|root| root.bytes("objectSid")).ok_or_else(|| missing("the objectSid"))?;
        let filter = name::equals_bytes("objectSid", &group_sid(sid, DOMAIN_ADMINS));
        let found = self.directory.find(&domain, Scope::Subtree, &filter, &["cn".to_owned()], 1).await?;
        found.into_iter().next().map(|group| group.dn).ok_or_else(|| missing("the group of administrators"))
    }

    /// What would be lost with this account: it is the last administrator that can sign in.
    pub(super) async fn last_of_its_kind(&self, id: &str) -> Result<Option<String>, ActionError> {
        let administrators = self.administrators().await?;
        let Some(own) = self.find(id).await? else { return Ok(None) };
        if !administrators.has(&own, &self.settings.login) {
            return Ok(None);
        }
        let others = administrators.names.values().filter(|dn| !name::same(dn, &own.dn));
        for dn in others {
            if self
                .directory
                .named(dn, &lock::ATTRIBUTES.map(str::to_owned))
                .await?
                .is_some_and(|other| self.governs(&other))
            {
                return Ok(None);
            }
        }
        for login in administrators.logins {
            let found = self.accounts(&name::equals(&self.settings.login, &login), 2).await?;
            if found.iter().any(|other| !name::same(&other.dn, &own.dn) && self.governs(other)) {
                return Ok(None);
            }
        }
        Ok(Some(ADMINISTRATORS.last_on(self.system)))
    }

    /// Whether it is an account that can sign in. usher's own is no administrator that anybody could turn to.
    fn governs(&self, entry: &Entry) -> bool {
        self.is_ours(&entry.dn) && !self.is_own(entry) && !lock::is_closed(self.settings.profile, entry)
    }
}

fn by_name(names: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    names.map(|dn| (name::plain(&dn), dn)).collect()
}

/// The id of a group of a domain: the domain's own, and one part more (MS-DTYP 2.4.2.2).
fn group_sid(domain: &[u8], relative: u32) -> Vec<u8> {
    let mut sid = domain.to_vec();
    if let Some(parts) = sid.get_mut(1) {
        *parts += 1;
    }
    sid.extend(relative.to_le_bytes());
    sid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_id_is_its_domains_and_one_part_more() {
        let domain = [1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];
        let group = group_sid(&domain, DOMAIN_ADMINS);
        assert_eq!((group.len(), group[1], &group[24..]), (28, 5, &[0, 2, 0, 0][..]));
    }
}
