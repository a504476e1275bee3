//! `usher alerts`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, moment};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::alerts::OpenAlert;
use crate::mail::{Addressee, Facts, MailRoom, Webhook};

/// Shows what is wrong now, and tries whether anybody would hear of it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher alerts list
  usher alerts test")]
pub struct Alerts {
    #[command(subcommand)]
    command: AlertsCommand,
}

#[derive(Debug, Subcommand)]
enum AlertsCommand {
    /// Shows what is wrong now, and how often it was told
    List(List),
    /// Tells every administrator and the webhook, now, and says what each answered
    Test(Test),
}

/// Shows what is wrong now, and how often it was told; the urgent first
///
/// The daemon finds it. What has just gone wrong appears within seconds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher alerts list
  usher alerts list --json | jq '.[] | select(.urgent)'")]
struct List {}

/// Tells every administrator and the webhook, now, and says what each answered
///
/// Nothing goes through the outbox: what goes wrong is said at once, with exit code 5.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher alerts test")]
struct Test {}

impl Alerts {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            AlertsCommand::List(_) => list(context).await,
            AlertsCommand::Test(_) => test(context).await,
        }
    }
}

async fn list(context: &mut Context) -> Result<Exit, CliError> {
    let house = context.record().await?;
    let alerts = house.engine.open_alerts().await?;
    if context.out.is_json() {
        let rows: Vec<Value> = alerts.iter().map(|alert| document(&house, alert)).collect();
        context.out.document(&rows, false)?;
    } else if alerts.is_empty() {
        context.out.aside("Nothing is wrong, as far as the daemon has seen.");
    } else {
        let mut table = Table::new(["", "what", "since", "told", "way out"]);
        for alert in &alerts {
            let urgent = if alert.urgent { Cell::toned("urgent", Tone::Bad) } else { Cell::toned("", Tone::Warn) };
            let since = moment::moment(alert.since, &house.zone);
            let told = alert.told.to_string();
            table.row([
                urgent,
                alert.what.as_str().into(),
                since.into(),
                told.as_str().into(),
                alert.command.as_str().into(),
            ]);
        }
        context.out.table(&table)?;
    }
    house.warn_without_daemon(context).await?;
    Ok(Exit::Done)
}

fn document(house: &House, alert: &OpenAlert) -> Value {
    let mut value = json!(alert);
    value["since"] = json!(house.instant(alert.since));
    value
}

/// Whom a test reached.
#[derive(serde::Serialize)]
struct Reached {
    by: &'static str,
    to: String,
    ok: bool,
    answer: String,
}

async fn test(context: &mut Context) -> Result<Exit, CliError> {
    let config = context.config()?;
    let mut reached = Vec::new();
    mails(context, &config, &mut reached).await?;
    if let Some(settings) = config.webhook {
        let mut webhook = Webhook::open(settings);
        if webhook.needs_store() {
            webhook = webhook.with_store(context.record().await?.store().clone());
        }
        let outcome = webhook.send_now("test", &json!({}), Clock::System.now()).await;
        let (ok, answer) = outcome.map_or_else(|why| (false, why.to_string()), |answer| (true, answer));
        reached.push(Reached { by: "webhook", to: webhook.place(), ok, answer });
    }
    if reached.is_empty() {
        return Err(CliError::refused("no_alerts", "nobody is told of anything: no administrators, no webhook")
            .help("name `administrators` in [mail], or write [alerts.webhook], into usher.toml"));
    }
    if context.out.is_json() {
        context.out.document(&reached, false)?;
    } else {
        for one in &reached {
            let verb = if one.ok { "told" } else { "NOT told" };
            context.out.line(format!("{verb} by {}: {}: {}", one.by, one.to, one.answer))?;
        }
    }
    Ok(if reached.iter().all(|one| one.ok) { Exit::Done } else { Exit::Environment })
}

async fn mails(context: &Context, config: &Config, reached: &mut Vec<Reached>) -> Result<(), CliError> {
    let Some(settings) = config.mail.clone() else { return Ok(()) };
    let (mut room, _) = MailRoom::open(settings);
    if room.settings().needs_store() {
        room = room.with_store(context.record().await?.store().clone());
    }
    for to in &room.settings().administrators {
        let letter = room
            .write(&Addressee::unknown(to), "test", &Facts::default())
            .map_err(|why| CliError::environment("mail", why.to_string()))?;
        let outcome = room.send_now(&letter, Clock::System.now()).await;
        let (ok, answer) = outcome.map_or_else(|why| (false, why.to_string()), |answer| (true, answer));
        reached.push(Reached { by: "mail", to: to.clone(), ok, answer });
    }
    Ok(())
}
