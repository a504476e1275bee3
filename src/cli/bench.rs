//! `usher bench`

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;

use super::table::{Cell, Table};
use super::{CliError, Context, Exit};
use crate::bench::{BenchError, Figure, Measured, Place, Size, Workload, measure};

/// Measures what this machine and this database can do
///
/// usher's own engine, as `usher serve` runs it, on databases made for the purpose and removed afterwards: full
/// durability, the journal on, and simulated systems that answer at once. With --database postgres://… the databases are
/// made on that server, whose user must be allowed to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher bench
  usher bench --workload flow --workload react
  usher bench --share 0.1            # a tenth of the work, for a first look
  usher bench --database postgres://usher@localhost/postgres --json | jq .figures")]
pub struct Bench {
    /// Only this workload; may be given several times
    #[arg(long = "workload", value_name = "NAME", value_parser = workload())]
    workloads: Vec<Workload>,
    /// How much of the full work is done
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share)]
    share: f64,
    /// Attempts at the same time
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: u16,
}

fn workload() -> impl clap::builder::TypedValueParser<Value = Workload> {
    PossibleValuesParser::new(Workload::ALL.iter().map(|workload| workload.name())).map(|name| {
        Workload::ALL.iter().copied().find(|workload| workload.name() == name).unwrap_or(Workload::Flow)
    })
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write a number such as 0.1".to_owned())?;
    if share > 0.0 && share <= 100.0 { Ok(share) } else { Err("it goes from 0.001 to 100".to_owned()) }
}

impl Bench {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let place = match context.globals.database.as_deref() {
            Some(url) if url.starts_with("postgres") => Place::Server(url.to_owned()),
            Some(url) => return Err(CliError::usage(format!("--database {url}: bench makes databases of its own; name a PostgreSQL server, or leave it out for SQLite"))),
            None => Place::Folder(std::env::temp_dir()),
        };
        let workloads = if self.workloads.is_empty() { Workload::ALL.to_vec() } else { self.workloads };
        let size = Size { share: self.share, workers: usize::from(self.workers) };
        let mut all = Vec::new();
        for workload in workloads {
            all.push(measure(workload, &place, size).await?);
        }
        for measured in &all {
            for figure in &measured.figures {
                context.out.line(format!("{} {} {} {:.3} {}", measured.workload.name(), measured.work, figure.name, figure.value, figure.unit))?;
            }
        }
        Ok(Exit::Done)
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
