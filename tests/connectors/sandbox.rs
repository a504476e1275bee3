//! The simulated systems keep to what is asked of real ones.

use std::sync::Arc;

use serde_json::{Value, json};
use usher::connectors::Connector;
use usher::connectors::sandbox::{Knobs, SandboxCompany};
use usher::workflow::ActionKind as A;

use crate::conformance::{Case, Cut, Target, conforms, creates, lists};

/// A company with one system that offers everything, and one that is kept by hand. It begins anew with each fresh account.
struct Simulated {
    system: &'static str,
    company: Arc<SandboxCompany>,
    connector: Connector,
    _folder: tempfile::TempDir,
}

impl Simulated {
    fn new(system: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = folder.path().join("ledger.jsonl");
        let company = SandboxCompany::from_text(COMPANY, &ledger).expect("a company");
        let connector = Connector::Sandbox(company.system(system).expect("a system"));
        Self { system, company, connector, _folder: folder }
    }
}

impl Target for Simulated {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    async fn fresh(&mut self) -> String {
        *self = Self::new(self.system);
        "m-1".to_owned()
    }

    async fn look(&self, account: &str) -> Value {
        let view = |id: &str| self.company.account_view(self.system, id).expect("a look");
        let mut shown = serde_json::to_value(view(account)).expect("JSON");
        if let (Some(fields), Some(colleague)) = (shown.as_object_mut(), view("m-2")) {
            let folders = colleague.mailbox.map(|mailbox| mailbox.folders.len());
            fields.insert("copied".to_owned(), json!(folders));
        }
        shown
    }

    /// The effects that the ledger has counted.
    async fn whole(&self) -> Value {
        let effects = self.company.effects().expect("a look");
        serde_json::to_value(effects).expect("JSON")
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        let knobs = match cut {
            None => Knobs::default(),
            Some(Cut::Before) => Knobs { cut_before_rate: 1.0, ..Knobs::default() },
            Some(Cut::After) => Knobs { cut_after_rate: 1.0, ..Knobs::default() },
        };
        self.company.set_knobs(self.system, knobs);
    }
}

const COMPANY: &str = r#"
name = "Everything"

[systems.everything]
title = "Everything"
facets = ["mail", "files", "calendars", "directory"]
trash = true
grace_days = 30

[systems.badges]
title = "Door badges"
facets = []

[systems.badges.manual]
"account.disable" = "Collect the badge and block it at reception"

[[people]]
number = "1001"
given_name = "Ada"
family_name = "Keller"
email = "ada@everything.example"

[people.on.everything]
id = "m-1"
role = "user"
groups = ["staff", "engineering"]
licence = "standard"
aliases = ["keller@everything.example"]
quota = "20 GB"
sessions = ["browser", "phone"]
tokens = ["authenticator"]
app_passwords = ["scanner"]
mails = 10
mail_size = "1 MB"
files = 3
file_size = "1 MB"
calendars = [{ name = "Ada", events = 7 }]
contacts = ["info@marine.example"]
rules = [{ name = "private copy", forward_to = "ada@keller.example" }]

[people.on.badges]
id = "m-1"

[[people]]
number = "1002"
given_name = "Soren"
family_name = "Oster"
email = "soren@everything.example"

[people.on.everything]
id = "m-2"
role = "administrator"
"#;

const SOREN: &str = "soren@everything.example";

fn has_grown(now: &Value, before: &Value) -> bool {
    now.as_array().map(Vec::len) > before.as_array().map(Vec::len)
}

fn accounts() -> Vec<Case> {
    vec![
        Case::new(A::AccountDisable, |now, _| now["status"] == "disabled"),
        Case::new(A::AccountEnable, |now, _| now["status"] == "enabled").after(A::AccountDisable, json!({})),
        Case::new(A::PasswordRotate, |now, before| now["password"] != before["password"]),
        Case::new(A::PasswordReset, |now, before| now["password"] != before["password"])
            .with(json!({ "method": "set" })),
        Case::new(A::SessionsRevoke, |now, _| now["sessions"] == json!([])),
        Case::new(A::AppPasswordsRevoke, |now, _| now["app_passwords"] == json!([])),
        Case::new(A::TokensRevoke, |now, _| now["tokens"] == json!([])),
        Case::new(A::AccessRemove, |now, _| now["groups"] == json!([])),
        Case::new(A::LicenceRelease, |now, _| now["licence"].is_null()),
        Case::new(A::DirectoryHide, |now, _| now["hidden"] == true),
        Case::new(A::DirectoryShow, |now, _| now["hidden"] == false).after(A::DirectoryHide, json!({})),
        Case::new(A::AccountDelete, |now, _| now["status"] == "deleted"),
        Case::new(A::AccountRestore, |now, _| now["status"] == "enabled").after(A::AccountDelete, json!({})),
        Case::new(A::AccountPurge, |now, _| now.is_null()).after(A::AccountDelete, json!({})),
        Case::new(A::CredentialsSend, |now, before| now["credentials_sent"] != before["credentials_sent"]),
        Case::new(A::GroupsAdd, |now, _| now["groups"] == json!(["alumni", "engineering", "staff"]))
            .with(json!({ "groups": ["alumni"] })),
        Case::new(A::GroupsSync, |now, _| now["groups"] == json!(["alumni"])).with(json!({ "groups": ["alumni"] })),
        Case::new(A::RoleSet, |now, _| now["role"] == "administrator").with(json!({ "role": "administrator" })),
        Case::new(A::QuotaSet, |now, _| now["quota_bytes"] == 7_000).with(json!({ "quota": { "bytes": 7_000 } })),
        Case::new(A::AccountUpdate, |now, _| now["family_name"] == "Keller-Brunner")
            .with(json!({ "family_name": "Keller-Brunner" })),
        [A::AccountDisable, A::SessionsRevoke, A::AppPasswordsRevoke, A::TokensRevoke, A::MailClearRules]
            .into_iter()
            .fold(Case::new(A::VerifyNoAccess, |_, _| true).only_looks(), |case, cut| case.after(cut, json!({}))),
    ]
}

fn data() -> Vec<Case> {
    let reply = || json!({ "subject": "Ada has left", "message": "Please turn to Soren.", "contact": SOREN });
    let to = || json!({ "to": { "email": SOREN } });
    let alias = || json!({ "alias": "ada.k@everything.example" });
    vec![
        Case::new(A::MailAutoReply, |now, _| now["mailbox"]["auto_reply"]["subject"] == "Ada has left").with(reply()),
        Case::new(A::MailClearAutoReply, |now, _| now["mailbox"]["auto_reply"].is_null())
            .with(reply())
            .after(A::MailAutoReply, reply()),
        Case::new(A::MailRedirect, |now, _| now["mailbox"]["redirect"]["to"] == SOREN).with(to()),
        Case::new(A::MailClearRedirect, |now, _| now["mailbox"]["redirect"].is_null())
            .with(to())
            .after(A::MailRedirect, to()),
        Case::new(A::MailClearRules, |now, _| now["mailbox"]["rules"] == json!([])),
        Case::new(A::MailDelegate, |now, _| now["mailbox"]["delegates"] == json!([SOREN])).with(to()),
        Case::new(A::MailUndelegate, |now, _| now["mailbox"]["delegates"] == json!([]))
            .with(to())
            .after(A::MailDelegate, to()),
        Case::new(A::MailTransfer, has_changed_elsewhere).with(json!({ "to": SOREN, "folder": "From Ada" })),
        Case::new(A::MailArchive, has_archive),
        Case::new(A::FilesTransfer, |now, _| now["files"]["count"] == 0).with(to()),
        Case::new(A::FilesArchive, has_archive),
        Case::new(A::CalendarsTransfer, |now, _| now["calendars"]["calendars"] == json!([])).with(to()),
        Case::new(A::CalendarsExport, has_archive),
        Case::new(A::ContactsExport, has_archive),
        Case::new(A::AliasAdd, |now, _| now["aliases"].as_array().map(Vec::len) == Some(2)).with(alias()),
        Case::new(A::AliasRemove, |now, _| now["aliases"].as_array().map(Vec::len) == Some(1))
            .with(alias())
            .after(A::AliasAdd, alias()),
        Case::new(A::MailMaintenance, has_grown),
        Case::new(A::MailEndMaintenance, has_grown).after(A::MailMaintenance, json!({})),
    ]
}

fn has_archive(now: &Value, _: &Value) -> bool {
    now["archives"].as_object().is_some_and(|archives| archives.len() == 1)
}

/// What it does is done to the colleague's mailbox.
fn has_changed_elsewhere(now: &Value, before: &Value) -> bool {
    now["copied"] != before["copied"]
}

#[tokio::test]
async fn a_simulated_system_conforms() {
    let mut target = Simulated::new("everything");
    conforms(&mut target, &[accounts(), data()].concat()).await;
}

#[tokio::test]
async fn a_system_that_is_kept_by_hand_does_nothing_by_itself() {
    let mut target = Simulated::new("badges");
    conforms(&mut target, &[]).await;
}

#[tokio::test]
async fn a_simulated_system_makes_and_lists_accounts() {
    let mut target = Simulated::new("everything");
    let with = json!({ "email": "grace@everything.example", "given_name": "Grace", "family_name": "Meier",
        "employee_number": "1026", "role": "user", "groups": ["staff"], "quota": "20 GB" });
    creates(&mut target, with).await;
    lists(&mut target).await;
}
