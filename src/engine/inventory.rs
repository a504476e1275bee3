//! Reading systems into the record, and finding out whose account is whose.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use super::Engine;
use super::matching::Matched;
use crate::clock;
use crate::connectors::Connector;
use crate::run::{Account, AccountStatus};
use crate::store::{Patience, StoreError, SyncCount};

/// How soon a reading that waits for its system's rate looks again, at the latest: others may have moved the clock.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a sync of one system found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Synced {
    /// The system.
    pub system: String,
    /// Accounts read and new.
    #[serde(flatten)]
    pub count: SyncCount,
    /// What was bound, and what belongs to nobody known.
    #[serde(flatten)]
    pub matched: Matched,
}

impl Engine {
    /// Reads all accounts of a system, page by page and no faster than its `rate`, and binds those that match exactly one
    /// person by the system's rules. What is bound already stays as it is.
    ///
    /// # Errors
    /// Why the system or the record could not be used, in words.
    pub async fn sync(&self, system: &str) -> Result<Synced, String> {
        let connector = self.systems().get(system).ok_or_else(|| format!("there is no system called {system}"))?;
        let read = self.read_all(connector, system).await;
        // What cannot be read is told. The failure itself is the answer, whether it can be written down or not.
        if let Err(error) = self.ask(self.store().note_reading(system, read.as_ref().err().map(String::as_str))).await {
            tracing::warn!(%error, system, "whether this system can be read could not be written down");
        }
        let mut synced = read?;
        synced.matched = self.match_accounts(system).await.map_err(|error| error.to_string())?;
        // Who governs a system may be others now.
        self.store().judge_protected_again().await.map_err(|error| error.to_string())?;
        Ok(synced)
    }

    /// One question of an attempt to the record, unless that keeps silent: an attempt that waited until the kernel finds a
    /// connection dead would keep its step for a quarter of an hour.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.store().unless_silent(&Patience::default(), question).await
    }

    async fn read_all(&self, connector: &Connector, system: &str) -> Result<Synced, String> {
        let mut synced = Synced { system: system.to_owned(), ..Synced::default() };
        let (mut from, mut accounts) = (None, 0);
        loop {
            self.keep_rate(system).await.map_err(|error| error.to_string())?;
            let (page, next) = connector.accounts(from).await.map_err(|error| error.to_string())?;
            accounts += i64::try_from(page.iter().filter(|account| lives(account)).count()).unwrap_or(i64::MAX);
            let count = self.ask(self.store().save_accounts(&page)).await.map_err(|error| error.to_string())?;
            synced.count.read += count.read;
            synced.count.new += count.new;
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        self.store().note_population(system, accounts).await.map_err(|error| error.to_string())?;
        Ok(synced)
    }

    /// Waits until the configuration lets one more page of a system be asked for.
    async fn keep_rate(&self, system: &str) -> Result<(), StoreError> {
        while let Some(left) = self.ask(self.store().take_place(system)).await? {
            clock::pause(left.min(LOOK_AGAIN)).await;
        }
        Ok(())
    }

    /// Reads the systems whose last complete reading is older than half of what the limits accept, so that nothing has
    /// to wait for it. What cannot be read is tried again later, by whichever daemon looks first.
    ///
    /// # Errors
    /// When the record cannot be used.
    pub async fn keep_inventory(&self) -> Result<usize, StoreError> {
        let mut read = 0;
        for system in self.systems().keys() {
            if !self.store().take_reading(system, self.house_rules().limits.inventory_age / 2).await? {
                continue;
            }
            match self.sync(system).await {
                Ok(synced) => {
                    read += 1;
                    tracing::info!(system, accounts = synced.count.read, "the system's inventory was old: read again");
                }
                Err(error) => tracing::warn!(system, %error, "the system's inventory is old and cannot be read"),
            }
        }
        Ok(read)
    }
}

/// Whether it is one of the accounts that a system has: those in their grace are on their way out.
fn lives(account: &Account) -> bool {
    !matches!(account.status, AccountStatus::Deleted | AccountStatus::Purged)
}
