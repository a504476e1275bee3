//! Archives and exports: a small real file with its checksum, beside the ledger.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::read_back;
use crate::connectors::sandbox::account::SandboxAccount;
use crate::connectors::sandbox::digest;
use crate::connectors::sandbox::state::SystemState;
use crate::connectors::{ActionError, Call, Observation};
use crate::workflow::ActionKind;

/// What is written, and under which name. Its own earlier success is recognised by the name and the checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Archive {
    what: What,
    name: String,
    /// Known once the file is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Mail,
    Files,
    Calendars,
    Contacts,
}

/// The folder beside the ledger where archives lie.
#[derive(Clone, Debug)]
pub(in super::super) struct Archives(pub(in super::super) PathBuf);

impl Archives {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn checksum(&self, name: &str) -> Option<String> {
        std::fs::read(self.path(name)).ok().map(|bytes| digest::sha256(&bytes))
    }

    /// Writes a file so that it is there whole or not at all.
    fn write(&self, name: &str, content: &[u8]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let part = self.path(&format!("{name}.part"));
        std::fs::write(&part, content)?;
        std::fs::rename(part, self.path(name))
    }
}

impl Archive {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let (what, ending) = match call.action {
            ActionKind::MailArchive => (What::Mail, "mbox"),
            ActionKind::FilesArchive => (What::Files, "json"),
            ActionKind::CalendarsExport => (What::Calendars, "ics"),
            _ => (What::Contacts, "vcf"),
        };
        let account = call.account.as_deref().unwrap_or_default();
        let words = call.idempotency_key.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "-");
        // The tail of the digest keeps apart what the cleaned name would make the same.
        let mark = digest::generation(&[&call.idempotency_key, account]);
        let name = format!("{}-{}.{ending}", words.get(..80).unwrap_or(&words), mark.get(..8).unwrap_or(&mark));
        Ok(Self { what, name, sha256: None })
    }

    pub(super) fn check(&self, account: &SandboxAccount) -> Result<(), ActionError> {
        if self.content(account).is_some() {
            return Ok(());
        }
        Err(ActionError::fail(format!("account `{}` has nothing of the kind to archive", account.id)))
    }

    pub(super) fn observe(&self, account: &SandboxAccount, archives: &Archives) -> Observation {
        let name = &self.name;
        let Some(expected) = account.archives.get(name) else {
            return Observation::NotReached(format!("no archive `{name}`"));
        };
        match archives.checksum(name) {
            Some(found) if found == *expected => read_back(format!("{name} sha256:{found}")),
            Some(_) => Observation::NotReached(format!("archive `{name}` does not match its checksum")),
            None => Observation::NotReached(format!("archive `{name}` is no longer there")),
        }
    }

    /// Writes the file; the ledger's line follows.
    pub(super) fn write(
        mut self,
        system: &SystemState,
        account: &SandboxAccount,
        archives: &Archives,
    ) -> Result<Self, ActionError> {
        let content = self.content(account).unwrap_or_default();
        let failed = |error: std::io::Error, path: &Path| {
            ActionError::retry(format!("`{}` cannot write the archive {}: {error}", system.name, path.display()))
        };
        archives.write(&self.name, content.as_bytes()).map_err(|error| failed(error, &archives.path(&self.name)))?;
        self.sha256 = Some(digest::sha256(content.as_bytes()));
        Ok(self)
    }

    pub(super) fn apply(&self, account: &mut SandboxAccount) {
        if let Some(sha256) = &self.sha256 {
            account.archives.insert(self.name.clone(), sha256.clone());
        }
    }

    /// The file's text; the same for the same account.
    fn content(&self, account: &SandboxAccount) -> Option<String> {
        match self.what {
            What::Mail => account.mailbox.as_ref().map(|mailbox| {
                let mut text = String::new();
                for (name, folder) in &mailbox.folders {
                    let _ = writeln!(text, "From usher-sandbox {}\nX-Folder: {name}", account.id);
                    let _ = writeln!(text, "X-Mails: {}\nX-Bytes: {}\n", folder.mails, folder.bytes);
                }
                text
            }),
            What::Files => account.files.as_ref().map(|files| format!("{:#}\n", json!(files))),
            What::Calendars => account.calendars.as_ref().map(|agenda| {
                let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//usher//sandbox//EN\r\n".to_owned();
                for calendar in &agenda.calendars {
                    let _ = write!(text, "X-CALENDAR:{}\r\nX-EVENTS:{}\r\n", calendar.name, calendar.events);
                }
                text + "END:VCALENDAR\r\n"
            }),
            What::Contacts => account.calendars.as_ref().map(|agenda| {
                let card = |address: &String| {
                    format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{address}\r\nEMAIL:{address}\r\nEND:VCARD\r\n")
                };
                agenda.contacts.iter().map(card).collect()
            }),
        }
    }
}
