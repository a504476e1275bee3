//! Runs are accepted: once per key, one open run for each workflow and subject, any number in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::query::Query;

use self::rows::{ENTRY, INSERT, RUN, RunColumns};
use super::books::{Loaded, STEPS_PER_RUN, json, parse};
use super::columns::NEW_STEP;
use super::flush::{Changes, PIECE};
use super::growth::Growing;
use super::halves::Halves;
use super::runs::by_key;
use super::sql::{Text, gathered, keys, listed};
use super::turn::usher;
use super::wake::DueTimes;
use super::{Dialect, Store, StoreError, Tx};
use crate::run::advance::begin;
use crate::run::book::{Book, Run, Step, public_id};
use crate::run::journal::{Begun, Fact, GENESIS};
use crate::run::{Plan, RunState};
use crate::workflow::{SubjectKind, Workflow};

mod rows;

/// A run to be accepted.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The definition.
    pub workflow: Arc<Workflow>,
    /// What it sets out to do.
    pub plan: Plan,
    /// The person it is about; also an account's person, where known.
    pub person: Option<i64>,
    /// The account it is about, for runs about one account.
    pub account: Option<i64>,
    /// The run whose effects it takes back.
    pub undoes: Option<i64>,
    /// Once per key: a second run with the same key is the first one.
    pub key: Option<String>,
    /// What started it (`cli`, `hr:csv`, `schedule:grace-purge`).
    pub trigger: String,
    /// Who asked for it.
    pub asked_by: String,
}

/// What became of a request to start a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// A new run.
    New(i64),
    /// The run that this key had started before.
    Existing(i64),
}

impl Started {
    /// The run's key.
    pub fn id(self) -> i64 {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// What became of each of many requests, in their order.
type Answers = Vec<Result<Started, StoreError>>;

impl Store {
    /// Accepts a run. It is durable when this returns.
    ///
    /// # Errors
    /// When the person (or account) has an open run of the same workflow, or the database cannot be written.
    pub async fn start(&self, new: NewRun) -> Result<Started, StoreError> {
        only(self.start_many(&[new]).await?)
    }

    /// Accepts runs in one transaction, each as if it came alone, in their order: who is refused stops nobody else. They
    /// are durable when this returns. What fails for all of them because of one is done again in halves, until that one
    /// is alone.
    ///
    /// # Errors
    /// When the database is in trouble; some may have been accepted then.
    pub async fn start_many(&self, new: &[NewRun]) -> Result<Vec<Result<Started, StoreError>>, StoreError> {
        let mut answers = Answers::with_capacity(new.len());
        let mut halves = Halves::of(new);
        while let Some(some) = halves.next() {
            match self.start_together(some).await {
                Ok(these) => answers.extend(these),
                Err(error) if error.is_outage() => return Err(error),
                Err(_) if halves.again(some) => {}
                Err(error) => answers.push(Err(error)),
            }
        }
        Ok(answers)
    }

    async fn start_together(&self, new: &[NewRun]) -> Result<Answers, StoreError> {
        let mut tx = self.begin().await?;
        let answers = self.start_in(&mut tx, new).await?;
        if answers.iter().any(|answer| matches!(answer, Ok(Started::New(_)))) {
            self.commit(tx).await?;
        }
        let new =
            || answers.iter().filter_map(|answer| if let Ok(Started::New(id)) = answer { Some(*id) } else { None });
        if let (Some(first), Some(last)) = (new().min(), new().max()) {
            self.has_grown(Growing::Runs, first, last).await;
        }
        Ok(answers)
    }

    /// Accepts runs in the caller's transaction.
    pub(super) async fn start_in(&self, tx: &mut Tx, new: &[NewRun]) -> Result<Answers, StoreError> {
        // The counter's row is the lock of acceptance: what is looked up from here on stays true until the commit.
        let first = self.take_keys(tx, "run", 0).await?;
        let known = self.known_before(tx, new).await?;
        let mut making =
            Making { left: new, known, now: tx.now, next: first, answers: Answers::with_capacity(new.len()) };
        let (mut versions, mut due) = (Versions::new(), DueTimes::default());
        let mut piece = making.piece(self)?;
        while !piece.books.is_empty() {
            for new in &piece.asked {
                let version = new.workflow.version.as_str();
                if !versions.contains_key(version) {
                    versions.insert(version, self.keep_version(tx, &new.workflow).await?);
                }
            }
            due = due.or(piece.due);
            let rows = piece.values(&versions, self.dialect())?;
            let insert = rows.into_iter().fold(sqlx::query(INSERT.of(self.dialect())), Query::bind);
            // While the database writes these, the next ones begin, and are sealed.
            let (written, next) = tokio::join!(insert.execute(tx.conn()), async { making.piece(self) });
            written?;
            piece = next?;
        }
        if making.next > first {
            self.take_keys(tx, "run", making.next - first).await?;
        }
        self.tell_due(tx, due).await?;
        Ok(making.answers)
    }

    /// What the database has of the keys, subjects and people of new runs.
    async fn known_before(&self, tx: &mut Tx, new: &[NewRun]) -> Result<Known, StoreError> {
        let dialect = self.dialect();
        let mut known = Known::default();
        let keys: Vec<&str> = new.iter().filter_map(|one| one.key.as_deref()).collect();
        if !keys.is_empty() {
            known.runs = by_key(tx.conn(), dialect, &keys).await?;
        }
        for (kind, text) in [(SubjectKind::Person, OPEN_OF_PEOPLE), (SubjectKind::Account, OPEN_OF_ACCOUNTS)] {
            let of_kind = new.iter().filter(|one| one.plan.subject == kind);
            let subjects: BTreeSet<i64> = of_kind.filter_map(NewRun::subject).collect();
            if subjects.is_empty() {
                continue;
            }
            for row in &sqlx::query(text.of(dialect)).bind(json(&subjects)).fetch_all(tx.conn()).await? {
                known.open.insert((kind, row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
            }
        }
        let people: BTreeSet<i64> = new.iter().filter_map(|one| one.person).collect();
        if !people.is_empty() {
            let text = DATA_KEYS.of(dialect);
            let gathered: String = sqlx::query_scalar(text).bind(json(&people)).fetch_one(tx.conn()).await?;
            let keys: Vec<(i64, String)> = parse("data key", &gathered)?;
            known.data_keys = keys.into_iter().collect();
        }
        Ok(known)
    }

    /// A new run as it begins.
    fn fresh(&self, now: Timestamp, id: i64, new: &NewRun, known: &Known) -> Result<Loaded, StoreError> {
        if id > i64::MAX / STEPS_PER_RUN - 1 {
            return Err(StoreError::corrupt("counter", id));
        }
        let data_key = new.person.and_then(|person| known.data_keys.get(&person)).cloned();
        let key = self.key_of(new.person, data_key.as_deref())?;
        let mut book = book(id, new);
        book.say(None, started(new), &Arc::from(new.asked_by.as_str()), new.plan.start);
        let holidays = self.holidays_of(&book);
        begin(&mut book, &new.plan.steps, holidays, &usher(), now)?;
        Ok(Loaded { book, key, data_key, seq: 0, head: GENESIS.to_owned(), urgent: new.plan.urgent, archived: false })
    }
}

/// The versions of workflows that are kept, by their names.
type Versions<'a> = HashMap<&'a str, i64>;

/// Runs in the making: those that have begun are written while the next ones begin.
struct Making<'a> {
    left: &'a [NewRun],
    known: Known,
    now: Timestamp,
    /// The key of the next run.
    next: i64,
    answers: Answers,
}

impl<'a> Making<'a> {
    /// The next runs, as many as are written with one statement; none where nothing is left.
    fn piece(&mut self, store: &Store) -> Result<Piece<'a>, StoreError> {
        let (mut books, mut asked) = (Vec::new(), Vec::new());
        while let Some((new, left)) = self.left.split_first()
            && books.len() < PIECE
        {
            self.left = left;
            let answer = match self.known.answers(new) {
                Some(answer) => answer,
                None => store.fresh(self.now, self.next, new, &self.known).map(|loaded| {
                    self.known.enter(new, &loaded);
                    books.push(loaded);
                    asked.push(new);
                    self.next += 1;
                    Started::New(self.next - 1)
                }),
            };
            self.answers.push(answer);
        }
        let (now, dialect) = (self.now.as_millisecond(), store.dialect());
        let changes = Changes::of(&mut books, None, now)?;
        let (steps, entries) = (NEW_STEP.values(dialect, &changes.inserted)?, ENTRY.values(dialect, &changes.entries)?);
        Ok(Piece { books, asked, steps, entries, due: changes.due, now })
    }
}

/// New runs that have begun, each with what it was asked for as, and what is to be written of them.
struct Piece<'a> {
    books: Vec<Loaded>,
    asked: Vec<&'a NewRun>,
    steps: Vec<String>,
    entries: Vec<String>,
    due: DueTimes,
    now: i64,
}

impl Piece<'_> {
    fn values(&mut self, versions: &Versions<'_>, dialect: Dialect) -> Result<Vec<String>, StoreError> {
        let columns = self.books.iter().zip(&self.asked).filter_map(|(loaded, new)| {
            let version = versions.get(new.workflow.version.as_str())?;
            Some(RunColumns::of(loaded, new, *version, self.now))
        });
        let mut values = RUN.values(dialect, &columns.collect::<Vec<_>>())?;
        values.append(&mut self.steps);
        values.append(&mut self.entries);
        Ok(values)
    }
}

impl NewRun {
    /// The key of who or what it is about; none for the organisation.
    fn subject(&self) -> Option<i64> {
        match self.plan.subject {
            SubjectKind::Person => self.person,
            SubjectKind::Account => self.account,
            SubjectKind::Organisation => None,
        }
    }
}

/// The answer to a request that came alone.
pub(super) fn only(answers: Answers) -> Result<Started, StoreError> {
    answers.into_iter().next().unwrap_or_else(|| Err(StoreError::corrupt("answer", "there is none")))
}

/// What new runs meet: those that are there, and those before them.
#[derive(Default)]
struct Known {
    /// Runs by their idempotency key.
    runs: HashMap<String, i64>,
    /// Open runs by what they are about, and their name.
    open: HashMap<(SubjectKind, i64, String), i64>,
    /// The wrapped keys of people.
    data_keys: BTreeMap<i64, String>,
}

impl Known {
    /// The answer to a request that no run is made for.
    fn answers(&self, new: &NewRun) -> Option<Result<Started, StoreError>> {
        if let Some(run) = new.key.as_ref().and_then(|key| self.runs.get(key)) {
            return Some(Ok(Started::Existing(*run)));
        }
        let kind = new.plan.subject;
        let open = self.open.get(&(kind, new.subject()?, new.plan.workflow.clone()))?;
        Some(Err(StoreError::Refused(format!(
            "{} is an open run of {} for the same {}; cancel it first, or let it end",
            public_id(*open),
            new.plan.workflow,
            kind.as_str()
        ))))
    }

    /// Those behind it meet it.
    fn enter(&mut self, new: &NewRun, loaded: &Loaded) {
        let run = &loaded.book.run;
        if let Some(key) = &new.key {
            self.runs.insert(key.clone(), run.id);
        }
        if let (Some(subject), false) = (new.subject(), run.state.is_over()) {
            self.open.insert((run.subject, subject, run.name.clone()), run.id);
        }
    }
}

// Each text is answered by the index that keeps the rule.
const OPEN_OF_PEOPLE: Text =
    keys!("SELECT person_id, workflow, id FROM runs WHERE ended_at IS NULL AND subject = 'person' AND person_id", "");
const OPEN_OF_ACCOUNTS: Text = keys!(
    "SELECT account_id, workflow, id FROM runs WHERE ended_at IS NULL AND subject = 'account' AND account_id",
    ""
);

macro_rules! data_keys {
    ($dialect:ident) => {
        concat!(
            "SELECT ",
            gathered!(
                $dialect,
                [id, data_key],
                concat!("SELECT id, data_key FROM people WHERE id IN ", listed!($dialect, "$1"))
            )
        )
    };
}

const DATA_KEYS: Text = Text { sqlite: data_keys!(sqlite), postgres: data_keys!(postgres) };

fn book(id: i64, new: &NewRun) -> Book {
    let run = Run {
        id,
        name: new.plan.workflow.clone(),
        undoes: new.undoes,
        workflow: Arc::clone(&new.workflow),
        subject: new.plan.subject,
        person: new.person,
        account: new.account,
        state: RunState::Open,
        inputs: new.plan.inputs.clone(),
        zone: new.plan.zone.clone(),
        start: new.plan.start,
        trigger: new.trigger.clone(),
        asked_by: new.asked_by.clone(),
        seq: 0,
        head: GENESIS.to_owned(),
    };
    let steps: Vec<Step> = new.plan.steps.iter().map(Step::new).collect();
    let mut book = Book::new(run, steps);
    book.stored = 0;
    book.dirty = book.steps.iter().map(|step| step.ordinal).collect();
    book
}

fn started(new: &NewRun) -> Fact {
    let subject = match new.plan.subject {
        SubjectKind::Person => format!("person:{}", new.person.unwrap_or_default()),
        SubjectKind::Account => format!("account:{}", new.account.unwrap_or_default()),
        SubjectKind::Organisation => "organisation".to_owned(),
    };
    Fact::Started {
        workflow: new.plan.workflow.clone(),
        version: new.workflow.version.clone(),
        subject,
        trigger: new.trigger.clone(),
        start: new.plan.start,
        zone: new.plan.zone.clone(),
        inputs: serde_json::Value::Object(new.plan.inputs.clone()),
        steps: new.plan.steps.clone(),
        begun: Begun::default(),
    }
}
