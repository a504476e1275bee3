//! What HR says and what people do: at any moment, in any order, twice, and too late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};
use usher::connectors::Call;
use usher::connectors::sandbox::Knobs;
use usher::engine::changes::ChangeError;
use usher::engine::trigger::{Request, SubjectRef, TriggerError};
use usher::intake::feed::{self, Taking};
use usher::intake::people::{Mapping, read_people};
use usher::run::book::{Book, parse_public_id};
use usher::run::guard::Freeze;
use usher::run::settle::Outcome;
use usher::run::{AccountStatus, RunState, StepState};
use usher::store::{RunFilter, StoreError};
use usher::workflow::ActionKind;

use crate::checker::picture;
use crate::house::{APPROVER, ASKER, NEWCOMER, PEOPLE, SYSTEMS, ZONE};
use crate::world::World;

/// The headings of HR's files.
pub(crate) const HEADING: &str = "employee_number,given_name,family_name,email,manager,timezone,language,start_date,last_day,\
                           status,leave_from,leave_until,role\n";

/// What HR says of one person.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    start: Date,
    last_day: Option<Date>,
    status: &'static str,
    leave: Option<(Date, Date)>,
    role: &'static str,
}

impl Word {
    /// At the beginning everybody is there.
    pub(crate) fn first(_number: &str) -> Self {
        Self { start: jiff::civil::date(2020, 1, 6), last_day: None, status: "active", leave: None, role: "engineer" }
    }

    pub(crate) fn row(&self, number: &str) -> String {
        let or_blank = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let manager = if number == "1001" { "" } else { "1001" };
        format!(
            "{number},Robin,Nr{number},robin.{number}@small.example,{manager},{ZONE},en,{},{},{},{},{},{}\n",
            self.start,
            or_blank(self.last_day),
            self.status,
            or_blank(self.leave.map(|leave| leave.0)),
            or_blank(self.leave.map(|leave| leave.1)),
            self.role,
        )
    }
}

/// HR: what it says now, and the files it has sent.
pub(crate) struct Hr {
    words: BTreeMap<&'static str, Word>,
    files: Vec<String>,
    /// Files that were not taken in to their end.
    interrupted: Vec<String>,
}

impl Hr {
    pub(crate) fn new() -> Self {
        let words = PEOPLE.iter().map(|number| (*number, Word::first(number))).collect();
        Self { words, files: Vec::new(), interrupted: Vec::new() }
    }
}

/// How an attempt ended, in a word.
pub(crate) const fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Retry { .. } => "retry",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::Manual(_) => "manual",
        Outcome::Held(_) => "held",
        Outcome::NotApplicable(_) => "not applicable",
        Outcome::Returned => "returned",
    }
}

/// What became of an order: a refusal is an answer, a broken record is not.
fn allowed<T>(order: Result<T, StoreError>) -> Option<T> {
    match order {
        Ok(answer) => Some(answer),
        Err(StoreError::Refused(_) | StoreError::Illegal(_) | StoreError::NotFound { .. }) => None,
        Err(why) => panic!("an order: {why}"),
    }
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Departure,
    MovedDate,
    Rescission,
    Left,
    Rehire,
    Leave,
    Return,
    Joined,
    Role,
}

impl World {
    fn today(&self) -> Date {
        self.now().to_zoned(TimeZone::get(ZONE).expect("the zone")).date()
    }

    fn in_days(&mut self, low: i64, high: i64) -> Date {
        let days = self.dice.between(low, high);
        self.today().checked_add(Span::new().days(days)).expect("a date")
    }

    /// HR changes its mind about somebody and sends a file; now and then an old one comes again.
    pub(crate) async fn hr_speaks(&mut self) {
        if self.dice.percent(15)
            && let Some(file) = self.hr.files.last().cloned()
        {
            self.tally.count("HR file twice");
            return self.import(file).await;
        }
        if self.dice.percent(6)
            && let Some(file) = self.dice.pick(&self.hr.files.clone())
        {
            self.tally.count("HR file out of order");
            return self.import(file).await;
        }
        self.changes_its_mind();
        let mut numbers: Vec<&str> = self.hr.words.keys().copied().collect();
        self.dice.shuffle(&mut numbers);
        let rows: String = numbers.iter().map(|number| self.hr.words[number].row(number)).collect();
        let file = format!("{HEADING}{rows}");
        self.hr.files.push(file.clone());
        self.import(file).await;
    }

    fn changes_its_mind(&mut self) {
        let says = self.dice.weighted(&[
            (34, Says::Departure),
            (12, Says::MovedDate),
            (12, Says::Rescission),
            (6, Says::Left),
            (12, Says::Rehire),
            (8, Says::Leave),
            (4, Says::Return),
            (5, Says::Joined),
            (3, Says::Role),
        ]);
        let (soon, later) = (self.in_days(-1, 4), self.in_days(5, 9));
        let today = self.today();
        if matches!(says, Says::Joined) {
            let start = self.in_days(1, 9);
            self.hr.words.entry(NEWCOMER).or_insert(Word { start, status: "prehire", ..Word::first(NEWCOMER) });
            return self.tally.count("hr joined");
        }
        let leaving: Vec<&'static str> = self
            .hr
            .words
            .iter()
            .filter(|(_, word)| word.last_day.is_some() || word.status == "left")
            .map(|(number, _)| *number)
            .collect();
        let staying: Vec<&'static str> = self
            .hr
            .words
            .iter()
            .filter(|(_, word)| word.last_day.is_none() && word.status != "left")
            .map(|(number, _)| *number)
            .collect();
        let from =
            if matches!(says, Says::Departure | Says::Leave | Says::Role | Says::Return) { staying } else { leaving };
        let Some(word) = self.dice.pick(&from).and_then(|number| self.hr.words.get_mut(number)) else { return };
        let (said, change) = match says {
            Says::Departure => ("hr departure", Word { last_day: Some(soon), status: "leaving", ..word.clone() }),
            Says::MovedDate => ("hr moved date", Word { last_day: Some(later), status: "leaving", ..word.clone() }),
            Says::Rescission => ("hr rescission", Word { last_day: None, status: "active", ..word.clone() }),
            Says::Left => ("hr left", Word { status: "left", ..word.clone() }),
            Says::Rehire => ("hr rehire", Word { start: today, last_day: None, status: "active", ..word.clone() }),
            Says::Leave => ("hr leave", Word { leave: Some((soon, later)), ..word.clone() }),
            Says::Return => ("hr return", Word { leave: None, ..word.clone() }),
            Says::Role => ("hr role", Word { role: "director", ..word.clone() }),
            Says::Joined => return,
        };
        *word = change;
        self.tally.count(said);
    }

    /// A file is taken in row by row. The daemon that does it may die in the middle; another one goes on, later.
    async fn import(&mut self, file: String) {
        let at = self.someone_up().await;
        let most = if self.dice.percent(12) { self.dice.below(3) } else { usize::MAX };
        let complete = self.take_in(at, &file, most).await;
        self.say(format!("HR sends a file, taken in: {complete}\n{file}"));
        if !complete {
            self.tally.count("crash in the middle of an import");
            self.hr.interrupted.push(file);
            self.crash(at).await;
        }
    }

    async fn take_in(&mut self, at: usize, file: &str, most: usize) -> bool {
        let engine = self.daemons[at].engine.clone().expect("up");
        let people = read_people(file.as_bytes(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"));
        let pieces = AtomicUsize::new(0);
        let go_on = || pieces.fetch_add(1, Ordering::Relaxed) < most;
        let taking = Taking {
            source: "csv",
            actor: "usher",
            go_on: &go_on,
            piece: Some(if most == usize::MAX { 9 } else { 1 }),
        };
        feed::take(&engine, &people, &taking, |_| {}).await.unwrap_or_else(|why| panic!("the file: {why}")).complete
    }

    /// What was left of a file is taken in.
    pub(crate) async fn resume_import(&mut self) {
        if let Some(file) = self.hr.interrupted.pop() {
            let at = self.someone_up().await;
            self.take_in(at, &file, usize::MAX).await;
            self.say("the rest of a file is taken in");
        }
    }

    /// Systems begin to misbehave, or behave again.
    pub(crate) fn systems_change(&mut self) {
        let system = self.dice.pick(&SYSTEMS).expect("a system");
        let mut rate = |chance| if self.dice.percent(chance) { 0.4 } else { 0.0 };
        let knobs = Knobs {
            error_rate: rate(35),
            cut_before_rate: rate(25),
            cut_after_rate: rate(35),
            lie_rate: rate(20),
            seed: 0,
            ..Knobs::default()
        };
        let knobs = Knobs { seed: self.dice.next(), ..knobs };
        self.say(format!(
            "{system} behaves: {} {} {} {}",
            knobs.error_rate, knobs.cut_before_rate, knobs.cut_after_rate, knobs.lie_rate
        ));
        self.house.company.set_knobs(system, knobs);
    }

    /// Somebody opens a closed account at the system itself.
    pub(crate) async fn open_by_hand(&mut self) {
        let ids = SYSTEMS
            .iter()
            .zip(["u", "m"])
            .flat_map(|(system, letter)| PEOPLE.map(|number| (*system, format!("{letter}-{number}"))));
        let closed = |(system, id): &(&str, String)| {
            let account = self.house.company.account_view(system, id).expect("the ledger");
            account.is_some_and(|account| account.status == AccountStatus::Disabled)
        };
        let closed: Vec<(&str, String)> = ids.filter(closed).collect();
        let Some((system, id)) = self.dice.pick(&closed) else { return };
        let sandbox = self.house.company.system(system).expect("the system");
        let call = Call {
            action: ActionKind::AccountEnable,
            with: serde_json::Map::new(),
            account: Some(id.clone()),
            idempotency_key: format!("by hand {}", self.age()),
            fence: 1,
            now: self.now(),
        };
        if sandbox.by_hand(&call).is_ok() {
            let entries = self.read_ledger();
            if entries.iter().any(|entry| entry.changed) {
                self.tally.count("account opened by hand");
                self.say(format!("{id} is opened by hand"));
            }
            self.ledger.entries.extend(entries);
        }
    }

    /// The runs there are.
    pub(crate) async fn books(&mut self) -> Vec<Book> {
        let store = self.store().await;
        let mut books = Vec::new();
        for id in store.run_ids().await.expect("runs") {
            books.push(store.book(id).await.unwrap_or_else(|why| panic!("{why}")));
        }
        books
    }

    /// One of the runs, more likely one that is not over.
    async fn some_run(&mut self) -> Option<Book> {
        let store = self.store().await;
        let rows = store.runs(&RunFilter::default()).await.expect("runs");
        let over = self.dice.percent(15);
        let chosen = rows.iter().filter(|row| row.state.is_over() == over);
        let ids: Vec<i64> = chosen.filter_map(|row| parse_public_id(&row.id)).collect();
        let id = self.dice.pick(&ids)?;
        Some(store.book(id).await.unwrap_or_else(|why| panic!("{why}")))
    }

    /// What somebody may want of a run as it stands, and now and then something else.
    fn sensible(&mut self, book: &Book) -> &'static str {
        const ANY: [&str; 8] = ["pause", "resume", "cancel", "retry", "skip", "deny", "reschedule", "undo"];
        let has = |wanted: &dyn Fn(&StepState) -> bool| book.steps.iter().any(|step| wanted(&step.state));
        if self.dice.percent(10) {
            return self.dice.pick(&ANY).expect("an order");
        }
        if book.run.state.is_over() {
            return "undo";
        }
        if book.run.state == RunState::Paused && self.dice.percent(75) {
            return "resume";
        }
        if has(&|state| matches!(state, StepState::AwaitingApproval)) && self.dice.percent(30) {
            return "deny";
        }
        if has(&|state| matches!(state, StepState::Held { .. } | StepState::Failed { .. })) && self.dice.percent(60) {
            return "retry";
        }
        self.dice.weighted(&[(30, "pause"), (6, "cancel"), (14, "skip"), (35, "reschedule"), (8, "undo")])
    }

    /// Somebody at a terminal does something to a run.
    pub(crate) async fn somebody_orders(&mut self) {
        let at = self.someone_up().await;
        let engine = self.daemons[at].engine.clone().expect("up");
        let Some(book) = self.some_run().await else { return };
        let order = self.sensible(&book);
        let run = book.run.id;
        let step = |wanted: &dyn Fn(&StepState) -> bool| -> Vec<String> {
            book.steps.iter().filter(|step| wanted(&step.state)).map(|step| step.label()).collect()
        };
        let stopped = |state: &StepState| {
            matches!(state, StepState::Held { .. } | StepState::Failed { .. } | StepState::Unknown { .. })
        };
        let open = |state: &StepState| !state.is_final();
        let asks = |state: &StepState| matches!(state, StepState::AwaitingApproval | StepState::AwaitingPerson { .. });
        let why = "because";
        let done = match order {
            "pause" => allowed(engine.pause(run, why, ASKER).await).map(|_| self.promises.paused.insert(run)).is_some(),
            "resume" => {
                allowed(engine.resume(run, why, ASKER).await).map(|_| self.promises.paused.remove(&run)).is_some()
            }
            "cancel" => {
                allowed(engine.cancel(run, why, ASKER).await).map(|_| self.promises.cancelled.insert(run)).is_some()
            }
            "retry" => match self.dice.pick(&step(&stopped)) {
                Some(label) => allowed(engine.retry(run, &label, why, ASKER).await).is_some(),
                None => false,
            },
            "skip" => match self.dice.pick(&step(&open)) {
                Some(label) => allowed(engine.skip(run, &label, why, ASKER).await).is_some(),
                None => false,
            },
            "deny" => match self.dice.pick(&step(&asks)) {
                Some(label) => {
                    let denied = allowed(engine.deny(run, &label, why, APPROVER).await).is_some();
                    if let Some(ordinal) = book.find(&label).ok().filter(|_| denied) {
                        self.promises.approvals.remove(&(run, ordinal));
                    }
                    denied
                }
                None => false,
            },
            "reschedule" if book.run.inputs.contains_key("last_day") => {
                let day = self.in_days(0, 9).to_string();
                let inputs = BTreeMap::from([("last_day".to_owned(), day.into())]);
                match engine.reschedule(run, &inputs, Some(why), ASKER, false).await {
                    Ok(_) => true,
                    Err(ChangeError::Store(error)) => allowed::<()>(Err(error)).is_some(),
                    Err(ChangeError::Plan(_) | ChangeError::CutDone { .. }) => false,
                }
            }
            "undo" => {
                let undone = allowed(engine.undo(run, why, ASKER, false).await).is_some();
                if undone {
                    self.promises.cancelled.insert(run);
                }
                undone
            }
            _ => false,
        };
        if done {
            self.tally.count(order);
            self.say(format!("somebody orders {order} of run_{run}"));
        }
    }

    /// Somebody starts a workflow about somebody: an emergency block, its end, a restoration.
    pub(crate) async fn somebody_starts(&mut self) {
        let at = self.someone_up().await;
        let engine = self.daemons[at].engine.clone().expect("up");
        let (workflow, counted) = self.dice.weighted(&[
            (5, ("emergency-block", "block")),
            (4, ("unblock", "unblock")),
            (2, ("restore-account", "restore")),
        ]);
        let person = self.dice.pick(&PEOPLE).expect("somebody");
        let request = Request {
            workflow: workflow.to_owned(),
            subject: SubjectRef::Person(person.to_owned()),
            inputs: BTreeMap::new(),
            event: None,
            start: None,
            key: None,
            trigger: "cli".to_owned(),
            asked_by: ASKER.to_owned(),
        };
        match engine.start(request).await {
            Ok(started) => {
                self.tally.count(counted);
                self.say(format!("somebody starts {workflow} about {person}: run_{}", started.id()));
            }
            Err(TriggerError::Store(error)) => drop(allowed::<()>(Err(error))),
            Err(_) => {}
        }
    }

    /// A freeze is set, or all freezes of a scope are lifted.
    pub(crate) async fn somebody_freezes(&mut self) {
        let store = self.store().await;
        let system = self.dice.pick(&[None, Some(SYSTEMS[0]), Some(SYSTEMS[1])]).flatten();
        let workflow = self.dice.percent(20).then_some("departure").filter(|_| system.is_none());
        if self.promises.freezes.is_empty() {
            let all = self.dice.percent(40);
            let freeze = Freeze {
                system: system.map(str::to_owned),
                workflow: workflow.map(str::to_owned),
                all,
                reason: "audit".to_owned(),
            };
            store.freeze(&freeze, ASKER).await.expect("freezes");
            self.tally.count(if all { "freeze of everything" } else { "freeze" });
            self.say(format!("freeze of {}, all: {all}", freeze.scope()));
            self.promises.freezes.push(freeze);
        } else {
            self.unfreeze().await;
        }
    }

    /// Every freeze is lifted.
    pub(crate) async fn unfreeze(&mut self) {
        let store = self.store().await;
        for freeze in std::mem::take(&mut self.promises.freezes) {
            store.unfreeze(freeze.system.as_deref(), freeze.workflow.as_deref(), ASKER).await.expect("unfreezes");
            self.tally.count("unfreeze");
            self.say(format!("{} goes on", freeze.scope()));
        }
    }

    /// People answer what waits for them. With `all` they leave nothing; true when they did something.
    pub(crate) async fn people_answer(&mut self, all: bool) -> bool {
        let at = self.someone_up().await;
        let engine = self.daemons[at].engine.clone().expect("up");
        let mut answered = false;
        for waiting in engine.store().waiting(100).await.expect("reads") {
            let ((run, ordinal), label) = (waiting.key, waiting.step);
            let asked = matches!(waiting.state, "awaiting_approval" | "awaiting_person");
            if !asked || !(all || self.dice.percent(70)) {
                continue;
            }
            if !all && self.dice.percent(20) {
                if allowed(engine.deny(run, &label, "not like this", APPROVER).await).is_some() {
                    self.promises.approvals.remove(&(run, ordinal));
                    self.tally.count("deny");
                    self.say(format!("somebody denies {label} of run_{run}"));
                }
            } else if waiting.state == "awaiting_approval" {
                let picture = picture(&engine.look(run).await.expect("the run"));
                let typed = waiting.confirm.unwrap_or_default();
                if allowed(engine.approve(run, &label, &typed, APPROVER).await).is_some() {
                    let now = self.now();
                    self.promises.approvals.insert((run, ordinal), (now, picture));
                    self.tally.count("approve");
                    self.say(format!("somebody approves {label} of run_{run}"));
                    answered = true;
                }
            } else if allowed(engine.task_done(run, &label, &BTreeSet::new(), None, ASKER).await).is_some() {
                self.tally.count("task done");
                self.say(format!("somebody has done {label} of run_{run}"));
                answered = true;
            }
        }
        answered
    }

    /// People decide what has stopped: tried again with `patience`, left out without. True when they did something.
    pub(crate) async fn people_decide(&mut self, patience: bool) -> bool {
        let at = self.someone_up().await;
        let engine = self.daemons[at].engine.clone().expect("up");
        let mut decided = false;
        let paused = RunFilter { state: Some(RunState::Paused), ..RunFilter::default() };
        for row in engine.store().runs(&paused).await.expect("runs") {
            let run = parse_public_id(&row.id).expect("an id");
            self.promises.paused.remove(&run);
            decided |= allowed(engine.resume(run, "at the end", ASKER).await).is_some();
        }
        for row in engine.store().trips(false).await.expect("reads") {
            decided |= allowed(engine.store().release_trip(row.trip.id, "at the end", ASKER).await).is_some();
            self.say(format!("at the end somebody releases {}: {}", row.trip.public_id(), row.trip.words));
        }
        for waiting in engine.store().waiting(200).await.expect("reads") {
            if !matches!(waiting.state, "held" | "failed") || waiting.goes_on {
                continue;
            }
            let (run, label) = (waiting.key.0, waiting.step);
            let tried = patience && allowed(engine.retry(run, &label, "at the end", ASKER).await).is_some();
            let left_out = !tried && allowed(engine.skip(run, &label, "at the end", ASKER).await).is_some();
            if tried || left_out {
                decided = true;
                let does = if tried { "tries" } else { "leaves out" };
                self.say(format!("at the end somebody {does} {label} of run_{run}"));
            }
        }
        decided
    }

    /// The next instant of interest, or a jump of some days.
    pub(crate) async fn time_passes(&mut self) {
        let now = self.now();
        let seconds = |seconds| now + SignedDuration::from_secs(seconds);
        match self.dice.weighted(&[(28, 0), (58, 1), (8, 2), (4, 3)]) {
            0 => {
                let to = seconds(self.dice.between(1, 45));
                self.pass(to).await;
            }
            1 => {
                let store = self.store().await;
                if let Some(due) = store.next_due().await.expect("reads") {
                    // Once a millisecond too early.
                    let early = SignedDuration::from_millis(if self.dice.percent(30) { 1 } else { 0 });
                    let to = (due - early).max(now);
                    self.pass(to).await;
                }
            }
            2 => {
                self.tally.count("clock jumped ahead");
                let hours = self.dice.between(1, 24 * 12);
                self.pass(now + SignedDuration::from_hours(hours)).await;
            }
            _ => {
                self.tally.count("clock stepped back");
                let back = SignedDuration::from_millis(self.dice.between(1, 20_000));
                self.house.clock.set(now - back);
                self.say("the clock steps back");
            }
        }
    }
}
