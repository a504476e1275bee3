//! How a file is read, and what it would change.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::counted::counted;
use super::super::super::house::House;
use super::super::super::table::Table;
use super::super::super::{CliError, Context, Exit, listing};
use super::super::document;
use super::results;
use crate::intake::events;
use crate::intake::feed::{self, Foreseen};
use crate::intake::people::{HrFact, Judged, PeopleFile};
use crate::store::RowOutcome;

/// The most changes that are shown; the results file has all of them.
const MOST_CHANGES: usize = 200;

/// The most of them in a JSON document.
const MOST_IN_DOCUMENT: usize = 10_000;

/// Shows it; nothing is changed.
pub(super) async fn show(
    context: &mut Context,
    house: &House,
    file: &PeopleFile,
    results: Option<&Path>,
) -> Result<Exit, CliError> {
    let most = if context.out.is_json() { MOST_IN_DOCUMENT } else { MOST_CHANGES };
    let mut sheet = results.map(results::begin).transpose()?;
    let (mut changes, mut count, mut failed) = (Vec::new(), 0_usize, None);
    feed::preview(&house.engine, file, |row| {
        if let (Some(sheet), Some(path)) = (&mut sheet, results) {
            failed = std::mem::take(&mut failed).or(written(sheet, path, house, &row).err());
        }
        if let Ok(row) = row
            && (row.differs || !row.facts.is_empty())
        {
            count += 1;
            if changes.len() < most {
                changes.push(row);
            }
        }
    })
    .await?;
    if let Some(error) = failed {
        return Err(error);
    }
    if let (Some(sheet), Some(path)) = (sheet, results) {
        sheet.end().map_err(|error| listing::unwritten(path, &error))?;
    }
    if context.out.is_json() {
        context.out.document(&whole(house, file, &changes, count), false)?;
    } else {
        say(context, house, file, &changes, count)?;
    }
    Ok(if file.tally.wrong == 0 { Exit::Done } else { Exit::NotRight })
}

fn written(
    sheet: &mut crate::report::Sheet<'_>,
    path: &Path,
    house: &House,
    row: &Result<Foreseen, Judged>,
) -> Result<(), CliError> {
    match row {
        Ok(row) => {
            let outcome = match (row.person.id, row.differs || !row.facts.is_empty()) {
                (0, _) => RowOutcome::New,
                (_, true) => RowOutcome::Changed,
                (_, false) => RowOutcome::Unchanged,
            };
            let follows = |fact: &HrFact| match would_start(house, fact).join(", ") {
                none if none.is_empty() => fact.event.as_str().to_owned(),
                workflows => format!("{}: would start {workflows}", fact.event.as_str()),
            };
            let events = row.facts.iter().map(follows).collect();
            results::line(sheet, path, (row.line, &row.person.employee_number), outcome, String::new(), events)
        }
        Err(Judged::Wrong { line, key, problems }) => {
            let message = results::message(problems);
            results::line(sheet, path, (*line, key), RowOutcome::Error, message, Vec::new())
        }
        Err(Judged::Right(_)) => Ok(()),
    }
}

/// How the file is read, as a person checks it.
fn mapping(context: &mut Context, file: &PeopleFile) -> Result<(), CliError> {
    let delimiter = if file.delimiter == '\t' { "tabs".to_owned() } else { format!("`{}`", file.delimiter) };
    let rows = counted(file.rows, "row", "rows");
    context.out.line(format!("{rows}, {}, separated by {delimiter}.", file.encoding()))?;
    let mut table = Table::new(["column", "holds", "dates"]);
    for (field, heading) in &file.columns {
        let order = file.dates().find(|(dated, _)| dated == field).map(|(_, order)| order.as_str());
        table.row([heading.as_str().into(), field.as_str().into(), order.unwrap_or_default().into()]);
    }
    for heading in &file.ignored {
        table.row([heading.as_str().into(), "(not read)".into()]);
    }
    context.out.table(&table)?;
    context.out.line("")
}

fn say(
    context: &mut Context,
    house: &House,
    file: &PeopleFile,
    changes: &[Foreseen],
    count: usize,
) -> Result<(), CliError> {
    mapping(context, file)?;
    for problem in file.tally.mistakes.iter().take(super::MOST_SHOWN) {
        context.out.line(format!("mistake: {problem}"))?;
    }
    let mut table = Table::new(["number", "name", "is", "HR says", "from", "would start"]);
    for row in changes {
        let is = if row.person.id == 0 { "new" } else { "changed" };
        let about = || [row.person.employee_number.as_str().into(), row.person.display_name.as_str().into(), is.into()];
        if row.facts.is_empty() {
            table.row(about());
        }
        for fact in &row.facts {
            let from = fact.effective.map(|date| date.to_string()).unwrap_or_default();
            let more = [fact.event.as_str().into(), from.into(), would_start(house, fact).join(", ").into()];
            table.row(about().into_iter().chain(more));
        }
    }
    if !table.is_empty() {
        context.out.table(&table)?;
        context.out.line("")?;
    }
    if let more @ 1.. = count.saturating_sub(changes.len()) {
        context.out.line(format!("And {more} more; --results FILE.csv lists all."))?;
    }
    if file.tally.wrong > 0 {
        let wrong = counted(file.tally.wrong, "row has a mistake", "rows have a mistake");
        context.out.line(format!("{wrong}: without --skip-bad-rows nothing is taken in."))?;
    }
    context.out.line(format!("{count} of {} people would change. Nothing was changed.", file.rows))
}

fn would_start(house: &House, fact: &HrFact) -> Vec<String> {
    events::listeners(&house.engine, fact.event, &fact.fields).map(|workflow| workflow.name.clone()).collect()
}

fn whole(house: &House, file: &PeopleFile, changes: &[Foreseen], count: usize) -> Value {
    let change = |row: &Foreseen| {
        let facts = row.facts.iter().map(|fact| {
            json!({ "event": fact.event, "effective": fact.effective, "fields": fact.fields,
                "would_start": would_start(house, fact) })
        });
        json!({ "line": row.line, "new": row.person.id == 0, "person": document(&row.person),
            "events": facts.collect::<Vec<_>>() })
    };
    let columns: serde_json::Map<String, Value> =
        file.columns.iter().map(|(field, heading)| (heading.clone(), json!(field))).collect();
    let mistakes: Vec<Value> =
        file.tally.mistakes.iter().map(|one| json!({ "line": one.line, "message": one.message })).collect();
    json!({
        "people": file.rows,
        "encoding": file.encoding(),
        "delimiter": file.delimiter,
        "columns": columns,
        "ignored": file.ignored,
        "wrong": file.tally.wrong,
        "mistakes": mistakes,
        "changed": count,
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
    })
}
