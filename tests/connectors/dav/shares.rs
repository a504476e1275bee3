//! Calendars that people share, on a server that lets them: what is told of them, and which meetings to come the leaver has called.

use serde_json::{Value, json};
use usher::connectors::Connector;
use usher::connectors::dav::{DavSettings, DavSystem, Template};
use usher::workflow::ActionKind;

use super::cyrus::Cyrus;
use super::target::{archive, event, kept, settings};
use crate::conformance::{call, perform};

#[tokio::test]
async fn what_is_shared_is_told_with_the_meetings_to_come() {
    let server = Cyrus::start().await;
    let weekly = event("w", "20260105T100000Z", "Weekly").replace("SUMMARY", "RRULE:FREQ=WEEKLY\r\nSUMMARY");
    let long_ago = event("o", "20200101T100000Z", "Long ago");
    server.calendar("jdoe", "work", &[("w.ics", &weekly), ("o.ics", &long_ago)]).await;
    server.calendar("jdoe", "own", &[("r.ics", &event("r", "20280101T100000Z", "Review"))]).await;
    server.share("jdoe", "work", "boss").await;

    let folder = server.folder.path();
    let settings = DavSettings {
        url: format!("http://127.0.0.1:{}/dav/", server.port).parse().expect("an address"),
        user: "jdoe".to_owned(),
        calendars: Some(Template::try_from("calendars/user/{account}/").expect("a template")),
        ..settings(server.port, folder.join("jdoe"))
    };
    let system = Connector::Dav(Box::new(DavSystem::new("groupware", settings))).with_archive(&archive(folder).await);
    let export = call(ActionKind::CalendarsExport, &Value::Null, Some("jdoe"), "run_1/export", 1);
    let evidence = perform(&system, &export).await.expect("kept");
    for part in [
        "with 3 events and tasks",
        "1 are shared with others",
        "0 are somebody else's and not kept",
        "2 meetings to come were called by this account",
    ] {
        assert!(evidence.detail.contains(part), "{part}: {evidence:?}");
    }
    let kept = kept(folder);
    let list = kept.iter().find(|(name, _)| name.ends_with("/calendars.json")).expect("a list").1;
    let list: Value = serde_json::from_str(list).expect("JSON");
    let one = |name: &str| -> Value {
        let all = list["calendars"].as_array().expect("calendars");
        all.iter().find(|one| one["calendar"] == name).unwrap_or_else(|| panic!("{name}: {list:#}")).clone()
    };
    assert_eq!((&one("work")["shared"], &one("own")["shared"]), (&json!({ "with_others": 1 }), &json!("no")));
    let titles: Vec<Value> =
        ["own", "work"].iter().map(|name| one(name)["meetings_to_come"][0]["title"].clone()).collect();
    assert_eq!(titles, ["Review", "Weekly"]);
}
