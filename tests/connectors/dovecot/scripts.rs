//! Answers, redirects and rules: real mail is delivered, and what comes of it is looked at. Each by ManageSieve and by doveadm.

use serde_json::{Value, json};
use usher::connectors::dovecot::{DovecotSettings, DovecotSystem};
use usher::connectors::{Connector, Observation};
use usher::workflow::ActionKind as A;

use super::server::Dovecot;
use super::{act, done, failed, house, observed};
use crate::smtp;

const ADA: &str = "ada1@example.org";
const CLIENT: &str = "client@partner.example";
const OTHER: &str = "other@partner.example";

/// The same story on both ways to a person's scripts.
async fn both(story: impl AsyncFn(&Dovecot, &Connector, &smtp::Server)) {
    for by_doveadm in [false, true] {
        let (server, host, post) = house(3).await;
        let host = match by_doveadm {
            true => {
                let settings = DovecotSettings { sieve: None, ..server.settings() };
                Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)))
            }
            false => host,
        };
        story(&server, &host, &post).await;
    }
}

async fn deliver(server: &Dovecot, from: &str, subject: &str) {
    let said = server.deliver(from, ADA, subject).await;
    assert!(said.starts_with("250"), "{said}");
}

/// The person's own script, which acts from now on.
async fn own(server: &Dovecot, name: &str, text: &str) {
    let with = json!({ "user": ADA, "scriptname": name, "file": text, "activate": true });
    assert_eq!(server.doveadm("sievePut", with).await, json!([]));
}

async fn scripts(server: &Dovecot) -> Value {
    server.doveadm("sieveList", json!({ "user": ADA })).await
}

fn reply() -> Value {
    json!({ "subject": "Ada \"Kéller\" has left\r\nBcc: evil@partner.example",
        "message": "Please write to Berta.\n\"; redirect \"evil@partner.example\";\n.\nGrüße \\ 名前 ${hex:22}" })
}

#[tokio::test]
async fn an_auto_reply_comes_once_to_each_sender() {
    both(async |server, host, post| {
        // As it goes in a departure: the account is closed already.
        done(host, A::AccountDisable, json!({}), ADA).await;
        assert_eq!(done(host, A::MailAutoReply, reply(), ADA).await, "auto-reply on");
        for (from, subject) in [(CLIENT, "one"), (CLIENT, "two"), (OTHER, "three"), (CLIENT, "four")] {
            deliver(server, from, subject).await;
        }
        assert_eq!(post.recipients(), [CLIENT, OTHER], "each once, and nobody else");
        assert_eq!(server.mails(ADA, "INBOX").await, 4, "mail goes on arriving");
        let answer = &post.received()[0];
        assert!(answer.contains("Auto-Submitted: auto-replied"), "{answer}");
        assert!(answer.contains("Subject: Ada =?utf-8?q?\"K=C3=A9ller\"?= has left Bcc: evil@"), "{answer}");
        assert!(
            answer.contains("redirect \"evil@partner.example\";") && answer.contains("Grüße \\ 名前 ${hex:22}"),
            "{answer}"
        );
        assert!(!answer.lines().any(|line| line.starts_with("Bcc:")), "{answer}");

        let again = observed(host, A::MailAutoReply, reply(), ADA).await;
        assert!(matches!(again, Observation::Reached(_)), "{again:?}");
        let other = observed(host, A::MailAutoReply, json!({ "subject": "x", "message": "y" }), ADA).await;
        assert_eq!(other, Observation::NotReached("another auto-reply is on".to_owned()));
        assert_eq!(done(host, A::MailClearAutoReply, json!({}), ADA).await, "auto-reply off");
        deliver(server, "third@partner.example", "five").await;
        assert_eq!(post.recipients().len(), 2);
        assert_eq!(scripts(server).await, json!([]), "nothing of usher's is left");
    })
    .await;
}

#[tokio::test]
async fn a_redirect_arrives_and_a_copy_is_kept_where_one_is_wanted() {
    both(async |server, host, post| {
        let to = |keep_copy: bool| json!({ "to": { "email": "boss@elsewhere.example" }, "keep_copy": keep_copy });
        assert_eq!(done(host, A::MailRedirect, to(true), ADA).await, "redirect on, keeping a copy");
        deliver(server, CLIENT, "one").await;
        assert_eq!((post.recipients().len(), server.mails(ADA, "INBOX").await), (1, 1));
        assert_eq!(done(host, A::MailRedirect, to(false), ADA).await, "redirect on, without a copy");
        done(host, A::MailAutoReply, reply(), ADA).await;
        deliver(server, CLIENT, "two").await;
        let mut sent = post.recipients();
        sent.sort_unstable();
        assert_eq!(sent, ["boss@elsewhere.example", "boss@elsewhere.example", CLIENT]);
        assert_eq!(server.mails(ADA, "INBOX").await, 1);
        // The one ends, the other goes on.
        assert_eq!(done(host, A::MailClearRedirect, json!({}), ADA).await, "redirect off");
        deliver(server, OTHER, "three").await;
        assert_eq!(post.recipients()[3..], [OTHER]);
        assert_eq!(server.mails(ADA, "INBOX").await, 2);
        for (to, words) in [
            (ADA, "its own target"),
            ("ADA1@EXAMPLE.ORG", "its own target"),
            ("boss", "an address"),
            ("a@b\"; stop;", "an address"),
        ] {
            let refused = act(host, A::MailRedirect, json!({ "to": to }), ADA).await;
            assert!(failed(&refused).contains(words), "{to}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_persons_own_script_goes_on_and_comes_back() {
    both(async |server, host, post| {
        let folder = json!({ "user": ADA, "mailbox": ["Work"] });
        server.doveadm("mailboxCreate", folder).await;
        own(server, "my \"rules\"", "require \"fileinto\";\r\nfileinto \"Work\"; # not a redirect\r\n").await;
        done(host, A::MailAutoReply, reply(), ADA).await;
        deliver(server, CLIENT, "one").await;
        assert_eq!((server.mails(ADA, "Work").await, server.mails(ADA, "INBOX").await), (1, 0), "it is still filed");
        assert_eq!(post.recipients(), [CLIENT], "and answered");
        // What is sent on without a copy is filed by nobody.
        done(host, A::MailRedirect, json!({ "to": "boss@elsewhere.example" }), ADA).await;
        deliver(server, CLIENT, "two").await;
        assert_eq!((server.mails(ADA, "Work").await, server.mails(ADA, "INBOX").await), (1, 0));
        done(host, A::MailClearRedirect, json!({}), ADA).await;
        // Somebody puts the own script in its place: usher sees it, and mends it.
        let active = json!({ "user": ADA, "scriptname": "my \"rules\"" });
        server.doveadm("sieveActivate", active).await;
        let seen = observed(host, A::MailAutoReply, reply(), ADA).await;
        assert_eq!(seen, Observation::NotReached("auto-reply on, and another script acts in its place".to_owned()));
        done(host, A::MailAutoReply, reply(), ADA).await;
        done(host, A::MailClearAutoReply, json!({}), ADA).await;
        assert_eq!(scripts(server).await, json!([{ "script": "my \"rules\"", "active": "ACTIVE" }]));
        deliver(server, OTHER, "three").await;
        assert_eq!(server.mails(ADA, "Work").await, 2);
    })
    .await;
}

#[tokio::test]
async fn two_answers_never_meet() {
    both(async |server, host, post| {
        own(server, "holidays", "require \"vacation\";\r\nvacation \"on the beach\";\r\n").await;
        done(host, A::MailAutoReply, reply(), ADA).await;
        deliver(server, CLIENT, "one").await;
        assert_eq!((post.received().len(), server.mails(ADA, "INBOX").await), (1, 1), "one answer, and the mail");
        assert!(post.received()[0].contains("write to Berta"));
        done(host, A::MailClearAutoReply, json!({}), ADA).await;
        deliver(server, OTHER, "two").await;
        assert!(post.received()[1].contains("on the beach"), "the own one is back");
    })
    .await;
}

#[tokio::test]
async fn forwards_of_ones_own_are_found_put_aside_and_kept() {
    both(async |server, host, post| {
        let text = "require \"copy\";\r\nredirect :copy \"me@home.example\";\r\nif header :contains \"subject\" \"redirect\" \
            { redirect \"too@home.example\"; }\r\n";
        own(server, "mine", text).await;
        done(host, A::AccountDisable, json!({}), ADA).await;
        let open = act(host, A::VerifyNoAccess, json!({}), ADA).await;
        assert_eq!(failed(&open), "2 forwards of the person's own");
        done(host, A::MailAutoReply, reply(), ADA).await;
        let open = act(host, A::VerifyNoAccess, json!({}), ADA).await;
        assert_eq!(failed(&open), "2 forwards of the person's own", "behind usher's it acts too");
        let detail = done(host, A::MailClearRules, json!({}), ADA).await;
        assert_eq!(detail, "no rules of the person's own; one script was put aside and kept; it had 2 forwards");
        deliver(server, CLIENT, "redirect").await;
        assert_eq!(post.recipients(), [CLIENT], "answered, and sent nowhere");
        assert_eq!(done(host, A::VerifyNoAccess, json!({}), ADA).await, "sign-in is refused, no sessions, no forwards");
        done(host, A::MailClearAutoReply, json!({}), ADA).await;
        assert_eq!(scripts(server).await, json!([{ "script": "mine", "active": "" }]), "kept, and not brought back");
        let kept = server.doveadm("sieveGet", json!({ "user": ADA, "scriptname": "mine" })).await;
        assert_eq!(kept[0]["sieve script"], text);
        // Without anything of usher's it is the same.
        server.doveadm("sieveActivate", json!({ "user": ADA, "scriptname": "mine" })).await;
        done(host, A::MailClearRules, json!({}), ADA).await;
        deliver(server, OTHER, "redirect").await;
        assert_eq!(post.recipients().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_script_of_somebody_elses_is_not_written_over() {
    both(async |server, host, _post| {
        own(server, "usher", "keep;\r\n").await;
        let refused = act(host, A::MailAutoReply, reply(), ADA).await;
        assert!(failed(&refused).contains("is not one of usher's"), "{refused:?}");
        let kept = server.doveadm("sieveGet", json!({ "user": ADA, "scriptname": "usher" })).await;
        assert_eq!(kept[0]["sieve script"], "keep;\r\n");
    })
    .await;
}

#[tokio::test]
async fn a_colleague_reads_along_and_no_longer_and_others_still_do() {
    both(async |server, host, _post| {
        let (boss, friend) = ("boss@example.org", "ada2@example.org");
        for folder in ["Work/Deep", "a*b"] {
            server.doveadm("mailboxCreate", json!({ "user": ADA, "mailbox": [folder] })).await;
        }
        deliver(server, CLIENT, "one").await;
        let shared =
            json!({ "user": ADA, "mailbox": "INBOX", "id": format!("user={friend}"), "right": ["lookup", "read"] });
        server.doveadm("aclSet", shared).await;
        done(host, A::MailAutoReply, reply(), ADA).await;
        assert_eq!(done(host, A::MailDelegate, json!({ "to": "Boss@example.org" }), ADA).await, "delegated");
        let mut session = server.sign_in(boss, "first-boss").await.expect("signs in");
        for folder in ["INBOX", "Work/Deep", "a*b"] {
            session
                .ask(&format!("EXAMINE \"shared/{ADA}/{folder}\""))
                .await
                .unwrap_or_else(|why| panic!("{folder}: {why}"));
        }
        assert!(session.ask(&format!("EXAMINE \"shared/{friend}/INBOX\"")).await.is_err());
        let lines = session.ask(&format!("STATUS \"shared/{ADA}/INBOX\" (MESSAGES)")).await.expect("a status");
        assert!(lines[0].contains("MESSAGES 1"), "{lines:?}");
        done(host, A::MailClearAutoReply, json!({}), ADA).await;
        assert_eq!(done(host, A::MailUndelegate, json!({}), ADA).await, "not delegated");
        let mut session = server.sign_in(boss, "first-boss").await.expect("signs in");
        assert!(session.ask(&format!("EXAMINE \"shared/{ADA}/INBOX\"")).await.is_err());
        let mut session = server.sign_in(friend, "first-ada2").await.expect("signs in");
        assert!(session.ask(&format!("EXAMINE \"shared/{ADA}/INBOX\"")).await.is_ok(), "what she shares herself stays");
        assert_eq!(scripts(server).await, json!([]), "the note is gone");
        for (to, words) in [
            ("nobody@example.org", "has no account"),
            (ADA, "its own target"),
            ("x\ny@example.org", "an address"),
            ("b%oss@example.org", "no account of a mail host"),
        ] {
            let refused = act(host, A::MailDelegate, json!({ "to": to }), ADA).await;
            assert!(failed(&refused).contains(words), "{to}: {refused:?}");
        }
        assert_eq!(scripts(server).await, json!([]), "nobody is noted who gets nothing");
    })
    .await;
}
