//! What a directory can do, before anything is asked of it.

use super::settings::{LdapSettings, Profile};
use crate::run::Capability;
use crate::workflow::{ActionKind, Facet, Place};

/// Who makes a new account of a UNIX machine: numbers are given out by whoever keeps count of them.
pub(super) const NO_NUMBERS: &str =
    "Make the account in the directory, with a `uidNumber` that is free and a home directory";

/// Who changes what lldap takes by its own pages only.
pub(super) const ON_ITS_PAGES: &str =
    "Do it on the pages of lldap, which takes nothing but passwords by LDAP from usher's user";

/// What lldap does, and what is left to its pages; `None` where it is as any other directory.
fn of_lldap(name: &str, action: ActionKind) -> Option<Capability> {
    use ActionKind as A;
    let cannot = |why: &str| Some(Capability::Unsupported(format!("`{name}` {why}")));
    let by_hand = |what: &str| Some(Capability::Manual(format!("{what}. {ON_ITS_PAGES}")));
    match action {
        A::PasswordRotate => Some(Capability::Degraded(format!(
            "`{name}` has no lock: that nobody knows the new password is all that shuts somebody out. Whoever is signed in to its \
             pages stays so until their token ends, and where it mails password resets, whoever reads the address can have another \
             password"
        ))),
        A::AccountDisable => cannot("has no lock: `password.rotate` is what shuts somebody out"),
        A::AccountEnable => cannot("has no lock to open: `password.reset` lets somebody in again"),
        A::VerifyNoAccess => cannot("has no lock to look at: `password.rotate` tries the new password out"),
        A::AccessRemove => by_hand("Take the user out of their groups"),
        A::GroupsAdd | A::GroupsSync => by_hand("Put the user into the groups that are asked for"),
        A::AccountUpdate => by_hand("Correct the user's names and address"),
        A::AccountCreate => by_hand("Create the user, with the employee number where an attribute holds it"),
        A::AccountDelete => by_hand("Delete the user, who is then gone for good, also from all groups"),
        A::AccountRestore | A::AccountPurge => cannot("has no trash: what is deleted there is gone"),
        A::DirectoryHide | A::DirectoryShow => cannot("has nothing that hides an account"),
        _ => None,
    }
}

/// The answer of the system called `name` for `action`.
pub(super) fn of(name: &str, settings: &LdapSettings, action: ActionKind) -> Capability {
    use ActionKind as A;
    let cannot = |why: &str| Capability::Unsupported(format!("`{name}` {why}"));
    let within = |limit: &str| Capability::Degraded(format!("`{name}` {limit}"));
    if settings.profile == Profile::Lldap
        && let Some(answer) = of_lldap(name, action)
    {
        return answer;
    }
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
