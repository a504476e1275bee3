//! HR's file comes in: many people, then the departures that a second file tells of.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use jiff::ToSpan;
use jiff::civil::Date;

use super::ground::{Ground, Site, people, person};
use super::{BenchError, Figure, Measured, Size, Workload, figure, machine, rate};
use crate::intake::people::{Mapping, PeopleFile};
use crate::intake::{events, feed};
use crate::run::RunState;

const PEOPLE: usize = 100_000;
const DEPARTURES: usize = 10_000;

/// Days until those who leave have gone.
const NOTICE: i64 = 30;

/// As `usher people import` takes files in.
pub(super) async fn import(site: &Site, size: Size) -> Result<Measured, BenchError> {
    let (rows, departures) = (size.of(PEOPLE), size.of(DEPARTURES));
    let known = written(site, "people.csv", &people(rows))?;
    // Without anybody's accounts: the memory of a simulated company is not that of an import.
    let ground = Ground::unknown(site).await?;
    let before = machine::forget_peak();
    let began = Instant::now();
    take(&ground, &known).await?;
    let taken = began.elapsed();
    let peak = before.and_then(|()| machine::peak());
    let last = ground.today().await?.saturating_add(NOTICE.days());
    ground.leave().await;
    let leaving = written(site, "departures.csv", &leavers(departures, last))?;
    let ground = Ground::beside(&site.neighbour(), departures).await?;
    ground.sync().await?;
    let before = machine::forget_peak();
    let began = Instant::now();
    take(&ground, &leaving).await?;
    events::dispatch_read(&ground.engine).await?;
    let planned = began.elapsed();
    let peak_planning = before.and_then(|()| machine::peak());
    all_planned(&ground, rows, departures).await?;
    ground.leave().await;
    let mut figures = vec![figure("taken in", rate(rows, taken), "rows/s")];
    figures.extend(peak.map(|bytes| memory("memory at most", bytes)));
    figures.push(figure("planned", rate(departures, planned), "departures/s"));
    figures.extend(peak_planning.map(|bytes| memory("memory at most, planning", bytes)));
    Ok(Measured {
        workload: Workload::Import,
        database: site.database(),
        work: format!("{rows} people, then {departures} departures"),
        figures,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn memory(name: &'static str, bytes: u64) -> Figure {
    figure(name, bytes as f64 / 1_048_576.0, "MiB")
}

async fn take(ground: &Ground, path: &std::path::Path) -> Result<(), BenchError> {
    let file = PeopleFile::open(path, &Mapping::default())?;
    let taken = feed::take_in(&ground.engine, &file, "bench", |_| ()).await?;
    if taken.complete { Ok(()) } else { Err(BenchError::Unexpected("a file was not taken in to its end".to_owned())) }
}

/// Everybody is known, and everybody who leaves has an open run.
async fn all_planned(ground: &Ground, rows: usize, departures: usize) -> Result<(), BenchError> {
    let census = ground.store().census().await?;
    let is_open = |kind: &str, state: &str| kind == "run" && state == RunState::Open.as_str();
    let open = census.iter().find(|(kind, state, _)| is_open(kind, state)).map_or(0, |(.., count)| *count);
    let (first, last) = (ground.store().person(&person(1)).await?, ground.store().person(&person(rows)).await?);
    if usize::try_from(open) == Ok(departures) && first.is_some() && last.is_some() {
        return Ok(());
    }
    Err(BenchError::Unexpected(format!("{open} of {departures} departures are planned")))
}

fn written(site: &Site, name: &str, text: &str) -> Result<PathBuf, BenchError> {
    let path = site.folder().join(name);
    std::fs::write(&path, text).map_err(|error| BenchError::file(&path, &error))?;
    Ok(path)
}

/// The same people as [`people`] has, with their last day.
fn leavers(count: usize, last: Date) -> String {
    let mut text = "employee_number,given_name,family_name,email,start_date,status,last_day\n".to_owned();
    for number in 1..=count {
        let n = person(number);
        // Writing into a string does not fail.
        let _ = writeln!(text, "{n},Robin,Bench {n},robin.{n}@bench.example,2020-01-06,active,{last}");
    }
    text
}
