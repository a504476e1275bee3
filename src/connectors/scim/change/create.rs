//! A new account. It is recognised by usher's key in `externalId`, or, where that holds the employee number, by number and
//! sign-in name.

use serde_json::{Map, Value, json};

use super::rights::Rights;
use crate::connectors::looking::in_doubt;
use crate::connectors::membership::Membership;
use crate::connectors::scim::account::number;
use crate::connectors::scim::endpoint::{Change, Kind, To};
use crate::connectors::scim::place::Place;
use crate::connectors::scim::resource::{ENTERPRISE, Resource, USER};
use crate::connectors::scim::settings::{Lack, NumberIn};
use crate::connectors::wording::Newcomer;
use crate::connectors::{ActionError, Call, Observation};
use crate::secret::Secret;
use crate::workflow::params::Method;

/// What a new account is to be.
#[derive(Clone, Debug)]
pub(in crate::connectors::scim) struct NewAccount {
    key: String,
    role: Option<String>,
    who: Newcomer,
}

impl NewAccount {
    pub(in crate::connectors::scim) fn of(call: &Call) -> Result<Self, ActionError> {
        Ok(Self { key: call.idempotency_key.clone(), role: call.text("role"), who: Newcomer::of(call)? })
    }

    /// What `externalId` says of it.
    fn external_id(&self, at: &Place<'_>) -> Result<String, ActionError> {
        match at.settings.number {
            NumberIn::Enterprise => Ok(self.key.clone()),
            NumberIn::ExternalId => self.who.employee_number.clone().ok_or_else(|| {
                ActionError::fail("`externalId` is to hold the employee number, and the person has none")
            }),
        }
    }

    /// The account that was made, as far as it is.
    ///
    /// # Errors
    /// A final failure where the sign-in name or the number is somebody else's.
    pub(in crate::connectors::scim) async fn find(&self, at: &Place<'_>) -> Result<Option<Resource>, ActionError> {
        let id = self.external_id(at)?;
        let has_id = |account: &Resource| account.text("externalId").as_ref() == Some(&id);
        let mine = at.accounts_with("externalId", &id, has_id).await?;
        if let [one, other, ..] = mine.as_slice() {
            let why = format!("accounts {} and {} on {} both have it as `externalId`", one.id, other.id, at.system);
            return Err(ActionError::fail(why));
        }
        match mine.into_iter().next() {
            Some(found) if at.settings.number == NumberIn::ExternalId && !self.is_called(&found) => {
                Err(taken(at, "the employee number has an account already", &found))
            }
            found => Ok(found),
        }
    }

    fn is_called(&self, found: &Resource) -> bool {
        found.text("userName").is_some_and(|name| name.eq_ignore_ascii_case(&self.who.login))
    }

    /// Refuses what would be a second account of the same person, or a name that is taken.
    async fn refuse_others(&self, at: &Place<'_>) -> Result<(), ActionError> {
        let named = at.accounts_with("userName", &self.who.login, |other| self.is_called(other)).await?;
        if let Some(other) = named.first() {
            return Err(taken(at, "the sign-in name is taken", other));
        }
        let Some(own) = self.who.employee_number.as_ref().filter(|_| at.settings.number == NumberIn::Enterprise) else {
            return Ok(());
        };
        if !at.schemas().await?.enterprise() {
            return Ok(());
        }
        let attribute = format!("{ENTERPRISE}:employeeNumber");
        let has = |other: &Resource| number(at.settings, other).as_ref() == Some(own);
        match at.accounts_with(&attribute, own, has).await?.first() {
            Some(other) => Err(taken(at, "the employee number has an account already", other)),
            None => Ok(()),
        }
    }

    pub(super) async fn observe(&self, at: &Place<'_>) -> Result<Observation, ActionError> {
        let Some(found) = self.find(at).await? else {
            return Ok(Observation::NotReached("there is no such account yet".to_owned()));
        };
        let mut open = Vec::new();
        if found.is_active() != self.who.enabled {
            open.push(if self.who.enabled { "it is closed" } else { "it is open" }.to_owned());
        }
        if let Some(groups) = self.rights()
            && let Observation::NotReached(why) = groups.observe(&found, at).await?
        {
            open.push(why);
        }
        Ok(Observation::seen(open.is_empty(), format!("created as account {}", found.id), open.join("; ")))
    }

    fn rights(&self) -> Option<Rights> {
        self.who.groups.clone().map(Rights::only)
    }

    /// Makes the account, or what is missing of it.
    pub(super) async fn apply(&self, at: &Place<'_>, password: Option<&Secret>) -> Result<(), ActionError> {
        if let Some(Membership::With(groups)) = &self.who.groups {
            if !at.settings.has(Lack::Groups) {
                return Err(ActionError::fail(format!("{} lacks groups, as the configuration says", at.system)));
            }
            // A name that is wrong is found before anything is made.
            for name in groups {
                at.group(name).await?;
            }
        }
        match self.find(at).await? {
            Some(found) => self.complete(&found, at).await,
            None => {
                let made = self.make(at, password).await?;
                // From here on there is an account: no error means any more that nothing was done.
                let doubt = |why| ActionError::unknown(format!("account {} was made, but {why}", made.id));
                self.complete(&made, at).await.map_err(doubt)
            }
        }
    }

    async fn complete(&self, found: &Resource, at: &Place<'_>) -> Result<(), ActionError> {
        if found.is_active() != self.who.enabled {
            at.activate(found, self.who.enabled).await?;
        }
        match self.rights() {
            Some(rights) => rights.apply(found, at).await.map(drop),
            None => Ok(()),
        }
    }

    async fn make(&self, at: &Place<'_>, password: Option<&Secret>) -> Result<Resource, ActionError> {
        self.refuse_others(at).await?;
        let password = password.filter(|_| at.settings.has(Lack::Password));
        let body = self.body(at, password).await?;
        let change = Change { method: Method::Post, body: Some(&body), version: None, password };
        let answer = at.endpoint.change(&To::All(Kind::Users), change, &[409]).await?;
        if answer.status == 409 {
            // Somebody was faster, or it is one that the filters do not show: found again, it is told by its id.
            let said = answer.said();
            return match at.accounts_with("userName", &self.who.login, |other| self.is_called(other)).await?.first() {
                Some(other) => Err(taken(at, &said, other)),
                None => Err(ActionError::fail(said)),
            };
        }
        match Resource::of(answer) {
            Some(made) => Ok(made),
            None => {
                self.find(at).await.map_err(in_doubt)?.ok_or_else(|| {
                    ActionError::unknown("the account was made, and is not to be seen among the accounts")
                })
            }
        }
    }

    async fn body(&self, at: &Place<'_>, password: Option<&Secret>) -> Result<Value, ActionError> {
        let mut schemas = vec![USER];
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("userName", json!(self.who.login));
        put("externalId", json!(self.external_id(at)?));
        put("displayName", json!(self.who.display_name));
        put("active", json!(self.who.enabled));
        let parts = [("givenName", &self.who.given_name), ("familyName", &self.who.family_name)];
        let name: Map<String, Value> =
            parts.into_iter().filter_map(|(part, text)| Some((part.to_owned(), json!(text.as_ref()?)))).collect();
        if !name.is_empty() {
            put("name", Value::Object(name));
        }
        if let Some(email) = &self.who.email {
            put("emails", json!([{ "value": email, "type": "work", "primary": true }]));
        }
        if let Some(role) = self.role.as_ref().filter(|_| at.settings.has(Lack::Roles)) {
            put("roles", json!([{ "value": role, "primary": true }]));
        }
        if let Some(password) = password {
            put("password", json!(password.expose()));
        }
        if let (NumberIn::Enterprise, Some(number)) = (at.settings.number, &self.who.employee_number)
            && at.schemas().await?.enterprise()
        {
            schemas.push(ENTERPRISE);
            put(ENTERPRISE, json!({ "employeeNumber": number }));
        }
        put("schemas", json!(schemas));
        Ok(Value::Object(body))
    }
}

fn taken(at: &Place<'_>, what: &str, by: &Resource) -> ActionError {
    ActionError::fail(format!("{what} on {} by account {}: bind it, or choose another", at.system, by.id))
}
