//! The small house in which the story takes place: its systems, its people, its daemons.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use usher::connectors::Connector;
use usher::connectors::faulty::FaultySystem;
use usher::engine::library::Library;
use usher::engine::{Engine, Fittings};
use usher::faults::Faults;
use usher::run::Rules;
use usher::run::limits::Limits;

use crate::harness::{App, mail_room, store_with};

const COMPANY: &str = r#"
name = "Small House"

[systems.directory]
title = "Directory of people"
facets = ["directory"]
trash = true
grace_days = 30

[systems.mailhost]
title = "Mail"
facets = ["mail"]
trash = true
grace_days = 30
"#;

/// The company and those who have accounts there.
pub(super) fn company() -> String {
    let mut text = COMPANY.to_owned();
    for number in ["1001", "1002", "1003"] {
        text.push_str(&format!(
            r#"
[[people]]
number = "{number}"
given_name = "Robin"
family_name = "Nr{number}"
email = "robin.{number}@small.example"
on.directory = {{ id = "u-{number}", role = "user", groups = ["staff"], sessions = ["laptop"], tokens = ["authenticator"] }}

[people.on.mailhost]
id = "m-{number}"
licence = "mail-standard"
mails = 10
mail_size = "0.1 GB"
sessions = ["laptop", "phone"]
app_passwords = ["phone"]
rules = [{{ name = "private copy", forward_to = "robin.{number}@private.example" }}]
"#
        ));
    }
    // Somebody whose only account is a mailbox, so that two approvals wait together.
    text.push_str(
        r#"
[[people]]
number = "1005"
given_name = "Robin"
family_name = "Nr1005"
email = "robin.1005@small.example"
on.mailhost = { id = "m-1005" }
"#,
    );
    text
}

/// Credentials that somebody hands over.
const SEALED: &str = "workflow: sealed\nfor: person\non: { manual: true }\nsteps:\n  - id: send\n    \
                      action: credentials.send\n    systems: directory\n    with: { method: sealed }\n";

/// A question that nobody answers.
const ASKED: &str = "workflow: asked\nfor: person\non: { manual: true }\nsteps:\n  - id: ask\n    action: approval\n    \
                     with: { role: approver, answer_within: 3 days, on_lapse: skip }\n";

/// A daemon that has just started, to which these faults happen.
pub(super) async fn daemon(app: &App, faults: &Arc<Faults>) -> Engine {
    let limits = Limits { inventory_age: Duration::from_secs(90 * 86_400), ..Limits::default() };
    let rules = Rules { limits, ..Rules::default() };
    let store = store_with(&app.home, &app.clock, &app.keys, rules.clone()).await.with_faults(Arc::clone(faults));
    let mut workflows = Library::shipped().workflows;
    workflows.extend(Library::of([("sealed.yaml", SEALED), ("asked.yaml", ASKED)]).workflows);
    let fittings = Fittings {
        mail: Some(mail_room()),
        checkpoint_file: Some(app.folder.path().join("checkpoints")),
        silent_after: Some(Duration::from_secs(60 * 86_400)),
        finished_runs: Some(Duration::from_secs(30 * 86_400)),
        ..Fittings::default()
    };
    Engine::with(store, faulty(app, faults), workflows, "Europe/Zurich", rules, fittings)
}

fn faulty(app: &App, faults: &Arc<Faults>) -> BTreeMap<String, Connector> {
    let names = app.company.description().systems.keys();
    let system = |name: &String| FaultySystem::new(app.company.system(name).expect("the system"), Arc::clone(faults));
    names.map(|name| (name.clone(), Connector::Faulty(system(name)))).collect()
}
