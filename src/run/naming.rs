//! The names of new accounts: a convention, a person and what is taken make a work address. Pure.
//!
//! [`pattern`] reads the convention and spells it for a person, [`spelling`] turns names of any script into letters
//! that every mail system takes, [`reserved`] knows the words that belong to nobody. Here the first free name is chosen.

mod pattern;
mod reserved;
mod spelling;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use pattern::{Pattern, PatternError};
pub use reserved::RESERVED;

use super::subject::Person;
use crate::workflow::Span;
use crate::workflow::params::values::is_email;
use crate::workflow::span::FixedSpan;

/// Longest part before the `@`, in octets (RFC 5321, section 4.5.3.1.1).
pub const LONGEST_LOCAL_PART: usize = 64;

/// The last number that is tried behind a name that is taken.
const LAST_NUMBER: u32 = 999;

/// What becomes of a name that somebody has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCollision {
    /// The first number from 2 on that makes it free: `john.doe2`.
    #[default]
    Number,
    /// A person decides.
    Refuse,
}

/// `[naming]`: how new accounts are called.
#[derive(Clone, Debug)]
pub struct Naming {
    /// The part before the `@`.
    pub pattern: Pattern,
    /// The part behind it; without one, a new account needs a work address from HR or the workflow.
    pub domain: Option<String>,
    /// What becomes of a name that is taken.
    pub on_collision: OnCollision,
    /// How long the address of somebody who has gone stays theirs.
    pub reserve: Span,
    /// Local parts that nobody gets, besides [`RESERVED`]; in lower case.
    pub reserved: BTreeSet<String>,
    /// Systems whose sign-in names are not the work address.
    pub sign_in: BTreeMap<String, SignIn>,
}

/// `[naming.systems.NAME]`: how people sign in there.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The name's pattern.
    pub pattern: Pattern,
    /// What stands behind an `@`; without it, the sign-in name is the bare pattern.
    pub domain: Option<String>,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            pattern: Pattern::default(),
            domain: None,
            on_collision: OnCollision::default(),
            reserve: Span::Calendar(FixedSpan(jiff::Span::new().years(2))),
            reserved: BTreeSet::new(),
            sign_in: BTreeMap::new(),
        }
    }
}

/// Why an account has no name yet, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamingError {
    /// Nothing is left of the names.
    #[error(
        "no address can be spelt from the name of {0}: give one, as the work address in HR's file or as the run's input `address`"
    )]
    Nameless(String),
    /// The configuration does not say what stands behind the `@`.
    #[error(
        "the configuration has no `domain` under [naming], and HR gave {0} no work address: give one of them, then `usher step retry`"
    )]
    NoDomain(String),
    /// What was given is no address.
    #[error("`{0}` is not a mail address: write `john.doe`, or `john.doe@example.com`")]
    Unusable(String),
    /// Somebody has it.
    #[error("{name} is taken ({by}): give another, as the work address in HR's file or as the run's input `address`")]
    Taken {
        /// The name.
        name: String,
        /// Who or what has it.
        by: String,
    },
}

/// A name as it would be if nobody had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    local: String,
    domain: Option<String>,
}

impl Wanted {
    /// What every candidate begins with, at least: what is taken needs to be known only among such names.
    pub fn stem(&self) -> &str {
        let shortest = self.local.len().min(LONGEST_LOCAL_PART - 4);
        self.local.get(..shortest).unwrap_or(&self.local)
    }

    fn plain(&self) -> String {
        self.with(&self.local)
    }

    fn numbered(&self, number: u32) -> String {
        let number = number.to_string();
        let room = LONGEST_LOCAL_PART - number.len();
        let local = self.local.get(..self.local.len().min(room)).unwrap_or(&self.local);
        self.with(&format!("{}{number}", local.trim_end_matches(['.', '-', '_'])))
    }

    fn with(&self, local: &str) -> String {
        self.domain.as_ref().map_or_else(|| local.to_owned(), |domain| format!("{local}@{domain}"))
    }
}

impl Naming {
    /// The work address the convention wants for somebody.
    ///
    /// # Errors
    /// Without a domain, or when nothing is left of the names.
    pub fn address_of(&self, person: &Person) -> Result<Wanted, NamingError> {
        let domain = self.domain.clone().ok_or_else(|| NamingError::NoDomain(person.employee_number.clone()))?;
        Ok(Wanted { local: spelt(&self.pattern, person)?, domain: Some(domain) })
    }

    /// The work address that somebody wrote: whole, or its part before the `@`.
    ///
    /// # Errors
    /// When it is no address, or a part of one and there is no domain.
    pub fn given_address(&self, written: &str, person: &Person) -> Result<String, NamingError> {
        let written = written.trim().to_lowercase();
        let whole = match (written.contains('@'), &self.domain) {
            (true, _) => written.clone(),
            (false, Some(domain)) => format!("{written}@{domain}"),
            (false, None) => return Err(NamingError::NoDomain(person.employee_number.clone())),
        };
        let local = whole.split('@').next().unwrap_or_default();
        if is_email(&whole) && is_dot_atom(local) { Ok(whole) } else { Err(NamingError::Unusable(written)) }
    }

    /// How somebody signs in on `system`, where that is not the work address: by the step's own `pattern`, or by the
    /// system's.
    ///
    /// # Errors
    /// When nothing is left of the names.
    pub fn sign_in_of(
        &self,
        system: &str,
        pattern: Option<&Pattern>,
        person: &Person,
    ) -> Result<Option<Wanted>, NamingError> {
        let own = self.sign_in.get(system);
        let domain = own.and_then(|own| own.domain.clone());
        match pattern.or(own.map(|own| &own.pattern)) {
            Some(pattern) => Ok(Some(Wanted { local: spelt(pattern, person)?, domain })),
            None => Ok(None),
        }
    }

    /// The first name that nobody has. `taken` says who has a name (in lower case).
    ///
    /// # Errors
    /// When it is taken and the convention does not number, or every number is taken too.
    pub fn choose(&self, wanted: &Wanted, taken: impl Fn(&str) -> Option<String>) -> Result<String, NamingError> {
        let by = |name: &str| self.reserved_word(name).or_else(|| taken(name));
        let plain = wanted.plain();
        let Some(first) = by(&plain) else { return Ok(plain) };
        let last = match self.on_collision {
            OnCollision::Number => LAST_NUMBER,
            OnCollision::Refuse => 1,
        };
        let mut numbered = (2..=last).map(|number| wanted.numbered(number));
        numbered.find(|name| by(name).is_none()).ok_or(NamingError::Taken { name: plain, by: first })
    }

    /// Why nobody may have this name, where it is one of those.
    pub fn reserved_word(&self, name: &str) -> Option<String> {
        let local = name.split('@').next().unwrap_or(name).to_lowercase();
        let word = RESERVED.contains(&local.as_str()) || self.reserved.contains(&local);
        word.then(|| "a reserved word".to_owned())
    }

    /// Until when an address that is given up now stays reserved.
    pub fn reserved_until(&self, since: Timestamp) -> Timestamp {
        match &self.reserve {
            Span::Calendar(span) => since.to_zoned(TimeZone::UTC).saturating_add(span.0).timestamp(),
            Span::BusinessDays(days) => {
                crate::clock::plus(since, std::time::Duration::from_secs(u64::from(*days) * 86_400 * 7 / 5))
            }
        }
    }
}

fn spelt(pattern: &Pattern, person: &Person) -> Result<String, NamingError> {
    let nameless = || NamingError::Nameless(person.employee_number.clone());
    let local = pattern.spell(&person.given_name, &person.family_name, person.language.as_deref());
    if is_dot_atom(&local) { Ok(local) } else { Err(nameless()) }
}

/// Whether it is a local part that needs no quotes (RFC 5322, section 3.2.3) and fits (RFC 5321).
fn is_dot_atom(local: &str) -> bool {
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.len() <= LONGEST_LOCAL_PART && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

#[cfg(test)]
mod tests;
