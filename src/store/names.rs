//! The names of new accounts, and those that nobody may have for a while: chosen and kept in the claim's own
//! transaction, so that a name that was chosen is durable before anything leaves the house.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{AnyConnection, Row};

use super::{Dialect, Store, StoreError, Tx};
use crate::run::naming::{NamingError, Pattern, Wanted};
use crate::run::{Account, Person};

/// How a new account is to be called, as far as a workflow says so.
#[derive(Clone, Debug, Default)]
pub(super) struct NameAsked<'a> {
    pub(super) system: &'a str,
    pub(super) address: Option<&'a str>,
    pub(super) pattern: Option<Pattern>,
}

/// What a new account is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The work address, the same on all systems of a run.
    pub(super) address: String,
    /// The sign-in name, where the system has a convention of its own.
    pub(super) sign_in: Option<String>,
}

/// Where a name is looked for.
#[derive(Clone, Copy, Debug)]
enum Among<'a> {
    /// On every system, among aliases, people and former names.
    Everything,
    /// Among the sign-in names of one system.
    System(&'a str),
}

impl Store {
    /// The names of a new account: those that the run has chosen before, else the first that are free.
    ///
    /// `None` when somebody changes the person just now; the step is looked at again afterwards.
    pub(super) async fn name_account(
        &self,
        tx: &mut Tx,
        run: i64,
        person: &Person,
        asked: &NameAsked<'_>,
    ) -> Result<Option<Result<Named, NamingError>>, StoreError> {
        if !self.bar_names(tx, person.id).await? {
            return Ok(None);
        }
        let address = match chosen(tx.conn(), run, "").await? {
            Some(address) => address,
            None => match self.address(tx.conn(), run, person, asked.address).await? {
                Ok(address) => address,
                Err(why) => return Ok(Some(Err(why))),
            },
        };
        let sign_in = match self.sign_in(tx, run, person, asked).await? {
            Ok(sign_in) => sign_in,
            Err(why) => return Ok(Some(Err(why))),
        };
        keep(tx, run, "", &address).await?;
        if let Some(name) = &sign_in {
            keep(tx, run, asked.system, name).await?;
        }
        // Where HR gave none, the chosen address is the person's from now on.
        sqlx::query("UPDATE people SET email = $1 WHERE id = $2 AND (email IS NULL OR email = '')")
            .bind(&address)
            .bind(person.id)
            .execute(tx.conn())
            .await?;
        Ok(Some(Ok(Named { address, sign_in })))
    }

    /// The work address that a new account of somebody would get now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn proposed_address(
        &self,
        person: &Person,
        given: Option<&str>,
    ) -> Result<Result<String, NamingError>, StoreError> {
        let mut conn = self.reader().await?;
        self.address(&mut conn, 0, person, given).await
    }

    /// What the workflow gives, else HR, else the convention.
    async fn address(
        &self,
        conn: &mut AnyConnection,
        run: i64,
        person: &Person,
        given: Option<&str>,
    ) -> Result<Result<String, NamingError>, StoreError> {
        let naming = &self.conventions().naming;
        let written = given.or(person.email.as_deref()).filter(|written| !written.trim().is_empty());
        let Some(written) = written else {
            return match naming.address_of(person) {
                Ok(wanted) => self.free(conn, run, person, &wanted, Among::Everything).await,
                Err(why) => Ok(Err(why)),
            };
        };
        let address = match naming.given_address(written, person) {
            Ok(address) => address,
            Err(why) => return Ok(Err(why)),
        };
        let taken = self.taken(conn, run, person, &address, Among::Everything).await?;
        // Whoever writes an address by hand may give somebody a reserved word; nobody may give somebody else's.
        Ok(match taken.get(&address) {
            Some(by) => Err(NamingError::Taken { name: address, by: by.clone() }),
            None => Ok(address),
        })
    }

    async fn sign_in(
        &self,
        tx: &mut Tx,
        run: i64,
        person: &Person,
        asked: &NameAsked<'_>,
    ) -> Result<Result<Option<String>, NamingError>, StoreError> {
        if let Some(before) = chosen(tx.conn(), run, asked.system).await? {
            return Ok(Ok(Some(before)));
        }
        match self.conventions().naming.sign_in_of(asked.system, asked.pattern.as_ref(), person) {
            Ok(Some(wanted)) => {
                let free = self.free(tx.conn(), run, person, &wanted, Among::System(asked.system)).await?;
                Ok(free.map(Some))
            }
            Ok(None) => Ok(Ok(None)),
            Err(why) => Ok(Err(why)),
        }
    }

    async fn free(
        &self,
        conn: &mut AnyConnection,
        run: i64,
        person: &Person,
        wanted: &Wanted,
        among: Among<'_>,
    ) -> Result<Result<String, NamingError>, StoreError> {
        let taken = self.taken(conn, run, person, wanted.stem(), among).await?;
        Ok(self.conventions().naming.choose(wanted, |name| taken.get(&name.to_lowercase()).cloned()))
    }

    /// Names that begin with `stem` and are somebody else's, with whose.
    async fn taken(
        &self,
        conn: &mut AnyConnection,
        run: i64,
        person: &Person,
        stem: &str,
        among: Among<'_>,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let stem = stem.to_lowercase();
        let begins = format!("{}%", escaped(&stem));
        let mut taken = BTreeMap::new();
        for account in accounts_like(conn, &stem, person.id).await? {
            let by = format!("account {} on {}", account.external_id, account.system);
            match among {
                Among::Everything => taken.extend(names_of(&account).into_iter().map(|name| (name, by.clone()))),
                Among::System(system) if account.system == system => {
                    taken.insert(account.login.to_lowercase(), by);
                }
                Among::System(_) => {}
            }
        }
        if let Among::Everything = among {
            taken.extend(addresses_of_others(conn, &begins, person.id).await?);
        }
        taken.extend(self.former(conn, &begins, person.id).await?);
        taken.extend(chosen_by_others(conn, &begins, run, person.id, among).await?);
        Ok(taken)
    }

    /// Names that are reserved for those who had them. `%` means all of them.
    async fn former(
        &self,
        conn: &mut AnyConnection,
        begins: &str,
        person: i64,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let now = self.times(conn).await?.0.as_millisecond();
        let rows = sqlx::query(
            "SELECT name, until, why FROM former_names
             WHERE name LIKE $1 ESCAPE '\\' AND until > $2 AND (person_id IS NULL OR person_id <> $3)",
        )
        .bind(begins)
        .bind(now)
        .bind(person)
        .fetch_all(conn)
        .await?;
        let told = |row: &sqlx::any::AnyRow| {
            let (until, why): (i64, String) = (row.try_get(1)?, row.try_get(2)?);
            let until = crate::clock::from_millis(until);
            Ok((row.try_get(0)?, format!("somebody else had it until {why}; it is reserved until {until}")))
        };
        rows.iter().map(told).collect()
    }

    /// Names that are given up: reserved for whoever had them.
    pub(super) async fn reserve_names(
        &self,
        tx: &mut Tx,
        names: &BTreeSet<String>,
        person: Option<i64>,
        why: &str,
    ) -> Result<(), StoreError> {
        let until = self.conventions().naming.reserved_until(tx.now);
        for name in names {
            sqlx::query(
                "INSERT INTO former_names (name, person_id, since, until, why) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (name, since) DO NOTHING",
            )
            .bind(name)
            .bind(person)
            .bind(tx.now.as_millisecond())
            .bind(until.as_millisecond())
            .bind(why)
            .execute(tx.conn())
            .await?;
        }
        Ok(())
    }

    /// One daemon chooses names at a time, and nobody changes the person meanwhile. SQLite has one writer.
    async fn bar_names(&self, tx: &mut Tx, person: i64) -> Result<bool, StoreError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(true);
        }
        sqlx::query("SELECT value FROM counters WHERE name = 'name' FOR UPDATE").fetch_one(tx.conn()).await?;
        let held: Option<i64> = sqlx::query_scalar("SELECT id FROM people WHERE id = $1 FOR UPDATE SKIP LOCKED")
            .bind(person)
            .fetch_optional(tx.conn())
            .await?;
        Ok(held.is_some())
    }
}

/// Everything an account answers to: its sign-in name, its address and its aliases, in lower case.
pub(super) fn names_of(account: &Account) -> BTreeSet<String> {
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.to_lowercase()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
        _ => Vec::new(),
    };
    let told = ["email", "aliases"].iter().filter_map(|name| account.attributes.get(*name)).flat_map(texts);
    told.chain([account.login.to_lowercase()]).filter(|name| !name.is_empty()).collect()
}

async fn chosen(conn: &mut AnyConnection, run: i64, system: &str) -> Result<Option<String>, StoreError> {
    let text = "SELECT name FROM chosen_names WHERE run_id = $1 AND system = $2";
    Ok(sqlx::query_scalar(text).bind(run).bind(system).fetch_optional(conn).await?)
}

async fn keep(tx: &mut Tx, run: i64, system: &str, name: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO chosen_names (run_id, system, name, chosen_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (run_id, system) DO NOTHING",
    )
    .bind(run)
    .bind(system)
    .bind(name)
    .bind(tx.now.as_millisecond())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Accounts of others that may answer to a name with this stem; whether they do is for [`names_of`] to say. An
/// account that was purged answers to nothing.
async fn accounts_like(conn: &mut AnyConnection, stem: &str, person: i64) -> Result<Vec<Account>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, system, external_id, login, person_id, status, attributes, last_sign_in, purge_due FROM accounts
         WHERE status <> 'purged' AND (person_id IS NULL OR person_id <> $1)
           AND (LOWER(login) LIKE $2 ESCAPE '\\' OR LOWER(attributes) LIKE $3 ESCAPE '\\')",
    )
    .bind(person)
    .bind(format!("{}%", escaped(stem)))
    .bind(format!("%\"{}%", escaped(stem)))
    .fetch_all(conn)
    .await?;
    rows.iter().map(super::accounts::account).collect()
}

/// Work addresses of other people. Of those who have left, accounts and former names tell what is still theirs.
async fn addresses_of_others(
    conn: &mut AnyConnection,
    begins: &str,
    person: i64,
) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sqlx::query(
        "SELECT LOWER(email), employee_number FROM people
         WHERE id <> $1 AND status <> 'left' AND LOWER(email) LIKE $2 ESCAPE '\\'",
    )
    .bind(person)
    .bind(begins)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, format!("the work address of {}", row.try_get::<String, _>(1)?))))
        .collect()
}

/// Names that open runs of other people have chosen and not made an account of yet.
async fn chosen_by_others(
    conn: &mut AnyConnection,
    begins: &str,
    run: i64,
    person: i64,
    among: Among<'_>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let system = match among {
        Among::Everything => "",
        Among::System(system) => system,
    };
    let rows = sqlx::query(
        "SELECT c.name, c.run_id FROM chosen_names c JOIN runs r ON r.id = c.run_id
         WHERE c.name LIKE $1 ESCAPE '\\' AND c.system = $2 AND c.run_id <> $3 AND r.ended_at IS NULL
           AND r.person_id <> $4",
    )
    .bind(begins)
    .bind(system)
    .bind(run)
    .bind(person)
    .fetch_all(conn)
    .await?;
    let told = |row: &sqlx::any::AnyRow| {
        Ok((row.try_get(0)?, format!("chosen by {}", crate::run::book::public_id(row.try_get(1)?))))
    };
    rows.iter().map(told).collect()
}

/// A text as `LIKE … ESCAPE '\'` takes it literally.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
