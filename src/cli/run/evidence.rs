//! `usher run evidence`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::super::finding::run_key;
use super::super::house::House;
use super::super::{CliError, Context, Exit, audit};
use super::view::RunView;

/// Writes everything about a run into a file: steps, evidence, journal
///
/// One JSON document for auditors: what was planned and done, how usher knows, the whole journal with its hashes, and
/// whether the chain holds. It names people: the file can be read by you alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher run evidence run_12 --out ada-keller.json")]
pub(super) struct EvidenceCommand {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The file; one that exists is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl EvidenceCommand {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.run)?;
        let house = context.record().await?;
        let document = document(context, &house, key).await?;
        let path = context.around.folder.join(&self.out);
        write(&path, &document)?;
        let entries = document["journal"].as_array().map_or(0, Vec::len);
        if context.out.is_json() {
            let told = json!({ "file": path, "entries": entries, "problem": document["verification"]["problem"] });
            context.out.document(&told, false)?;
        } else {
            context.out.line(format!("Wrote {} ({entries} journal entries).", self.out.display()))?;
        }
        match document["verification"]["problem"].as_str() {
            None => Ok(Exit::Done),
            Some(problem) => Err(CliError::not_right("journal", format!("the journal does not hold: {problem}"))),
        }
    }
}

async fn document(context: &Context, house: &House, key: i64) -> Result<Value, CliError> {
    let view = RunView::read(house, key).await?;
    let journal = house.store().audit(key).await?;
    Ok(json!({
        "usher": env!("CARGO_PKG_VERSION"),
        "written_at": house.instant(house.store().now().await?),
        "written_by": context.actor(),
        "run": view.document(house),
        "verification": house.store().verify(key).await?,
        "journal": journal.iter().map(|entry| audit::document(house, entry)).collect::<Vec<_>>(),
    }))
}

fn write(path: &Path, document: &Value) -> Result<(), CliError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CliError::refused("file_exists", format!("{} exists already", path.display())).help("choose another name")
        }
        _ => CliError::environment("file", format!("{} cannot be written: {error}", path.display())),
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let text =
        serde_json::to_string_pretty(document).map_err(|error| CliError::environment("file", error.to_string()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all()).map_err(failed)
}
