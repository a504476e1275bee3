//! Commands whose COMMIT is kept while its answer is lost: they say that nobody knows, and doing them again does nothing
//! twice.

use std::process::Output;
use std::time::{Duration, Instant};

use usher::clock;

use crate::daemon::{Daemon, Surroundings};
use crate::proxy::{Cut, Proxy};
use crate::server::Server;
use crate::storm::turn;
use crate::town::{TROUBLED, Town};

struct House {
    town: Town,
    way: Proxy,
    around: Surroundings,
    _server: Server,
}

impl House {
    async fn new(people: usize) -> Self {
        let server = Server::start().await;
        let url = server.database().await;
        let town = Town::quiet(people, people, &url, TROUBLED).await;
        let way = Proxy::to(server.port()).await;
        let around = Surroundings::of(&town.folder).database(&way.url(&url));
        Self { town, way, around, _server: server }
    }

    /// Runs a command whose COMMIT number `which` (from 0) gets no answer. None if it has no such COMMIT.
    async fn cut_at(&self, which: i64, arguments: &[&str]) -> Option<Output> {
        let before = self.way.cuts();
        self.way.cut_commit(which, Cut::AfterIt);
        let output = self.around.usher(arguments).await;
        self.way.cut_commit(-1, Cut::AfterIt);
        (self.way.cuts() > before).then_some(output)
    }

    /// The command fails and says that nobody knows; given again it is done, or refused because it is.
    async fn unknown_then_once(&self, which: i64, arguments: &[&str]) -> bool {
        let Some(cut) = self.cut_at(which, arguments).await else { return false };
        if !cut.status.success() {
            let said = String::from_utf8_lossy(&cut.stderr).into_owned();
            assert_eq!(cut.status.code(), Some(5), "{arguments:?}: {said}");
            assert!(said.contains("whether it has kept this is not known"), "{arguments:?}: {said}");
        }
        let again = self.around.usher(arguments).await;
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(matches!(again.status.code(), Some(0 | 4)), "{arguments:?}: {said}");
        true
    }

    async fn runs(&self, workflow: &str) -> i64 {
        self.town.number(&format!("SELECT COUNT(*) FROM runs WHERE workflow = '{workflow}'")).await.expect("counts")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_cut_again_and_again_starts_each_run_once() {
    let _turn = turn().await;
    let house = House::new(5).await;
    let file = house.town.folder.join("hr.csv");
    std::fs::write(&file, house.town.hr_file(0, "2027-01-29".parse().expect("a date")).expect("people"))
        .expect("writes");
    let import = ["people", "import", "hr.csv"];
    // Each time one COMMIT more goes through before one loses its answer.
    let mut cuts = 0;
    while let Some(cut) = house.cut_at(cuts, &import).await {
        cuts += 1;
        let said = String::from_utf8_lossy(&cut.stderr).into_owned();
        assert!(cut.status.success() || said.contains("is not known"), "{said}");
        assert!(cuts < 60, "it comes to an end: {said}");
    }
    assert!(cuts > 2, "it was cut {cuts} times");
    let done = house.around.usher(&import).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // Whatever the cuts have left over, a daemon deals with.
    let daemon = Daemon::start(&house.around);
    house.town.live_to_the_end().await;
    assert_eq!(house.runs("departure").await, 5);
    house.town.count().await.assert_right();
    daemon.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_started_or_blocked_over_a_cut_are_there_once() {
    let _turn = turn().await;
    let house = House::new(12).await;
    // HR's file tells of nobody's leaving here: the runs are started by hand.
    let people = std::fs::read_to_string(house.town.folder.join("people.csv")).expect("reads");
    std::fs::write(house.town.folder.join("staff.csv"), people.replace(",2027-01-29,leaving", ",,active"))
        .expect("writes");
    let imported = house.around.usher(&["people", "import", "staff.csv"]).await;
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));

    let mut expected = 0;
    for (which, person) in (0..).zip(1..=6) {
        let (person, key) = (format!("{person:05}"), format!("ticket-{person}"));
        let start =
            ["run", "start", "departure", "--person", &person, "--set", "last_day=2027-01-29", "--now", "--key", &key];
        if !house.unknown_then_once(which, &start).await {
            break;
        }
        expected += 1;
    }
    assert!(expected > 0, "a start has a COMMIT");
    // The one that had no such COMMIT to lose was started as well.
    assert_eq!(house.runs("departure").await, expected + 1);

    let mut expected = 0;
    for (which, person) in (0..).zip(7..=12) {
        let person = format!("{person:05}");
        if !house.unknown_then_once(which, &["block", &person, "--yes", "--reason", "a test"]).await {
            break;
        }
        expected += 1;
    }
    assert!(expected > 0, "a block has a COMMIT");
    assert_eq!(house.runs("emergency-block").await, expected + 1);

    assert!(house.unknown_then_once(0, &["freeze", "--reason", "a test"]).await);
    let lifted = house.around.usher(&["unfreeze"]).await;
    assert!(lifted.status.success(), "{}", String::from_utf8_lossy(&lifted.stderr));
    assert_eq!(house.town.engine.store().freezes().await.expect("reads").len(), 0, "one word lifts them all");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_over_a_cut_is_known_or_given_again() {
    let _turn = turn().await;
    let house = House::new(2).await;
    house.town.approve(false);
    house.town.more_departures().await;
    let daemon = Daemon::start(&house.around);
    let mut asked = Vec::new();
    while asked.len() < 2 {
        house.town.live(std::time::Duration::from_millis(50)).await;
        let waiting = house.town.engine.store().waiting(100).await.expect("reads");
        asked = waiting.into_iter().filter(|waiting| waiting.state == "awaiting_approval").collect();
    }
    daemon.terminate().await;
    for (which, waiting) in (0..).zip(&asked) {
        let typed = waiting.confirm.clone().unwrap_or_default();
        let approve = ["approve", &waiting.run, &waiting.step, "--confirm", &typed];
        assert_eq!(house.unknown_then_once(which, &approve).await, which == 0, "an approval is one COMMIT");
    }
    // Given again, it is the same approval by the same person, a little younger.
    let mut given = std::collections::BTreeSet::new();
    let store = house.town.engine.store();
    for run in store.run_ids().await.expect("reads") {
        let told = store.audit(run).await.expect("reads").into_iter().filter(|told| told.fact["fact"] == "approved");
        given.extend(told.map(|told| (run, told.step)));
    }
    assert_eq!(given.len(), 2, "each was given: {given:?}");
    house.town.approve(true);
    let daemon = Daemon::start(&house.around);
    house.town.live_to_the_end().await;
    house.town.count().await.assert_right();
    daemon.terminate().await;
}

/// A connection that is dropped instead of ended is a line in the server's log, and a session that it counts as lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ends_takes_leave_of_the_server() {
    let _turn = turn().await;
    let server = Server::start().await;
    let town = Town::quiet(3, 3, &server.database().await, TROUBLED).await;
    town.engine.store().close().await;
    let around = Surroundings::of(&town.folder);
    for (arguments, code) in [(&["run", "list"][..], 0), (&["run", "show", "run_99"], 3), (&["doctor"], 0)] {
        let output = around.usher(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
    let began = Instant::now();
    while server.number("SELECT COUNT(*) FROM pg_stat_activity WHERE datname LIKE 'storm_%'").await != Some(0) {
        clock::pause(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(30), "nobody is left behind");
    }
    let sessions = "SELECT SUM(sessions) FROM pg_stat_database WHERE datname LIKE 'storm_%'";
    assert!(server.number(sessions).await >= Some(9), "each command has come");
    let lost = "SELECT SUM(sessions_abandoned) FROM pg_stat_database WHERE datname LIKE 'storm_%'";
    assert_eq!(server.number(lost).await, Some(0));
}
