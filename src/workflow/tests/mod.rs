//! What a workflow file says and what it gets, told file by file.

mod mistakes;
mod reading;
mod warnings;

use super::{Diagnostic, Workflow, parse};

/// A file about a person with two inputs, whose steps begin in line 9.
fn file(steps: &str) -> String {
    format!(
        "workflow: test\ntitle: A test\nfor: person\non: {{ manual: true }}\ninputs:\n  \
         last_day: {{ type: date, required: true }}\n  \
         retention: {{ type: duration, default: 180 days, min: 120 days }}\nsteps:\n{steps}"
    )
}

#[track_caller]
fn good(text: &str) -> Workflow {
    match parse("test.yaml", text) {
        Ok((workflow, _)) => workflow,
        Err(mistakes) => panic!("{}", super::diagnostic::render(&mistakes, false)),
    }
}

#[track_caller]
fn mistakes(text: &str) -> Vec<Diagnostic> {
    parse("test.yaml", text).map(|(workflow, _)| workflow.name).expect_err("a mistake")
}

/// The only mistake of a text.
#[track_caller]
fn mistake(text: &str) -> Diagnostic {
    let mut found = mistakes(text);
    assert_eq!(found.len(), 1, "{}", super::diagnostic::render(&found, false));
    found.remove(0)
}

#[track_caller]
fn warnings(text: &str) -> Vec<Diagnostic> {
    match parse("test.yaml", text) {
        Ok((_, warnings)) => warnings,
        Err(mistakes) => panic!("{}", super::diagnostic::render(&mistakes, false)),
    }
}
