//! A town in which every person has one history; all of them live through the same year.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use sqlx::Row;
use usher::intake::events;
use usher::run::Person;
use usher::run::book::parse_public_id;
use usher::run::limits::{Limit, Limits, SystemLimits};
use usher::store::{EventFilter, EventState, NewEvent};
use usher::workflow::ActionKind;

use super::words::{Dice, History, STAGES, address};
use crate::database::Db;
use crate::harness::{App, zurich};

/// When what HR says is dealt with, and when steps are worked off.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each word at once, with all that follows.
    AtOnce,
    /// Steps go on between the words; these are dealt with at the end of the day.
    Late,
    /// Words are dealt with at once; steps wait for the end of the day.
    Asleep,
    /// As the dice fall.
    Dice(u64),
}

/// A compact departure: one cut, an approval, a deletion with grace.
const DEPARTURE: &str = r#"
workflow: departure
title: Departure
for: person
on: { event: departure, manual: true }
inputs:
  last_day: { type: date, from: event.effective, required: true }
steps:
  - id: disable
    action: account.disable
    systems: all
    at: last_day 18:00
  - id: approve-deletion
    action: approval
    after: disable
    at: last_day + 45 days
    with: { role: approver, confirm: "{{ person.display_name }}", valid: 30 days }
  - id: delete
    action: account.delete
    systems: all
    after: approve-deletion
    at: last_day + 60 days
    grace: 30 days
"#;

/// How long after the last day accounts are deleted.
const RETENTION: i32 = 60;

const ONBOARDING: &str = r#"
workflow: onboarding
title: Onboarding
for: person
on: { event: joined, manual: true }
inputs:
  start_date: { type: date, from: event.effective, default: "{{ person.start_date }}" }
steps:
  - id: create
    action: account.create
    systems: all
    with: { enabled: false }
  - id: enable
    action: account.enable
    systems: all
    after: create
"#;

const CHANGE: &str = r#"
workflow: department
title: Another department
for: person
on: { event: changed, fields: [department], manual: true }
steps:
  - id: show
    action: directory.show
    systems: directory
"#;

const SYSTEMS: &str = r#"
name = "Town"

[systems.directory]
title = "Directory"
facets = ["directory"]
trash = true
grace_days = 30

[systems.mailhost]
title = "Mail"
facets = ["mail"]
trash = true
grace_days = 30
"#;

/// Where each person stands at some moment, by number: open runs, parked words, accounts.
pub type Standings = BTreeMap<String, Vec<String>>;

pub struct Town<'h> {
    app: App,
    histories: &'h [History],
    pace: Pace,
    dice: Dice,
    /// When HR said what, by person.
    told: Vec<Vec<Timestamp>>,
}

/// A whole town may leave on one day: what limits hold is told elsewhere.
fn wide() -> Limits {
    let all = Limit::of(1_000_000, 0);
    Limits {
        everywhere: SystemLimits { destructive_per_hour: all, destructive_per_day: all, cuts_per_hour: all },
        inventory_age: Duration::from_secs(10 * 365 * 86_400),
        ..Limits::default()
    }
}

fn number(n: usize) -> String {
    format!("{n:06}")
}

impl<'h> Town<'h> {
    pub async fn new(db: Db, histories: &'h [History], pace: Pace) -> Self {
        let mut company = SYSTEMS.to_owned();
        for (n, _) in histories.iter().enumerate().filter(|(_, history)| history.begins_employed()) {
            let (n, email) = (number(n), address(&number(n)));
            let _ = write!(
                company,
                "\n[[people]]\nnumber = \"{n}\"\ngiven_name = \"Robin\"\nfamily_name = \"{n}\"\nemail = \"{email}\"\n\
                 on.directory = {{ id = \"d-{n}\" }}\non.mailhost = {{ id = \"m-{n}\" }}\n"
            );
        }
        let files = [("departure.yaml", DEPARTURE), ("onboarding.yaml", ONBOARDING), ("department.yaml", CHANGE)];
        let app = App { hands: 256, ..App::with_workflows(db, &company, &files, wide()).await };
        let employed = histories.iter().enumerate().filter(|(_, history)| history.begins_employed());
        let people: Vec<Person> = employed.map(|(n, history)| history.person(&number(n), 0)).collect();
        app.store.save_people(&people, &[]).await.expect("saves");
        app.sync().await;
        let dice = Dice(if let Pace::Dice(seed) = pace { seed } else { 0 });
        Self { app, histories, pace, dice, told: vec![Vec::new(); histories.len()] }
    }

    /// The whole year; answers where everybody stands at the end of each stage, and long after.
    pub async fn live(mut self) -> Vec<Standings> {
        let mut standings = Vec::new();
        for (stage, day) in STAGES.iter().enumerate() {
            self.app.live_until(zurich(&format!("{day}T12:00"))).await;
            self.hear(stage).await;
            standings.push(self.standings().await);
            self.heed().await;
        }
        self.app.live_until(zurich("2028-03-01T12:00")).await;
        standings.push(self.standings().await);
        self.nobody_employed_loses_access().await;
        self.nothing_is_lost(standings.last().expect("the end")).await;
        self.app.end().await;
        standings
    }

    /// HR's words of one day, for everybody in turn: first word, second word, …
    async fn hear(&mut self, stage: usize) {
        let histories = self.histories;
        let most = |history: &History| history.words.iter().filter(|(at, _)| *at == stage).count();
        let rounds = histories.iter().map(most).max().unwrap_or(0);
        for round in 0..rounds {
            self.app.clock.set(self.app.now() + jiff::SignedDuration::from_secs(1));
            let (mut people, mut events, mut again) = (Vec::new(), Vec::new(), Vec::new());
            for (n, history) in histories.iter().enumerate() {
                let first = history.words.iter().take_while(|(at, _)| *at < stage).count();
                if round >= most(history) {
                    continue;
                }
                let (word, who) = (first + round, number(n));
                people.push(history.person(&who, word + 1));
                events.push(history.event(&who, word));
                again.extend((0..=word).map(|earlier| history.event(&who, earlier)));
                self.told[n].push(self.app.now());
            }
            self.tell(&people, &events, &again).await;
            let (dispatch, drain) = match self.pace {
                Pace::AtOnce => (true, true),
                Pace::Late => (false, true),
                Pace::Asleep => (true, false),
                Pace::Dice(_) => (self.dice.below(2) == 0, self.dice.below(2) == 0),
            };
            if dispatch {
                self.dispatch().await;
            }
            if drain {
                self.app.drain().await;
            }
        }
        self.dispatch().await;
        self.app.drain().await;
    }

    /// HR says it, and says it again, with everything it has said before.
    async fn tell(&self, people: &[Person], events: &[NewEvent], again: &[NewEvent]) {
        let accepted = self.app.store.save_people(people, events).await.expect("accepts");
        assert_eq!(accepted.len(), events.len(), "a word is lost");
        assert!(self.app.store.save_people(&[], again).await.expect("accepts").is_empty(), "a duplicate counts");
    }

    async fn dispatch(&self) {
        events::dispatch_read(&self.app.engine).await.expect("dispatches");
    }

    /// People carry out what is proposed for parked events.
    async fn heed(&self) {
        let parked = EventFilter { state: Some(EventState::Parked), limit: Some(1_000_000), ..EventFilter::default() };
        for event in self.app.store.events(&parked).await.expect("events") {
            let n: usize = event.employee_number.parse().expect("a number");
            if !self.histories[n].heeded {
                continue;
            }
            for command in &event.proposes {
                if let Some(run) = command.strip_prefix("usher run undo ") {
                    let run = parse_public_id(run.split(' ').next().expect("a run")).expect("an id");
                    // Another event of the same person may have proposed it, too.
                    self.app.engine.undo(run, "as HR says", "os:test", false).await.ok();
                }
            }
            self.app.store.retry_event(event.id, "os:test").await.expect("takes it up again");
        }
        self.dispatch().await;
        for event in self.app.store.events(&parked).await.expect("events") {
            if self.histories[event.employee_number.parse::<usize>().expect("a number")].heeded {
                let settled = self.app.store.settle_event(event.id, EventState::Resolved, "done", "os:test");
                settled.await.expect("settles");
            }
        }
        self.app.drain().await;
    }

    async fn standings(&self) -> Standings {
        let mut standings: Standings = BTreeMap::new();
        let mut conn = self.app.home.connect().await;
        let mut rows = async |text: &'static str| sqlx::query(text).fetch_all(&mut conn).await.expect(text);
        let runs = rows(
            "SELECT p.employee_number, r.workflow, r.state, r.inputs,
                    CAST(COALESCE(SUM(CASE WHEN s.state = 'held' THEN 1 ELSE 0 END), 0) AS BIGINT)
             FROM runs r JOIN people p ON p.id = r.person_id JOIN steps s ON s.run_id = r.id
             WHERE r.ended_at IS NULL GROUP BY p.employee_number, r.id, r.workflow, r.state, r.inputs",
        );
        for row in runs.await {
            let (who, workflow, state, inputs): (String, String, String, String) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            let held: i64 = row.get(4);
            standings.entry(who).or_default().push(format!("{workflow} {state} {inputs} {held} held"));
        }
        let parked = rows(
            "SELECT p.employee_number, e.kind FROM hr_events e JOIN people p ON p.id = e.person_id
             WHERE e.state IN ('parked', 'accepted')",
        );
        for row in parked.await {
            standings.entry(row.get(0)).or_default().push(format!("parked {}", row.get::<String, _>(1)));
        }
        let accounts = rows(
            "SELECT p.employee_number, a.system, a.external_id FROM accounts a JOIN people p ON p.id = a.person_id",
        );
        for row in accounts.await {
            let (system, id): (String, String) = (row.get(1), row.get(2));
            let account = self.app.account(&system, &id);
            let is = account.map_or_else(|| "gone".to_owned(), |account| format!("{:?}", account.status));
            let is = is.split([' ', '{']).next().unwrap_or_default().to_owned();
            standings.entry(row.get(0)).or_default().push(format!("{system} {is}"));
        }
        standings.values_mut().for_each(|told| told.sort());
        standings
    }

    /// Every effect that cuts or destroys, against what HR had said by then (guarantee 10).
    async fn nobody_employed_loses_access(&self) {
        let mut holders: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut conn = self.app.home.connect().await;
        let accounts =
            "SELECT a.system, a.external_id, p.employee_number FROM accounts a JOIN people p ON p.id = a.person_id";
        for row in sqlx::query(accounts).fetch_all(&mut conn).await.expect("reads") {
            holders.insert((row.get(0), row.get(1)), row.get::<String, _>(2).parse().expect("a number"));
        }
        let zone = TimeZone::get("Europe/Zurich").expect("a zone");
        for effect in self.app.company.effects().expect("the ledger") {
            let wait = match effect.action {
                Some(ActionKind::AccountDisable) => 0,
                Some(ActionKind::AccountDelete | ActionKind::AccountPurge) => RETENTION,
                _ => continue,
            };
            let account = (effect.system.clone(), effect.account.clone().expect("an account"));
            let n = holders[&account];
            let known = self.told[n].iter().take_while(|told| **told <= effect.at).count();
            let standing = self.histories[n].standing(known);
            let on: Date = effect.at.to_zoned(zone.clone()).date();
            let may = standing.last_day.is_some_and(|last| last + Span::new().days(wait) <= on);
            let said = &self.histories[n].words[..known];
            assert!(may, "{:?} of {account:?} on {on}, though HR had said {said:?}", effect.action.expect("one"));
        }
    }

    /// Whoever has left has no way in, or somebody is told; every word is dealt with.
    async fn nothing_is_lost(&self, end: &Standings) {
        assert!(self.app.store.open_events().await.expect("events").is_empty(), "words that nobody has dealt with");
        for (n, history) in self.histories.iter().enumerate() {
            let leaves = history.standing(history.words.len()).last_day.is_some();
            let stands = end.get(&number(n)).cloned().unwrap_or_default();
            let has = |what: &str| stands.iter().any(|told| told.contains(what));
            let waits = has("parked") || stands.iter().any(|told| told.contains(" held") && !told.contains(" 0 held"));
            if leaves {
                assert!(!has("Enabled") || waits, "{:?} ends in silence with {stands:?}", history);
            } else {
                assert!(
                    !has("gone") && !has("Deleted") || waits || history.was_gone(),
                    "{history:?} ends with {stands:?}"
                );
            }
        }
    }
}

impl History {
    /// Whether a departure could run to its purge before HR said otherwise: then nobody can bring the accounts back.
    fn was_gone(&self) -> bool {
        (0..=self.words.len()).any(|count| self.standing(count).last_day.is_some())
    }
}
