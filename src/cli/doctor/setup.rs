//! What can be looked at without the record: configuration, workflows, key, systems.

use super::super::Context;
use super::super::counted::counted;
use super::Check;
use crate::config::{Config, DatabasePlace, KeySettings};
use crate::daemon;
use crate::secret::KeyRing;
use crate::store::Store;
use crate::workflow::Severity;

/// The configuration, as far as it is right, and what was found.
pub(super) fn configuration(context: &Context) -> (Config, Vec<Check>) {
    let globals = &context.globals;
    let (config, problems) = Config::inspect(&globals.config, globals.database.as_deref(), &context.around);
    let sources: Vec<String> = config.sources().iter().map(ToString::to_string).collect();
    let mut checks = vec![match sources.len() {
        0 => Check::warn("configuration", "there is none: every setting has its default, and there are no systems")
            .help("`usher init` writes one to begin with"),
        _ => Check::ok("configuration", sources.join(", ")),
    }];
    checks.extend(problems.into_iter().map(|problem| {
        let check = Check::bad("configuration", format!("{}: {}", problem.place, problem.message));
        Check { help: problem.help, ..check }
    }));
    (config, checks)
}

/// The workflows.
pub(super) fn workflows(config: &Config) -> Check {
    let library = match daemon::open_library(config) {
        Ok(library) => library,
        Err(error) => return Check::failed("workflows", error),
    };
    let count = |severity| library.diagnostics.iter().filter(|found| found.severity == severity).count();
    let usable = library.workflows.len();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => Check::ok("workflows", format!("{usable}, without a mistake")),
        (0, warnings) => Check::warn("workflows", format!("{usable}, {}", counted(warnings, "warning", "warnings")))
            .help("`usher check` shows them"),
        (errors, _) => Check::bad("workflows", refusing(errors)).help("`usher check` shows each with its place"),
    }
}

fn refusing(mistakes: usize) -> String {
    format!("{}: the daemon does not start with them", counted(mistakes, "mistake", "mistakes"))
}

/// The master key.
pub(super) fn key(config: &Config) -> Check {
    let fresh = matches!(&config.database.place, DatabasePlace::Sqlite(path) if !path.exists());
    match &config.keys {
        KeySettings::File(path) if fresh && !path.exists() => {
            Check::ok("key", format!("{} is made together with the database", path.display()))
        }
        KeySettings::File(path) => match KeyRing::open(path) {
            Ok(_) => Check::ok("key", format!("{}; keep a copy apart from the database's", path.display())),
            Err(error) => Check::failed("key", daemon::StartError::from(error)),
        },
        KeySettings::Secret(reference) => match reference.resolve() {
            Ok(_) => Check::ok("key", "as referenced in [keys]"),
            Err(error) => Check::failed("key", daemon::StartError::from(error)),
        },
    }
}

/// Whether each system answers.
pub(super) async fn systems(config: &Config, store: Option<&Store>) -> Vec<Check> {
    let systems = match daemon::open_systems(config) {
        Ok(systems) => systems,
        Err(error) => return vec![Check::failed("systems", error)],
    };
    let mut checks = Vec::new();
    for (name, connector) in systems {
        // Some keep their secrets there.
        let connector = match store {
            Some(store) => connector.with_store(store).with_archive(&daemon::open_archive(config, store)),
            None => connector,
        };
        let reach = connector.test().await;
        let (what, found) = (format!("system {name}"), reach.findings.join("; "));
        checks.push(if reach.ok {
            Check::ok(what, found)
        } else {
            Check::bad(what, found).help(format!("see [systems.{name}], then `usher systems test {name}`"))
        });
    }
    checks
}

/// Whether archives can be kept.
pub(super) async fn archive(config: &Config, store: Option<&Store>) -> Check {
    let Some(store) = store else {
        return Check::ok("archive", format!("archives will go to {}", config.archive.place));
    };
    match daemon::open_archive(config, store).test().await {
        Ok(found) => Check::ok("archive", found),
        Err(why) => Check::bad("archive", why.to_string()).help("see [archive] in usher.toml"),
    }
}

/// Whether mail can be sent, and somebody hears of what goes wrong.
pub(super) async fn mail(config: &Config, store: Option<&Store>) -> Vec<Check> {
    let (Some(mut room), mistakes) = daemon::open_mail(config) else {
        let found = "no mail server is configured: notices are left out, and nobody is told what waits or has stopped";
        return vec![Check::warn("mail", found).help("write [mail] into usher.toml; `usher init` shows how")];
    };
    if room.settings().needs_store()
        && let Some(store) = store
    {
        room = room.with_store(store.clone());
    }
    let mut checks = vec![match room.transport().test().await {
        Ok(found) => Check::ok("mail", found),
        Err(why) => Check::bad("mail", why).help("see [mail] in usher.toml; `usher mail test --to ADDRESS` tries it"),
    }];
    if !mistakes.is_empty() {
        checks.push(
            Check::bad("mail templates", refusing(mistakes.len())).help("`usher check` shows each with its place"),
        );
    }
    if room.settings().administrators.is_empty() {
        let found = "nobody is told what has stopped, nor asked for approvals";
        checks.push(Check::warn("administrators", found).help("name them in [mail]: `administrators = [\"…\"]`"));
    }
    checks
}
