//! Accounts: all of them, page by page, and one by its id.

use serde_json::{Map, Value, json};

use super::client::{Answer, Draft, NoAnswer, Where};
use super::settings::{Listing, Next, ReadAccount};
use super::{HttpSystem, verdict};
use crate::connectors::ActionError;
use crate::connectors::declared::{AccountFields, Opened};
use crate::run::Account;

impl HttpSystem {
    /// One page of accounts, and where the next begins.
    ///
    /// # Errors
    /// When the system cannot be asked, or answers with something else than was declared.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        let Some(listing) = &self.settings.accounts else {
            return Err(ActionError::fail(format!("`{}` does not declare how accounts are listed", self.name)));
        };
        let secrets = self.line.secrets().await?;
        let mut facts = Map::from_iter([("system".to_owned(), Value::from(self.name.as_str()))]);
        facts.insert("page".to_owned(), page(listing, from.as_deref()));
        let url = match (&listing.next, &from) {
            (Some(Next::Link(_) | Next::Header), Some(url)) => Where::Given(url),
            _ => Where::Declared(&listing.url),
        };
        let draft = Draft {
            method: listing.method,
            url,
            headers: &listing.headers,
            body: listing.body.as_ref(),
            given: &[],
            text: None,
        };
        let answer = self.line.send(draft, &facts, &secrets).await.map_err(NoAnswer::of_a_look)?;
        if !(200..300).contains(&answer.status) {
            return Err(verdict::unreadable(&answer));
        }
        let strange = |what: &str| ActionError::fail(format!("the list of `{}`: {what}: {}", self.name, answer.said()));
        let items = listing.items.of(&answer.body).and_then(Value::as_array);
        let items = items.ok_or_else(|| strange("there is none where `items` says"))?;
        let fields = self.fields()?;
        let accounts = items.iter().map(|item| fields.read(&self.name, item)).collect::<Result<Vec<_>, _>>()?;
        let next = next(listing, &answer, from.as_deref(), accounts.len()).map_err(|what| strange(&what))?;
        if next.is_some() && next == from {
            return Err(strange("its next page is this page"));
        }
        Ok((accounts, next))
    }

    /// One account by its immutable id; `None` when there is none.
    ///
    /// # Errors
    /// When the system cannot be asked, or answers with another account.
    pub async fn read(&self, id: &str) -> Result<Option<Account>, ActionError> {
        let Some(read) = &self.settings.account else {
            return Err(ActionError::fail(format!("`{}` does not declare how an account is read", self.name)));
        };
        let secrets = self.line.secrets().await?;
        let facts = [("system", Value::from(self.name.as_str())), ("account", json!({ "id": id }))];
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let found = self.account_by(read, &facts, &secrets).await?;
        match found {
            Some(account) if account.external_id != id => {
                let other = account.external_id;
                Err(ActionError::fail(format!("`{}` was asked for account {id} and answered with {other}", self.name)))
            }
            found => Ok(found),
        }
    }

    /// The account that a request answers with.
    pub(super) async fn account_by(
        &self,
        read: &ReadAccount,
        facts: &Map<String, Value>,
        secrets: &Opened,
    ) -> Result<Option<Account>, ActionError> {
        let draft = Draft {
            method: read.method,
            url: Where::Declared(&read.url),
            headers: &read.headers,
            body: read.body.as_ref(),
            given: &[],
            text: None,
        };
        let answer = self.line.send(draft, facts, secrets).await.map_err(NoAnswer::of_a_look)?;
        if matches!(answer.status, 404 | 410) {
            return Ok(None);
        }
        if !(200..300).contains(&answer.status) {
            return Err(verdict::unreadable(&answer));
        }
        let item = match read.item.of(&answer.body) {
            Some(Value::Array(items)) => match items.as_slice() {
                [] => None,
                [one] => Some(one),
                many => {
                    let why = format!("`{}` answered with {} accounts where one was asked for", self.name, many.len());
                    return Err(ActionError::fail(why));
                }
            },
            found => found,
        };
        item.map(|item| self.fields()?.read(&self.name, item)).transpose()
    }

    fn fields(&self) -> Result<&AccountFields, ActionError> {
        let missing = || ActionError::fail(format!("`{}` does not declare the `fields` of an account", self.name));
        self.settings.fields.as_ref().ok_or_else(missing)
    }
}

/// What `page` is in the request: how many came before, the cursor, or nothing.
fn page(listing: &Listing, from: Option<&str>) -> Value {
    match (&listing.next, from) {
        (Some(Next::Offset(_)), from) => from.and_then(|from| from.parse::<u64>().ok()).unwrap_or(0).into(),
        (_, Some(from)) => from.into(),
        (_, None) => Value::Null,
    }
}

/// Where the next page begins.
fn next(listing: &Listing, answer: &Answer, from: Option<&str>, items: usize) -> Result<Option<String>, String> {
    Ok(match &listing.next {
        None => None,
        Some(Next::Link(place) | Next::Cursor(place)) => match place.of(&answer.body) {
            None => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Bool(false)) => None,
            Some(_) => return Err("where its next page should stand is something else".to_owned()),
        },
        Some(Next::Header) => answer.headers.get("link").and_then(|header| next_link(header)),
        Some(Next::Offset(size)) => {
            let before = from.and_then(|from| from.parse::<usize>().ok()).unwrap_or(0);
            (items >= *size as usize && items > 0).then(|| (before + items).to_string())
        }
    })
}

/// The target of the link whose relation is `next` (RFC 8288 §3).
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((target, behind)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let parameters = behind.split('<').next().unwrap_or_default();
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_a_header() {
        let header = "<https://x/?page=1>; rel=\"first\", <https://x/?page=3&a=b,c>; title=\"n\"; rel=\"last next\"";
        assert_eq!(next_link(header).as_deref(), Some("https://x/?page=3&a=b,c"));
        assert_eq!(next_link("<https://x/?page=1>; rel=prev"), None);
        assert_eq!(next_link("</users?page=2>;rel=next").as_deref(), Some("/users?page=2"));
        assert_eq!(next_link("rel=next"), None);
    }
}
