//! What a provider can be asked to do: parsed from a call, observed, applied, and looked at again.
//!
//! One file per family of changes; each knows how to see its goal and how to reach it.

mod access;
mod create;
mod life;
mod profile;
mod rights;
mod role;

use self::access::Access;
pub(super) use self::create::NewAccount;
use self::life::Life;
use self::profile::Names;
use self::rights::Rights;
use self::role::Role;
use super::capability;
use super::edit::Edit;
use super::place::Place;
use super::settings::Lack;
use crate::connectors::declared::offer;
use crate::connectors::looking::{Applied, in_doubt};
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Evidence, EvidenceKind};
use crate::secret::Secret;
use crate::workflow::ActionKind;

/// What a call asks for.
enum Change {
    /// Whether sign-in is allowed.
    Access(Access),
    /// Groups, and for `access.remove` roles and entitlements.
    Rights(Rights),
    /// Another password.
    Password,
    /// Names and addresses.
    Profile(Names),
    /// The role.
    Role(Role),
    /// Delete, restore, purge.
    Life(Life),
    /// A new account.
    Create(NewAccount),
}

impl Change {
    fn of(call: &Call, at: &Place<'_>) -> Result<Self, ActionError> {
        use ActionKind as A;
        offer::refuse(at.system, capability::of(at.system, at.settings, call.action), call)?;
        Ok(match call.action {
            A::AccountDisable => Self::Access(Access::Close),
            A::AccountEnable => Self::Access(Access::Open),
            A::VerifyNoAccess => Self::Access(Access::NoWayIn),
            A::PasswordRotate | A::PasswordReset | A::CredentialsSend => Self::Password,
            A::AccessRemove | A::GroupsAdd | A::GroupsSync => Self::Rights(Rights::of(call)?),
            A::AccountUpdate => Self::Profile(Names::of(call)?),
            A::RoleSet => Self::Role(Role::of(call)?),
            A::AccountDelete => Self::Life(Life::Delete),
            A::AccountRestore => Self::Life(Life::Restore),
            A::AccountPurge => Self::Life(Life::Purge),
            A::AccountCreate => Self::Create(NewAccount::of(call)?),
            other => return Err(ActionError::fail(format!("a service provider does not do `{other}`"))),
        })
    }

    async fn observe(&self, call: &Call, at: &Place<'_>) -> Result<Observation, ActionError> {
        match self {
            Self::Access(access) => Ok(access.observe(&at.subject(call).await?)),
            Self::Rights(rights) => rights.observe(&at.subject(call).await?, at).await,
            Self::Password => at.subject(call).await.map(|_| Observation::Unobservable),
            Self::Profile(names) => Ok(names.observe(&at.subject(call).await?)),
            Self::Role(role) => Ok(role.observe(&at.subject(call).await?)),
            Self::Life(life) => life.observe(call, at).await,
            Self::Create(new) => new.observe(at).await,
        }
    }

    /// Applies what differs. What is to be said of it besides what shows afterwards.
    async fn apply(&self, call: &Call, at: &Place<'_>, password: Option<&Secret>) -> Result<Applied, ActionError> {
        match self {
            Self::Access(access) => access.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
            Self::Rights(rights) => rights.apply(&at.subject(call).await?, at).await,
            Self::Password => {
                let missing = || ActionError::fail(format!("`{}` came without a password", call.action));
                set_password(call, at, password.ok_or_else(missing)?).await
            }
            Self::Profile(names) => names.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
            Self::Role(role) => role.apply(&at.subject(call).await?, at).await,
            Self::Life(life) => life.apply(&at.subject(call).await?, at).await.map(|()| Applied::Shows),
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

/// Gives an account this password. Nobody can read it back; that a closed account stays closed can be seen.
async fn set_password(call: &Call, at: &Place<'_>, password: &Secret) -> Result<Applied, ActionError> {
    if !at.provider.passwords {
        return Err(without_passwords(at));
    }
    let value = serde_json::Value::from(password.expose());
    let account = at.subject(call).await?;
    at.change(&account, |_| vec![Edit::Set("password", value.clone())], Some(password)).await?;
    let mut detail = format!("{} took a new password", at.system);
    let now = at.subject(call).await.map_err(in_doubt)?;
    if now.is_active() && !account.is_active() {
        at.activate(&now, false).await.map_err(in_doubt)?;
        detail.push_str("; that had opened the account, which was closed again");
    }
    Ok(Applied::Known(Evidence { kind: EvidenceKind::Acknowledged, detail }))
}

fn without_passwords(at: &Place<'_>) -> ActionError {
    let word = Lack::Password.as_str();
    ActionError::fail(format!(
        "{} says that it changes no passwords (`changePassword`): write `lacks = [\"{word}\"]` in its section of the \
         configuration",
        at.system
    ))
}
