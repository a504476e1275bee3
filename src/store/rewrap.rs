//! Another master key, while daemons are at work: data keys are wrapped anew, a few at a time. What they have sealed
//! stays as it is.
//!
//! The order keeps everything readable for everybody: first every daemon has the new key, then it wraps what is new,
//! then what is there is wrapped anew, then the old key may go. Whoever is stopped in between goes on later: a wrapped
//! key says by which master key it is wrapped.

use std::sync::PoisonError;

use serde::Serialize;
use sqlx::Row;

use super::books::json;
use super::checkpoints::{SIGNING_KEY, signing_key_place};
use super::sql::{Text, rows};
use super::{Dialect, Store, StoreError, Tx, credentials, mails, people, stored, waits};
use crate::secret::KeyRing;

/// Keys wrapped anew in one transaction.
const BATCH: i64 = 250;

/// The name of the master key that wraps what is new, and what says that everything is wrapped by it.
pub(super) const KEY_RING: &str = "key_ring";
const NEXT: &str = "key_next";
const WRAPPED: &str = "key_wrapped";
const DAEMON_KEYS: &str = "daemon_keys";

/// A table whose rows have wrapped keys.
struct Keyed {
    select: Text,
    update: Text,
    left: &'static str,
    place: fn(i64) -> String,
}

/// A row that somebody has in hand is passed over, and comes with the next look: so nobody is waited for by one who holds
/// others.
macro_rules! keyed {
    ($table:literal, $key:literal, $update:expr, $place:path) => {
        Keyed {
            select: Text {
                sqlite: concat!(
                    "SELECT ",
                    $key,
                    ", data_key FROM ",
                    $table,
                    " WHERE data_key IS NOT NULL AND data_key <> ''
                     AND data_key NOT LIKE $1 AND ",
                    $key,
                    " > $2 ORDER BY ",
                    $key,
                    " LIMIT $3"
                ),
                postgres: concat!(
                    "SELECT ",
                    $key,
                    ", data_key FROM ",
                    $table,
                    " WHERE data_key IS NOT NULL AND data_key <> ''
                     AND data_key NOT LIKE $1 AND ",
                    $key,
                    " > $2 ORDER BY ",
                    $key,
                    " LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
                ),
            },
            update: $update,
            left: concat!(
                "SELECT COUNT(*) FROM ",
                $table,
                " WHERE data_key IS NOT NULL AND data_key <> '' AND data_key NOT LIKE $1"
            ),
            place: $place,
        }
    };
}

const PEOPLE: Text = rows!(
    "UPDATE people SET data_key = v.data_key FROM",
    { id BIGINT, data_key TEXT },
    "WHERE people.id = v.id"
);
const MAILS: Text = rows!(
    "UPDATE mails SET data_key = v.data_key FROM",
    { id BIGINT, data_key TEXT },
    "WHERE mails.id = v.id"
);
const CREDENTIALS: Text = rows!(
    "UPDATE credentials SET data_key = v.data_key FROM",
    { id BIGINT, data_key TEXT },
    "WHERE credentials.step_id = v.id"
);
const WAITS: Text = rows!(
    "UPDATE waits SET data_key = v.data_key FROM",
    { id BIGINT, data_key TEXT },
    "WHERE waits.id = v.id"
);

const TABLES: &[Keyed] = &[
    keyed!("people", "id", PEOPLE, people::key_place),
    keyed!("mails", "id", MAILS, mails::key_place),
    keyed!("credentials", "step_id", CREDENTIALS, credentials::place),
    keyed!("waits", "id", WAITS, waits::key_place),
];

/// How far a pass over the tables has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    table: usize,
    behind: i64,
}

#[derive(Serialize)]
struct Rewrapped {
    id: i64,
    data_key: String,
}

impl Store {
    /// The master keys at hand.
    pub fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }

    /// Tells the daemons that a new master key is coming: each reads the key file again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn announce_key(&self, version: u32) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        self.set_meta(&mut tx, NEXT, &version.to_string()).await?;
        self.notify(&mut tx).await?;
        self.commit(tx).await
    }

    /// Follows what was said about master keys: reads the key file again where a key is missing, wraps with the key that
    /// all have agreed on, and lets the others know which keys this daemon has. Once a round.
    ///
    /// # Errors
    /// When a key is not here, or the database cannot be used.
    pub async fn follow_keys(&self) -> Result<(), StoreError> {
        let keys = &self.inner.keys;
        let next: u32 = self.meta(NEXT).await?.and_then(|next| next.parse().ok()).unwrap_or_default();
        let agreed = self.meta(KEY_RING).await?.unwrap_or_default();
        if (next > 0 && !keys.versions().contains(&next)) || (keys.fingerprint() != agreed && !keys.wrap_with(&agreed))
        {
            keys.reload().map_err(|error| StoreError::Keys(error.to_string()))?;
        }
        if keys.fingerprint() != agreed && !keys.wrap_with(&agreed) {
            return Err(StoreError::Keys(format!(
                "another master key is in use by now, and this key ring does not have it (it has {:?}); copy the key file here",
                keys.versions()
            )));
        }
        self.publish_keys().await
    }

    /// On PostgreSQL the daemon's listening connection tells it (`watch` in `wake.rs`); SQLite has one daemon.
    async fn publish_keys(&self) -> Result<(), StoreError> {
        let ours = self.inner.keys.label();
        match self.dialect() {
            Dialect::Sqlite if self.meta(DAEMON_KEYS).await?.as_ref() != Some(&ours) => {
                let mut tx = self.begin().await?;
                self.set_meta(&mut tx, DAEMON_KEYS, &ours).await?;
                self.commit(tx).await
            }
            Dialect::Postgres if self.told_keys().as_ref() != Some(&ours) => {
                // Our own listening connection hears it too, and says which keys there are now.
                let mut tx = self.begin().await?;
                self.notify(&mut tx).await?;
                self.commit(tx).await?;
                self.set_told_keys(ours);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How many daemons do not have this master key; `running` says whether one is at work on a SQLite file.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn daemons_without(&self, version: u32, running: bool) -> Result<i64, StoreError> {
        match self.dialect() {
            Dialect::Sqlite => {
                let label = self.meta(DAEMON_KEYS).await?.unwrap_or_default();
                Ok(i64::from(running && !has(&label, version)))
            }
            Dialect::Postgres => {
                let labels = self.daemon_labels().await?;
                Ok(labels.iter().map(|label| i64::from(!has(label, version))).sum())
            }
        }
    }

    /// From now on the newest key of this ring wraps what is new, in every daemon.
    ///
    /// # Errors
    /// When the database cannot be written, or another key was agreed on meanwhile.
    pub async fn wrap_with_newest(&self) -> Result<(), StoreError> {
        let (before, (_, newest)) = (self.inner.keys.fingerprint(), self.inner.keys.newest());
        let mut tx = self.begin().await?;
        let changed = sqlx::query("UPDATE meta SET value = $1 WHERE name = $2 AND value IN ($3, $1)")
            .bind(&newest)
            .bind(KEY_RING)
            .bind(before)
            .execute(tx.conn())
            .await?;
        if changed.rows_affected() != 1 {
            return Err(StoreError::Conflict("the master key".to_owned()));
        }
        sqlx::query("DELETE FROM meta WHERE name IN ($1, $2)").bind(NEXT).bind(WRAPPED).execute(tx.conn()).await?;
        self.notify(&mut tx).await?;
        self.commit(tx).await?;
        self.inner.keys.wrap_with(&newest);
        Ok(())
    }

    /// Wraps some data keys anew, in one short transaction; answers how many, and where to go on. `None` at the end.
    ///
    /// # Errors
    /// When the database cannot be written, or a key does not open.
    pub async fn rewrap_some(&self, pass: Pass) -> Result<(u64, Option<Pass>), StoreError> {
        let mut tx = self.begin().await?;
        let Some(keyed) = TABLES.get(pass.table) else {
            let changed = self.rewrap_by_name(&mut tx).await?;
            self.commit(tx).await?;
            return Ok((changed, None));
        };
        let prefix = format!("{}%", self.inner.keys.wrapped_prefix());
        let found = sqlx::query(keyed.select.of(self.dialect()))
            .bind(prefix)
            .bind(pass.behind)
            .bind(BATCH)
            .fetch_all(tx.conn())
            .await?;
        let mut changed = Vec::with_capacity(found.len());
        let mut behind = pass.behind;
        for row in &found {
            let (id, data_key): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            behind = id;
            if let Some(data_key) = self.inner.keys.rewrap(&(keyed.place)(id), &data_key)? {
                changed.push(Rewrapped { id, data_key });
            }
        }
        if found.is_empty() {
            return Ok((0, Some(Pass { table: pass.table + 1, behind: 0 })));
        }
        sqlx::query(keyed.update.of(self.dialect())).bind(json(&changed)).execute(tx.conn()).await?;
        self.commit(tx).await?;
        Ok((changed.len() as u64, Some(Pass { behind, ..pass })))
    }

    /// The few that have names: stored secrets, and the key that signs.
    async fn rewrap_by_name(&self, tx: &mut Tx) -> Result<u64, StoreError> {
        let mut changed = 0;
        let rows = sqlx::query("SELECT name, data_key FROM stored_secrets ORDER BY name").fetch_all(tx.conn()).await?;
        for row in &rows {
            let (name, old): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let Some(new) = self.inner.keys.rewrap(&stored::place(&name), &old)? else { continue };
            let text = "UPDATE stored_secrets SET data_key = $1 WHERE name = $2 AND data_key = $3";
            let done = sqlx::query(text).bind(new).bind(name).bind(old).execute(tx.conn()).await?;
            changed += done.rows_affected();
        }
        let signing: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(SIGNING_KEY)
            .fetch_optional(tx.conn())
            .await?;
        if let Some(old) = signing
            && let Some(new) = self.inner.keys.rewrap(&signing_key_place(), &old)?
        {
            self.set_meta(tx, SIGNING_KEY, &new).await?;
            changed += 1;
        }
        Ok(changed)
    }

    /// How many data keys another master key has wrapped, or an older usher.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn wrapped_otherwise(&self) -> Result<i64, StoreError> {
        let prefix = format!("{}%", self.inner.keys.wrapped_prefix());
        let mut conn = self.reader().await?;
        let mut left = 0;
        let named = [
            "SELECT COUNT(*) FROM stored_secrets WHERE data_key NOT LIKE $1",
            "SELECT COUNT(*) FROM meta WHERE name = 'signing_key' AND value NOT LIKE $1",
        ];
        for text in TABLES.iter().map(|keyed| keyed.left).chain(named) {
            left += sqlx::query_scalar::<_, i64>(text).bind(&prefix).fetch_one(&mut *conn).await?;
        }
        Ok(left)
    }

    /// One step of wrapping anew in the daemon's round, where something is left: a rotation that was cut, a database of
    /// an older usher. Costs one look once nothing is; answers whether to go on soon.
    ///
    /// # Errors
    /// As [`Store::rewrap_some`].
    pub async fn rewrap_in_passing(&self) -> Result<bool, StoreError> {
        let prefix = self.inner.keys.wrapped_prefix();
        let pass = match self.pass() {
            Some(pass) => pass,
            None if self.meta(WRAPPED).await?.as_ref() == Some(&prefix) => return Ok(false),
            None => Pass::default(),
        };
        let (_, next) = self.rewrap_some(pass).await?;
        self.set_pass(next);
        if next.is_none() && self.wrapped_otherwise().await? == 0 {
            let mut tx = self.begin().await?;
            self.set_meta(&mut tx, WRAPPED, &prefix).await?;
            self.commit(tx).await?;
        }
        Ok(true)
    }

    fn told_keys(&self) -> Option<String> {
        self.inner.told_keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_told_keys(&self, keys: String) {
        *self.inner.told_keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }

    fn pass(&self) -> Option<Pass> {
        *self.inner.rewrapping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_pass(&self, pass: Option<Pass>) {
        *self.inner.rewrapping.lock().unwrap_or_else(PoisonError::into_inner) = pass;
    }
}

/// Whether a daemon that says this of itself has the key.
fn has(label: &str, version: u32) -> bool {
    label.split_whitespace().any(|word| word.parse() == Ok(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_has_the_keys_that_it_names_and_no_others() {
        assert!(has("usher keys 1 12", 1) && has("usher keys 1 12", 12));
        assert!(!has("usher keys 1 12", 2) && !has("usher keys 12", 1) && !has("", 1));
    }
}
