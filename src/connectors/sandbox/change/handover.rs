//! Data given to a colleague on the same system: mails copied, files and calendars passed on.

use serde::{Deserialize, Serialize};

use super::{read_back, seen};
use crate::connectors::sandbox::account::{FileStoreShare, Folder, SandboxAccount};
use crate::connectors::sandbox::request::Request;
use crate::connectors::sandbox::state::SystemState;
use crate::connectors::{ActionError, Observation};
use crate::run::AccountStatus;

/// Data going to the colleague with the address in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Handover {
    /// Copies all mails into a folder. Its own earlier success is recognised by the folder's name and source.
    Mail {
        /// The colleague's address.
        to: String,
        /// The folder; `From` and the account's name unless given.
        folder: Option<String>,
    },
    /// Passes on every file. Done when the account owns none.
    Files {
        /// The colleague's address.
        to: String,
    },
    /// Passes on every calendar. Done when the account owns none.
    Calendars {
        /// The colleague's address.
        to: String,
    },
}

impl Handover {
    pub(super) fn mail(ask: Request<'_>) -> Result<Self, ActionError> {
        Ok(Self::Mail { to: ask.address(&["to"])?, folder: ask.text(&["folder"]) })
    }

    pub(super) fn files(ask: Request<'_>) -> Result<Self, ActionError> {
        Ok(Self::Files { to: ask.address(&["to"])? })
    }

    pub(super) fn calendars(ask: Request<'_>) -> Result<Self, ActionError> {
        Ok(Self::Calendars { to: ask.address(&["to"])? })
    }

    fn to(&self) -> &str {
        match self {
            Self::Mail { to, .. } | Self::Files { to } | Self::Calendars { to } => to,
        }
    }

    pub(super) fn observe(&self, system: &SystemState, from: &SandboxAccount) -> Result<Observation, ActionError> {
        let colleague = self.colleague(system, from)?;
        let to = &colleague.id;
        let what = match self {
            Self::Mail { folder, .. } => return mail_there(colleague, from, &folder_name(folder.as_deref(), from)),
            Self::Files { .. } => "files",
            Self::Calendars { .. } => "calendars",
        };
        let (left, given) = self.counts(from, colleague);
        let done = format!("owns no {what}; account `{to}` has {given} that were its own");
        Ok(seen(left == 0, done, format!("owns {left} {what}")))
    }

    /// The one who takes over: another account, and not one in the trash, where the data would soon be lost.
    fn colleague<'a>(&self, system: &'a SystemState, from: &SandboxAccount) -> Result<&'a SandboxAccount, ActionError> {
        let name = &system.name;
        match system.find(self.to()) {
            None => {
                Err(ActionError::fail(format!("`{name}` has no account with the address of the one to hand over to")))
            }
            Some(same) if same.id == from.id => {
                Err(ActionError::fail(format!("account `{}` cannot hand over to itself", from.id)))
            }
            Some(gone) if gone.status == AccountStatus::Deleted => Err(ActionError::fail(format!(
                "account `{}` on `{name}` is deleted: name another to hand over to",
                gone.id
            ))),
            Some(colleague) => Ok(colleague),
        }
    }

    /// What the account still owns, and what the colleague has of it.
    fn counts(&self, from: &SandboxAccount, to: &SandboxAccount) -> (u64, u64) {
        if let Self::Files { .. } = self {
            let left = from.files.as_ref().map_or(0, |files| files.count);
            let share = to.files.as_ref().and_then(|files| files.received.get(&from.id));
            return (left, share.map_or(0, |share| share.count));
        }
        let calendars = |account: &SandboxAccount, former: Option<&String>| {
            let all = account.calendars.iter().flat_map(|agenda| &agenda.calendars);
            all.filter(|calendar| former.is_none() || calendar.former_owner.as_ref() == former).count() as u64
        };
        (calendars(from, None), calendars(to, Some(&from.id)))
    }

    pub(super) fn apply(&self, system: &mut SystemState, from: Option<&str>) {
        let Some(to) = system.find(self.to()).map(|account| account.id.clone()) else { return };
        let Some(mut giver) = from.and_then(|id| system.take(id)) else { return };
        if let Some(taker) = system.accounts.get_mut(&to) {
            self.move_data(&mut giver, taker);
        }
        system.put(giver);
    }

    fn move_data(&self, giver: &mut SandboxAccount, taker: &mut SandboxAccount) {
        match self {
            Self::Mail { folder, .. } => copy_mail(giver, taker, folder_name(folder.as_deref(), giver)),
            Self::Files { .. } => move_files(giver, taker),
            Self::Calendars { .. } => move_calendars(giver, taker),
        }
    }
}

fn mail_there(to: &SandboxAccount, from: &SandboxAccount, folder: &str) -> Result<Observation, ActionError> {
    let there = to.mailbox.as_ref().and_then(|mailbox| mailbox.folders.get(folder));
    let id = &to.id;
    match there {
        None => Ok(Observation::NotReached(format!("account `{id}` has no such folder"))),
        Some(there) if there.from.as_ref() == Some(&from.id) => {
            Ok(read_back(format!("{} mails in a folder of account `{id}`", there.mails)))
        }
        Some(_) => {
            Err(ActionError::fail(format!("account `{id}` has a folder of that name with other mails: name another")))
        }
    }
}

fn folder_name(given: Option<&str>, from: &SandboxAccount) -> String {
    given.map_or_else(|| format!("From {}", from.display_name), str::to_owned)
}

fn copy_mail(giver: &SandboxAccount, taker: &mut SandboxAccount, folder: String) {
    let (Some(from), Some(to)) = (&giver.mailbox, &mut taker.mailbox) else { return };
    let mails = from.folders.values().map(|folder| folder.mails).sum();
    let bytes = from.folders.values().map(|folder| folder.bytes).sum();
    to.folders.insert(folder, Folder { mails, bytes, from: Some(giver.id.clone()) });
}

fn move_files(giver: &mut SandboxAccount, taker: &mut SandboxAccount) {
    let (Some(from), Some(to)) = (&mut giver.files, &mut taker.files) else { return };
    let FileStoreShare { count, bytes } = to.received.remove(&giver.id).unwrap_or_default();
    let share = FileStoreShare { count: count + from.count, bytes: bytes + from.bytes };
    to.received.insert(giver.id.clone(), share);
    (from.count, from.bytes) = (0, 0);
}

fn move_calendars(giver: &mut SandboxAccount, taker: &mut SandboxAccount) {
    let (Some(from), Some(to)) = (&mut giver.calendars, &mut taker.calendars) else { return };
    for mut calendar in from.calendars.drain(..) {
        calendar.former_owner = Some(giver.id.clone());
        to.calendars.push(calendar);
    }
}
