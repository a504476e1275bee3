//! `mail.archive`: all folders as a Maildir, in one `tar.zst` of the archive store.
//!
//! What is in a finished file of the archive is not read again: each checkpoint says for every folder which UID it has come
//! to. Mails that arrive meanwhile are fetched in another round; those that are taken away meanwhile are counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bunch::{Body, Bunch, Envelope, Read};
use super::container::Container;
use super::folder::{INBOX, maildir};
use super::session::{Mailbox, hidden};
use crate::archive::{ArchiveName, ArchiveStore, Begun, Kept, Verdict, Writing};
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::name::UserName;
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Evidence, EvidenceKind};
use crate::workflow::params::{MailArchive, MailFormat};

/// What the archive's content is called.
const FILE: &str = "mail.tar.zst";

/// How often the folders are gone through, for what arrives meanwhile.
const ROUNDS: usize = 3;

/// How much is compressed before it is written.
const AT_ONCE: usize = 128 * 1024;

/// Flags in the names of a Maildir's files, in the order in which they are written.
const LETTERS: [(&str, char); 5] =
    [("\\Draft", 'D'), ("\\Flagged", 'F'), ("\\Answered", 'R'), ("\\Seen", 'S'), ("\\Deleted", 'T')];

/// Maildir has letters for so many keywords of a folder.
const KEYWORDS: usize = 26;

/// How far an archive has come; by folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Come {
    folders: BTreeMap<String, Folder>,
}

/// One folder of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Folder {
    /// Where it lies in the archive.
    path: String,
    uid_validity: u32,
    /// Everything up to this UID is in there.
    up_to_uid: u32,
    mails: u64,
    bytes: u64,
    /// Mails that were there when it was listed, and gone when they were read.
    gone_meanwhile: u64,
    /// The keywords that the letters `a`, `b`, … stand for in names of files.
    keywords: Vec<String>,
    /// Keywords for which there was no letter left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keywords_left_out: Vec<String>,
}

impl Folder {
    /// The letters of a mail's flags.
    fn letters(&mut self, flags: &[String]) -> String {
        let mut letters: Vec<char> = Vec::new();
        for flag in flags {
            if let Some((_, letter)) = LETTERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(flag)) {
                letters.push(*letter);
            } else if let Some(index) = self.keyword(flag) {
                letters.push(char::from(b'a' + index));
            }
        }
        letters.sort_unstable();
        letters.dedup();
        letters.into_iter().collect()
    }

    fn keyword(&mut self, word: &str) -> Option<u8> {
        let index = match self.keywords.iter().position(|known| known == word) {
            Some(index) => index,
            None if self.keywords.len() < KEYWORDS => {
                self.keywords.push(word.to_owned());
                self.keywords.len() - 1
            }
            None => {
                if !self.keywords_left_out.iter().any(|known| known == word) {
                    self.keywords_left_out.push(word.to_owned());
                }
                return None;
            }
        };
        u8::try_from(index).ok()
    }

    /// The file of a mail: its UID keeps it apart from all others of the folder.
    fn file(&mut self, mail: &Envelope, bytes: u64) -> String {
        let letters = self.letters(&mail.flags);
        let (arrived, uid, validity) = (mail.arrived.max(0), mail.uid, self.uid_validity);
        format!("{}/cur/{arrived}.U{uid}V{validity}.usher,S={bytes}:2,{letters}", self.path)
    }
}

/// Archives the mailbox of `user`, or finds it archived.
pub(in crate::connectors::dovecot) async fn archive(
    at: &DovecotSystem,
    user: &UserName,
    call: &Call,
) -> Result<Evidence, ActionError> {
    written_so(call)?;
    let store = store_of(at)?;
    let name = name_of(at, call);
    let writing = match store.begin(&name, FILE).await? {
        Begun::Writing(writing) => writing,
        Begun::Kept(_) => {
            return match look_at_archive(at, call).await? {
                Observation::Reached(evidence) => Ok(evidence),
                Observation::NotReached(seen) => Err(ActionError::fail(seen)),
                Observation::Unobservable => Err(ActionError::fail("the archive cannot be seen")),
            };
        }
    };
    let mut mailbox = Mailbox::open(at, user).await?;
    let separator = mailbox.separator().await?;
    let mut work = Work::new(writing, separator)?;
    work.begin_anew_where_renumbered(&mut mailbox).await?;
    let resumed = work.writing.resumed_bytes();
    for _ in 0..ROUNDS {
        let mut new = 0;
        for name in names(at, user).await? {
            new += match work.folder(&mut mailbox, &name).await? {
                Some(mails) => mails,
                None if at.has_folder(user, &name).await? => return Err(hidden(at)),
                // Gone since the folders were listed: there is nothing to keep any more.
                None => 0,
            };
        }
        if new == 0 {
            break;
        }
    }
    mailbox.leave().await;
    // Dovecot reads no keywords from a file of the year 1970.
    let made = u64::try_from(call.now.as_second()).unwrap_or(1);
    work.end(user, made, resumed).await
}

/// The folders there are. One in which nothing has ever arrived is not listed, and belongs to every mailbox.
async fn names(at: &DovecotSystem, user: &UserName) -> Result<BTreeSet<String>, ActionError> {
    let listed = at.folders(user).await?.into_iter().map(|folder| folder.name);
    Ok(listed.chain([INBOX.to_owned()]).collect())
}

/// Whether it is archived; of the files only the lengths are looked at.
pub(in crate::connectors::dovecot) async fn look_at_archive(
    at: &DovecotSystem,
    call: &Call,
) -> Result<Observation, ActionError> {
    Ok(seen(store_of(at)?.look(&name_of(at, call)).await?))
}

/// Whether it is still what it was, every byte of it.
pub(in crate::connectors::dovecot) async fn verify_archive(
    at: &DovecotSystem,
    call: &Call,
) -> Result<Observation, ActionError> {
    Ok(seen(store_of(at)?.verify(&name_of(at, call)).await?))
}

fn seen(verdict: Verdict) -> Observation {
    match verdict {
        Verdict::Whole(kept) => Observation::Reached(evidence(&kept, "")),
        Verdict::Spoilt(why) | Verdict::Gone(why) => Observation::NotReached(why),
    }
}

fn evidence(kept: &Kept, more: &str) -> Evidence {
    Evidence { kind: EvidenceKind::ReadBack, detail: format!("archived: {kept}{more}") }
}

fn store_of(at: &DovecotSystem) -> Result<&ArchiveStore, ActionError> {
    at.archive.as_ref().ok_or_else(|| ActionError::fail(format!("`{}` was given no place for archives", at.name)))
}

fn name_of(at: &DovecotSystem, call: &Call) -> ArchiveName {
    ArchiveName::of(&at.name, call.account.as_deref().unwrap_or_default(), &call.idempotency_key)
}

/// A Maildir has one file for each message.
fn written_so(call: &Call) -> Result<(), ActionError> {
    let asked: MailArchive = serde_json::from_value(call.with.clone().into()).map_err(ActionError::fail)?;
    match asked.format {
        None | Some(MailFormat::Eml) => Ok(()),
        Some(MailFormat::Mbox) => {
            Err(ActionError::fail("a mail host is archived as one file for each message (`format: eml`), not as mbox"))
        }
    }
}

/// An archive that is being written.
struct Work {
    writing: Box<Writing>,
    container: Container,
    come: Come,
    separator: char,
}

impl Work {
    fn new(mut writing: Box<Writing>, separator: char) -> Result<Self, ActionError> {
        let noted = writing.note().cloned();
        let come = noted.clone().and_then(|note| serde_json::from_value(note).ok());
        if noted.is_some() && come.is_none() {
            writing.restart();
        }
        let container = Container::new().map_err(ActionError::retry)?;
        Ok(Self { writing, container, come: come.unwrap_or_default(), separator })
    }

    /// Where a folder that is in the archive has other UIDs by now, nobody can tell any more what is in there.
    async fn begin_anew_where_renumbered(&mut self, mailbox: &mut Mailbox) -> Result<(), ActionError> {
        for (name, known) in &self.come.folders {
            let standing = mailbox.examine(name).await?;
            if standing.is_some_and(|standing| standing.uid_validity != known.uid_validity) {
                self.writing.restart();
                self.come = Come::default();
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads what is new of a folder; answers how many mails that was, or `None` where there is no such folder to be seen.
    async fn folder(&mut self, mailbox: &mut Mailbox, name: &str) -> Result<Option<u64>, ActionError> {
        let Some(standing) = mailbox.examine(name).await? else { return Ok(None) };
        let mut folder = match self.come.folders.get(name) {
            Some(known) if known.uid_validity == standing.uid_validity => known.clone(),
            None => self.begin_folder(name, standing.uid_validity)?,
            Some(_) => {
                let said = "the server has numbered a folder anew meanwhile: the next attempt begins anew";
                return Err(ActionError::retry(format!("{}: {said}", mailbox.place)));
            }
        };
        self.come.folders.insert(name.to_owned(), folder.clone());
        if standing.uid_next != 0 && standing.uid_next <= folder.up_to_uid.saturating_add(1) {
            return Ok(Some(0));
        }
        let listed = mailbox.listed(folder.up_to_uid.saturating_add(1)).await?;
        for bunch in Bunch::of(&listed) {
            let read = self.bunch(mailbox, &mut folder, bunch).await?;
            folder.gone_meanwhile += (bunch.len() - read.min(bunch.len())) as u64;
            folder.up_to_uid = bunch.last();
            self.come.folders.insert(name.to_owned(), folder.clone());
            self.checkpoint_where_ripe().await?;
        }
        Ok(Some(listed.len() as u64))
    }

    fn begin_folder(&mut self, name: &str, uid_validity: u32) -> Result<Folder, ActionError> {
        let path = maildir(name, self.separator);
        for part in ["", "/cur", "/new", "/tmp"] {
            self.container.folder(&format!("{path}{part}")).map_err(ActionError::retry)?;
        }
        Ok(Folder { path, uid_validity, ..Folder::default() })
    }

    /// Writes the mails of a bunch as they come; answers how many came.
    async fn bunch(
        &mut self,
        mailbox: &mut Mailbox,
        folder: &mut Folder,
        bunch: Bunch<'_>,
    ) -> Result<usize, ActionError> {
        let mut answer = mailbox.read(bunch).await?;
        let (mut came, mut long) = (0, None);
        while let Some(mail) = answer.next().await? {
            came += 1;
            match mail {
                Read::Whole(envelope, body) => {
                    let bytes = body.bytes().len() as u64;
                    self.begin_mail(folder, &envelope, bytes)?;
                    self.content(body.bytes()).await?;
                    self.end_mail(folder, bytes).await?;
                }
                Read::Long(envelope, bytes) => long = Some((envelope, u64::from(bytes))),
            }
        }
        drop(answer);
        if let Some((envelope, bytes)) = long {
            self.begin_mail(folder, &envelope, bytes)?;
            self.pieces(mailbox, envelope.uid, bytes).await?;
            self.end_mail(folder, bytes).await?;
        }
        Ok(came)
    }

    fn begin_mail(&mut self, folder: &mut Folder, mail: &Envelope, bytes: u64) -> Result<(), ActionError> {
        let modified = u64::try_from(mail.arrived).unwrap_or(0);
        let file = folder.file(mail, bytes);
        self.container.file(&file, bytes, modified).map_err(ActionError::retry)
    }

    async fn end_mail(&mut self, folder: &mut Folder, bytes: u64) -> Result<(), ActionError> {
        self.container.end_file(bytes).map_err(ActionError::retry)?;
        folder.mails += 1;
        folder.bytes += bytes;
        self.write().await
    }

    /// A mail that is too long to be held. Its length has been told already, so it must be that long.
    async fn pieces(&mut self, mailbox: &mut Mailbox, uid: u32, bytes: u64) -> Result<(), ActionError> {
        let mut at = 0;
        while at < bytes {
            let piece = mailbox.piece(uid, at).await?;
            let piece = piece.as_ref().map(Body::bytes).unwrap_or_default();
            at += piece.len() as u64;
            if piece.is_empty() || at > bytes {
                let said =
                    format!("mail {uid} is {at} bytes long and not {bytes}, or was taken away while it was read");
                return Err(ActionError::retry(format!("{}: {said}", mailbox.place)));
            }
            self.content(piece).await?;
        }
        Ok(())
    }

    /// Takes content, and writes in between what has been made of it: little is held of both.
    async fn content(&mut self, bytes: &[u8]) -> Result<(), ActionError> {
        for some in bytes.chunks(AT_ONCE) {
            self.container.bytes(some).map_err(ActionError::retry)?;
            self.write().await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), ActionError> {
        self.writing.write(self.container.made()).await?;
        self.container.clear();
        Ok(())
    }

    async fn checkpoint_where_ripe(&mut self) -> Result<(), ActionError> {
        if !self.writing.is_ripe() {
            return Ok(());
        }
        let rest = self.container.end_frame().map_err(ActionError::retry)?;
        self.writing.write(&rest).await?;
        Ok(self.writing.checkpoint(json!(self.come)).await?)
    }

    async fn end(mut self, user: &UserName, made: u64, resumed: u64) -> Result<Evidence, ActionError> {
        for folder in self.come.folders.values().filter(|folder| !folder.keywords.is_empty()) {
            let lines: String = folder.keywords.iter().enumerate().map(|(at, word)| format!("{at} {word}\n")).collect();
            let path = format!("{}/dovecot-keywords", folder.path);
            self.container.file(&path, lines.len() as u64, made).map_err(ActionError::retry)?;
            self.container.bytes(lines.as_bytes()).map_err(ActionError::retry)?;
            self.container.end_file(lines.len() as u64).map_err(ActionError::retry)?;
        }
        let rest = self.container.end().map_err(ActionError::retry)?;
        self.writing.write(&rest).await?;
        let sum = |what: fn(&Folder) -> u64| self.come.folders.values().map(what).sum::<u64>();
        let (mails, bytes) = (sum(|folder| folder.mails), sum(|folder| folder.bytes));
        let (folders, gone) = (self.come.folders.len(), sum(|folder| folder.gone_meanwhile));
        let content = json!({ "what": "mail", "format": "maildir", "account": user.as_str(), "mails": mails, "bytes": bytes,
            "folders": self.come.folders });
        // It may be finished although nobody says so.
        let kept = self.writing.finish(content).await.map_err(|why| ActionError::unknown(why.to_string()))?;
        let mut more = format!("; {mails} mails in {folders} folders");
        if gone > 0 {
            more += &format!(", {gone} were taken away while they were read");
        }
        if resumed > 0 {
            more += &format!("; gone on with behind {resumed} bytes of an earlier attempt");
        }
        Ok(evidence(&kept, &more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_letters_in_order_and_keywords_have_theirs() {
        let mut folder = Folder { path: "Maildir".to_owned(), uid_validity: 7, ..Folder::default() };
        let flags = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(folder.letters(&flags(&["\\Seen", "\\Answered", "\\flagged"])), "FRS");
        assert_eq!(folder.letters(&flags(&["$Junk", "\\Seen", "$Done"])), "Sab");
        assert_eq!(folder.letters(&flags(&["$Done"])), "b");
        let mail = Envelope { uid: 3, flags: flags(&["\\Seen"]), arrived: -5, date: String::new() };
        assert_eq!(folder.file(&mail, 12), "Maildir/cur/0.U3V7.usher,S=12:2,S");
        for number in 0..30 {
            folder.letters(&[format!("k{number}")]);
        }
        assert_eq!((folder.keywords.len(), folder.keywords_left_out.len()), (26, 6));
    }
}
