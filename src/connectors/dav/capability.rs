//! What a server of calendars and files can do, before anything is asked of it.

use super::settings::DavSettings;
use crate::run::Capability;
use crate::workflow::{ActionKind, Facet, Place};

/// What is configured decides what is offered.
pub(super) fn facets(settings: &DavSettings) -> Vec<Facet> {
    let calendars = settings.calendars.is_some() || settings.contacts.is_some();
    let files = settings.files.is_some().then_some(Facet::Files);
    files.into_iter().chain(calendars.then_some(Facet::Calendars)).collect()
}

/// The answer of the system called `name` for `action`.
pub(super) fn of(name: &str, settings: &DavSettings, action: ActionKind) -> Capability {
    use ActionKind as A;
    let cannot = |why: &str| Capability::Unsupported(format!("`{name}` {why}"));
    let has = |configured: bool, what: &str| match configured {
        true => Capability::Supported,
        false => cannot(&format!("has no {what}: `{what}` in the configuration says where they are")),
    };
    match action {
        A::AccountsSync => Capability::Supported,
        A::CalendarsTransfer | A::CalendarsExport => has(settings.calendars.is_some(), "calendars"),
        A::ContactsExport => has(settings.contacts.is_some(), "contacts"),
        A::FilesTransfer | A::FilesArchive => has(settings.files.is_some(), "files"),
        A::AccountDelete => Capability::Manual(format!(
            "Delete what is left of the account on `{name}`: its calendars, address books and files. There is no trash"
        )),
        A::AccountPurge | A::AccountRestore => cannot("has no trash: what is deleted there is gone"),
        A::AccountCreate => cannot("makes homes by itself when somebody first signs in"),
        A::AccountDisable => Capability::Manual(format!(
            "See that the account can no longer sign in to `{name}`: sign-in is closed where its accounts come from (a directory, a \
             file of passwords), which WebDAV does not show"
        )),
        A::AccountEnable => Capability::Manual(format!(
            "See that the account can sign in to `{name}` again: sign-in is opened where its accounts come from"
        )),
        A::VerifyNoAccess => cannot("does not show who can sign in: that is seen where its accounts come from"),
        A::PasswordRotate | A::PasswordReset | A::CredentialsSend => {
            cannot("keeps no passwords of its own: they are changed where its accounts come from")
        }
        A::SessionsRevoke => cannot("has no sessions: each request brings its password along"),
        A::AppPasswordsRevoke | A::TokensRevoke => cannot("shows no application passwords and no tokens"),
        A::AccessRemove | A::GroupsAdd | A::GroupsSync | A::RoleSet => cannot("knows neither groups nor roles"),
        A::DirectoryHide | A::DirectoryShow | A::AccountUpdate => cannot("is no directory of people"),
        A::LicenceRelease => cannot("has no licences"),
        A::QuotaSet => cannot("takes no limits: WebDAV only shows them"),
        A::ProductBlock | A::ProductUnblock => cannot("cannot be blocked as a whole"),
        A::MailMaintenance | A::MailEndMaintenance => cannot("has no mail"),
        other => match other.place() {
            Place::On(facet) if !facets(settings).contains(&facet) => cannot(&format!("has no {}", facet.as_str())),
            _ => cannot(&format!("does not do `{other}`")),
        },
    }
}
