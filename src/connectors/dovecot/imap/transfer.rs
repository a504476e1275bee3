//! `mail.transfer`: all folders are copied into a folder of a colleague's mailbox, with flags and dates. Copied is what is not
//! there yet; so an attempt that was cut is gone on with, and nothing is there twice. The original stays.

use async_imap::imap_proto::{Response, Status};
use tokio::io::AsyncWriteExt;

use super::bunch::{Body, Bunch, Envelope, Listed, Read};
use super::folder::encoded;
use super::prints::{Printed, counted, missing};
use super::session::{Mailbox, hidden, refused, within, words};
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::name::UserName;
use crate::connectors::{ActionError, Observation};
use crate::run::{Evidence, EvidenceKind};

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connectors::dovecot) struct Transfer {
    /// The colleague.
    to: UserName,
    /// The folder, as somebody has written it, parts separated by `/`.
    folder: Option<String>,
}

/// Both mailboxes, open.
struct Line {
    from: Mailbox,
    to: Mailbox,
    separator: char,
}

impl Transfer {
    /// Into this folder of `to`; without one, `Departed/ADDRESS`, with `-` for dots.
    pub(in crate::connectors::dovecot) const fn new(to: UserName, folder: Option<String>) -> Self {
        Self { to, folder }
    }

    /// Whether each mail is there. Errors of a look have had no effect.
    pub(in crate::connectors::dovecot) async fn observe(
        &self,
        user: &UserName,
        at: &DovecotSystem,
    ) -> Result<Observation, ActionError> {
        self.checked(user, at).await?;
        let mut line = self.open(user, at).await?;
        let (mut mails, mut open, mut folders) = (0, 0, 0);
        for folder in at.folders(user).await? {
            let Some(wanted) = line.wanted(&folder.name).await? else {
                if at.has_folder(user, &folder.name).await? {
                    return Err(hidden(at));
                }
                continue;
            };
            let target = self.target(user, &folder.name, line.separator);
            let there = line.there(&target).await?;
            open += match there {
                Some(there) => missing(&wanted, counted(&there)).len(),
                None => wanted.len().max(1),
            };
            mails += wanted.len();
            folders += 1;
        }
        line.leave().await;
        Ok(if open == 0 {
            let detail = format!("{mails} mails in {folders} folders are with the colleague");
            Observation::Reached(Evidence { kind: EvidenceKind::ReadBack, detail })
        } else {
            Observation::NotReached(format!("{open} of {mails} mails are not with the colleague yet"))
        })
    }

    /// Copies what is not there yet. A look has gone before.
    pub(in crate::connectors::dovecot) async fn apply(
        &self,
        user: &UserName,
        at: &DovecotSystem,
    ) -> Result<(), ActionError> {
        let mut line = self.open(user, at).await?;
        let mut begun = false;
        for folder in at.folders(user).await? {
            let copied = self.folder(&mut line, user, &folder.name, &mut begun).await;
            copied.map_err(|why| if begun { ActionError::unknown(why.to_string()) } else { why })?;
        }
        line.leave().await;
        Ok(())
    }

    async fn checked(&self, user: &UserName, at: &DovecotSystem) -> Result<(), ActionError> {
        if self.to == *user {
            return Err(ActionError::fail("an account cannot be its own target"));
        }
        match at.find(&self.to).await? {
            Some(_) => Ok(()),
            None => Err(ActionError::fail(format!("{} has no account `{}`", at.name, self.to))),
        }
    }

    async fn open(&self, user: &UserName, at: &DovecotSystem) -> Result<Line, ActionError> {
        let from = Mailbox::open(at, user).await?;
        let mut to = Mailbox::open(at, &self.to).await?;
        let separator = to.separator().await?;
        Ok(Line { from, to, separator })
    }

    /// What a folder is called with the colleague.
    fn target(&self, user: &UserName, folder: &str, separator: char) -> String {
        // Some stores take no dots in names.
        let usual = format!("Departed/{user}").replace('.', "-");
        let written = self.folder.as_deref().unwrap_or(&usual);
        let part = |part: &str| part.trim().replace(separator, "-");
        let parts: Vec<String> = written.split('/').map(part).filter(|part| !part.is_empty()).collect();
        format!("{}{separator}{folder}", parts.join(&separator.to_string()))
    }

    async fn folder(&self, line: &mut Line, user: &UserName, name: &str, begun: &mut bool) -> Result<(), ActionError> {
        let Some(wanted) = line.wanted(name).await? else { return Ok(()) };
        let target = self.target(user, name, line.separator);
        let there = match line.there(&target).await? {
            Some(there) => there,
            None => {
                line.to.make(&target).await?;
                *begun = true;
                Vec::new()
            }
        };
        let open = missing(&wanted, counted(&there));
        let listed: Vec<Listed> = open.iter().map(|mail| Listed { uid: mail.uid, bytes: mail.bytes }).collect();
        for bunch in Bunch::of(&listed) {
            line.copy(&target, bunch, begun).await?;
        }
        Ok(())
    }
}

impl Line {
    /// The mails of a folder of the person's; `None` where it is gone by now.
    async fn wanted(&mut self, folder: &str) -> Result<Option<Vec<Printed>>, ActionError> {
        match self.from.examine(folder).await? {
            Some(_) => self.from.printed().await.map(Some),
            None => Ok(None),
        }
    }

    /// The mails of a folder of the colleague's; `None` where there is none yet.
    async fn there(&mut self, folder: &str) -> Result<Option<Vec<Printed>>, ActionError> {
        match self.to.examine(folder).await? {
            Some(_) => self.to.printed().await.map(Some),
            None => Ok(None),
        }
    }

    async fn copy(&mut self, target: &str, bunch: Bunch<'_>, begun: &mut bool) -> Result<(), ActionError> {
        let mut answer = self.from.read(bunch).await?;
        let mut long = None;
        while let Some(mail) = answer.next().await? {
            *begun = true;
            match mail {
                Read::Whole(envelope, body) => {
                    let mut append = self.to.append(target, &envelope, body.bytes().len() as u64).await?;
                    append.bytes(body.bytes()).await?;
                    append.end().await?;
                }
                Read::Long(envelope, bytes) => long = Some((envelope, u64::from(bytes))),
            }
        }
        drop(answer);
        match long {
            Some((envelope, bytes)) => self.copy_long(target, &envelope, bytes).await,
            None => Ok(()),
        }
    }

    async fn copy_long(&mut self, target: &str, mail: &Envelope, bytes: u64) -> Result<(), ActionError> {
        let mut append = self.to.append(target, mail, bytes).await?;
        let mut at = 0;
        while at < bytes {
            let piece = self.from.piece(mail.uid, at).await?;
            let piece = piece.as_ref().map(Body::bytes).unwrap_or_default();
            at += piece.len() as u64;
            if piece.is_empty() || at > bytes {
                let said = format!("mail {} was taken away while it was copied", mail.uid);
                return Err(ActionError::unknown(format!("{}: {said}", self.from.place)));
            }
            append.bytes(piece).await?;
        }
        append.end().await
    }

    async fn leave(self) {
        self.from.leave().await;
        self.to.leave().await;
    }
}

/// A mail on its way into a folder (RFC 3501, 6.3.11): it is there whole, or not at all.
struct Append<'a> {
    mailbox: &'a mut Mailbox,
    tag: async_imap::imap_proto::RequestId,
}

impl Mailbox {
    /// Makes a folder. One that is there already is as good.
    async fn make(&mut self, folder: &str) -> Result<(), ActionError> {
        use async_imap::error::Error;
        match within(self.limit, self.session.create(encoded(folder))).await {
            Ok(()) => {}
            Err(Error::No(said)) if said.to_ascii_uppercase().contains("ALREADYEXISTS") => {}
            Err(why @ (Error::No(_) | Error::Bad(_) | Error::Validate(_))) => return Err(refused(&self.place, &why)),
            Err(why) => return Err(ActionError::unknown(format!("{}: {}", self.place, words(&why)))),
        }
        // What is not subscribed to, many programs do not show; it is there all the same.
        within(self.limit, self.session.subscribe(encoded(folder))).await.ok();
        Ok(())
    }

    async fn append(&mut self, folder: &str, mail: &Envelope, bytes: u64) -> Result<Append<'_>, ActionError> {
        let name = encoded(folder).replace('\\', "\\\\").replace('"', "\\\"");
        let flags: Vec<&str> = mail.flags.iter().map(String::as_str).filter(|flag| is_flag(flag)).collect();
        let command = format!("APPEND \"{name}\" ({}) \"{}\" {{{bytes}}}", flags.join(" "), mail.date);
        let tag = within(self.limit, self.session.run_command(command)).await;
        let tag = tag.map_err(|why| ActionError::unknown(format!("{}: {}", self.place, words(&why))))?;
        loop {
            let answer = within(self.limit, async { Ok(self.session.read_response().await?) }).await;
            let answer = answer.map_err(|why| ActionError::unknown(format!("{}: {}", self.place, words(&why))))?;
            let Some(answer) = answer else { return Err(ActionError::unknown(format!("{}: hung up", self.place))) };
            match answer.parsed() {
                Response::Continue { .. } => break,
                Response::Done { tag: done, status, outcome, .. } if *done == tag => {
                    let said = outcome.information.as_deref().unwrap_or_default();
                    return Err(ActionError::fail(format!("{}: {status:?}: {said}", self.place)));
                }
                _ => {}
            }
        }
        Ok(Append { mailbox: self, tag })
    }
}

impl Append<'_> {
    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), ActionError> {
        let sent =
            within(self.mailbox.limit, async { Ok(self.mailbox.session.get_mut().write_all(bytes).await?) }).await;
        sent.map_err(|why| ActionError::unknown(format!("{}: {}", self.mailbox.place, words(&why))))
    }

    async fn end(mut self) -> Result<(), ActionError> {
        self.bytes(b"\r\n").await?;
        let Self { mailbox, tag } = self;
        let lost = |why: &async_imap::error::Error| ActionError::unknown(format!("{}: {}", mailbox.place, words(why)));
        within(mailbox.limit, async { Ok(mailbox.session.get_mut().flush().await?) })
            .await
            .map_err(|why| lost(&why))?;
        loop {
            let answer = within(mailbox.limit, async { Ok(mailbox.session.read_response().await?) }).await;
            let Some(answer) = answer.map_err(|why| lost(&why))? else {
                return Err(ActionError::unknown(format!("{}: hung up", mailbox.place)));
            };
            if let Response::Done { tag: done, status, outcome, .. } = answer.parsed()
                && *done == tag
            {
                let said = outcome.information.as_deref().unwrap_or_default();
                return match status {
                    Status::Ok => Ok(()),
                    // Not there for sure: over the quota, for example.
                    _ => Err(ActionError::fail(format!("{}: {status:?}: {said}", mailbox.place))),
                };
            }
        }
    }
}

/// RFC 3501, 9, `flag`: an atom, or a backslash and an atom.
fn is_flag(flag: &str) -> bool {
    let atom = flag.strip_prefix('\\').unwrap_or(flag);
    !atom.is_empty() && atom.bytes().all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte))
}
