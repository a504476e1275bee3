//! What people share, on servers that let them: what is told of it, which meetings to come the leaver has called, and that what is
//! somebody else's stays so.

use serde_json::{Value, json};
use usher::connectors::Connector;
use usher::connectors::dav::{DavSettings, DavSystem, Template};
use usher::workflow::ActionKind;

use super::cyrus::Cyrus;
use super::target::{Calendars, archive, card, event, kept, settings};
use super::to_boss;
use crate::conformance::{call, perform};

/// The list that an export leaves beside what it keeps.
fn list(server: &Cyrus, what: &str) -> Vec<Value> {
    let kept = kept(server.folder.path());
    let (_, text) = kept.iter().find(|(name, _)| name.ends_with(&format!("/{what}.json"))).expect("a list");
    let list: Value = serde_json::from_str(text).expect("JSON");
    list[what].as_array().expect("what is told").clone()
}

#[tokio::test]
async fn what_is_shared_is_told_with_the_meetings_to_come() {
    let server = Cyrus::start().await;
    let weekly = event("w", "20260105T100000Z", "Weekly").replace("SUMMARY", "RRULE:FREQ=WEEKLY\r\nSUMMARY");
    let long_ago = event("o", "20200101T100000Z", "Long ago");
    server.calendar("jdoe", "work", &[("w.ics", &weekly), ("o.ics", &long_ago)]).await;
    server.calendar("jdoe", "own", &[("r.ics", &event("r", "20280101T100000Z", "Review"))]).await;
    server.calendar("boss", "team", &[("t.ics", &event("t", "20280101T100000Z", "Of the team"))]).await;
    server.address_book("jdoe", "clients", &card("c", "Carla")).await;
    server.address_book("boss", "board", &card("b", "Bert")).await;
    server.share("jdoe", "calendars/user/jdoe/work/", "boss").await;
    for shared in ["calendars/user/boss/team/", "addressbooks/user/boss/board/"] {
        server.share("boss", shared, "jdoe").await;
    }
    server.accept_all("jdoe").await;
    // It is in the leaver's home, and there to be read like any other.
    let seen = server.ask("jdoe", "GET", "calendars/user/jdoe/boss.team/t.ics", "", "").await;
    assert!(seen.contains("Of the team"), "{seen}");

    let folder = server.folder.path();
    let settings = DavSettings {
        url: format!("http://127.0.0.1:{}/dav/", server.port).parse().expect("an address"),
        user: "jdoe".to_owned(),
        calendars: Some(Template::try_from("calendars/user/{account}/").expect("a template")),
        contacts: Some(Template::try_from("addressbooks/user/{account}/").expect("a template")),
        ..settings(server.port, folder.join("jdoe"))
    };
    let system = Connector::Dav(Box::new(DavSystem::new("groupware", settings))).with_archive(&archive(folder).await);
    let export = call(ActionKind::CalendarsExport, &Value::Null, Some("jdoe"), "run_1/export", 1);
    let evidence = perform(&system, &export).await.expect("kept");
    for part in [
        "with 3 events and tasks",
        "1 are shared with others",
        "1 are somebody else's and not kept",
        "2 meetings to come were called by this account",
    ] {
        assert!(evidence.detail.contains(part), "{part}: {evidence:?}");
    }
    let calendars = list(&server, "calendars");
    let one = |name: &str| {
        calendars.iter().find(|one| one["calendar"] == name).unwrap_or_else(|| panic!("{name}: {calendars:#?}"))
    };
    assert_eq!((&one("work")["shared"], &one("own")["shared"]), (&json!({ "with_others": 1 }), &json!("no")));
    assert_eq!(one("boss.team")["shared"], "by_others");
    let titles = ["own", "work"].map(|name| one(name)["meetings_to_come"][0]["title"].clone());
    assert_eq!(titles, ["Review", "Weekly"]);

    let export = call(ActionKind::ContactsExport, &Value::Null, Some("jdoe"), "run_1/contacts", 1);
    perform(&system, &export).await.expect("kept");
    let books = list(&server, "address_books");
    assert!(books.iter().any(|book| book["address_book"] == "clients" && book["objects"] == 1), "{books:#?}");
    let kept = kept(folder);
    assert!(kept.values().any(|text| text.contains("Carla")) && kept.values().any(|text| text.contains("Weekly")));
    assert!(
        !kept.values().any(|text| text.contains("Bert") || text.contains("Of the team")),
        "somebody else's is kept"
    );
}

/// Radicale, which is made to say of one calendar of the leaver's home what Cyrus says of one that others share.
#[tokio::test]
async fn what_others_share_is_not_handed_over() {
    let at = Calendars::start().await;
    let shared = "<resourcetype xmlns=\"DAV:\"><collection/><C:calendar xmlns:C=\"urn:ietf:params:xml:ns:caldav\"/>\
                  <S:shared xmlns:S=\"http://calendarserver.org/ns/\"/></resourcetype>";
    let (begin, end) = ("<displayname>", "</displayname>");
    let shown = "T".repeat(shared.len() - begin.len() - end.len());
    at.calendar("jdoe", "work", &[("1.ics", &event("1", "20280101T100000Z", "Review"))]);
    at.calendar("jdoe", "team", &[("t.ics", &event("t", "20280101T100000Z", "Of the team"))]);
    let properties = json!({ "tag": "VCALENDAR", "D:displayname": shown }).to_string();
    std::fs::write(at.server.root().join("jdoe/team/.Radicale.props"), properties).expect("writes");
    at.line.says(shared, format!("{begin}{shown}{end}").leak());

    let transfer = call(ActionKind::CalendarsTransfer, &to_boss(), Some("jdoe"), "run_1/calendars", 1);
    let evidence = perform(&at.connector, &transfer).await.expect("handed over");
    assert!(evidence.detail.contains("1 events and tasks of account `jdoe` in 1 calendars"), "{evidence:?}");
    let events = at.events();
    assert!(events.contains_key("jdoe/team/t.ics"), "{events:#?}");
    assert!(events.keys().any(|name| name.starts_with("boss/from-jdoe-work-")), "{events:#?}");
    let asked = at.line.asked();
    assert!(asked.iter().all(|asked| !asked.contains("/team/")), "nobody has even looked: {asked:#?}");
}
