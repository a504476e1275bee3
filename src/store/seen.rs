//! What the inventory learns from an attempt: the account as it was read back, in the outcome's own transaction.

use serde::Serialize;
use serde_json::Value;

use super::books::{Loaded, json};
use super::names::names_of;
use super::sql::{Text, rows};
use super::turn::Completion;
use super::{Store, StoreError, Tx};
use crate::run::book::{Book, Step};
use crate::run::{Account, AccountStatus};
use crate::workflow::ActionKind;

/// What a read-back says about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there, like this.
    There(Box<Account>),
    /// It is gone for good.
    Gone,
    /// The attempt has made it.
    Made(Box<Account>),
}

const SEEN: Text = rows!(
    "UPDATE accounts SET status = v.status, purge_due = v.purge_due, seen_at = v.seen_at,
            login = COALESCE(v.login, accounts.login), attributes = COALESCE(v.attributes, accounts.attributes) FROM",
    { id BIGINT, status TEXT, purge_due BIGINT, seen_at BIGINT, login TEXT, attributes TEXT },
    "WHERE accounts.id = v.id"
);

#[derive(Serialize)]
struct SeenRow {
    id: i64,
    status: &'static str,
    purge_due: Option<i64>,
    seen_at: i64,
    login: Option<String>,
    attributes: Option<String>,
}

impl Store {
    /// Writes down what the outcomes of a turn have seen.
    pub(super) async fn note_seen(
        &self,
        tx: &mut Tx,
        books: &[Loaded],
        seen: Vec<(&Completion, &Seen)>,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for (completion, seen) in seen {
            let Some(loaded) = books.iter().find(|loaded| loaded.book.run.id == completion.run) else { continue };
            let Some(step) = loaded.book.step(completion.ordinal) else { continue };
            if let Seen::Made(account) = seen {
                self.note_made(tx, &loaded.book, step, account).await?;
                continue;
            }
            let Some(id) = step.account else { continue };
            self.note_names_given_up(tx, id, step.action, seen).await?;
            rows.push(row(&loaded.book, step, id, seen, tx.now.as_millisecond()));
        }
        if !rows.is_empty() {
            sqlx::query(SEEN.of(self.dialect())).bind(json(&rows)).execute(tx.conn()).await?;
        }
        Ok(())
    }

    /// A new account stands in the inventory, bound to the person it was made for, before any other step can be
    /// claimed.
    async fn note_made(&self, tx: &mut Tx, book: &Book, step: &Step, account: &Account) -> Result<(), StoreError> {
        self.upsert_accounts(tx, std::slice::from_ref(account)).await?;
        let by = format!("{}/{}", book.run.public_id(), step.label());
        sqlx::query("UPDATE accounts SET person_id = $1, bound_by = $2 WHERE system = $3 AND external_id = $4")
            .bind(book.run.person)
            .bind(by)
            .bind(&account.system)
            .bind(&account.external_id)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Names that the account answered to before and does not now are reserved for its holder.
    async fn note_names_given_up(
        &self,
        tx: &mut Tx,
        account: i64,
        action: ActionKind,
        seen: &Seen,
    ) -> Result<(), StoreError> {
        use ActionKind as A;
        if !matches!(action, A::AccountPurge | A::AccountUpdate | A::AliasRemove) {
            return Ok(());
        }
        let Some(before) = self.account_on(tx.conn(), account).await? else { return Ok(()) };
        let mut given_up = names_of(&before);
        if let Seen::There(now) = seen {
            self.note_new_address(tx, &before, now).await?;
            let kept = names_of(now);
            given_up.retain(|name| !kept.contains(name));
        }
        let why = match action {
            A::AccountPurge => "the account was purged",
            A::AliasRemove => "the alias was removed",
            _ => "the account was renamed",
        };
        self.reserve_names(tx, &given_up, before.person_id, why).await
    }

    /// Whose account has another first address now has another work address, if it was the old one.
    async fn note_new_address(&self, tx: &mut Tx, before: &Account, now: &Account) -> Result<(), StoreError> {
        let address = |account: &Account| account.attributes.get("email").and_then(Value::as_str).map(str::to_owned);
        let (Some(old), Some(new), Some(person)) = (address(before), address(now), before.person_id) else {
            return Ok(());
        };
        sqlx::query("UPDATE people SET email = $1 WHERE id = $2 AND LOWER(email) = LOWER($3)")
            .bind(new)
            .bind(person)
            .bind(old)
            .execute(tx.conn())
            .await?;
        Ok(())
    }
}

/// After a delete, the run's own purge says when the grace ends.
fn row(book: &Book, step: &Step, id: i64, seen: &Seen, seen_at: i64) -> SeenRow {
    let Seen::There(account) = seen else {
        return SeenRow {
            id,
            status: AccountStatus::Purged.as_str(),
            purge_due: None,
            seen_at,
            login: None,
            attributes: None,
        };
    };
    let follows = |other: &&Step| other.of == Some(step.ordinal) && other.action == ActionKind::AccountPurge;
    let purge = book.steps.iter().find(follows).filter(|_| step.action == ActionKind::AccountDelete);
    let due = purge.and_then(|purge| purge.state.due()).map(|due| due.as_millisecond()).or(account.purge_due);
    SeenRow {
        id,
        status: account.status.as_str(),
        purge_due: due.filter(|_| account.status == AccountStatus::Deleted),
        seen_at,
        login: Some(account.login.clone()),
        attributes: Some(json(&account.attributes)),
    }
}
