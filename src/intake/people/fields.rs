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
    /// Private address, for credentials before there is a mailbox.
    PrivateEmail,
    /// Employee number of the manager.
    ManagerNumber,
    /// Department.
    Department,
    /// What they do.
    Role,
    /// IANA zone.
    Timezone,
    /// BCP 47 language.
    Language,
    /// First working day.
    StartDate,
    /// Last working day.
    LastDay,
    /// First day of a leave.
    LeaveFrom,
    /// First day back at work.
    LeaveUntil,
    /// Last day of a leave: the day before [`Field::LeaveUntil`].
    LeaveLastDay,
    /// Why they are away.
    LeaveReason,
    /// Where they stand.
    Status,
    /// A first password, sealed as soon as it is read.
    Password,
}

impl Field {
    /// All of them, in the order tables show them.
    pub const ALL: [Self; 19] = [
        Self::EmployeeNumber,
        Self::GivenName,
        Self::FamilyName,
        Self::DisplayName,
        Self::Email,
        Self::PrivateEmail,
        Self::ManagerNumber,
        Self::Department,
        Self::Role,
        Self::Timezone,
        Self::Language,
        Self::StartDate,
        Self::LastDay,
        Self::LeaveFrom,
        Self::LeaveUntil,
        Self::LeaveLastDay,
        Self::LeaveReason,
        Self::Status,
        Self::Password,
    ];

    /// The name used in `--map` and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmployeeNumber => "employee_number",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::DisplayName => "display_name",
            Self::Email => "email",
            Self::PrivateEmail => "private_email",
            Self::ManagerNumber => "manager_number",
            Self::Department => "department",
            Self::Role => "role",
            Self::Timezone => "timezone",
            Self::Language => "language",
            Self::StartDate => "start_date",
            Self::LastDay => "last_day",
            Self::LeaveFrom => "leave_from",
            Self::LeaveUntil => "leave_until",
            Self::LeaveLastDay => "leave_last_day",
            Self::LeaveReason => "leave_reason",
            Self::Status => "status",
            Self::Password => "password",
        }
    }

    /// The field called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// Whether it holds a date.
    pub(super) const fn is_date(self) -> bool {
        matches!(self, Self::StartDate | Self::LastDay | Self::LeaveFrom | Self::LeaveUntil | Self::LeaveLastDay)
    }
}
