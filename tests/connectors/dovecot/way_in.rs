//! The way into a mailbox: who is let in, over which line, and what they are shown.

use serde_json::{Value, json};
use usher::connectors::ActionError;
use usher::connectors::dovecot::DovecotSettings;
use usher::outbound::Security;
use usher::secret::SecretRef;
use usher::workflow::ActionKind;

use super::mailbox::{ADA, BOSS, fitted, place_of, transfer};
use super::server::{Dovecot, Variant};
use super::{act, failed};

#[tokio::test]
async fn whoever_may_not_read_is_told_so() {
    let server = Dovecot::start_as(Variant::MastersAreDenied, 1, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    let wrong = home.path().join("wrong");
    std::fs::write(&wrong, "not-the-password").expect("writes");
    let connector = fitted(&server, home.path(), |mut settings| {
        settings.master.as_mut().expect("a master").password = SecretRef::File(wrong);
        settings
    })
    .await;
    let outcome = act(&connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert!(
        matches!(&outcome, Err(ActionError::Retry { reason, .. }) if reason.contains("is not let in")),
        "{outcome:?}"
    );
    let connector = fitted(&server, home.path(), |mut settings| {
        settings.imap.as_mut().expect("a server").port = crate::servers::free_port();
        settings
    })
    .await;
    let outcome = act(&connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert!(matches!(&outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
    let connector = fitted(&server, home.path(), |settings| DovecotSettings { imap: None, ..settings }).await;
    for action in [ActionKind::MailArchive, ActionKind::MailTransfer] {
        let outcome = act(&connector, action, json!({ "to": BOSS }), ADA).await;
        assert!(failed(&outcome).contains("IMAP"), "{outcome:?}");
    }
}

#[tokio::test]
async fn the_line_is_secured_and_the_server_known() {
    let server = Dovecot::start(1, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    for (port, security) in [(server.ports.imaps, Security::Tls), (server.ports.imap, Security::StartTls)] {
        for (ca, well) in [(Some(server.path("ca.pem")), true), (None, false)] {
            let connector = fitted(&server, home.path(), |mut settings| {
                let imap = settings.imap.as_mut().expect("a server");
                (imap.port, imap.security) = (port, security);
                DovecotSettings { ca, ..settings }
            })
            .await;
            let outcome = act(&connector, ActionKind::MailTransfer, json!({ "to": BOSS }), ADA).await;
            assert_eq!(outcome.is_ok(), well, "{security:?}: {outcome:?}");
        }
    }
}

/// An archive of nothing, of a mailbox that holds something, would let the original be deleted.
#[tokio::test]
async fn folders_that_usher_may_not_see_are_not_left_out() {
    let server = Dovecot::start_as(Variant::MastersSeeNothing, 1, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    assert!(server.deliver("client@partner.example", ADA, "one").await.starts_with("250"));
    let connector = fitted(&server, home.path(), |settings| settings).await;
    for (action, with) in [(ActionKind::MailArchive, Value::Null), (ActionKind::MailTransfer, transfer())] {
        let outcome = act(&connector, action, with, ADA).await;
        assert!(failed(&outcome).contains("does not show to the master user"), "{outcome:?}");
    }
    assert!(!place_of(home.path(), ADA).join("manifest.json").exists());
}
