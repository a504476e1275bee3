//! The parameters of a claim that a workflow leaves to the house's conventions: what the department gives, and how a
//! new account is called.

use serde_json::{Map, Value, json};

use super::judging::Line;
use super::names::NameAsked;
use super::{Store, StoreError, Tx};
use crate::run::book::{Book, Step};
use crate::run::conventions::Unfilled;
use crate::run::naming::Pattern;
use crate::run::{HoldReason, Person, StepEvent};
use crate::workflow::ActionKind;

/// What the conventions make of a step's parameters.
pub(super) enum Filled {
    /// They are complete.
    With(Map<String, Value>),
    /// There is nothing to do, or a person has to say something first.
    Instead(StepEvent),
    /// Somebody changes the person just now: it is looked at again.
    Later,
}

impl Store {
    /// Completes the parameters of a step whose attempt is about to start.
    pub(super) async fn fill(
        &self,
        line: &Line<'_>,
        book: &Book,
        step: &Step,
        person: Option<&Person>,
        mut with: Map<String, Value>,
    ) -> Result<Filled, StoreError> {
        match self.conventions().departments.fill(step.action, step.system.as_deref(), person, &mut with) {
            Ok(()) => {}
            Err(Unfilled::Skip(reason)) => return Ok(Filled::Instead(StepEvent::Skipped { at: line.now, reason })),
            Err(Unfilled::Hold(reason)) => return Ok(Filled::Instead(StepEvent::Held { reason })),
        }
        match (step.action, &step.system, person) {
            (ActionKind::AccountCreate, Some(_), None) => {
                Ok(missing("an account is made for a person, and this run is about none"))
            }
            (ActionKind::AccountCreate, Some(system), Some(person)) if step.account.is_none() => {
                self.introduce(*line.tx().await, book.run.id, system, person, with).await
            }
            _ => Ok(Filled::With(with)),
        }
    }

    /// Everything a system must know to make an account for somebody.
    async fn introduce(
        &self,
        tx: &mut Tx,
        run: i64,
        system: &str,
        person: &Person,
        mut with: Map<String, Value>,
    ) -> Result<Filled, StoreError> {
        let pattern = match with.remove("naming").as_ref().and_then(Value::as_str).map(Pattern::parse) {
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(why)) => return Ok(missing(format!("`with: naming`: {why}"))),
            None => None,
        };
        let given = with.remove("address");
        let asked = NameAsked { system, address: given.as_ref().and_then(Value::as_str), pattern };
        let named = match self.name_account(tx, run, person, &asked).await? {
            Some(Ok(named)) => named,
            Some(Err(why)) => return Ok(missing(why)),
            None => return Ok(Filled::Later),
        };
        let told = [
            ("employee_number", &person.employee_number),
            ("given_name", &person.given_name),
            ("family_name", &person.family_name),
            ("display_name", &person.display_name),
            ("email", &named.address),
            ("login", named.sign_in.as_ref().unwrap_or(&named.address)),
        ];
        with.extend(
            told.into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_owned(), json!(value))),
        );
        Ok(Filled::With(with))
    }
}

fn missing(why: impl std::fmt::Display) -> Filled {
    Filled::Instead(StepEvent::Held { reason: HoldReason::Missing(why.to_string()) })
}
