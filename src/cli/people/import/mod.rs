//! `usher people import`

mod consequences;
mod preview;
mod results;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::super::counted::counted;
use super::super::house::House;
use super::super::{CliError, Context, Exit};
use crate::intake::feed::{self, Taken, Taking};
use crate::intake::people::{CsvProblem, CsvProblems, DateOrder, KeyFrom, Mapping, PeopleFile};

/// The most mistakes, and the most warnings, of a file that are shown.
const MOST_SHOWN: usize = 40;

/// The most that is taken through a pipe: a file is read several times, and this must fit into memory.
const MOST_PIPED: u64 = 64 * 1024 * 1024;

/// Takes in HR's file
///
/// The file is looked at whole before anything is changed: with a single mistake in it nothing is taken in, and every
/// mistake is named with its line (--skip-bad-rows takes the other rows). Then changed people are saved, piece by piece,
/// the systems are read, and workflows are started for what has changed. Reading the same file again changes nothing.
/// An import that was interrupted goes on where it stopped when the same command is given again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher people import people.csv --dry-run
  usher people import people.csv
  usher people import export.csv --map 'Kürzel=employee_number' --map 'Letzter Tag=last_day'
  usher people import export.csv --skip-bad-rows --results results.csv
  usher people import names.csv --key-from name
  ssh hr cat export.csv | usher people import -")]
pub(super) struct Import {
    /// CSV file with a heading; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which field a column holds, where its heading does not tell; may be given several times
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// How dates with slashes are meant, where the file does not show it: day-first or month-first
    #[arg(long, value_name = "ORDER", value_parser = dates)]
    dates: Option<DateOrder>,
    /// What makes the key of people where the file has no employee numbers: email or name
    #[arg(long, value_name = "FIELD", value_parser = key_from)]
    key_from: Option<KeyFrom>,
    /// Takes the rows without a mistake; ends with 1 when there are others
    #[arg(long)]
    skip_bad_rows: bool,
    /// Writes what became of each row into this CSV file
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Only shows how the file is read, and what would change
    #[arg(long)]
    dry_run: bool,
}

fn dates(text: &str) -> Result<DateOrder, String> {
    DateOrder::from_name(text).ok_or_else(|| "write day-first or month-first".to_owned())
}

fn key_from(text: &str) -> Result<KeyFrom, String> {
    KeyFrom::from_name(text).ok_or_else(|| "write email or name".to_owned())
}

impl Import {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let file = self.open(context)?;
        self.warn(context, &file);
        let results = self.results.as_ref().map(|path| context.around.folder.join(path));
        if self.dry_run {
            let house = context.whole_house().await?;
            return preview::show(context, &house, &file, results.as_deref()).await;
        }
        if file.tally.wrong > 0 && !self.skip_bad_rows {
            if let Some(path) = &results {
                results::mistakes(&file, path)?;
            }
            return Err(self.refusal(&file, results.is_some()));
        }
        let house = context.whole_house().await?;
        let taken = self.take(context, &house, &file).await?;
        say_taken(context, &taken)?;
        let outcome = tokio::select! {
            outcome = consequences::follow(&house, &taken) => outcome?,
            _ = tokio::signal::ctrl_c() => return Err(stopped("the people are taken in; not everything is started yet")
                .help("the daemon starts the rest by itself; so does the same command")),
        };
        if let Some(path) = &results {
            results::outcomes(&house, &file, &taken, path).await?;
        }
        consequences::say(context, &house, &taken, &outcome).await?;
        Ok(if taken.wrong == 0 { Exit::Done } else { Exit::NotRight })
    }

    async fn take(&self, context: &Context, house: &House, file: &PeopleFile) -> Result<Taken, CliError> {
        let asked = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&asked);
        let listening = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                heard.store(true, Ordering::SeqCst);
            }
        });
        let progress = context.out.progress(file.rows);
        let actor = context.actor();
        let go_on = || !asked.load(Ordering::SeqCst);
        let taking = Taking { source: "csv", actor: &actor, go_on: &go_on, piece: None };
        let taken = feed::take(&house.engine, file, &taking, |done| progress.at(done)).await;
        progress.end();
        listening.abort();
        let taken = taken?;
        if taken.complete {
            return Ok(taken);
        }
        let done = taken.new + taken.changed + taken.unchanged + taken.wrong;
        Err(stopped(&format!("stopped after {done} of {}; they are taken in", counted(file.rows, "row", "rows")))
            .help("the same command goes on where it stopped, and then starts what follows from the file"))
    }

    fn open(&self, context: &Context) -> Result<PeopleFile, CliError> {
        let mapping = self.mapping(context)?;
        let name = self.file.display().to_string();
        let unreadable =
            |error: std::io::Error| CliError::environment("file", format!("{name} cannot be read: {error}"));
        let opened = if self.file.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(MOST_PIPED + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.len() as u64 > MOST_PIPED {
                return Err(CliError::environment("file", "more than 64 MiB came through the pipe")
                    .help("a file of any size can be read: save it, and give its name"));
            }
            PeopleFile::of_bytes(bytes, &mapping)
        } else {
            let path = context.around.folder.join(&self.file);
            drop(std::fs::File::open(&path).map_err(unreadable)?);
            PeopleFile::open(&path, &mapping)
        };
        opened.map_err(|CsvProblems(problems)| refusal(&name, &problems, problems.len() as u64))
    }

    fn mapping(&self, context: &Context) -> Result<Mapping, CliError> {
        let mut mapping = context.config()?.people;
        for text in &self.map {
            mapping.add(text).map_err(|wrong| CliError::usage(format!("--map: {wrong}")))?;
        }
        mapping.dates = self.dates.or(mapping.dates);
        mapping.key_from = self.key_from.or(mapping.key_from);
        Ok(mapping)
    }

    fn warn(&self, context: &mut Context, file: &PeopleFile) {
        for warning in file.tally.warnings.iter().take(MOST_SHOWN) {
            context.out.aside(format!("warning: {}: {warning}", self.file.display()));
        }
        if let more @ 1.. = file.tally.warnings.len().saturating_sub(MOST_SHOWN) {
            context.out.aside(format!("warning: {}: and {more} more of the kind", self.file.display()));
        }
    }

    fn refusal(&self, file: &PeopleFile, written: bool) -> CliError {
        let count = file.tally.wrong.max(file.tally.mistakes.len() as u64);
        let error = refusal(&self.file.display().to_string(), &file.tally.mistakes, count);
        let rest = file.rows - file.tally.wrong;
        let error = if rest > 0 {
            error.help(format!("--skip-bad-rows takes the other {}", counted(rest, "row", "rows")))
        } else {
            error
        };
        if written { error } else { error.help("--results FILE.csv lists all of them") }
    }
}

fn say_taken(context: &mut Context, taken: &Taken) -> Result<(), CliError> {
    if taken.before > 0 {
        context.out.aside(format!("Went on behind row {}, where this file was left.", taken.before));
    }
    if context.out.is_json() {
        return Ok(());
    }
    let wrong = if taken.wrong > 0 { format!(", {} left out for a mistake", taken.wrong) } else { String::new() };
    let people = counted(taken.people, "person", "people");
    context.out.line(format!("{people}: {} new, {} changed{wrong}.", taken.new, taken.changed))
}

fn stopped(message: &str) -> CliError {
    CliError::new(Exit::Interrupted, "interrupted", message)
}

fn refusal(file: &str, problems: &[CsvProblem], count: u64) -> CliError {
    let place = |problem: &CsvProblem| match problem.line {
        Some(line) => format!("{file}:{line}: {}", problem.message),
        None => format!("{file}: {}", problem.message),
    };
    if let [one] = problems {
        return CliError::not_right("people_file", place(one)).help("nothing was changed");
    }
    let message = format!("{file} has {count} mistakes; nothing was changed");
    let base = CliError::not_right("people_file", message);
    let error = problems.iter().take(MOST_SHOWN).map(place).fold(base, CliError::help);
    match count.saturating_sub(MOST_SHOWN as u64) {
        0 => error,
        more => error.help(format!("and {more} more")),
    }
}
