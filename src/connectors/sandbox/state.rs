//! All simulated systems in memory: built from the description, carried on by the ledger, and nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::account::{Agenda, FileStore, Folder, Mailbox, SandboxAccount};
use super::company::{AccountSpec, Company, Holder, SystemSpec};
use super::{digest, size};
use crate::connectors::ActionError;
use crate::workflow::Facet;

/// The folder where mail arrives.
pub(super) const INBOX: &str = "INBOX";

/// Every system of the company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// By name.
    pub(super) systems: BTreeMap<String, SystemState>,
}

/// One simulated system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SystemState {
    /// Its name.
    pub(super) name: String,
    /// What it offers.
    pub(super) facets: Vec<Facet>,
    /// Whether deleted accounts go into a trash.
    pub(super) trash: bool,
    /// Days in the trash.
    pub(super) grace_days: u16,
    /// Whether its management is blocked.
    pub(super) blocked: bool,
    /// Whether it is in maintenance: reception goes on, reading does not.
    pub(super) maintenance: bool,
    /// Accounts by immutable id.
    pub(super) accounts: BTreeMap<String, SandboxAccount>,
    /// Which account an address, a sign-in name or an employee number stands for; kept by `put` and `take`.
    #[serde(skip)]
    book: BTreeMap<String, String>,
    /// Purged accounts, with the instant.
    pub(super) gone: BTreeMap<String, Timestamp>,
    /// Accounts created since the beginning, so that no id comes twice.
    pub(super) created: u64,
}

impl State {
    /// The company as its description begins.
    pub(super) fn begin(company: &Company) -> Self {
        let mut state = Self::default();
        for (name, spec) in &company.systems {
            state.systems.insert(name.clone(), SystemState::begin(name, spec));
        }
        for holder in &company.people {
            for (name, spec) in &holder.on {
                if let Some(system) = state.systems.get_mut(name) {
                    let account = begin_account(system, holder, spec);
                    system.put(account);
                }
            }
        }
        state
    }
}

impl SystemState {
    fn begin(name: &str, spec: &SystemSpec) -> Self {
        Self {
            name: name.to_owned(),
            facets: spec.facets.clone(),
            trash: spec.trash,
            grace_days: spec.grace_days,
            blocked: false,
            maintenance: false,
            accounts: BTreeMap::new(),
            book: BTreeMap::new(),
            gone: BTreeMap::new(),
            created: 0,
        }
    }

    /// Whether it offers `facet`.
    pub(super) fn has(&self, facet: Facet) -> bool {
        self.facets.contains(&facet)
    }

    /// The account a request is about.
    ///
    /// # Errors
    /// A final failure that names the account: unknown, purged, or not given at all.
    pub(super) fn account(&self, id: Option<&str>) -> Result<&SandboxAccount, ActionError> {
        let name = &self.name;
        let id = id.ok_or_else(|| ActionError::fail(format!("`{name}` was not told which account")))?;
        if let Some(account) = self.accounts.get(id) {
            return Ok(account);
        }
        Err(ActionError::fail(match self.gone.get(id) {
            Some(at) => format!("account `{id}` on `{name}` was purged at {at}"),
            None => format!("`{name}` has no account `{id}`"),
        }))
    }

    /// The account that `address` (or `#` and an employee number) stands for, in the trash or not.
    pub(super) fn find(&self, address: &str) -> Option<&SandboxAccount> {
        self.accounts.get(self.book.get(&address.to_ascii_lowercase())?)
    }

    /// Puts an account into its place and its addresses into the book.
    pub(super) fn put(&mut self, account: SandboxAccount) {
        let names = account.names().map(|name| (name, account.id.clone()));
        self.book.extend(names);
        self.accounts.insert(account.id.clone(), account);
    }

    /// Takes an account out, with its addresses.
    pub(super) fn take(&mut self, id: &str) -> Option<SandboxAccount> {
        let account = self.accounts.remove(id)?;
        for name in account.names() {
            if self.book.get(&name).is_some_and(|owner| owner == id) {
                self.book.remove(&name);
            }
        }
        Some(account)
    }

    /// Changes an account; its addresses may be others afterwards.
    pub(super) fn alter(&mut self, id: Option<&str>, change: impl FnOnce(&mut SandboxAccount)) {
        if let Some(mut account) = id.and_then(|id| self.take(id)) {
            change(&mut account);
            self.put(account);
        }
    }

    /// What a new account finds there.
    pub(super) fn furnish(&self, account: &mut SandboxAccount) {
        account.mailbox = self.has(Facet::Mail).then(Mailbox::default);
        account.files = self.has(Facet::Files).then(FileStore::default);
        account.calendars = self.has(Facet::Calendars).then(Agenda::default);
    }
}

fn begin_account(system: &SystemState, holder: &Holder, spec: &AccountSpec) -> SandboxAccount {
    let bytes = |text: &Option<String>| text.as_deref().and_then(size::parse);
    let mut account = SandboxAccount {
        id: spec.id.clone(),
        login: spec.login.clone().or_else(|| holder.email.clone()).unwrap_or_else(|| spec.id.clone()),
        employee_number: holder.number.clone(),
        email: holder.email.clone(),
        given_name: holder.given_name.clone(),
        family_name: holder.family_name.clone(),
        display_name: format!("{} {}", holder.given_name, holder.family_name).trim().to_owned(),
        status: spec.status,
        hidden: false,
        password: digest::generation(&["first", &system.name, &spec.id]),
        password_set: spec.password_set,
        sessions: spec.sessions.clone(),
        app_passwords: spec.app_passwords.clone(),
        tokens: spec.tokens.clone(),
        role: spec.role.clone(),
        groups: spec.groups.clone(),
        removed: None,
        licence: spec.licence.clone(),
        aliases: spec.aliases.clone(),
        quota_bytes: bytes(&spec.quota),
        last_sign_in: spec.last_sign_in,
        trash: None,
        created_by: None,
        setup_link: None,
        credentials_sent: 0,
        mailbox: None,
        files: None,
        calendars: None,
        archives: BTreeMap::new(),
    };
    system.furnish(&mut account);
    fill(&mut account, spec);
    account
}

fn fill(account: &mut SandboxAccount, spec: &AccountSpec) {
    let bytes = |text: &Option<String>| text.as_deref().and_then(size::parse).unwrap_or_default();
    if let Some(mailbox) = &mut account.mailbox {
        let inbox = Folder { mails: spec.mails, bytes: bytes(&spec.mail_size), from: None };
        mailbox.folders.insert(INBOX.to_owned(), inbox);
        mailbox.rules.clone_from(&spec.rules);
    }
    if let Some(files) = &mut account.files {
        (files.count, files.bytes) = (spec.files, bytes(&spec.file_size));
    }
    if let Some(agenda) = &mut account.calendars {
        agenda.calendars.clone_from(&spec.calendars);
        agenda.contacts.clone_from(&spec.contacts);
    }
}
