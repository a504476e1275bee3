//! A server at hand, with what is configured of it: whose account is what.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Url;
use serde_json::{Value, json};

use super::client::{Door, Server};
use super::collection::Resource;
use super::multistatus::{Described, NAME, RESOURCE_TYPE};
use super::place;
use super::settings::{DavSettings, Template};
use crate::archive::ArchiveStore;
use crate::connectors::{ActionError, Call};
use crate::run::{Account, AccountStatus};
use crate::workflow::params::{Params, Transfer};

/// Where an action takes place.
pub(super) struct House<'a> {
    pub(super) system: &'a str,
    pub(super) settings: &'a DavSettings,
    pub(super) server: Server<'a>,
    archive: Option<&'a ArchiveStore>,
}

/// What the server says of an account's homes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    name: Option<String>,
    homes: BTreeSet<&'static str>,
}

impl Standing {
    fn has(&mut self, word: &'static str, home: &Described) {
        self.homes.insert(word);
        self.name = self.name.take().or(home.text(NAME).map(str::to_owned));
    }
}

impl<'a> House<'a> {
    pub(super) async fn enter(system: &'a str, settings: &'a DavSettings, door: &'a Door) -> Result<Self, ActionError> {
        Ok(Self { system, settings, server: door.enter().await?, archive: None })
    }

    pub(super) fn with_archive(self, archive: Option<&'a ArchiveStore>) -> Self {
        Self { archive, ..self }
    }

    /// Where archives are kept.
    pub(super) fn archive(&self) -> Result<&'a ArchiveStore, ActionError> {
        self.archive.ok_or_else(|| ActionError::fail("there is no archive store here"))
    }

    /// The account that a call is about, which has something here.
    pub(super) async fn subject(&self, call: &Call) -> Result<String, ActionError> {
        let needs = || ActionError::fail(format!("`{}` needs an account", call.action));
        let account = call.account.as_deref().ok_or_else(needs)?;
        self.known(account).await?;
        Ok(account.to_owned())
    }

    /// Refuses what is no account of this server.
    async fn known(&self, account: &str) -> Result<(), ActionError> {
        match self.standing(account).await? {
            Some(_) => Ok(()),
            None => Err(ActionError::fail(format!("there is no account `{account}` on {}", self.system))),
        }
    }

    /// The home of this kind of an account; `None` where it has none.
    pub(super) async fn home(&self, template: Option<&Template>, account: &str) -> Result<Option<Url>, ActionError> {
        let Some(template) = template else { return Ok(None) };
        let url = template.fill(&self.settings.url, account);
        let found = self.server.at(&url, &[RESOURCE_TYPE]).await?;
        Ok(found.filter(|found| found.described.is_collection()).map(|_| url))
    }

    /// The one who takes over, another account that is here, and the folder that is asked for.
    pub(super) async fn colleague(&self, call: &Call, from: &str) -> Result<(String, Option<String>), ActionError> {
        let (to, folder) = match Params::from_json(call.action, &call.with).map_err(ActionError::fail)? {
            Params::Transfer(Transfer { to, folder }) => (to, folder),
            _ => return Err(ActionError::fail(format!("`{}` hands nothing over", call.action))),
        };
        let system = self.system;
        let address = to.email.ok_or_else(|| ActionError::fail("the one to hand over to has no address"))?;
        let account = self.settings.account_of(&address).ok_or_else(|| {
            let domain = self.settings.domain.as_deref().unwrap_or_default();
            ActionError::fail(format!(
                "the one to hand over to has no address of {domain}, by which accounts of {system} are called"
            ))
        })?;
        if account == from {
            return Err(ActionError::fail(format!("account `{from}` cannot hand over to itself")));
        }
        if self.standing(&account).await?.is_none() {
            return Err(ActionError::fail(format!("`{system}` has no account of the one to hand over to")));
        }
        Ok((account, folder))
    }

    /// Whether the server sends invitations and cancellations by itself (RFC 6638 §2).
    pub(super) async fn schedules(&self, home: &Url) -> Result<bool, ActionError> {
        Ok(self.server.classes(home).await?.iter().any(|class| class == "calendar-auto-schedule"))
    }

    /// Whether an account has anything here: it is there as long as one of its homes is.
    async fn standing(&self, account: &str) -> Result<Option<Standing>, ActionError> {
        if let Some(why) = place::wrong_with_segment(account) {
            return Err(ActionError::fail(format!("this is no account of {}: {why}", self.system)));
        }
        let mut standing = Standing::default();
        for (word, template) in self.settings.homes() {
            let url = template.fill(&self.settings.url, account);
            let Some(found) = self.server.at(&url, &[RESOURCE_TYPE, NAME]).await? else { continue };
            if found.described.is_collection() {
                standing.has(word, &found.described);
            }
        }
        Ok((!standing.homes.is_empty()).then_some(standing))
    }

    pub(super) async fn read(&self, account: &str) -> Result<Option<Account>, ActionError> {
        let standing = self.standing(account).await?;
        Ok(standing.map(|standing| self.account(account, standing)))
    }

    /// Everybody whose home is where homes are.
    pub(super) async fn accounts(&self) -> Result<Vec<Account>, ActionError> {
        let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
        let mut lists: BTreeMap<Url, Vec<Resource>> = BTreeMap::new();
        for (word, template) in self.settings.homes() {
            let above = template.above(&self.settings.url);
            if !lists.contains_key(&above) {
                let found = self.server.inside(&above, &[RESOURCE_TYPE, NAME]).await?;
                let none = || ActionError::retry(format!("{} is not there, or may not be read", above.path()));
                lists.insert(above.clone(), found.ok_or_else(none)?);
            }
            for found in lists.get(&above).into_iter().flatten().filter(|found| found.described.is_collection()) {
                let home = match template.is_right_above() {
                    true => Some(found.described.clone()),
                    false => {
                        let url = template.fill(&self.settings.url, &found.name);
                        self.server.at(&url, &[RESOURCE_TYPE, NAME]).await?.map(|home| home.described)
                    }
                };
                if let Some(home) = home.filter(Described::is_collection) {
                    standings.entry(found.name.clone()).or_default().has(word, &home);
                }
            }
        }
        Ok(standings.into_iter().map(|(name, standing)| self.account(&name, standing)).collect())
    }

    fn account(&self, name: &str, standing: Standing) -> Account {
        let mut attributes = BTreeMap::from([("homes".to_owned(), json!(standing.homes))]);
        if let Some(address) = self.settings.address_of(name) {
            attributes.insert("email".to_owned(), Value::from(address));
        }
        if let Some(shown) = standing.name.filter(|shown| shown != name) {
            attributes.insert("display_name".to_owned(), Value::from(shown));
        }
        Account {
            id: 0,
            system: self.system.to_owned(),
            external_id: name.to_owned(),
            login: name.to_owned(),
            person_id: None,
            // Sign-in is closed where the accounts come from; the server does not show it.
            status: AccountStatus::Enabled,
            attributes,
            last_sign_in: None,
            purge_due: None,
        }
    }
}
