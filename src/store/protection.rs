//! Whether an account must not be lost, resolved from the inventory in the claim's own transaction.

use serde_json::{Map, Value};
use sqlx::AnyConnection;

use super::accounts::{account, account_columns};
use super::desk::Desk;
use super::judging::Line;
use super::{Dialect, Store, StoreError};
use crate::run::{Account, AccountStatus, Governing, HoldReason, Protects, another_role};
use crate::workflow::ActionKind;

/// Those who can sign in on a system, have a role, and have no attempt under way that may close them.
const OTHERS: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM accounts a WHERE a.system = $1 AND a.id <> $2 AND a.status = 'enabled' AND a.attributes LIKE '%\"role\":%'
       AND NOT EXISTS (SELECT 1 FROM steps l WHERE l.account_id = a.id AND l.state = 'leased' AND l.account_id IS NOT NULL)"
);

impl Store {
    /// Why an account is protected from being closed, or from the role that it `becomes`. Two daemons never take each
    /// the other's last but one: whoever closes an account that governs its system, or takes that role away, holds a row
    /// until the claim is written.
    pub(super) async fn protection(
        &self,
        line: &Line<'_>,
        account: &Account,
        becomes: Option<&str>,
        desk: &Desk,
    ) -> Result<Option<String>, StoreError> {
        let kinds = match self.conventions().protected.of(account, becomes) {
            Protects::Nothing => return Ok(None),
            Protects::Always(why) => return Ok(Some(why)),
            Protects::LastOf(kinds) => kinds,
        };
        let mut tx = line.tx().await;
        if self.dialect() == Dialect::Postgres {
            sqlx::query("SELECT value FROM counters WHERE name = 'governing' FOR UPDATE").fetch_one(tx.conn()).await?;
        }
        let mut left = others(tx.conn(), account).await?;
        // What this turn has just claimed is leased, though the table does not show it yet.
        left.retain(|other| !desk.busy.contains(&other.id));
        Ok(last_of(&kinds, account, &left))
    }

    /// Why a step must not give an account another role: who governs a system would be lost to it.
    pub(super) async fn demotion(
        &self,
        line: &Line<'_>,
        action: ActionKind,
        account: Option<&Account>,
        with: &Map<String, Value>,
        desk: &Desk,
    ) -> Result<Option<String>, StoreError> {
        match (account, another_role(action, with)) {
            (Some(account), Some(role)) => self.protection(line, account, Some(role), desk).await,
            _ => Ok(None),
        }
    }

    /// Lets steps that were held for a protected account be judged again; answers how many.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn judge_protected_again(&self) -> Result<usize, StoreError> {
        self.let_go("protected", "usher", None, |_, reason| matches!(reason, HoldReason::Protected(_))).await
    }

    /// As a claim would find it now, to look at.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn why_protected(&self, account: &Account) -> Result<Option<String>, StoreError> {
        let kinds = match self.conventions().protected.of(account, None) {
            Protects::Nothing => return Ok(None),
            Protects::Always(why) => return Ok(Some(why)),
            Protects::LastOf(kinds) => kinds,
        };
        let mut conn = self.reader().await?;
        Ok(last_of(&kinds, account, &others(&mut conn, account).await?))
    }
}

/// The other accounts of its system that could stand in for it.
async fn others(conn: &mut AnyConnection, of: &Account) -> Result<Vec<Account>, StoreError> {
    let rows = sqlx::query(OTHERS).bind(&of.system).bind(of.id).fetch_all(conn).await?;
    rows.iter().map(account).collect()
}

/// What is said of an account where none of its kind is left without it. One that is purged governs nothing.
fn last_of(kinds: &[&Governing], account: &Account, left: &[Account]) -> Option<String> {
    let open = account.status != AccountStatus::Purged;
    let last = kinds.iter().find(|kind| !left.iter().any(|other| kind.has(other)));
    last.filter(|_| open).map(|kind| kind.last_on(&account.system))
}
