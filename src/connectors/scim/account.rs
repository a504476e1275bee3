//! From a resource to an account, as the inventory keeps it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::endpoint::Kind;
use super::listing::{Next, NoPage, Query};
use super::place::Place;
use super::resource::{ENTERPRISE, Resource, field, text, value};
use super::settings::{NumberIn, ScimSettings};
use crate::connectors::ActionError;
use crate::run::{Account, AccountStatus, Governing};

/// Who governs a provider: an active account with the configured role must be left.
pub(super) const ADMINISTRATORS: Governing = Governing { title: "administrator", roles: &[ADMINISTRATOR] };

/// What the role of an administrator is called in the inventory.
pub(super) const ADMINISTRATOR: &str = "administrator";

/// What a page ends with.
type Page = (Vec<Account>, Option<String>);

impl Place<'_> {
    /// One page of accounts, and where the next begins.
    pub(super) async fn accounts(&self, from: Option<String>) -> Result<Page, ActionError> {
        let lost = || ActionError::retry("the reading was interrupted: it begins anew");
        let from: Option<Next> = match from {
            Some(text) => Some(serde_json::from_str(&text).map_err(|_| lost())?),
            None => None,
        };
        let page = match self.page(Kind::Users, &Query::default(), from.as_ref()).await {
            Ok(page) => page,
            Err(NoPage::Other(why)) => return Err(why),
            Err(NoPage::Filter) => return Err(lost()),
        };
        let next = page.next.map(|next| serde_json::to_string(&next).map_err(ActionError::retry)).transpose()?;
        let accounts = page.resources.into_iter().filter_map(Resource::listed);
        Ok((accounts.filter_map(|found| self.account(&found)).collect(), next))
    }

    /// The account that a resource is; `None` where it has no sign-in name.
    pub(super) fn account(&self, found: &Resource) -> Option<Account> {
        Some(Account {
            id: 0,
            system: self.system.to_owned(),
            external_id: found.id.clone(),
            login: found.text("userName")?,
            person_id: None,
            status: if found.is_active() { AccountStatus::Enabled } else { AccountStatus::Disabled },
            attributes: told(self.settings, found),
            last_sign_in: None,
            purge_due: None,
        })
    }

    /// What would be lost with this account: it is the last administrator that can sign in.
    pub(super) async fn last_of_its_kind(
        &self,
        id: &str,
        becomes: Option<&str>,
    ) -> Result<Option<String>, ActionError> {
        let Some(role) = self.settings.administrators.as_deref() else { return Ok(None) };
        let Some(own) = self.find(id).await? else { return Ok(None) };
        if !has_role(&own, role) || becomes == Some(role) {
            return Ok(None);
        }
        let others = self.accounts_with("roles.value", role, |other| {
            other.id != own.id && other.is_active() && has_role(other, role)
        });
        Ok(others.await?.is_empty().then(|| ADMINISTRATORS.last_on(self.system)))
    }
}

pub(super) fn has_role(account: &Resource, role: &str) -> bool {
    account.values("roles").iter().any(|own| own == role)
}

/// The role that counts: the first one that is marked so, else the first.
pub(super) fn role(account: &Resource) -> Option<String> {
    let roles = account.items("roles");
    let first = roles.iter().find(|role| is_primary(role)).or(roles.first())?;
    value(first)
}

/// The address that counts.
pub(super) fn address(account: &Resource) -> Option<String> {
    let emails = account.items("emails");
    let first = emails.iter().find(|email| is_primary(email)).or(emails.first())?;
    value(first)
}

pub(super) fn is_primary(item: &Value) -> bool {
    match field(item, "primary") {
        Some(Value::Bool(primary)) => *primary,
        Some(Value::String(word)) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The employee number, where the configuration says.
pub(super) fn number(settings: &ScimSettings, account: &Resource) -> Option<String> {
    match settings.number {
        NumberIn::Enterprise => text(field(&account.whole, ENTERPRISE)?, "employeeNumber"),
        NumberIn::ExternalId => account.text("externalId"),
    }
}

fn told(settings: &ScimSettings, account: &Resource) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    let mut tell = |name: &str, value: Option<String>| {
        told.extend(value.map(|value| (name.to_owned(), Value::String(value))));
    };
    let name = field(&account.whole, "name");
    let of_name = |part: &str| name.and_then(|name| text(name, part));
    let enterprise = field(&account.whole, ENTERPRISE);
    let governs = settings.administrators.as_deref().is_some_and(|role| has_role(account, role));
    tell("employee_number", number(settings, account));
    tell("email", address(account));
    tell("display_name", account.text("displayName").or_else(|| of_name("formatted")));
    tell("given_name", of_name("givenName"));
    tell("family_name", of_name("familyName"));
    tell("department", enterprise.and_then(|enterprise| text(enterprise, "department")));
    tell("role", if governs { Some(ADMINISTRATOR.to_owned()) } else { role(account) });
    let first = address(account).unwrap_or_default();
    let aliases: BTreeSet<String> =
        account.values("emails").into_iter().filter(|other| !other.eq_ignore_ascii_case(&first)).collect();
    let groups =
        account.items("groups").into_iter().filter_map(|group| text(group, "display").or_else(|| value(group)));
    for (name, list) in [("groups", groups.collect::<BTreeSet<String>>()), ("aliases", aliases)] {
        if !list.is_empty() {
            told.insert(name.to_owned(), json!(list));
        }
    }
    told
}
