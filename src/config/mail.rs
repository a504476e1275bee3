//! `[mail]`: judged whole.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::judge::Judge;
use super::problem::suggestion;
use super::raw::RawMail;
use crate::mail::{Language, MailSettings, Means, SmtpSettings, SmtpTls, mailbox};

const TIMEOUT: Duration = Duration::from_secs(30);
const TRANSPORTS: [&str; 2] = ["smtp", "file"];

impl Judge<'_> {
    /// `None` without the section: usher sends no mail then.
    pub(super) fn mail(&mut self) -> Option<MailSettings> {
        let raw = self.merged.raw.mail.as_ref()?;
        let means = match raw.transport.as_deref() {
            Some("smtp") => self.smtp(raw),
            Some("file") => self.mail_folder(raw),
            Some(other) => {
                let help = suggestion(other, &TRANSPORTS);
                self.wrong("mail.transport", format!("`{other}` is no way to send mail; {help}"));
                None
            }
            None => {
                self.wrong("mail.transport", "it is missing: write `transport = \"smtp\"` or `transport = \"file\"`");
                None
            }
        };
        let from = raw.from.clone().unwrap_or_else(|| {
            self.wrong("mail.from", "it is missing: who the mails are from, `usher <usher@example.org>`");
            "usher@localhost".to_owned()
        });
        self.address("mail.from", &from);
        raw.reply_to.iter().for_each(|address| self.address("mail.reply_to", address));
        raw.administrators.iter().flatten().for_each(|address| self.address("mail.administrators", address));
        let settings = MailSettings {
            means: means?,
            from,
            reply_to: raw.reply_to.clone(),
            administrators: raw.administrators.clone().unwrap_or_default(),
            language: self.mail_language(raw),
            templates: raw.templates.as_deref().map(|folder| self.path(folder)),
            remind: self.length("mail.remind", raw.remind.as_deref(), 3600..=90 * 86_400, MailSettings::REMIND),
        };
        Some(settings)
    }

    fn smtp(&mut self, raw: &RawMail) -> Option<Means> {
        if raw.folder.is_some() {
            self.wrong("mail.folder", "it belongs to `transport = \"file\"`; leave it out, or change the transport");
        }
        let tls = self.tls(raw);
        let Some(host) = raw.host.clone() else {
            self.wrong("mail.host", "it is missing: the name of the mail server, `mail.example.org`");
            return None;
        };
        let login = match (&raw.user, &raw.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong(
                    "mail.password",
                    "`mail.user` is set, so it is missing: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`",
                );
                None
            }
            (None, Some(_)) => {
                self.wrong("mail.user", "`mail.password` is set, so it is missing");
                None
            }
        };
        let here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if tls == SmtpTls::None && login.is_some() && !here {
            self.wrong(
                "mail.tls",
                "with `none` the password would go over the line in the clear; write `starttls` or `tls`",
            );
        }
        let port = match raw.port.map(u16::try_from) {
            None => tls.port(),
            Some(Ok(port)) if port > 0 => port,
            Some(_) => {
                self.wrong("mail.port", "it is not between 1 and 65535");
                tls.port()
            }
        };
        let timeout = self.length("mail.timeout", raw.timeout.as_deref(), 1..=60, TIMEOUT);
        Some(Means::Smtp(SmtpSettings {
            host,
            port,
            tls,
            login,
            ca: raw.ca.as_deref().map(|ca| self.path(ca)),
            timeout,
        }))
    }

    fn tls(&mut self, raw: &RawMail) -> SmtpTls {
        let Some(word) = raw.tls.as_deref() else { return SmtpTls::StartTls };
        SmtpTls::ALL.into_iter().find(|tls| tls.as_str() == word).unwrap_or_else(|| {
            let help = suggestion(word, &SmtpTls::ALL.map(SmtpTls::as_str));
            self.wrong("mail.tls", format!("`{word}` is unknown; {help}"));
            SmtpTls::StartTls
        })
    }

    fn mail_folder(&mut self, raw: &RawMail) -> Option<Means> {
        let server = [
            ("host", raw.host.is_some()),
            ("port", raw.port.is_some()),
            ("tls", raw.tls.is_some()),
            ("user", raw.user.is_some()),
            ("password", raw.password.is_some()),
            ("ca", raw.ca.is_some()),
        ];
        for (key, _) in server.into_iter().filter(|(_, given)| *given) {
            self.wrong(
                &format!("mail.{key}"),
                "it belongs to `transport = \"smtp\"`; leave it out, or change the transport",
            );
        }
        let Some(folder) = raw.folder.as_deref() else {
            self.wrong("mail.folder", "it is missing: the folder that mails are written into");
            return None;
        };
        Some(Means::File(self.path(folder)))
    }

    fn address(&mut self, key: &str, text: &str) {
        if let Err(why) = mailbox(text) {
            self.wrong(key, why);
        }
    }

    fn mail_language(&mut self, raw: &RawMail) -> Language {
        let Some(tag) = raw.language.as_deref() else { return Language::En };
        Language::of_tag(tag).unwrap_or_else(|| {
            let known = Language::ALL.map(Language::as_str).join(", ");
            self.wrong("mail.language", format!("`{tag}` is no language that mails are written in: {known}"));
            Language::En
        })
    }

    /// A span of so many seconds; days have 24 hours.
    pub(super) fn length(
        &mut self,
        key: &str,
        text: Option<&str>,
        seconds: std::ops::RangeInclusive<u64>,
        default: Duration,
    ) -> Duration {
        let Some(text) = text else { return default };
        let read = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        let read = read.ok().and_then(|span| Duration::try_from(span).ok());
        read.filter(|span| seconds.contains(&span.as_secs())).unwrap_or_else(|| {
            let shown = |seconds: u64| {
                if seconds.is_multiple_of(86_400) {
                    format!("{} days", seconds / 86_400)
                } else {
                    format!("{seconds} s")
                }
            };
            self.wrong(
                key,
                format!("`{text}` is not between `{}` and `{}`", shown(*seconds.start()), shown(*seconds.end())),
            );
            default
        })
    }
}
