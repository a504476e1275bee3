//! `usher systems test`, against the real servers: what it finds right, which rights it finds missing, and that it changes
//! nothing.

use std::path::PathBuf;

use usher::connectors::dav::{DavSettings, DavSystem, Template};
use usher::connectors::{Connector, Reach};

use super::radicale::Radicale;
use super::target::{Calendars, Files, Share, event, settings};

/// A system with these homes.
async fn tested(settings: DavSettings) -> Reach {
    Connector::Dav(Box::new(DavSystem::new("groupware", settings))).test().await
}

fn calendars(port: u16, password: PathBuf) -> DavSettings {
    let home = Some(Template::try_from("{account}/").expect("a template"));
    DavSettings { calendars: home.clone(), contacts: home, ..settings(port, password) }
}

fn says(reach: &Reach, ok: bool, lines: &[&str]) {
    assert_eq!(reach.ok, ok, "{reach:#?}");
    for line in lines {
        assert!(reach.findings.iter().any(|found| found.contains(line)), "{line}: {reach:#?}");
    }
}

#[tokio::test]
async fn a_server_that_is_as_it_should_be_is_said_to_be() {
    let at = Calendars::start().await;
    at.calendar("jdoe", "work", &[("1.ics", &event("1", "20280101T100000Z", "Review"))]);
    let before = at.events();
    let lines = [
        "answers to svc (in the clear, on this machine)",
        "2 accounts are shown",
        "other people's calendars may be read and changed",
        "other people's contacts may be read and changed",
        "account.disable by hand: ",
    ];
    let reach = at.connector.test().await;
    says(&reach, true, &lines);
    assert!(!reach.findings.iter().any(|found| found.contains("invitations")), "{reach:#?}");
    // Where it sends invitations, it is said that calendars are copied.
    at.line.says("calendar-auto-schedule, etc", "addressbook, extended-mkcol");
    says(&at.connector.test().await, true, &["the server sends invitations itself"]);
    assert_eq!(at.events(), before);
    let asked = at.line.asked();
    assert!(asked.iter().all(|asked| asked.starts_with("PROPFIND") || asked.starts_with("OPTIONS")), "{asked:#?}");

    let at = Files::start(Share::One).await;
    at.write("jdoe", "a.txt", b"a");
    let reach = at.connector.test().await;
    let untold = "the server does not say what may be done with other people's files";
    says(&reach, true, &["2 accounts are shown", untold, "account.delete by hand: "]);
    assert!(at.line.asked().iter().all(|asked| asked.starts_with("PROPFIND")));
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let only_reads = Radicale::start_with("[usher]\nuser: svc\ncollection: .*\npermissions: Rr\n").await;
    let reach = tested(calendars(only_reads.port(), only_reads.folder.path().join("password"))).await;
    says(
        &reach,
        false,
        &[
            "2 accounts are shown",
            "usher's user has no right to change other people's calendars",
            "usher's user has no right to change other people's contacts",
        ],
    );
    // Nobody else is shown to somebody like all others.
    let like_all = Radicale::start_with("").await;
    let reach = tested(calendars(like_all.port(), like_all.folder.path().join("password"))).await;
    says(&reach, false, &["no accounts but svc are shown"]);
}

#[tokio::test]
async fn a_server_that_does_not_let_usher_in_or_is_away_is_named() {
    let server = Radicale::start().await;
    let wrong = server.folder.path().join("wrong");
    std::fs::write(&wrong, "not-the-password").expect("writes");
    let reach = tested(calendars(server.port(), wrong)).await;
    says(&reach, false, &["the server does not take usher's user or password"]);
    assert!(!format!("{reach:?}").contains("not-the-password"), "{reach:#?}");
    // What can be done with limits is said all the same.
    says(&reach, false, &["account.disable by hand: "]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    says(&tested(calendars(gone, server.folder.path().join("password"))).await, false, &["PROPFIND at 127.0.0.1"]);
}
