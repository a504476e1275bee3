//! What a step asks of a target or a person: its parameters, its instruction, its points, its confirmation.

use std::ops::Deref;
use std::sync::OnceLock;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::book::{Book, Step};
use super::prepare::{RunFacts, render_params, scope};
use super::subject::{Account, Person, Subject};
use crate::workflow::params::Recipient;
use crate::workflow::{ActionKind, Param, Params, Scope, SubjectKind, messages};

/// What a step's expressions see, with the person as they are now; put together when the first of them looks, because most
/// steps have none.
#[derive(Debug)]
pub struct StepScope<'a> {
    book: &'a Book,
    person: Option<&'a Person>,
    manager: Option<&'a Person>,
    account: Option<&'a Account>,
    seen: OnceLock<Scope>,
}

/// What a step's expressions see.
pub fn step_scope<'a>(
    book: &'a Book,
    person: Option<&'a Person>,
    manager: Option<&'a Person>,
    account: Option<&'a Account>,
) -> StepScope<'a> {
    StepScope { book, person, manager, account, seen: OnceLock::new() }
}

impl Deref for StepScope<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.seen.get_or_init(|| {
            let run = &self.book.run;
            let facts = RunFacts { id: Some(run.public_id()), workflow: run.workflow.name.clone(), started: run.start };
            let subject = match (run.subject, self.person, self.account) {
                (SubjectKind::Person, Some(person), _) => {
                    Subject::Person { person: Box::new(person.clone()), manager: self.manager.cloned().map(Box::new) }
                }
                (SubjectKind::Account, _, Some(account)) => Subject::Account(Box::new(account.clone())),
                _ => Subject::Organisation,
            };
            scope(&subject, &run.inputs, self.account, &facts)
        })
    }
}

impl Serialize for StepScope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

/// The rendered parameters of a step, checked against its action. An ending takes those of the step it ends that its
/// own action knows.
///
/// # Errors
/// Which parameter cannot be filled, and why.
pub fn parameters(book: &Book, step: &Step, scope: &StepScope<'_>) -> Result<Map<String, Value>, String> {
    let Some(definition) = book.definition(step) else { return Ok(Map::new()) };
    let known = (definition.action != step.action).then(|| Params::fields(step.action));
    let asked = definition
        .with
        .iter()
        .filter(|(name, _)| known.is_none_or(|known| known.iter().any(|field| field.name == name.as_str())));
    let rendered = render_params(asked, scope).map_err(|error| error.message)?;
    // What renders to nothing is as good as not written.
    let mut rendered: Map<String, Value> = rendered.into_iter().filter(|(_, value)| !value.is_null()).collect();
    Params::from_json(step.action, &rendered)?;
    if step.action == ActionKind::MailAutoReply {
        write_out(&mut rendered, scope)?;
    }
    Ok(rendered)
}

/// What another run's step asked for, which a step of an undoing takes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// What was done.
    pub action: ActionKind,
    /// With which parameters.
    pub with: Map<String, Value>,
}

/// In a run that undoes another: what the undone step asked for, rendered as it would be today.
///
/// # Errors
/// As [`parameters`].
pub fn undone(book: &Book, step: &Step, scope: &StepScope<'_>) -> Result<Option<Undone>, String> {
    let Some(definition) = book.definition(step).filter(|_| step.undoes.is_some()) else { return Ok(None) };
    let original = Step { action: definition.action, ..step.clone() };
    Ok(Some(Undone { action: definition.action, with: parameters(book, &original, scope)? }))
}

/// The text that a reply's template gives takes the template's place: a target is told words, not names.
fn write_out(reply: &mut Map<String, Value>, scope: &Scope) -> Result<(), String> {
    let Some(name) = reply.remove("template") else { return Ok(()) };
    let language = reply.get("language").and_then(Value::as_str);
    let text = messages::fill(name.as_str().unwrap_or_default(), language, reply.get("contact"), scope)?;
    reply.insert("message".to_owned(), Value::String(text));
    Ok(())
}

/// What a person is asked to do.
pub fn instruction(book: &Book, step: &Step, scope: &Scope) -> String {
    let text = |key: &str| text(book, step, scope, key);
    let assignee = text("assignee").map(|who| format!(" ({who})")).unwrap_or_default();
    match step.action {
        ActionKind::Checklist => format!("tick each point{assignee}"),
        ActionKind::Task => {
            let title = text("title").unwrap_or_else(|| step.name.clone());
            let more = text("instruction").map(|more| format!(": {more}")).unwrap_or_default();
            format!("{title}{more}{assignee}")
        }
        _ => format!("{}{assignee}", step.action.describe()),
    }
}

/// Who is to do it, where the file says so.
pub fn assignee(book: &Book, step: &Step, scope: &Scope) -> Option<Recipient> {
    match book.definition(step)?.with.get("assignee")? {
        Param::Template(template) => serde_json::from_value(template.render(scope).ok()?).ok(),
        Param::Literal(value) => serde_json::from_value(value.clone()).ok(),
        _ => None,
    }
}

/// The points of a checklist; none for other steps.
pub fn items(book: &Book, step: &Step, scope: &Scope) -> Vec<String> {
    if step.action != ActionKind::Checklist {
        return Vec::new();
    }
    match book.definition(step).and_then(|def| def.with.get("items")) {
        Some(Param::List(items)) => items
            .iter()
            .map(|item| match item {
                Param::Template(template) => {
                    template.render_text(scope).unwrap_or_else(|_| template.source().to_owned())
                }
                Param::Literal(Value::String(text)) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What must be typed to approve a step, where the file asks for it.
pub fn confirmation(book: &Book, step: &Step, scope: &Scope) -> Option<String> {
    (step.action == ActionKind::Approval).then(|| text(book, step, scope, "confirm")).flatten()
}

fn text(book: &Book, step: &Step, scope: &Scope, key: &str) -> Option<String> {
    match book.definition(step)?.with.get(key)? {
        Param::Template(template) => template.render_text(scope).ok().filter(|text| !text.is_empty()),
        Param::Literal(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::{Case, Story, departure};
    use crate::workflow::Template;

    #[test]
    fn what_expressions_see_is_put_together_when_one_looks() {
        let story = Story::of(&Case::of(departure()).given("last_day", "2027-01-29"));
        let scope = step_scope(&story.book, story.person.as_ref(), None, None);
        assert_eq!(parameters(&story.book, story.step("disable@ldap"), &scope), Ok(Map::new()));
        assert!(scope.seen.get().is_none(), "nothing of it was asked for");
        let name = Template::parse("{{ person.display_name }}").unwrap().render_text(&scope);
        assert_eq!(name.as_ref(), Ok(&story.person.as_ref().unwrap().display_name));
    }
}
