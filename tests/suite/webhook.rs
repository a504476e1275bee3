//! The webhook's line: TLS with authorities that are trusted, and nothing that could be read or sent on by others.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use usher::clock::Clock;
use usher::mail::{Refusal, Webhook, WebhookSettings};
use usher::secret::SecretRef;

use crate::receiver::{Receiver, SECRET};
use crate::tls::{HERE, authority, authority_until};

/// A webhook to this receiver that trusts, besides the system's authorities, those of `ca`.
fn webhook(folder: &Path, receiver: &Receiver, ca: Option<&str>) -> Webhook {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let secret = SecretRef::File(file("secret", SECRET));
    let ca = ca.map(|pem| file("ca.pem", pem));
    Webhook::open(WebhookSettings { url: receiver.url(), secret, ca, timeout: Duration::from_secs(5) })
}

/// What became of a message, and how many have come.
async fn sent(receiver: &Receiver, ca: Option<&str>) -> (Result<String, String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let webhook = webhook(folder.path(), receiver, ca);
    let outcome = webhook.send_now("test", &json!({}), Clock::System.now()).await;
    if let Err(refusal) = &outcome {
        assert!(matches!(refusal, Refusal::Later(_)), "another certificate may be there later: {refusal}");
    }
    (outcome.map_err(|why| why.to_string()), receiver.received().len())
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let (ca, server) = authority(&HERE);
    let receiver = Receiver::over_tls(server).await;
    assert_eq!(sent(&receiver, Some(&ca)).await, (Ok("HTTP 204 No Content".to_owned()), 1));
    assert!(receiver.received()[0].genuine && receiver.url().starts_with("https://"));
    // Several in one file, as authorities hand them out: each of them is.
    let (another, _) = authority(&HERE);
    assert_eq!(sent(&receiver, Some(&format!("{another}{ca}"))).await.1, 2);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_believed_gets_nothing() {
    let (ca, right) = authority(&HERE);
    let (another, _) = authority(&HERE);
    let (elsewhere_ca, elsewhere) = authority(&["alerts.example.org"]);
    let (old_ca, old) = authority_until(&HERE, 2020);
    let receiver = Receiver::over_tls(right).await;
    for (what, receiver, ca, words) in [
        ("an authority that nobody named", &receiver, None, "UnknownIssuer"),
        ("another authority of the same name", &receiver, Some(&another), "BadSignature"),
        ("another name", &Receiver::over_tls(elsewhere).await, Some(&elsewhere_ca), "not valid for name"),
        ("a time that is over", &Receiver::over_tls(old).await, Some(&old_ca), "expired"),
    ] {
        let (outcome, received) = sent(receiver, ca.map(String::as_str)).await;
        let why = outcome.expect_err(what);
        assert!(why.contains("certificate") && why.contains(words), "{what}: {why}");
        assert!(!why.contains("/hook"), "the path may be a secret: {why}");
        assert_eq!(received, 0, "{what}");
    }
    assert_eq!(sent(&receiver, Some(&ca)).await.1, 1, "the same receiver is believed by its own authority");
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_read_is_named_and_nothing_is_sent() {
    let (ca, server) = authority(&HERE);
    let receiver = Receiver::over_tls(server).await;
    for wrong in ["", "no certificate", &ca.replace("MII", "MIJ")] {
        let folder = tempfile::tempdir().unwrap();
        let webhook = webhook(folder.path(), &receiver, Some(wrong));
        let why = webhook.check().await.unwrap_err();
        assert!(why.contains("ca.pem"), "{why}");
        webhook.send_now("test", &json!({}), Clock::System.now()).await.unwrap_err();
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_message_that_nobody_would_take_is_given_up() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let webhook = webhook(folder.path(), &receiver, None);
    let (now, around) = (Clock::System.now(), json!({ "type": "test", "data": { "words": "" }, "timestamp": "" }));
    let room = 20 * 1024 - around.to_string().len() - now.to_string().len();
    let long = |length: usize| json!({ "words": "x".repeat(length) });
    let refusal = webhook.send_now("test", &long(room + 1), now).await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Never(why) if why.contains("20480 is the most")), "{refusal}");
    assert!(webhook.send_now("test", &long(room), now).await.is_ok());
    assert_eq!(receiver.received().len(), 1);
}
