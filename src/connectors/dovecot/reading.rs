//! Reading accounts: a page of names, then what Dovecot knows of each. Where a page begins is the name before it, so a reading
//! that was interrupted goes on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::DovecotSystem;
use super::account::Subject;
use super::doveadm::{Answer, Order, column};
use super::error::Effect;
use super::name::UserName;
use super::passwd;
use super::roster::{self, Held, PAGE};
use crate::connectors::ActionError;
use crate::run::Account;

/// What a page ends with.
type Page = (Vec<Account>, Option<String>);

/// The page behind `from`.
pub(super) async fn page(at: &DovecotSystem, from: Option<String>) -> Result<Page, ActionError> {
    let denied = at.denied().await?;
    let denied: Option<BTreeSet<String>> =
        denied.map(|text| passwd::entries(&text).map(|entry| entry.name().to_owned()).collect());
    let (accounts, next) = match at.roster() {
        Some(roster) => {
            let roster::Page { accounts, next } = roster.page(from).await?;
            (accounts.into_iter().map(|(name, held)| (name, Some(held))).collect(), next)
        }
        None => listed(at, from).await?,
    };
    let subjects = accounts.into_iter().map(|(name, held): (UserName, Option<Held>)| {
        let closed = match &denied {
            Some(denied) => denied.contains(name.as_str()),
            None => held.as_ref().is_some_and(|held| held.open == Some(false)),
        };
        Subject { held, closed, name }
    });
    let accounts = told(at, subjects.collect()).await?;
    Ok((accounts, next))
}

/// A page of the names that Dovecot lists.
async fn listed(
    at: &DovecotSystem,
    from: Option<String>,
) -> Result<(Vec<(UserName, Option<Held>)>, Option<String>), ActionError> {
    let mut names: Vec<UserName> = names(at).await?.into_iter().collect();
    names.retain(|name| from.as_deref().is_none_or(|from| name.as_str() > from));
    let next = names.get(PAGE - 1).filter(|_| names.len() > PAGE).map(UserName::to_string);
    names.truncate(PAGE);
    Ok((names.into_iter().map(|name| (name, None)).collect(), next))
}

/// All names that Dovecot lists (`iterate_query`, `iterate_filter`).
async fn names(at: &DovecotSystem) -> Result<BTreeSet<UserName>, ActionError> {
    let table = at.doveadm.one(Effect::Looks, "user", json!({ "userMask": ["*"] })).await?;
    let names = table.get("userList").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(names.iter().filter_map(|name| UserName::parse(name.as_str()?)).collect())
}

/// These accounts with what Dovecot knows of them: sizes, and the last sign-in where it keeps one.
pub(super) async fn told(at: &DovecotSystem, subjects: Vec<Subject>) -> Result<Vec<Account>, ActionError> {
    let mut orders = Vec::new();
    for subject in &subjects {
        let name = subject.name.as_str();
        orders.push(Order::new("quotaGet", json!({ "user": name })));
        if let Some(dictionary) = &at.settings.last_login {
            let key = format!("shared/last-login/{name}");
            orders.push(Order::new("dictGet", json!({ "user": name, "dictUri": dictionary, "key": key })));
        }
    }
    let mut answers = at.doveadm.all(Effect::Looks, orders).await?.into_iter();
    let mut accounts = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let quota = answers.next();
        let last = at.settings.last_login.as_ref().and_then(|_| answers.next());
        accounts.push(account(at, subject, quota.as_ref(), last.as_ref()));
    }
    Ok(accounts)
}

fn account(at: &DovecotSystem, subject: &Subject, quota: Option<&Answer>, last: Option<&Answer>) -> Account {
    let mut attributes = BTreeMap::new();
    let mut tell = |name: &str, value: Value| {
        if !value.is_null() {
            attributes.insert(name.to_owned(), value);
        }
    };
    let name = subject.name.as_str();
    tell("email", name.contains('@').then_some(name).into());
    if let Some(held) = &subject.held {
        tell("display_name", held.note.display_name.clone().into());
        tell("employee_number", held.note.employee_number.clone().into());
    }
    if let Some(Answer::Done(table)) = quota {
        let storage = Storage::read(table);
        tell("used_bytes", storage.used.into());
        tell("quota_bytes", storage.limit.into());
    }
    Account {
        id: 0,
        system: at.name.clone(),
        external_id: name.to_owned(),
        login: name.to_owned(),
        person_id: None,
        status: subject.status(),
        attributes,
        last_sign_in: last.and_then(last_sign_in),
        purge_due: None,
    }
}

/// What a mailbox takes, in bytes: doveadm counts in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Storage {
    used: Option<u64>,
    pub(super) limit: Option<u64>,
}

impl Storage {
    pub(super) fn read(table: &Value) -> Self {
        let rows = table.as_array().map(Vec::as_slice).unwrap_or_default();
        let row = rows.iter().find(|row| row.get("type").and_then(Value::as_str) == Some("STORAGE"));
        let bytes = |name: &str| {
            let kib: u64 = row?.get(name)?.as_str()?.parse().ok()?;
            kib.checked_mul(1024)
        };
        Self { used: bytes("value"), limit: bytes("limit") }
    }
}

/// Epoch seconds, as the plugin `last_login` writes them; epoch milliseconds here.
fn last_sign_in(answer: &Answer) -> Option<i64> {
    let Answer::Done(table) = answer else { return None };
    let seconds: i64 = column(table, "value").first()?.trim().parse().ok()?;
    seconds.checked_mul(1000).filter(|_| seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_bytes_and_no_limit_is_none() {
        let row = |limit: &str| {
            json!([{ "root": "x", "type": "MESSAGE", "value": "7", "limit": "9" },
            { "root": "x", "type": "STORAGE", "value": "3", "limit": limit }])
        };
        assert_eq!(Storage::read(&row("7168")), Storage { used: Some(3072), limit: Some(7_340_032) });
        assert_eq!(Storage::read(&row("-")), Storage { used: Some(3072), limit: None });
        assert_eq!(Storage::read(&json!([])), Storage::default());
    }

    #[test]
    fn a_last_sign_in_is_epoch_seconds() {
        let answer = |value: &str| Answer::Done(json!([{ "value": value }]));
        assert_eq!(last_sign_in(&answer("1795403743")), Some(1_795_403_743_000));
        for nothing in ["0", "never", "-5", ""] {
            assert_eq!(last_sign_in(&answer(nothing)), None, "{nothing}");
        }
        assert_eq!(last_sign_in(&Answer::Refused { code: 68, kind: "exitCode".to_owned() }), None);
    }
}
