//! The inventory: which accounts exist on which system, and whose they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::books::{json, parse};
use super::sql::{Text, gathered, listed, rows};
use super::{Store, StoreError, Tx};
use crate::run::{Account, AccountStatus};

/// What a sync of one system changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncCount {
    /// Accounts read.
    pub read: usize,
    /// Accounts seen for the first time.
    pub new: usize,
}

/// How an account came to belong to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// The account's row key.
    pub account: i64,
    /// The person's row key; `None` unbinds.
    pub person: Option<i64>,
    /// `match:employee_number`, `match:email`, `os:alice`.
    #[serde(rename = "bound_by")]
    pub by: String,
}

#[derive(Serialize)]
struct Columns<'a> {
    id: i64,
    system: &'a str,
    external_id: &'a str,
    login: &'a str,
    status: &'static str,
    attributes: String,
    last_sign_in: Option<i64>,
    purge_due: Option<i64>,
    seen_at: i64,
}

const UPSERT: Text = rows!(
    "INSERT INTO accounts (id, system, external_id, login, status, attributes, last_sign_in, purge_due, seen_at)
     SELECT id, system, external_id, login, status, attributes, last_sign_in, purge_due, seen_at FROM",
    { id BIGINT, system TEXT, external_id TEXT, login TEXT, status TEXT, attributes TEXT, last_sign_in BIGINT,
      purge_due BIGINT, seen_at BIGINT },
    "WHERE 1 = 1 ON CONFLICT (system, external_id) DO UPDATE SET login = excluded.login, status = excluded.status,
            attributes = excluded.attributes, last_sign_in = excluded.last_sign_in,
            purge_due = CASE WHEN excluded.status = 'deleted' THEN COALESCE(accounts.purge_due, excluded.purge_due) END,
            seen_at = excluded.seen_at"
);

/// The columns that make an [`Account`], of `accounts a`.
macro_rules! account_columns {
    () => {
        "a.id, a.system, a.external_id, a.login, a.person_id, a.status, a.attributes, a.last_sign_in, a.purge_due"
    };
}
pub(super) use account_columns;

/// Accounts by a condition that an index answers, and whatever else is asked of them.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            account_columns!(),
            " FROM accounts a WHERE ",
            $condition,
            " AND (CAST($1 AS TEXT) IS NULL OR a.system = $1)
               AND (CAST($2 AS BIGINT) IS NULL OR a.person_id = $2)
               AND (CAST($3 AS TEXT) IS NULL OR a.external_id = $3 OR a.login = $3) ORDER BY a.system, a.login, a.id"
        )
    };
}

const ALL: &str = select!("1 = 1");
const OF_PERSON: &str = select!("a.person_id = $2");
const CALLED: &str = select!("a.system = $1 AND (a.external_id = $3 OR a.login = $3)");

const BIND: Text = rows!(
    "UPDATE accounts SET person_id = v.person, bound_by = v.bound_by FROM",
    { account BIGINT, person BIGINT, bound_by TEXT },
    "WHERE accounts.id = v.account"
);

/// How many of a page are in the inventory.
const KNOWN: Text = rows!(
    "SELECT COUNT(*) FROM",
    { system TEXT, external_id TEXT },
    "CROSS JOIN accounts a WHERE a.system = v.system AND a.external_id = v.external_id"
);

impl Store {
    /// Writes one page of a system's accounts into the inventory.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn save_accounts(&self, accounts: &[Account]) -> Result<SyncCount, StoreError> {
        if accounts.is_empty() {
            return Ok(SyncCount::default());
        }
        let mut tx = self.begin().await?;
        let known = self.count_known(tx.conn(), accounts).await?;
        self.upsert_accounts(&mut tx, accounts).await?;
        self.commit(tx).await?;
        Ok(SyncCount { read: accounts.len(), new: accounts.len().saturating_sub(known) })
    }

    /// Writes accounts as they were read into the inventory; whose they are stays as it is.
    pub(super) async fn upsert_accounts(&self, tx: &mut Tx, accounts: &[Account]) -> Result<(), StoreError> {
        let first = self.take_keys(tx, "account", i64::try_from(accounts.len()).unwrap_or(i64::MAX)).await?;
        let seen_at = tx.now.as_millisecond();
        let columns: Vec<Columns<'_>> = (first..)
            .zip(accounts)
            .map(|(id, account)| Columns {
                id,
                system: &account.system,
                external_id: &account.external_id,
                login: &account.login,
                status: account.status.as_str(),
                attributes: json(&account.attributes),
                last_sign_in: account.last_sign_in,
                purge_due: account.purge_due,
                seen_at,
            })
            .collect();
        sqlx::query(UPSERT.of(self.dialect())).bind(json(&columns)).execute(tx.conn()).await?;
        Ok(())
    }

    async fn count_known(&self, conn: &mut sqlx::AnyConnection, accounts: &[Account]) -> Result<usize, StoreError> {
        #[derive(Serialize)]
        struct Key<'a> {
            system: &'a str,
            external_id: &'a str,
        }
        let keys: Vec<Key<'_>> =
            accounts.iter().map(|account| Key { system: &account.system, external_id: &account.external_id }).collect();
        let known: i64 = sqlx::query_scalar(KNOWN.of(self.dialect())).bind(json(&keys)).fetch_one(conn).await?;
        Ok(usize::try_from(known).unwrap_or(0))
    }

    /// Accounts, narrowed by system, person and id (or sign-in name).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn accounts(
        &self,
        system: Option<&str>,
        person: Option<i64>,
        id: Option<&str>,
    ) -> Result<Vec<Account>, StoreError> {
        let mut conn = self.reader().await?;
        let text = match (system, person, id) {
            (_, Some(_), _) => OF_PERSON,
            (Some(_), None, Some(_)) => CALLED,
            _ => ALL,
        };
        let rows = sqlx::query(text)
            .bind(system.map(str::to_owned))
            .bind(person)
            .bind(id.map(str::to_owned))
            .fetch_all(&mut *conn)
            .await?;
        rows.iter().map(account).collect()
    }

    /// How many accounts are known on each system.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn accounts_by_system(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query("SELECT system, COUNT(*) FROM accounts GROUP BY system").fetch_all(&mut *conn).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// The account with this row key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn account(&self, id: i64) -> Result<Option<Account>, StoreError> {
        let mut conn = self.reader().await?;
        self.account_on(&mut conn, id).await
    }

    pub(super) async fn account_on(
        &self,
        conn: &mut sqlx::AnyConnection,
        id: i64,
    ) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.id = $1"))
            .bind(id)
            .fetch_optional(conn)
            .await?;
        row.as_ref().map(account).transpose()
    }

    /// Binds accounts to people (or unbinds them).
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn bind(&self, bindings: &[Binding]) -> Result<(), StoreError> {
        if bindings.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query(BIND.of(self.dialect())).bind(json(&bindings)).execute(tx.conn()).await?;
        self.commit(tx).await
    }
}

/// An account as its row holds it.
#[derive(FromRow, Deserialize)]
struct AccountColumns {
    id: i64,
    system: String,
    external_id: String,
    login: String,
    person_id: Option<i64>,
    status: String,
    attributes: String,
    last_sign_in: Option<i64>,
    purge_due: Option<i64>,
}

impl AccountColumns {
    fn account(self) -> Result<Account, StoreError> {
        let status = AccountStatus::from_name(&self.status);
        Ok(Account {
            id: self.id,
            system: self.system,
            external_id: self.external_id,
            login: self.login,
            person_id: self.person_id,
            status: status.ok_or_else(|| StoreError::corrupt("account's status", &self.status))?,
            attributes: parse("account's attributes", &self.attributes)?,
            last_sign_in: self.last_sign_in,
            purge_due: self.purge_due,
        })
    }
}

pub(super) fn account(row: &AnyRow) -> Result<Account, StoreError> {
    AccountColumns::from_row(row)?.account()
}

/// Accounts as one value, to be read by [`accounts_in`].
macro_rules! accounts {
    ($dialect:ident, $condition:expr) => {
        gathered!(
            $dialect,
            [id, system, external_id, login, person_id, status, attributes, last_sign_in, purge_due],
            concat!("SELECT ", $crate::store::accounts::account_columns!(), " FROM accounts a WHERE ", $condition)
        )
    };
}
pub(super) use accounts;

macro_rules! of_people {
    ($dialect:ident) => {
        concat!("SELECT ", accounts!($dialect, concat!("a.person_id IN ", listed!($dialect, "$1"))))
    };
}

/// The accounts of people.
pub(super) const OF_PEOPLE: Text = Text { sqlite: of_people!(sqlite), postgres: of_people!(postgres) };

/// The accounts in what `accounts!` gives, by system and sign-in name.
pub(super) fn accounts_in(gathered: &str) -> Result<Vec<Account>, StoreError> {
    let rows: Vec<AccountColumns> = parse("account", gathered)?;
    let mut accounts: Vec<Account> = rows.into_iter().map(AccountColumns::account).collect::<Result<_, _>>()?;
    accounts.sort_by(|one, other| (&one.system, &one.login, one.id).cmp(&(&other.system, &other.login, other.id)));
    Ok(accounts)
}
