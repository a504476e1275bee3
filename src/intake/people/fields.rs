//! The fields of a person that a file may tell.

use serde::{Deserialize, Serialize};

/// A field of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The key HR uses.
    EmployeeNumber,
    /// First name or names.
    GivenName,
    /// Last name.
    FamilyName,
    /// As shown to others.
    DisplayName,
    /// Work address.
    Email,
    /// Employee number of the manager.
    ManagerNumber,
    /// Department.
    Department,
    /// IANA zone.
    Timezone,
    /// BCP 47 language.
    Language,
    /// First working day.
    StartDate,
    /// Last working day.
    LastDay,
    /// Where they stand.
    Status,
}

impl Field {
    /// All of them, in the order tables show them.
    pub const ALL: [Self; 12] = [
        Self::EmployeeNumber,
        Self::GivenName,
        Self::FamilyName,
        Self::DisplayName,
        Self::Email,
        Self::ManagerNumber,
        Self::Department,
        Self::Timezone,
        Self::Language,
        Self::StartDate,
        Self::LastDay,
        Self::Status,
    ];

    /// The name used in `--map` and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmployeeNumber => "employee_number",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::DisplayName => "display_name",
            Self::Email => "email",
            Self::ManagerNumber => "manager_number",
            Self::Department => "department",
            Self::Timezone => "timezone",
            Self::Language => "language",
            Self::StartDate => "start_date",
            Self::LastDay => "last_day",
            Self::Status => "status",
        }
    }

    /// The field called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// Whether it holds a date.
    pub(super) const fn is_date(self) -> bool {
        matches!(self, Self::StartDate | Self::LastDay)
    }
}
