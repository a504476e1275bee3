//! What people do in the story: HR sends files, somebody approves and finishes tasks, and the house's administrators
//! give orders. Whoever gets no answer does it again.

use std::collections::{BTreeMap, BTreeSet};

use usher::engine::Engine;
use usher::engine::changes::ChangeError;
use usher::engine::trigger::{Request, TriggerError};
use usher::intake::schedules;
use usher::run::book::parse_public_id;
use usher::run::guard::Freeze;
use usher::run::trip::TripKind;
use usher::run::{HoldReason, Person, StepState};
use usher::secret::Secret;
use usher::store::{
    Binding, Carrier, EventFilter, EventState, NewMail, Pass, PeopleBy, Release, RunFilter, StoreError,
};

use crate::harness::{App, request, zurich};

/// HR's files begin with this line.
pub(super) const HEADING: &str = "employee_number,given_name,family_name,email,private_email,manager,department,\
                                  timezone,language,start_date,last_day,status,leave_from,leave_until,password\n";

/// HR's files, each from its instant on.
pub(super) const FILES: [(&str, &str); 7] = [
    (
        "2027-01-20T08:00",
        "1001,Robin,Chief,robin.1001@small.example,,,Sales,Europe/Zurich,en,2011-03-01,,active,,,never-used-1\n\
         1002,Robin,Leaver,robin.1002@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,,active,,,\n\
         1003,Robin,Stayer,robin.1003@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,,active,,,\n\
         1005,Robin,Goer,robin.1005@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,,active,,,\n",
    ),
    (
        "2027-01-20T09:00",
        "1004,Robin,Newcomer,robin.1004@small.example,new@private.example,1001,Sales,Europe/Zurich,en,2027-01-27,,prehire,,,used-once-2\n",
    ),
    (
        "2027-01-21T09:00",
        "1003,Robin,Stayer,robin.1003@small.example,,1001,IT,Europe/Zurich,en,2012-09-01,,active,,,\n",
    ),
    (
        "2027-01-22T09:00",
        "1002,Robin,Leaver,robin.1002@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,2027-01-29,leaving,,,\n\
         1003,Robin,Stayer,robin.1003@small.example,,1001,IT,Europe/Zurich,en,2012-09-01,2027-01-28,leaving,,,\n\
         1005,Robin,Goer,robin.1005@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,2027-01-29,leaving,,,\n",
    ),
    (
        "2027-01-30T09:00",
        "1003,Robin,Stayer,robin.1003@small.example,,1001,IT,Europe/Zurich,en,2012-09-01,,active,,,\n",
    ),
    (
        "2027-02-02T09:00",
        "1004,Robin,Newcomer,robin.1004@small.example,new@private.example,1001,Sales,Europe/Zurich,en,2027-01-27,,active,2027-02-08,2027-02-15,\n",
    ),
    (
        "2027-02-10T09:00",
        "1004,Robin,Newcomer,robin.1004@small.example,new@private.example,1001,Sales,Europe/Zurich,en,2027-01-27,,active,2027-02-08,2027-02-12,\n",
    ),
];

/// What is ordered at a command line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    KeepSecret,
    ForgetSecret,
    StopInventory,
    InventoryAgain,
    InventoryNow,
    ReadInVain,
    AskInVain,
    Bind,
    SendSealed,
    OpenSealed,
    Freeze,
    Unfreeze,
    LookAtNewDates,
    UndoDeparture,
    TakeUpEvents,
    GarbleMail,
    RetryMail,
    Trip,
    ClockJumps,
    FastForward,
    Stumble,
    LookAround,
    TakePassword,
    NewKey,
    NewKeyEverywhere,
    Hold,
    LiftHold,
    ShortHold,
    Erase,
}

/// The orders, each from its instant on, one after the other.
pub(super) const ORDERS: [(&str, Order); 29] = [
    ("2027-01-20T12:00", Order::KeepSecret),
    ("2027-01-20T12:00", Order::LookAround),
    ("2027-01-20T12:00", Order::TakePassword),
    ("2027-01-20T12:01", Order::StopInventory),
    ("2027-01-20T12:02", Order::ReadInVain),
    ("2027-01-20T12:03", Order::Bind),
    ("2027-01-20T12:04", Order::SendSealed),
    ("2027-01-20T13:00", Order::OpenSealed),
    ("2027-01-20T13:01", Order::InventoryAgain),
    ("2027-01-20T13:02", Order::InventoryNow),
    ("2027-01-20T14:00", Order::NewKey),
    ("2027-01-20T15:00", Order::NewKeyEverywhere),
    ("2027-01-20T16:00", Order::ForgetSecret),
    ("2027-01-20T17:00", Order::AskInVain),
    ("2027-01-25T12:00", Order::LookAtNewDates),
    ("2027-01-26T12:00", Order::Stumble),
    ("2027-01-29T17:00", Order::Freeze),
    ("2027-01-29T19:00", Order::Unfreeze),
    ("2027-01-30T12:00", Order::TakeUpEvents),
    ("2027-02-01T00:00", Order::UndoDeparture),
    ("2027-02-01T12:00", Order::GarbleMail),
    ("2027-02-01T12:01", Order::RetryMail),
    ("2027-02-03T12:00", Order::Trip),
    ("2027-02-04T12:00", Order::ClockJumps),
    ("2027-02-05T12:00", Order::FastForward),
    ("2027-07-27T12:00", Order::Hold),
    ("2027-07-28T12:00", Order::LiftHold),
    ("2027-08-26T12:00", Order::ShortHold),
    ("2027-09-20T12:00", Order::Erase),
];

/// Why an order was not carried out.
pub(super) enum Trouble {
    /// It may have been, or not: it is given again.
    Unsure,
    /// It is refused, in these words.
    Refused(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_outage() { Self::Unsure } else { Self::Refused(error.to_string()) }
    }
}

impl From<TriggerError> for Trouble {
    fn from(error: TriggerError) -> Self {
        match error {
            TriggerError::Store(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<ChangeError> for Trouble {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

const NILS: &str = "os:nils";

/// Gives an order.
pub(super) async fn give(order: Order, app: &App, daemon: &Engine) -> Result<(), Trouble> {
    let store = daemon.store();
    match order {
        Order::KeepSecret => drop(store.set_secret("mail", &Secret::new("hidden"), NILS).await?),
        Order::ForgetSecret => store.remove_secret("mail").await?,
        Order::StopInventory => drop(store.pause_schedule("inventory", NILS, "a migration").await?),
        Order::InventoryAgain => drop(store.resume_schedule("inventory").await?),
        Order::InventoryNow => {
            schedules::fire_now(daemon, &daemon.library()["inventory"], NILS).await?;
        }
        Order::ReadInVain => store.note_reading("mailhost", Some("it does not answer")).await?,
        Order::Bind => {
            let person = person(daemon, "1001").await?;
            let rows = store.accounts(Some("directory"), None, None).await?;
            let account = rows.iter().find(|row| row.external_id == "u-1001").expect("the account").id;
            store.bind(&[Binding { account, person: Some(person.id), by: NILS.into() }]).await?;
        }
        Order::SendSealed => {
            // The command reads first what was never read.
            daemon.sync("directory").await.map_err(|_| Trouble::Unsure)?;
            let key = Some("sealed".into());
            daemon.start(Request { key, ..request("sealed", "1003", &[]) }).await?;
        }
        Order::AskInVain => {
            let key = Some("asked".into());
            daemon.start(Request { key, ..request("asked", "1001", &[]) }).await?;
        }
        Order::OpenSealed => {
            drop(store.open_credentials(run_of(daemon, "sealed", "1003").await?, 0, "at the desk", NILS).await?)
        }
        Order::LookAtNewDates => {
            let given = BTreeMap::from([("last_day".to_owned(), "2027-01-31".into())]);
            daemon.reschedule(run_of(daemon, "departure", "1002").await?, &given, None, NILS, true).await?;
        }
        Order::UndoDeparture => {
            drop(daemon.undo(run_of(daemon, "departure", "1003").await?, "stays", NILS, false).await?)
        }
        Order::TakeUpEvents => {
            let parked = EventFilter { state: Some(EventState::Parked), ..EventFilter::default() };
            for event in store.events(&parked).await? {
                store.retry_event(event.id, NILS).await?;
            }
        }
        Order::Stumble => {}
        Order::LookAround => look_around(daemon).await?,
        Order::TakePassword => drop(store.take_initial_password(person(daemon, "1004").await?.id).await?),
        Order::GarbleMail | Order::Trip | Order::ClockJumps | Order::FastForward => mishap(order, app, daemon).await?,
        Order::RetryMail => {
            drop(store.retry_mail(app.number("SELECT id FROM mails WHERE mail_key = 'garbled'").await).await?)
        }
        Order::NewKey => new_key(daemon).await?,
        Order::NewKeyEverywhere => {
            new_key(daemon).await?;
            let mut pass = Some(Pass::default());
            while let Some(at) = pass {
                pass = store.rewrap_some(at).await?.1;
            }
        }
        Order::Freeze => {
            let system = Some("directory".to_owned());
            let freeze = Freeze { system, workflow: None, all: true, reason: "looking".into() };
            store.freeze(&freeze, NILS).await?;
        }
        Order::Unfreeze => drop(store.unfreeze(Some("directory"), None, NILS).await?),
        Order::Hold => drop(store.add_hold(&person(daemon, "1002").await?, "a lawsuit", None, NILS).await?),
        Order::LiftHold => {
            let all = Release::AllOf(person(daemon, "1002").await?.id);
            store.release_holds(all, "it is over", NILS).await?;
        }
        Order::ShortHold => {
            let until = Some(zurich("2027-08-30T12:00"));
            store.add_hold(&person(daemon, "1002").await?, "another lawsuit", until, NILS).await?;
        }
        Order::Erase => {
            drop(store.erase(person(daemon, "1002").await?.id, "Robin Leaver", "asked for it", NILS).await?)
        }
    }
    Ok(())
}

/// What is read for people and for programs that watch.
async fn look_around(daemon: &Engine) -> Result<(), Trouble> {
    let store = daemon.store();
    let chief = person(daemon, "1001").await?;
    store.person_with_key(chief.id).await?;
    store.people(None).await?;
    store.people_selected(PeopleBy::Active, 0).await?;
    store.known_people(&["1001".to_owned()]).await?;
    // Her account's address is hers once the two are matched, which a fault may have put off.
    store.proposed_address(&chief, None).await?.map_err(|taken| Trouble::Refused(taken.to_string()))?;
    store.accounts_by_system().await?;
    store.stored_secret("mail").await?;
    store.holds(None, true).await?;
    store.freezes().await?;
    store.started_by("inventory", "nothing").await?;
    store.late_cuts().await?;
    store.census().await?;
    store.mail_census().await?;
    Ok(())
}

/// What happens rather than being ordered.
async fn mishap(order: Order, app: &App, daemon: &Engine) -> Result<(), StoreError> {
    let store = daemon.store();
    match order {
        Order::GarbleMail => {
            let mail = NewMail {
                carrier: Carrier::Mail,
                key: "garbled".into(),
                kind: "message".into(),
                to: "robin.1001@small.example".into(),
                subject: "Garbled".into(),
                body: Secret::new("no letter"),
                domain: "small.example".into(),
                step: None,
            };
            store.post(&[mail]).await?;
        }
        Order::Trip => drop(store.trip(TripKind::Threshold, Some("directory"), "more than ever").await?),
        Order::ClockJumps => app.clock.leap(app.now() + jiff::SignedDuration::from_hours(1)),
        _ => store.fast_forward(app.now() + jiff::SignedDuration::from_secs(1)).await?,
    }
    Ok(())
}

/// As the command that changes the master key does, up to the moment when the new one wraps what is new.
async fn new_key(daemon: &Engine) -> Result<(), StoreError> {
    let (store, keys) = (daemon.store(), daemon.store().keys());
    let (newest, _) = keys.newest();
    let version = if newest > keys.wrapping() { newest } else { keys.add_key().expect("writes the file") };
    store.announce_key(version).await?;
    store.daemons_without(version, false).await?;
    store.wrap_with_newest().await
}

async fn person(daemon: &Engine, number: &str) -> Result<Person, Trouble> {
    let person = daemon.store().person(number).await?;
    person.ok_or_else(|| Trouble::Refused(format!("nobody is {number}")))
}

async fn run_of(daemon: &Engine, workflow: &str, person: &str) -> Result<i64, StoreError> {
    let filter = RunFilter { person: Some(person.into()), workflow: Some(workflow.into()), ..RunFilter::default() };
    let runs = daemon.store().runs(&filter).await?;
    let [run] = runs.as_slice() else { panic!("{} runs of {workflow} for {person}", runs.len()) };
    Ok(parse_public_id(&run.id).expect("an id"))
}

/// People do what waits for them; whether anybody could do anything.
pub(super) async fn answer(daemon: &Engine) -> Result<bool, StoreError> {
    let mut answered = false;
    for batch in daemon.store().batches().await? {
        answered |= daemon.store().approve_batch(&batch.id, &batch.confirmation(), "os:helene").await.is_ok();
    }
    // Somebody looks at what has tripped: a daemon that starts after weeks in which nobody was seen trips the clock's.
    for row in daemon.store().trips(false).await? {
        answered |= daemon.store().release_trip(row.trip.id, "looked at", NILS).await.is_ok();
    }
    for one in daemon.store().waiting(100).await? {
        let (run, ordinal) = one.key;
        answered |= match one.state {
            "awaiting_person" => daemon.task_done(run, &one.step, &BTreeSet::new(), None, "os:somebody").await.is_ok(),
            "awaiting_approval" if one.workflow == "asked" => false,
            "awaiting_approval" => {
                let typed = one.confirm.clone().unwrap_or_default();
                daemon.approve(run, &one.step, &typed, "os:helene").await.is_ok()
            }
            // A mail or a credential whose end nobody knows: somebody looks, and has it done again.
            "held" => {
                let book = daemon.look(run).await?;
                let state = &book.step(ordinal).expect("the step").state;
                let ambiguous = matches!(state, StepState::Held { reason: HoldReason::Ambiguous(_), .. });
                ambiguous && daemon.retry(run, &one.step, "nothing has arrived", "os:helene").await.is_ok()
            }
            _ => false,
        };
    }
    Ok(answered)
}
