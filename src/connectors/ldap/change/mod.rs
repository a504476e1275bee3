//! What a directory can be asked to do: parsed from a call, observed, applied, and looked at again.
//!
//! One file per family of changes; each knows how to see its goal and how to reach it.

mod access;
mod create;
mod life;
mod membership;
mod password;
mod profile;

use self::access::Access;
pub(super) use self::create::NewAccount;
use self::life::Life;
use self::profile::Names;
use super::capability;
use super::place::Place;
use crate::connectors::looking::Applied;
use crate::connectors::membership::Membership;
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Capability, Evidence};
use crate::secret::Secret;
use crate::workflow::ActionKind;

/// What a call asks for.
enum Change {
    /// The lock, and the address lists.
    Access(Access),
    /// Groups.
    Membership(Membership),
    /// Another password.
    Password,
    /// Names and addresses.
    Profile(Names),
    /// Delete, restore, purge.
    Life(Life),
    /// A new account.
    Create(NewAccount),
}

impl Change {
    fn of(call: &Call, at: &Place<'_>) -> Result<Self, ActionError> {
        use ActionKind as A;
        if let Capability::Manual(why) | Capability::Unsupported(why) =
            capability::of(at.system, at.settings, call.action)
        {
            return Err(ActionError::fail(why));
        }
        Ok(match call.action {
            A::AccountDisable => Self::Access(Access::Close),
            A::AccountEnable => Self::Access(Access::Open),
            A::DirectoryHide => Self::Access(Access::Hide),
            A::DirectoryShow => Self::Access(Access::Show),
            A::VerifyNoAccess => Self::Access(Access::NoWayIn),
            A::PasswordRotate | A::PasswordReset | A::CredentialsSend => Self::Password,
            A::AccessRemove | A::GroupsAdd | A::GroupsSync => Self::Membership(Membership::of(call)?),
            A::AccountUpdate => Self::Profile(Names::of(call)?),
            A::AccountDelete => Self::Life(Life::Delete),
            A::AccountRestore => Self::Life(Life::Restore),
            A::AccountPurge => Self::Life(Life::Purge),
            A::AccountCreate => Self::Create(NewAccount::of(call)?),
            other => return Err(ActionError::fail(format!("a directory does not do `{other}`"))),
        })
    }

    async fn observe(&self, call: &Call, at: &Place<'_>) -> Result<Observation, ActionError> {
        match self {
            Self::Access(access) => access.observe(call, at).await,
            Self::Membership(wanted) => membership::observe(wanted, &at.subject(call).await?, at).await,
            Self::Password => at.subject(call).await.map(|_| Observation::Unobservable),
            Self::Profile(names) => Ok(names.observe(&at.subject(call).await?)),
            Self::Life(life) => life.observe(call, at).await,
            Self::Create(new) => new.observe(at).await,
        }
    }

    /// Applies what differs. What is to be said of it besides what shows afterwards.
    async fn apply(&self, call: &Call, at: &Place<'_>, password: Option<&Secret>) -> Result<Applied, ActionError> {
        match self {
            Self::Access(access) => access.apply(&at.subject(call).await?, at).await,
            Self::Membership(wanted) => membership::apply(wanted, &at.subject(call).await?, at).await,
            Self::Password => {
                let missing = || ActionError::fail(format!("`{}` came without a password", call.action));
                let password = password.ok_or_else(missing)?;
                at.set_password(&at.subject(call).await?, password).await.map(Applied::Known)
            }
            Self::Profile(names) => names.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
            Self::Life(life) => life.apply(&at.subject(call).await?, at).await,
            Self::Create(new) => new.apply(at, password).await.map(|()| Applied::Shows),
        }
    }
}

/// Whether the goal of a call is reached.
pub(super) async fn observe(call: &Call, at: &Place<'_>) -> Result<Observation, ActionError> {
    Change::of(call, at)?.observe(call, at).await
}

/// Looks, applies only what differs, and looks again.
pub(super) async fn perform(call: &Call, at: &Place<'_>, password: Option<&Secret>) -> Result<Evidence, ActionError> {
    let change = Change::of(call, at)?;
    if let Some(evidence) = change.observe(call, at).await?.before(call.action)? {
        return Ok(evidence);
    }
    let applied = change.apply(call, at, password).await?;
    applied.evidence(at.system, change.observe(call, at)).await
}
