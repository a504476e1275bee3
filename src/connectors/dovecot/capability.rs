//! What a mail host can do, before anything is asked of it.

use super::settings::DovecotSettings;
use crate::run::Capability;
use crate::workflow::{ActionKind, Facet, Place};

/// The answer of the system called `name` for `action`.
pub(super) fn of(name: &str, settings: &DovecotSettings, action: ActionKind) -> Capability {
    use ActionKind as A;
    let cannot = |why: &str| Capability::Unsupported(format!("`{name}` {why}"));
    let within = |limit: &str| Capability::Degraded(format!("`{name}` {limit}"));
    match action {
        A::AccountDisable | A::AccountEnable => lock(name, settings, action),
        A::PasswordRotate | A::PasswordReset | A::CredentialsSend | A::AccountCreate => account(name, settings, action),
        A::AccountDelete | A::AccountRestore | A::AccountPurge => life(name, settings, action),
        A::SessionsRevoke
        | A::MailAutoReply
        | A::MailClearAutoReply
        | A::MailRedirect
        | A::MailClearRedirect
        | A::MailUndelegate
        | A::AccountsSync => Capability::Supported,
        A::MailClearRules => {
            within("puts the person's own script aside and keeps it: whoever can sign in may use it again")
        }
        A::MailDelegate => within("shares the folders that are there: those made later are not shared"),
        A::VerifyNoAccess if settings.locks() => Capability::Supported,
        A::VerifyNoAccess => within("sees sessions and forwards, and not whether sign-in is allowed"),
        A::QuotaSet if settings.limits() => Capability::Supported,
        A::QuotaSet => {
            cannot("has its limits where its accounts are, and neither `passwd_file` nor `columns.quota` says where")
        }
        A::MailArchive | A::MailTransfer if settings.imap.is_some() && settings.master.is_some() => {
            Capability::Supported
        }
        A::MailArchive | A::MailTransfer => {
            cannot("is not read by IMAP: its configuration has no `imap`, or no master user")
        }
        A::AppPasswordsRevoke => cannot("has no application passwords"),
        A::TokensRevoke => cannot("has no tokens"),
        A::LicenceRelease => cannot("has no licences"),
        A::AccessRemove | A::GroupsAdd | A::GroupsSync | A::RoleSet => cannot("has neither groups nor roles"),
        A::AccountUpdate => cannot("knows its accounts by their address, and no names"),
        A::DirectoryHide | A::DirectoryShow => cannot("has no address list"),
        A::AliasAdd | A::AliasRemove => {
            cannot("delivers what arrives: aliases belong to the mail transport in front of it")
        }
        A::MailMaintenance | A::MailEndMaintenance => {
            cannot("cannot refuse readers as a whole while it goes on receiving")
        }
        other => match other.place() {
            Place::On(facet) if facet != Facet::Mail => cannot(&format!("has no {}", facet.as_str())),
            _ => cannot(&format!("does not do `{other}`")),
        },
    }
}

/// The lock works for every kind of account store: Dovecot asks the deny file first, or a column says who may sign in.
fn lock(name: &str, settings: &DovecotSettings, action: ActionKind) -> Capability {
    match settings.directory() {
        _ if settings.locks() => Capability::Supported,
        Some(directory) => {
            Capability::Unsupported(format!("people sign in to `{name}` by `{directory}`: it is done there"))
        }
        None => Capability::Manual(format!(
            "Carry out `{action}` where the accounts of {name} are kept, so that mail goes on arriving; `deny_file` in the \
             configuration would let usher do it"
        )),
    }
}

/// Passwords and new accounts are a matter of the account store.
fn account(name: &str, settings: &DovecotSettings, action: ActionKind) -> Capability {
    match settings.directory() {
        Some(directory) => Capability::Unsupported(format!(
            "`{name}` has its accounts and passwords from `{directory}`: it is done there"
        )),
        None if action == ActionKind::AccountCreate && settings.has_passwords() && !settings.notes() => {
            Capability::Manual(format!(
                "Make the account where those of {name} are kept; with `columns.note` usher would do it, and know its own again"
            ))
        }
        None if action == ActionKind::CredentialsSend && settings.has_passwords() => {
            Capability::Degraded(format!("`{name}` makes no links: the method is `sealed`"))
        }
        None if settings.has_passwords() => Capability::Supported,
        None => Capability::Manual(format!(
            "Carry out `{action}` where the accounts of {name} are kept; `passwd_file` or `table` in the configuration would let \
             usher do it"
        )),
    }
}

fn life(name: &str, settings: &DovecotSettings, action: ActionKind) -> Capability {
    let limit = match action {
        ActionKind::AccountDelete => "has no trash: the account is closed, and mail goes on arriving until the purge",
        ActionKind::AccountRestore => "gives the account back closed: enable it besides",
        _ => "leaves the emptied home folder behind",
    };
    match settings.directory() {
        _ if settings.notes() && settings.locks() => Capability::Degraded(format!("`{name}` {limit}")),
        Some(directory) => {
            Capability::Unsupported(format!("`{name}` has its accounts from `{directory}`: they are deleted there"))
        }
        None => Capability::Manual(format!(
            "Carry out `{action}` where the accounts of {name} are kept; with `passwd_file` and `deny_file`, or with `table` and its \
             columns `active` and `note`, usher would do it"
        )),
    }
}
