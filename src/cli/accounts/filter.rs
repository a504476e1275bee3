//! Which accounts: the filters of `usher accounts list` and `usher accounts export`.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::super::CliError;
use super::super::house::House;
use crate::run::AccountStatus;
use crate::store::AccountFilter;
use crate::workflow::Span;

/// Which accounts.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// On this system
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// With this status
    #[arg(long, value_parser = statuses())]
    status: Option<AccountStatus>,
    /// Of this person
    #[arg(long, value_name = "KEY", conflicts_with = "unbound")]
    person: Option<String>,
    /// Only those that belong to nobody known
    #[arg(long)]
    unbound: bool,
    /// Only those that nobody has signed in to for so long, or ever: '90 days', '6 months'
    #[arg(long, value_name = "SPAN")]
    inactive: Option<String>,
}

fn statuses() -> impl TypedValueParser<Value = AccountStatus> {
    let words = PossibleValuesParser::new(AccountStatus::ALL.map(AccountStatus::as_str));
    words.try_map(|word| AccountStatus::from_name(&word).ok_or("no status"))
}

impl Which {
    /// Whether only unbound ones are wanted.
    pub(super) const fn unbound(&self) -> bool {
        self.unbound
    }

    /// As the record reads it.
    ///
    /// # Errors
    /// When there is no such system or person, or the span is none.
    pub(super) async fn filter(&self, house: &House) -> Result<AccountFilter, CliError> {
        let person = match &self.person {
            Some(key) => Some(house.person(key).await?.id),
            None => None,
        };
        let known = house.store().accounts_by_system().await?;
        if let Some(system) = self.system.as_ref().filter(|system| !known.contains_key(*system)) {
            house.known_system(system)?;
        }
        let inactive_since = match &self.inactive {
            Some(text) => Some(self.since(house, text).await?),
            None => None,
        };
        Ok(AccountFilter {
            system: self.system.clone(),
            person,
            status: self.status,
            unbound: self.unbound,
            inactive_since,
        })
    }

    async fn since(&self, house: &House, text: &str) -> Result<i64, CliError> {
        let wrong = |why: String| CliError::usage(format!("--inactive: {why}"));
        let Span::Calendar(span) = Span::parse(text).map_err(|error| wrong(error.to_string()))? else {
            return Err(wrong(format!("`{text}`: people sign in on all days; write days, weeks or months")));
        };
        let now = house.store().now().await?.to_zoned(house.zone.clone());
        let since = now.checked_sub(span.0).map_err(|error| wrong(error.to_string()))?;
        Ok(since.timestamp().as_millisecond())
    }
}
