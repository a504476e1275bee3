//! What waits for a person.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

use super::books::{Hold, Loaded, STEPS_PER_RUN, step_key};
use super::people::with_manager;
use super::{Store, StoreError};
use crate::run::advance::goes_on_after_failure;
use crate::run::book::{Book, Step};
use crate::run::{Account, HoldReason, Person, StepState, asking, guard, trip};
use crate::workflow::Scope;
use crate::workflow::params::Recipient;

/// A step that waits for a person: something to do, to tick, to approve, or to decide.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The run's key and the step's ordinal.
    #[serde(skip)]
    pub key: (i64, u16),
    /// The run.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's title.
    #[serde(skip)]
    pub title: String,
    /// The person the run is about.
    #[serde(skip)]
    pub person: Option<String>,
    /// The step's label.
    pub step: String,
    /// What it does.
    pub action: &'static str,
    /// `awaiting_approval`, `awaiting_person`, `held` or `failed`.
    pub state: &'static str,
    /// What is to be done, or why it is stopped.
    pub what: String,
    /// Points of a checklist, with whether they are ticked.
    pub items: Vec<(String, bool)>,
    /// What must be typed to approve.
    pub confirm: Option<String>,
    /// Who is to do it; nobody in particular where the file does not say.
    #[serde(skip)]
    pub assignee: Option<Recipient>,
    /// Whether the run goes on without it, where it has failed.
    #[serde(skip)]
    pub goes_on: bool,
    /// Where it takes place.
    #[serde(skip)]
    pub system: Option<String>,
    /// What holds it, in a word.
    #[serde(skip)]
    pub reason: Option<&'static str>,
    /// The guard that has tripped and holds it, as `trip_3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trip: Option<String>,
}

/// A step with everything its expressions see.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The run.
    pub book: Book,
    /// The person it is about.
    pub person: Option<Person>,
    /// Their manager.
    pub manager: Option<Person>,
    /// The step's account.
    pub account: Option<Account>,
    /// What expressions see.
    pub scope: Scope,
}

impl Store {
    /// Everything that waits for a person, oldest run first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waiting(&self, limit: i64) -> Result<Vec<Waiting>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id FROM steps WHERE state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person')
             ORDER BY id LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        let keys: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        self.waiting_on(&mut conn, &keys, what).await
    }

    /// Those of these steps (run and ordinal) that wait for a person.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waiting_of(&self, steps: &[(i64, u16)]) -> Result<Vec<Waiting>, StoreError> {
        let mut conn = self.reader().await?;
        let mut keys: Vec<i64> = steps.iter().map(|(run, ordinal)| step_key(*run, *ordinal)).collect();
        keys.sort_unstable();
        self.waiting_on(&mut conn, &keys, what).await
    }

    /// Those of these access cuts (run and ordinal) that are not over, whatever their state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn late_of(&self, steps: &[(i64, u16)]) -> Result<Vec<Waiting>, StoreError> {
        let mut conn = self.reader().await?;
        let mut keys: Vec<i64> = steps.iter().map(|(run, ordinal)| step_key(*run, *ordinal)).collect();
        keys.sort_unstable();
        self.waiting_on(&mut conn, &keys, late).await
    }

    async fn waiting_on(
        &self,
        conn: &mut AnyConnection,
        keys: &[i64],
        what: impl Fn(&Book, &Step) -> Option<String>,
    ) -> Result<Vec<Waiting>, StoreError> {
        let mut runs: Vec<i64> = keys.iter().map(|key| key / STEPS_PER_RUN).collect();
        runs.dedup();
        let books = self.load(conn, &runs, Hold::No).await?;
        let ids = books.iter().filter_map(|loaded| loaded.book.run.person).collect();
        let people = self.people_with_managers(conn, &ids).await?;
        let mut waiting = Vec::new();
        for Loaded { book, .. } in &books {
            let (person, manager) = with_manager(&people, book.run.person);
            let scope = asking::step_scope(book, person, manager, None);
            let asked = book.steps.iter().filter(|step| keys.contains(&step_key(book.run.id, step.ordinal)));
            for step in asked {
                let Some(what) = what(book, step) else { continue };
                waiting.push(Waiting {
                    key: (book.run.id, step.ordinal),
                    run: book.run.public_id(),
                    workflow: book.run.name.clone(),
                    title: book.run.workflow.title.clone(),
                    person: person.map(|person| person.display_name.clone()),
                    step: step.label(),
                    action: step.action.name(),
                    state: step.state.as_str(),
                    what,
                    items: asking::items(book, step, &scope)
                        .into_iter()
                        .enumerate()
                        .map(|(index, item)| (item, step.decision.ticked.contains(&(index + 1))))
                        .collect(),
                    confirm: asking::confirmation(book, step, &scope),
                    assignee: asking::assignee(book, step, &scope),
                    goes_on: goes_on_after_failure(book, step),
                    system: step.system.clone(),
                    reason: match &step.state {
                        StepState::Held { reason, .. } => Some(reason.code()),
                        _ => None,
                    },
                    trip: trip::holding(step).map(str::to_owned),
                });
            }
        }
        Ok(waiting)
    }

    /// A step with everything its expressions see, as it is now.
    ///
    /// # Errors
    /// When there is no such run or step, or the database cannot be read.
    pub async fn scene(&self, run: i64, ordinal: u16) -> Result<Scene, StoreError> {
        let mut conn = self.reader().await?;
        let book = self.look(&mut conn, run).await?.book;
        let ids = book.run.person.into_iter().collect();
        let people = self.people_with_managers(&mut conn, &ids).await?;
        drop(conn);
        let (person, manager) = with_manager(&people, book.run.person);
        let missing = || StoreError::NotFound { kind: "step", key: format!("{} of {}", ordinal, book.run.public_id()) };
        let step = book.step(ordinal).ok_or_else(missing)?;
        let account = match step.account {
            Some(id) => self.account(id).await?,
            None => None,
        };
        let scope = Scope::clone(&asking::step_scope(&book, person, manager, account.as_ref()));
        let (person, manager) = (person.cloned(), manager.cloned());
        Ok(Scene { person, manager, account, scope, book })
    }

    /// What must be typed to approve a step, and the points of a checklist, with the person as they are now.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn asked(&self, run: i64, ordinal: u16) -> Result<(Option<String>, Vec<String>), StoreError> {
        let mut conn = self.reader().await?;
        let loaded = self.look(&mut conn, run).await?;
        let book = &loaded.book;
        let ids = book.run.person.into_iter().collect();
        let names = self.people_with_managers(&mut conn, &ids).await?;
        let (person, manager) = with_manager(&names, book.run.person);
        let scope = asking::step_scope(book, person, manager, None);
        let Some(step) = book.step(ordinal) else { return Ok((None, Vec::new())) };
        Ok((asking::confirmation(book, step, &scope), asking::items(book, step, &scope)))
    }
}

impl Waiting {
    /// The command that answers it.
    pub fn way_on(&self) -> String {
        let of = format!("{} {}", self.run, self.step);
        match (self.state, &self.confirm) {
            ("awaiting_approval" | "done", Some(confirm)) => format!("usher approve {of} --confirm '{confirm}'"),
            ("awaiting_approval" | "done", None) => format!("usher approve {of} --confirm yes"),
            ("held", confirm) if self.reason == Some("nobody_answered") => {
                format!("usher approve {of} --confirm '{}'", confirm.as_deref().unwrap_or("yes"))
            }
            ("awaiting_person", _) => format!("usher task done {of}"),
            ("held", _) if self.trip.is_some() => {
                format!("usher guard release {} --reason …", self.trip.as_deref().unwrap_or_default())
            }
            ("held" | "failed", _) => format!("usher step retry {of} --reason …"),
            _ => format!("usher run show {}", self.run),
        }
    }
}

fn what(book: &Book, step: &Step) -> Option<String> {
    match &step.state {
        StepState::AwaitingApproval => {
            let why = held_behind(book, step).map(|why| format!("{why}; approve again or deny"));
            let asked = why.unwrap_or_else(|| "approve or deny".to_owned());
            Some(match step.decision.answer_by {
                Some(by) => format!("{asked}, by {}", local(book, by)),
                None => asked,
            })
        }
        StepState::AwaitingPerson { instruction } => Some(instruction.clone()),
        StepState::Held { reason, .. } => Some(format!("{}: {}", reason.code(), reason_words(reason))),
        StepState::Failed { reason, .. } => Some(reason.clone()),
        StepState::Done { .. } => step.decision.approval.as_ref().map(|given| {
            format!("the approval lapses at {}, and what it is for has not started: give it again", given.valid_until)
        }),
        _ => None,
    }
}

/// Why an approval that was given is asked for again, and what waits for it. Steps that came after the first one were
/// held because it is asked for again: that is no reason of its own.
fn held_behind(book: &Book, approval: &Step) -> Option<String> {
    let again = format!("{} is {}", approval.label(), approval.state.as_str());
    let held = guard::gated(book, approval.ordinal).into_iter().filter_map(|step| match &step.state {
        StepState::Held { reason: HoldReason::Approval(why), .. } => Some((why, step.label())),
        _ => None,
    });
    let (reasons, labels): (Vec<&String>, Vec<String>) = held.unzip();
    let why = reasons.iter().find(|why| ***why != again).or(reasons.first())?;
    Some(format!("{why}, and held for it: {}", labels.join(", ")))
}

/// Since when a cut is due by its run's own zone, how often it was tried, and what keeps it.
fn late(book: &Book, step: &Step) -> Option<String> {
    if step.state.is_final() {
        return None;
    }
    let since = local(book, step.first_due?);
    let why = what(book, step).map(|why| format!(", {why}")).unwrap_or_default();
    Some(format!("overdue since {since}, attempts so far: {}{why}", step.attempts))
}

/// An instant by the run's own zone.
fn local(book: &Book, at: Timestamp) -> String {
    let zone = TimeZone::get(&book.run.zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).strftime("%F %H:%M").to_string()
}

/// A hold's own words.
pub fn reason_words(reason: &HoldReason) -> String {
    use HoldReason as R;
    match reason {
        R::Paused => "the run is paused".into(),
        R::Late => "its time had passed when the run started".into(),
        R::Freeze(words)
        | R::Missing(words)
        | R::Approval(words)
        | R::NobodyAnswered(words)
        | R::PersonNotDeparted(words)
        | R::Hr(words)
        | R::LegalHold(words)
        | R::Protected(words)
        | R::CutOpen(words)
        | R::CutNeeded(words)
        | R::FreshRead(words)
        | R::Ambiguous(words)
        | R::Failure(words) => words.clone(),
        R::Guard { name, detail } => format!("{name}: {detail}"),
    }
}
