//! A letter: somebody, a subject, and the same words twice, as plain text and as HTML.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use serde_json::{Value, json};

use super::language::Language;
use super::settings::MailSettings;
use crate::run::Person;

/// Why a letter cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LetterError(pub String);

/// Somebody who receives mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addressee {
    /// The address.
    pub email: String,
    /// How they are called, where known.
    pub name: Option<String>,
    /// Their language, where known and one of ours.
    pub language: Option<Language>,
}

impl Addressee {
    /// Somebody of whom only the address is known.
    pub fn unknown(email: impl Into<String>) -> Self {
        Self { email: email.into(), name: None, language: None }
    }

    /// A person, at `email`.
    pub fn person(person: &Person, email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            name: Some(person.display_name.clone()).filter(|name| !name.trim().is_empty()),
            language: person.language.as_deref().and_then(Language::of_tag),
        }
    }
}

/// A letter, ready to be posted.
#[derive(Clone)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// The subject, on one line.
    pub subject: String,
    name: Option<String>,
    text: String,
    html: String,
}

impl std::fmt::Debug for Letter {
    /// Without its words: they may hold a link that opens an account.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl Letter {
    pub(super) fn new(to: &Addressee, subject: String, text: String, html: String) -> Result<Self, LetterError> {
        mailbox(&to.email).map_err(LetterError)?;
        let name = to.name.as_deref().map(on_one_line);
        Ok(Self { to: to.email.clone(), subject: on_one_line(&subject), name, text, html })
    }

    /// With another subject, where one is given.
    #[must_use]
    pub fn with_subject(mut self, subject: Option<&str>) -> Self {
        if let Some(subject) = subject {
            self.subject = on_one_line(subject);
        }
        self
    }

    /// What the outbox keeps sealed.
    pub(super) fn parts(&self) -> Value {
        json!({ "name": self.name, "text": self.text, "html": self.html })
    }

    /// The letter that the outbox kept.
    pub(super) fn kept(to: &str, subject: &str, parts: &str) -> Result<Self, LetterError> {
        let parts: Value = serde_json::from_str(parts).map_err(|why| LetterError(why.to_string()))?;
        let part = |name: &str| parts.get(name).and_then(Value::as_str).map(str::to_owned);
        let (text, html) = (part("text").unwrap_or_default(), part("html").unwrap_or_default());
        Ok(Self { to: to.to_owned(), subject: subject.to_owned(), name: part("name"), text, html })
    }

    /// The mail as it goes out: the same Message-ID and date for every attempt (RFC 5322 §3.6.1, §3.6.4).
    pub(super) fn message(&self, settings: &MailSettings, id: &str, date: Timestamp) -> Result<Message, LetterError> {
        let to = Mailbox::new(self.name.clone(), mailbox(&self.to).map_err(LetterError)?.email);
        let mut builder = Message::builder()
            .from(mailbox(&settings.from).map_err(LetterError)?)
            .to(to)
            .subject(&self.subject)
            .date(SystemTime::from(date))
            .message_id(Some(id.to_owned()))
            .header(AutoSubmitted);
        if let Some(reply_to) = &settings.reply_to {
            builder = builder.reply_to(mailbox(reply_to).map_err(LetterError)?);
        }
        let parts = MultiPart::alternative_plain_html(self.text.clone(), self.html.clone());
        builder.multipart(parts).map_err(|why| LetterError(why.to_string()))
    }
}

/// No header takes a line break from anybody's name.
fn on_one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An address, with or without a name: `usher <usher@example.org>`.
///
/// # Errors
/// Why it is none.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| format!("`{}` is no mail address", on_one_line(text)))
}

/// Generated, and not to be answered by a machine (RFC 3834 §5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
