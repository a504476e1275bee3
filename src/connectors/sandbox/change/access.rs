//! Ways into an account: its status, passwords, sessions, tokens and rights.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{read_back, seen};
use crate::connectors::sandbox::account::SandboxAccount;
use crate::connectors::sandbox::request::Request;
use crate::connectors::sandbox::state::SystemState;
use crate::connectors::{ActionError, Observation};
use crate::run::AccountStatus;
use crate::workflow::ActionKind;

/// A change of the ways in. Each sets a state: asking twice is asking once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Access {
    /// No sign-in from now on. Open sessions stay open and mail goes on arriving.
    Disable,
    /// Sign-in again.
    Enable,
    /// Another password, known by the name of its generation only.
    NewPassword(String),
    /// A link to set a password is made for the holder, known by the name of its digest only.
    SendLink(String),
    /// No open sessions.
    EndSessions,
    /// No application passwords.
    DropAppPasswords,
    /// No OAuth grants and second factors.
    RevokeTokens,
    /// No role and no groups; what there was is remembered.
    RemoveRights,
    /// Not in address lists.
    Hide,
    /// In address lists.
    Show,
}

impl Access {
    /// A rotation, a new password, or a link, as the call's `mode` (or `method`) says.
    pub(super) fn password(ask: Request<'_>) -> Self {
        let way = ask.text(&["mode", "method", "how"]).unwrap_or_default();
        if ask.0.action == ActionKind::PasswordReset && way.contains("link") {
            return Self::SendLink(ask.new_password());
        }
        Self::NewPassword(ask.new_password())
    }

    pub(super) fn check(&self, account: &SandboxAccount) -> Result<(), ActionError> {
        if matches!(self, Self::Enable) && account.status == AccountStatus::Deleted {
            let why = format!("account `{}` is in the trash: restore it before enabling it", account.id);
            return Err(ActionError::fail(why));
        }
        Ok(())
    }

    pub(super) fn observe(&self, account: &SandboxAccount) -> Observation {
        let status = account.status.as_str();
        match self {
            Self::Disable => seen(account.status != AccountStatus::Enabled, status, status),
            Self::Enable => seen(account.status == AccountStatus::Enabled, status, status),
            Self::NewPassword(_) | Self::SendLink(_) => Observation::Unobservable,
            Self::EndSessions => none_left(account.sessions.len(), "open sessions"),
            Self::DropAppPasswords => none_left(account.app_passwords.len(), "application passwords"),
            Self::RevokeTokens => none_left(account.tokens.len(), "tokens"),
            Self::RemoveRights => {
                none_left(account.groups.len() + usize::from(account.role.is_some()), "groups and roles")
            }
            Self::Hide => seen(account.hidden, "hidden from address lists", "shown in address lists"),
            Self::Show => seen(!account.hidden, "shown in address lists", "hidden from address lists"),
        }
    }

    pub(super) fn apply(&self, account: &mut SandboxAccount, at: Timestamp) {
        match self {
            Self::Disable => account.status = AccountStatus::Disabled,
            Self::Enable => {
                account.status = AccountStatus::Enabled;
                // Where there is no trash, enabling takes a deletion back.
                account.trash = None;
            }
            Self::NewPassword(generation) => {
                account.password.clone_from(generation);
                account.password_set = Some(at);
            }
            Self::SendLink(name) => {
                account.setup_link = Some(name.clone());
                account.credentials_sent += 1;
            }
            Self::EndSessions => account.sessions.clear(),
            Self::DropAppPasswords => account.app_passwords.clear(),
            Self::RevokeTokens => account.tokens.clear(),
            Self::RemoveRights => remove_rights(account),
            Self::Hide => account.hidden = true,
            Self::Show => account.hidden = false,
        }
    }
}

fn none_left(count: usize, what: &str) -> Observation {
    seen(count == 0, format!("no {what}"), format!("{count} {what}"))
}

fn remove_rights(account: &mut SandboxAccount) {
    let role = account.role.take();
    let groups = std::mem::take(&mut account.groups);
    let removed = account.removed.get_or_insert_default();
    removed.role = role.or_else(|| removed.role.take());
    removed.groups.extend(groups);
}

/// Whether every way into the account is shut; names those that are not.
///
/// # Errors
/// A final failure for an account that never was. One that was purged has no way in.
pub(super) fn no_way_in(system: &SystemState, id: Option<&str>) -> Result<Observation, ActionError> {
    if let Some(at) = id.and_then(|id| system.gone.get(id)) {
        return Ok(read_back(format!("purged at {at}")));
    }
    let account = system.account(id)?;
    let mailbox = account.mailbox.as_ref();
    let forwards = mailbox.map_or(0, |mailbox| mailbox.rules.iter().filter(|rule| rule.forward_to.is_some()).count());
    let mut open = Vec::new();
    if account.status == AccountStatus::Enabled {
        open.push("the account is enabled".to_owned());
    }
    for (count, what) in [
        (account.sessions.len(), "open sessions"),
        (account.app_passwords.len(), "application passwords"),
        (account.tokens.len(), "tokens"),
        (forwards, "forwards of its own"),
    ] {
        if count > 0 {
            open.push(format!("{count} {what}"));
        }
    }
    let still = format!("account `{}` on `{}` still has a way in: {}", account.id, system.name, open.join(", "));
    let shut = format!("{}, no sessions, application passwords, tokens or forwards", account.status.as_str());
    Ok(seen(open.is_empty(), shut, still))
}
