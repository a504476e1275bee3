//! WHAT THE CONFIGURATION DECLARES. The parts that the kinds `http` and `exec` share: texts with expressions, secrets by
//! reference, other people's words, and how an answer becomes an account.

mod account;
pub(super) mod offer;
mod text;
mod vault;
mod words;

pub(super) use account::attributes;
pub use account::{AccountFields, Pointer};
pub use text::{Condition, Shape, Text, UrlText};
pub(super) use vault::Opened;
pub use vault::Vault;
pub(super) use words::one_line;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::workflow::Class;

/// What a second attempt does, as the configuration says it (docs/GUARANTEES.md, "Classes of actions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ClassWord {
    /// Sets a state: doing it twice is doing it once.
    S,
    /// The target knows a second attempt by its idempotency key.
    K,
    /// Can be found afterwards.
    D,
    /// Cannot be found: nobody repeats it after an attempt whose end is unknown.
    U,
}

impl From<ClassWord> for Class {
    fn from(word: ClassWord) -> Self {
        match word {
            ClassWord::S => Self::S,
            ClassWord::K => Self::K,
            ClassWord::D => Self::D,
            ClassWord::U => Self::U,
        }
    }
}
