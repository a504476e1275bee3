//! Somebody leaves two systems that usher knows by declaration alone: one that speaks HTTP, one behind a program.

use serde_json::json;
use usher::config::{Config, Surroundings};
use usher::connectors::Connector;
use usher::engine::Engine;
use usher::engine::library::Library;
use usher::run::{EvidenceKind, HoldReason, RunState, StepState};

use crate::crm::{self, Crm, Fault};
use crate::doors::Doors;
use crate::harness::{App, completion, request, turn_of};

const WORKFLOW: &str = "
workflow: leave-both
title: Two systems that are declared
for: person
on: { manual: true }
steps:
  - { id: disable, action: account.disable, systems: [crm, doors] }
  - { id: revoke, action: sessions.revoke, systems: crm }
  - { id: release, action: licence.release, systems: crm }
  - { id: verify, action: verify.no_access, systems: [crm, doors] }
";

/// A house with the two, in which Ada has an account on each.
struct Both {
    engine: Engine,
    crm: Crm,
    doors: Doors,
    _folder: tempfile::TempDir,
}

impl Both {
    async fn new(app: &App) -> Self {
        app.staffed().await;
        let crm = Crm::start().await;
        crm.hire("7/ä", "ada@crm.example");
        crm.set("7/ä", "number", json!("1005"));
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("http://127.0.0.1:{}/api", crm.port);
        let http = crm::declared(folder.path(), &url, crm::DECLARED).expect("a configuration");
        let doors = Doors::new();
        doors.hire("d \"1\"", Some("1005"));
        let exec: Connector = doors.again();
        let systems = [("crm".to_owned(), http), ("doors".to_owned(), exec)].into();
        let engine = app.restarted(systems, &[("leave-both.yaml", WORKFLOW)]).await;
        engine.sync("crm").await.expect("reads the system");
        engine.sync("doors").await.expect("reads the system");
        Self { engine, crm, doors, _folder: folder }
    }

    async fn leave(&self) -> i64 {
        self.engine.start(request("leave-both", "1005", &[])).await.expect("starts").id()
    }

    async fn work_off(&self, app: &App) {
        self.engine.work_off(app.hands).await.expect("works it off");
    }
}

async fn evidence(app: &App, run: i64, label: &str) -> EvidenceKind {
    match app.state(run, label).await {
        StepState::Done { evidence, .. } => evidence.kind,
        other => panic!("{label}: {other:?}"),
    }
}

const CALLS: &str = "
workflow: calls
title: Steps that call others
for: person
on: { manual: true }
steps:
  - id: tell
    action: http.request
    with:
      method: PUT
      url: 'http://127.0.0.1:PORT/api/users/u-1/reply'
      headers: { Authorization: Bearer mine, X-From: '{{ person.display_name }}' }
      body: { text: '{{ person.display_name }} \"}', trick: '{{ \"{{ secrets.token }}\" }}' }
  - id: note
    action: exec
    with: { program: /bin/sh, args: ['{{ person.employee_number }}', '$(id); x'] }
  - { id: elsewhere, action: http.request, after: [], with: { method: GET, url: 'http://127.0.0.1:1/' } }
  - { id: shell, action: exec, after: [], with: { program: /bin/bash } }
";

/// An engine as the daemon wires it, that may call the product and one program.
async fn caller(app: &App, crm: &Crm, folder: &std::path::Path) -> Engine {
    let script = "cat >request; printf '%s|' \"$@\" >arguments; echo '{\"result\": \"done\", \"evidence\": \"noted\"}'";
    std::fs::write(folder.join("note.sh"), script).expect("a file");
    std::fs::write(folder.join("token"), crm::TOKEN).expect("a file");
    let shown = folder.display();
    let text = format!(
        "[requests.crm]\nurl = \"http://127.0.0.1:{}/api\"\nnetworks = [\"127.0.0.1\"]\n\
         headers = {{ Authorization = \"Bearer {{{{ secrets.token }}}}\" }}\nsecrets = {{ token = {{ file = \"token\" }} }}\n\
         [programs.note]\ncommand = [\"/bin/sh\", \"{shown}/note.sh\"]\nfolder = \"{shown}\"\n",
        crm.port
    );
    std::fs::write(folder.join("usher.toml"), text).expect("a file");
    let around = Surroundings { folder: folder.to_owned(), variables: Default::default(), root: false };
    let config = Config::load(&[], None, &around).expect("a right configuration");
    let library = Library::of([("calls.yaml", CALLS.replace("PORT", &crm.port.to_string()).as_str())]);
    assert!(!library.has_errors(), "{:#?}", library.diagnostics);
    usher::daemon::assemble(&config, app.another_store().await, Default::default(), library)
}

both! {
    /// Requests and programs that no system stands behind: only where the configuration says, each at most once.
    steps_call_what_the_configuration_names_and_nothing_else, async |app: &App| {
        app.staffed().await;
        let (crm, folder) = (Crm::start().await, tempfile::tempdir().expect("a folder"));
        crm.hire("u-1", "ada@crm.example");
        let engine = caller(app, &crm, folder.path()).await;
        let run = engine.start(request("calls", "1005", &[])).await.expect("starts").id();
        crm.goes_wrong_once(Fault::CutAfter);
        engine.work_off(app.hands).await.expect("works it off");
        for label in ["elsewhere", "shell"] {
            let held = app.state(run, label).await;
            assert!(matches!(held, StepState::Held { reason: HoldReason::Missing(_), .. }), "{label}: {held:?}");
        }
        // Nobody knows what became of it, so it is not repeated.
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(2));
        engine.work_off(app.hands).await.expect("works it off");
        let held = app.state(run, "tell").await;
        assert!(matches!(held, StepState::Held { reason: HoldReason::Ambiguous(_), .. }), "{held:?}");
        assert_eq!(crm.whole()["writes"], 1);
        engine.retry(run, "tell", "looked: once more does no harm", "os:test").await.expect("an order");
        engine.work_off(app.hands).await.expect("works it off");
        assert_eq!(evidence(app, run, "tell").await, EvidenceKind::Acknowledged);
        let reply = json!({ "text": "Ada Keller \"}", "trick": "{{ secrets.token }}" });
        assert_eq!(crm.account("u-1")["reply"], reply, "what a workflow says is not filled in once more");
        let headers = crm.seen().pop().expect("a request").headers;
        assert_eq!((headers["authorization"].as_str(), headers["x-from"].as_str()),
            (format!("Bearer {}", crm::TOKEN).as_str(), "Ada Keller"));
        assert_eq!(evidence(app, run, "note").await, EvidenceKind::Acknowledged);
        let arguments = std::fs::read_to_string(folder.path().join("arguments")).expect("it ran");
        assert_eq!(arguments, "1005|$(id); x|");
    };
}

both! {
    /// Each step reads back what it can, and the run ends.
    somebody_leaves_two_declared_systems, async |app: &App| {
        let both = Both::new(app).await;
        let run = both.leave().await;
        both.work_off(app).await;
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:?}", app.states(run).await);
        assert_eq!(both.crm.account("7/ä")["active"], false);
        assert_eq!(both.doors.read()["accounts"]["d \"1\""]["open"], false);
        assert_eq!(evidence(app, run, "disable@crm").await, EvidenceKind::ReadBack);
        assert_eq!(evidence(app, run, "disable@doors").await, EvidenceKind::ReadBack);
        assert_eq!(evidence(app, run, "revoke@crm").await, EvidenceKind::Acknowledged);
        app.store.verify(run).await.expect("the journal is whole");
    };

    /// What was cut after its effect is found done; what nobody can see waits for a person, and is done once more only when
    /// the person says so.
    what_was_cut_is_looked_at_and_what_cannot_be_seen_waits_for_a_person, async |app: &App| {
        let both = Both::new(app).await;
        both.crm.goes_wrong_once(Fault::CutAfter);
        let run = both.leave().await;
        both.work_off(app).await;
        assert_eq!(app.state(run, "disable@crm").await.as_str(), "unknown");
        let writes = both.crm.whole()["writes"].clone();
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(1));
        // The ticket of `release` is taken, and the answer is lost.
        both.crm.goes_wrong_once_at("/ticket", Fault::CutAfter);
        both.work_off(app).await;
        assert_eq!(evidence(app, run, "disable@crm").await, EvidenceKind::ReadBack);
        assert_eq!(both.crm.whole()["writes"].as_u64(), writes.as_u64().map(|writes| writes + 2), "revoke and release");
        for _ in 0..3 {
            let held = app.state(run, "release@crm").await;
            let StepState::Held { reason: HoldReason::Ambiguous(_), .. } = held else { panic!("{held:?}") };
            app.clock.set(app.now() + jiff::SignedDuration::from_hours(1));
            both.work_off(app).await;
        }
        assert_eq!(both.crm.account("7/ä")["tickets"], 1, "it was repeated by itself");
        both.engine.retry(run, "release@crm", "the first one was withdrawn", "os:test").await.expect("an order");
        both.work_off(app).await;
        assert_eq!(evidence(app, run, "release@crm").await, EvidenceKind::Acknowledged);
        assert_eq!(both.crm.account("7/ä")["tickets"], 2);
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:?}", app.states(run).await);
    };

    /// A daemon that died in the middle of what nobody can see: held as well, and a person's word is enough to go on.
    a_daemon_that_dies_over_what_nobody_can_see_leaves_it_to_a_person, async |app: &App| {
        let both = Both::new(app).await;
        let run = both.leave().await;
        while app.state(run, "release@crm").await.as_str() != "leased" {
            let names = both.engine.system_names();
            let claims = turn_of(both.engine.store(), "dead", &names, Vec::new(), 8).await.expect("a turn").claims;
            for claim in claims.iter().filter(|claim| claim.label != "release@crm") {
                let (outcome, seen) = both.engine.execute(claim, || true).await;
                let done = usher::store::Completion { seen, ..completion(claim, outcome) };
                turn_of(both.engine.store(), "dead", &names, vec![done], 0).await.expect("a turn");
            }
        }
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(10));
        both.engine.store().recover(true).await.expect("recovers");
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(10));
        both.work_off(app).await;
        let held = app.state(run, "release@crm").await;
        assert!(matches!(held, StepState::Held { reason: HoldReason::Ambiguous(_), observe: false }), "{held:?}");
        assert!(both.crm.account("7/ä")["tickets"].is_null());
        both.engine.retry(run, "release@crm", "it was not done", "os:test").await.expect("an order");
        both.work_off(app).await;
        assert_eq!(both.crm.account("7/ä")["tickets"], 1);
    };
}
