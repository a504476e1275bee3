//! Whose account is whose: an ordered list of rules, each comparing an attribute of the account with a field of the
//! person. What matches is bound by the account's immutable id; nobody is matched by an alias.

use std::fmt;

use super::subject::Account;

/// What a rule compares of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchField {
    /// The employee number, as it is.
    EmployeeNumber,
    /// The work address, without regard to case.
    Email,
    /// The name as shown, without regard to case.
    DisplayName,
}

impl MatchField {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EmployeeNumber, Self::Email, Self::DisplayName];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmployeeNumber => "employee_number",
            Self::Email => "email",
            Self::DisplayName => "display_name",
        }
    }

    /// As it is compared.
    pub fn compared(self, value: &str) -> String {
        match self {
            Self::EmployeeNumber => value.trim().to_owned(),
            Self::Email | Self::DisplayName => value.trim().to_lowercase(),
        }
    }
}

/// `ATTRIBUTE=FIELD`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchRule {
    /// An attribute of the account, or `login`.
    pub attribute: String,
    /// What it is compared with.
    pub field: MatchField,
}

impl fmt::Display for MatchRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attribute == self.field.as_str() {
            true => f.write_str(&self.attribute),
            false => write!(f, "{}={}", self.attribute, self.field.as_str()),
        }
    }
}

impl MatchRule {
    /// Reads `ATTRIBUTE=FIELD`, or one word where both are called the same.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (attribute, name) = text.split_once('=').unwrap_or((text, text));
        let (attribute, name) = (attribute.trim(), name.trim());
        if matches!(attribute, "alias" | "aliases") {
            let message =
                "an alias is no identity: it may be somebody else's address tomorrow; compare `email` or `login`";
            return Err(message.to_owned());
        }
        let field = MatchField::ALL.into_iter().find(|field| field.as_str() == name).ok_or_else(|| {
            let fields = MatchField::ALL.map(MatchField::as_str).join(", ");
            format!("`{name}` is nothing that people are matched by; write ATTRIBUTE=FIELD, the fields are {fields}")
        })?;
        if attribute.is_empty() {
            return Err(format!("`{text}` names no attribute of the account; write for example `login=email`"));
        }
        Ok(Self { attribute: attribute.to_owned(), field })
    }

    /// What the account says, as it is compared.
    fn value(&self, account: &Account) -> Option<String> {
        let own = account.attributes.get(&self.attribute).and_then(|value| value.as_str());
        let value = own.or((self.attribute == "login").then_some(account.login.as_str()))?;
        Some(self.field.compared(value)).filter(|value| !value.is_empty())
    }
}

/// The rules of one system, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchRules(pub Vec<MatchRule>);

impl Default for MatchRules {
    /// By employee number; an account without one by its address; without that by its sign-in name.
    fn default() -> Self {
        let rule = |attribute: &str, field| MatchRule { attribute: attribute.to_owned(), field };
        Self(vec![
            rule("employee_number", MatchField::EmployeeNumber),
            rule("email", MatchField::Email),
            rule("login", MatchField::Email),
        ])
    }
}

impl MatchRules {
    /// The rule that decides about an account, and the value it compares: the first one whose attribute the account
    /// has. A value that is nobody's is not made up for by a later rule.
    pub fn deciding(&self, account: &Account) -> Option<(&MatchRule, String)> {
        self.0.iter().find_map(|rule| Some((rule, rule.value(account)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::account;

    #[test]
    fn the_first_attribute_that_is_there_decides() {
        let rules = MatchRules::default();
        let mut ada = account(1, "mailhost");
        ada.login = "Ada@Example.org".into();
        let deciding = |account: &Account| rules.deciding(account).map(|(rule, value)| (rule.to_string(), value));
        assert_eq!(deciding(&ada), Some(("login=email".into(), "ada@example.org".into())));
        ada.attributes.insert("aliases".into(), serde_json::json!(["charles@example.org"]));
        ada.attributes.insert("email".into(), "Ada.L@Example.org".into());
        assert_eq!(deciding(&ada), Some(("email".into(), "ada.l@example.org".into())));
        ada.attributes.insert("employee_number".into(), "1001".into());
        assert_eq!(deciding(&ada), Some(("employee_number".into(), "1001".into())));
    }

    #[test]
    fn an_alias_is_no_identity() {
        assert!(MatchRule::parse("aliases=email").unwrap_err().contains("no identity"));
        assert!(MatchRule::parse("uid=shoe_size").unwrap_err().contains("employee_number, email, display_name"));
        assert!(MatchRule::parse("=email").is_err());
        let rule = MatchRule::parse(" uid = employee_number ").unwrap();
        assert_eq!((rule.attribute.as_str(), rule.field), ("uid", MatchField::EmployeeNumber));
        assert_eq!(MatchRule::parse("email").unwrap().to_string(), "email");
    }
}
