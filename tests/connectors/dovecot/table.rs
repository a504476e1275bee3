//! Accounts that are rows of a table: what only they have.

use std::time::Duration;

use serde_json::{Value, json};
use usher::connectors::dovecot::{
    Accounts, Database, DovecotSettings, DovecotSystem, Identifier, Postgres, TableName, TableSettings,
};
use usher::connectors::{ActionError, Connector};
use usher::run::{AccountStatus, Capability};
use usher::secret::Secret;
use usher::workflow::ActionKind as A;

use super::mailbox::ADA;
use super::server::{Dovecot, Variant};
use super::{act, connector, done, failed};
use crate::conformance::{HOSTILE, accounts, call};
use crate::database::Db;

const BOTH: [Db; 2] = [Db::Sqlite, Db::Postgres];

/// A mail host whose table is described a little otherwise than it is.
fn described(server: &Dovecot, change: impl FnOnce(&mut TableSettings)) -> Connector {
    let mut settings = server.settings();
    if let Some(Accounts::Table(table)) = &mut settings.accounts {
        change(table);
    }
    settings.timeout = Duration::from_secs(3);
    Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)))
}

#[tokio::test]
async fn a_row_is_closed_and_opened_and_mail_goes_on_arriving() {
    for db in BOTH {
        let server = Dovecot::start_as(Variant::Rows(db), 2, 9).await;
        let (host, rows) = (connector(&server), server.rows.as_ref().expect("a table"));
        assert!(server.sign_in(ADA, "first-ada1").await.is_ok());
        assert_eq!(done(&host, A::AccountDisable, json!({}), ADA).await, "sign-in is refused");
        assert!(server.sign_in(ADA, "first-ada1").await.is_err(), "at once, whatever Dovecot remembered");
        assert!(server.sign_in("ada2@example.org", "first-ada2").await.is_ok(), "nobody else is closed");
        assert!(server.deliver("client@partner.example", ADA, "hello").await.starts_with("250"));
        assert_eq!(host.read(ADA).await.unwrap().unwrap().status, AccountStatus::Disabled);
        let detail = done(&host, A::PasswordRotate, Value::Null, ADA).await;
        assert_eq!(detail, "a new password was taken; a sign-in with it is refused");
        done(&host, A::AccountEnable, json!({}), ADA).await;
        assert!(server.sign_in(ADA, "tR4in-h8st-Winter-qx7").await.is_ok(), "with the new password");
        let row = rows.row(ADA).await.to_string();
        assert!(row.contains("SHA512-CRYPT") && !row.contains("tR4in") && row.contains("Ada Keller,nr=1005"), "{row}");
        rows.leave().await;
    }
}

#[tokio::test]
async fn a_name_is_a_value_and_nothing_else() {
    for db in BOTH {
        let server = Dovecot::start_as(Variant::Rows(db), 2, 9).await;
        let (host, rows) = (connector(&server), server.rows.as_ref().expect("a table"));
        // Rows that others have made, with names that mean something somewhere.
        rows.run("INSERT INTO mailbox (username, hash, local, domain) VALUES ('x'' OR 1=1 --', 'x', 'x', 'x')").await;
        let before = rows.whole().await;
        for id in
            HOSTILE.iter().copied().chain(["ada1@example.org' OR '1'='1", "%", "_", "ADA1@EXAMPLE.ORG", "x' OR 1=1 --"])
        {
            for action in [A::AccountDisable, A::PasswordRotate, A::QuotaSet, A::AccountDelete] {
                let outcome = act(&host, action, json!({ "quota": "1 GiB" }), id).await;
                assert!(matches!(outcome, Err(ActionError::Fail { .. })), "{action} {id:?}: {outcome:?}");
            }
            assert!(!matches!(host.read(id).await, Ok(Some(_))), "{id:?}");
            let page = host.accounts(Some(id.to_owned())).await;
            assert!(matches!(page, Ok(_) | Err(ActionError::Fail { .. })), "a page behind {id:?}: {page:?}");
        }
        // The note and the parts of a name are values too.
        let with = json!({ "login": "o-neil@example.org", "given_name": "O'Neil'; DROP TABLE mailbox; --", "family_name": "x",
            "employee_number": "1'", "enabled": false });
        let create = call(A::AccountCreate, &with, None, "run_1/create", 1);
        host.perform_with(&create, &Secret::new("Winter-7-Winter")).await.expect("makes it");
        let row = rows.row("o-neil@example.org").await;
        assert_eq!(
            (row[2].as_str(), row[5].as_str()),
            (Some(if db == Db::Sqlite { "0" } else { "false" }), Some("o-neil"))
        );
        rows.run("DELETE FROM mailbox WHERE username = 'o-neil@example.org'").await;
        assert_eq!(rows.whole().await, before);
        assert_eq!(accounts(&host).await.len(), 3, "what is no name is no account");
        rows.leave().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_table_is_said_in_words() {
    for db in BOTH {
        let server = Dovecot::start_as(Variant::Rows(db), 2, 9).await;
        let rows = server.rows.as_ref().expect("a table");
        let reach = connector(&server).test().await;
        assert!(
            reach.ok && reach.findings.join("\n").contains("`table` can be read and changed"),
            "{:#?}",
            reach.findings
        );
        let before = rows.whole().await;
        let named = |name: &str| Identifier::parse(name).expect("a name");
        // A name in quotes that SQLite does not know would be a text.
        let wrong: [&dyn Fn(&mut TableSettings); 4] = [
            &|table| table.columns.password = named("pasword"),
            &|table| table.columns.note = Some(named("no_such")),
            &|table| table.columns.active = Some(named("no_such")),
            &|table| table.table = TableName::parse("no_such").expect("a name"),
        ];
        for change in wrong {
            let host = described(&server, change);
            let reach = host.test().await;
            assert!(!reach.ok && reach.findings.join("\n").contains("`table` cannot be read"), "{:#?}", reach.findings);
            let outcome = act(&host, A::PasswordRotate, json!({}), ADA).await;
            let outcome = match outcome {
                Ok(_) => act(&host, A::AccountDelete, json!({}), ADA).await,
                failed => failed,
            };
            failed(&outcome);
        }
        assert_eq!(rows.whole().await, before);
        let away = described(&server, |table| {
            table.database = match &table.database {
                Database::Sqlite(path) => Database::Sqlite(path.with_file_name("none.db")),
                Database::Postgres(server) => {
                    Database::Postgres(Postgres { host: "127.0.0.1:1".to_owned(), ..server.clone() })
                }
            };
        });
        let outcome = act(&away, A::AccountDisable, json!({}), ADA).await;
        assert!(matches!(&outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
        // A column that says something else than yes or no is nobody's lock.
        if db == Db::Sqlite {
            rows.run("UPDATE mailbox SET active = 'N' WHERE username = 'ada1@example.org'").await;
            let outcome = act(&connector(&server), A::AccountDisable, json!({}), ADA).await;
            assert!(failed(&outcome).contains("holds `N`, and neither 1 nor 0"), "{outcome:?}");
        }
        rows.leave().await;
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_verified_is_told_no_password() {
    let server = Dovecot::start_as(Variant::Rows(Db::Postgres), 1, 9).await;
    let host = described(&server, |table| {
        if let Database::Postgres(server) = &mut table.database {
            server.in_the_clear = false;
        }
    });
    let outcome = act(&host, A::AccountDisable, json!({}), ADA).await;
    assert!(
        matches!(&outcome, Err(ActionError::Retry { reason, .. }) if reason.to_lowercase().contains("tls")),
        "{outcome:?}"
    );
    server.rows.as_ref().expect("a table").leave().await;
}

#[tokio::test]
async fn without_a_column_it_is_left_to_a_person() {
    let server = Dovecot::start_as(Variant::Rows(Db::Sqlite), 1, 9).await;
    let host = described(&server, |table| {
        let columns = &mut table.columns;
        (columns.active, columns.note, columns.quota) = (None, None, None);
    });
    for action in [A::AccountDisable, A::AccountCreate, A::AccountDelete, A::AccountPurge] {
        assert!(matches!(host.capability(action, None), Capability::Manual(_)), "{action}");
    }
    assert!(matches!(host.capability(A::QuotaSet, None), Capability::Unsupported(_)));
    done(&host, A::PasswordRotate, Value::Null, ADA).await;
    // The lock may be a file all the same.
    let settings = DovecotSettings { deny_file: Some(server.path("deny")), ..server.settings() };
    let host = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
    done(&host, A::AccountDisable, json!({}), ADA).await;
    assert!(server.sign_in(ADA, "tR4in-h8st-Winter-qx7").await.is_err());
    assert_eq!(server.rows.as_ref().expect("a table").row(ADA).await[2], "1", "the file is the lock");
}
