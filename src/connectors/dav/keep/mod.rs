//! What is kept in the archive store: calendars as `.ics`, address books as `.vcf`, files in one archive.
//!
//! Its own earlier success is recognised by the step's archive, and by every archive that one names: there, and with the
//! checksums they had.

mod files;
pub(super) mod ics;
mod objects;
mod tar;
mod zip;

use serde::{Deserialize, Serialize};

use super::house::House;
use crate::archive::{ArchiveName, ArchiveStore, Kept, Verdict};
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Evidence, EvidenceKind};
use crate::workflow::ActionKind;
use crate::workflow::params::{FilesFormat, Params};

/// An archive that the step's own archive names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Further {
    /// Its name in the store.
    archive: String,
    /// The step's key and what is in it, which its name is made from.
    key: String,
    sha256: String,
}

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Calendars,
    Contacts,
    Files(FilesFormat),
}

/// Something of one account's on its way into the store.
pub(super) struct Keep<'a> {
    at: &'a House<'a>,
    archive: &'a ArchiveStore,
    account: String,
    key: String,
    name: ArchiveName,
    now: jiff::Timestamp,
    what: What,
}

/// The name of a step's archive.
pub(super) fn name(system: &str, call: &Call) -> Result<ArchiveName, ActionError> {
    let needs = || ActionError::fail(format!("`{}` needs an account", call.action));
    let account = call.account.as_deref().ok_or_else(needs)?;
    Ok(ArchiveName::of(system, account, &call.idempotency_key))
}

/// Whether a step's archive, and all that it names, is what it was.
pub(super) async fn look(archive: &ArchiveStore, name: &ArchiveName) -> Result<Observation, ActionError> {
    let Some(kept) = archive.kept(name).await? else {
        return Ok(Observation::NotReached(format!("no archive {name} was finished")));
    };
    if let Some(wrong) = wrong_with(archive, name).await? {
        return Ok(Observation::NotReached(wrong));
    }
    let content = archive.read(name).await?.manifest().content.clone();
    let further = content.get("archives").cloned().unwrap_or_else(|| serde_json::json!([]));
    let further: Vec<Further> = serde_json::from_value(further).map_err(ActionError::fail)?;
    let (system, account) = (text(&content, "system"), text(&content, "account"));
    for further in &further {
        let named = ArchiveName::of(system, account, &further.key);
        if named.as_str() != further.archive {
            return Ok(Observation::NotReached(format!("{name} names an archive that is not of this step")));
        }
        if let Some(wrong) = wrong_with(archive, &named).await? {
            return Ok(Observation::NotReached(wrong));
        }
    }
    let summary = text(&content, "summary");
    let detail = format!("{kept}{}{summary}", if summary.is_empty() { "" } else { "; " });
    Ok(Observation::Reached(Evidence { kind: EvidenceKind::ReadBack, detail }))
}

async fn wrong_with(archive: &ArchiveStore, name: &ArchiveName) -> Result<Option<String>, ActionError> {
    Ok(match archive.verify(name).await? {
        Verdict::Whole(_) => None,
        Verdict::Spoilt(why) | Verdict::Gone(why) => Some(why),
    })
}

fn text<'a>(content: &'a serde_json::Value, key: &str) -> &'a str {
    content.get(key).and_then(serde_json::Value::as_str).unwrap_or_default()
}

impl<'a> Keep<'a> {
    pub(super) async fn of(call: &Call, at: &'a House<'a>) -> Result<Self, ActionError> {
        let what = match call.action {
            ActionKind::CalendarsExport => What::Calendars,
            ActionKind::ContactsExport => What::Contacts,
            action => match Params::from_json(action, &call.with).map_err(ActionError::fail)? {
                Params::FilesArchive(params) => What::Files(params.format.unwrap_or(FilesFormat::Tar)),
                _ => return Err(ActionError::fail(format!("`{action}` keeps nothing"))),
            },
        };
        let account = at.subject(call).await?;
        let name = name(at.system, call)?;
        let key = call.idempotency_key.clone();
        Ok(Self { at, archive: at.archive()?, account, key, name, now: call.now, what })
    }

    pub(super) async fn observe(&self) -> Result<Observation, ActionError> {
        look(self.archive, &self.name).await
    }

    pub(super) async fn apply(&self) -> Result<(), ActionError> {
        match self.what {
            What::Calendars => self.keep_calendars().await,
            What::Contacts => self.keep_contacts().await,
            What::Files(format) => self.keep_files(format).await,
        }
    }

    /// Another archive of this step's.
    fn further(&self, what: &str) -> (ArchiveName, String) {
        let key = format!("{}/{what}", self.key);
        (ArchiveName::of(self.at.system, &self.account, &key), key)
    }
}

impl Further {
    fn of(kept: &Kept, key: String) -> Self {
        Self { archive: kept.name.to_string(), key, sha256: kept.sha256.clone() }
    }
}
