//! `usher mail`

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, moment};
use crate::clock::{Clock, from_millis};
use crate::mail::{Addressee, Facts, MailRoom};
use crate::store::MailRow;

/// Shows the outbox, sends a test, tries a mail again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher mail test --to ada@example.org
  usher mail list --state failed
  usher mail retry 12")]
pub struct Mail {
    #[command(subcommand)]
    command: MailCommand,
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Sends a test mail, now, and says what the server answered
    Test(Test),
    /// Shows the mails on their way, sent, and given up
    List(List),
    /// Tries a mail again that was given up
    Retry(Retry),
}

/// Sends a test mail, now, and says what the server answered
///
/// The mail does not go through the outbox: what goes wrong is said at once, with exit code 5.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher mail test --to ada@example.org")]
struct Test {
    /// Who receives it
    #[arg(long, value_name = "ADDRESS")]
    to: String,
}

/// Shows the mails on their way, sent, and given up; newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher mail list
  usher mail list --state failed --json | jq -r '.[].answer'")]
struct List {
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Queued,
    Sent,
    Failed,
}

/// Tries a mail again that was given up, or waits for its next attempt
///
/// It goes out with the same Message-ID. The daemon sends it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher mail retry 12")]
struct Retry {
    /// The mail's number, as `usher mail list` shows it
    #[arg(value_name = "ID")]
    id: i64,
}

impl Mail {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            MailCommand::Test(test) => test.run(context).await,
            MailCommand::List(list) => list.run(context).await,
            MailCommand::Retry(retry) => retry.run(context).await,
        }
    }
}

impl Test {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let config = context.config()?;
        let settings = config.mail.clone().ok_or_else(|| {
            CliError::refused("no_mail", "no mail server is configured")
                .help("write [mail] into usher.toml; `usher init` shows how")
        })?;
        crate::mail::mailbox(&self.to).map_err(CliError::usage)?;
        let (mut room, _) = MailRoom::open(settings);
        if room.settings().needs_store() {
            room = room.with_store(context.record().await?.store().clone());
        }
        let letter = room
            .write(&Addressee::unknown(&self.to), "test", &Facts::default())
            .map_err(|why| CliError::environment("mail", why.to_string()))?;
        let answer = room.send_now(&letter, Clock::System.now()).await.map_err(|why| {
            CliError::environment("mail", format!("the mail was not accepted: {why}"))
                .help("see [mail] in usher.toml; `usher doctor` tests the connection")
        })?;
        if context.out.is_json() {
            context.out.document(&json!({ "to": self.to, "answer": answer }), false)?;
        } else {
            context.out.line(format!("Sent to {}: {answer}", self.to))?;
        }
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let state = self.state.map(|state| match state {
            State::Queued => "queued",
            State::Sent => "sent",
            State::Failed => "failed",
        });
        let mails = house.store().mails(state, self.limit).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = mails.iter().map(|mail| document(&house, mail)).collect();
            context.out.document(&rows, false)?;
        } else if mails.is_empty() {
            context.out.aside("There are no such mails.");
        } else {
            context.out.table(&table(&house, &mails))?;
        }
        Ok(Exit::Done)
    }
}

fn document(house: &House, mail: &MailRow) -> Value {
    let mut value = json!(mail);
    for field in ["queued_at", "due_at", "ended_at"] {
        if let Some(at) = value[field].as_i64() {
            value[field] = json!(house.millis(at));
        }
    }
    value
}

fn table(house: &House, mails: &[MailRow]) -> Table {
    let mut table = Table::new(["id", "state", "to", "subject", "run", "posted", "tries", "answer"]);
    for mail in mails {
        let tone = match mail.state.as_str() {
            "sent" => Tone::Good,
            "failed" => Tone::Bad,
            _ => Tone::Warn,
        };
        table.row([
            mail.id.to_string().as_str().into(),
            Cell::toned(mail.state.as_str(), tone),
            mail.to.as_str().into(),
            mail.subject.as_str().into(),
            mail.run.as_deref().unwrap_or_default().into(),
            moment::moment(from_millis(mail.queued_at), &house.zone).into(),
            mail.attempts.to_string().as_str().into(),
            Cell::toned(mail.answer.as_deref().unwrap_or_default(), Tone::Faint),
        ]);
    }
    table
}

impl Retry {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let mail = house.store().retry_mail(self.id).await?;
        if context.out.is_json() {
            context.out.document(&document(&house, &mail), false)?;
        } else {
            context.out.line(format!("Mail {} is tried again.", mail.id))?;
        }
        house.warn_without_daemon(context).await?;
        Ok(Exit::Done)
    }
}
