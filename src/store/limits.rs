//! What has started on each system lately, counted in the claim's own transaction under the lock of the system's row:
//! two daemons never both take the last place that a threshold leaves (guarantee 9).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

use super::books::{Loaded, json, step_key};
use super::claim::is_due;
use super::columns;
use super::desk::Desk;
use super::sql::{Text, keys, rows};
use super::{Store, StoreError, Tx};
use crate::clock::{from_millis, minus, plus};
use crate::run::book::{Book, Step};
use crate::run::limits::{Counted, DAY, HOUR, Population, Standing, Tally, approved_as_batch, standing, subject};
use crate::run::trip::Stops;

/// How soon what waits for the first of its batch is looked at again, should nobody say that they are over.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// More of a batch need not be read: six that were read back are enough.
const BATCH_READ: i64 = 50;

/// Destructive steps that wait for those of their batch that are under way, at the instant `$now`. The names are those
/// of the destructive actions; a test holds them against the catalogue.
macro_rules! waits_for_batch {
    ($now:literal) => {
        concat!(
            "(s.action IN ('account.delete', 'account.purge') AND EXISTS (SELECT 1 FROM systems y WHERE y.name = s.system AND y.canary_until > ",
            $now,
            "))"
        )
    };
}
pub(super) use waits_for_batch;

const SYSTEMS: Text = keys!("SELECT name, population, read_at FROM systems WHERE name", "", texts);

/// In the order of their names: nobody waits for somebody who waits for them.
const SYSTEMS_LOCKED: Text = Text {
    sqlite: "SELECT name FROM systems WHERE name IN (SELECT value FROM json_each($1)) ORDER BY name",
    postgres: "SELECT name FROM systems
               WHERE name IN (SELECT value FROM json_array_elements_text(CAST($1 AS json))) ORDER BY name FOR UPDATE",
};

const NEW_SYSTEMS: Text =
    rows!("INSERT INTO systems (name) SELECT name FROM", { name TEXT }, "WHERE 1 = 1 ON CONFLICT (name) DO NOTHING");

const COUNTS: Text = keys!(
    "SELECT t.system, COUNT(CASE WHEN t.stops = 'destructive' AND t.at > $2 AND t.counts = 1 THEN 1 END) AS hour,
            COUNT(CASE WHEN t.stops = 'destructive' AND t.counts = 1 THEN 1 END) AS day,
            COUNT(CASE WHEN t.stops = 'cuts' AND t.at > $2 THEN 1 END) AS cuts
     FROM starts t JOIN systems y ON y.name = t.system
     WHERE t.stops IN ('destructive', 'cuts') AND t.at > $3
       AND t.at >= CASE WHEN t.stops = 'cuts' THEN y.cuts_from ELSE y.destructive_from END
       AND t.system",
    "GROUP BY t.system",
    texts
);

const OWN: Text = keys!(
    "SELECT t.subject, t.at FROM starts t JOIN systems y ON y.name = t.system
     WHERE t.at >= CASE WHEN t.stops = 'cuts' THEN y.cuts_from ELSE y.destructive_from END AND t.subject",
    "",
    texts
);

const BATCH: &str = "SELECT s.* FROM starts t JOIN systems y ON y.name = t.system JOIN steps s ON s.id = t.step_id
     WHERE t.stops = 'destructive' AND t.system = $1 AND t.at > $2 AND t.at >= y.destructive_from
       AND s.state NOT IN ('skipped', 'cancelled', 'awaiting_person')
     ORDER BY t.at LIMIT $3";

const NOTE: Text = rows!(
    "INSERT INTO starts (subject, stops, system, step_id, at, counts)
     SELECT subject, stops, system, step_id, at, counts FROM",
    { subject TEXT, stops TEXT, system TEXT, step_id BIGINT, at BIGINT, counts BIGINT },
    "WHERE 1 = 1 ON CONFLICT (subject) DO UPDATE SET system = excluded.system, step_id = excluded.step_id,
            at = excluded.at, counts = excluded.counts"
);

#[derive(Serialize)]
struct Start {
    subject: String,
    stops: &'static str,
    system: String,
    step_id: i64,
    at: i64,
    counts: i64,
}

/// The counts of a turn, under the locks of their systems.
#[derive(Default)]
pub(super) struct Tallies {
    systems: BTreeMap<String, Tally>,
    counted: HashMap<String, Counted>,
    starts: Vec<Start>,
    /// Systems where something waits for the first of its batch.
    later: BTreeSet<String>,
}

impl Tallies {
    /// The counts of a system; `None` where this turn does not have its lock.
    pub(super) fn of(&self, system: &str) -> Option<&Tally> {
        self.systems.get(system)
    }

    /// Whether a step counts already.
    pub(super) fn counted(&self, subject: &str) -> Counted {
        self.counted.get(subject).copied().unwrap_or_default()
    }

    /// A step has started.
    pub(super) fn note(&mut self, book: &Book, step: &Step, now: Timestamp) {
        let (Some(stops), Some(system)) = (Stops::of(book, step), &step.system) else { return };
        let Some(tally) = self.systems.get_mut(system) else { return };
        let subject = subject(book.run.id, step, stops);
        let before = self.counted.insert(subject.clone(), Counted { hour: true, day: true }).unwrap_or_default();
        let counts = stops == Stops::Cuts || !approved_as_batch(book, step);
        match stops {
            Stops::Cuts => tally.cuts += i64::from(!before.hour),
            Stops::Destructive => {
                tally.hour += i64::from(counts && !before.hour);
                tally.day += i64::from(counts && !before.day);
                tally.batch += i64::from(!before.hour);
            }
            // No step is of that kind: it is what a trip stops.
            Stops::Everything => {}
        }
        self.starts.push(Start {
            subject,
            stops: stops.as_str(),
            system: system.clone(),
            step_id: step_key(book.run.id, step.ordinal),
            at: now.as_millisecond(),
            counts: i64::from(counts),
        });
    }

    /// A step waits for the first of its batch.
    pub(super) fn wait(&mut self, system: &str) {
        self.later.insert(system.to_owned());
    }
}

/// The systems on which something is due that counts.
fn counting(books: &[Loaded], now: Timestamp) -> BTreeSet<String> {
    let due = |book: &Book, step: &Step| is_due(step, now) && Stops::of(book, step).is_some();
    let of = |loaded: &Loaded| {
        let steps = loaded.book.steps.iter().filter(|step| due(&loaded.book, step));
        steps.filter_map(|step| step.system.clone()).collect::<Vec<_>>()
    };
    books.iter().flat_map(of).collect()
}

/// By what the due steps of a run would be remembered that may count already: tried before, or cuts.
fn subjects(book: &Book, now: Timestamp) -> Vec<String> {
    let due = book.steps.iter().filter(|step| is_due(step, now));
    let counts = due.filter_map(|step| Some((step, Stops::of(book, step)?)));
    let again = counts.filter(|(step, stops)| *stops == Stops::Cuts || step.attempts > 0);
    again.map(|(step, stops)| subject(book.run.id, step, stops)).collect()
}

impl Store {
    /// Takes the locks of the systems on which something counts, and counts. `over` are systems on which a destructive
    /// attempt has just ended, `paced` those whose pace is limited: their rows are locked with the others.
    pub(super) async fn tallies(
        &self,
        tx: &mut Tx,
        books: &[Loaded],
        (over, paced): (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Result<Tallies, StoreError> {
        let systems = counting(books, tx.now);
        let all: BTreeSet<&String> = systems.iter().chain(over).chain(paced).collect();
        if all.is_empty() {
            return Ok(Tallies::default());
        }
        self.lock_systems(tx, &all).await?;
        if systems.is_empty() {
            return Ok(Tallies::default());
        }
        let now = tx.now;
        let counted = self.counted(tx.conn(), books, now).await?;
        let systems = self.tallies_on(tx.conn(), &systems, now, books).await?;
        Ok(Tallies { systems, counted, ..Tallies::default() })
    }

    /// Whoever has the rows counts alone. Systems that are met for the first time get theirs.
    pub(super) async fn lock_systems(&self, tx: &mut Tx, systems: &BTreeSet<&String>) -> Result<(), StoreError> {
        let text = SYSTEMS_LOCKED.of(self.dialect());
        let names = json(&systems);
        if sqlx::query(text).bind(&names).fetch_all(tx.conn()).await?.len() == systems.len() {
            return Ok(());
        }
        #[derive(Serialize)]
        struct New<'a> {
            name: &'a str,
        }
        let new: Vec<New<'_>> = systems.iter().map(|name| New { name }).collect();
        sqlx::query(NEW_SYSTEMS.of(self.dialect())).bind(json(&new)).execute(tx.conn()).await?;
        sqlx::query(text).bind(&names).fetch_all(tx.conn()).await?;
        Ok(())
    }

    /// Which of the due steps count already: tried before, or on an account that is being cut.
    async fn counted(
        &self,
        conn: &mut AnyConnection,
        books: &[Loaded],
        now: Timestamp,
    ) -> Result<HashMap<String, Counted>, StoreError> {
        let subjects: BTreeSet<String> = books.iter().flat_map(|loaded| subjects(&loaded.book, now)).collect();
        if subjects.is_empty() {
            return Ok(HashMap::new());
        }
        let (hour, day) = windows(now);
        let rows = sqlx::query(OWN.of(self.dialect())).bind(json(&subjects)).fetch_all(conn).await?;
        rows.iter()
            .map(|row| {
                let at: i64 = row.try_get(1)?;
                Ok((row.try_get(0)?, Counted { hour: at > hour, day: at > day }))
            })
            .collect()
    }

    /// What has started on these systems, as the tables and the runs in hand say.
    pub(super) async fn tallies_on(
        &self,
        conn: &mut AnyConnection,
        systems: &BTreeSet<String>,
        now: Timestamp,
        books: &[Loaded],
    ) -> Result<BTreeMap<String, Tally>, StoreError> {
        let (hour, day) = windows(now);
        let (dialect, names) = (self.dialect(), json(systems));
        let mut tallies: BTreeMap<String, Tally> =
            systems.iter().map(|system| (system.clone(), Tally::default())).collect();
        for row in sqlx::query(SYSTEMS.of(dialect)).bind(&names).fetch_all(&mut *conn).await? {
            let (accounts, read_at): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
            let known = accounts.zip(read_at);
            let known = known.map(|(accounts, at)| Population { accounts, read_at: from_millis(at) });
            tallies.entry(row.try_get(0)?).or_default().population = known;
        }
        let counts = sqlx::query(COUNTS.of(dialect)).bind(&names).bind(hour).bind(day).fetch_all(&mut *conn).await?;
        for row in counts {
            let tally = tallies.entry(row.try_get(0)?).or_default();
            (tally.hour, tally.day, tally.cuts) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        }
        for (system, tally) in &mut tallies {
            let rows = sqlx::query(BATCH).bind(system).bind(hour).bind(BATCH_READ).fetch_all(&mut *conn).await?;
            for row in &rows {
                let (run, step): (i64, Step) = (row.try_get("run_id")?, columns::step(row)?);
                // A run in hand knows better than its row how its steps stand.
                let in_hand = books.iter().find(|loaded| loaded.book.run.id == run);
                let step = in_hand.and_then(|loaded| loaded.book.step(step.ordinal)).unwrap_or(&step);
                let standing = standing(run, step);
                tally.batch += i64::from(standing != Standing::Out);
                match standing {
                    Standing::Good => tally.good += 1,
                    Standing::Bad(words) => tally.bad = Some(words),
                    Standing::Open | Standing::Out => {}
                }
            }
        }
        Ok(tallies)
    }

    /// Writes down what has started, and which systems wait for the first of their batch; `over` need wait no longer.
    pub(super) async fn note_starts(
        &self,
        tx: &mut Tx,
        desk: &Desk,
        over: &BTreeSet<String>,
    ) -> Result<bool, StoreError> {
        let Tallies { starts, later, .. } = &desk.tallies;
        if !starts.is_empty() {
            // One account may have begun several cuts in this turn.
            let starts: BTreeMap<&str, &Start> = starts.iter().map(|start| (start.subject.as_str(), start)).collect();
            let starts: Vec<&Start> = starts.into_values().collect();
            sqlx::query(NOTE.of(self.dialect())).bind(json(&starts)).execute(tx.conn()).await?;
        }
        let until = plus(tx.now, LOOK_AGAIN).as_millisecond();
        for system in later {
            set_canary(tx, system, Some(until)).await?;
        }
        for system in over.difference(later) {
            set_canary(tx, system, None).await?;
        }
        Ok(!later.is_empty())
    }

    /// From now on starts count anew: what a person has released is theirs to answer for.
    pub(super) async fn count_anew(&self, tx: &mut Tx, system: &str, stops: Stops) -> Result<(), StoreError> {
        let now = tx.now.as_millisecond();
        let text = match stops {
            Stops::Destructive => "UPDATE systems SET destructive_from = $1, canary_until = NULL WHERE name = $2",
            Stops::Cuts => "UPDATE systems SET cuts_from = $1 WHERE name = $2",
            Stops::Everything => return Ok(()),
        };
        sqlx::query(text).bind(now).bind(system).execute(tx.conn()).await?;
        Ok(())
    }
}

async fn set_canary(tx: &mut Tx, system: &str, until: Option<i64>) -> Result<(), StoreError> {
    sqlx::query("UPDATE systems SET canary_until = $1 WHERE name = $2")
        .bind(until)
        .bind(system)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What is older than the hour, and than the day, does not count any more (epoch milliseconds).
fn windows(now: Timestamp) -> (i64, i64) {
    (minus(now, HOUR).as_millisecond(), minus(now, DAY).as_millisecond())
}

#[cfg(test)]
mod tests {
    use crate::workflow::ActionKind;

    #[test]
    fn what_waits_for_its_batch_is_every_destructive_action() {
        let text = waits_for_batch!("$1");
        for action in ActionKind::ALL {
            assert_eq!(text.contains(&format!("'{}'", action.name())), action.is_destructive(), "{action}");
        }
    }
}
