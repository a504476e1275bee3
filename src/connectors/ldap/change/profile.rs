//! Names and addresses of an account.

use crate::connectors::ldap::directory::{self, Change};
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::name;
use crate::connectors::ldap::place::Place;
use crate::connectors::ldap::settings::Profile;
use crate::connectors::wording::Corrections;
use crate::connectors::{ActionError, Call, Observation};

/// Names to correct; those not given stay.
#[derive(Clone, Debug)]
pub(super) struct Names(Corrections);

impl Names {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        Corrections::of(call, ["givenName", "sn", "displayName"]).map(Self)
    }

    pub(super) fn observe(&self, entry: &Entry) -> Observation {
        let differs = |(attribute, value): &&(&str, String)| entry.text(attribute).as_deref() != Some(value);
        let mut open: Vec<&str> = self.0.texts.iter().filter(differs).map(|(attribute, _)| *attribute).collect();
        if self.0.address.as_ref().is_some_and(|address| !entry.has("mail", &complete(entry, address))) {
            open.push("mail");
        }
        Observation::seen(open.is_empty(), "names as asked", format!("not as asked: {}", open.join(", ")))
    }

    pub(super) async fn apply(&self, entry: &Entry, at: &Place<'_>) -> Result<(), ActionError> {
        let mut changes: Vec<Change> = Vec::new();
        let first = name::split(&entry.dn).0.split_once('=').map_or("", |(attribute, _)| attribute);
        for (attribute, value) in &self.0.texts {
            changes.push(directory::replace(attribute, &[value]));
            // What an entry is called by is no value to replace.
            let whole = *attribute == "displayName" && at.settings.profile != Profile::ActiveDirectory;
            if whole && !first.eq_ignore_ascii_case("cn") {
                changes.push(directory::replace("cn", &[value]));
            }
        }
        if let Some(address) = &self.0.address {
            let address = complete(entry, address);
            // Values have no order: the one that is shown as the first goes, the others are somebody else's.
            let others = entry.texts("mail");
            let others = others.iter().skip(1).filter(|other| !other.eq_ignore_ascii_case(&address));
            let all: Vec<&str> = std::iter::once(address.as_str()).chain(others.map(String::as_str)).collect();
            changes.push(directory::replace("mail", &all));
        }
        at.change(entry, changes).await
    }
}

/// The part before the `@` of the account's own domain, or the whole address.
fn complete(entry: &Entry, address: &str) -> String {
    match entry.text("mail").as_deref().and_then(|first| first.split_once('@')) {
        Some((_, domain)) if !address.contains('@') => format!("{address}@{domain}"),
        _ => address.to_owned(),
    }
}
