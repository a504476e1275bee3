//! Who and what a run is about: people, accounts and systems as the pure rooms see them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::capability::Capability;
use crate::workflow::{ActionKind, Facet};

/// A human known from HR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Row key; 0 until stored.
    #[serde(skip)]
    pub id: i64,
    /// The key HR uses; never reused.
    pub employee_number: String,
    /// First name or names.
    pub given_name: String,
    /// Last name.
    pub family_name: String,
    /// As shown to others.
    pub display_name: String,
    /// Work address.
    pub email: Option<String>,
    /// Private address, for credentials before there is a mailbox. Never in a log.
    pub private_email: Option<String>,
    /// Employee number of the manager.
    pub manager_number: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// What they do, in HR's words.
    pub role: Option<String>,
    /// IANA zone, where it differs from the configured one.
    pub timezone: Option<String>,
    /// BCP 47 language.
    pub language: Option<String>,
    /// First working day.
    pub start_date: Option<Date>,
    /// Last working day, once HR has said so.
    pub last_day: Option<Date>,
    /// First day of the leave that HR last told of.
    pub leave_from: Option<Date>,
    /// First day back at work after it, where HR says so.
    pub leave_until: Option<Date>,
    /// Why they are away, in HR's words.
    pub leave_reason: Option<String>,
    /// Where they stand.
    pub status: PersonStatus,
}

/// Where a person stands with the company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonStatus {
    /// Hired, not started.
    Prehire,
    /// Works here.
    #[default]
    Active,
    /// Away, coming back.
    OnLeave,
    /// A last day is known.
    Leaving,
    /// Has left.
    Left,
}

impl PersonStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Prehire, Self::Active, Self::OnLeave, Self::Leaving, Self::Left];

    /// The word used in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prehire => "prehire",
            Self::Active => "active",
            Self::OnLeave => "on_leave",
            Self::Leaving => "leaving",
            Self::Left => "left",
        }
    }

    /// The status called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether the person works here (on leave counts, too).
    pub const fn is_employed(self) -> bool {
        matches!(self, Self::Active | Self::OnLeave | Self::Leaving)
    }

    /// Whether HR says the person is on the way out or gone.
    pub const fn is_departed(self) -> bool {
        matches!(self, Self::Leaving | Self::Left)
    }
}

/// A person's identity on one system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Row key; 0 until stored.
    #[serde(skip)]
    pub id: i64,
    /// The system's configured name.
    pub system: String,
    /// The system's own immutable id.
    pub external_id: String,
    /// The name people sign in with; may change.
    pub login: String,
    /// The person it belongs to, where known.
    pub person_id: Option<i64>,
    /// As last seen.
    pub status: AccountStatus,
    /// What else the system told us (role, groups, aliases, quota, employee number, address).
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// Last sign-in as the system knows it, epoch milliseconds.
    pub last_sign_in: Option<i64>,
    /// When a deleted account is past its grace, epoch milliseconds.
    pub purge_due: Option<i64>,
}

/// An account's standing on its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Can sign in.
    Enabled,
    /// Cannot sign in; data stays.
    Disabled,
    /// In its grace period: recoverable.
    Deleted,
    /// Gone for good.
    Purged,
}

impl AccountStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Enabled, Self::Disabled, Self::Deleted, Self::Purged];

    /// The word used in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    /// The status called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A configured system as planning sees it: what it is, and what it can do for this subject.
#[derive(Clone, Debug)]
pub struct SystemView {
    /// Its configured name.
    pub name: String,
    /// What it offers.
    pub facets: Vec<Facet>,
    /// The subject's account there.
    pub account: Option<Account>,
    /// Its answer for every action on that account (or on the system, where there is none).
    pub capabilities: BTreeMap<ActionKind, Capability>,
}

/// What a run is about, with what planning needs to know of it.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A person, with their manager where HR names one.
    Person {
        /// The person.
        person: Box<Person>,
        /// The manager.
        manager: Option<Box<Person>>,
    },
    /// One account (its person may be unknown).
    Account(Box<Account>),
    /// The organisation.
    Organisation,
}
