//! `usher audit export`

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::counted::counted;
use super::super::finding::run_key;
use super::super::house::House;
use super::super::{CliError, Context, Exit};
use crate::report::Draft;

/// Leaves and checkpoints read at once.
const PAGE: i64 = 1_000;

/// Writes journals and checkpoints out, for somebody else to keep and to verify
///
/// One JSON object a line: the public key, the entries of a run or of all runs, the heads that checkpoints cover, and
/// the signed checkpoints. Words about people stay sealed, which is enough to verify everything; with --words they are
/// opened, and the file names people.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher audit export --out /mnt/elsewhere/journal.jsonl
  usher audit export run_12 --words | jq 'select(.kind == \"entry\").facts[].fact'
  usher audit verify --checkpoints /mnt/elsewhere/journal.jsonl")]
pub(super) struct Export {
    /// The run [default: all]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The file; written whole or not at all, and one that exists is replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Opens the words about people
    #[arg(long)]
    words: bool,
}

impl Export {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let one = self.run.as_deref().map(run_key).transpose()?;
        let house = context.record().await?;
        let runs = match one {
            Some(run) => vec![house.engine.look(run).await?.run.id],
            None => house.store().run_ids().await?,
        };
        let Some(out) = &self.out else {
            let mut stream = context.out.stream();
            self.write(&house, &runs, &mut stream).await?;
            stream.flush().map_err(|error| failed(&error))?;
            return Ok(Exit::Done);
        };
        let mut draft = Draft::begin(&context.around.folder.join(out)).map_err(|error| failed(&error))?;
        let lines = {
            let mut buffer = io::BufWriter::new(&mut draft);
            let lines = self.write(&house, &runs, &mut buffer).await?;
            buffer.flush().map_err(|error| failed(&error))?;
            lines
        };
        draft.keep().map_err(|error| failed(&error))?;
        if context.out.is_json() {
            context.out.document(&json!({ "file": out, "runs": runs.len(), "lines": lines }), false)?;
        } else {
            let (runs, lines) = (counted(runs.len(), "run", "runs"), counted(lines, "line", "lines"));
            context.out.line(format!("Wrote {} ({runs}, {lines}).", out.display()))?;
        }
        Ok(Exit::Done)
    }

    async fn write(&self, house: &House, runs: &[i64], out: &mut impl Write) -> Result<usize, CliError> {
        let mut lines = 0;
        let mut say = |kind: &str, mut value: Value| {
            value["kind"] = json!(kind);
            lines += 1;
            writeln!(out, "{value}").map_err(|error| failed(&error))
        };
        let store = house.store();
        if let Some(key) = store.note_verifier().await? {
            say("key", json!({ "key": key.to_string() }))?;
        }
        // Heads and checkpoints first: what they cover was in the journal by then.
        let mut leaf = 0;
        loop {
            let page = store.heads_from(leaf, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            leaf = last + 1;
            for (leaf, head) in &page {
                say("head", json!({ "leaf": leaf, "run": head.run, "seq": head.seq, "hash": head.hash }))?;
            }
        }
        let mut behind = 0;
        loop {
            let page = store.checkpoints_after(behind, PAGE).await?;
            let Some(last) = page.last() else { break };
            behind = last.tree_size;
            for one in page.iter().filter(|one| one.tree_size <= leaf) {
                say("checkpoint", json!(one))?;
            }
        }
        for run in runs {
            let told = if self.words { store.audit(*run).await? } else { Vec::new() };
            for entry in store.journal(*run).await? {
                let mut value = json!(entry);
                let told = told.iter().filter(|told| told.seq == entry.seq);
                let facts: Vec<Value> = told.map(|told| json!({ "step": told.step, "fact": told.fact })).collect();
                if self.words {
                    value["facts"] = json!(facts);
                }
                say("entry", value)?;
            }
        }
        Ok(lines)
    }
}

fn failed(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::reader_gone(),
        _ => CliError::environment("file", format!("the export cannot be written: {error}")),
    }
}
