//! One story with everything in it, played by daemons that may die at any call: somebody joins, somebody moves,
//! somebody leaves and is purged, a departure is taken back, somebody is away for a week.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use usher::connectors::sandbox::Snapshot;
use usher::engine::Engine;
use usher::faults::Faults;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed, schedules};
use usher::run::book::parse_public_id;
use usher::run::{HoldReason, StepState};
use usher::store::{Completion, RunFilter};

use crate::database::Db;
use crate::harness::{App, LEASE, posting, turn_of, zurich};

const COMPANY: &str = r#"
name = "Small House"

[systems.directory]
title = "Directory of people"
facets = ["directory"]
trash = true
grace_days = 30

[systems.mailhost]
title = "Mail"
facets = ["mail"]
trash = true
grace_days = 30
"#;

const HEADING: &str = "employee_number,given_name,family_name,email,private_email,manager,department,timezone,language,\
                       start_date,last_day,status,leave_from,leave_until\n";

/// HR's files, each from its instant on.
const FILES: [(&str, &str); 7] = [
    (
        "2027-01-20T08:00",
        "1001,Robin,Chief,robin.1001@small.example,,,Sales,Europe/Zurich,en,2011-03-01,,active,,\n\
         1002,Robin,Leaver,robin.1002@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,,active,,\n\
         1003,Robin,Stayer,robin.1003@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,,active,,\n",
    ),
    (
        "2027-01-20T09:00",
        "1004,Robin,Newcomer,robin.1004@small.example,new@private.example,1001,Sales,Europe/Zurich,en,2027-01-27,,prehire,,\n",
    ),
    ("2027-01-21T09:00", "1003,Robin,Stayer,robin.1003@small.example,,1001,IT,Europe/Zurich,en,2012-09-01,,active,,\n"),
    (
        "2027-01-22T09:00",
        "1002,Robin,Leaver,robin.1002@small.example,,1001,Sales,Europe/Zurich,en,2012-09-01,2027-01-29,leaving,,\n\
         1003,Robin,Stayer,robin.1003@small.example,,1001,IT,Europe/Zurich,en,2012-09-01,2027-01-28,leaving,,\n",
    ),
    ("2027-01-30T09:00", "1003,Robin,Stayer,robin.1003@small.example,,1001,IT,Europe/Zurich,en,2012-09-01,,active,,\n"),
    (
        "2027-02-02T09:00",
        "1004,Robin,Newcomer,robin.1004@small.example,new@private.example,1001,Sales,Europe/Zurich,en,2027-01-27,,active,2027-02-08,2027-02-15\n",
    ),
    (
        "2027-02-10T09:00",
        "1004,Robin,Newcomer,robin.1004@small.example,new@private.example,1001,Sales,Europe/Zurich,en,2027-01-27,,active,2027-02-08,2027-02-12\n",
    ),
];

const UNTIL: &str = "2027-09-30T12:00";

/// Rounds after which a story that does not end is stuck.
const MOST: usize = 2000;

/// What a story left behind.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) world: Snapshot,
    /// `departure 1002 completed: delete@mailhost done, …`
    pub(super) runs: BTreeSet<String>,
    /// What has been sent, by kind of mail and address.
    pub(super) mails: Vec<(String, i64)>,
}

/// The company and its people.
pub(super) fn company() -> String {
    let mut text = COMPANY.to_owned();
    for number in ["1001", "1002", "1003"] {
        text.push_str(&format!(
            r#"
[[people]]
number = "{number}"
given_name = "Robin"
family_name = "Nr{number}"
email = "robin.{number}@small.example"
on.directory = {{ id = "u-{number}", role = "user", groups = ["staff"], sessions = ["laptop"], tokens = ["authenticator"] }}

[people.on.mailhost]
id = "m-{number}"
licence = "mail-standard"
mails = 10
mail_size = "0.1 GB"
sessions = ["laptop", "phone"]
app_passwords = ["phone"]
rules = [{{ name = "private copy", forward_to = "robin.{number}@private.example" }}]
"#
        ));
    }
    text
}

/// Where the story has got to, outside of the daemons.
struct Story {
    accepted: usize,
    /// Outcomes that no commit has been heard of: a daemon that lives keeps them.
    outcomes: Vec<Completion>,
    taken_back: bool,
}

/// Plays the story on a record of its own. What `faults` are armed with happens to a daemon once; where that ends its
/// process, another one is started.
pub(super) async fn play(db: Db, faults: &Arc<Faults>) -> Ending {
    let app = App::of(db, &company()).await;
    app.company.set_faults(Arc::clone(faults));
    let mut story = Story { accepted: 0, outcomes: Vec::new(), taken_back: false };
    loop {
        let daemon = posting(app.another_store().await.with_faults(Arc::clone(faults)), &app.company);
        let ended = tokio::select! {
            biased;
            () = faults.crash() => false,
            () = live(&app, &daemon, &mut story) => true,
        };
        daemon.store().close().await;
        if ended {
            break;
        }
        // What the process knew is gone with it.
        story.outcomes.clear();
    }
    let ending = ending(&app).await;
    app.end().await;
    ending
}

/// A daemon's life: each thing that fails is tried again, as the real loops do.
async fn live(app: &App, daemon: &Engine, story: &mut Story) {
    let store = daemon.store();
    // The file is this daemon's: every lease in it is an abandoned one.
    while store.recover(true).await.is_err() {}
    for _ in 0..MOST {
        told(app, daemon, story).await;
        let round = [
            store.recover(false).await.is_ok(),
            events::dispatch(daemon).await.is_ok(),
            schedules::fire(daemon).await.is_ok(),
            store.expire_secrets().await.is_ok(),
            daemon.remind().await.is_ok(),
            daemon.mail().expect("a mail room").deliver_due(store).await.is_ok(),
        ];
        if turn(daemon, story).await
            || !round.iter().all(|fine| *fine)
            || answer(daemon).await
            || undo(app, daemon, story).await
        {
            continue;
        }
        let Ok(next) = store.next_due().await else { continue };
        let Ok(in_flight) = store.in_flight().await else { continue };
        if in_flight > 0 {
            // Claims whose commit nobody has heard of: they lapse.
            app.clock.set(app.now() + SignedDuration::try_from(LEASE).expect("fits") + SignedDuration::from_secs(1));
            continue;
        }
        let file = FILES.get(story.accepted).map(|(at, _)| zurich(at));
        match next.into_iter().chain(file).min().filter(|due| *due <= zurich(UNTIL)) {
            Some(due) => app.clock.set(due.max(app.now())),
            None => return,
        }
    }
    panic!("the story does not end: {:#?}", ending(app).await.runs);
}

/// HR's next file, sent until it is accepted.
async fn told(app: &App, daemon: &Engine, story: &mut Story) {
    while let Some((_, rows)) = FILES.get(story.accepted).filter(|(at, _)| zurich(at) <= app.now()) {
        let people = read_people(format!("{HEADING}{rows}").as_bytes(), &Mapping::default()).expect("a right file");
        if feed::take_in(daemon, &people, "csv", |_| {}).await.is_ok() {
            story.accepted += 1;
        }
    }
}

/// One turn with the outcomes of the last one; true where there was anything to do.
async fn turn(daemon: &Engine, story: &mut Story) -> bool {
    let store = daemon.store();
    let busy = !story.outcomes.is_empty();
    let held: Vec<(i64, u16, i64)> = story.outcomes.iter().map(|one| (one.run, one.ordinal, one.fence)).collect();
    if busy && store.renew(&held, LEASE).await.is_err() {
        return true;
    }
    let Ok(report) = turn_of(store, "test", &daemon.system_names(), story.outcomes.clone(), 8).await else {
        return true;
    };
    story.outcomes.clear();
    for claim in &report.claims {
        let (outcome, seen) = daemon.execute(claim, || true).await;
        let (run, ordinal, fence) = (claim.run, claim.ordinal, claim.fence);
        story.outcomes.push(Completion { run, ordinal, fence, outcome, seen });
    }
    busy || report.settled > 0 || !report.claims.is_empty()
}

/// People do what waits for them.
async fn answer(daemon: &Engine) -> bool {
    let Ok(waiting) = daemon.store().waiting(100).await else { return true };
    let mut answered = false;
    for one in waiting {
        let (run, ordinal) = one.key;
        let done = match one.state {
            "awaiting_person" => daemon.task_done(run, &one.step, &BTreeSet::new(), None, "os:somebody").await.is_ok(),
            "awaiting_approval" => {
                let typed = one.confirm.clone().unwrap_or_default();
                daemon.approve(run, &one.step, &typed, "os:helene").await.is_ok()
            }
            // A mail or a credential whose end nobody knows: somebody looks, and has it done again.
            "held" => {
                let Ok(book) = daemon.look(run).await else { return true };
                let state = &book.step(ordinal).expect("the step").state;
                let ambiguous = matches!(state, StepState::Held { reason: HoldReason::Ambiguous(_), .. });
                ambiguous && daemon.retry(run, &one.step, "nothing has arrived", "os:helene").await.is_ok()
            }
            _ => false,
        };
        answered |= done;
    }
    answered
}

/// The departure that HR has taken back is taken back by somebody, the day after.
async fn undo(app: &App, daemon: &Engine, story: &mut Story) -> bool {
    if story.taken_back || app.now() < zurich("2027-02-01T00:00") {
        return false;
    }
    let filter = RunFilter { person: Some("1003".into()), workflow: Some("departure".into()), ..RunFilter::default() };
    let Ok(runs) = daemon.store().runs(&filter).await else { return true };
    let [run] = runs.as_slice() else { panic!("{} departures of 1003", runs.len()) };
    let run = parse_public_id(&run.id).expect("an id");
    // Ordered again, it is refused: that it was done is as good as an answer.
    story.taken_back = match daemon.undo(run, "stays", "os:helene", false).await {
        Ok(_) => true,
        Err(error) => !error.is_outage(),
    };
    true
}

async fn ending(app: &App) -> Ending {
    let mut runs = BTreeSet::new();
    for row in app.store.runs(&RunFilter::default()).await.expect("runs") {
        let book = app.book(parse_public_id(&row.id).expect("an id")).await;
        // A step that was done once more because a cut came late is no other end.
        let steps = book.steps.iter().filter(|step| !step.name.ends_with(".again"));
        let steps: Vec<String> = steps.map(|step| format!("{} {}", step.label(), step.state.as_str())).collect();
        runs.insert(format!("{} {} {}: {}", row.workflow, row.subject, row.state.as_str(), steps.join(", ")));
    }
    Ending {
        world: app.company.snapshot().expect("looks"),
        runs,
        mails: app.store.mail_census().await.expect("counts"),
    }
}
