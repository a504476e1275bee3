//! `kind = "scim"`: where a service provider is, how usher gets in, and what it does its own way.

use std::collections::BTreeSet;

use crate::connectors::http::LineSettings;
use crate::run::Governing;

use super::account::ADMINISTRATORS;

/// How usher shows who it is (RFC 7644, 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// `Authorization: Bearer …` with the secret `token`.
    Bearer,
    /// `Authorization: Basic …` with this name and the secret `password`.
    Basic(String),
}

/// How a provider wants to be told of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PATCH as it is written down: an operation for each path (RFC 7644, 3.5.2).
    Rfc7644,
    /// PATCH as Microsoft Entra ID sends it: `Replace`, `"False"`, members to remove as values.
    Entra,
    /// PATCH as Okta sends it: one operation without a path, whose value holds everything.
    Okta,
    /// No PATCH: the whole resource again (RFC 7644, 3.5.1).
    Put,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rfc7644, Self::Entra, Self::Okta, Self::Put];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc7644 => "rfc7644",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Put => "put",
        }
    }
}

/// Where the employee number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberIn {
    /// `employeeNumber` of the enterprise extension (RFC 7643, 4.3). `externalId` then holds usher's key of a new account.
    Enterprise,
    /// `externalId` (RFC 7643, 3.1).
    ExternalId,
}

impl NumberIn {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Enterprise, Self::ExternalId];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enterprise => "employeeNumber",
            Self::ExternalId => "externalId",
        }
    }
}

/// What a provider does not have, though the standard knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// People sign in elsewhere: there are no passwords to set.
    Password,
    /// `roles` of an account.
    Roles,
    /// Groups.
    Groups,
}

impl Lack {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Password, Self::Roles, Self::Groups];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Roles => "roles",
            Self::Groups => "groups",
        }
    }
}

/// A service provider's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimSettings {
    /// Where it is, and the secret that `login` needs.
    pub line: LineSettings,
    /// How usher gets in.
    pub login: Login,
    /// How changes are told; without it, as the provider announces.
    pub dialect: Option<Dialect>,
    /// Where the employee number stands.
    pub number: NumberIn,
    /// What it does not have.
    pub lacks: BTreeSet<Lack>,
    /// The value of `roles` that administrators have.
    pub administrators: Option<String>,
    /// How many resources are asked for at once, 1 to 1000.
    pub page: u32,
}

impl ScimSettings {
    /// Resources on one page.
    pub const PAGE: u32 = 200;
    /// The longest answer that is read: a page of groups with all their members.
    pub const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
    /// The name of the secret of [`Login::Bearer`].
    pub const TOKEN: &'static str = "token";
    /// The name of the secret of [`Login::Basic`].
    pub const PASSWORD: &'static str = "password";

    /// Whom the provider must not lose the last of; nobody where nothing says who administers it.
    pub fn governing(&self) -> Vec<Governing> {
        if self.administrators.is_some() { vec![ADMINISTRATORS] } else { Vec::new() }
    }

    pub(super) fn has(&self, what: Lack) -> bool {
        !self.lacks.contains(&what)
    }
}
