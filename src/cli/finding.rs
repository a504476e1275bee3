//! From what somebody typed to the thing that is meant, or to the nearest one there is.

use super::error::CliError;
use super::house::House;
use crate::engine::trigger::TriggerError;
use crate::run::book::{Book, parse_public_id};
use crate::run::nearest::{nearest, way_out};
use crate::run::{Account, Person, trip};
use crate::store::parse_event_id;

/// The key of a run: `run_12`, or `12`.
///
/// # Errors
/// When it is none.
pub(super) fn run_key(typed: &str) -> Result<i64, CliError> {
    parse_public_id(typed).ok_or_else(|| {
        CliError::usage(format!("`{typed}` is no run: runs are called run_12")).help("`usher run list` shows them")
    })
}

/// The key of an event of HR's: `evt_12`, or `12`.
///
/// # Errors
/// When it is none.
pub(super) fn event_key(typed: &str) -> Result<i64, CliError> {
    parse_event_id(typed).ok_or_else(|| {
        CliError::usage(format!("`{typed}` is no event: events are called evt_12"))
            .help("`usher events list` shows them")
    })
}

/// The key of a guard that has tripped: `trip_3`, or `3`.
///
/// # Errors
/// When it is none.
pub(super) fn trip_key(typed: &str) -> Result<i64, CliError> {
    trip::parse_public_id(typed).ok_or_else(|| {
        CliError::usage(format!("`{typed}` is no guard that has tripped: they are called trip_3"))
            .help("`usher guard list --all` shows them")
    })
}

/// The label of a step of `book`: `disable@ldap`, or the name alone where only one step has it.
///
/// # Errors
/// When there is none, or there are several.
pub(super) fn step_label(book: &Book, typed: &str) -> Result<String, CliError> {
    let run = book.run.public_id();
    let candidates = match book.find(typed) {
        Ok(ordinal) => return Ok(book.step(ordinal).map(crate::run::book::Step::label).unwrap_or_default()),
        Err(candidates) => candidates,
    };
    if book.steps.iter().any(|step| step.name == typed) {
        let message = format!("`{typed}` is several steps of {run}");
        return Err(CliError::usage(message).help(format!("name one: {}", candidates.join(", "))));
    }
    let message = format!("{run} has no step `{typed}`");
    let labels = candidates.iter().map(String::as_str);
    let near = nearest(typed, labels.clone().chain(book.steps.iter().map(|step| step.name.as_str())));
    Err(CliError::not_found(message).help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => way_out(typed, labels),
    }))
}

/// `SYSTEM:ID`
///
/// # Errors
/// When it is not of that form.
pub(super) fn system_and_id(typed: &str) -> Result<(&str, &str), CliError> {
    typed.split_once(':').filter(|(system, id)| !system.is_empty() && !id.is_empty()).ok_or_else(|| {
        CliError::usage(format!("`{typed}` is no account: SYSTEM:ID is expected, as directory:u-0005"))
            .help("`usher accounts list` shows them")
    })
}

/// The most people that a slip is compared with.
const MOST_COMPARED: i64 = 20_000;

impl House {
    /// The person with this employee number.
    ///
    /// # Errors
    /// When there is none; who is nearly called so is named.
    pub(super) async fn person(&self, key: &str) -> Result<Person, CliError> {
        match self.store().person(key).await? {
            Some(person) => Ok(person),
            None => Err(self.no_person(key).await),
        }
    }

    async fn no_person(&self, key: &str) -> CliError {
        let error: CliError = TriggerError::NoSubject { kind: "person", key: key.to_owned() }.into();
        // Among very many people somebody is always called nearly so.
        if self.store().count_people().await.unwrap_or(i64::MAX) > MOST_COMPARED {
            return error;
        }
        let Ok(people) = self.store().people(None).await else { return error };
        match like(key, &people) {
            Some(person) => {
                let near = format!("did you mean {} ({})?", person.employee_number, person.display_name);
                CliError { help: std::iter::once(near).chain(error.help).collect(), ..error }
            }
            None => error,
        }
    }

    /// The account called `SYSTEM:ID`, by immutable id or sign-in name.
    ///
    /// # Errors
    /// When there is none, or several share the name.
    pub(super) async fn account(&self, typed: &str) -> Result<Account, CliError> {
        let (system, id) = system_and_id(typed)?;
        let mut found = self.store().accounts(Some(system), None, Some(id)).await?;
        if let Some(at) = found.iter().position(|account| account.external_id == id) {
            return Ok(found.swap_remove(at));
        }
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), _) => Err(CliError::usage(format!("several accounts on {system} are called {id}"))
                .help(format!("name one by its id: `usher accounts list --system {system}`"))),
            (None, _) => {
                let error: CliError = TriggerError::NoSubject { kind: "account", key: typed.to_owned() }.into();
                Err(self.known_system(system).err().unwrap_or(error))
            }
        }
    }

    /// That a system is configured.
    ///
    /// # Errors
    /// When it is not; the nearest is named.
    pub(super) fn known_system(&self, name: &str) -> Result<(), CliError> {
        if self.config.systems.contains_key(name) {
            return Ok(());
        }
        let help = way_out(name, self.config.systems.keys().map(String::as_str));
        Err(CliError::not_found(format!("there is no system {name}")).help(help))
    }

    /// An error of the trigger, with the nearest person where one is unknown.
    pub(super) async fn explain(&self, error: TriggerError) -> CliError {
        match error {
            TriggerError::NoSubject { kind: "person", key } => self.no_person(&key).await,
            other => other.into(),
        }
    }
}

/// Somebody called so, or nearly so.
fn like<'p>(typed: &str, people: &'p [Person]) -> Option<&'p Person> {
    let wanted = typed.to_lowercase();
    let called = |person: &&Person| {
        person.display_name.to_lowercase() == wanted
            || person.email.as_deref().map(str::to_lowercase) == Some(wanted.clone())
    };
    let near = |name: &str| people.iter().find(|person| person.employee_number == name);
    people
        .iter()
        .find(called)
        .or_else(|| nearest(typed, people.iter().map(|person| person.employee_number.as_str())).and_then(near))
        .or_else(|| {
            let name = nearest(typed, people.iter().map(|person| person.display_name.as_str()))?;
            people.iter().find(|person| person.display_name == name)
        })
}
