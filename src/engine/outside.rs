//! `http.request` and `exec`: steps that call others without there being a system. Where they may call, and with which
//! credentials, the configuration says (`[requests.NAME]`, `[programs.NAME]`); a workflow only says what.

use super::Engine;
use super::execute::{ended, within};
use crate::connectors::ActionError;
use crate::connectors::exec::Program;
use crate::connectors::http::Line;
use crate::run::book::public_id;
use crate::run::settle::Outcome;
use crate::run::{Evidence, HoldReason};
use crate::store::Claim;
use crate::workflow::Params;
use crate::workflow::params::{Http, Program as Command};

/// Who may be called.
#[derive(Debug, Default)]
pub struct Outside {
    /// Places that `http.request` may call.
    pub requests: Vec<Line>,
    /// Programs that `exec` may run.
    pub programs: Vec<Program>,
}

impl Engine {
    /// One attempt at `http.request` or `exec`.
    pub(super) async fn call_outside(&self, claim: &Claim, lease_stands: impl Fn() -> bool) -> Outcome {
        let key = format!("{}/{}", public_id(claim.run), claim.label);
        match Params::from_json(claim.action, &claim.with) {
            Ok(Params::Http(http)) => {
                let Some(line) = self.outside().requests.iter().find(|line| line.leads_to(&http.url)) else {
                    let what =
                        format!("no [requests.NAME] in the configuration has a `url` that {} is below", place(&http));
                    return Outcome::Held(HoldReason::Missing(what));
                };
                if !lease_stands() {
                    return Outcome::Returned;
                }
                ended(within(claim.timeout, line.request(&http, &key)).await)
            }
            Ok(Params::Program(command)) => {
                let programs = &self.outside().programs;
                let Some(program) = programs.iter().find(|program| program.is(&command.program)) else {
                    let what = format!("no [programs.NAME] in the configuration has the program {}", command.program);
                    return Outcome::Held(HoldReason::Missing(what));
                };
                if !lease_stands() {
                    return Outcome::Returned;
                }
                ended(within(claim.timeout, run(program, command, &key, claim.fence)).await)
            }
            Ok(_) => Outcome::Failed("this is neither a request nor a program".to_owned()),
            Err(why) => Outcome::Failed(why),
        }
    }
}

async fn run(program: &Program, command: Command, key: &str, attempt: i64) -> Result<Evidence, ActionError> {
    program.run(command.args.unwrap_or_default(), key, attempt).await
}

/// Without path and query, which may be about somebody.
fn place(http: &Http) -> String {
    let end = http.url.find("://").and_then(|at| http.url[at + 3..].find(['/', '?', '#']).map(|end| at + 3 + end));
    http.url[..end.unwrap_or(http.url.len())].to_owned()
}
