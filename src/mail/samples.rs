//! What templates are filled with, and an example of it for each: what `usher check` and the tests fill them with.

use serde_json::{Map, Value, json};

use super::Addressee;
use super::language::Language;
use crate::secret::Secret;
use crate::workflow::Scope;

/// What a template may say. Which of the fields a template knows is said by [`fields`].
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the step's expressions see; null where there is no run.
    pub scope: Scope,
    /// A link that lets its holder choose a password.
    pub link: Option<Secret>,
    /// Whether the recipient is to hand it over to the person.
    pub by_hand: bool,
    /// A command to run.
    pub command: Option<String>,
    /// What waits for the recipient.
    pub tasks: Vec<Task>,
    /// How many of the problems are urgent.
    pub urgent: usize,
    /// What has stopped since the last mail.
    pub problems: Vec<Problem>,
    /// What was told before and is still stopped.
    pub still: Vec<Problem>,
    /// What was told before and is over.
    pub gone: Vec<Problem>,
    /// How many more there are than are listed.
    pub more: usize,
}

/// Something that waits for the recipient.
#[derive(Clone, Debug)]
pub struct Task {
    /// The workflow's title.
    pub title: String,
    /// Whom it is about.
    pub person: Option<String>,
    /// What is to be done.
    pub what: String,
    /// The points of a checklist that are open.
    pub items: Vec<String>,
    /// The exact command that answers it.
    pub command: String,
    /// The day since when it waits, as `2027-01-29`.
    pub since: String,
    /// Whether they were told before.
    pub again: bool,
}

/// Something that has stopped.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What, with its reason.
    pub what: String,
    /// What to do about it; empty where it is over.
    pub command: String,
    /// The day since when, as `2027-01-29`.
    pub since: String,
}

/// Inputs that templates may name though a workflow has none of that name: they are empty then.
const INPUTS: [&str; 6] = ["contact", "last_day", "product", "reason", "role", "until"];

/// The fields that a template knows besides those that every template does.
pub(super) fn fields(name: &str) -> &'static [&'static str] {
    match name {
        "welcome" | "setup-link" | "password-reset" => &["link", "by_hand"],
        "credentials-sealed" => &["command"],
        "tasks-waiting" => &["tasks"],
        "alert" => &["urgent", "problems", "still", "gone", "more"],
        _ => &[],
    }
}

impl Facts {
    /// The facts of a step.
    pub fn of(scope: &Scope) -> Self {
        Self { scope: scope.clone(), ..Self::default() }
    }

    /// Whether an alert would have anything in it.
    pub fn says_something(&self) -> bool {
        !(self.problems.is_empty() && self.still.is_empty() && self.gone.is_empty())
    }

    /// What the template called `name` sees.
    pub(super) fn values(&self, name: &str, language: Language, to: &Addressee) -> Value {
        let mut inputs: Map<String, Value> = INPUTS.iter().map(|known| ((*known).to_owned(), Value::Null)).collect();
        inputs.extend(self.scope.inputs.as_object().cloned().unwrap_or_default());
        let mut values = json!({
            "language": language.as_str(),
            "greeting": greeting(language, to.name.as_deref()),
            "to": { "email": to.email, "name": super::or_null(to.name.as_deref()) },
            "person": self.scope.person,
            "inputs": inputs,
            "account": self.scope.account,
            "run": self.scope.run,
        });
        for field in fields(name) {
            values[*field] = match *field {
                "link" => super::or_null(self.link.as_ref().map(Secret::expose)),
                "by_hand" => json!(self.by_hand),
                "command" => json!(self.command),
                "tasks" => self.tasks.iter().map(Task::value).collect(),
                "urgent" => json!(self.urgent),
                "problems" => self.problems.iter().map(Problem::value).collect(),
                "still" => self.still.iter().map(Problem::value).collect(),
                "gone" => self.gone.iter().map(Problem::value).collect(),
                _ => json!(self.more),
            };
        }
        values
    }
}

impl Task {
    fn value(&self) -> Value {
        json!({ "title": self.title, "person": self.person, "what": self.what, "items": self.items,
            "command": self.command, "since": self.since, "again": self.again })
    }
}

impl Problem {
    fn value(&self) -> Value {
        json!({ "what": self.what, "command": self.command, "since": self.since })
    }
}

fn greeting(language: Language, name: Option<&str>) -> String {
    let hello = match language {
        Language::En => "Hello",
        Language::Fr => "Bonjour",
        Language::De => "Guten Tag",
        Language::It => "Buongiorno",
    };
    name.map_or_else(|| format!("{hello},"), |name| format!("{hello} {name},"))
}

/// What a template is tried with: once with everything there is, once with as little as there may be.
pub(super) fn samples() -> [Facts; 2] {
    let manager = json!({ "employee_number": "1004", "given_name": "Søren", "family_name": "Østergaard",
        "display_name": "Søren Østergaard", "email": "soren@example.org", "department": "Sales",
        "timezone": "Europe/Zurich", "language": "de", "start_date": "2019-03-01", "last_day": null,
        "status": "active", "private_email": null });
    let nobody: Map<String, Value> =
        manager.as_object().into_iter().flatten().map(|(name, _)| (name.clone(), Value::Null)).collect();
    let full = Facts {
        scope: Scope {
            person: json!({ "employee_number": "1005", "given_name": "Ada", "family_name": "Keller",
                "display_name": "Ada Keller", "email": "ada@example.org", "department": "Sales",
                "timezone": "Europe/Zurich", "language": "fr", "start_date": "2020-06-01", "last_day": "2027-01-29",
                "status": "leaving", "private_email": "ada@home.example", "manager": manager }),
            inputs: json!({ "contact": "soren@example.org", "product": "kDrive", "reason": "an incident",
                "role": "administrator" }),
            account: json!({ "id": "u-0005", "login": "ada.keller", "system": "directory" }),
            run: json!({ "id": "run_1", "workflow": "departure", "started": "2027-01-20T08:00:00Z" }),
        },
        link: Some(Secret::new("https://directory.example/set-up?token=6f1c2a&lang=en")),
        by_hand: false,
        command: Some("usher credentials open run_1 send@directory --reason 'handed over'".to_owned()),
        tasks: vec![task(), Task { items: vec!["Important mail transferred".to_owned()], again: true, ..task() }],
        urgent: 1,
        problems: vec![problem("delete@mailhost of run_1 is held: a freeze is on"), problem("parked: no such person")],
        still: vec![problem("disable@files of run_3 has failed: no such account")],
        gone: vec![Problem { command: String::new(), ..problem("transfer-mail@mailhost of run_2") }],
        more: 3,
    };
    let mut little = full.clone();
    little.by_hand = true;
    little.scope.inputs = json!({});
    for field in ["email", "department", "timezone", "language", "start_date", "last_day", "private_email"] {
        little.scope.person[field] = Value::Null;
    }
    little.scope.person["manager"] = Value::Object(nobody);
    little.tasks.truncate(1);
    (little.urgent, little.problems, little.still, little.more) = (0, Vec::new(), Vec::new(), 0);
    [full, little]
}

fn task() -> Task {
    Task {
        title: "Employee departure".to_owned(),
        person: Some("Ada Keller".to_owned()),
        what: "Collect the badge and block it in the door system at reception".to_owned(),
        items: Vec::new(),
        command: "usher task done run_1 disable@badges".to_owned(),
        since: "2027-01-29".to_owned(),
        again: false,
    }
}

fn problem(what: &str) -> Problem {
    Problem {
        what: what.to_owned(),
        command: "usher step retry run_1 delete@mailhost --reason …".to_owned(),
        since: "2027-01-29".to_owned(),
    }
}
