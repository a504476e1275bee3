//! Reading systems into the record, and finding out whose account is whose.

use std::collections::HashMap;

use serde::Serialize;

use super::Engine;
use crate::run::{Account, Person};
use crate::store::{Binding, StoreError, SyncCount};

/// What a sync of one system found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Synced {
    /// The system.
    pub system: String,
    /// Accounts read and new.
    #[serde(flatten)]
    pub count: SyncCount,
    /// Accounts bound to a person by this sync.
    pub bound: usize,
    /// Accounts that belong to nobody known: none or several people match.
    pub unbound: Vec<String>,
}

impl Engine {
    /// Reads all accounts of a system, page by page, and binds those that match exactly one person: by employee
    /// number, else by address. What is bound already stays as it is.
    ///
    /// # Errors
    /// Why the system or the record could not be used, in words.
    pub async fn sync(&self, system: &str) -> Result<Synced, String> {
        let connector = self.systems().get(system).ok_or_else(|| format!("there is no system called {system}"))?;
        let mut synced = Synced { system: system.to_owned(), ..Synced::default() };
        let mut from = None;
        loop {
            let (page, next) = connector.accounts(from).await.map_err(|error| error.to_string())?;
            let count = self.store().save_accounts(&page).await.map_err(|error| error.to_string())?;
            synced.count.read += count.read;
            synced.count.new += count.new;
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        self.match_people(system, &mut synced).await.map_err(|error| error.to_string())?;
        Ok(synced)
    }

    async fn match_people(&self, system: &str, synced: &mut Synced) -> Result<(), StoreError> {
        let people = self.store().people(None).await?;
        let by_number: HashMap<&str, &Person> =
            people.iter().map(|person| (person.employee_number.as_str(), person)).collect();
        let mut by_email: HashMap<String, Vec<&Person>> = HashMap::new();
        for person in &people {
            if let Some(email) = &person.email {
                by_email.entry(email.to_lowercase()).or_default().push(person);
            }
        }
        let settled = self.store().unbound_by_hand(system).await?;
        let mut bindings = Vec::new();
        for account in self.store().accounts(Some(system), None, None).await? {
            if account.person_id.is_some() {
                continue;
            }
            let found = whose(&account, &by_number, &by_email).filter(|_| !settled.contains(&account.id));
            match found {
                Some((person, by)) => {
                    bindings.push(Binding { account: account.id, person: Some(person.id), by: by.to_owned() });
                }
                None => synced.unbound.push(format!("{system}:{} ({})", account.external_id, account.login)),
            }
        }
        synced.bound = bindings.len();
        self.store().bind(&bindings).await
    }
}

fn whose<'p>(
    account: &Account,
    by_number: &HashMap<&str, &'p Person>,
    by_email: &HashMap<String, Vec<&'p Person>>,
) -> Option<(&'p Person, &'static str)> {
    let attribute = |name: &str| account.attributes.get(name).and_then(|value| value.as_str());
    if let Some(number) = attribute("employee_number") {
        return by_number.get(number).map(|person| (*person, "match:employee_number"));
    }
    let email = attribute("email").unwrap_or(&account.login).to_lowercase();
    match by_email.get(&email).map(Vec::as_slice) {
        Some([one]) => Some((one, "match:email")),
        _ => None,
    }
}
