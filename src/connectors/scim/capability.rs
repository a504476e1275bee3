//! What a provider can do, before anything is asked of it.

use super::settings::{Lack, ScimSettings};
use crate::run::Capability;
use crate::workflow::{ActionKind, Facet, Place};

/// The answer of the system called `name` for `action`.
pub(super) fn of(name: &str, settings: &ScimSettings, action: ActionKind) -> Capability {
    use ActionKind as A;
    let cannot = |why: &str| Capability::Unsupported(format!("`{name}` {why}"));
    let within = |limit: &str| Capability::Degraded(format!("`{name}` {limit}"));
    let where_it_has = |what: Lack, answer: Capability| match settings.has(what) {
        true => answer,
        false => cannot(&format!("lacks {}, as the configuration says", what.as_str())),
    };
    match action {
        A::AccountDisable
        | A::AccountEnable
        | A::AccountPurge
        | A::AccountCreate
        | A::AccountsSync
        | A::VerifyNoAccess => Capability::Supported,
        A::AccessRemove => Capability::Supported,
        A::GroupsAdd | A::GroupsSync => where_it_has(Lack::Groups, Capability::Supported),
        A::PasswordRotate | A::PasswordReset => where_it_has(Lack::Password, Capability::Supported),
        A::CredentialsSend => where_it_has(Lack::Password, within("makes no links: the method is `sealed`")),
        A::RoleSet => {
            where_it_has(Lack::Roles, within("keeps the role among the account's `roles`: this one, and no other"))
        }
        A::AccountUpdate => {
            within("changes names and the first address: the sign-in name stays, and the old address goes")
        }
        A::AccountDelete => within("has no trash: the account is closed and stays until the purge"),
        A::AccountRestore => within("has no trash: the account has stayed, and is still closed"),
        A::SessionsRevoke => cannot("shows no sessions: what is signed in stays until the product itself ends it"),
        A::DirectoryHide | A::DirectoryShow => cannot("has nothing that hides an account"),
        A::AppPasswordsRevoke => cannot("has no application passwords"),
        A::TokensRevoke => cannot("has no tokens"),
        A::LicenceRelease => cannot("has no licences: where `entitlements` are such, `access.remove` takes them"),
        A::QuotaSet => cannot("stores nothing to limit"),
        A::ProductBlock | A::ProductUnblock => cannot("is a service provider, which cannot be blocked as a whole"),
        A::MailMaintenance | A::MailEndMaintenance => cannot("has no mail"),
        other => match other.place() {
            Place::On(facet) if facet != Facet::Directory => cannot(&format!("has no {}", facet.as_str())),
            _ => cannot(&format!("does not do `{other}`")),
        },
    }
}
