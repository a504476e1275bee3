//! Finding each account's person: by the rules of its system, page by page, and one account a person.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::Engine;
use crate::run::{Account, MatchField};
use crate::store::{Binding, Candidate, MatchNote, StoreError};

/// Accounts that are looked at at once.
const PAGE: i64 = 500;

/// Bindings in one transaction.
const BOUND_AT_ONCE: usize = 200;

/// Unbound accounts that are told; `usher accounts list --unbound` has all of them.
const TOLD: usize = 1000;

/// What matching one system's accounts found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Matched {
    /// Accounts bound to a person just now.
    pub bound: usize,
    /// Accounts that belong to nobody known.
    pub unbound_count: usize,
    /// The first of them.
    pub unbound: Vec<Unbound>,
}

/// An account that belongs to nobody known.
#[derive(Clone, Debug, Serialize)]
pub struct Unbound {
    /// `mailhost:m-0005`
    pub account: String,
    /// What people sign in with.
    pub login: String,
    /// Why, with the candidates.
    pub why: String,
}

/// An account that one person matches.
struct Match {
    person: i64,
    account: i64,
    rule: usize,
}

impl Engine {
    /// Binds the accounts of a system that match exactly one person, where that person has no other there. What is
    /// bound already, or was unbound by a person, stays as it is.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn match_accounts(&self, system: &str) -> Result<Matched, StoreError> {
        let (mut found, mut matched) = (Vec::new(), Matched::default());
        let mut after = 0;
        loop {
            let page = self.ask(self.store().unmatched_accounts(system, after, PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            self.judge_page(system, &page, &mut found, &mut matched).await?;
        }
        found.sort_unstable_by_key(|one: &Match| (one.person, one.account));
        // What belongs together must not be torn apart by the end of a piece.
        let same_person: Vec<&[Match]> = found.chunk_by(|one, other| one.person == other.person).collect();
        for people in same_person.chunks(BOUND_AT_ONCE) {
            self.bind_people(system, people, &mut matched).await?;
        }
        Ok(matched)
    }

    async fn judge_page(
        &self,
        system: &str,
        page: &[Account],
        found: &mut Vec<Match>,
        matched: &mut Matched,
    ) -> Result<(), StoreError> {
        let rules = self.rules(system);
        let mut values: BTreeMap<MatchField, BTreeSet<String>> = BTreeMap::new();
        for (rule, value) in page.iter().filter_map(|account| rules.deciding(account)) {
            values.entry(rule.field).or_default().insert(value);
        }
        let mut candidates: BTreeMap<MatchField, HashMap<String, Vec<Candidate>>> = BTreeMap::new();
        for (field, values) in &values {
            candidates.insert(*field, self.ask(self.store().candidates(*field, values)).await?);
        }
        let mut notes = Vec::new();
        for account in page {
            let Some((rule, value)) = rules.deciding(account) else {
                notes.push(matched.leave(account, "it has none of the attributes that people are matched by", false));
                continue;
            };
            let people = candidates.get(&rule.field).and_then(|found| found.get(&value)).map_or(&[][..], Vec::as_slice);
            match people {
                [one] => {
                    let index = rules.0.iter().position(|other| other == rule).unwrap_or_default();
                    found.push(Match { person: one.id, account: account.id, rule: index });
                }
                [] => {
                    let why = format!("its {} `{value}` is nobody's {}", rule.attribute, rule.field.as_str());
                    notes.push(matched.leave(account, &why, false));
                }
                several => {
                    let numbers: Vec<&str> = several.iter().map(|one| one.employee_number.as_str()).collect();
                    let why = format!("its {} `{value}` is that of {}", rule.attribute, numbers.join(", "));
                    notes.push(matched.leave(account, &why, true));
                }
            }
        }
        self.ask(self.store().note_matches(&notes)).await
    }

    async fn bind_people(&self, system: &str, people: &[&[Match]], matched: &mut Matched) -> Result<(), StoreError> {
        let ids: Vec<i64> = people.iter().filter_map(|accounts| accounts.first()).map(|one| one.person).collect();
        let taken = self.ask(self.store().accounts_of_people(system, &ids)).await?;
        let (mut bindings, mut notes) = (Vec::new(), Vec::new());
        for accounts in people {
            match (accounts, accounts.first().and_then(|one| taken.get(&one.person))) {
                ([one], None) => {
                    let rule = self.rules(system).0.get(one.rule).map(ToString::to_string).unwrap_or_default();
                    let by = format!("match:{rule}");
                    bindings.push(Binding { account: one.account, person: Some(one.person), by });
                    notes.push(MatchNote { id: one.account, note: None, several: 0 });
                }
                (rivals, other) => {
                    self.leave_rivals(rivals, other.map(|id| format!("{system}:{id}")), matched, &mut notes).await?;
                }
            }
        }
        matched.bound += bindings.len();
        self.ask(self.store().bind(&bindings)).await?;
        self.ask(self.store().note_matches(&notes)).await
    }

    /// Several accounts of one person on one system: none of them is bound.
    async fn leave_rivals(
        &self,
        rivals: &[Match],
        has: Option<String>,
        matched: &mut Matched,
        notes: &mut Vec<MatchNote>,
    ) -> Result<(), StoreError> {
        let mut accounts = Vec::new();
        for one in rivals {
            accounts.extend(self.ask(self.store().account(one.account)).await?);
        }
        let names: Vec<String> =
            accounts.iter().map(|account| format!("{}:{}", account.system, account.external_id)).collect();
        let person = match rivals.first() {
            Some(one) => self.ask(self.store().person_with_key(one.person)).await?.map(|person| person.employee_number),
            None => None,
        };
        let person = person.unwrap_or_default();
        for account in &accounts {
            let why = match &has {
                Some(other) => format!("it matches {person}, who has {other} there already"),
                None => format!("it matches {person}, and so do {}", names.join(", ")),
            };
            notes.push(matched.leave(account, &why, true));
        }
        Ok(())
    }
}

impl Matched {
    fn leave(&mut self, account: &Account, why: &str, several: bool) -> MatchNote {
        self.unbound_count += 1;
        if self.unbound.len() < TOLD {
            let name = format!("{}:{}", account.system, account.external_id);
            self.unbound.push(Unbound { account: name, login: account.login.clone(), why: why.to_owned() });
        }
        MatchNote { id: account.id, note: Some(why.to_owned()), several: i64::from(several) }
    }
}
