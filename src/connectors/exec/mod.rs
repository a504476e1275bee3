//! A SYSTEM BEHIND A PROGRAM of the administrator's: one run for each question, a JSON document in, one out. There is no
//! shell, nothing of usher's environment, and nothing is left running (docs/connectors/exec.md).
//!
//! Read in this order: `settings` (what is declared), `process` (one run), `answer` (what it means).

mod answer;
mod process;
mod settings;

use serde_json::{Map, Value, json};

pub use settings::*;

use self::answer::{Answer, Meant, judge};
use super::declared::{Opened, Vault, offer};
use super::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::run::{Account, Capability, Evidence, EvidenceKind};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Class, Facet, Place};

/// A program, and the secrets that it is given.
#[derive(Debug)]
pub struct Program {
    settings: ProgramSettings,
    vault: Vault,
}

impl Program {
    /// Nothing is started before the first question.
    pub fn open(settings: ProgramSettings) -> Self {
        let vault = Vault::new(settings.secrets.clone());
        Self { settings, vault }
    }

    /// The same, asking this store for the secrets that it keeps.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { vault: self.vault.with_store(store), ..self }
    }

    async fn secrets(&self) -> Result<Opened, ActionError> {
        self.vault.open().await
    }

    async fn ask(
        &self,
        ask: &str,
        mut request: Map<String, Value>,
        secrets: &Opened,
        meant: Meant,
    ) -> Result<Answer, ActionError> {
        request.insert("usher".to_owned(), 1.into());
        request.insert("ask".to_owned(), ask.into());
        secrets.reveal(&mut request);
        let document = format!("{}\n", Value::Object(request));
        judge(process::run(&self.settings, secrets, document.into_bytes()).await, meant, secrets)
    }

    /// Whether it is the program at this path.
    pub fn is(&self, path: &str) -> bool {
        self.settings.command.first().is_some_and(|own| own == path)
    }

    /// One run for a workflow, with further arguments behind those of the configuration.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn run(&self, args: Vec<String>, key: &str, attempt: i64) -> Result<Evidence, ActionError> {
        let command = self.settings.command.iter().cloned().chain(args).collect();
        let settings = ProgramSettings { command, ..self.settings.clone() };
        let with_args = Self { settings, vault: self.vault.clone() };
        let secrets = self.secrets().await?;
        let request = [("key", Value::from(key)), ("attempt", attempt.into())];
        let request = request.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match with_args.ask("run", request, &secrets, Meant::Change).await? {
            Answer::Done { evidence, .. } => Ok(Evidence {
                kind: EvidenceKind::Acknowledged,
                detail: evidence.unwrap_or_else(|| "the program says that it is done".to_owned()),
            }),
            other => Err(other.unexpected(Meant::Change, "run")),
        }
    }
}

/// One system.
#[derive(Debug)]
pub struct ExecSystem {
    name: String,
    settings: ExecSettings,
    program: Program,
}

impl ExecSystem {
    /// Nothing is started before the first question.
    pub fn open(name: String, settings: ExecSettings) -> Self {
        let program = Program::open(settings.program.clone());
        Self { name, settings, program }
    }

    /// The same, asking this store for the secrets that it keeps.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { program: self.program.with_store(store), ..self }
    }

    /// What it offers.
    pub fn facets(&self) -> Vec<Facet> {
        self.settings.offers.clone()
    }

    /// What is declared, and what is left to a person.
    pub fn capability(&self, action: ActionKind) -> Capability {
        let name = &self.name;
        if let Some(instruction) = self.settings.manual.get(&action) {
            return Capability::Manual(instruction.clone());
        }
        if action == ActionKind::AccountsSync && self.settings.answers.contains(&Ask::Accounts) {
            return Capability::Supported;
        }
        let Some(declared) = self.settings.actions.get(&action).filter(|_| action.place() != Place::House) else {
            return Capability::Unsupported(format!("the program of `{name}` is not declared to do `{action}`"));
        };
        offer::capability(declared.limit.as_ref(), declared.class(action))
    }

    /// What a second attempt does there.
    pub fn class(&self, action: ActionKind) -> Class {
        self.settings.actions.get(&action).map_or(action.class(), |declared| declared.class(action))
    }

    fn declared(&self, call: &Call) -> Result<&ActionProgram, ActionError> {
        offer::refuse(&self.name, self.capability(call.action), call)?;
        let undeclared =
            || ActionError::fail(format!("the program of `{}` is not declared to do `{}`", self.name, call.action));
        self.settings.actions.get(&call.action).ok_or_else(undeclared)
    }

    fn request(&self, call: &Call) -> Map<String, Value> {
        let request = json!({
            "system": self.name, "action": call.action.name(), "account": call.account, "with": call.with,
            "key": call.idempotency_key, "attempt": call.fence,
        });
        match request {
            Value::Object(request) => request,
            _ => Map::new(),
        }
    }

    /// Looks whether the goal is reached.
    ///
    /// # Errors
    /// When the program cannot be asked, or knows no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        let declared = self.declared(call)?;
        let secrets = self.program.secrets().await?;
        Ok(self.look(call, declared, &secrets).await?.unwrap_or(Observation::Unobservable))
    }

    /// `None` where it is not declared to look.
    async fn look(
        &self,
        call: &Call,
        declared: &ActionProgram,
        secrets: &Opened,
    ) -> Result<Option<Observation>, ActionError> {
        if call.action == ActionKind::AccountCreate {
            return Ok(Some(offer::made(self.find(call, secrets).await?)));
        }
        if !declared.observe {
            return Ok(None);
        }
        match self.program.ask("observe", self.request(call), secrets, Meant::Look).await? {
            Answer::Reached { evidence } => {
                Ok(Some(Observation::Reached(Evidence { kind: EvidenceKind::ReadBack, detail: evidence })))
            }
            Answer::NotReached { seen } => Ok(Some(Observation::NotReached(seen))),
            other => Err(other.unexpected(Meant::Look, "observe")),
        }
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call, password: Option<&Secret>) -> Result<Evidence, ActionError> {
        let declared = self.declared(call)?;
        let secrets = self.program.secrets().await?.with_password(password);
        if let Some(Observation::Reached(evidence)) = self.look(call, declared, &secrets).await? {
            return Ok(evidence);
        }
        let said = match self.program.ask("perform", self.request(call), &secrets, Meant::Change).await? {
            Answer::Done { evidence, .. } => evidence,
            other => return Err(other.unexpected(Meant::Change, "perform")),
        };
        // What follows a "done" is no longer "certainly no effect".
        match self.look(call, declared, &secrets).await {
            Ok(Some(Observation::Reached(evidence))) => Ok(evidence),
            Ok(Some(Observation::NotReached(seen))) => {
                Err(ActionError::unknown(format!("the program says that it is done, but sees: {seen}")))
            }
            Ok(Some(Observation::Unobservable) | None) => Ok(Evidence {
                kind: EvidenceKind::Acknowledged,
                detail: said.unwrap_or_else(|| format!("the program of `{}` says that it is done", self.name)),
            }),
            Err(why) => {
                Err(ActionError::unknown(format!("the program says that it is done, and could not read back: {why}")))
            }
        }
    }

    /// Hands a credential out: never found done, because the one that is handed over must be the one that counts.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn issue(&self, call: &Call, what: Credential<'_>) -> Result<Issued, ActionError> {
        self.declared(call)?;
        let (ask, password) = match what {
            Credential::Link => ("link", None),
            Credential::Password(password) => ("perform", Some(password)),
        };
        let secrets = self.program.secrets().await?.with_password(password);
        let (evidence, link) = match self.program.ask(ask, self.request(call), &secrets, Meant::Change).await? {
            Answer::Done { evidence, link } => (evidence, link),
            other => return Err(other.unexpected(Meant::Change, ask)),
        };
        let secret = match password {
            Some(password) => Some(password.clone()),
            None => link.filter(|link| !link.is_empty()).map(Secret::new),
        };
        let secret = secret.ok_or_else(|| ActionError::unknown("there is no link in the program's answer"))?;
        // What it says may hold the very link.
        let said = evidence.filter(|said| !said.contains(secret.expose()));
        let detail = said.unwrap_or_else(|| format!("the program of `{}` says that it is done", self.name));
        Ok(Issued { secret, evidence: Evidence { kind: EvidenceKind::Acknowledged, detail } })
    }

    /// One page of accounts, and where the next begins.
    ///
    /// # Errors
    /// When the program cannot be asked.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        self.must_answer(Ask::Accounts)?;
        let secrets = self.program.secrets().await?;
        let request = Map::from_iter([
            ("system".to_owned(), Value::from(self.name.as_str())),
            ("page".to_owned(), from.as_deref().map_or(Value::Null, Value::from)),
        ]);
        match self.program.ask(Ask::Accounts.as_str(), request, &secrets, Meant::Look).await? {
            Answer::Accounts { next: Some(next), .. } if from.as_ref() == Some(&next) => {
                Err(ActionError::fail(format!("the list of `{}`: its next page is this page", self.name)))
            }
            Answer::Accounts { accounts, next } => {
                let accounts = accounts.into_iter().map(|account| account.into_account(&self.name));
                Ok((accounts.collect::<Result<_, _>>()?, next))
            }
            other => Err(other.unexpected(Meant::Look, Ask::Accounts.as_str())),
        }
    }

    /// One account by its immutable id; `None` when there is none.
    ///
    /// # Errors
    /// When the program cannot be asked, or answers with another account.
    pub async fn read(&self, id: &str) -> Result<Option<Account>, ActionError> {
        self.must_answer(Ask::Account)?;
        let secrets = self.program.secrets().await?;
        let request = Map::from_iter([
            ("system".to_owned(), Value::from(self.name.as_str())),
            ("account".to_owned(), Value::from(id)),
        ]);
        match self.program.ask(Ask::Account.as_str(), request, &secrets, Meant::Look).await? {
            Answer::Account { account: None } => Ok(None),
            Answer::Account { account: Some(account) } if account.is(id) => account.into_account(&self.name).map(Some),
            Answer::Account { .. } => {
                Err(ActionError::fail(format!("`{}` was asked for account {id} and answered with another", self.name)))
            }
            other => Err(other.unexpected(Meant::Look, Ask::Account.as_str())),
        }
    }

    /// The account that an `account.create` has made.
    ///
    /// # Errors
    /// When the program cannot be asked.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        self.declared(call)?;
        let secrets = self.program.secrets().await?;
        self.find(call, &secrets).await
    }

    async fn find(&self, call: &Call, secrets: &Opened) -> Result<Option<Account>, ActionError> {
        match self.program.ask("made", self.request(call), secrets, Meant::Look).await? {
            Answer::Account { account } => account.map(|account| account.into_account(&self.name)).transpose(),
            other => Err(other.unexpected(Meant::Look, "made")),
        }
    }

    fn must_answer(&self, ask: Ask) -> Result<(), ActionError> {
        if self.settings.answers.contains(&ask) {
            return Ok(());
        }
        let why = format!("the program of `{}` is not declared to answer `{}`", self.name, ask.as_str());
        Err(ActionError::fail(why))
    }

    /// Whether an archive that an earlier call has made is still there: what the program sees.
    ///
    /// # Errors
    /// When the program cannot be asked.
    pub async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        self.observe(call).await
    }

    /// What the program says of itself, and what usher cannot see there.
    pub async fn test(&self) -> Reach {
        let mut reach = match self.ask_for_something().await {
            Ok(reach) => reach,
            Err(why) => Reach { findings: vec![why.to_string()], ok: false },
        };
        let listed = |wanted: &dyn Fn(ActionKind, &ActionProgram) -> bool| {
            let named = self.settings.actions.iter().filter(|(action, declared)| wanted(**action, declared));
            named.map(|(action, _)| action.name()).collect::<Vec<_>>().join(", ")
        };
        for (what, which) in [
            ("done and read back", listed(&|_, declared| declared.observe)),
            (
                "done, but only acknowledged (`observe` is not declared)",
                listed(&|action, declared| !declared.observe && declared.class(action) != Class::U),
            ),
            ("left to a person after an attempt that was cut", listed(&|action, it| it.class(action) == Class::U)),
        ] {
            if !which.is_empty() {
                reach.findings.push(format!("{what}: {which}"));
            }
        }
        if !self.settings.answers.contains(&Ask::Account) {
            reach.findings.push("single accounts cannot be read (`account`): nothing is deleted there".to_owned());
        }
        reach
    }

    async fn ask_for_something(&self) -> Result<Reach, ActionError> {
        let program = self.settings.program.command.first().map_or("", String::as_str);
        if self.settings.answers.contains(&Ask::Test) {
            let secrets = self.program.secrets().await?;
            let request = Map::from_iter([("system".to_owned(), Value::from(self.name.as_str()))]);
            return match self.program.ask(Ask::Test.as_str(), request, &secrets, Meant::Look).await? {
                Answer::Tested { findings, ok } => Ok(Reach { findings, ok }),
                other => Err(other.unexpected(Meant::Look, Ask::Test.as_str())),
            };
        }
        if self.settings.answers.contains(&Ask::Accounts) {
            let (page, next) = self.accounts(None).await?;
            let more = if next.is_some() { "at least " } else { "" };
            return Ok(Reach { findings: vec![format!("{program} answers, {more}{} accounts", page.len())], ok: true });
        }
        let found = format!("{program} was not tried: it is declared to answer neither `test` nor `accounts`");
        Ok(Reach { findings: vec![found], ok: true })
    }
}
