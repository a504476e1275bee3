//! What can be done next with an account, by its state: the commands themselves.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::house::House;
use super::super::moment;
use crate::clock::from_millis;
use crate::run::{Account, AccountStatus};

/// One thing that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// `block`, `restore`, …
    what: &'static str,
    /// Until when it can be done, or from when it happens by itself.
    when: Option<Timestamp>,
    /// The command; none for what happens by itself.
    command: Option<String>,
}

impl Next {
    fn now(what: &'static str, command: String) -> Self {
        Self { what, when: None, command: Some(command) }
    }

    /// `restore until 2027-08-27: usher run start …`
    pub(super) fn words(&self, house: &House) -> String {
        let word = if self.command.is_some() { "until" } else { "after" };
        let when = self.when.map(|at| format!(" {word} {}", moment::minute(at, &house.zone))).unwrap_or_default();
        let command = self.command.as_ref().map(|command| format!(": {command}")).unwrap_or_default();
        format!("{}{when}{command}", self.what)
    }

    pub(super) fn document(&self, house: &House) -> Value {
        let when = self.when.map(|at| house.instant(at));
        let by_itself = self.command.is_none();
        json!({ "what": self.what, "until": when.as_ref().filter(|_| !by_itself),
            "after": when.as_ref().filter(|_| by_itself), "command": self.command })
    }
}

/// What can be done with an account of the person with this employee number.
pub(super) fn next(account: &Account, owner: Option<&str>) -> Vec<Next> {
    let name = format!("{}:{}", account.system, account.external_id);
    let Some(person) = owner else {
        return match account.status {
            AccountStatus::Purged => Vec::new(),
            AccountStatus::Enabled | AccountStatus::Disabled | AccountStatus::Deleted => {
                vec![Next::now("bind", format!("usher accounts bind {name} PERSON"))]
            }
        };
    };
    let start = |workflow: &str, rest: &str| format!("usher run start {workflow} --person {person}{rest} --now");
    match account.status {
        AccountStatus::Enabled => vec![
            Next::now("block", format!("usher block {person}")),
            Next::now("disable on the last day", start("departure", " --set last_day=DATE")),
        ],
        AccountStatus::Disabled => vec![Next::now("enable", format!("usher unblock {person}"))],
        AccountStatus::Deleted => {
            let due = account.purge_due.map(from_millis);
            let restore = start("restore-account", &format!(" --set system={}", account.system));
            let purge = Next { what: "purged by itself", when: due, command: None };
            [Next { when: due, ..Next::now("restore", restore) }].into_iter().chain(due.map(|_| purge)).collect()
        }
        AccountStatus::Purged => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(status: AccountStatus, purge_due: Option<i64>, owner: Option<&str>) -> Vec<(&'static str, String)> {
        let account = Account {
            id: 1,
            system: "mailhost".into(),
            external_id: "m-1".into(),
            login: "ada".into(),
            person_id: None,
            status,
            attributes: std::collections::BTreeMap::new(),
            last_sign_in: None,
            purge_due,
        };
        next(&account, owner).into_iter().map(|next| (next.what, next.command.unwrap_or_default())).collect()
    }

    #[test]
    fn each_state_has_its_ways_on() {
        use AccountStatus::{Deleted, Disabled, Enabled, Purged};
        let first = |status, owner| commands(status, Some(5), owner).first().cloned();
        let said = |what, command: &str| Some((what, command.to_owned()));
        assert_eq!(first(Enabled, Some("7")), said("block", "usher block 7"));
        assert_eq!(first(Disabled, Some("7")), said("enable", "usher unblock 7"));
        let restore = "usher run start restore-account --person 7 --set system=mailhost --now";
        assert_eq!(first(Deleted, Some("7")), said("restore", restore));
        assert_eq!(commands(Deleted, Some(5), Some("7"))[1].0, "purged by itself");
        assert_eq!(commands(Deleted, None, Some("7")).len(), 1, "nobody knows when it ends");
        assert_eq!(first(Purged, Some("7")), None);
        assert_eq!(first(Enabled, None), said("bind", "usher accounts bind mailhost:m-1 PERSON"));
        assert_eq!(first(Purged, None), None);
    }
}
