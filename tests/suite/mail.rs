//! The transport against mail servers: protected lines, logins, and servers that are not whom they say.

use std::time::Duration;

use jiff::Timestamp;
use usher::mail::{Addressee, MailRoom, MailSettings, Means, Refusal, SmtpSettings, SmtpTls};
use usher::secret::SecretRef;

use crate::smtp::{Behaviour, Line, Server};

const LOGIN: Option<(&str, &str)> = Some(("usher", "s3cret-canary"));

struct Room {
    room: MailRoom,
    _folder: tempfile::TempDir,
}

fn room(server: &Server, tls: SmtpTls, password: Option<&str>, ca: Option<&str>) -> Room {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let means = Means::Smtp(SmtpSettings {
        host: "127.0.0.1".into(),
        port: server.port,
        tls,
        login: password.map(|password| ("usher".to_owned(), SecretRef::File(file("password", password)))),
        ca: ca.map(|ca| file("ca.pem", ca)),
        timeout: Duration::from_secs(5),
    });
    Room { room: MailRoom::open(MailSettings::of(means, "usher <usher@example.org>")).0, _folder: folder }
}

async fn send(room: &Room) -> Result<String, Refusal> {
    let letter = room.room.write_words(&Addressee::unknown("ada@example.org"), "Hello", "Ünïcode words").unwrap();
    room.room.send_now(&letter, Timestamp::UNIX_EPOCH).await
}

#[tokio::test]
async fn starttls_and_tls_from_the_first_byte_carry_mail_after_a_login() {
    for (line, tls) in [(Line::StartTls, SmtpTls::StartTls), (Line::Implicit, SmtpTls::Implicit)] {
        let server = Server::start(Behaviour { line, login: LOGIN }).await;
        let right = room(&server, tls, Some("s3cret-canary"), Some(&server.ca));
        assert_eq!(send(&right).await.unwrap(), "accepted by 127.0.0.1: 250 2.0.0 queued as 4711");
        assert_eq!(server.how(), [(true, true)], "over TLS, and logged in");
        let reach = right.room.transport().test().await.unwrap();
        assert!(reach.contains(&format!("{} ({}, as usher) answers", server.port, tls.as_str())), "{reach}");
        assert!(!format!("{:?}", right.room).contains("canary"));
    }
}

#[tokio::test]
async fn a_wrong_password_is_waited_out_and_never_said() {
    let server = Server::start(Behaviour { line: Line::StartTls, login: LOGIN }).await;
    let wrong = room(&server, SmtpTls::StartTls, Some("another-canary"), Some(&server.ca));
    let refusal = send(&wrong).await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Later(why) if why.contains("535") && !why.contains("canary")), "{refusal:?}");
    let reach = wrong.room.transport().test().await.unwrap_err();
    assert!(reach.contains("535") && !reach.contains("canary"), "{reach}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_cannot_prove_who_it_is_or_has_no_tls() {
    let server = Server::start(Behaviour { line: Line::StartTls, login: None }).await;
    let stranger = Server::start(Behaviour::default()).await;
    for (ca, server, tls) in [
        (None, &server, SmtpTls::StartTls),
        (Some(&stranger.ca), &server, SmtpTls::StartTls),
        (None, &stranger, SmtpTls::StartTls),
    ] {
        let room = room(server, tls, None, ca.map(String::as_str));
        assert!(matches!(send(&room).await, Err(Refusal::Later(_))));
        assert!(server.received().is_empty());
    }
}

#[tokio::test]
async fn for_now_and_for_good_are_told_apart() {
    let server = Server::start(Behaviour::default()).await;
    let room = room(&server, SmtpTls::None, None, None);
    for (answer, for_good) in
        [("421 4.3.2 closing", false), ("452 4.2.2 full", false), ("550 5.1.1 unknown", true), ("554 5.7.1 no", true)]
    {
        server.answer_next(answer);
        let refusal = send(&room).await.unwrap_err();
        assert_eq!(matches!(refusal, Refusal::Never(_)), for_good, "{answer}: {refusal:?}");
        assert!(refusal.to_string().contains(&answer[4..]), "{refusal}");
    }
    server.cut_next_after_data();
    assert!(matches!(send(&room).await, Err(Refusal::Later(_))), "nobody knows: it goes out again");
    let mut gone = Server::start(Behaviour::default()).await;
    gone.port = 1;
    assert!(matches!(send(&self::room(&gone, SmtpTls::None, None, None)).await, Err(Refusal::Later(_))));
}
