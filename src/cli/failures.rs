//! What the rooms below answer, as errors of the command line: which exit code, and what to do.

use super::error::{CliError, Exit};
use crate::daemon::StartError;
use crate::engine::changes::ChangeError;
use crate::engine::trigger::TriggerError;
use crate::intake::feed::TakeError;
use crate::run::PlanError;
use crate::run::book::public_id;
use crate::run::nearest::way_out;
use crate::store::StoreError;
use crate::workflow::Diagnostic;

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let way_out = error.way_out().map(str::to_owned);
        let base = match error {
            StoreError::NotFound { kind: "run", .. } => Self::not_found(message).help("`usher run list` shows them"),
            StoreError::NotFound { kind: "event", .. } => {
                Self::not_found(message).help("`usher events list` shows them")
            }
            StoreError::NotFound { .. } => Self::not_found(message),
            StoreError::Refused(_) => Self::refused("refused", message),
            StoreError::NotTheirs { .. } => Self::refused("two_people", message),
            StoreError::Illegal(_) => {
                Self::refused("state", message).help("`usher run show RUN` tells where each step stands")
            }
            StoreError::Conflict(_) => Self::environment("conflict", message).help("nothing was changed; try again"),
            StoreError::Unanswered { .. } => Self::environment("unanswered", message)
                .help("look before you do it again: `usher run list`, and `usher run show RUN` for one run")
                .help("twice is not twice where --key names it, for an open run of the same person, and for HR's file"),
            StoreError::Version { .. } => Self::environment("database_version", message),
            StoreError::Seal(_) | StoreError::Keys(_) => Self::environment("key", message)
                .help("the key file that was used with this database is needed ([keys] in usher.toml)"),
            StoreError::Database(_) | StoreError::Open { .. } | StoreError::Corrupt { .. } => {
                Self::environment("database", message)
            }
        };
        way_out.into_iter().fold(base, Self::help)
    }
}

impl From<TakeError> for CliError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::File(problem) => Self::environment("file", problem.to_string())
                .help("what was taken in until then stays; import the file again"),
            TakeError::Store(error) => error.into(),
        }
    }
}

impl From<TriggerError> for CliError {
    fn from(error: TriggerError) -> Self {
        let message = error.to_string();
        match error {
            TriggerError::NoWorkflow { name, known } => {
                Self::not_found(message).help(way_out(&name, known.iter().map(String::as_str)))
            }
            TriggerError::NoSubject { kind: "person", .. } => Self::not_found(message)
                .help("`usher people list` shows everybody; `usher people import` takes in HR's file"),
            TriggerError::NoSubject { .. } => Self::not_found(message)
                .help("`usher accounts list` shows those known; `usher accounts sync` reads them again"),
            TriggerError::WrongSubject { .. } => Self::usage(message),
            TriggerError::HasLeft(_) => Self::refused("has_left", message)
                .help("an access that is still open is closed by `usher block PERSON`")
                .help("if they are back, let HR's file say so: `usher people import FILE`"),
            TriggerError::NothingToDo(_) => Self::refused("nothing_to_do", message)
                .help("write [mail] into usher.toml: `usher init` shows how, `usher mail test` tries it"),
            TriggerError::Ambiguous { .. } => Self::refused("ambiguous", message)
                .help("unbind those that are not theirs: `usher accounts unbind SYSTEM:ID`"),
            TriggerError::Plan(error) => error.into(),
            TriggerError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for CliError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Plan(error) => error.into(),
            ChangeError::Store(error) => error.into(),
            ChangeError::CutDone { run, why } => {
                let run = public_id(run);
                Self::refused("cut_done", why)
                    .help(format!("`usher run undo {run} --reason TEXT` takes back what is done"))
                    .help("then start it again with the new inputs")
            }
        }
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        let code = error.code();
        let usage = |message: String| Self::new(Exit::Usage, code, message);
        match &error {
            PlanError::Inputs(problems) => match problems.as_slice() {
                [one] => usage(one.to_string()).help("inputs are given with --set NAME=VALUE"),
                several => {
                    let base = usage(format!("{} inputs are missing or wrong", several.len()));
                    several.iter().fold(base, |error, problem| error.help(problem.to_string()))
                }
            },
            PlanError::WrongSubject { .. } => usage(error.to_string()),
            _ => Self::refused(code, format!("no plan can be made: {error}")),
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        let message = error.to_string();
        match error {
            StartError::Store(error) => error.into(),
            StartError::Key(_) => Self::environment("key", message).help("[keys] in usher.toml says where the key is"),
            StartError::Secret(_) => Self::environment("secret", message),
            StartError::Sandbox(_) => Self::environment("system", message).help("see [systems] in usher.toml"),
            StartError::NoSuchSystem { .. } => {
                Self::new(Exit::Usage, "config", message).help("`usher check` tells which systems the company has")
            }
            StartError::Workflows(mistakes) | StartError::MailTemplates(mistakes) => {
                let base = Self::new(Exit::Usage, "workflows", message);
                let brief = |mistake: &Diagnostic| format!("{}:{}: {}", mistake.file, mistake.line, mistake.message);
                mistakes.iter().take(3).map(brief).fold(base, Self::help)
            }
            StartError::Folder(_) => {
                Self::environment("workflows", message).help("`folder` in [workflows] names it; `usher init` makes one")
            }
            StartError::Listen { ref error, .. } => listening(&message, error.kind()),
        }
    }
}

fn listening(message: &str, kind: std::io::ErrorKind) -> CliError {
    let error = CliError::environment("listen", message);
    match kind {
        std::io::ErrorKind::AddrInUse => error
            .help("another program (or another usher) listens there")
            .help("choose another address: `listen` in [serve], or USHER__SERVE__LISTEN=127.0.0.1:7628"),
        _ => error.help("`listen` in [serve] takes an address of this machine and a port that you may use"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_exit_code() {
        let cases: [(CliError, Exit); 6] = [
            (StoreError::NotFound { kind: "run", key: "run_9".into() }.into(), Exit::NotFound),
            (StoreError::Refused("no".into()).into(), Exit::Refused),
            (StoreError::Version { message: "m".into(), help: "h".into() }.into(), Exit::Environment),
            (TriggerError::HasLeft("7".into()).into(), Exit::Refused),
            (PlanError::Order("a".into()).into(), Exit::Refused),
            (TriggerError::WrongSubject { workflow: "w".into(), wanted: "a", given: "b" }.into(), Exit::Usage),
        ];
        for (error, exit) in cases {
            assert_eq!(error.exit, exit, "{error}");
        }
    }

    #[test]
    fn names_that_are_nearly_right_are_named() {
        let known = vec!["departure".to_owned(), "unblock".to_owned()];
        let error: CliError = TriggerError::NoWorkflow { name: "departur".into(), known }.into();
        assert_eq!((error.exit, error.help[0].as_str()), (Exit::NotFound, "did you mean `departure`?"));
    }
}
