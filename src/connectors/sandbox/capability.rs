//! What a simulated system says it can do, before anything is asked of it.

use super::company::SystemSpec;
use crate::run::Capability;
use crate::workflow::{ActionKind, Facet, Place};

/// The answer of the system called `name` for `action`. What its description says by name comes first.
pub(super) fn of(name: &str, spec: &SystemSpec, action: ActionKind) -> Capability {
    if let Some(instruction) = spec.manual.get(&action) {
        return Capability::Manual(instruction.clone());
    }
    if spec.unsupported.contains(&action) {
        return Capability::Unsupported(format!("`{name}` does not do `{action}`"));
    }
    if let Some(why) = beyond_its_kind(name, spec, action) {
        return Capability::Unsupported(why);
    }
    if let Some(limit) = spec.degraded.get(&action) {
        return Capability::Degraded(limit.clone());
    }
    match action {
        ActionKind::AccountDelete if !spec.trash => {
            Capability::Degraded(format!("`{name}` has no trash: the account is disabled and hidden until the purge"))
        }
        _ => Capability::Supported,
    }
}

/// Why a system of this kind cannot do it, if it cannot.
fn beyond_its_kind(name: &str, spec: &SystemSpec, action: ActionKind) -> Option<String> {
    let lacks = |facet: Facet| !spec.facets.contains(&facet);
    match action.place() {
        Place::House => Some(format!("`{action}` is not done on a system")),
        Place::On(facet) => lacks(facet).then(|| format!("`{name}` has no {}", facet.as_str())),
        // A list of accounts can be had of a system that is kept by hand, too.
        _ if action == ActionKind::AccountsSync => None,
        _ if spec.facets.is_empty() => Some(format!("`{name}` is kept by hand")),
        _ => match action {
            ActionKind::MailMaintenance | ActionKind::MailEndMaintenance => {
                lacks(Facet::Mail).then(|| format!("`{name}` has no mail"))
            }
            ActionKind::ProductBlock | ActionKind::ProductUnblock => (!lacks(Facet::Mail))
                .then(|| format!("`{name}` is a mail service, which cannot be blocked: put it into maintenance")),
            ActionKind::QuotaSet => {
                (lacks(Facet::Mail) && lacks(Facet::Files)).then(|| format!("`{name}` stores nothing to limit"))
            }
            _ => None,
        },
    }
}
