//! `usher audit verify`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::counted::counted;
use super::super::finding::run_key;
use super::super::table::Tone;
use super::super::{CliError, Context, Exit};
use crate::run::checkpoint::notes_in;
use crate::secret::NoteVerifier;
use crate::store::{Proof, Verified};

/// Verifies a run's journal, or all; exit code 1 names the first broken entry
///
/// The chain of hashes must hold, end where the run says it ends, and replay to the states that the tables show. What
/// the signed checkpoints cover must still be there, unchanged; with --checkpoints also what checkpoints cover that were
/// kept elsewhere: that finds what somebody did who may write the whole database.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher audit verify
  usher audit verify run_12 --json
  usher audit verify --checkpoints /mnt/elsewhere/checkpoints --key \"$(cat usher-checkpoints.pub)\"")]
pub(super) struct Verify {
    /// The run [default: all]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Checkpoints that were kept elsewhere: an export, or the file of [audit] checkpoint_file
    #[arg(long, value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// The public key to believe, as `usher audit key` printed it [default: that of this record]
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
}

impl Verify {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let mut trusted = Vec::new();
        for key in &self.key {
            trusted.push(key.parse::<NoteVerifier>().map_err(|why| CliError::usage(why.to_string()))?);
        }
        let outside = self.outside(context)?;
        let house = context.record().await?;
        let keys = match &self.run {
            Some(run) => vec![run_key(run)?],
            None => house.store().run_ids().await?,
        };
        let (mut entries, mut broken) = (0, Vec::new());
        for key in &keys {
            let verified = house.store().verify(*key).await?;
            entries += verified.entries;
            if verified.problem.is_some() {
                broken.push(verified);
            }
        }
        if trusted.is_empty() {
            trusted.extend(house.store().note_verifier().await?);
        }
        let mut proof = house.store().prove(&trusted, &outside).await?;
        if let [one] = keys.as_slice()
            && self.run.is_some()
        {
            let one = crate::run::book::public_id(*one);
            proof.doubts.retain(|doubt| doubt.run.as_ref().is_none_or(|run| *run == one));
        }
        say(context, keys.len(), entries, &broken, &proof)?;
        Ok(if broken.is_empty() && proof.doubts.is_empty() { Exit::Done } else { Exit::NotRight })
    }

    /// The notes that were kept elsewhere.
    fn outside(&self, context: &Context) -> Result<Vec<String>, CliError> {
        let mut notes = Vec::new();
        for file in &self.checkpoints {
            let path = context.around.folder.join(file);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                CliError::environment("file", format!("{} cannot be read: {error}", file.display()))
            })?;
            let before = notes.len();
            if text.trim_start().starts_with('{') {
                notes.extend(text.lines().filter_map(exported));
            } else {
                notes.extend(notes_in(&text));
            }
            if notes.len() == before {
                let message = format!("there is no checkpoint in {}", file.display());
                return Err(CliError::usage(message)
                    .help("an export of `usher audit export`, or the file of [audit] checkpoint_file, is expected"));
            }
        }
        Ok(notes)
    }
}

/// The note of a line of an export, where it holds one.
fn exported(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["kind"] == "checkpoint").then(|| value["note"].as_str().map(str::to_owned)).flatten()
}

fn say(context: &mut Context, runs: usize, entries: usize, broken: &[Verified], proof: &Proof) -> Result<(), CliError> {
    let out = &mut context.out;
    let ok = broken.is_empty() && proof.doubts.is_empty();
    if out.is_json() {
        let told = json!({ "ok": ok, "runs": runs, "entries": entries, "broken": broken, "checkpoints": proof });
        return out.document(&told, false);
    }
    for one in broken {
        let problem = one.problem.as_deref().unwrap_or_default();
        let line = format!("{} {}: {problem}", out.paint(Tone::Bad, "broken"), one.run);
        out.line(line)?;
    }
    for doubt in &proof.doubts {
        let about = doubt.run.as_deref().unwrap_or("checkpoints");
        let line = format!("{} {about}: {}", out.paint(Tone::Bad, "broken"), doubt.problem);
        out.line(line)?;
    }
    let verdict = match broken.len() {
        0 => out.paint(Tone::Good, "every chain holds"),
        count => out.paint(Tone::Bad, &counted(count, "does not hold", "do not hold")),
    };
    let (runs, entries) = (counted(runs, "run", "runs"), counted(entries, "entry", "entries"));
    out.line(format!("{runs}, {entries}: {verdict}."))?;
    let kept = if proof.outside > 0 { format!(" and {} kept elsewhere", proof.outside) } else { String::new() };
    let verdict = match (proof.doubts.len(), proof.checkpoints + proof.outside) {
        (0, 0) => return Ok(()),
        (0, _) => out.paint(Tone::Good, "every one fits"),
        (count, _) => out.paint(Tone::Bad, &counted(count, "contradiction", "contradictions")),
    };
    let checkpoints = counted(proof.checkpoints, "checkpoint", "checkpoints");
    out.line(format!("{checkpoints}{kept} over {}: {verdict}.", counted(proof.heads, "head", "heads")))
}
