//! Whether somebody can sign in, and what shuts the door. Each kind of server has its own lock.

use super::directory::Change;
use super::entry::Entry;
use super::place::Place;
use super::settings::Profile;
use super::{directory, name};
use crate::connectors::ActionError;

/// `pwdAccountLockedTime` of an account that only an administrator opens again (draft-behera-ldap-password-policy,
/// 5.3.3). Any other value is a lock after wrong passwords, which ends by itself: no closed door.
const FOR_GOOD: &str = "000001010000Z";

/// ACCOUNTDISABLE of `userAccountControl` (MS-ADTS 2.2.16).
const DISABLED: i64 = 0x2;

/// NORMAL_ACCOUNT of `userAccountControl`.
const NORMAL: i64 = 0x200;

/// `shadowExpire` of an account that is closed: it has expired on the second day of 1970 (shadow(5); zero may mean "never").
/// Any other value is a day that somebody has set.
const EXPIRED: &str = "1";

/// The attributes that locks are read from.
pub(super) const ATTRIBUTES: [&str; 5] =
    ["pwdAccountLockedTime", "userAccountControl", "pwdPolicySubentry", "nsAccountLock", "shadowExpire"];

/// Whether nobody can sign in with it.
pub(super) fn is_closed(profile: Profile, entry: &Entry) -> bool {
    match profile {
        Profile::OpenLdap => entry.has("pwdAccountLockedTime", FOR_GOOD),
        Profile::ActiveDirectory => control(entry).is_some_and(|control| control & DISABLED != 0),
        // The server works it out: a role of the account may lock it too.
        Profile::Ds389 => entry.has("nsAccountLock", "true"),
        Profile::Posix => entry.has("shadowExpire", EXPIRED),
        Profile::Lldap => false,
    }
}

/// What a lock writes over, for whoever opens the account again.
pub(super) fn written_over(profile: Profile, entry: &Entry) -> Option<String> {
    match profile {
        Profile::OpenLdap | Profile::ActiveDirectory | Profile::Ds389 | Profile::Lldap => None,
        Profile::Posix => {
            entry.text("shadowExpire").filter(|day| day != EXPIRED).map(|day| format!("shadowExpire was {day}"))
        }
    }
}

fn control(entry: &Entry) -> Option<i64> {
    entry.text("userAccountControl")?.parse().ok()
}

/// What closes an account, or opens it.
pub(super) fn changes(profile: Profile, entry: &Entry, close: bool) -> Result<Vec<Change>, ActionError> {
    let mark = |attribute: &str, value: &str| {
        let values: &[&str] = if close { &[value] } else { &[] };
        directory::replace(attribute, values)
    };
    Ok(match profile {
        Profile::OpenLdap => vec![mark("pwdAccountLockedTime", FOR_GOOD)],
        Profile::Ds389 => vec![mark("nsAccountLock", "true")],
        Profile::Posix if close && !entry.has("objectClass", "shadowAccount") => {
            vec![directory::add("objectClass", "shadowAccount"), mark("shadowExpire", EXPIRED)]
        }
        Profile::Posix => vec![mark("shadowExpire", EXPIRED)],
        Profile::Lldap => return Err(ActionError::fail("lldap has no lock")),
        Profile::ActiveDirectory => {
            let control = control(entry).ok_or_else(|| {
                ActionError::fail("`userAccountControl` is not to be read: usher's user needs the right to")
            })?;
            let control = if close { control | DISABLED } else { control & !DISABLED };
            vec![directory::replace("userAccountControl", &[&control.to_string()])]
        }
    })
}

/// A value of the lock's attribute that no account has. To take it away changes nothing, and shows who may.
pub(super) const fn never(profile: Profile) -> Option<(&'static str, &'static str)> {
    match profile {
        Profile::OpenLdap => Some(("pwdAccountLockedTime", "19000101000000Z")),
        Profile::Ds389 => Some(("nsAccountLock", "never")),
        Profile::Posix => Some(("shadowExpire", "-4711")),
        Profile::ActiveDirectory | Profile::Lldap => None,
    }
}

/// `userAccountControl` of a new account.
pub(super) fn new_control(enabled: bool) -> i64 {
    if enabled { NORMAL } else { NORMAL | DISABLED }
}

impl Place<'_> {
    /// Why a lock would have no effect, if it would not. OpenLDAP takes `pwdAccountLockedTime` in silence and lets
    /// everybody in all the same, where the account's policy does not say `pwdLockout: TRUE`.
    ///
    /// # Errors
    /// When the policies cannot be read.
    pub(super) async fn why_no_lock(&self, entry: &Entry) -> Result<Option<String>, ActionError> {
        match self.settings.profile {
            Profile::OpenLdap => {}
            Profile::ActiveDirectory | Profile::Ds389 | Profile::Posix | Profile::Lldap => return Ok(None),
        }
        let policies = match entry.text("pwdPolicySubentry").or_else(|| self.settings.policy.clone()) {
            Some(dn) => self.directory.named(&dn, &policy_attributes()).await?.into_iter().collect(),
            None => self.policies().await?,
        };
        if policies.is_empty() {
            return Ok(Some(
                "no password policy is to be seen, and without one a lock has no effect: the overlay ppolicy needs a \
                 policy with `pwdLockout: TRUE` that usher's user may read; `policy` names it where it is outside `base`"
                    .to_owned(),
            ));
        }
        let without = policies.iter().find(|policy| !policy.has("pwdLockout", "TRUE"));
        Ok(without.map(|policy| {
            format!(
                "the password policy {} does not say `pwdLockout: TRUE`: a lock would have no effect",
                name::split(&policy.dn).0
            )
        }))
    }

    /// The policies below `base`: any of them may be the one that counts, where the account and the configuration name
    /// none.
    async fn policies(&self) -> Result<Vec<Entry>, ActionError> {
        let filter = "(objectClass=pwdPolicy)";
        self.directory.find(&self.settings.base, ldap3::Scope::Subtree, filter, &policy_attributes(), 50).await
    }
}

fn policy_attributes() -> [String; 1] {
    ["pwdLockout".to_owned()]
}
