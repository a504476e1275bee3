//! Sign-ins, sessions, passwords, lists, and the end of an account.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use usher::connectors::dovecot::{Accounts, DovecotSettings, DovecotSystem};
use usher::connectors::{ActionError, Connector};
use usher::run::{AccountStatus, Capability};
use usher::secret::{Secret, SecretRef};
use usher::workflow::ActionKind as A;

use super::server::{Dovecot, Variant};
use super::{act, connector, done, failed, house, observed, read_back};
use crate::conformance::{HOSTILE, accounts, call};

const ADA: &str = "ada1@example.org";

fn none() -> Value {
    json!({})
}

#[tokio::test]
async fn a_closed_account_cannot_sign_in_and_still_receives() {
    let (server, host, _post) = house(2).await;
    assert!(server.sign_in(ADA, "first-ada1").await.is_ok());
    assert_eq!(done(&host, A::AccountDisable, none(), ADA).await, "sign-in is refused");
    // At once: Dovecot has seen it, and what it remembered of the sign-in before counts no longer.
    let refused = server.sign_in(ADA, "first-ada1").await.err().expect("refused");
    assert!(refused.contains("AUTHENTICATIONFAILED"), "{refused}");
    assert!(server.sign_in("ada2@example.org", "first-ada2").await.is_ok(), "nobody else is closed");
    let said = server.deliver("client@partner.example", ADA, "hello").await;
    assert!(said.starts_with("250"), "{said}");
    assert_eq!(server.mails(ADA, "INBOX").await, 1);
    assert_eq!(host.read(ADA).await.unwrap().unwrap().status, AccountStatus::Disabled);

    assert_eq!(done(&host, A::AccountEnable, none(), ADA).await, "sign-in is allowed");
    assert!(server.sign_in(ADA, "first-ada1").await.is_ok());
    assert_eq!(server.read("deny"), "");
}

#[tokio::test]
async fn sessions_that_are_open_end() {
    let (server, host, _post) = house(2).await;
    let mut ada = server.sign_in(ADA, "first-ada1").await.expect("signs in");
    let mut other = server.sign_in("ada2@example.org", "first-ada2").await.expect("signs in");
    done(&host, A::AccountDisable, none(), ADA).await;
    assert!(ada.ask("NOOP").await.is_ok(), "a closed account's sessions stay open");
    let open = act(&host, A::VerifyNoAccess, none(), ADA).await;
    assert_eq!(failed(&open), "1 open sessions");
    assert_eq!(done(&host, A::SessionsRevoke, none(), ADA).await, "no open sessions");
    assert!(ada.ask("NOOP").await.is_err());
    assert!(other.ask("NOOP").await.is_ok(), "nobody else's session ends");
    assert_eq!(server.doveadm("who", json!({ "mask": [ADA] })).await, json!([]));
    assert_eq!(done(&host, A::VerifyNoAccess, none(), ADA).await, "sign-in is refused, no sessions, no forwards");
    assert_eq!(done(&host, A::SessionsRevoke, none(), ADA).await, "no open sessions", "with nobody there it is done");
}

#[tokio::test]
async fn a_rotated_password_lets_in_and_the_old_one_does_not() {
    let (server, host, _post) = house(1).await;
    let detail = done(&host, A::PasswordRotate, none(), ADA).await;
    assert_eq!(detail, "a new password was taken");
    assert!(server.sign_in(ADA, "first-ada1").await.is_err(), "the old one");
    assert!(server.sign_in(ADA, "tR4in-h8st-Winter-qx7").await.is_ok(), "the new one");
    assert!(!server.read("users").contains("tR4in"), "a digest is kept");

    done(&host, A::AccountDisable, none(), ADA).await;
    let detail = done(&host, A::PasswordRotate, none(), ADA).await;
    assert_eq!(detail, "a new password was taken; a sign-in with it is refused");
    // Where Dovecot does not look at the file, the lock is none, and the new password shows it.
    let mut settings = server.settings();
    settings.deny_file = Some(server.path("elsewhere"));
    std::fs::write(server.path("elsewhere"), format!("{ADA}:\n")).unwrap();
    std::fs::write(server.path("deny"), "").unwrap();
    usher::clock::pause(Duration::from_millis(1100)).await;
    let blind = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    let outcome = act(&blind, A::PasswordRotate, none(), ADA).await;
    assert!(failed(&outcome).contains("does not ask first who may sign in"), "{outcome:?}");
}

#[tokio::test]
async fn many_at_once_are_in_nobodys_way() {
    let post = crate::smtp::Server::start(crate::smtp::Behaviour::default()).await;
    let server = Dovecot::start_as(Variant::Penalises, 40, post.port).await;
    let host = connector(&server);
    let names: Vec<String> = (1..=40).map(|number| format!("ada{number}@example.org")).collect();
    let began = std::time::Instant::now();
    let closed = futures::future::join_all(names.iter().map(|name| done(&host, A::AccountDisable, none(), name))).await;
    assert!(closed.iter().all(|detail| detail == "sign-in is refused"), "{closed:?}");
    let rotated =
        futures::future::join_all(names.iter().map(|name| done(&host, A::PasswordRotate, none(), name))).await;
    assert!(rotated.iter().all(|detail| detail.ends_with("; a sign-in with it is refused")), "{rotated:?}");
    // Forty refusals in a row, and still nobody from here waits: Dovecot would make the next one wait for 15 seconds.
    let asked = std::time::Instant::now();
    assert!(server.sign_in("boss@example.org", "first-boss").await.is_ok());
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn two_passwords_in_one_second_are_both_seen() {
    let (server, host, _post) = house(1).await;
    for password in ["first-Winter-1", "other-Winter-2"] {
        let rotate = call(A::PasswordReset, &json!({ "method": "set" }), Some(ADA), "run_1/reset", 1);
        host.perform_with(&rotate, &Secret::new(password)).await.expect("sets it");
        assert!(server.sign_in(ADA, password).await.is_ok(), "{password}");
    }
}

#[tokio::test]
async fn a_limit_is_one_that_dovecot_counts_by() {
    let (server, host, _post) = house(1).await;
    assert_eq!(done(&host, A::QuotaSet, json!({ "quota": "7 MiB" }), ADA).await, "limit 7340032 bytes");
    let table = server.doveadm("quotaGet", json!({ "user": ADA })).await;
    assert_eq!(table[0]["limit"], "7168");
    assert_eq!(host.read(ADA).await.unwrap().unwrap().attributes["quota_bytes"], 7_340_032);
    // A line that Dovecot does not read is no limit.
    let mut settings = server.settings();
    settings.accounts = Some(Accounts::File(server.path("elsewhere")));
    std::fs::write(server.path("elsewhere"), format!("{ADA}:x::::::\n")).unwrap();
    let blind = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    let outcome = act(&blind, A::QuotaSet, json!({ "quota": "9 MiB" }), ADA).await;
    assert!(matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("quota_rule")), "{outcome:?}");
}

#[tokio::test]
async fn accounts_are_listed_with_their_last_sign_in_their_size_and_their_person() {
    let (server, host, _post) = house(250).await;
    let said = server.deliver("client@partner.example", ADA, "hello").await;
    assert!(said.starts_with("250"), "{said}");
    drop(server.sign_in(ADA, "first-ada1").await.expect("signs in"));
    done(&host, A::AccountDisable, none(), "ada2@example.org").await;
    let (first, next) = host.accounts(None).await.expect("a page");
    assert_eq!((first.len(), next.is_some()), (100, true));
    let all = accounts(&host).await;
    assert_eq!(all.len(), 251);
    let by_name: BTreeMap<&str, _> = all.iter().map(|account| (account.external_id.as_str(), account)).collect();
    assert_eq!(by_name.len(), 251, "each once");
    let ada = by_name[ADA];
    let now = i64::try_from(
        std::fs::metadata(server.path("state/last-login"))
            .unwrap()
            .modified()
            .unwrap()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    assert!(ada.last_sign_in.is_some_and(|at| (now - at).abs() < 60_000), "{ada:?} {now}");
    assert_eq!(ada.attributes["employee_number"], "1005");
    assert_eq!(ada.attributes["display_name"], "Ada Keller");
    assert_eq!((&ada.attributes["email"], &ada.attributes["used_bytes"]), (&json!(ADA), &json!(1024)));
    assert_eq!(by_name["ada2@example.org"].status, AccountStatus::Disabled);
    assert_eq!(by_name["ada3@example.org"].last_sign_in, None);

    // The same by what Dovecot lists, where accounts are kept elsewhere.
    let settings = DovecotSettings { accounts: None, ..server.settings() };
    let listing = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    let others = accounts(&listing).await;
    assert_eq!(others.len(), 251);
    assert_eq!(
        others.iter().find(|account| account.external_id == "ada2@example.org").unwrap().status,
        AccountStatus::Disabled
    );
}

#[tokio::test]
async fn a_purge_takes_the_mails_and_nobody_elses() {
    let (server, host, _post) = house(2).await;
    let boss = "boss@example.org";
    for (user, folder) in [(ADA, "INBOX"), (ADA, "Work/Deep"), (ADA, "*"), (boss, "INBOX"), (boss, "Shared")] {
        if folder != "INBOX" {
            server.doveadm("mailboxCreate", json!({ "user": user, "mailbox": [folder] })).await;
        }
        let saved = json!({ "user": user, "mailbox": folder, "file": "Subject: x\r\n\r\nhello\r\n" });
        assert_eq!(server.doveadm("save", saved).await, json!([]), "{user} {folder}");
    }
    // What a colleague shares with her, with every right, is not hers.
    let rights = ["lookup", "read", "write", "delete", "expunge", "insert", "create"];
    for folder in ["INBOX", "Shared"] {
        let shared = json!({ "user": boss, "mailbox": folder, "id": format!("user={ADA}"), "right": rights });
        assert_eq!(server.doveadm("aclSet", shared).await, json!([]));
    }
    let listed = server.doveadm("mailboxList", json!({ "user": ADA })).await.to_string();
    assert!(listed.contains("shared/boss@example.org/Shared"), "{listed}");

    let early = act(&host, A::AccountPurge, none(), ADA).await;
    assert!(failed(&early).contains("delete it before purging it"));
    assert_eq!(done(&host, A::AccountDelete, none(), ADA).await, "deleted, sign-in is refused");
    assert_eq!(host.read(ADA).await.unwrap().unwrap().status, AccountStatus::Deleted);
    let reopened = act(&host, A::AccountEnable, none(), ADA).await;
    assert!(failed(&reopened).contains("restore it before enabling it"));
    assert_eq!(done(&host, A::AccountRestore, none(), ADA).await, "disabled");
    done(&host, A::AccountDelete, none(), ADA).await;
    done(&host, A::MailAutoReply, json!({ "subject": "x", "message": "y" }), ADA).await;
    done(&host, A::AccountPurge, none(), ADA).await;

    assert_eq!(host.read(ADA).await.unwrap(), None);
    assert!(!server.read("users").contains(ADA) && !server.read("deny").contains(ADA));
    assert_eq!(
        (server.mails(boss, "INBOX").await, server.mails(boss, "Shared").await),
        (1, 1),
        "the colleague's are there"
    );
    usher::clock::pause(Duration::from_millis(1100)).await;
    let said = server.deliver("client@partner.example", ADA, "hello").await;
    assert!(said.starts_with("550"), "{said}");
    let left = walk(&server.path("mail/example.org/ada1"));
    let mails: Vec<_> = left
        .iter()
        .filter(|path| path.contains("/cur/") || path.contains("/new/") || path.ends_with(".sieve"))
        .collect();
    assert_eq!(mails, [""; 0]);
    assert!(read_back(&observed(&host, A::AccountPurge, none(), ADA).await));
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.file_type().expect("a type").is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path().display().to_string()),
        }
    }
    found
}

#[tokio::test]
async fn no_name_means_anything_but_itself() {
    let (server, host, _post) = house(2).await;
    let before = (server.read("users"), server.read("deny"));
    for id in HOSTILE.iter().copied().chain(["ada*@example.org", "a:b", "ada1@example.org\n", "#", "user=x y\nz"]) {
        for action in [A::AccountDisable, A::SessionsRevoke, A::PasswordRotate, A::MailClearRules, A::MailUndelegate] {
            assert!(matches!(act(&host, action, none(), id).await, Err(ActionError::Fail { .. })), "{action} {id:?}");
        }
        assert!(!matches!(host.read(id).await, Ok(Some(_))), "{id:?}");
    }
    for login in ["root:x:0:0", "a\nb@example.org", "*", "../x", "a b@example.org", "ada@example.org:x"] {
        let create = call(A::AccountCreate, &json!({ "login": login }), None, "run_1/create", 1);
        let made = host.perform_with(&create, &Secret::new("Winter-7")).await;
        assert!(matches!(made, Err(ActionError::Fail { .. })), "{login:?}: {made:?}");
    }
    assert_eq!((server.read("users"), server.read("deny")), before);
}

#[tokio::test]
async fn a_new_account_signs_in_and_receives() {
    let (server, host, _post) = house(1).await;
    let with = json!({ "login": "Grace@example.org", "email": "grace@example.org", "employee_number": "1026", "quota": "5 MiB",
        "given_name": "Grace:", "family_name": "Mei,er\nroot:x:0:0", "enabled": true });
    let create = call(A::AccountCreate, &with, None, "run_1/create", 1);
    host.perform_with(&create, &Secret::new("Winter-7-Winter")).await.expect("makes it");
    let made = host.made(&create).await.unwrap().expect("the account");
    assert_eq!(made.external_id, "grace@example.org");
    assert_eq!(
        (&made.attributes["display_name"], &made.attributes["employee_number"]),
        (&json!("Grace Mei er root x 0 0"), &json!("1026"))
    );
    assert_eq!(made.attributes["quota_bytes"], 5 * 1024 * 1024);
    assert!(server.sign_in("grace@example.org", "Winter-7-Winter").await.is_ok());
    assert!(server.deliver("client@partner.example", "grace@example.org", "hello").await.starts_with("250"));
    assert_eq!(server.read("users").lines().count(), 3);

    let again = call(A::AccountCreate, &with, None, "run_2/create", 1);
    let taken = host.perform_with(&again, &Secret::new("Winter-8")).await;
    assert!(failed(&taken).contains("the name is taken"));
    // Not closed either, by whoever wants a closed account of that name.
    let taken = call(A::AccountCreate, &json!({ "login": ADA, "enabled": false }), None, "run_4/create", 1);
    let refused = host.perform_with(&taken, &Secret::new("Winter-8")).await;
    assert!(failed(&refused).contains("the name is taken"));
    assert!(server.sign_in(ADA, "first-ada1").await.is_ok(), "she goes on as before");
    let closed = json!({ "login": "hugo@example.org", "enabled": false });
    let closed = call(A::AccountCreate, &closed, None, "run_3/create", 1);
    host.perform_with(&closed, &Secret::new("Winter-9-Winter")).await.expect("makes it");
    assert!(
        server.sign_in("hugo@example.org", "Winter-9-Winter").await.is_err(),
        "nobody signs in before it is opened"
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let (server, host, _post) = house(1).await;
    let reach = host.test().await;
    assert!(reach.ok, "{:#?}", reach.findings);
    let all = reach.findings.join("\n");
    for words in [
        "lists 2 accounts",
        "`deny_file` can be read and changed",
        "scripts of accounts can be read by ManageSieve",
        "last sign-ins can be read",
        "account.delete with a limit",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    let says = async |change: &dyn Fn(&mut DovecotSettings), words: &str| {
        let mut settings = server.settings();
        change(&mut settings);
        let reach = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings))).test().await;
        assert!(!reach.ok && reach.findings.join("\n").contains(words), "{words}: {:#?}", reach.findings);
    };
    std::fs::write(server.path("wrong"), "wrong").unwrap();
    says(&|settings| settings.api_key = SecretRef::File(server.path("wrong")), "refuses the key").await;
    says(&|settings| settings.url = "http://127.0.0.1:1".to_owned(), "cannot be reached").await;
    says(&|settings| settings.deny_file = Some(server.path("none")), "`deny_file` cannot be changed").await;
    says(&|settings| settings.last_login = Some("redis:x".to_owned()), "last sign-ins cannot be read").await;
    says(
        &|settings| settings.master.as_mut().unwrap().password = SecretRef::File(server.path("wrong")),
        "refuses the sign-in",
    )
    .await;
}

#[tokio::test]
async fn masters_that_are_refused_for_closed_accounts_are_found() {
    let server = Dovecot::start_as(Variant::MastersAreDenied, 1, 9).await;
    let host = connector(&server);
    done(&host, A::AccountDisable, none(), ADA).await;
    let reach = host.test().await;
    assert!(!reach.ok && reach.findings.join("\n").contains("result_success = continue"), "{:#?}", reach.findings);
    // By doveadm it goes all the same.
    let settings = DovecotSettings { sieve: None, ..server.settings() };
    let host = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    assert!(host.test().await.ok);
    done(&host, A::MailAutoReply, json!({ "subject": "x", "message": "y" }), ADA).await;
}

#[tokio::test]
async fn lines_are_verified_by_an_authority_of_ones_own() {
    let server = Dovecot::start_as(Variant::Tls, 1, 9).await;
    let mut settings = server.settings();
    let sieve = settings.sieve.as_mut().unwrap();
    sieve.security = usher::outbound::Security::StartTls;
    let stranger = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings.clone())));
    let refused = act(&stranger, A::SessionsRevoke, none(), ADA).await;
    assert!(
        matches!(&refused, Err(ActionError::Retry { reason, .. }) if reason.contains("certificate")),
        "{refused:?}"
    );
    settings.ca = Some(server.path("ca.pem"));
    let host = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings.clone())));
    done(&host, A::SessionsRevoke, none(), ADA).await;
    done(&host, A::MailAutoReply, json!({ "subject": "x", "message": "y" }), ADA).await;
    // The name counts, not the address that it leads to.
    settings.sieve.as_mut().unwrap().host = "127.0.0.2".to_owned();
    let elsewhere = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    assert!(matches!(act(&elsewhere, A::MailClearAutoReply, none(), ADA).await, Err(ActionError::Retry { .. })));
}

#[tokio::test]
async fn who_signs_in_by_a_directory_is_closed_there() {
    let (server, _, _post) = house(1).await;
    let settings = DovecotSettings {
        accounts: Some(Accounts::Directory("company".to_owned())),
        deny_file: None,
        ..server.settings()
    };
    let host = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    for action in [A::AccountDisable, A::PasswordRotate, A::AccountCreate, A::AccountDelete] {
        let capability = host.capability(action, None);
        assert!(
            matches!(&capability, Capability::Unsupported(why) if why.contains("`company`")),
            "{action}: {capability:?}"
        );
        let refused = act(&host, action, json!({ "login": "x" }), ADA).await;
        assert!(failed(&refused).contains("`company`"), "{action}");
    }
    done(&host, A::SessionsRevoke, none(), ADA).await;
    assert_eq!(done(&host, A::VerifyNoAccess, none(), ADA).await, "no sessions, no forwards");
}
