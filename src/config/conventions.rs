//! `[naming]`, `[departments.NAME]`, `[access]`, `[protected]`: what the house does by default, who may ask for what,
//! and what nobody may touch.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Judge;
use super::keys::{DEPARTMENTS, SYSTEMS};
use super::raw::RawDepartment;
use crate::run::naming::{Naming, OnCollision, Pattern, SignIn};
use crate::run::{Conventions, Department, Departments, LoginPattern, Protected, Users};
use crate::workflow::Span;
use crate::workflow::params::{Quota, values::is_email};

impl Judge<'_> {
    pub(super) fn conventions(&mut self) -> Conventions {
        let departments = self.merged.raw.departments.iter();
        let departments: Vec<_> = departments.map(|(name, raw)| (name.clone(), self.department(name, raw))).collect();
        let administrators = self.merged.raw.access.administrators.as_ref();
        Conventions {
            naming: self.naming(),
            departments: Departments::of(departments),
            administrators: administrators.map(|names| names.iter().map(|name| name.trim().to_owned()).collect()),
            users: self.users(),
            protected: self.protected(),
        }
    }

    /// Which person each user is.
    fn users(&mut self) -> Users {
        let mut users = Vec::new();
        for (user, person) in self.merged.raw.access.people.iter().flatten() {
            match (user.trim(), person.trim()) {
                ("", _) | (_, "") => {
                    self.wrong("access.people", "a user or an employee number is empty; write `alice = \"1001\"`");
                }
                (user, person) => users.push((user.to_owned(), person.to_owned())),
            }
        }
        Users::of(users)
    }

    fn protected(&mut self) -> Protected {
        let merged = self.merged;
        let raw = &merged.raw.protected;
        let mut protected = Protected::default();
        for text in raw.accounts.iter().flatten() {
            match text.trim().split_once(':') {
                Some((system, id)) if merged.raw.systems.contains_key(system) && !id.is_empty() => {
                    protected.accounts.insert((system.to_owned(), id.to_owned()));
                }
                Some((system, id)) if !id.is_empty() => {
                    self.wrong("protected.accounts", format!("`{text}`: there is no system called {system}"));
                }
                _ => self.wrong("protected.accounts", format!("`{text}` is no account; write `SYSTEM:ID`")),
            }
        }
        for text in raw.logins.iter().flatten() {
            match LoginPattern::parse(text) {
                Ok(pattern) => match pattern.system().filter(|system| !merged.raw.systems.contains_key(*system)) {
                    Some(system) => {
                        self.wrong("protected.logins", format!("`{text}`: there is no system called {system}"));
                    }
                    None => protected.logins.push(pattern),
                },
                Err(why) => self.wrong("protected.logins", why),
            }
        }
        for (system, raw) in &merged.raw.systems {
            let Some(own) = raw.own_account.as_deref() else { continue };
            if own.trim().is_empty() {
                self.wrong(
                    &format!("{SYSTEMS}.{system}.own_account"),
                    "it is empty; leave it out where usher has none",
                );
            }
            protected.own.insert(system.clone(), own.trim().to_owned());
        }
        protected
    }

    fn naming(&mut self) -> Naming {
        let raw = &self.merged.raw.naming;
        let default = Naming::default();
        let pattern = match raw.pattern.as_deref().map(Pattern::parse) {
            None => default.pattern,
            Some(Ok(pattern)) => pattern,
            Some(Err(why)) => {
                self.wrong("naming.pattern", why);
                default.pattern
            }
        };
        let on_collision = match raw.on_collision.as_deref() {
            None | Some("number") => OnCollision::Number,
            Some("refuse") => OnCollision::Refuse,
            Some(other) => {
                self.wrong("naming.on_collision", format!("`{other}` is unknown; write `number` or `refuse`"));
                OnCollision::Refuse
            }
        };
        Naming {
            pattern,
            on_collision,
            domain: self.domain(),
            reserve: self.reserve(default.reserve),
            reserved: raw.reserved.iter().flatten().map(|word| word.trim().to_lowercase()).collect(),
            sign_in: self.sign_in(),
        }
    }

    fn domain(&mut self) -> Option<String> {
        let domain = self.merged.raw.naming.domain.as_deref()?.trim().to_lowercase();
        if is_email(&format!("a@{domain}")) {
            return Some(domain);
        }
        self.wrong("naming.domain", format!("`{domain}` is no domain; write for example `example.com`"));
        None
    }

    /// Never none at all: an address that is free at once brings somebody else's mail to a newcomer.
    fn reserve(&mut self, default: Span) -> Span {
        let Some(text) = self.merged.raw.naming.reserve.as_deref() else { return default };
        match Span::parse(text) {
            Ok(span) if !span.is_zero() => span,
            Ok(_) => {
                self.wrong(
                    "naming.reserve",
                    format!("`{text}` has no length; former addresses stay reserved for a while, as for `2 years`"),
                );
                default
            }
            Err(why) => {
                self.wrong("naming.reserve", why);
                default
            }
        }
    }

    /// `sign_in` of the systems that have one.
    fn sign_in(&mut self) -> BTreeMap<String, SignIn> {
        let mut read = BTreeMap::new();
        for (system, raw) in &self.merged.raw.systems {
            let Some(written) = raw.sign_in.as_deref() else { continue };
            let (local, domain) = match written.split_once('@') {
                Some((local, domain)) => (local, Some(domain.trim().to_lowercase())),
                None => (written, None),
            };
            match Pattern::parse(local) {
                Ok(pattern) => drop(read.insert(system.clone(), SignIn { pattern, domain })),
                Err(why) => self.wrong(&format!("{SYSTEMS}.{system}.sign_in"), why),
            }
        }
        read
    }

    fn department(&mut self, name: &str, raw: &RawDepartment) -> Department {
        let names = |names: &Option<Vec<String>>| {
            names
                .iter()
                .flatten()
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect::<BTreeSet<_>>()
        };
        let quota = raw.quota.as_ref().map(|text| serde_json::from_value::<Quota>(text.as_str().into()));
        let quota = match quota {
            None => None,
            Some(Ok(quota)) => Some(quota.bytes),
            Some(Err(why)) => {
                self.wrong(&format!("{DEPARTMENTS}.{name}.quota"), why);
                None
            }
        };
        Department {
            groups: names(&raw.groups),
            role: raw.role.as_ref().map(|role| role.trim().to_owned()).filter(|role| !role.is_empty()),
            quota,
            licences: raw.licences.clone().unwrap_or_default(),
        }
    }
}
