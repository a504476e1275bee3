//! `usher hold add`, `usher hold list`, `usher hold release`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::counted::counted;
use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, moment};
use crate::store::{HoldRow, Release, parse_hold_id};

/// Puts people under legal hold, and releases them
///
/// Nothing of a person under legal hold is deleted or purged, whatever run or schedule it belongs to, now or later. Access
/// cuts and everything else go on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher hold add 1005 --reason 'lawsuit 2027/14' --until 2028-12-31
  usher hold list
  usher hold release 1005 --reason 'settled'")]
pub struct HoldCommand {
    #[command(subcommand)]
    command: Orders,
}

#[derive(Debug, Subcommand)]
enum Orders {
    /// Puts a person under legal hold
    Add(Add),
    /// Lists the holds that are on, or all there ever were
    List(List),
    /// Releases a hold; what it held is judged again
    Release(ReleaseHold),
}

/// Puts a person under legal hold
///
/// Once this returns, no destructive step of theirs starts any more, on any daemon. Steps whose time comes are held, and
/// go on when the hold is released or its time is over. A person may have several holds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher hold add 1005 --reason 'lawsuit 2027/14'
  usher hold add 1005 --reason 'audit' --until 2027-12-31   through that day")]
struct Add {
    /// The person, by employee number
    #[arg(value_name = "PERSON")]
    person: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Through this day, or until this instant [default: until it is released]
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
}

/// Lists the holds that are on, or all there ever were
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher hold list
  usher hold list --all --json")]
struct List {
    /// Those that are over too, with who released them and why
    #[arg(long)]
    all: bool,
}

/// Releases a hold; what it held is judged again
///
/// By person all their holds, by id one. The record keeps who released it and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher hold release 1005 --reason 'settled'
  usher hold release hold_7 --reason 'a mistake'")]
struct ReleaseHold {
    /// The person, by employee number, or one hold
    #[arg(value_name = "PERSON|ID")]
    which: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl HoldCommand {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        match self.command {
            Orders::Add(add) => add.run(context, &house).await,
            Orders::List(list) => list.run(context, &house).await,
            Orders::Release(release) => release.run(context, &house).await,
        }
    }
}

impl Add {
    async fn run(self, context: &mut Context, house: &House) -> Result<Exit, CliError> {
        let person = house.person(&self.person).await?;
        let reason = said(&self.reason)?;
        let until = match &self.until {
            Some(text) => Some(moment::through(text, &house.zone, house.store().now().await?)?),
            None => None,
        };
        let id = house.store().add_hold(&person, reason, until, &context.actor()).await?;
        let in_flight = house.store().in_flight_of(person.id).await?;
        let name = format!("{} {}", person.employee_number, person.display_name);
        if context.out.is_json() {
            let answer = json!({ "id": format!("hold_{id}"), "person": person.employee_number,
                "until": until.map(|until| house.instant(until)), "in_flight": in_flight });
            context.out.document(&answer, false)?;
        } else {
            let end = until.map_or_else(
                || "until it is released".to_owned(),
                |until| format!("until {}", moment::moment(until, &house.zone)),
            );
            context.out.line(format!("hold_{id}: nothing of {name} is deleted or purged any more, {end}."))?;
            for attempt in in_flight {
                context.out.line(format!("  under way, and may still have its effect: {attempt}"))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self, context: &mut Context, house: &House) -> Result<Exit, CliError> {
        let holds = house.store().holds(None, self.all).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = holds.iter().map(|hold| document(house, hold)).collect();
            context.out.document(&rows, false)?;
        } else if holds.is_empty() {
            context.out.aside("Nobody is under legal hold.");
        } else {
            context.out.table(&table(house, &holds))?;
        }
        Ok(Exit::Done)
    }
}

impl ReleaseHold {
    async fn run(self, context: &mut Context, house: &House) -> Result<Exit, CliError> {
        let reason = said(&self.reason)?;
        let which = match parse_hold_id(&self.which) {
            Some(id) => Release::One(id),
            None => Release::AllOf(house.person(&self.which).await?.id),
        };
        let (holds, steps) = house.store().release_holds(which, reason, &context.actor()).await?;
        if holds == 0 {
            let help = "`usher hold list --all` shows every hold there was";
            return Err(CliError::not_found(format!("there is no hold on {}", self.which)).help(help));
        }
        if context.out.is_json() {
            context.out.document(&json!({ "released": holds, "steps": steps }), false)?;
        } else {
            context.out.line(format!(
                "Released {holds}; {} judged again.",
                counted(steps, "step that had been held is", "steps that had been held are")
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// A hold without a reason is one that nobody dares to release.
fn said(reason: &str) -> Result<&str, CliError> {
    match reason.trim() {
        "" => Err(CliError::usage("the reason is empty").help("say what it is about: --reason 'lawsuit 2027/14'")),
        reason => Ok(reason),
    }
}

/// Holds as a table.
pub(super) fn table(house: &House, holds: &[HoldRow]) -> Table {
    let mut table = Table::new(["hold", "person", "reason", "set by", "since", "until", "ended"]);
    let when = |at| moment::moment(at, &house.zone);
    for hold in holds {
        let ended = hold.ended.as_ref().map(|end| format!("{} by {}: {}", when(end.at), end.by, end.reason));
        table.row([
            hold.public_id().into(),
            format!("{} {}", hold.employee_number, hold.display_name).into(),
            hold.reason.as_str().into(),
            hold.set_by.as_str().into(),
            when(hold.set_at).into(),
            hold.until.map(when).unwrap_or_default().into(),
            Cell::toned(ended.unwrap_or_default(), Tone::Faint),
        ]);
    }
    table
}

/// A hold as JSON.
pub(super) fn document(house: &House, hold: &HoldRow) -> Value {
    json!({
        "id": hold.public_id(),
        "person": hold.employee_number,
        "reason": hold.reason,
        "set_by": hold.set_by,
        "set_at": house.instant(hold.set_at),
        "until": hold.until.map(|until| house.instant(until)),
        "ended": hold.ended.as_ref().map(|end| {
            json!({ "at": house.instant(end.at), "by": end.by, "reason": end.reason })
        }),
    })
}
