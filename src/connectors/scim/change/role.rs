//! The account's role: one of `roles`, where the provider has them (RFC 7643, 4.1.2).

use serde_json::json;

use crate::connectors::looking::Applied;
use crate::connectors::scim::account;
use crate::connectors::scim::edit::Edit;
use crate::connectors::scim::place::Place;
use crate::connectors::scim::resource::Resource;
use crate::connectors::scim::settings::Lack;
use crate::connectors::{ActionError, Call, Observation};

/// The role that an account is to have, and no other.
#[derive(Clone, Debug)]
pub(super) struct Role(String);

impl Role {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        call.text("role").map(Self).ok_or_else(|| ActionError::fail("`role.set` needs `role`"))
    }

    fn is_of(&self, found: &Resource) -> bool {
        found.values("roles") == [self.0.as_str()]
    }

    pub(super) fn observe(&self, found: &Resource) -> Observation {
        let roles = found.values("roles");
        let now = if roles.is_empty() { "no role".to_owned() } else { format!("role {}", roles.join(", ")) };
        Observation::seen(self.is_of(found), now.clone(), now)
    }

    pub(super) async fn apply(&self, found: &Resource, at: &Place<'_>) -> Result<Applied, ActionError> {
        if !at.schemas().await?.knows("roles") {
            let word = Lack::Roles.as_str();
            return Err(ActionError::fail(format!(
                "accounts of {} have no `roles`, as its schema says: write `lacks = [\"{word}\"]` in its section of the \
                 configuration",
                at.system
            )));
        }
        let role = json!([{ "value": self.0, "primary": true }]);
        let edits = |now: &Resource| {
            if self.is_of(now) { Vec::new() } else { vec![Edit::Set("roles", role.clone())] }
        };
        at.change(found, edits, None).await?;
        let before = account::role(found).map_or("none before".to_owned(), |role| format!("{role} before"));
        Ok(Applied::With(before))
    }
}
