//! Whose groups are which.

use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::groups::{Group, Refused};
use crate::connectors::ldap::place::Place;
use crate::connectors::looking::{Applied, in_doubt};
use crate::connectors::membership::{Difference, Membership, done, listed};
use crate::connectors::{ActionError, Observation};

pub(super) async fn observe(wanted: &Membership, entry: &Entry, at: &Place<'_>) -> Result<Observation, ActionError> {
    let present = at.groups_of(entry).await?;
    let count = present.len();
    let open = wanted.difference(present).open();
    let reached = if count == 0 { "in no groups".to_owned() } else { format!("in {count} groups") };
    Ok(Observation::seen(open.is_empty(), reached, open))
}

pub(super) async fn apply(wanted: &Membership, entry: &Entry, at: &Place<'_>) -> Result<Applied, ActionError> {
    at.not_own(entry)?;
    let Difference { missing, surplus } = wanted.difference(at.groups_of(entry).await?);
    // Every name is looked up before anything is changed.
    let mut joined = Vec::new();
    for name in &missing {
        joined.push(at.group(name).await?);
    }
    let refused = at.leave(&surplus, entry).await?;
    for group in &joined {
        at.join(group, entry).await?;
    }
    let still = at.groups_of(entry).await.map_err(in_doubt)?;
    refusals(&refused, &surplus, &still)?;
    // Whoever wants to take it back finds the names here.
    let done = done(&surplus, &joined);
    Ok(if done.is_empty() { Applied::Shows } else { Applied::With(done) })
}

/// Takes an account that is about to be removed out of its groups. Between their changes and the removal nothing is looked
/// at, unless one refuses: its server may have seen to it.
pub(super) async fn leave_all(entry: &Entry, at: &Place<'_>) -> Result<Applied, ActionError> {
    let present = at.groups_of(entry).await?;
    let refused = at.leave(&present, entry).await?;
    if !refused.is_empty() {
        refusals(&refused, &present, &at.groups_of(entry).await.map_err(in_doubt)?)?;
    }
    Ok(if present.is_empty() { Applied::Shows } else { Applied::With(done(&present, &[])) })
}

/// A group that refused to let somebody go, and still holds them, in the server's words. What is said of the others is
/// said with it: they were left.
fn refusals(refused: &Refused, asked: &[Group], still: &[Group]) -> Result<(), ActionError> {
    let kept = |group: &Group| still.iter().any(|other| other.is_same(group));
    let mut words = Vec::new();
    for group in asked.iter().filter(|group| kept(group)) {
        words.extend(refused.get(&group.name).map(|why| format!("{}: {why}", group.name)));
    }
    if words.is_empty() {
        return Ok(());
    }
    let left: Vec<Group> = asked.iter().filter(|group| !kept(group)).cloned().collect();
    let left = if left.is_empty() { String::new() } else { format!("; taken out of {}", listed(&left)) };
    let help = if words.iter().any(|why| why.contains("objectClassViolation")) {
        "; it may be the last member, and `placeholder` in the configuration names who takes its place"
    } else {
        ""
    };
    Err(ActionError::fail(format!("{}{help}{left}", words.join("; "))))
}
