//! Groups name their members, so a move leaves a name behind that is nobody's any more: whoever is called so next would be
//! in groups that nobody has put them into. Some servers let groups follow by themselves, others do not.

use super::directory::{self, Target};
use super::groups::{Group, MOST};
use super::place::Place;
use super::{error, name};
use crate::connectors::ActionError;
use crate::connectors::looking::in_doubt;

impl Place<'_> {
    /// Groups that may have to follow when the entry called `dn` is moved.
    pub(super) async fn naming(&self, dn: &str) -> Result<Vec<Group>, ActionError> {
        if self.settings.profile.keeps_references() {
            return Ok(Vec::new());
        }
        self.groups(&format!("(|{}{})", name::equals("member", dn), name::equals("uniqueMember", dn)), MOST).await
    }

    /// Groups that name an account as it was called before, where nobody is called so now.
    pub(super) async fn left_behind(&self, old: &str) -> Result<Vec<Group>, ActionError> {
        let groups = self.naming(old).await?;
        if groups.is_empty() || self.directory.named(old, &["objectClass".to_owned()]).await?.is_some() {
            return Ok(Vec::new());
        }
        Ok(groups)
    }

    /// Lets groups name the account as it is called now. Nothing is looked at in between, unless one refuses: its server may
    /// have seen to it.
    ///
    /// # Errors
    /// Where a group still names it as before.
    pub(super) async fn follow(&self, groups: &[Group], old: &str, new: &str) -> Result<(), ActionError> {
        let mut refused = Vec::new();
        for group in groups {
            let known = [error::NO_SUCH_ATTRIBUTE, error::VALUE_EXISTS, error::NO_RIGHT, error::UNWILLING];
            let changes = vec![directory::add(group.members, new), directory::delete(group.members, old)];
            let target = Target::named(&group.dn);
            let mut answer = self.directory.modify(&target, changes, &known).await?;
            if answer.rc == error::VALUE_EXISTS {
                let gone = vec![directory::delete(group.members, old)];
                answer = self.directory.modify(&target, gone, &known).await?;
            }
            if answer.rc != error::SUCCESS {
                refused.push(format!("{}: {}", group.name, error::words(&answer)));
            }
        }
        if refused.is_empty() || self.left_behind(old).await.map_err(in_doubt)?.is_empty() {
            return Ok(());
        }
        Err(ActionError::fail(format!(
            "the account is moved, and groups name it as it was called before: {}",
            refused.join("; ")
        )))
    }
}
