//! What a declared system says of an action before it is asked for it, and of the account that one has made.

use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Account, Capability, Evidence, EvidenceKind};
use crate::workflow::{Class, Place};

/// What an action that is declared can do: all of it, less than that (its `limit`), or once only where nobody sees it.
pub(in crate::connectors) fn capability(limit: Option<&String>, class: Class) -> Capability {
    match limit {
        Some(limit) => Capability::Degraded(limit.clone()),
        None if class == Class::U => Capability::Degraded(
            "whether it was done cannot be seen: after an attempt that was cut a person decides".to_owned(),
        ),
        None => Capability::Supported,
    }
}

/// Refuses what the system `name` does not do, or leaves to a person.
pub(in crate::connectors) fn refuse(name: &str, capability: Capability, call: &Call) -> Result<(), ActionError> {
    match capability {
        Capability::Supported | Capability::Degraded(_) => {}
        Capability::Manual(instruction) => {
            return Err(ActionError::fail(format!("`{name}` leaves `{}` to a person: {instruction}", call.action)));
        }
        Capability::Unsupported(why) => return Err(ActionError::fail(why)),
    }
    if call.action.place() != Place::System && call.account.as_ref().is_none_or(String::is_empty) {
        return Err(ActionError::fail(format!("`{name}` was not told which account is meant")));
    }
    Ok(())
}

/// Whether the account that was to be made is there.
pub(in crate::connectors) fn made(found: Option<Account>) -> Observation {
    match found {
        Some(account) => Observation::Reached(Evidence {
            kind: EvidenceKind::ReadBack,
            detail: format!("account {} is there", account.external_id),
        }),
        None => Observation::NotReached("there is no such account yet".to_owned()),
    }
}
