//! `usher check`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::counted::counted;
use super::{CliError, Context, Exit, Tone};
use crate::config::{self, Config, Problem, SandboxSettings, SystemKind, WorkflowFile};
use crate::connectors::dovecot::DovecotSettings;
use crate::connectors::sandbox::Company;
use crate::workflow::{self, ActionKind, Diagnostic, Known, Severity};
use crate::{daemon, mail};

/// Finds all mistakes of workflows and configuration
///
/// Every mistake and warning of every file at once, each with its place and what to do about it. Without PATH the
/// configuration is checked, the workflows of its folder, and those built in.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher check                           everything
  usher check workflows/departure.yaml  one file
  usher check --json                    for editors and pipelines; exit code 1 where there are mistakes")]
pub struct Check {
    /// Workflow file, folder of them, or configuration file (.toml)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

/// All that was found.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    diagnostics: Vec<Diagnostic>,
    /// What is allowed, and has no place in a file.
    notes: Vec<&'static str>,
    workflows: usize,
    systems: usize,
}

impl Check {
    pub(super) fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let mut found = Findings::default();
        let (settings, paths): (Vec<PathBuf>, Vec<PathBuf>) =
            self.paths.into_iter().partition(|path| path.extension().is_some_and(|ending| ending == "toml"));
        let files = if settings.is_empty() { context.globals.config.clone() } else { settings.clone() };
        let (config, problems) = Config::inspect(&files, context.globals.database.as_deref(), &context.around);
        found.problems = problems;
        found.systems(&config);
        found.templates(&config, context);
        if !paths.is_empty() || settings.is_empty() {
            let mut workflows = found.files(&paths, &config, &context.around.folder);
            for workflow in &mut workflows {
                workflow.file = context.around.shown(Path::new(&workflow.file)).display().to_string();
            }
            found.workflows(&workflows, &config);
        }
        match found.say(context) {
            // Who reads only the beginning (`| head`) relies on the exit code all the same.
            Err(gone) if gone.code == "reader_gone" => {}
            said => said?,
        }
        let wrong = found.errors() > 0 || (self.strict && found.warnings() > 0);
        Ok(if wrong { Exit::NotRight } else { Exit::Done })
    }
}

impl Findings {
    /// The named workflow files, else those that hold; what cannot be read is a finding.
    fn files(&mut self, paths: &[PathBuf], config: &Config, folder: &Path) -> Vec<WorkflowFile> {
        let read: Vec<Result<Vec<WorkflowFile>, Problem>> = if paths.is_empty() {
            vec![config.workflows.files()]
        } else {
            paths.iter().map(|path| read(&folder.join(path))).collect()
        };
        let mut files = Vec::new();
        for outcome in read {
            match outcome {
                Ok(some) => files.extend(some),
                Err(problem) => self.problems.push(problem),
            }
        }
        files
    }

    fn workflows(&mut self, files: &[WorkflowFile], config: &Config) {
        let pairs = files.iter().map(|file| (file.file.as_str(), file.text.as_str()));
        self.diagnostics.extend(workflow::check_all(pairs).diagnostics);
        self.workflows = files.len();
        let known = Known {
            systems: config.systems.keys().map(String::as_str).collect(),
            calendars: config.rules.calendars.keys().map(String::as_str).collect(),
            policies: config.rules.policies.keys().map(String::as_str).collect(),
        };
        let templates = config.mail.as_ref().and_then(|mail| mail.templates.as_deref());
        let mut sends = false;
        for file in files {
            if let Ok((parsed, _)) = workflow::parse(&file.file, &file.text) {
                self.diagnostics.extend(workflow::check_names(&file.file, &parsed, &known));
                let is_known = |name: &str| mail::is_known(name, templates);
                self.diagnostics.extend(workflow::check_mail_templates(&file.file, &parsed, is_known));
                sends |= parsed.steps.iter().any(|step| step.action == ActionKind::NotifyEmail);
            }
        }
        if sends && config.mail.is_none() {
            self.notes.push("no mail server is configured: steps of `notify.email` are left out, nobody is reminded");
        }
    }

    /// The mail templates that take the place of shipped ones.
    fn templates(&mut self, config: &Config, context: &Context) {
        for mut mistake in daemon::open_mail(config).1 {
            mistake.file = context.around.shown(Path::new(&mistake.file)).display().to_string();
            self.diagnostics.push(mistake);
        }
    }

    /// What the settings of a system name must be there.
    fn systems(&mut self, config: &Config) {
        self.systems = config.systems.len();
        for system in config.systems.values() {
            let found = match &system.kind {
                SystemKind::Sandbox(settings) => sandbox(settings),
                SystemKind::Ldap(settings) => authority(settings.ca.as_deref()),
                SystemKind::Dovecot(settings) => dovecot(settings),
                SystemKind::Dav(settings) => authority(settings.ca.as_deref()),
                // What others declare was judged with the configuration.
                SystemKind::Http(_) | SystemKind::Exec(_) | SystemKind::Scim(_) => Ok(()),
            };
            if let Err(message) = found {
                self.problems.push(Problem::new(format!("[systems.{}]", system.name), message));
            }
        }
    }

    fn errors(&self) -> usize {
        self.problems.len() + self.count(Severity::Error)
    }

    fn warnings(&self) -> usize {
        self.count(Severity::Warning) + self.notes.len()
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    fn say(&self, context: &mut Context) -> Result<(), CliError> {
        let out = &mut context.out;
        if out.is_json() {
            return out.document(&self.document(), false);
        }
        for problem in &self.problems {
            let label = out.paint(Tone::Bad, "error[config]:");
            out.line(format!("{label} {}: {}", problem.place, problem.message))?;
            if let Some(help) = &problem.help {
                let label = out.paint(Tone::Strong, "  help:");
                out.line(format!("{label} {help}"))?;
            }
        }
        for diagnostic in &self.diagnostics {
            let text = diagnostic.render(out.is_coloured());
            out.line(text)?;
        }
        for note in &self.notes {
            let label = out.paint(Tone::Warn, "warning[mail]:");
            out.line(format!("{label} {note}"))?;
            let label = out.paint(Tone::Strong, "  help:");
            out.line(format!("{label} write [mail] into usher.toml; `usher init` shows how"))?;
        }
        let summary = format!(
            "{} and {} checked: {}, {}",
            counted(self.workflows, "workflow", "workflows"),
            counted(self.systems, "system", "systems"),
            counted(self.errors(), "mistake", "mistakes"),
            counted(self.warnings(), "warning", "warnings"),
        );
        let tone = if self.errors() > 0 { Tone::Bad } else { Tone::Good };
        let summary = out.paint(tone, &summary);
        out.line(summary)?;
        match self.diagnostics.first() {
            Some(first) => out.line(format!("`usher help {}` explains a code.", first.code)),
            None => Ok(()),
        }
    }

    fn document(&self) -> Value {
        let problems = self.problems.iter().map(|problem| {
            let (file, line) = split_place(&problem.place);
            json!({ "file": file, "line": line, "column": null, "severity": "error", "code": "config",
                "message": problem.message, "suggestion": problem.help })
        });
        let diagnostics = self.diagnostics.iter().map(|diagnostic| json!(diagnostic));
        let notes = self.notes.iter().map(|note| {
            json!({ "file": null, "line": null, "column": null, "severity": "warning", "code": "mail",
                "message": note, "suggestion": "write [mail] into usher.toml" })
        });
        json!({
            "ok": self.errors() == 0,
            "errors": self.errors(),
            "warnings": self.warnings(),
            "workflows": self.workflows,
            "systems": self.systems,
            "findings": problems.chain(diagnostics).chain(notes).collect::<Vec<_>>(),
        })
    }
}

fn read(path: &Path) -> Result<Vec<WorkflowFile>, Problem> {
    if path.is_dir() { config::files_in(path) } else { config::read_workflow(path).map(|file| vec![file]) }
}

fn sandbox(settings: &SandboxSettings) -> Result<(), String> {
    let SandboxSettings { company, system, .. } = settings;
    let text = std::fs::read_to_string(company)
        .map_err(|error| format!("the company's file {} cannot be read: {error}", company.display()))?;
    let described = Company::parse(&text).map_err(|error| format!("{}: {error}", company.display()))?;
    if described.systems.contains_key(system) {
        return Ok(());
    }
    let known: Vec<&str> = described.systems.keys().map(String::as_str).collect();
    Err(format!("the company in {} has no system `{system}`; it has {}", company.display(), known.join(", ")))
}

/// What can be seen of a mail host's settings without asking it.
fn dovecot(settings: &DovecotSettings) -> Result<(), String> {
    authority(settings.ca.as_deref())?;
    for path in [settings.passwd_file(), settings.deny_file.as_deref()].into_iter().flatten() {
        let wrong = |error| format!("Dovecot's passwd-file {} cannot be read: {error}", path.display());
        std::fs::metadata(path).map(drop).map_err(wrong)?;
    }
    Ok(())
}

/// Whether the file with an authority's certificate is there.
fn authority(ca: Option<&Path>) -> Result<(), String> {
    let Some(ca) = ca else { return Ok(()) };
    std::fs::metadata(ca)
        .map(drop)
        .map_err(|error| format!("the authority's file {} cannot be read: {error}", ca.display()))
}

/// `usher.toml:12` -> `usher.toml`, 12
fn split_place(place: &str) -> (&str, Option<u64>) {
    let split = place.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    split.map_or((place, None), |(file, line)| (file, Some(line)))
}
