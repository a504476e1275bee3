//! What an account may: its groups, and what `access.remove` takes besides: roles and entitlements (RFC 7643, 4.1.2).

use crate::connectors::looking::{Applied, in_doubt};
use crate::connectors::membership::{Difference, Membership, done, listed};
use crate::connectors::scim::edit::Edit;
use crate::connectors::scim::groups::{Group, Refused};
use crate::connectors::scim::place::Place;
use crate::connectors::scim::resource::Resource;
use crate::connectors::scim::settings::Lack;
use crate::connectors::{ActionError, Call, Observation};

/// What an account has besides groups that lets it do something.
const RIGHTS: [&str; 2] = ["roles", "entitlements"];

/// What an account is to be in, and whether it keeps what else it may.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    membership: Membership,
    /// Neither roles nor entitlements.
    bare: bool,
}

impl Rights {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let membership = Membership::of(call)?;
        let bare = matches!(membership, Membership::Nothing);
        Ok(Self { membership, bare })
    }

    /// The groups that a new account begins with.
    pub(super) const fn only(membership: Membership) -> Self {
        Self { membership, bare: false }
    }

    fn surplus(&self, account: &Resource) -> Vec<&'static str> {
        RIGHTS.into_iter().filter(|right| self.bare && !account.items(right).is_empty()).collect()
    }

    async fn groups(account: &Resource, at: &Place<'_>) -> Result<Vec<Group>, ActionError> {
        if at.settings.has(Lack::Groups) { at.groups_of(account).await } else { Ok(Vec::new()) }
    }

    pub(super) async fn observe(&self, account: &Resource, at: &Place<'_>) -> Result<Observation, ActionError> {
        let present = Self::groups(account, at).await?;
        let count = present.len();
        let mut open = self.membership.difference(present).open();
        for right in self.surplus(account) {
            let join = if open.is_empty() { "" } else { "; " };
            open.push_str(&format!("{join}has {right}"));
        }
        let reached = if count == 0 { "in no groups".to_owned() } else { format!("in {count} groups") };
        Ok(Observation::seen(open.is_empty(), reached, open))
    }

    pub(super) async fn apply(&self, account: &Resource, at: &Place<'_>) -> Result<Applied, ActionError> {
        let Difference { missing, surplus } = self.membership.difference(Self::groups(account, at).await?);
        // Everything is looked up before anything is changed.
        let mut joined = Vec::new();
        for name in &missing {
            joined.push(at.group(name).await?);
        }
        let (surplus, joined) = (at.ready(surplus).await?, at.ready(joined).await?);
        let refused = at.leave(&surplus, &account.id).await?;
        for group in &joined {
            at.join(group, &account.id).await?;
        }
        let taken = self.strip(account, at).await?;
        if !refused.is_empty() {
            let now = at.find(&account.id).await.map_err(in_doubt)?;
            let now = now.ok_or_else(|| ActionError::unknown("the account is gone"))?;
            refusals(&refused, &surplus, &Self::groups(&now, at).await.map_err(in_doubt)?)?;
        }
        // Whoever wants to take it back finds the names here.
        let said: Vec<String> = [done(&surplus, &joined), taken].into_iter().filter(|part| !part.is_empty()).collect();
        Ok(if said.is_empty() { Applied::Shows } else { Applied::With(said.join("; ")) })
    }

    /// Takes roles and entitlements; what they were.
    async fn strip(&self, account: &Resource, at: &Place<'_>) -> Result<String, ActionError> {
        let had: Vec<String> = self
            .surplus(account)
            .into_iter()
            .map(|right| format!("{right} {}", account.values(right).join(", ")))
            .collect();
        if had.is_empty() {
            return Ok(String::new());
        }
        at.change(account, |now| self.surplus(now).into_iter().map(Edit::Clear).collect(), None).await?;
        Ok(format!("without {}", had.join(" and ")))
    }
}

/// A group that refused to let somebody go, and still holds them, in the provider's words. What is said of the others is
/// said with it: they were left.
fn refusals(refused: &Refused, asked: &[Group], still: &[Group]) -> Result<(), ActionError> {
    let kept = |group: &Group| still.iter().any(|other| other.is_same(group));
    let (kept, left): (Vec<Group>, Vec<Group>) = asked.iter().cloned().partition(kept);
    let words: Vec<String> =
        kept.iter().filter_map(|group| Some(format!("{}: {}", group.name, refused.get(&group.resource.id)?))).collect();
    if words.is_empty() {
        return Ok(());
    }
    let left = if left.is_empty() { String::new() } else { format!("; taken out of {}", listed(&left)) };
    Err(ActionError::fail(format!("{}{left}", words.join("; "))))
}
