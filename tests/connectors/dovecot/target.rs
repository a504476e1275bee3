//! A mail host held to the suite of all connectors: by ManageSieve and by doveadm alone, with accounts in files and in tables.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use sqlx::AnyConnection;
use usher::archive::{ArchiveSettings, DavPlace, Place};
use usher::connectors::Connector;
use usher::connectors::dovecot::DovecotSettings;
use usher::secret::SecretRef;
use usher::workflow::ActionKind as A;

use super::line::{Line, Speaks, State};
use super::mailbox::kept_in;
use super::server::{Dovecot, Session, Variant};
use crate::conformance::{Case, Cut, Target, conforms, creates, lists};
use crate::database::Db;
use crate::dav::wsgidav::{self, WsgiDav};

struct MailHost {
    server: Dovecot,
    /// Where archives are kept, and the record that knows of them.
    dav: WsgiDav,
    _home: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    connector: Connector,
    handed_out: usize,
    /// A session of the account that was handed out last.
    session: Option<Session>,
    /// Files that somebody else holds.
    held: Vec<File>,
    /// A connection that holds the database, where that is a file.
    holds: Option<AnyConnection>,
}

impl MailHost {
    async fn start(by_doveadm: bool, variant: Variant) -> Self {
        let (server, dav) = (Dovecot::start_as(variant, 140, 9).await, WsgiDav::start().await);
        let home = tempfile::tempdir().expect("a folder");
        let state = Arc::default();
        let line = async |port, speaks| Line::to(port, speaks, Arc::clone(&state)).await.port;
        let (http, sieve) =
            (line(server.ports.http, Speaks::Doveadm).await, line(server.ports.sieve, Speaks::ManageSieve).await);
        let (imap, kept) = (line(server.ports.imap, Speaks::Imap).await, line(dav.port(), Speaks::WebDav).await);
        let accounts = match &server.rows {
            Some(rows) if rows.db() == Db::Postgres => {
                let port = rows.server().host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                Some(line(port.expect("a port"), Speaks::Postgres).await)
            }
            _ => None,
        };
        let login = Some((wsgidav::USHER.0.to_owned(), SecretRef::File(dav.folder.path().join("password"))));
        let place = Place::WebDav(DavPlace { url: format!("http://127.0.0.1:{kept}/files/jdoe"), login, ca: None });
        let place = ArchiveSettings { place, timeout: Duration::from_secs(20) };
        let through = |mut settings: DovecotSettings| {
            settings.url = format!("http://127.0.0.1:{http}");
            settings.sieve.as_mut().expect("ManageSieve").port = sieve;
            settings.imap.as_mut().expect("IMAP").port = imap;
            settings.sieve = settings.sieve.filter(|_| !by_doveadm);
            match &server.rows {
                // A database that is held is not waited for any longer.
                Some(rows) => DovecotSettings { timeout: Duration::from_secs(3), ..rows.settings(settings, accounts) },
                None => settings,
            }
        };
        let connector = kept_in(&server, home.path(), place, through).await;
        Self { server, dav, _home: home, state, connector, handed_out: 0, session: None, held: Vec::new(), holds: None }
    }

    /// Who is signed in, once the sessions that were left are gone: none but that of the account that was handed out last.
    async fn sessions(&self) -> Value {
        for _ in 0..80 {
            let sessions = self.server.doveadm("who", json!({ "mask": ["*"] })).await;
            if sessions.as_array().is_none_or(|sessions| sessions.len() < 2) {
                return sessions;
            }
            usher::clock::pause(Duration::from_millis(25)).await;
        }
        panic!("sessions do not end");
    }

    fn files(&self) -> Vec<PathBuf> {
        let files: &[&str] = match &self.server.rows {
            None => &["users", "deny"],
            Some(rows) if rows.db() == Db::Sqlite => &["usher.db"],
            Some(_) => &[],
        };
        files.iter().map(|name| self.server.path(name)).collect()
    }

    /// The account's line or row, and whether it says itself that nobody signs in.
    async fn kept(&self, account: &str) -> Option<(String, bool)> {
        match &self.server.rows {
            Some(rows) => {
                let row = rows.row(account).await;
                let closed = matches!(row[2].as_str(), Some("0" | "false"));
                (!row.is_null()).then(|| (row.to_string(), closed))
            }
            None => {
                let users = self.server.read("users");
                let line = users.lines().find(|line| line.starts_with(&format!("{account}:")))?;
                let denied = self.server.read("deny").lines().any(|line| line.starts_with(&format!("{account}:")));
                Some((line.to_owned(), denied))
            }
        }
    }
}

impl Target for MailHost {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The next one: signed in, with a rule of its own that forwards, and a mail. Whoever was made before is gone.
    async fn fresh(&mut self) -> String {
        if let Some(rows) = &self.server.rows {
            rows.run("DELETE FROM mailbox WHERE username LIKE 'grace@%'").await;
        }
        let users = self.server.read("users");
        let made: String =
            users.lines().filter(|line| !line.starts_with("grace@")).map(|line| format!("{line}\n")).collect();
        if made != users {
            std::fs::write(self.server.path("users"), made).expect("writes");
        }
        self.handed_out += 1;
        let id = format!("ada{}@example.org", self.handed_out);
        let script =
            json!({ "user": id, "scriptname": "mine", "file": "redirect \"me@home.example\";\r\n", "activate": true });
        self.server.doveadm("sievePut", script).await;
        self.server
            .doveadm("save", json!({ "user": id, "mailbox": "INBOX", "file": "Subject: x\r\n\r\nhello\r\n" }))
            .await;
        let password = format!("first-ada{}", self.handed_out);
        self.session = Some(self.server.sign_in(&id, &password).await.expect("signs in"));
        id
    }

    async fn look(&self, account: &str) -> Value {
        let Some((line, denied)) = self.kept(account).await else { return Value::Null };
        let sessions = self.server.doveadm("who", json!({ "mask": [account] })).await;
        let scripts = self.server.doveadm("sieveList", json!({ "user": account })).await;
        let script = self.server.doveadm("sieveGet", json!({ "user": account, "scriptname": "usher" })).await;
        let acl = self.server.doveadm("aclGet", json!({ "user": account, "mailbox": "INBOX" })).await;
        // What Dovecot remembers of a row may be older than the row.
        self.server.doveadm("authCacheFlush", json!({ "user": [account] })).await;
        let quota = self.server.doveadm("quotaGet", json!({ "user": account })).await;
        let archives = self.dav.root("jdoe").join("mailhost").join(account.replace('@', "-"));
        let kept = std::fs::read_dir(archives).into_iter().flatten().flatten();
        let kept: Vec<_> = kept.filter(|entry| entry.path().join("manifest.json").exists()).collect();
        let copied = self.server.mails("boss@example.org", &with_boss(account)).await;
        json!({ "line": line, "denied": denied, "sessions": sessions.as_array().map_or(0, Vec::len), "scripts": scripts,
            "script": script[0]["sieve script"], "acl": acl.to_string(), "limit": quota[0]["limit"],
            "archives": kept.len(), "copied": copied })
    }

    /// The files or rows of accounts, every script, mail and access list, every archive, and who is signed in.
    async fn whole(&self) -> Value {
        let mut whole = Map::new();
        for path in self.files() {
            whole.insert(path.display().to_string(), json!(stamp(&path)));
        }
        if let Some(rows) = &self.server.rows {
            whole.insert("rows".to_owned(), rows.whole().await);
        }
        collect(&self.server.path("mail"), &mut whole);
        collect(&self.dav.root("jdoe"), &mut whole);
        whole.insert("sessions".to_owned(), self.sessions().await);
        Value::Object(whole)
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.held.clear();
        self.holds = None;
        if let Some(rows) = self.server.rows.as_ref().filter(|rows| cut == Some(Cut::Before) && rows.db() == Db::Sqlite)
        {
            let mut conn = rows.connect().await;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.expect("holds it");
            self.holds = Some(conn);
        } else if cut == Some(Cut::Before) {
            for path in self.files() {
                let lock =
                    File::options().create(true).append(true).open(path.with_added_extension("lock")).expect("a lock");
                lock.lock().expect("locks");
                self.held.push(lock);
            }
        }
        self.state.lock().expect("the state").cut(cut, &self.files());
    }
}

fn stamp(path: &Path) -> String {
    let found = std::fs::metadata(path).expect("a file");
    format!("{:?} {}", found.modified().expect("a time"), hex::encode(std::fs::read(path).unwrap_or_default()))
}

fn collect(folder: &Path, into: &mut Map<String, Value>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        if path.is_symlink() {
            into.insert(name, json!(std::fs::read_link(&path).expect("a link")));
        } else if path.is_dir() {
            collect(&path, into);
        } else if name.ends_with(".sieve")
            || name.ends_with("dovecot-acl")
            || name.contains("/cur/")
            || name.contains("/new/")
            || name.contains("/files/jdoe/")
        {
            into.insert(name, json!(stamp(&path)));
        }
    }
}

fn active(now: &Value, name: &str) -> bool {
    now["scripts"]
        .as_array()
        .is_some_and(|scripts| scripts.iter().any(|it| it["script"] == name && it["active"] == "ACTIVE"))
}

fn has(now: &Value, field: &str, text: &str) -> bool {
    now[field].as_str().is_some_and(|value| value.contains(text))
}

/// The folder that an account's inbox is copied into.
fn with_boss(account: &str) -> String {
    format!("Departed/{}/INBOX", account.replace('.', "-"))
}

fn cases() -> Vec<Case> {
    let reply = json!({ "subject": "Ada has left", "message": "Please write to \"Berta\"." });
    let redirect = json!({ "to": "boss@elsewhere.example", "keep_copy": true });
    let boss = json!({ "to": "boss@example.org" });
    vec![
        Case::new(A::AccountDisable, |now, _| now["denied"] == true),
        Case::new(A::AccountEnable, |now, _| now["denied"] == false).after(A::AccountDisable, json!({})),
        Case::new(A::SessionsRevoke, |now, _| now["sessions"] == 0),
        Case::new(A::PasswordRotate, |now, before| now["line"] != before["line"]),
        Case::new(A::PasswordReset, |now, before| now["line"] != before["line"]).with(json!({ "method": "set" })),
        Case::new(A::CredentialsSend, |now, before| now["line"] != before["line"]).with(json!({ "method": "sealed" })),
        Case::new(A::MailAutoReply, |now, _| active(now, "usher") && has(now, "script", "vacation"))
            .with(reply.clone()),
        Case::new(A::MailClearAutoReply, |now, _| active(now, "mine") && now["script"].is_null())
            .after(A::MailAutoReply, reply),
        Case::new(A::MailRedirect, |now, _| active(now, "usher") && has(now, "script", "boss@elsewhere"))
            .with(redirect.clone()),
        Case::new(A::MailClearRedirect, |now, _| active(now, "mine") && now["script"].is_null())
            .after(A::MailRedirect, redirect),
        Case::new(A::MailClearRules, |now, _| !active(now, "mine")),
        Case::new(A::MailDelegate, |now, _| has(now, "acl", "user=boss@example.org")).with(boss.clone()),
        Case::new(A::MailUndelegate, |now, _| !has(now, "acl", "user=boss@example.org") && now["script"].is_null())
            .after(A::MailDelegate, boss.clone()),
        Case::new(A::MailTransfer, |now, _| now["copied"] == 1).with(boss),
        Case::new(A::MailArchive, |now, _| now["archives"] == 1),
        Case::new(A::QuotaSet, |now, _| now["limit"] == "7168").with(json!({ "quota": "7 MiB" })),
        Case::new(A::AccountDelete, |now, _| now["denied"] == true && has(now, "line", "usher-deleted")),
        Case::new(A::AccountRestore, |now, _| now["denied"] == true && !has(now, "line", "usher-deleted"))
            .after(A::AccountDelete, json!({})),
        Case::new(A::AccountPurge, |now, _| now.is_null()).after(A::AccountDelete, json!({})),
        Case::new(A::VerifyNoAccess, |_, _| true)
            .only_looks()
            .after(A::AccountDisable, json!({}))
            .after(A::SessionsRevoke, json!({}))
            .after(A::MailClearRules, json!({})),
    ]
}

#[tokio::test]
async fn a_mail_host_conforms() {
    conforms(&mut MailHost::start(false, Variant::Usual).await, &cases()).await;
}

#[tokio::test]
async fn a_mail_host_without_managesieve_conforms() {
    conforms(&mut MailHost::start(true, Variant::Usual).await, &cases()).await;
}

#[tokio::test]
async fn a_mail_host_whose_accounts_are_rows_conforms() {
    for db in [Db::Sqlite, Db::Postgres] {
        let mut target = MailHost::start(db == Db::Sqlite, Variant::Rows(db)).await;
        conforms(&mut target, &cases()).await;
        target.server.rows.as_ref().expect("a table").leave().await;
    }
}

#[tokio::test]
async fn a_mail_host_makes_and_lists_accounts() {
    for variant in [Variant::Usual, Variant::Rows(Db::Sqlite), Variant::Rows(Db::Postgres)] {
        let mut target = MailHost::start(false, variant).await;
        let with = json!({ "login": "grace@example.org", "email": "grace@example.org", "given_name": "Grace", "family_name": "Meier",
            "employee_number": "1026", "enabled": true, "quota": "5 MiB" });
        creates(&mut target, with).await;
        lists(&mut target).await;
        if let Some(rows) = &target.server.rows {
            rows.leave().await;
        }
    }
}
