//! The sandbox told as stories.

mod actions;
mod crowds;
mod faults;
mod mail;
mod memory;
mod refusals;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Entry, SandboxAccount, SandboxCompany, SandboxSystem, shipped};
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Capability, Evidence};
use crate::workflow::{ActionKind, Facet, Place};

/// The morning of the demo.
fn now() -> Timestamp {
    shipped::DEMO_START.parse::<jiff::Zoned>().expect("an instant").timestamp()
}

/// The shipped company in a folder of its own.
struct Stage {
    folder: TempDir,
    company: Arc<SandboxCompany>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let company = SandboxCompany::from_text(shipped::COMPANY, &folder.path().join("ledger.jsonl")).expect("opens");
        Self { folder, company }
    }

    /// The same company, opened once more as another process would.
    fn again(&self) -> Arc<SandboxCompany> {
        SandboxCompany::from_text(shipped::COMPANY, &self.folder.path().join("ledger.jsonl")).expect("opens again")
    }

    fn system(&self, name: &str) -> SandboxSystem {
        self.company.system(name).expect("a system")
    }

    async fn perform(&self, scene: &Scene, fence: i64) -> Result<Evidence, ActionError> {
        self.system(scene.system).perform(&scene.call(fence)).await
    }

    async fn observe(&self, scene: &Scene) -> Result<Observation, ActionError> {
        self.system(scene.system).observe(&scene.call(1)).await
    }

    /// Brings about what makes the scene's goal unreached.
    async fn prepare(&self, scene: &Scene) {
        for before in scene.preludes() {
            self.perform(&before, 1).await.unwrap_or_else(|error| panic!("{} first: {error}", before.action));
        }
    }

    fn effects(&self, scene: &Scene) -> usize {
        self.company.effects_by_key().expect("counts").get(&scene.key()).copied().unwrap_or_default()
    }

    fn view(&self, system: &str, id: &str) -> SandboxAccount {
        self.company.account_view(system, id).expect("reads").expect("an account")
    }

    fn entries(&self) -> Vec<Entry> {
        self.company.entries().expect("reads")
    }
}

/// One action on Ada's account, on a system where it makes sense.
#[derive(Clone, Debug)]
struct Scene {
    action: ActionKind,
    system: &'static str,
    account: Option<String>,
    with: Map<String, Value>,
}

impl Scene {
    /// `None` for what is not done on a system.
    fn of(action: ActionKind) -> Option<Self> {
        use ActionKind as A;
        let (system, id) = match action {
            A::SessionsRevoke | A::AppPasswordsRevoke | A::LicenceRelease | A::QuotaSet | A::VerifyNoAccess => MAIL,
            A::AccountCreate | A::MailMaintenance | A::MailEndMaintenance => MAIL,
            action => match action.place() {
                Place::House => return None,
                Place::On(Facet::Mail) => MAIL,
                Place::On(Facet::Files) => ("files", "f-0005"),
                Place::On(Facet::Calendars) => ("groupware", "g-0005"),
                Place::Account | Place::System | Place::On(Facet::Directory) => ("directory", "u-0005"),
            },
        };
        let account = (action.place() != Place::System).then(|| id.to_owned());
        Some(Self { action, system, account, with: sample(action) })
    }

    fn on(action: ActionKind, system: &'static str, account: &str, with: Value) -> Self {
        let with = with.as_object().cloned().unwrap_or_default();
        Self { action, system, account: Some(account.to_owned()), with }
    }

    fn all() -> Vec<Self> {
        ActionKind::ALL.iter().filter_map(|action| Self::of(*action)).collect()
    }

    /// What must have happened for this scene to have something to do.
    fn preludes(&self) -> Vec<Self> {
        use ActionKind as A;
        let first: Vec<A> = match self.action {
            A::AccountPurge => vec![A::AccountDelete],
            A::VerifyNoAccess => {
                vec![A::AccountDisable, A::SessionsRevoke, A::AppPasswordsRevoke, A::TokensRevoke, A::MailClearRules]
            }
            action => A::ALL.iter().copied().filter(|other| other.inverse() == Some(action)).collect(),
        };
        first.into_iter().map(|action| Self { action, with: sample(action), ..self.clone() }).collect()
    }

    fn key(&self) -> String {
        format!("run_1/{}/{}", self.action, self.system)
    }

    fn call(&self, fence: i64) -> Call {
        Call {
            action: self.action,
            with: self.with.clone(),
            account: self.account.clone(),
            idempotency_key: self.key(),
            fence,
            now: now(),
        }
    }

    /// A goal that can be seen.
    fn is_observable(&self) -> bool {
        use ActionKind as A;
        !matches!(self.action, A::PasswordRotate | A::PasswordReset | A::CredentialsSend)
    }

    /// Changes nothing by its nature.
    fn only_looks(&self) -> bool {
        matches!(self.action, ActionKind::AccountsSync | ActionKind::VerifyNoAccess)
    }
}

const MAIL: (&str, &str) = ("mailhost", "m-0005");
const SOREN: &str = "soren.ostergaard@alpine-instruments.example";

fn sample(action: ActionKind) -> Map<String, Value> {
    use ActionKind as A;
    let with = match action {
        A::MailAutoReply | A::MailClearAutoReply => {
            json!({ "subject": "Ada Keller has left", "template": "left-company", "contact": SOREN })
        }
        A::MailRedirect | A::MailClearRedirect => json!({ "to": SOREN, "keep_copy": false }),
        A::MailTransfer => json!({ "to": { "email": SOREN }, "folder": "From Ada Keller" }),
        A::MailDelegate | A::MailUndelegate | A::FilesTransfer | A::CalendarsTransfer => json!({ "to": SOREN }),
        A::AccountCreate => json!({
            "email": "grace.meier@alpine-instruments.example", "given_name": "Grace", "family_name": "Meier",
            "employee_number": "1026", "role": "user", "groups": ["staff"], "quota": "20 GB",
        }),
        A::GroupsAdd | A::GroupsSync => json!({ "groups": ["staff", "alumni"] }),
        A::RoleSet => json!({ "role": "administrator" }),
        A::AliasAdd | A::AliasRemove => json!({ "alias": "ada@alpine-instruments.example" }),
        A::QuotaSet => json!({ "bytes": 7_000_000_000_u64 }),
        A::AccountUpdate => json!({ "family_name": "Keller-Brunner", "display_name": "Ada Keller-Brunner" }),
        _ => json!({}),
    };
    with.as_object().cloned().unwrap_or_default()
}

fn is_supported(capability: &Capability) -> bool {
    matches!(capability, Capability::Supported | Capability::Degraded(_))
}
