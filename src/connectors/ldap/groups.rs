//! Groups: found by name, and by whom they hold. The groups themselves are asked, not `memberOf`: that is a mirror which
//! not every server has, and which some keep late.

use std::collections::BTreeMap;

use ldap3::{LdapResult, Scope};

use super::directory::{self, Target};
use super::entry::Entry;
use super::place::Place;
use super::settings::Profile;
use super::{error, name};
use crate::connectors::{ActionError, membership};

/// An account is in so many groups, at most.
pub(super) const MOST: i32 = 1000;

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) dn: String,
    /// What people call it.
    pub(super) name: String,
    /// The attribute of its members, and whether that holds sign-in names.
    pub(super) members: &'static str,
}

impl Group {
    fn of(entry: &Entry) -> Self {
        let members = if entry.has("objectClass", "groupOfUniqueNames") {
            "uniqueMember"
        } else if entry.has("objectClass", "posixGroup") && !entry.has("objectClass", "groupOfNames") {
            "memberUid"
        } else {
            "member"
        };
        let name = entry.text("cn").unwrap_or_else(|| name::value_of(&entry.dn));
        Self { dn: entry.dn.clone(), name, members }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        name::same(&self.dn, &other.dn)
    }
}

impl membership::Group for Group {
    fn name(&self) -> &str {
        &self.name
    }

    /// What people call it, or its whole name.
    fn is(&self, called: &str) -> bool {
        self.name.eq_ignore_ascii_case(called) || (called.contains('=') && name::same(&self.dn, called))
    }
}

/// What became of the change of one membership: what the server said where it refused.
pub(super) type Refused = BTreeMap<String, String>;

impl Place<'_> {
    /// All groups that hold an account.
    pub(super) async fn groups_of(&self, account: &Entry) -> Result<Vec<Group>, ActionError> {
        let dn = &account.dn;
        let by_name = name::equals("member", dn);
        let holds = match self.settings.profile {
            Profile::ActiveDirectory => by_name,
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix | Profile::Lldap => {
                let login = account.text(&self.settings.login).unwrap_or_default();
                let (unique, uid) = (name::equals("uniqueMember", dn), name::equals("memberUid", &login));
                format!("(|{by_name}{unique}{uid})")
            }
        };
        self.groups(&holds, MOST).await
    }

    pub(super) async fn groups(&self, filter: &str, most: i32) -> Result<Vec<Group>, ActionError> {
        let filter = format!("(&{}{filter})", self.settings.profile.groups());
        let wanted = ["cn", "objectClass"].map(str::to_owned);
        let found = self.directory.find(&self.settings.groups, Scope::Subtree, &filter, &wanted, most).await?;
        let mut groups: Vec<Group> = found.iter().map(Group::of).collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }

    /// The group that is called so, or has this name in the directory.
    ///
    /// # Errors
    /// A final failure where there is none, or more than one.
    pub(super) async fn group(&self, called: &str) -> Result<Group, ActionError> {
        let below = &self.settings.groups;
        if called.contains('=') {
            let wanted = ["cn", "objectClass"].map(str::to_owned);
            let found = self.directory.named(called, &wanted).await?.filter(|entry| name::is_below(&entry.dn, below));
            let missing = || ActionError::fail(format!("there is no group {called} below {below}"));
            return found.as_ref().map(Group::of).ok_or_else(missing);
        }
        let mut found = self.groups(&name::equals("cn", called), 2).await?;
        match (found.pop(), found.pop()) {
            (Some(group), None) => Ok(group),
            (None, _) => Err(ActionError::fail(format!("there is no group called `{called}` below {below}"))),
            (Some(_), Some(_)) => Err(ActionError::fail(format!(
                "several groups below {below} are called `{called}`: write the whole name, `cn={called},…`"
            ))),
        }
    }

    /// Lets an account into a group. Being in it already is no refusal.
    pub(super) async fn join(&self, group: &Group, account: &Entry) -> Result<(), ActionError> {
        let value = self.member(group, account)?;
        let change = vec![directory::add(group.members, &value)];
        // Active Directory says that the entry exists where it means the value.
        let known = [error::VALUE_EXISTS, error::ENTRY_EXISTS];
        self.directory.modify(&Target::named(&group.dn), change, &known).await.map(drop)
    }

    /// Takes an account out of groups, each by itself: one that refuses keeps the account in none of the others. What
    /// each refusal said.
    ///
    /// # Errors
    /// When the directory does not answer; the text names the groups that were left by then.
    pub(super) async fn leave(&self, groups: &[Group], account: &Entry) -> Result<Refused, ActionError> {
        let mut refused = Refused::new();
        for (number, group) in groups.iter().enumerate() {
            let left = |error| membership::after(&groups[..number], error);
            let answer = self.leave_one(group, account).await.map_err(left)?;
            if answer.rc != error::SUCCESS {
                refused.insert(group.name.clone(), error::words(&answer));
            }
        }
        Ok(refused)
    }

    async fn leave_one(&self, group: &Group, account: &Entry) -> Result<LdapResult, ActionError> {
        let value = self.member(group, account)?;
        let target = Target::named(&group.dn);
        let known = [error::NO_SUCH_ATTRIBUTE, error::UNWILLING, error::OBJECT_CLASS_VIOLATION, error::NO_RIGHT];
        let gone = || directory::delete(group.members, &value);
        let answer = self.directory.modify(&target, vec![gone()], &known).await?;
        match &self.settings.placeholder {
            // A group of names may not be empty (RFC 4519, 3.5).
            Some(placeholder) if answer.rc == error::OBJECT_CLASS_VIOLATION && group.members != "memberUid" => {
                let changes = vec![directory::add(group.members, placeholder), gone()];
                self.directory.modify(&target, changes, &known).await
            }
            _ => Ok(answer),
        }
    }

    fn member(&self, group: &Group, account: &Entry) -> Result<String, ActionError> {
        if group.members != "memberUid" {
            return Ok(account.dn.clone());
        }
        let missing = || ActionError::fail(format!("the account has no `{}`", self.settings.login));
        account.text(&self.settings.login).ok_or_else(missing)
    }
}
