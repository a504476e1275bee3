//! THE POST. Templates become letters, letters wait in the store's outbox, a transport hands them over.
//!
//! [`MailRoom::write`] fills a template for somebody; the result is posted into the outbox ([`crate::store::Store::post`]),
//! and [`outbox`] takes it from there: sent at least once, with the same Message-ID each time, and called sent only when
//! the server has said so. What a program is told goes the same way, to the [`webhook`].

mod folder;
mod formatting;
mod language;
mod letter;
mod outbox;
mod samples;
mod settings;
mod smtp;
mod templates;
#[cfg(test)]
mod tests;
mod transport;
mod webhook;

use serde_json::Value;

pub use language::Language;
pub use letter::{Addressee, Letter, LetterError, mailbox};
pub use samples::{Facts, Problem, Task};
pub use settings::{MailSettings, Means, SmtpSettings, SmtpTls};
pub use templates::{NAMES, Templates, is_known};
pub use transport::{Refusal, Transport};
pub use webhook::{Webhook, WebhookSettings, webhook_url};

use crate::secret::Secret;
use crate::store::{Carrier, NewMail, Store};
use crate::workflow::Diagnostic;

/// Everything that sending takes.
#[derive(Debug)]
pub struct MailRoom {
    settings: MailSettings,
    templates: Templates,
    transport: Transport,
}

impl MailRoom {
    /// Opens the mail room; nothing is connected, and no password is read, before the first mail. Templates with
    /// mistakes are named, and those that come with usher stay in their place.
    pub fn open(settings: MailSettings) -> (Self, Vec<Diagnostic>) {
        let (templates, mistakes) = Templates::read(settings.templates.as_deref());
        let transport = Transport::open(&settings.means);
        (Self { settings, templates, transport }, mistakes)
    }

    /// The same, asking this store for what the settings refer to as `{ stored = "NAME" }`.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { transport: self.transport.with_store(store), ..self }
    }

    /// The settings.
    pub fn settings(&self) -> &MailSettings {
        &self.settings
    }

    /// What carries the mails.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Fills the template called `name` for `to`, in their language.
    ///
    /// # Errors
    /// When there is no such template, or it cannot be filled; in words.
    pub fn write(&self, to: &Addressee, name: &str, facts: &Facts) -> Result<Letter, LetterError> {
        let language = to.language.unwrap_or(self.settings.language);
        let (subject, text, html) = self.templates.fill(name, language, to, facts)?;
        Letter::new(to, subject, text, html)
    }

    /// A letter with the words that a workflow file gives.
    ///
    /// # Errors
    /// When they make no letter.
    pub fn write_words(&self, to: &Addressee, subject: &str, words: &str) -> Result<Letter, LetterError> {
        let language = to.language.unwrap_or(self.settings.language);
        let (text, html) = self.templates.lay_out(language, subject, words)?;
        Letter::new(to, subject.to_owned(), text, html)
    }

    /// The letter as the outbox keeps it.
    pub fn mail(&self, key: String, kind: &str, letter: &Letter, step: Option<(i64, u16)>) -> NewMail {
        NewMail {
            carrier: Carrier::Mail,
            key,
            kind: kind.to_owned(),
            to: letter.to.clone(),
            subject: letter.subject.clone(),
            body: Secret::new(letter.parts().to_string()),
            domain: self.settings.domain().to_owned(),
            step,
        }
    }

    /// Those who are told what goes wrong.
    pub fn administrators(&self) -> Vec<Addressee> {
        self.settings.administrators.iter().map(Addressee::unknown).collect()
    }
}

/// Null where a text is missing.
fn or_null(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
