//! What a mail host can be asked to do: parsed from a call, observed, applied, and looked at again.
//!
//! One file per family of changes; each knows how to see its goal and how to reach it.

mod access;
mod create;
mod life;
mod password;
mod quota;
mod rules;
mod settings;
mod sharing;

use self::access::Access;
pub(super) use self::create::NewAccount;
use self::life::Life;
use self::quota::Limit;
use self::settings::Setting;
use self::sharing::Sharing;
use super::DovecotSystem;
use super::imap::{self, Transfer};
use super::name::UserName;
use crate::connectors::looking::Applied;
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Capability, Evidence};
use crate::secret::Secret;
use crate::workflow::ActionKind;

/// What a call asks for.
enum Change {
    /// The lock, sessions, and whether there is a way in.
    Access(Access),
    /// Another password.
    Password,
    /// Answers, redirects, and the person's own rules.
    Setting(Setting),
    /// Who reads along.
    Sharing(Sharing),
    /// The storage limit.
    Quota(Limit),
    /// Delete, restore, purge.
    Life(Life),
    /// All that is in it, into an archive.
    Archive,
    /// All that is in it, to a colleague.
    Transfer(Transfer),
    /// A new account.
    Create(Box<NewAccount>),
}

impl Change {
    fn of(call: &Call, at: &DovecotSystem) -> Result<Self, ActionError> {
        use ActionKind as A;
        if let Capability::Unsupported(why) | Capability::Manual(why) = at.capability(call.action) {
            return Err(ActionError::fail(why));
        }
        Ok(match call.action {
            A::AccountDisable => Self::Access(Access::Close),
            A::AccountEnable => Self::Access(Access::Open),
            A::SessionsRevoke => Self::Access(Access::EndSessions),
            A::VerifyNoAccess => Self::Access(Access::NoWayIn),
            A::PasswordRotate | A::PasswordReset | A::CredentialsSend => Self::Password,
            A::MailAutoReply => Self::Setting(Setting::auto_reply(call)?),
            A::MailClearAutoReply => Self::Setting(Setting::AutoReply(None)),
            A::MailRedirect => Self::Setting(Setting::redirect(call)?),
            A::MailClearRedirect => Self::Setting(Setting::Redirect(None)),
            A::MailClearRules => Self::Setting(Setting::NoRules),
            A::MailDelegate => Self::Sharing(Sharing::with(call)?),
            A::MailUndelegate => Self::Sharing(Sharing::Nobody),
            A::QuotaSet => Self::Quota(Limit::of(call)?),
            A::MailArchive => Self::Archive,
            A::MailTransfer => Self::Transfer(handover(call)?),
            A::AccountDelete => Self::Life(Life::Delete),
            A::AccountRestore => Self::Life(Life::Restore),
            A::AccountPurge => Self::Life(Life::Purge),
            A::AccountCreate => Self::Create(Box::new(NewAccount::of(call, at)?)),
            other => return Err(ActionError::fail(format!("a mail host does not do `{other}`"))),
        })
    }

    async fn observe(&self, call: &Call, at: &DovecotSystem) -> Result<Observation, ActionError> {
        match self {
            Self::Access(access) => access.observe(&at.subject(call).await?, at).await,
            Self::Password => at.subject(call).await.map(|_| Observation::Unobservable),
            Self::Setting(setting) => setting.observe(&at.subject(call).await?, at).await,
            Self::Sharing(sharing) => sharing.observe(&at.subject(call).await?, at).await,
            Self::Quota(limit) => limit.observe(&at.subject(call).await?, at).await,
            Self::Life(life) => life.observe(call, at).await,
            Self::Archive => {
                at.subject(call).await?;
                imap::look_at_archive(at, call).await
            }
            Self::Transfer(transfer) => transfer.observe(&at.subject(call).await?.name, at).await,
            Self::Create(new) => new.observe(at).await,
        }
    }

    /// Applies what differs. What is to be said of it besides what shows afterwards.
    async fn apply(&self, call: &Call, at: &DovecotSystem, password: Option<&Secret>) -> Result<Applied, ActionError> {
        match self {
            Self::Access(access) => access.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
            Self::Password => {
                let missing = || ActionError::fail(format!("`{}` came without a password", call.action));
                let password = password.ok_or_else(missing)?;
                password::set(&at.subject(call).await?, at, password).await.map(Applied::Known)
            }
            Self::Setting(setting) => setting.apply(&at.subject(call).await?, at).await,
            Self::Sharing(sharing) => sharing.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
            Self::Quota(limit) => limit.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
            Self::Life(life) => life.apply(call, at).await.map(|()| Applied::Shows),
            Self::Archive => imap::archive(at, &at.subject(call).await?.name, call).await.map(Applied::Known),
            Self::Transfer(transfer) => {
                transfer.apply(&at.subject(call).await?.name, at).await.map(|()| Applied::Shows)
            }
            Self::Create(new) => new.apply(at, password).await.map(|()| Applied::Shows),
        }
    }
}

/// To whom a mailbox is handed over, and into which folder.
fn handover(call: &Call) -> Result<Transfer, ActionError> {
    let to = settings::address(call)?.to_lowercase();
    let to = UserName::parse(&to).ok_or_else(|| ActionError::fail(format!("`{to}` is no account of a mail host")))?;
    let folder = call.with.get("folder").and_then(|folder| folder.as_str()).map(str::to_owned);
    Ok(Transfer::new(to, folder))
}

/// Whether the goal of a call is reached.
pub(super) async fn observe(call: &Call, at: &DovecotSystem) -> Result<Observation, ActionError> {
    Change::of(call, at)?.observe(call, at).await
}

/// Looks, applies only what differs, and looks again.
pub(super) async fn perform(
    call: &Call,
    at: &DovecotSystem,
    password: Option<&Secret>,
) -> Result<Evidence, ActionError> {
    let change = Change::of(call, at)?;
    if let Some(evidence) = change.observe(call, at).await?.before(call.action)? {
        return Ok(evidence);
    }
    let applied = change.apply(call, at, password).await?;
    applied.evidence(&at.name, change.observe(call, at)).await
}
