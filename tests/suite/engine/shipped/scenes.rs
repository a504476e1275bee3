//! One scene for each shipped workflow: what was before, whom it is about, with which inputs, and until when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, json};
use usher::connectors::Call;
use usher::engine::trigger::{Request, SubjectRef};
use usher::workflow::ActionKind;

use super::playing::{Deaths, play};
use crate::harness::{App, zurich};

/// How a shipped workflow is played.
pub(super) struct Scene {
    pub(super) workflow: &'static str,
    subject: SubjectRef,
    inputs: Vec<(&'static str, &'static str)>,
    before: Before,
    until: &'static str,
}

/// What has happened when it starts.
enum Before {
    Nothing,
    /// HR has told this.
    Told(&'static str),
    /// Another workflow has been carried out, with the same inputs where it has them.
    Done(&'static str, &'static [(&'static str, &'static str)]),
    /// Zoë's accounts with a trash were deleted by hand.
    Deleted,
    /// As before, so long ago that their grace is over.
    LongDeleted,
}

const NEWCOMER: &str = "employee_number,given_name,family_name,department,language,start_date,status,private_email\n\
                        1030,Jürg,Müller,Sales,de,2027-02-15,prehire,juerg@example.org\n";
const MOVED: &str = "employee_number,given_name,family_name,department\n1006,Zoë,Lindqvist,Sales\n";

/// The scene of a workflow.
pub(super) fn scene(workflow: &'static str) -> Scene {
    let zoe = || SubjectRef::Person("1006".into());
    let house = || SubjectRef::Organisation;
    let (subject, before, inputs, until) = match workflow {
        "departure" => {
            (SubjectRef::Person("1005".into()), Before::Nothing, vec![("last_day", "2027-01-29")], "2027-09-30")
        }
        "emergency-block" => (zoe(), Before::Nothing, vec![("reason", "laptop stolen")], "2027-01-21"),
        "unblock" => (zoe(), Before::Done("emergency-block", &[]), vec![], "2027-01-22"),
        "temporary-leave" => {
            (zoe(), Before::Nothing, vec![("first_day", "2027-02-01"), ("return_day", "2027-05-03")], "2027-05-30")
        }
        "restore-account" => (zoe(), Before::Deleted, vec![], "2027-01-22"),
        "grace-purge" => (
            SubjectRef::Account { system: "mailhost".into(), id: "m-0005".into() },
            Before::LongDeleted,
            vec![],
            "2027-04-01",
        ),
        "onboarding" => (SubjectRef::Person("1030".into()), Before::Told(NEWCOMER), vec![], "2027-02-20"),
        "name-change" => (
            zoe(),
            Before::Nothing,
            vec![("family_name", "Lind"), ("display_name", "Zoë Lind"), ("address", "zoe.lind")],
            "2027-01-22",
        ),
        "role-change" => (zoe(), Before::Told(MOVED), vec![("role", "administrator")], "2027-01-22"),
        "alias-and-quota" => (zoe(), Before::Nothing, vec![("add_alias", "zl"), ("quota", "70 GB")], "2027-01-22"),
        "password-reset" => (zoe(), Before::Nothing, vec![], "2027-01-22"),
        "secure-your-account" => (zoe(), Before::Nothing, vec![("reason", "a leaked password")], "2027-01-22"),
        "inventory" => (house(), Before::Nothing, vec![], "2027-01-22"),
        "product-block" => {
            (house(), Before::Nothing, vec![("product", "files"), ("reason", "intrusion")], "2027-01-22")
        }
        "product-unblock" => {
            (house(), Before::Done("product-block", &[("product", "files")]), vec![("product", "files")], "2027-01-22")
        }
        "mail-maintenance" => {
            (house(), Before::Nothing, vec![("service", "mailhost"), ("until", "2027-02-01")], "2027-02-02")
        }
        "mail-maintenance-end" => (
            house(),
            Before::Done("mail-maintenance", &[("service", "mailhost")]),
            vec![("service", "mailhost")],
            "2027-01-22",
        ),
        other => panic!("the shipped workflow `{other}` has no scene here: give it one"),
    };
    Scene { workflow, subject, inputs, before, until }
}

impl Scene {
    pub(super) fn until(&self) -> Timestamp {
        zurich(&format!("{}T23:00", self.until))
    }

    /// When it is taken back: while that is still possible. What a departure has deleted is in its grace then.
    pub(super) fn undone(&self) -> Timestamp {
        if self.workflow == "departure" { zurich("2027-08-10T12:00") } else { self.until() }
    }

    pub(super) fn request(&self) -> Request {
        request(self.workflow, self.subject.clone(), &self.inputs)
    }

    pub(super) async fn prepare(&self, app: &App) {
        app.told(usher::connectors::sandbox::shipped::PEOPLE).await;
        app.sync().await;
        match self.before {
            Before::Nothing => {}
            Before::Told(csv) => app.told(csv).await,
            Before::Done(workflow, inputs) => {
                let run = app.engine.start(request(workflow, self.subject.clone(), inputs)).await.expect("starts").id();
                play(app, run, zurich("2027-01-20T23:00"), &Deaths::None).await;
            }
            Before::Deleted => {
                delete(app, &[("directory", "u-0006"), ("mailhost", "m-0006"), ("files", "f-0006")]).await
            }
            Before::LongDeleted => {
                delete(app, &[("mailhost", "m-0005")]).await;
                app.clock.set(zurich("2027-03-20T09:00"));
            }
        }
    }
}

fn request(workflow: &str, subject: SubjectRef, inputs: &[(&str, &str)]) -> Request {
    Request {
        workflow: workflow.into(),
        subject,
        inputs: inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect::<BTreeMap<_, _>>(),
        event: None,
        start: None,
        key: None,
        trigger: "cli".into(),
        asked_by: "os:test".into(),
    }
}

/// Somebody deletes accounts on the systems themselves, and usher reads it.
async fn delete(app: &App, accounts: &[(&str, &str)]) {
    for (system, id) in accounts {
        let sandbox = app.company.system(system).expect("the system");
        let with = json!({ "reason": "departure" }).as_object().cloned().unwrap_or_else(Map::new);
        for action in [ActionKind::AccountDisable, ActionKind::AccountDelete] {
            let key = format!("by hand/{action}/{system}");
            let (account, with) = (Some((*id).to_owned()), with.clone());
            let call = Call { action, with, account, idempotency_key: key, fence: 1, now: app.now() };
            sandbox.by_hand(&call).expect("deletes by hand");
        }
    }
    app.sync().await;
}
