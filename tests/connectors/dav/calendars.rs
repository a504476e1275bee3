//! Calendars handed over: resumed, never mixed, never written over.

use usher::connectors::{ActionError, Connector, Observation};
use usher::run::Evidence;
use usher::workflow::ActionKind;

use super::line::Fault;
use super::radicale::Radicale;
use super::target::{Calendars, event};
use super::to_boss;
use crate::conformance::{call, perform};

async fn transfer(connector: &Connector, fence: i64) -> Result<Evidence, ActionError> {
    perform(connector, &call(ActionKind::CalendarsTransfer, &to_boss(), Some("jdoe"), "run_1/calendars", fence)).await
}

/// Five events in one calendar, one in another.
async fn leaver() -> Calendars {
    let at = Calendars::start().await;
    let events: Vec<(String, String)> =
        (1..=5).map(|n| (format!("{n}.ics"), event(&n.to_string(), "20280101T100000Z", "Review"))).collect();
    let events: Vec<(&str, &str)> = events.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    at.calendar("jdoe", "work", &events);
    at.calendar("jdoe", "home", &[("a.ics", &event("a", "20280101T100000Z", "Party"))]);
    at.calendar("boss", "work", &[("1.ics", &event("1", "20280101T100000Z", "Mine"))]);
    at
}

/// The names of the events below a place.
fn named(at: &Calendars, place: &str) -> Vec<String> {
    let events = at.events();
    let names = events.keys().filter_map(|name| name.strip_prefix(place)?.rsplit('/').next());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn each_calendar_becomes_one_of_its_own() {
    let at = leaver().await;
    let before = at.events();
    let evidence = transfer(&at.connector, 1).await.expect("handed over");
    assert!(evidence.detail.contains("6 events and tasks of account `jdoe` in 2 calendars"), "{evidence:?}");
    assert_eq!(named(&at, "jdoe/"), [""; 0]);
    assert_eq!(named(&at, "boss/from-jdoe-work-"), ["1.ics", "2.ics", "3.ics", "4.ics", "5.ics"]);
    assert_eq!(named(&at, "boss/from-jdoe-home-"), ["a.ics"]);
    assert_eq!(at.events()["boss/work/1.ics"], before["boss/work/1.ics"]);
    let made = std::fs::read_dir(at.server.root().join("boss")).expect("a home");
    let made = made.map(|entry| entry.expect("an entry").path()).find(|path| path.to_string_lossy().contains("-work-"));
    let shown = std::fs::read_to_string(made.expect("a calendar").join(".Radicale.props")).expect("properties");
    assert!(shown.contains("WORK (jdoe)"), "{shown}");
}

#[tokio::test]
async fn a_line_that_is_cut_in_the_middle_is_gone_on_with() {
    let at = leaver().await;
    let before = at.events();
    for (well, fault) in [(2, Fault::After("MOVE")), (1, Fault::Before("MOVE")), (0, Fault::After("MOVE"))] {
        at.line.once(well, fault);
        let cut = transfer(&at.connector, 1).await;
        assert!(matches!(cut, Err(ActionError::Unknown { .. })), "{cut:?}");
    }
    transfer(&at.connector, 4).await.expect("handed over");
    let after = at.events();
    assert_eq!(after.len(), before.len(), "each event once: {after:#?}");
    assert_eq!(named(&at, "boss/from-jdoe-work-").len() + named(&at, "boss/from-jdoe-home-").len(), 6);
    assert_eq!(named(&at, "boss/work/"), ["1.ics"]);
}

#[tokio::test]
async fn what_the_server_does_not_move_is_written_read_back_and_taken_away() {
    let refuses = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let at = leaver().await;
    let before = at.events();
    at.line.always(Some(Fault::Instead("MOVE", refuses)));
    // Written there and not taken away here: the next attempt finds it, and does not double it.
    at.line.once(0, Fault::Before("DELETE"));
    let cut = transfer(&at.connector, 1).await;
    assert!(matches!(cut, Err(ActionError::Unknown { .. })), "{cut:?}");
    assert_eq!(at.events().len(), before.len() + 1);
    transfer(&at.connector, 2).await.expect("handed over");
    assert_eq!(named(&at, "jdoe/"), [""; 0]);
    assert_eq!(at.events().len(), before.len());
    let given = at.events();
    let party = given.iter().find(|(name, _)| name.ends_with("/a.ics")).expect("the party").1;
    assert!(party.contains("SUMMARY:Party") && party.contains("ATTENDEE:mailto:guest@example.org"), "{party}");
}

#[tokio::test]
async fn what_is_there_under_the_same_name_is_left_alone() {
    let at = leaver().await;
    transfer(&at.connector, 1).await.expect("handed over");
    let given = at.events().into_keys().find(|name| name.starts_with("boss/from-jdoe-home-")).expect("given");
    // The colleague has changed what was given, and the account has another one of that name now.
    let changed = event("a", "20290101T100000Z", "Moved to another year");
    std::fs::write(at.server.root().join(&given), &changed).expect("writes");
    at.calendar("jdoe", "home", &[("a.ics", &event("a", "20280101T100000Z", "Party"))]);
    let refused = transfer(&at.connector, 2).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("left alone")), "{refused:?}");
    assert_eq!(at.events()[&given], changed);
    assert_eq!(named(&at, "jdoe/home/"), ["a.ics"]);
}

#[tokio::test]
async fn an_event_that_changes_meanwhile_is_not_lost() {
    let refuses = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let changed = "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let at = leaver().await;
    at.line.always(Some(Fault::Instead("MOVE", refuses)));
    at.line.once(0, Fault::Instead("DELETE", changed));
    let outcome = transfer(&at.connector, 1).await;
    assert!(matches!(outcome, Err(ActionError::Unknown { .. })), "{outcome:?}");
    assert_eq!(named(&at, "jdoe/home/"), ["a.ics"], "it stays until it is handed over as it is now");
    // The server itself looks at the version, when the event is another one by then.
    let at = leaver().await;
    at.line.always(Some(Fault::Instead("MOVE", refuses)));
    let written = event("a", "20280101T100000Z", "Another party");
    at.line.once(0, Fault::Meanwhile("DELETE", at.server.root().join("jdoe/home/a.ics"), written.clone()));
    let outcome = transfer(&at.connector, 1).await;
    assert!(
        matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("changed meanwhile")),
        "{outcome:?}"
    );
    assert_eq!(at.events()["jdoe/home/a.ics"], written);
}

#[tokio::test]
async fn a_server_that_sends_invitations_keeps_the_events_where_they_are_too() {
    let at = leaver().await;
    at.line.says("calendar-auto-schedule, etc", "addressbook, extended-mkcol");
    let before = at.events();
    let call = call(ActionKind::CalendarsTransfer, &to_boss(), Some("jdoe"), "run_1/calendars", 1);
    assert!(matches!(at.connector.observe(&call).await, Ok(Observation::NotReached(_))));
    let evidence = transfer(&at.connector, 1).await.expect("handed over");
    assert!(evidence.detail.contains("nothing is left to copy"), "{evidence:?}");
    assert_eq!(at.events().len(), before.len() + 6);
    assert!(before.iter().all(|(name, text)| at.events().get(name) == Some(text)), "nothing was taken away or changed");
    let asked = at.line.asked();
    assert!(asked.iter().all(|asked| !asked.starts_with("MOVE") && !asked.starts_with("DELETE")), "{asked:#?}");
    transfer(&at.connector, 2).await.expect("found done");
    assert_eq!(at.events().len(), before.len() + 6);
}

#[tokio::test]
async fn what_a_colleague_shares_stays_the_colleagues() {
    let at = Calendars::on(Radicale::start_sharing().await).await;
    at.calendar("jdoe", "work", &[("1.ics", &event("1", "20280101T100000Z", "Review"))]);
    at.calendar("boss", "team", &[("t.ics", &event("t", "20280101T100000Z", "Team"))]);
    // To the one it is shared with, it is a calendar like any other: read, and written.
    let own = at.server.url("jdoe/boss-team/");
    let http =
        usher::outbound::client(None, std::time::Duration::from_secs(10)).expect("a client").build().expect("a client");
    let seen = http.get(format!("{own}t.ics")).basic_auth("jdoe", Some("jdoepass")).send().await.expect("an answer");
    assert!(seen.status().is_success() && seen.text().await.expect("an event").contains("SUMMARY:Team"), "not shared");
    let exported = call(ActionKind::CalendarsExport, &serde_json::Value::Null, Some("jdoe"), "run_1/export", 1);
    let evidence = perform(&at.connector, &exported).await.expect("kept");
    assert!(evidence.detail.contains("1 calendars with 1 events"), "{evidence:?}");
    let evidence = transfer(&at.connector, 1).await.expect("handed over");
    assert!(evidence.detail.contains("1 events and tasks of account `jdoe` in 1 calendars"), "{evidence:?}");
    assert_eq!(named(&at, "boss/team/"), ["t.ics"], "nobody has moved it");
    assert!(named(&at, "boss/from-jdoe-boss-team-").is_empty());
}

#[tokio::test]
async fn nobody_is_found_by_an_address_of_another_domain() {
    let at = leaver().await;
    for (to, named) in [
        ("boss@example.com", "no address of example.org"),
        ("jdoe@example.org", "cannot hand over to itself"),
        ("nobody@example.org", "has no account of the one to hand over to"),
    ] {
        let with = serde_json::json!({ "to": to });
        let call = call(ActionKind::CalendarsTransfer, &with, Some("jdoe"), "run_1/calendars", 1);
        let outcome = perform(&at.connector, &call).await;
        assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains(named)), "{to}: {outcome:?}");
    }
}
