//! `usher help`: commands, workflows, codes.

mod codes;
mod moments;
mod story;
mod words;

use clap::{Args, CommandFactory};
use serde_json::json;

use self::codes::Section;
use self::story::Story;
use super::{Cli, CliError, Context, Exit, Tone};
use crate::daemon;
use crate::engine::library::Library;
use crate::run::nearest::{nearest, way_out};
use crate::workflow::Workflow;

/// Explains a command, a workflow, or a code
///
/// A workflow is told in plain sentences: how it starts, what happens when and where, what people must do, what it never
/// does by itself. A code (of `usher check`, of an error, of a step that is held) with its cause and the way out. Where a
/// name is several of these, all are named; `usher help workflow NAME` and `usher help code NAME` ask for one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher help run start         a command
  usher help departure         a workflow, yours or a shipped one
  usher help unknown-action    a code
  usher help code plan         where a command has the same name")]
pub struct Help {
    /// What to explain
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Help {
    pub(super) fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["workflow", name] => {
                let library = library(context)?;
                match library.workflows.get(*name) {
                    Some(workflow) => tell(context, workflow),
                    None => Err(CliError::not_found(format!("there is no workflow called {name}"))
                        .help(way_out(name, library.workflows.keys().map(String::as_str)))),
                }
            }
            ["code", name] => match sections_of(name).as_slice() {
                [] => Err(CliError::not_found(format!("there is no code `{name}`"))
                    .help(way_out(name, codes::sections().iter().map(|section| section.code)))),
                found => explain(context, found),
            },
            names => anything(context, names),
        }
    }
}

/// A command, else a workflow, else a code.
fn anything(context: &mut Context, names: &[&str]) -> Result<Exit, CliError> {
    if let Some(mut command) = command(names) {
        let text = command.render_long_help();
        let shown = if context.out.is_coloured() { text.ansi().to_string() } else { text.to_string() };
        if context.out.is_json() {
            context.out.document(&json!({ "command": names, "help": text.to_string() }), false)?;
        } else {
            context.out.answer(&shown)?;
            also(context, names);
        }
        return Ok(Exit::Done);
    }
    let [name] = names else { return Err(no_command(names)) };
    let library = library(context)?;
    if let Some(workflow) = library.workflows.get(*name) {
        return tell(context, workflow);
    }
    match sections_of(name).as_slice() {
        [] => Err(nothing(name, &library)),
        found => explain(context, found),
    }
}

/// What else is called so.
fn also(context: &mut Context, names: &[&str]) {
    let [name] = names else { return };
    if library(context).is_ok_and(|library| library.workflows.contains_key(*name)) {
        context.out.aside(format!("There is a workflow of this name too: `usher help workflow {name}` tells it."));
    }
    if !sections_of(name).is_empty() {
        context.out.aside(format!("It is a code too: `usher help code {name}` explains it."));
    }
}

/// The command at the end of a path of names, as it knows itself with its globals.
fn command(names: &[&str]) -> Option<clap::Command> {
    let mut command = Cli::command();
    command.build();
    names.iter().try_fold(command, |above, name| above.find_subcommand(name).cloned())
}

fn no_command(names: &[&str]) -> CliError {
    let written = names.join(" ");
    let mut above = names.to_vec();
    while above.pop().is_some() {
        if let Some(command) = command(&above) {
            let name = names.get(above.len()).copied().unwrap_or_default();
            let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            return CliError::not_found(format!("there is no command `{written}`")).help(way_out(name, known));
        }
    }
    CliError::not_found(format!("there is no command `{written}`"))
}

/// Neither command, workflow nor code: the nearest of each.
fn nothing(name: &str, library: &Library) -> CliError {
    let command = Cli::command();
    let commands: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let codes: Vec<&str> = codes::sections().iter().map(|section| section.code).collect();
    let kinds = [
        ("command", nearest(name, commands)),
        ("workflow", nearest(name, library.workflows.keys().map(String::as_str))),
        ("code", nearest(name, codes)),
    ];
    let error = CliError::not_found(format!("`{name}` is neither a command, nor a workflow, nor a code"));
    let near: Vec<String> =
        kinds.iter().filter_map(|(kind, near)| near.map(|near| format!("did you mean the {kind} `{near}`?"))).collect();
    if near.is_empty() {
        return error
            .help("`usher --help` lists the commands; docs/errors.md the codes")
            .help(format!("workflows are: {}", library.workflows.keys().cloned().collect::<Vec<_>>().join(", ")));
    }
    near.into_iter().fold(error, CliError::help)
}

/// The workflows that hold here; without a configuration that can be read, those built in.
fn library(context: &Context) -> Result<Library, CliError> {
    match context.config() {
        Ok(config) => Ok(daemon::open_library(&config)?),
        Err(_) => Ok(Library::shipped()),
    }
}

fn sections_of(code: &str) -> Vec<Section> {
    codes::sections().into_iter().filter(|section| section.code == code).collect()
}

fn explain(context: &mut Context, sections: &[Section]) -> Result<Exit, CliError> {
    if context.out.is_json() {
        let all: Vec<_> = sections
            .iter()
            .map(|section| json!({ "code": section.code, "kind": section.kind, "text": section.text }))
            .collect();
        context.out.document(&all, false)?;
        return Ok(Exit::Done);
    }
    for section in sections {
        let title = context.out.paint(Tone::Strong, section.code);
        context.out.line(format!("{title} ({})\n", section.kind.to_lowercase()))?;
        context.out.line(plain(section.text))?;
        context.out.line("")?;
    }
    Ok(Exit::Done)
}

/// Markdown as a terminal shows it: examples indented, emphasis left out.
fn plain(text: &str) -> String {
    let mut within = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            within = !within;
        } else if within {
            lines.push(format!("    {line}"));
        } else {
            lines.push(line.replace("- **Cause:** ", "Cause: ").replace("- **Way out:** ", "Way out: "));
        }
    }
    lines.join("\n")
}

fn tell(context: &mut Context, workflow: &Workflow) -> Result<Exit, CliError> {
    let story = Story::of(workflow);
    if context.out.is_json() {
        context.out.document(&story, false)?;
        return Ok(Exit::Done);
    }
    let title = context.out.paint(Tone::Strong, &format!("{}: {}", story.name, story.title));
    context.out.line(title)?;
    for (heading, paragraphs) in story.parts() {
        context.out.line("")?;
        if !heading.is_empty() {
            let heading = context.out.paint(Tone::Strong, heading);
            context.out.line(heading)?;
        }
        for paragraph in paragraphs {
            context.out.line(paragraph)?;
        }
    }
    Ok(Exit::Done)
}
