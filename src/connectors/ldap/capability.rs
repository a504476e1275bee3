//! What a directory can do, before anything is asked of it.

use super::settings::{LdapSettings, Profile};
use crate::run::Capability;
use crate::workflow::{ActionKind, Facet, Place};

/// Who makes a new account of a UNIX machine: numbers are given out by whoever keeps count of them.
pub(super) const NO_NUMBERS: &str =
    "Make the account in the directory, with a `uidNumber` that is free and a home directory";

/// The answer of the system called `name` for `action`.
pub(super) fn of(name: &str, settings: &LdapSettings, action: ActionKind) -> Capability {
    use ActionKind as A;
    let cannot = |why: &str| Capability::Unsupported(format!("`{name}` {why}"));
    let within = |limit: &str| Capability::Degraded(format!("`{name}` {limit}"));
    if settings.profile == Profile::Posix {
        match action {
            A::AccountDisable | A::VerifyNoAccess => {
                return within(
                    "has accounts of UNIX machines, which expire by `shadowExpire`: PAM and sssd refuse them. The directory \
                     itself lets in whoever knows the password, so rotate that too",
                );
            }
            A::AccountCreate => return Capability::Manual(NO_NUMBERS.to_owned()),
            _ => {}
        }
    }
    match action {
        A::AccountDisable
        | A::AccountEnable
        | A::PasswordRotate
        | A::PasswordReset
        | A::AccessRemove
        | A::GroupsAdd
        | A::GroupsSync
        | A::AccountPurge
        | A::AccountsSync
        | A::VerifyNoAccess => Capability::Supported,
        A::AccountUpdate => within("delivers no mail: an old address becomes no alias there"),
        A::AccountCreate => Capability::Supported,
        A::DirectoryHide | A::DirectoryShow => match &settings.hidden {
            Some(_) => Capability::Supported,
            None => cannot("has nothing that hides an account: `hidden` in the configuration names an attribute"),
        },
        A::AccountDelete => match &settings.deleted {
            Some(_) => within("has no trash: the account is closed and moved to where `deleted` says, until the purge"),
            None => within("has no trash: the account is closed and stays where it is until the purge"),
        },
        A::AccountRestore => {
            within("does not know where the account was: it goes to where `people` says, still closed")
        }
        A::CredentialsSend => within("makes no links: the method is `sealed`"),
        A::SessionsRevoke => cannot("has no sessions to end: what is signed in elsewhere stays until that ends it"),
        A::RoleSet => cannot("has no roles but groups: use `groups.add`"),
        A::AppPasswordsRevoke => cannot("has no application passwords"),
        A::TokensRevoke => cannot("has no tokens"),
        A::LicenceRelease => cannot("has no licences"),
        A::QuotaSet => cannot("stores nothing to limit"),
        A::ProductBlock | A::ProductUnblock => cannot("is a directory, which cannot be blocked as a whole"),
        A::MailMaintenance | A::MailEndMaintenance => cannot("has no mail"),
        other => match other.place() {
            Place::On(facet) if facet != Facet::Directory => cannot(&format!("has no {}", facet.as_str())),
            _ => cannot(&format!("does not do `{other}`")),
        },
    }
}
