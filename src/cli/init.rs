//! `usher init`

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::counted::counted;
use super::{CliError, Context, Exit, Tone};
use crate::config::{self, EXAMPLE};
use crate::connectors::sandbox::shipped::{COMPANY, PEOPLE};
use crate::workflow::{self, SHIPPED};

/// Writes a first configuration, workflows and a company to try them on
///
/// What is written works as it stands: a commented usher.toml, the workflows that come with usher for you to change, a
/// simulated company with its systems, and the file that its HR department exports. Nothing that exists is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher init             into this folder
  usher init /etc/usher  into another one")]
pub struct Init {
    /// The folder; it is made where there is none
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

impl Init {
    pub(super) fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let folder = context.around.folder.join(&self.folder);
        let files = starter_files();
        refuse_existing(&folder, &files)?;
        for (name, text) in &files {
            write_new(&folder.join(name), text)?;
        }
        if context.out.is_json() {
            let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
            context.out.document(&json!({ "folder": folder, "files": names }), false)?;
        } else {
            say(context, &self.folder, &files)?;
        }
        Ok(Exit::Done)
    }
}

/// Path below the folder, and content.
fn starter_files() -> Vec<(String, Cow<'static, str>)> {
    let single = [("usher.toml", EXAMPLE), ("company.toml", COMPANY), ("people.csv", PEOPLE)];
    let single = single.into_iter().map(|(name, text)| (name.to_owned(), Cow::Borrowed(text)));
    let workflows = SHIPPED.iter().map(|(name, text)| (format!("workflows/{name}.yaml"), Cow::Borrowed(*text)));
    // For editors: the first line of each file names its schema.
    let schemas = [("usher.schema.json", config::schema()), ("workflows/schema.json", workflow::schema::schema())];
    let schemas = schemas.into_iter().map(|(name, schema)| (name.to_owned(), Cow::Owned(format!("{schema:#}\n"))));
    single.chain(workflows).chain(schemas).collect()
}

/// All or nothing: half a set-up over half of another one helps nobody.
fn refuse_existing(folder: &Path, files: &[(String, Cow<'static, str>)]) -> Result<(), CliError> {
    let existing = files.iter().filter(|(name, _)| folder.join(name).exists());
    let names: Vec<&str> = existing.map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!("{} exists already in {}; nothing was written", names.join(", "), folder.display());
    Err(CliError::refused("file_exists", message)
        .help("choose another folder: usher init DIR")
        .help("or move what is there out of the way"))
}

fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| CliError::environment("file", format!("{} cannot be written: {error}", path.display())))
}

fn say(context: &mut Context, folder: &Path, files: &[(String, Cow<'static, str>)]) -> Result<(), CliError> {
    let out = &mut context.out;
    out.line(format!("Wrote {} into {}:", counted(files.len(), "file", "files"), folder.display()))?;
    for (name, _) in files {
        let line = format!("  {}", out.paint(Tone::Good, name));
        out.line(line)?;
    }
    out.line("")?;
    out.line("Next (`usher demo` shows it all without a set-up):")?;
    if folder != Path::new(".") {
        out.line(format!("  cd {}", folder.display()))?;
    }
    out.line("  usher check                      is everything right?")?;
    out.line("  $EDITOR workflows/departure.yaml make it yours, and check again")
}
