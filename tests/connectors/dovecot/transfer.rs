//! `mail.transfer`: copied once, gone on with, and what does not fit.

use serde_json::json;
use usher::connectors::{ActionError, Observation};
use usher::run::Evidence;
use usher::workflow::ActionKind;

use super::mailbox::{
    ADA, BOSS, FOLDERS, content, fitted, furnished, host, mail, mails, signed_in, transfer, with_boss,
};
use super::{act, done, failed};
use crate::archive::Cutting;
use crate::conformance::{call, perform};

#[tokio::test]
async fn a_mailbox_is_copied_to_a_colleague_once() {
    let host = host().await;
    furnished(&host.server).await;
    // The same mail twice is wanted twice.
    let mut ada = signed_in(&host.server, ADA).await;
    for _ in 0..2 {
        ada.append("Empty", None, Some("\"01-Mar-2021 10:11:12 +0100\""), mail("twin", 500)).await.expect("a mail");
    }
    let said = done(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    assert!(said.contains("11 mails in 5 folders"), "{said}");
    let wire = ["INBOX", FOLDERS[0].1, FOLDERS[1].1, FOLDERS[2].1, FOLDERS[3].1];
    for folder in wire {
        let (from, to) = (mails(&host.server, ADA, folder).await, mails(&host.server, BOSS, &with_boss(folder)).await);
        assert!(from == to, "{folder}: {} and {}", from.len(), to.len());
    }
    // Again, and after somebody has read there: nothing comes twice. What is new comes.
    assert!(host.server.deliver("client@partner.example", ADA, "late").await.starts_with("250"));
    done(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    done(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    for folder in wire {
        let (from, to) = (mails(&host.server, ADA, folder).await, mails(&host.server, BOSS, &with_boss(folder)).await);
        assert!(content(&from) == content(&to), "{folder}: {} and {}", from.len(), to.len());
    }
    // Without a folder it has one of its own.
    let said = done(&host.connector, ActionKind::MailTransfer, json!({ "to": { "email": BOSS } }), ADA).await;
    assert!(said.contains("12 mails"), "{said}");
    assert_eq!(mails(&host.server, BOSS, "Departed/ada1@example-org/INBOX").await.len(), 4);
}

#[tokio::test]
async fn a_copy_that_was_cut_is_gone_on_with_and_nothing_is_there_twice() {
    let host = host().await;
    let mut ada = signed_in(&host.server, ADA).await;
    for number in 0..10 {
        ada.append("INBOX", None, None, mail(&format!("m{number}"), 300_000)).await.expect("a mail");
    }
    ada.append("INBOX", None, None, mail("long", 5_000_000)).await.expect("a mail");
    let line = Cutting::to(host.server.ports.imap).await;
    let connector = fitted(&host.server, host.home.path(), |mut settings| {
        settings.imap.as_mut().expect("a server").port = line.port;
        settings
    })
    .await;
    // What is read ends in the middle, when some are copied already.
    line.back_after(1_500_000);
    let outcome = act(&connector, ActionKind::MailTransfer, transfer(), ADA).await;
    assert!(matches!(outcome, Err(ActionError::Unknown { .. })), "{outcome:?}");
    line.back_after(u64::MAX);
    // In the middle of the small ones, in the middle of the long one, and right behind it.
    for bytes in [1_000_000, 3_500_000] {
        line.after(bytes);
        let outcome: Result<Evidence, ActionError> = act(&connector, ActionKind::MailTransfer, transfer(), ADA).await;
        assert!(matches!(outcome, Err(ActionError::Unknown { .. })), "{outcome:?}");
        let asked = call(ActionKind::MailTransfer, &transfer(), Some(ADA), "run_1/mail.transfer", 1);
        assert!(matches!(host.connector.observe(&asked).await, Ok(Observation::NotReached(_))));
    }
    line.after(u64::MAX);
    done(&connector, ActionKind::MailTransfer, transfer(), ADA).await;
    let (from, to) = (mails(&host.server, ADA, "INBOX").await, mails(&host.server, BOSS, &with_boss("INBOX")).await);
    assert!(from == to && to.len() == 11, "{} and {}", from.len(), to.len());
}

#[tokio::test]
async fn a_copy_that_does_not_fit_or_has_nobody_says_so() {
    let host = host().await;
    let mut ada = signed_in(&host.server, ADA).await;
    ada.append("INBOX", None, None, mail("m", 2000)).await.expect("a mail");
    for (to, said) in [
        ("nobody@example.org", "no account"),
        (ADA, "its own target"),
        ("a*b@example.org", "no account"),
        ("", "address"),
    ] {
        let outcome = act(&host.connector, ActionKind::MailTransfer, json!({ "to": to }), ADA).await;
        assert!(failed(&outcome).contains(said), "{to}: {outcome:?}");
    }
    // Names that would mean something to the protocol are names.
    for folder in ["x\" \"y", "a\r\nb1 DELETE INBOX", "%*", "../..", "&", "{5}"] {
        let with = json!({ "to": BOSS, "folder": folder });
        perform(&host.connector, &call(ActionKind::MailTransfer, &with, Some(ADA), folder, 1)).await.ok();
        assert_eq!(host.server.mails(ADA, "INBOX").await, 1, "{folder:?}");
    }
    let mut boss = signed_in(&host.server, BOSS).await;
    for number in 0..11 {
        if boss.append("INBOX", None, None, mail(&format!("f{number}"), 4_990_000)).await.is_err() {
            break;
        }
    }
    for length in [900_000, 90_000, 9_000, 3_000] {
        while boss.append("INBOX", None, None, mail("fill", length)).await.is_ok() {}
    }
    let outcome = act(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    let words = format!("{outcome:?}");
    assert!(words.to_lowercase().contains("quota") && outcome.is_err(), "{words}");
}
