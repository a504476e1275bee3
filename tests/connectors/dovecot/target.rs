//! A mail host held to the suite of all connectors, by ManageSieve and by doveadm alone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use usher::connectors::Connector;
use usher::connectors::dovecot::{DovecotSettings, DovecotSystem};
use usher::workflow::ActionKind as A;

use super::line::{Line, Speaks, State};
use super::server::{Dovecot, Session};
use crate::conformance::{Case, Cut, Target, conforms, creates, lists};

struct MailHost {
    server: Dovecot,
    state: Arc<Mutex<State>>,
    connector: Connector,
    handed_out: usize,
    /// A session of the account that was handed out last.
    session: Option<Session>,
    /// Files that somebody else holds.
    held: Vec<File>,
}

impl MailHost {
    async fn start(by_doveadm: bool) -> Self {
        let server = Dovecot::start(120, 9).await;
        let state = Arc::default();
        let http = Line::to(server.ports.http, Speaks::Http, Arc::clone(&state)).await;
        let sieve = Line::to(server.ports.sieve, Speaks::ManageSieve, Arc::clone(&state)).await;
        let mut settings = DovecotSettings { url: format!("http://127.0.0.1:{}", http.port), ..server.settings() };
        settings.sieve.as_mut().expect("ManageSieve").port = sieve.port;
        // What reads mails has tests of its own (`mailbox`).
        settings.imap = None;
        if by_doveadm {
            settings.sieve = None;
        }
        let connector = Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", settings)));
        Self { server, state, connector, handed_out: 0, session: None, held: Vec::new() }
    }

    fn files(&self) -> [PathBuf; 2] {
        ["users", "deny"].map(|name| self.server.path(name))
    }
}

impl Target for MailHost {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The next one: signed in, with a rule of its own that forwards, and a mail. Whoever was made before is gone.
    async fn fresh(&mut self) -> String {
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
        let users = self.server.read("users");
        let Some(line) = users.lines().find(|line| line.starts_with(&format!("{account}:"))) else {
            return Value::Null;
        };
        let denied = self.server.read("deny").lines().any(|line| line.starts_with(&format!("{account}:")));
        let sessions = self.server.doveadm("who", json!({ "mask": [account] })).await;
        let scripts = self.server.doveadm("sieveList", json!({ "user": account })).await;
        let script = self.server.doveadm("sieveGet", json!({ "user": account, "scriptname": "usher" })).await;
        let acl = self.server.doveadm("aclGet", json!({ "user": account, "mailbox": "INBOX" })).await;
        let quota = self.server.doveadm("quotaGet", json!({ "user": account })).await;
        json!({ "line": line, "denied": denied, "sessions": sessions.as_array().map_or(0, Vec::len), "scripts": scripts,
            "script": script[0]["sieve script"], "acl": acl.to_string(), "limit": quota[0]["limit"] })
    }

    /// The two files, every script, every access list, and who is signed in.
    async fn whole(&self) -> Value {
        let mut whole = Map::new();
        for name in ["users", "deny"] {
            whole.insert(name.to_owned(), json!(stamp(&self.server.path(name))));
        }
        collect(&self.server.path("mail"), &mut whole);
        whole.insert("sessions".to_owned(), self.server.doveadm("who", json!({ "mask": ["*"] })).await);
        Value::Object(whole)
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.held.clear();
        if cut == Some(Cut::Before) {
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
    format!("{:?} {}", found.modified().expect("a time"), std::fs::read_to_string(path).unwrap_or_default())
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
            .after(A::MailDelegate, boss),
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
    conforms(&mut MailHost::start(false).await, &cases()).await;
}

#[tokio::test]
async fn a_mail_host_without_managesieve_conforms() {
    conforms(&mut MailHost::start(true).await, &cases()).await;
}

#[tokio::test]
async fn a_mail_host_makes_and_lists_accounts() {
    let mut target = MailHost::start(false).await;
    let with = json!({ "login": "grace@example.org", "email": "grace@example.org", "given_name": "Grace", "family_name": "Meier",
        "employee_number": "1026", "enabled": true, "quota": "5 MiB" });
    creates(&mut target, with).await;
    lists(&mut target).await;
}
