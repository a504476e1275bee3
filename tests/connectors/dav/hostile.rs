//! Servers that answer what they should not: bombs, endless answers, places that are elsewhere.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use usher::connectors::dav::{DavSettings, DavSystem, Template};
use usher::connectors::{ActionError, Connector};
use usher::workflow::ActionKind;

use super::target::settings;
use crate::conformance::{call, perform};

/// A server that answers every request with the same.
async fn server(answer: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answer = std::sync::Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let answer = std::sync::Arc::clone(&answer);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if client.read(&mut buffer).await.is_err() {
                    return;
                }
                client.write_all(&answer()).await.ok();
                client.shutdown().await.ok();
            });
        }
    });
    port
}

fn multistatus(body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 207 Multi-Status\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

fn connector(port: u16, folder: &tempfile::TempDir) -> Connector {
    let password = folder.path().join("password");
    std::fs::write(&password, "svcpass-svcpass").expect("writes");
    let files = Some(Template::try_from("files/{account}/").expect("a template"));
    let settings = DavSettings { files, timeout: Duration::from_secs(5), ..settings(port, password) };
    Connector::Dav(Box::new(DavSystem::new("cloud", settings)))
}

/// What a look at an account, and a step about it, end with.
async fn told(answer: Vec<u8>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let port = server(move || answer.clone()).await;
    let connector = connector(port, &folder);
    let with = json!({ "to": "boss@example.org" });
    let attempt = call(ActionKind::FilesTransfer, &with, Some("jdoe"), "run_1/files", 1);
    let performed = perform(&connector, &attempt).await;
    let Err(ActionError::Retry { reason, .. }) = performed else { panic!("{performed:?}") };
    let read = connector.read("jdoe").await;
    assert!(matches!(&read, Err(ActionError::Retry { .. })), "{read:?}");
    reason
}

fn response(href: &str) -> String {
    format!(
        "<multistatus xmlns='DAV:'><response><href>{href}</href><propstat><prop><resourcetype><collection/></resourcetype>\
         </prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
    )
}

#[tokio::test]
async fn places_that_are_elsewhere_are_refused() {
    for (href, named) in [
        ("https://evil.example.org/files/jdoe/", "on another server"),
        ("//evil.example.org/files/jdoe/", "on another server"),
        ("/files/boss/", "not below what was asked for"),
        ("/files/jdoe/../boss/", "not below what was asked for"),
        ("/files/jdoe/a/b/c", "further down"),
        ("/files/jdoe/..%2f..%2fboss/", "no place"),
    ] {
        let reason = told(multistatus(&response(href))).await;
        assert!(reason.contains(named), "{href}: {reason}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = server(|| multistatus(&response("https://evil.example.org/files/jdoe/"))).await;
    let listed = connector(port, &folder).accounts(None).await;
    assert!(
        matches!(&listed, Err(ActionError::Retry { reason, .. }) if reason.contains("on another server")),
        "{listed:?}"
    );
}

#[tokio::test]
async fn bombs_are_refused() {
    let bomb = "<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;'>]>\
        <multistatus xmlns='DAV:'><response><href>&lol2;</href></response></multistatus>";
    assert!(told(multistatus(bomb)).await.contains("document type"));
    let file = "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><multistatus xmlns='DAV:'>&f;</multistatus>";
    assert!(told(multistatus(file)).await.contains("document type"));
    let deep = format!("<multistatus xmlns='DAV:'>{}", "<a>".repeat(100_000));
    assert!(told(multistatus(&deep)).await.contains("nests more than"));
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let huge = || {
        let head = b"HTTP/1.1 207 Multi-Status\r\nconnection: close\r\n\r\n<multistatus xmlns='DAV:'>".to_vec();
        [head, vec![b' '; 33 * 1024 * 1024]].concat()
    };
    assert!(told(huge()).await.contains("more than 33554432 bytes"));
}

#[tokio::test]
async fn a_password_is_not_repeated_and_nobody_is_followed() {
    // usher's own `Authorization`, encoded.
    let words = "Basic c3ZjOnN2Y3Bhc3Mtc3ZjcGFzcw== svcpass-svcpass is wrong";
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{words}",
        words.len()
    );
    let reason = told(answer.into_bytes()).await;
    assert!(reason.contains("does not take usher's user") && !reason.contains("svcpass-svcpass"), "{reason}");
    assert!(!reason.contains("c3ZjOnN2Y3Bhc3M"), "{reason}");
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert!(told(elsewhere.into()).await.contains("302"));
}

#[tokio::test]
async fn addresses_within_the_house_are_named_or_not_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "svcpass").expect("writes");
    let files = Some(Template::try_from("files/{account}/").expect("a template"));
    let settings = DavSettings { files, networks: Vec::new(), ..settings(1, password) };
    let read = Connector::Dav(Box::new(DavSystem::new("cloud", settings))).read("jdoe").await;
    let Err(ActionError::Retry { reason, .. }) = read else { panic!("{read:?}") };
    assert!(reason.contains("`networks` does not name it"), "{reason}");
}
