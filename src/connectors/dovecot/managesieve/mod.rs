//! ManageSieve (RFC 5804): a person's Sieve scripts, read and written as the master user. Names and scripts are sent as
//! literals of a known length, so nothing in them can be taken for anything else.

mod reply;

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncWriteExt, BufReader};

use self::reply::{Ending, How, Part, Reply};
use super::DovecotSystem;
use super::error::Effect;
use super::line::{self, Line, within};
use super::name::UserName;
use super::scripts::Script;
use super::settings::Server;
use crate::connectors::ActionError;
use crate::connectors::declared::one_line;
use crate::outbound::Security;
use crate::secret::Secret;

/// A session, signed in.
pub(super) struct ManageSieve<'a> {
    at: &'a DovecotSystem,
    server: &'a Server,
    line: BufReader<Line>,
}

/// Who signs in, and as whom.
pub(super) struct SignIn<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
    /// Whose scripts; the user's own where there is none.
    pub(super) acts_as: Option<&'a UserName>,
}

impl<'a> ManageSieve<'a> {
    /// A session as somebody. Nothing that fails here has had an effect.
    pub(super) async fn open(at: &'a DovecotSystem, server: &'a Server, who: &SignIn<'_>) -> Result<Self, ActionError> {
        let mut session = Self::greeted(at, server).await?;
        let (_, ending) = session.sign_in(who).await?;
        match ending.how {
            How::Ok => Ok(session),
            How::No | How::Bye => Err(ActionError::retry(format!(
                "{} refuses the sign-in of {} as somebody else: {}",
                session.place(),
                who.user,
                said(&ending)
            ))),
        }
    }

    /// Whether the server lets somebody in with a password. The session is closed at once.
    pub(super) async fn lets_in(
        at: &'a DovecotSystem,
        server: &'a Server,
        user: &UserName,
        password: &Secret,
    ) -> Result<bool, ActionError> {
        let mut session = Self::greeted(at, server).await?;
        let who = SignIn { user: user.as_str(), password, acts_as: None };
        let (_, ending) = session.sign_in(&who).await?;
        session.close().await;
        match (ending.how, ending.code.as_str()) {
            (How::Ok, _) => Ok(true),
            // Busy, or a refusal of how it was asked: of the password it says nothing.
            (How::No, "TRYLATER" | "ENCRYPT-NEEDED" | "TRANSITION-NEEDED") | (How::Bye, _) => {
                Err(ActionError::retry(said(&ending)))
            }
            (How::No, _) => Ok(false),
        }
    }

    async fn greeted(at: &'a DovecotSystem, server: &'a Server) -> Result<Self, ActionError> {
        let line = BufReader::new(line::connect(at, server).await?);
        let mut session = Self { at, server, line };
        session.greeting().await?;
        if server.security == Security::StartTls {
            session.done(Effect::Looks, &[Word("STARTTLS")]).await?;
            // What came in the clear behind the answer counts for nothing (RFC 5804, 2.2).
            session.line = match session.line.into_inner() {
                Line::Clear(stream) => BufReader::new(line::secure(at, server, stream).await?),
                secured @ Line::Tls(_) => BufReader::new(secured),
            };
            session.greeting().await?;
        }
        Ok(session)
    }

    async fn greeting(&mut self) -> Result<(), ActionError> {
        let read = within(self.at.settings.timeout, reply::read(&mut self.line)).await;
        let (_, ending) = read.map_err(|why| self.lost(Effect::Looks, &why))?;
        match ending.how {
            How::Ok => Ok(()),
            How::No | How::Bye => Err(ActionError::retry(format!("{}: {}", self.place(), said(&ending)))),
        }
    }

    /// SASL PLAIN (RFC 4616): as whom, who, password.
    async fn sign_in(&mut self, who: &SignIn<'_>) -> Result<Reply, ActionError> {
        let acts_as = who.acts_as.map_or("", UserName::as_str);
        if who.user.is_empty() || who.user.contains('\0') || who.password.expose().contains('\0') {
            return Err(ActionError::fail("a sign-in name or a password that holds nothing, or a NUL"));
        }
        let plain = Secret::new(format!("{acts_as}\0{}\0{}", who.user, who.password.expose()));
        let response = Secret::new(STANDARD.encode(plain.expose()));
        self.ask(Effect::Looks, &[Word("AUTHENTICATE"), Word("\"PLAIN\""), Text(response.expose())]).await
    }

    /// All scripts.
    pub(super) async fn list(&mut self) -> Result<Vec<Script>, ActionError> {
        let lines = self.done(Effect::Looks, &[Word("LISTSCRIPTS")]).await?;
        let script = |line: Vec<Part>| match line.as_slice() {
            [Part::Text(name), rest @ ..] => {
                let active =
                    rest.iter().any(|part| matches!(part, Part::Word(word) if word.eq_ignore_ascii_case("ACTIVE")));
                Some(Script { name: name.clone(), active })
            }
            _ => None,
        };
        Ok(lines.into_iter().filter_map(script).collect())
    }

    /// A script's text; `None` where there is none of that name.
    pub(super) async fn get(&mut self, name: &str) -> Result<Option<String>, ActionError> {
        let (lines, ending) = self.ask(Effect::Looks, &[Word("GETSCRIPT"), Text(name)]).await?;
        if ending.how == How::No && ending.code == "NONEXISTENT" {
            return Ok(None);
        }
        self.judge(Effect::Looks, "GETSCRIPT", &ending)?;
        match lines.into_iter().flatten().next() {
            Some(Part::Text(text)) => Ok(Some(text)),
            _ => Err(ActionError::retry(format!("{} handed out no script", self.place()))),
        }
    }

    pub(super) async fn put(&mut self, name: &str, text: &str) -> Result<(), ActionError> {
        self.done(Effect::Changes, &[Word("PUTSCRIPT"), Text(name), Text(text)]).await.map(drop)
    }

    /// The one script that acts; none where the name is empty (RFC 5804, 2.8).
    pub(super) async fn activate(&mut self, name: &str) -> Result<(), ActionError> {
        self.done(Effect::Changes, &[Word("SETACTIVE"), Text(name)]).await.map(drop)
    }

    pub(super) async fn delete(&mut self, name: &str) -> Result<(), ActionError> {
        self.done(Effect::Changes, &[Word("DELETESCRIPT"), Text(name)]).await.map(drop)
    }

    /// Says goodbye; whether that arrives matters to nobody.
    pub(super) async fn close(mut self) {
        self.send(&[Word("LOGOUT")]).await.ok();
        self.line.shutdown().await.ok();
    }

    fn place(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    fn lost(&self, effect: Effect, why: &io::Error) -> ActionError {
        effect.lost(format!("{}: {why}", self.place()))
    }

    /// A command that must succeed.
    async fn done(&mut self, effect: Effect, command: &[Argument<'_>]) -> Result<Vec<Vec<Part>>, ActionError> {
        let (lines, ending) = self.ask(effect, command).await?;
        let name = match command.first() {
            Some(Word(name)) => name,
            _ => "",
        };
        self.judge(effect, name, &ending)?;
        Ok(lines)
    }

    /// A refusal changed nothing (RFC 5804, 1.2); what comes with a goodbye may have been done.
    fn judge(&self, effect: Effect, command: &str, ending: &Ending) -> Result<(), ActionError> {
        let said = format!("{}: {command}: {}", self.place(), said(ending));
        match (ending.how, ending.code.as_str()) {
            (How::Ok, _) => Ok(()),
            (How::No, "TRYLATER") => Err(ActionError::retry(said)),
            (How::No, _) => Err(ActionError::fail(said)),
            (How::Bye, _) => Err(effect.lost(said)),
        }
    }

    async fn ask(&mut self, effect: Effect, command: &[Argument<'_>]) -> Result<Reply, ActionError> {
        let limit = self.at.settings.timeout;
        let asked = within(limit, async {
            self.send(command).await?;
            reply::read(&mut self.line).await
        });
        asked.await.map_err(|why| self.lost(effect, &why))
    }

    async fn send(&mut self, command: &[Argument<'_>]) -> io::Result<()> {
        self.line.write_all(&written(command)).await?;
        self.line.flush().await
    }
}

/// A part of a command.
#[derive(Clone, Copy, Debug)]
enum Argument<'a> {
    /// A word of the protocol's own.
    Word(&'static str),
    /// Anything else: a literal that needs no leave (RFC 5804, 4).
    Text(&'a str),
}

use Argument::{Text, Word};

fn written(command: &[Argument<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, argument) in command.iter().enumerate() {
        if at > 0 {
            bytes.push(b' ');
        }
        match argument {
            Word(word) => bytes.extend_from_slice(word.as_bytes()),
            Text(text) => {
                bytes.extend_from_slice(format!("{{{}+}}\r\n", text.len()).as_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The server's own words.
fn said(ending: &Ending) -> String {
    match (ending.code.as_str(), one_line(&ending.words)) {
        ("", words) => words,
        (code, words) => format!("({code}) {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_sent_is_counted_and_never_read() {
        let sent = written(&[Word("PUTSCRIPT"), Text("a\"\r\nLOGOUT\r\n"), Text("é")]);
        assert_eq!(sent, "PUTSCRIPT {12+}\r\na\"\r\nLOGOUT\r\n {2+}\r\né\r\n".as_bytes());
    }
}
