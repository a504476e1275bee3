//! What `[systems.NAME]` declares of systems of the kinds `http` and `exec`: read with the types of the connectors, each
//! mistake with its place.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::judge::Judge;
use super::keys::{PROGRAMS, REQUESTS, SYSTEMS};
use super::problem::suggestion;
use crate::connectors::declared::{AccountFields, Text};
use crate::connectors::exec::{ActionProgram, Ask, ExecSettings, ProgramSettings};
use crate::connectors::http::{ActionRequest, HttpSettings, LineSettings, Listing, Next, ReadAccount, system_url};
use crate::secret::SecretRef;
use crate::workflow::{ActionKind, Class, Facet, Place};

/// `kind = "http"`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawHttp {
    url: Option<String>,
    networks: Vec<String>,
    ca: Option<String>,
    timeout: Option<String>,
    answer_limit: Option<i64>,
    headers: BTreeMap<String, String>,
    secrets: BTreeMap<String, SecretRef>,
    idempotency_header: Option<String>,
    offers: Vec<String>,
    accounts: Option<Value>,
    account: Option<Value>,
    fields: Option<Value>,
    actions: BTreeMap<String, Value>,
    manual: BTreeMap<String, String>,
}

/// `kind = "exec"`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawExec {
    command: Vec<String>,
    folder: Option<String>,
    timeout: Option<String>,
    answer_limit: Option<i64>,
    environment: BTreeMap<String, String>,
    secrets: BTreeMap<String, SecretRef>,
    secret_environment: BTreeMap<String, String>,
    offers: Vec<String>,
    answers: Vec<String>,
    actions: BTreeMap<String, Value>,
    manual: BTreeMap<String, String>,
}

/// Headers that hold nothing but secrets.
const CREDENTIALS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"];

/// What an answer may hold, in bytes.
const LIMITS: std::ops::RangeInclusive<i64> = 1024..=64 * 1024 * 1024;

impl Judge<'_> {
    /// `[requests.NAME]`: where steps of `http.request` may call.
    pub(super) fn requests(&mut self) -> Vec<LineSettings> {
        let merged = self.merged;
        let named = merged.raw.requests.iter();
        named.filter_map(|(name, raw)| self.line(&format!("{REQUESTS}.{name}"), raw)).collect()
    }

    /// `[programs.NAME]`: what steps of `exec` may run.
    pub(super) fn programs(&mut self) -> Vec<ProgramSettings> {
        let merged = self.merged;
        let named = merged.raw.programs.iter();
        named.filter_map(|(name, raw)| self.program(&format!("{PROGRAMS}.{name}"), raw)).collect()
    }

    pub(super) fn http(&mut self, name: &str, raw: &RawHttp) -> Option<HttpSettings> {
        let section = format!("{SYSTEMS}.{name}");
        let line = self.line(&section, raw)?;
        let settings = HttpSettings {
            line,
            offers: self.offers(&section, &raw.offers),
            idempotency_header: raw.idempotency_header.clone(),
            accounts: self.declared::<Listing>(&format!("{section}.accounts"), raw.accounts.as_ref()),
            account: self.declared::<ReadAccount>(&format!("{section}.account"), raw.account.as_ref()),
            fields: self.declared::<AccountFields>(&format!("{section}.fields"), raw.fields.as_ref()),
            actions: self.actions::<ActionRequest>(&section, &raw.actions),
            manual: self.manual(&section, &raw.manual),
        };
        self.complete(&section, &settings);
        self.fitting(&section, settings.actions.keys(), &settings.offers, &settings.manual);
        Some(settings)
    }

    fn line(&mut self, section: &str, raw: &RawHttp) -> Option<LineSettings> {
        let networks = self.networks(&format!("{section}.networks"), &raw.networks);
        let mut headers = BTreeMap::new();
        for (header, text) in &raw.headers {
            if CREDENTIALS.iter().any(|name| name.eq_ignore_ascii_case(header)) && !text.contains("{{") {
                let what = "a secret is never written into the configuration: name it in `secrets`, and write";
                self.wrong_near(&format!("{section}.headers"), format!("`{header}`: {what} `{{{{ secrets.NAME }}}}`"));
            }
            match Text::try_from(text.clone()) {
                Ok(text) => drop(headers.insert(header.clone(), text)),
                Err(why) => self.wrong_near(&format!("{section}.headers"), format!("`{header}`: {why}")),
            }
        }
        let url = match raw.url.as_deref().map(system_url) {
            Some(Ok(url)) => url,
            Some(Err(why)) => {
                self.wrong(&format!("{section}.url"), why);
                return None;
            }
            None => {
                if !self.has_been_named_in(section) {
                    self.wrong(
                        section,
                        "`url` is missing: what every request is below, `https://crm.example.org/api/`",
                    );
                }
                return None;
            }
        };
        let timeout = self.length(&format!("{section}.timeout"), raw.timeout.as_deref(), 1..=60, LineSettings::TIMEOUT);
        Some(LineSettings {
            url,
            networks,
            ca: raw.ca.as_deref().map(|ca| self.path(ca)),
            timeout,
            answer_limit: self.limit(section, raw.answer_limit, LineSettings::ANSWER_LIMIT),
            headers,
            secrets: raw.secrets.clone(),
        })
    }

    pub(super) fn networks(&mut self, key: &str, written: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for text in written {
            let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
            match text.parse::<IpNet>().ok().map_or_else(|| address().ok(), Some) {
                Some(network) => networks.push(network),
                None => self.wrong(key, format!("`{text}` is no network, as `10.20.0.0/16` and `192.168.1.7` are")),
            }
        }
        networks
    }

    /// What one declaration needs of another.
    fn complete(&mut self, section: &str, settings: &HttpSettings) {
        let create = settings.actions.get(&ActionKind::AccountCreate);
        let needs_fields = settings.accounts.is_some()
            || settings.account.is_some()
            || create.is_some_and(|create| create.made.is_some());
        if needs_fields && settings.fields.is_none() {
            let what =
                "`fields` is missing: where in an answer the fields of an account stand, `fields = { id = \"/id\" }`";
            self.wrong(section, what);
        }
        if let Some(Next::Offset(0)) = settings.accounts.as_ref().and_then(|listing| listing.next.as_ref()) {
            self.wrong_near(&format!("{section}.accounts.next"), "a page of no items has no next one");
        }
        if create.is_some_and(|create| create.made.is_none()) {
            let key = format!("{section}.actions.account.create");
            self.wrong_near(
                &key,
                "`made` is missing: the request that finds the new account by `key` or by what it is",
            );
        }
        for (action, request) in &settings.actions {
            let key = format!("{section}.actions.{action}");
            let seen = request.observe.is_some() || request.made.is_some();
            if request.url.is_none() && !seen {
                self.wrong_near(&key, "it neither does anything (`url`) nor looks (`observe`)");
            }
            if request.made.is_some() && *action != ActionKind::AccountCreate {
                self.wrong_near(&key, "`made` is for `account.create`; what others have done, `observe` sees");
            }
            let explicit = request.class.map(Class::from) == Some(Class::U);
            if seen && explicit {
                self.wrong_near(&key, "class U is what nobody can see, and `observe` sees it; leave one of them out");
            }
            if action.is_destructive() && settings.account.is_none() {
                let what = "before anything is deleted the account is read once more: declare `account`";
                self.wrong_near(&key, what);
            }
        }
    }

    pub(super) fn exec(&mut self, name: &str, raw: &RawExec) -> Option<ExecSettings> {
        let section = format!("{SYSTEMS}.{name}");
        let program = self.program(&section, raw)?;
        let mut answers = BTreeSet::new();
        for word in &raw.answers {
            match Ask::ALL.into_iter().find(|ask| ask.as_str() == word) {
                Some(ask) => drop(answers.insert(ask)),
                None => {
                    let help = suggestion(word, &Ask::ALL.map(Ask::as_str));
                    self.wrong(&format!("{section}.answers"), format!("`{word}` is no question; {help}"));
                }
            }
        }
        let settings = ExecSettings {
            program,
            offers: self.offers(&section, &raw.offers),
            answers,
            actions: self.actions::<ActionProgram>(&section, &raw.actions),
            manual: self.manual(&section, &raw.manual),
        };
        for (action, declared) in &settings.actions {
            let key = format!("{section}.actions.{action}");
            if action.is_destructive() && !settings.answers.contains(&Ask::Account) {
                let what = "before anything is deleted the account is read once more: `answers = [\"account\"]`";
                self.wrong_near(&key, what);
            }
            if declared.observe && declared.class.map(Class::from) == Some(Class::U) {
                self.wrong_near(&key, "class U is what nobody can see, and `observe` sees it; leave one of them out");
            }
        }
        self.fitting(&section, settings.actions.keys(), &settings.offers, &settings.manual);
        Some(settings)
    }

    fn program(&mut self, section: &str, raw: &RawExec) -> Option<ProgramSettings> {
        let Some(program) = raw.command.first() else {
            if !self.has_been_named_in(section) {
                self.wrong(
                    section,
                    "`command` is missing: the program and its arguments, `command = [\"/usr/local/lib/usher/door\"]`",
                );
            }
            return None;
        };
        if !std::path::Path::new(program).is_absolute() {
            let what = format!("`{program}` is no absolute path; nothing is looked for in a PATH");
            self.wrong(&format!("{section}.command"), what);
        }
        for (variable, secret) in &raw.secret_environment {
            if !raw.secrets.contains_key(secret) {
                let what = format!("`{variable}`: there is no secret `{secret}` in [{section}.secrets]");
                self.wrong(&format!("{section}.secret_environment"), what);
            }
        }
        let unfit = |text: &String| text.contains('\0');
        let variables = raw.environment.iter().chain(&raw.secret_environment);
        let bad = |name: &str| name.is_empty() || name.contains(['=', '\0']);
        if raw.command.iter().any(unfit) || variables.clone().any(|(name, value)| bad(name) || unfit(value)) {
            self.wrong(section, "a program, its arguments and its environment are text without NUL, names without `=`");
        }
        let key = format!("{section}.timeout");
        Some(ProgramSettings {
            command: raw.command.clone(),
            folder: raw.folder.as_deref().map_or_else(|| "/".into(), |folder| self.path(folder)),
            environment: raw.environment.clone(),
            secrets: raw.secrets.clone(),
            secret_environment: raw.secret_environment.clone(),
            timeout: self.length(&key, raw.timeout.as_deref(), 1..=60, ProgramSettings::TIMEOUT),
            answer_limit: self.limit(section, raw.answer_limit, ProgramSettings::ANSWER_LIMIT),
        })
    }

    pub(super) fn limit(&mut self, section: &str, written: Option<i64>, default: usize) -> usize {
        let Some(written) = written else { return default };
        match usize::try_from(written).ok().filter(|_| LIMITS.contains(&written)) {
            Some(limit) => limit,
            None => {
                let what = format!("{written} is not between {} and {} bytes", LIMITS.start(), LIMITS.end());
                self.wrong(&format!("{section}.answer_limit"), what);
                default
            }
        }
    }

    fn offers(&mut self, section: &str, written: &[String]) -> Vec<Facet> {
        let mut offers = Vec::new();
        for word in written {
            match Facet::ALL.into_iter().find(|facet| facet.as_str() == word) {
                Some(facet) => offers.push(facet),
                None => {
                    let help = suggestion(word, &Facet::ALL.map(Facet::as_str));
                    self.wrong(&format!("{section}.offers"), format!("`{word}` is nothing a system offers; {help}"));
                }
            }
        }
        offers
    }

    fn manual(&mut self, section: &str, written: &BTreeMap<String, String>) -> BTreeMap<ActionKind, String> {
        let mut manual = BTreeMap::new();
        for (name, instruction) in written {
            if let Some(action) = self.action(&format!("{section}.manual"), name) {
                manual.insert(action, instruction.clone());
            }
        }
        manual
    }

    fn actions<T: DeserializeOwned>(
        &mut self,
        section: &str,
        written: &BTreeMap<String, Value>,
    ) -> BTreeMap<ActionKind, T> {
        let mut actions = BTreeMap::new();
        for (name, value) in written {
            let key = format!("{section}.actions.{name}");
            let Some(action) = self.action(&key, name) else { continue };
            if let Some(declared) = self.declared(&key, Some(value)) {
                actions.insert(action, declared);
            }
        }
        actions
    }

    /// The action called `name`, where it is one that takes place on a system and is not carried out by usher itself.
    fn action(&mut self, key: &str, name: &str) -> Option<ActionKind> {
        let on_a_system = |action: &ActionKind| action.place() != Place::House && *action != ActionKind::AccountsSync;
        match ActionKind::from_name(name) {
            Some(action) if on_a_system(&action) => Some(action),
            Some(ActionKind::AccountsSync) => {
                self.wrong_near(key, "`accounts.sync` is declared by how accounts are listed: `accounts`");
                None
            }
            Some(_) => {
                self.wrong_near(key, format!("`{name}` is not done on a system"));
                None
            }
            None => {
                let known: Vec<&str> =
                    ActionKind::ALL.iter().filter(|action| on_a_system(action)).map(|action| action.name()).collect();
                let help = suggestion(name, &known);
                self.wrong_near(key, format!("`{name}` is no action; {help}"));
                None
            }
        }
    }

    /// What is declared must be what such a system offers, and done by one of the two.
    fn fitting<'a>(
        &mut self,
        section: &str,
        actions: impl Iterator<Item = &'a ActionKind>,
        offers: &[Facet],
        manual: &BTreeMap<ActionKind, String>,
    ) {
        for action in actions {
            let key = format!("{section}.actions.{action}");
            if manual.contains_key(action) {
                self.wrong_near(&key, "`manual` leaves it to a person too; leave one of them out");
            }
            if let Place::On(facet) = action.place()
                && !offers.contains(&facet)
            {
                let facet = facet.as_str();
                self.wrong_near(&key, format!("it needs a system that offers {facet}: `offers = [\"{facet}\"]`"));
            }
        }
    }

    /// Reads one declaration; what is wrong in it is named by its path.
    fn declared<T: DeserializeOwned>(&mut self, key: &str, written: Option<&Value>) -> Option<T> {
        match serde_path_to_error::deserialize(written?.clone()) {
            Ok(declared) => Some(declared),
            Err(why) => {
                let path = why.path().to_string();
                let within = if path == "." { String::new() } else { format!(".{path}") };
                self.wrong_near(&format!("{key}{within}"), why.inner());
                None
            }
        }
    }

    /// As [`Judge::wrong`], at the place of the nearest key around it that was written.
    fn wrong_near(&mut self, key: &str, message: impl std::fmt::Display) {
        let mut known = key;
        while self.merged.place(known) == "default" {
            match known.rsplit_once('.') {
                Some((outer, _)) => known = outer,
                None => break,
            }
        }
        let place = self.merged.place(known);
        self.problems.push(super::Problem::new(place, format!("`{key}`: {message}")));
    }
}
