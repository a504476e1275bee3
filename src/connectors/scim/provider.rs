//! What a provider says of itself (RFC 7644, 4; RFC 7643, 5 and 7). Asked once, and kept as long as the process runs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::endpoint::{Endpoint, To, is_good, unread};
use super::resource::{ENTERPRISE, USER, field, text};
use crate::connectors::ActionError;

/// What it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provider {
    /// Whether it said so itself; what it does not say is taken for what most can.
    pub(super) announced: bool,
    pub(super) patch: bool,
    pub(super) filter: bool,
    pub(super) versions: bool,
    pub(super) passwords: bool,
    pub(super) sort: bool,
    pub(super) bulk: bool,
    /// Pages by a word that the provider gives (RFC 9865, 4).
    pub(super) cursors: bool,
}

impl Provider {
    /// What most can.
    const USUAL: Self = Self {
        announced: false,
        patch: true,
        filter: true,
        versions: true,
        passwords: true,
        sort: false,
        bulk: false,
        cursors: false,
    };

    pub(super) async fn ask(endpoint: &Endpoint) -> Result<Self, ActionError> {
        let answer = endpoint.ask(&To::Configuration).await?;
        match answer.status {
            _ if is_good(&answer) => Ok(Self::read(&answer.body)),
            // Not all serve it, and some not to everybody.
            403..=405 | 501 => Ok(Self::USUAL),
            _ => Err(unread(&answer)),
        }
    }

    fn read(said: &Value) -> Self {
        let can = |name: &str, usual: bool| {
            let supported = field(said, name).and_then(|part| field(part, "supported"));
            supported.and_then(Value::as_bool).unwrap_or(usual)
        };
        let pages = field(said, "pagination");
        let cursors = pages.and_then(|pages| field(pages, "cursor")).and_then(Value::as_bool).unwrap_or(false);
        Self {
            announced: true,
            patch: can("patch", true),
            filter: can("filter", true),
            versions: can("etag", true),
            passwords: can("changePassword", true),
            sort: can("sort", false),
            bulk: can("bulk", false),
            cursors,
        }
    }
}

/// The attributes of an account that it knows, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schemas {
    user: Option<BTreeSet<String>>,
    enterprise: Option<bool>,
}

impl Schemas {
    pub(super) async fn ask(endpoint: &Endpoint) -> Result<Self, ActionError> {
        let answer = endpoint.ask(&To::Schemas).await?;
        match answer.status {
            _ if is_good(&answer) => Ok(Self::read(&answer.body)),
            403..=405 | 501 => Ok(Self::default()),
            _ => Err(unread(&answer)),
        }
    }

    /// A list of schemas, which some answer without its envelope.
    fn read(said: &Value) -> Self {
        let list = field(said, "Resources").unwrap_or(said).as_array();
        let Some(list) = list.filter(|list| !list.is_empty()) else { return Self::default() };
        let called =
            |id: &str| list.iter().find(|schema| text(schema, "id").is_some_and(|own| own.eq_ignore_ascii_case(id)));
        let attributes = |schema: &Value| {
            let attributes = field(schema, "attributes").and_then(Value::as_array)?;
            Some(attributes.iter().filter_map(|each| Some(text(each, "name")?.to_lowercase())).collect())
        };
        Self { user: called(USER).and_then(attributes), enterprise: Some(called(ENTERPRISE).is_some()) }
    }

    /// Whether accounts have this attribute, as far as anybody knows.
    pub(super) fn knows(&self, attribute: &str) -> bool {
        self.user.as_ref().is_none_or(|user| user.contains(&attribute.to_lowercase()))
    }

    /// Whether accounts have the enterprise extension.
    pub(super) fn enterprise(&self) -> bool {
        self.enterprise.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_as_usual() {
        let silent = Provider::read(&json!({}));
        assert_eq!(silent, Provider { announced: true, ..Provider::USUAL });
        let said = json!({ "patch": { "supported": false }, "etag": { "supported": false }, "filter": { "supported": false },
            "changePassword": { "supported": false }, "pagination": { "cursor": true, "index": true } });
        let read = Provider::read(&said);
        assert!(!read.patch && !read.versions && !read.filter && !read.passwords && read.cursors);
    }

    #[test]
    fn schemas_say_what_accounts_have() {
        assert!(Schemas::default().knows("roles") && Schemas::default().enterprise());
        let user = json!({ "id": USER, "attributes": [{ "name": "userName" }, { "name": "active" }] });
        for said in [json!({ "Resources": [user] }), json!([user])] {
            let read = Schemas::read(&said);
            assert!(read.knows("username") && !read.knows("roles") && !read.enterprise(), "{read:?}");
        }
        assert!(Schemas::read(&json!([user, { "id": ENTERPRISE }])).enterprise());
    }
}
