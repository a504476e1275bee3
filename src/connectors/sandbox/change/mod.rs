//! What a simulated system can be asked to do: parsed from a call, checked, observed and applied.
//!
//! One file per family of changes; each knows how to see its goal and how to reach it. Here they only meet.

mod access;
mod archive;
mod create;
mod handover;
mod life;
mod mail;
mod product;
mod profile;
mod world;

use serde::{Deserialize, Serialize};

pub(super) use self::archive::Archives;
pub use self::world::{Delivery, Reply};
use self::{
    access::Access, archive::Archive, create::NewAccount, handover::Handover, life::Life, mail::MailSetting,
    product::Product, profile::Profile,
};
use super::digest;
use super::ledger::Entry;
use super::request::Request;
use super::state::{State, SystemState};
use crate::connectors::{ActionError, Call, Credential, Observation};
use crate::run::{Evidence, EvidenceKind};
use crate::secret::Secret;
use crate::workflow::ActionKind;

pub(super) use self::world::World;

/// Anything that can happen to a simulated system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// Ways in: status, passwords, sessions, rights.
    Access(Access),
    /// Settings of a mailbox.
    Mail(MailSetting),
    /// Names, groups, role, addresses, limits.
    Profile(Profile),
    /// Data given to a colleague.
    Handover(Handover),
    /// Data written into a file.
    Archive(Archive),
    /// Delete, restore, purge.
    Life(Life),
    /// A new account.
    Create(NewAccount),
    /// A system as a whole.
    Product(Product),
    /// A look that changes nothing.
    Look,
    /// What people and senders do.
    World(World),
}

/// Where a change takes place, for those who look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) system: &'a SystemState,
    pub(super) account: Option<&'a str>,
    pub(super) archives: &'a Archives,
}

impl Change {
    /// What `call` asks for.
    ///
    /// # Errors
    /// A final failure for parameters that are missing or make no sense, and for what is not done on a system.
    #[rustfmt::skip]
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        use ActionKind as A;
        let ask = Request(call);
        Ok(match call.action {
            A::AccountDisable => Self::Access(Access::Disable),
            A::AccountEnable => Self::Access(Access::Enable),
            A::PasswordRotate | A::PasswordReset => Self::Access(Access::password(ask)),
            A::CredentialsSend => Self::Access(Access::SendLink(ask.new_password())),
            A::SessionsRevoke => Self::Access(Access::EndSessions),
            A::AppPasswordsRevoke => Self::Access(Access::DropAppPasswords),
            A::TokensRevoke => Self::Access(Access::RevokeTokens),
            A::AccessRemove => Self::Access(Access::RemoveRights),
            A::DirectoryHide => Self::Access(Access::Hide),
            A::DirectoryShow => Self::Access(Access::Show),
            A::MailAutoReply => Self::Mail(MailSetting::auto_reply(ask)?),
            A::MailClearAutoReply => Self::Mail(MailSetting::ClearAutoReply),
            A::MailRedirect => Self::Mail(MailSetting::redirect(ask)?),
            A::MailClearRedirect => Self::Mail(MailSetting::ClearRedirect),
            A::MailClearRules => Self::Mail(MailSetting::ClearRules),
            A::MailDelegate => Self::Mail(MailSetting::delegate(ask)?),
            A::MailUndelegate => Self::Mail(MailSetting::undelegate(ask)?),
            A::MailTransfer => Self::Handover(Handover::mail(ask)?),
            A::FilesTransfer => Self::Handover(Handover::files(ask)?),
            A::CalendarsTransfer => Self::Handover(Handover::calendars(ask)?),
            A::MailArchive | A::FilesArchive | A::CalendarsExport | A::ContactsExport => Self::Archive(Archive::of(call)?),
            A::AccountDelete => Self::Life(Life::Delete),
            A::AccountRestore => Self::Life(Life::Restore),
            A::AccountPurge => Self::Life(Life::Purge),
            A::AccountCreate => Self::Create(NewAccount::of(ask)?),
            A::LicenceRelease | A::GroupsAdd | A::GroupsSync | A::RoleSet | A::AliasAdd | A::AliasRemove
            | A::QuotaSet | A::AccountUpdate => Self::Profile(Profile::of(ask)?),
            A::ProductBlock => Self::Product(Product::Block),
            A::ProductUnblock => Self::Product(Product::Unblock),
            A::MailMaintenance => Self::Product(Product::BeginMaintenance),
            A::MailEndMaintenance => Self::Product(Product::EndMaintenance),
            A::AccountsSync | A::VerifyNoAccess => Self::Look,
            A::NotifyEmail | A::HttpRequest | A::Exec | A::Task | A::Checklist | A::Approval
            | A::ReportInactiveAccounts | A::ReportRoles | A::ReportAliases | A::ReportAccounts => {
                return Err(ActionError::fail(format!("`{}` is not done on a system", call.action)));
            }
        })
    }

    /// The same change, with this password.
    pub(super) fn with_password(self, password: &Secret) -> Self {
        match self {
            Self::Create(new) => Self::Create(new.with_password(password)),
            Self::Access(Access::NewPassword(_)) => Self::Access(Access::NewPassword(digest::password(password))),
            other => other,
        }
    }

    /// A link that the system has made, or a password, known by its digest.
    pub(super) fn credential(what: Credential<'_>, secret: &Secret) -> Self {
        let name = digest::password(secret);
        Self::Access(match what {
            Credential::Link => Access::SendLink(name),
            Credential::Password(_) => Access::NewPassword(name),
        })
    }

    /// Whether the goal of `call`, parsed into `self`, is reached there.
    ///
    /// # Errors
    /// A final failure when the account is not there.
    pub(super) fn observe(&self, call: &Call, at: Place<'_>) -> Result<Observation, ActionError> {
        let Place { system, account, archives } = at;
        Ok(match self {
            Self::Access(access) => access.observe(system.account(account)?),
            Self::Mail(setting) => setting.observe(system.account(account)?),
            Self::Profile(profile) => profile.observe(system.account(account)?),
            Self::Handover(handover) => handover.observe(system, system.account(account)?)?,
            Self::Archive(archive) => archive.observe(system.account(account)?, archives),
            Self::Life(life) => life.observe(system, account)?,
            Self::Create(new) => new.observe(system),
            Self::Product(product) => product.observe(system),
            Self::Look if call.action == ActionKind::VerifyNoAccess => access::no_way_in(system, account)?,
            Self::Look => read_back(format!("{} accounts read", system.accounts.len())),
            Self::World(_) => Observation::Unobservable,
        })
    }

    /// Says no to what the system would refuse.
    ///
    /// # Errors
    /// A final failure with the system's words.
    pub(super) fn check(&self, at: Place<'_>) -> Result<(), ActionError> {
        let Place { system, account, .. } = at;
        match self {
            Self::Access(access) => access.check(system.account(account)?),
            Self::Profile(profile) => profile.check(system, system.account(account)?),
            Self::Life(life) => life.check(system, system.account(account)?),
            Self::Create(new) => new.check(system),
            Self::Archive(archive) => archive.check(system.account(account)?),
            Self::Mail(setting) => setting.check(system.account(account)?),
            Self::Handover(_) | Self::Product(_) | Self::Look | Self::World(_) => Ok(()),
        }
    }

    /// What must exist outside the ledger before the effect may be written down (an archive's file).
    ///
    /// # Errors
    /// When it cannot be brought about; nothing has had an effect then.
    pub(super) fn prepare(self, at: Place<'_>) -> Result<Self, ActionError> {
        match self {
            Self::Archive(archive) => {
                let account = at.system.account(at.account)?;
                Ok(Self::Archive(archive.write(at.system, account, at.archives)?))
            }
            other => Ok(other),
        }
    }
}

impl State {
    /// Carries the state on by one line of the ledger. What no longer fits is let pass: the ledger is the truth.
    pub(super) fn fold(&mut self, entry: &Entry) {
        if !entry.changed {
            return;
        }
        if let Change::World(world) = &entry.change {
            return world.apply(self, entry);
        }
        let Some(system) = self.systems.get_mut(&entry.system) else { return };
        let id = entry.account.as_deref();
        match &entry.change {
            Change::Create(new) => new.apply(system, &entry.key),
            Change::Product(product) => product.apply(system),
            Change::Handover(handover) => handover.apply(system, id),
            Change::Life(life) => life.apply(system, entry),
            Change::Access(access) => system.alter(id, |account| access.apply(account, entry.at)),
            Change::Mail(setting) => system.alter(id, |account| setting.apply(account)),
            Change::Profile(profile) => system.alter(id, |account| profile.apply(account)),
            Change::Archive(archive) => system.alter(id, |account| archive.apply(account)),
            Change::Look | Change::World(_) => {}
        }
    }
}

/// The goal is reached: `detail` was read there.
fn read_back(detail: impl Into<String>) -> Observation {
    Observation::Reached(Evidence { kind: EvidenceKind::ReadBack, detail: detail.into() })
}

/// Reached with `reached` if it `is`, else not, with `seen`.
fn seen(is: bool, reached: impl Into<String>, seen: impl Into<String>) -> Observation {
    if is { read_back(reached) } else { Observation::NotReached(seen.into()) }
}
