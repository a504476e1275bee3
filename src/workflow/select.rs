//! `for_each:` the closed set of selections that a scheduled workflow may run over.
//!
//! ```yaml
//! for_each: { accounts: purge_due }
//! for_each: { accounts: inactive, for: 90 days }
//! for_each: { people: starting, within: 7 days }      # or, in one word, starting_in_7_days
//! ```

use super::codes::Code;
use super::definition::SubjectKind;
use super::report::{Fields, Report};
use super::span::Span;
use super::yaml::Node;

/// Whom or what a scheduled workflow runs over: one child run for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Accounts of the inventory.
    Accounts(AccountSelection),
    /// People known from HR.
    People(PersonSelection),
}

/// Which accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSelection {
    /// Deleted, past their grace, and in the hands of no open run.
    PurgeDue,
    /// Enabled or disabled, and bound to nobody known.
    Unbound,
    /// Enabled, and nobody has signed in for so long. An account whose system does not tell is not among them.
    Inactive(Span),
    /// Disabled.
    Disabled,
}

/// Which people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonSelection {
    /// Not here yet, with a start date from today to so much later.
    Starting(Span),
    /// Leaving, with a last day from today to so much later.
    Leaving(Span),
    /// Those whose status is `active`.
    Active,
    /// Those who have left.
    Departed,
}

impl Selector {
    /// What each child run is about.
    pub const fn subject(&self) -> SubjectKind {
        match self {
            Self::Accounts(_) => SubjectKind::Account,
            Self::People(_) => SubjectKind::Person,
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accounts(AccountSelection::PurgeDue) => f.write_str("each deleted account past its grace period"),
            Self::Accounts(AccountSelection::Unbound) => f.write_str("each account that is bound to nobody"),
            Self::Accounts(AccountSelection::Inactive(span)) => {
                write!(f, "each enabled account where nobody has signed in for {}", span.words())
            }
            Self::Accounts(AccountSelection::Disabled) => f.write_str("each disabled account"),
            Self::People(PersonSelection::Starting(span)) => {
                write!(f, "each person who starts within {}", span.words())
            }
            Self::People(PersonSelection::Leaving(span)) => write!(f, "each person who leaves within {}", span.words()),
            Self::People(PersonSelection::Active) => f.write_str("each person who is active"),
            Self::People(PersonSelection::Departed) => f.write_str("each person who has left"),
        }
    }
}

/// The words for accounts.
pub(super) const ACCOUNTS: [&str; 4] = ["purge_due", "unbound", "inactive", "disabled"];
/// The words for people.
pub(super) const PEOPLE: [&str; 4] = ["starting", "leaving", "active", "departed"];
/// The keys of `for_each`.
pub(super) const KEYS: [&str; 4] = ["accounts", "people", "for", "within"];

/// Reads `for_each:`.
pub(super) fn read(top: &Fields<'_>, subject: Option<SubjectKind>, report: &mut Report<'_>) -> Option<Selector> {
    let node = top.get("for_each")?;
    if subject.is_some_and(|subject| subject != SubjectKind::Organisation) {
        report
            .error(top.key_pos("for_each"), Code::ForEach, "`for_each` needs `for: organisation`")
            .help("its child runs are about the accounts or people it selects");
    }
    let fields = report.fields(node, "`for_each`", &KEYS)?;
    match (fields.get("accounts"), fields.get("people")) {
        (Some(node), None) => accounts(node, &fields, report),
        (None, Some(node)) => people(node, &fields, report),
        _ => {
            let help =
                "write for example `for_each: { accounts: purge_due }` or `{ people: starting, within: 7 days }`";
            report.error(node.pos, Code::ForEach, "`for_each` selects either accounts or people").help(help);
            None
        }
    }
}

fn accounts(node: &Node, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Selector> {
    let word = report.text(node, "`accounts`")?;
    let span = length(word, "inactive", "for", fields, report);
    Some(Selector::Accounts(match word {
        "purge_due" => AccountSelection::PurgeDue,
        "unbound" => AccountSelection::Unbound,
        "disabled" => AccountSelection::Disabled,
        "inactive" => AccountSelection::Inactive(span?),
        other => {
            report.unknown(node.pos, Code::UnknownWord, "selection of accounts", other, &ACCOUNTS);
            return None;
        }
    }))
}

fn people(node: &Node, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Selector> {
    let word = report.text(node, "`people`")?;
    if let Some(selection) = in_one_word(word) {
        length(word, "", "within", fields, report);
        return Some(Selector::People(selection));
    }
    let takes = if word == "leaving" { "leaving" } else { "starting" };
    let span = length(word, takes, "within", fields, report);
    Some(Selector::People(match word {
        "active" => PersonSelection::Active,
        "departed" => PersonSelection::Departed,
        "starting" => PersonSelection::Starting(span?),
        "leaving" => PersonSelection::Leaving(span?),
        other => {
            let known = [&PEOPLE[..], &["starting_in_7_days", "leaving_in_7_days"]].concat();
            report.unknown(node.pos, Code::UnknownWord, "selection of people", other, &known);
            return None;
        }
    }))
}

/// `starting_in_7_days`, `leaving_in_30_days`
fn in_one_word(word: &str) -> Option<PersonSelection> {
    let (make, rest): (fn(Span) -> PersonSelection, _) = match word.split_once("_in_")? {
        ("starting", rest) => (PersonSelection::Starting, rest),
        ("leaving", rest) => (PersonSelection::Leaving, rest),
        _ => return None,
    };
    let count = rest.strip_suffix("_days").or_else(|| rest.strip_suffix("_day"))?;
    let count: u16 = count.parse().ok().filter(|count| (1..=366).contains(count))?;
    Some(make(Span::parse(&format!("{count} days")).ok()?))
}

/// The span that goes with the word `takes`, under `key`; with any other word it is a mistake.
fn length(word: &str, takes: &str, key: &str, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Span> {
    for other in ["for", "within"].into_iter().filter(|other| fields.get(other).is_some()) {
        if other != key || word != takes {
            report
                .error(fields.key_pos(other), Code::ForEach, format!("`{word}` takes no `{other}`"))
                .help("`for` goes with `accounts: inactive`, `within` with `people: starting` and `people: leaving`");
        }
    }
    if word != takes {
        return None;
    }
    let Some(node) = fields.get(key) else {
        let example = if key == "for" { "90 days" } else { "7 days" };
        report
            .error(fields.pos, Code::MissingKey, format!("`{word}` needs `{key}`: how long"))
            .help(format!("write for example `{key}: {example}`"));
        return None;
    };
    match Span::parse(report.text(node, &format!("`{key}`"))?) {
        Ok(span) if !span.is_zero() && !matches!(span, Span::BusinessDays(_)) => Some(span),
        Ok(span) => {
            report
                .error(node.pos, Code::Span, format!("`{span}` is no length for `{key}`"))
                .help("write for example `7 days`, `2 weeks` or `3 months`");
            None
        }
        Err(error) => {
            report.error(node.pos, Code::Span, error.to_string()).help("write for example `7 days`");
            None
        }
    }
}
