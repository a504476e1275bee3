//! `kind = "exec"`: a program of the administrator's that knows a system.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::connectors::declared::ClassWord;
use crate::secret::SecretRef;
use crate::workflow::{ActionKind, Class, Facet};

/// How a program is started, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSettings {
    /// The program, by its absolute path, and its arguments. There is no shell.
    pub command: Vec<String>,
    /// Its working directory; default `/`.
    pub folder: PathBuf,
    /// Its environment: these variables and no others.
    pub environment: BTreeMap<String, String>,
    /// Secrets by name: `secrets` in what it reads from its standard input.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Which of the secrets are (also) variables of its environment, for programs that know no other way.
    pub secret_environment: BTreeMap<String, String>,
    /// How long it may take, 1 to 60 s; default 15 s. Then it is killed with everything that it has started.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes; default 1 MiB.
    pub answer_limit: usize,
}

impl ProgramSettings {
    /// The default of `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(15);
    /// The default of `answer_limit`.
    pub const ANSWER_LIMIT: usize = 1024 * 1024;
}

/// Everything that is declared of one system.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecSettings {
    /// The program.
    pub program: ProgramSettings,
    /// What the system offers.
    pub offers: Vec<Facet>,
    /// What else it is asked for besides actions.
    pub answers: BTreeSet<Ask>,
    /// What it does, by action.
    pub actions: BTreeMap<ActionKind, ActionProgram>,
    /// What a person does there, by action, with the instruction.
    pub manual: BTreeMap<ActionKind, String>,
}

/// What a program may be asked besides its actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// All accounts, page by page.
    Accounts,
    /// One account by its id.
    Account,
    /// Whether it can do its work.
    Test,
}

impl Ask {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Accounts, Self::Account, Self::Test];

    /// The word in the configuration, and in what the program reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Account => "account",
            Self::Test => "test",
        }
    }
}

/// One action of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionProgram {
    /// Whether the program can also look whether the goal is reached; without it, `false`.
    #[serde(default)]
    pub observe: bool,
    /// What a second attempt does. Without it: the action's own class where it can look, else U.
    pub class: Option<ClassWord>,
    /// What it leaves undone, for people to know.
    pub limit: Option<String>,
}

impl ActionProgram {
    /// What a second attempt does (docs/GUARANTEES.md).
    pub fn class(&self, action: ActionKind) -> Class {
        match self.class {
            Some(word) => word.into(),
            None if self.observe || action == ActionKind::AccountCreate => action.class(),
            None => Class::U,
        }
    }
}
