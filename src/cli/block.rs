//! `usher block`, `usher unblock`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use super::house::House;
use super::inventory::unread;
use super::run::{Asked, say_started, start};
use super::{CliError, Context, Exit};
use crate::engine::trigger::SubjectRef;
use crate::run::Person;
use crate::store::RunFilter;

const BLOCK: &str = "emergency-block";
const UNBLOCK: &str = "unblock";

/// Closes every way in for a person, now, ahead of everything else
///
/// Starts the workflow emergency-block: accounts disabled, passwords changed, sessions, application passwords and
/// tokens revoked, on every system. Nothing is deleted, and no mail is lost. A protected account is held and reported,
/// unless --override is given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher block 1005 --reason 'laptop stolen'
  usher block 1001 --override --reason 'the only administrator, phished'
  usher block 1005 --yes && usher run list --person 1005")]
pub struct Block {
    /// The person, by employee number
    #[arg(value_name = "PERSON")]
    person: String,
    /// What has happened, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Closes protected accounts too: the last administrator's, those that [protected] names
    #[arg(long = "override")]
    overriding: bool,
}

/// Lets a blocked person in again
///
/// Starts the workflow unblock. An account that another open run keeps closed, such as a departure, stays closed.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher unblock 1005 --reason 'the laptop was found'")]
pub struct Unblock {
    /// The person, by employee number
    #[arg(value_name = "PERSON")]
    person: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Block {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        let person = house.person(&self.person).await?;
        let name = format!("{} ({})", person.display_name, person.employee_number);
        context.confirm(&format!("Close every way in for {name} on every system, now?"))?;
        for system in unread(context, &house).await? {
            context.out.aside(format!("An account on {system}, if there is one, is NOT blocked: see to it by hand."));
        }
        let protected = protected_accounts(&house, &person).await?;
        for (account, why) in &protected {
            let fate =
                if self.overriding { "closed all the same" } else { "NOT closed: give --override, if it must be" };
            context.out.aside(format!("{account} is protected ({why}); it is {fate}."));
        }
        let reason = self.reason.clone().unwrap_or_else(|| "block --override".to_owned());
        let run = begin(context, &house, BLOCK, &person, self.reason).await?;
        if self.overriding {
            house.engine.override_protection(run, None, &reason, &context.actor()).await?;
        }
        Ok(Exit::Done)
    }
}

impl Unblock {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        let person = house.person(&self.person).await?;
        let name = format!("{} ({})", person.display_name, person.employee_number);
        context.confirm(&format!("Let {name} in again?"))?;
        let filter = RunFilter {
            person: Some(person.employee_number.clone()),
            workflow: Some(BLOCK.to_owned()),
            ..RunFilter::default()
        };
        let open = house.store().runs(&filter).await?.into_iter().find(|run| !run.state.is_over());
        begin(context, &house, UNBLOCK, &person, self.reason).await?;
        if let Some(block) = open {
            context.out.aside(format!(
                "{} ({BLOCK}) is still {} and keeps accounts closed:",
                block.id,
                block.state.as_str()
            ));
            context.out.aside(format!("`usher run cancel {} --reason TEXT` ends it.", block.id));
        }
        Ok(Exit::Done)
    }
}

/// The person's accounts that no run closes by itself, and why.
async fn protected_accounts(house: &House, person: &Person) -> Result<Vec<(String, String)>, CliError> {
    let mut found = Vec::new();
    for account in house.store().accounts(None, Some(person.id), None).await? {
        let why = house.store().why_protected(&account).await?;
        found.extend(why.map(|why| (format!("{}:{}", account.system, account.external_id), why)));
    }
    Ok(found)
}

async fn begin(
    context: &mut Context,
    house: &House,
    workflow: &str,
    person: &Person,
    reason: Option<String>,
) -> Result<i64, CliError> {
    let declared = house.workflow(workflow)?.input("reason").is_some();
    let inputs: BTreeMap<String, Value> =
        reason.filter(|_| declared).map(|reason| ("reason".to_owned(), Value::String(reason))).into_iter().collect();
    let subject = SubjectRef::Person(person.employee_number.clone());
    let asked = Asked { workflow: workflow.to_owned(), subject, inputs, start: None, key: None };
    let started = start(context, house, asked).await?;
    say_started(context, house, started).await?;
    Ok(started.id())
}
