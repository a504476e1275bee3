//! `usher bench`

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::table::{Cell, Table};
use super::{CliError, Context, Exit};
use crate::bench::{BenchError, Grown, Measured, Place, Size, Workload, bare_sql, durable_writes, growth, measure};

/// Measures what this machine and this database can do
///
/// usher's own engine, as `usher serve` runs it, on databases made for the purpose and removed afterwards: full
/// durability, the journal on, and simulated systems that answer at once. With --database postgres://… the databases are
/// made on that server, by a user who may create some. Figures of a machine that does other work meanwhile mean little.
#[derive(Debug, Args)]
#[command(after_help = "\
Workloads:
  flow       2,000 runs of 8 steps, one after the other
  burst      20,000 runs of one step
  react      200 requests to an idle daemon: from accepted to called
  emergency  a block while 10,000 departures are due: from asked to called
  backlog    burst (5,000) and react beside 1,000,000 steps that wait for their day
  import     100,000 people from a file, then 10,000 departures from another
  daemons    flow with 1, 2 and 4 daemons on one PostgreSQL
  idle       a daemon that has nothing to do for 60 s: processor, wake-ups, queries

Examples:
  usher bench
  usher bench --workload flow --workload react
  usher bench --growth               # steps a second among 1,000 to 1,000,000 runs
  usher bench --share 0.1            # a tenth of the work, for a first look
  usher bench --database postgres://usher@localhost/postgres
  usher bench --json | jq '.workloads[].figures'")]
pub struct Bench {
    /// Only this workload; may be given several times
    #[arg(long = "workload", value_name = "NAME", value_parser = workload())]
    workloads: Vec<Workload>,
    /// Instead of workloads: whether steps get slower among 1,000 to 1,000,000 runs
    #[arg(long, conflicts_with = "workloads")]
    growth: bool,
    /// How much of the work is done, where 1 is all of it
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share)]
    share: f64,
    /// Attempts at the same time, as `workers` in [serve]
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: u16,
}

fn workload() -> impl TypedValueParser<Value = Workload> {
    let names = PossibleValuesParser::new(Workload::ALL.iter().map(|workload| workload.name()));
    names.try_map(|name| {
        let found = Workload::ALL.iter().copied().find(|workload| workload.name() == name);
        found.ok_or_else(|| format!("there is no workload called {name}"))
    })
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write a number such as 0.1".to_owned())?;
    if (0.001..=100.0).contains(&share) { Ok(share) } else { Err("it goes from 0.001 to 100".to_owned()) }
}

/// The whole answer of `bench --json`.
#[derive(Debug, Serialize)]
struct Answer {
    /// Durable writes a second of the disk that the databases were on, where usher can measure it.
    durable_writes: Option<f64>,
    /// Steps a second that the same database takes with rows like these and without the engine, `workers` to a commit.
    bare_sql: f64,
    workers: u16,
    share: f64,
    workloads: Vec<Measured>,
    /// Where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<Vec<Grown>>,
}

impl Bench {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let place = place(context.globals.database.as_deref())?;
        let chosen = if self.workloads.is_empty() { Workload::ALL } else { &self.workloads };
        let size = Size { share: self.share, workers: usize::from(self.workers) };
        let bar = context.out.progress(1);
        let progress = |done: usize, of: usize| bar.at_of(done, of);
        let mut grown = None;
        if self.growth {
            context.out.aside("growth …");
            let curve = growth(&place, size, &progress, crate::daemon::signal()).await?;
            grown = Some(curve.ok_or_else(|| interrupted("growth"))?);
        }
        let mut workloads = Vec::new();
        for workload in if self.growth { &[] } else { chosen } {
            context.out.aside(format!("{} …", workload.name()));
            let measured = measure(*workload, &place, size, &progress, crate::daemon::signal()).await?;
            workloads.push(measured.ok_or_else(|| interrupted(workload.name()))?);
        }
        bar.end();
        // Last: the memory that it needs is not that of a workload.
        context.out.aside("the database without the engine …");
        let bare = bare_sql(&place, size, crate::daemon::signal()).await?;
        let bare = bare.ok_or_else(|| interrupted("the database"))?;
        let answer = Answer {
            durable_writes: durable_writes(&place)?,
            bare_sql: bare,
            workers: self.workers,
            share: self.share,
            workloads: workloads.into_iter().map(|measured| measured.beside_bare_sql(bare)).collect(),
            growth: grown,
        };
        answer.say(context)?;
        Ok(Exit::Done)
    }
}

fn interrupted(what: &str) -> CliError {
    let message = format!("stopped while measuring {what}: nothing is left of it");
    CliError::new(Exit::Interrupted, "interrupted", message)
}

fn place(database: Option<&str>) -> Result<Place, CliError> {
    match database {
        None => Ok(Place::Folder(std::env::temp_dir())),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(Place::Server(url.to_owned()))
        }
        Some(_) => Err(CliError::usage("usher measures on databases that it makes itself")
            .help("without --database they are SQLite files in the folder for temporary files (TMPDIR)")
            .help("with --database postgres://USER@HOST/postgres they are made on that server")),
    }
}

impl Answer {
    fn say(&self, context: &mut Context) -> Result<(), CliError> {
        if context.out.is_json() {
            return context.out.document(self, false);
        }
        if let Some(grown) = &self.growth {
            let mut table = Table::new(["runs", "steps/s"]);
            for Grown { runs, steps } in grown {
                table.row([Cell::number(runs.to_string()), Cell::number(plain(*steps))]);
            }
            context.out.table(&table)?;
        }
        let mut table = Table::new(["workload", "database", "work", "figure", "", ""]);
        for measured in &self.workloads {
            if measured.figures.is_empty() {
                let (name, database) = (measured.workload.name(), measured.database);
                table.row([
                    name.into(),
                    database.into(),
                    measured.work.as_str().into(),
                    "".into(),
                    "".into(),
                    "".into(),
                ]);
            }
            for figure in &measured.figures {
                table.row([
                    measured.workload.name().into(),
                    measured.database.into(),
                    measured.work.as_str().into(),
                    figure.name.into(),
                    Cell::number(plain(figure.value)),
                    figure.unit.into(),
                ]);
            }
        }
        if self.growth.is_none() {
            context.out.table(&table)?;
        }
        let (bare, workers) = (plain(self.bare_sql), self.workers);
        context.out.line(format!(
            "\nThe database takes rows like these for {bare} steps a second without the engine, {workers} to a commit."
        ))?;
        if let Some(writes) = self.durable_writes {
            context
                .out
                .line(format!("The disk makes {} writes a second durable, one after the other.", plain(writes)))?;
        }
        Ok(())
    }
}

/// As many digits as mean something.
fn plain(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Store(error) => error.into(),
            error => Self::environment("bench", error.to_string()),
        }
    }
}
