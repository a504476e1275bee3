//! `usher secret`

mod rotate;

use std::io::{IsTerminal, Read};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::table::Table;
use super::{CliError, Context, Exit, moment};
use crate::clock::from_millis;
use crate::secret::Secret as Kept;

/// The longest secret anybody keeps, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Keeps secrets that the configuration refers to, and changes the master key
///
/// A password of usher's own (the mail server's, a webhook's) may be kept in the record, sealed by the master key; the
/// configuration then says `{ stored = "NAME" }`. What opens the record itself is kept elsewhere: { env = "NAME" } or
/// { file = "PATH" }.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher secret set mail-password
  usher secret list
  usher secret rotate-key")]
pub struct Secret {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Keeps a secret under a name; the secret is asked for, or read from standard input
    Set(Set),
    /// Lists the names of the stored secrets
    List(List),
    /// Takes a secret out
    Remove(Remove),
    /// Changes the master key while daemons are at work
    RotateKey(rotate::RotateKey),
}

/// Keeps a secret under a name; the secret is asked for, or read from standard input
///
/// It is never an argument: those are seen by everybody on the machine. One that is there is replaced; daemons use the
/// new one with the next mail or message that needs it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher secret set mail-password
  pass show mail/usher | usher secret set mail-password")]
struct Set {
    /// Lower-case letters, digits, `-`, `_` and `.`
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
}

/// Lists the names of the stored secrets
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher secret list")]
struct List {}

/// Takes a secret out
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher secret remove mail-password")]
struct Remove {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Secret {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            SecretCommand::Set(set) => set.run(context).await,
            SecretCommand::List(_) => list(context).await,
            SecretCommand::Remove(remove) => remove.run(context).await,
            SecretCommand::RotateKey(rotate) => rotate.run(context).await,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a secret's name is up to 64 lower-case letters, digits, `-`, `_` and `.`".to_owned())
}

impl Set {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        // Before it is asked for: nobody types a secret twice because of a slip elsewhere.
        let house = context.record().await?;
        let secret = self.read()?;
        let replaced = house.store().set_secret(&self.name, &secret, &context.actor()).await?;
        if context.out.is_json() {
            context.out.document(&json!({ "name": self.name, "replaced": replaced }), false)?;
        } else {
            let verb = if replaced { "replaced" } else { "kept" };
            context.out.line(format!("{} is {verb}; write {{ stored = \"{0}\" }} where it is needed.", self.name))?;
        }
        Ok(Exit::Done)
    }

    fn read(&self) -> Result<Kept, CliError> {
        let text = if std::io::stdin().is_terminal() {
            let ask = |words: &str| {
                rpassword::prompt_password(words)
                    .map(Zeroizing::new)
                    .map_err(|error| CliError::environment("input", format!("the secret cannot be read: {error}")))
            };
            let first = ask(&format!("{}: ", self.name))?;
            if *first != *ask("Once more: ")? {
                return Err(CliError::usage("the two were not the same; nothing was kept"));
            }
            first
        } else {
            piped()?
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(CliError::usage("the secret is empty; nothing was kept")),
            secret => Ok(Kept::new(secret)),
        }
    }
}

fn piped() -> Result<Zeroizing<String>, CliError> {
    let wrong = |why: &str| CliError::usage(format!("the secret on standard input {why}"));
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    std::io::stdin()
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::environment("input", format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(wrong("is longer than 64 KiB: that is no secret"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

async fn list(context: &mut Context) -> Result<Exit, CliError> {
    let house = context.record().await?;
    let rows = house.store().stored_secrets().await?;
    if context.out.is_json() {
        let document = |row: &crate::store::StoredRow| json!({ "name": row.name, "set_at": house.millis(row.set_at), "set_by": row.set_by });
        context.out.document(&rows.iter().map(document).collect::<Vec<Value>>(), false)?;
    } else if rows.is_empty() {
        context.out.aside("No secret is stored.");
    } else {
        let mut table = Table::new(["name", "set", "by"]);
        for row in &rows {
            let set = moment::minute(from_millis(row.set_at), &house.zone);
            table.row([row.name.as_str().into(), set.into(), row.set_by.as_str().into()]);
        }
        context.out.table(&table)?;
    }
    Ok(Exit::Done)
}

impl Remove {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        house.store().remove_secret(&self.name).await?;
        if context.out.is_json() {
            context.out.document(&json!({ "name": self.name, "removed": true }), false)?;
        } else {
            context.out.line(format!("{} is taken out.", self.name))?;
        }
        Ok(Exit::Done)
    }
}
