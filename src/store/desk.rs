//! What the verdicts of a turn are made from, read in the turn's own transaction and barred against change until it
//! commits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::accounts::{accounts, accounts_in};
use super::books::{Loaded, STEPS_PER_RUN, json, parse};
use super::limits::Tallies;
use super::pace::Rooms;
use super::people::{people_in, people_with_managers};
use super::sql::{Text, gathered, listed};
use super::{Dialect, Store, StoreError, Tx};
use crate::run::book::{Book, public_id};
use crate::run::guard::Freeze;
use crate::run::trip::Trip;
use crate::run::{Account, Person, StepState};

/// Accounts with an attempt under way.
macro_rules! leased {
    ($dialect:ident, $accounts:literal) => {
        gathered!(
            $dialect,
            [id, account_id],
            concat!(
                "SELECT id, account_id FROM steps WHERE state = 'leased' AND account_id IS NOT NULL AND account_id IN ",
                listed!($dialect, $accounts)
            )
        )
    };
}

/// People with their managers, and accounts; whether there is any freeze, trip or legal hold to be read. Whoever starts an
/// attempt on an account has its row: two daemons never find the same account free.
macro_rules! desk {
    ($dialect:ident, $lock:literal, $leased:expr) => {
        concat!(
            "SELECT ",
            people_with_managers!($dialect),
            ", ",
            accounts!($dialect, concat!("a.id IN ", listed!($dialect, "$2"), " ORDER BY a.id", $lock)),
            ", (SELECT COUNT(*) FROM freezes WHERE lifted_at IS NULL), (SELECT COUNT(*) FROM trips WHERE released_at IS NULL),
               (SELECT COUNT(*) FROM holds WHERE ended_at IS NULL), ",
            $leased
        )
    };
}

const DESK: Text = Text {
    sqlite: desk!(sqlite, "", leased!(sqlite, "$2")),
    postgres: desk!(postgres, " FOR UPDATE OF a SKIP LOCKED", "''"),
};

/// Asked once the accounts' rows are locked: before, PostgreSQL would not see the lease of whoever had the row until then.
const LEASED: &str = concat!("SELECT ", leased!(postgres, "$1"));

/// Whether a later step of the person's, in one of the two tables of steps, has opened the account.
macro_rules! opened_since {
    ($steps:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM runs o JOIN ",
            $steps,
            " e ON e.id >= o.id * 1024 AND e.id < o.id * 1024 + 1024
                    WHERE o.person_id = $1 AND e.account_id = $4 AND e.id > s.id
                      AND e.action IN ('account.enable', 'account.restore') AND e.state = 'done')"
        )
    };
}

/// Cuts of runs that are over, in one of the two tables of steps, that nobody has lifted.
macro_rules! cuts_that_stand {
    ($steps:literal) => {
        concat!(
            "SELECT r.id AS run FROM runs r JOIN ",
            $steps,
            " s ON s.id >= r.id * 1024 AND s.id < r.id * 1024 + 1024
             WHERE r.person_id = $1 AND r.ended_at IS NOT NULL AND r.id <> $2 AND r.id <> $3
               AND s.account_id = $4 AND s.action = 'account.disable' AND s.state = 'done'
               AND NOT ",
            opened_since!("steps"),
            " AND NOT ",
            opened_since!("archived_steps"),
            "
               AND NOT EXISTS (SELECT 1 FROM runs u WHERE u.undoes = r.id AND u.state <> 'cancelled')"
        )
    };
}

/// The last run whose cut stands, however long it has been over: also in the archive.
const CUTS_THAT_STAND: &str = concat!(
    "SELECT MAX(run) FROM (",
    cuts_that_stand!("steps"),
    " UNION ALL ",
    cuts_that_stand!("archived_steps"),
    ") AS cuts"
);

/// What a whole turn's verdicts are made from.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) people: BTreeMap<i64, Person>,
    /// Accounts whose row this transaction has.
    pub(super) accounts: HashMap<i64, Account>,
    /// Accounts with an attempt under way.
    pub(super) busy: HashSet<i64>,
    /// Accounts on which an attempt of a run at hand has just ended, and that run.
    pub(super) ended: HashMap<i64, i64>,
    pub(super) freezes: Vec<Freeze>,
    /// Legal holds in words, by person.
    pub(super) holds: BTreeMap<i64, String>,
    /// Guards that have tripped.
    pub(super) trips: Vec<Trip>,
    /// What has started on the systems on which something counts.
    pub(super) tallies: Tallies,
    /// The room of the systems whose pace is limited.
    pub(super) rooms: Rooms,
}

impl Store {
    /// Everything verdicts depend on, read once for the whole turn.
    pub(super) async fn desk(&self, tx: &mut Tx, books: &[Loaded]) -> Result<Desk, StoreError> {
        let people: BTreeSet<i64> = books.iter().filter_map(|loaded| loaded.book.run.person).collect();
        let accounts: BTreeSet<i64> =
            books.iter().flat_map(|loaded| loaded.book.steps.iter().filter_map(|step| step.account)).collect();
        self.bar_freezes(tx).await?;
        let list = json(&accounts);
        let (found, locked, freezes, trips, holds, leased): (String, String, i64, i64, i64, String) =
            sqlx::query_as(DESK.of(self.dialect())).bind(json(&people)).bind(&list).fetch_one(tx.conn()).await?;
        let mut desk = Desk {
            people: people_in(&found)?.into_iter().map(|person| (person.id, person)).collect(),
            accounts: accounts_in(&locked)?.into_iter().map(|account| (account.id, account)).collect(),
            ..Desk::default()
        };
        if freezes > 0 {
            desk.freezes = self.freezes_on(tx.conn()).await?.into_iter().map(|row| row.freeze).collect();
        }
        if trips > 0 {
            desk.trips = self.trips_open(tx.conn()).await?.into_iter().map(|row| row.trip).collect();
        }
        if holds > 0 {
            desk.holds = self.holds_on(tx, &people).await?;
        }
        if !desk.accounts.is_empty() {
            let leased = match self.dialect() {
                Dialect::Sqlite => leased,
                Dialect::Postgres => sqlx::query_scalar(LEASED).bind(&list).fetch_one(tx.conn()).await?,
            };
            (desk.busy, desk.ended) = busy(books, &leased)?;
        }
        Ok(desk)
    }

    /// Whoever sets a freeze or a legal hold changes this row: it waits for the claims that are being written, and the claims after it
    /// see it. Without that, READ COMMITTED would let a claim pass that began before a freeze and is written after it.
    /// SQLite has one writer.
    async fn bar_freezes(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            sqlx::query("SELECT value FROM counters WHERE name = 'freeze' FOR SHARE").fetch_one(tx.conn()).await?;
        }
        Ok(())
    }

    /// Before somebody's data is destroyed: nobody changes what HR says of them until the claim is written. False when
    /// somebody is doing that just now; the step is looked at again afterwards.
    pub(super) async fn bar_changes(
        &self,
        tx: &mut Tx,
        person: Option<i64>,
        desk: &mut Desk,
    ) -> Result<bool, StoreError> {
        let (Dialect::Postgres, Some(person)) = (self.dialect(), person) else { return Ok(true) };
        let held: Option<i64> = sqlx::query_scalar("SELECT id FROM people WHERE id = $1 FOR SHARE SKIP LOCKED")
            .bind(person)
            .fetch_optional(tx.conn())
            .await?;
        if held.is_some() {
            desk.people.extend(self.people_with_managers(tx.conn(), &BTreeSet::from([person])).await?);
        }
        Ok(held.is_some())
    }

    /// What keeps this account closed: another live run of the person. One whose ending has come and is held needs it
    /// no longer.
    pub(super) async fn cut_needed(
        &self,
        tx: &mut Tx,
        me: i64,
        person: i64,
        account: i64,
    ) -> Result<Option<String>, StoreError> {
        let now = tx.now.as_millisecond();
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT r.id FROM runs r JOIN steps s ON s.id >= r.id * 1024 AND s.id < r.id * 1024 + 1024
             WHERE r.person_id = $1 AND r.ended_at IS NULL AND r.id <> $2 AND s.account_id = $3
               AND s.action = 'account.disable' AND s.state NOT IN ('blocked', 'skipped', 'cancelled')
               AND (s.state <> 'waiting' OR s.due_at <= $4)
               AND NOT EXISTS (SELECT 1 FROM steps e WHERE e.id >= r.id * 1024 AND e.id < r.id * 1024 + 1024
                    AND e.of_step = s.id - r.id * 1024 AND e.action = 'account.enable'
                    AND e.state IN ('done', 'held'))
             ORDER BY r.id LIMIT 1",
        )
        .bind(person)
        .bind(me)
        .bind(account)
        .bind(now)
        .fetch_optional(tx.conn())
        .await?;
        Ok(found.map(|run| format!("{} keeps this account closed; cancel it first", public_id(run))))
    }

    /// What takes a cut back (an ending, an undoing) opens nothing that another run has closed for a reason of its own,
    /// however long that run has been over: a block ends when it is lifted, not when a leave ends. A cut counts as
    /// lifted once a later step has opened the account, or its run has been taken back.
    pub(super) async fn cut_not_lifted(
        &self,
        tx: &mut Tx,
        book: &Book,
        person: i64,
        account: i64,
    ) -> Result<Option<String>, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(CUTS_THAT_STAND)
            .bind(person)
            .bind(book.run.id)
            .bind(book.run.undoes.unwrap_or(book.run.id))
            .bind(account)
            .fetch_one(tx.conn())
            .await?;
        Ok(found.map(|run| {
            let run = public_id(run);
            format!("{run} has closed this account too, and nobody has lifted that: `usher unblock` or `usher run undo {run}`")
        }))
    }
}

/// Accounts with an attempt under way; and those whose attempt this very turn has recorded, with its run: it is over, though the
/// table does not show it yet.
fn busy(books: &[Loaded], leased: &str) -> Result<(HashSet<i64>, HashMap<i64, i64>), StoreError> {
    let here: HashMap<i64, &Loaded> = books.iter().map(|loaded| (loaded.book.run.id, loaded)).collect();
    let over = |key: i64| {
        here.get(&(key / STEPS_PER_RUN)).is_some_and(|loaded| {
            let step = u16::try_from(key % STEPS_PER_RUN).ok().and_then(|ordinal| loaded.book.step(ordinal));
            step.is_some_and(|step| !matches!(step.state, StepState::Leased { .. }))
        })
    };
    let rows: Vec<(i64, i64)> = parse("attempts under way", leased)?;
    let (ended, busy): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(key, _)| over(*key));
    let ended = ended.into_iter().map(|(key, account)| (account, key / STEPS_PER_RUN)).collect();
    Ok((busy.into_iter().map(|(_, account)| account).collect(), ended))
}
