//! HR moves a date of something that is under way: the run follows, or the event is parked and says why.

use super::events::{Outcome, said};
use crate::engine::Engine;
use crate::engine::changes::{ChangeError, Followed};
use crate::run::EventFacts;
use crate::run::book::{Book, public_id};
use crate::store::{EventRow, StoreError};

/// Lets a run follow what HR says now with an event.
///
/// # Errors
/// When the database cannot be used.
pub(super) async fn follow(
    engine: &Engine,
    book: &Book,
    facts: &EventFacts,
    event: &EventRow,
    came: &mut Outcome,
) -> Result<(), StoreError> {
    let run = book.run.public_id();
    match engine.follow_hr(book.run.id, facts, &said(event)).await {
        Ok(followed) => came.notes.push(words(&run, &followed)),
        Err(ChangeError::Store(error)) if error.is_outage() => return Err(error),
        Err(ChangeError::CutDone { run, why }) => {
            let (run, event) = (public_id(run), event.public_id());
            came.park(format!(
                "{why}. Its deletions are held; `usher run undo {run}` takes back what is done, then `usher events retry \
                 {event}` lets HR's word count"
            ));
            came.propose_undo(&run);
            came.proposes.push(format!("usher events retry {event}"));
        }
        Err(error) => {
            came.park(format!("{run} cannot follow: {error}"));
            came.proposes.push(format!("usher run reschedule {run} --set NAME=VALUE"));
        }
    }
    Ok(())
}

fn words(run: &str, followed: &Followed) -> String {
    let (inputs, shifts) = (&followed.rescheduled.inputs, followed.rescheduled.shifts.len());
    match (followed.rescheduled.is_nothing(), followed.goes_on) {
        (true, false) => format!("{run} is about this already"),
        (true, true) => format!("{run} goes on as planned"),
        (false, goes_on) => {
            let inputs = if inputs.is_empty() { String::new() } else { format!("new {}, ", inputs.join(", ")) };
            let again = if goes_on { " and goes on" } else { "" };
            format!("{run} follows ({inputs}{shifts} steps moved){again}")
        }
    }
}
