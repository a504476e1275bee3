//! A session on somebody's mailbox: signing in, folders, and what a refusal means. Every answer is waited for so long and no
//! longer.

use std::future::Future;
use std::time::Duration;

use async_imap::error::Error;
use async_imap::types::Flag;
use async_imap::{Authenticator, Client, Session};
use futures::{Stream, StreamExt};
use tokio::io::BufStream;

use super::folder::encoded;
use crate::connectors::ActionError;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::line::{self, Line};
use crate::connectors::dovecot::name::UserName;
use crate::connectors::dovecot::settings::Master;
use crate::outbound::Security;
use crate::secret::Secret;
use crate::store;

/// How much is read from the server, or written to it, at once.
const BUFFER: usize = 128 * 1024;

type Wire = BufStream<Line>;

/// Somebody's mailbox, open.
#[derive(Debug)]
pub(in crate::connectors::dovecot) struct Mailbox {
    pub(super) session: Session<Wire>,
    pub(super) limit: Duration,
    /// Where, as messages name it: whose it is stands in the step.
    pub(super) place: String,
}

/// A folder as it stands when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) uid_validity: u32,
    /// What the next mail to arrive will have as its UID, or more.
    pub(super) uid_next: u32,
}

/// The master user, acting as somebody (RFC 4616, 2).
struct ActingAs<'a> {
    user: &'a UserName,
    master: &'a Master,
    password: Secret,
}

impl Authenticator for &ActingAs<'_> {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        format!("{}\0{}\0{}", self.user, self.master.user, self.password.expose())
    }
}

impl Mailbox {
    /// Signs in as the master user, for `user`.
    ///
    /// # Errors
    /// Nothing that fails here has had an effect.
    pub(in crate::connectors::dovecot) async fn open(at: &DovecotSystem, user: &UserName) -> Result<Self, ActionError> {
        let missing = |key: &str| {
            ActionError::fail(format!("`{}` has no `{key}` in its configuration: mails are read by it", at.name))
        };
        let server = at.settings.imap.as_ref().ok_or_else(|| missing("imap"))?;
        let master = at.settings.master.as_ref().ok_or_else(|| missing("master_user"))?;
        let password = store::resolve(at.store.as_ref(), &master.password).await.map_err(ActionError::retry)?;
        let place = format!("{}:{}", server.host, server.port);
        let limit = at.settings.timeout;
        let mut client = Client::new(buffered(line::connect(at, server).await?));
        greeted(&mut client, limit, &place).await?;
        if server.security == Security::StartTls {
            let asked = within(limit, client.run_command_and_check_ok("STARTTLS", None)).await;
            asked.map_err(|why| refused(&place, &why))?;
            if let Line::Clear(stream) = client.into_inner().into_inner() {
                client = Client::new(buffered(line::secure(at, server, stream).await?));
            } else {
                return Err(ActionError::fail(format!("{place}: TLS comes before STARTTLS")));
            }
        }
        let acting = ActingAs { user, master, password };
        let signed_in = tokio::time::timeout(limit, client.authenticate("PLAIN", &acting)).await;
        let signed_in = signed_in.map_err(|_| ActionError::retry(format!("{place}: {}", late(limit))))?;
        let session = signed_in.map_err(|(why, _)| match why {
            // The configuration mends it; so the step waits for that.
            Error::No(_) | Error::Bad(_) => {
                ActionError::retry(format!("{place}: {} is not let in: {}", master.user, words(&why)))
            }
            why => refused(&place, &why),
        })?;
        Ok(Self { session, limit, place })
    }

    /// What separates the parts of a folder's name.
    pub(super) async fn separator(&mut self) -> Result<char, ActionError> {
        let names = within(self.limit, self.session.list(Some(""), Some("")))
            .await
            .map_err(|why| refused(&self.place, &why))?;
        let mut names = Box::pin(names);
        let mut found = None;
        while let Some(name) = next(self.limit, &mut names).await.map_err(|why| refused(&self.place, &why))? {
            found = found.or_else(|| name.delimiter().and_then(|text| text.chars().next()));
        }
        Ok(found.unwrap_or('/'))
    }

    /// Opens a folder to be read; `None` where there is none of this name.
    pub(super) async fn examine(&mut self, folder: &str) -> Result<Option<Standing>, ActionError> {
        match within(self.limit, self.session.examine(encoded(folder))).await {
            Ok(found) => Ok(Some(Standing {
                uid_validity: found.uid_validity.unwrap_or(0),
                uid_next: found.uid_next.unwrap_or(0),
            })),
            Err(Error::No(why)) if is_missing(&why) => Ok(None),
            Err(why) => Err(refused(&self.place, &why)),
        }
    }

    /// Leaves; what the server says to that does not matter.
    pub(in crate::connectors::dovecot) async fn leave(mut self) {
        within(self.limit, self.session.logout()).await.ok();
    }
}

/// The next item of an answer, waited for so long.
pub(super) async fn next<T>(
    limit: Duration,
    answer: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
) -> Result<Option<T>, Error> {
    within(limit, async { answer.next().await.transpose() }).await
}

/// What takes longer is given up.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, late(limit)))),
    }
}

fn late(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs())
}

fn buffered(line: Line) -> Wire {
    BufStream::with_capacity(BUFFER, BUFFER, line)
}

async fn greeted(client: &mut Client<Wire>, limit: Duration, place: &str) -> Result<(), ActionError> {
    let greeting = within(limit, async { Ok(client.read_response().await?) }).await;
    match greeting.map_err(|why| refused(place, &why))? {
        Some(_) => Ok(()),
        None => Err(ActionError::retry(format!("{place}: the server hangs up instead of greeting"))),
    }
}

/// A folder that the mail host lists, and that the master user is told is not there.
pub(super) fn hidden(at: &DovecotSystem) -> ActionError {
    ActionError::fail(format!(
        "{} lists a folder that it does not show to the master user: where access lists are in use, it needs \
         `acl_user = %u` (docs/connectors/dovecot.md)",
        at.name
    ))
}

/// RFC 5530, 3: `NONEXISTENT`; before that, only words.
pub(super) fn is_missing(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    why.contains("nonexistent") || why.contains("doesn't exist") || why.contains("does not exist")
}

/// A look that was refused, or not answered. It had no effect.
pub(super) fn refused(place: &str, why: &Error) -> ActionError {
    let said = format!("{place}: {}", words(why));
    match why {
        Error::No(_) | Error::Bad(_) | Error::Validate(_) => ActionError::fail(said),
        _ => ActionError::retry(said),
    }
}

/// The server's own words, on one line.
pub(super) fn words(why: &Error) -> String {
    let said = match why {
        // The library writes `…Some("…")` around what the server has said.
        Error::No(said) | Error::Bad(said) => {
            let inside = said.rsplit_once("Some(\"").and_then(|(_, rest)| rest.rsplit_once("\")"));
            inside.map_or_else(|| said.clone(), |(words, _)| words.to_owned())
        }
        other => crate::outbound::chain(other),
    };
    let said: Vec<&str> = said.split_whitespace().collect();
    said.join(" ").chars().take(300).collect()
}

/// A flag as the server writes it; `\Recent` is nobody's to keep.
pub(super) fn flag(flag: &Flag<'_>) -> Option<String> {
    Some(match flag {
        Flag::Seen => "\\Seen".to_owned(),
        Flag::Answered => "\\Answered".to_owned(),
        Flag::Flagged => "\\Flagged".to_owned(),
        Flag::Deleted => "\\Deleted".to_owned(),
        Flag::Draft => "\\Draft".to_owned(),
        Flag::Custom(word) => word.to_string(),
        Flag::Recent | Flag::MayCreate => return None,
    })
}
